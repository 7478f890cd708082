//! Journals, which have paths and not names: what they are like, and where to begin to read one.
//!
//! `docs/command.md` documents every key.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anstyle::Style;
use folio_shm::{ErrorKind, Journal, JournalOptions, JournalReader, JournalStat, Start};
use serde::Serialize;

use crate::failure::{Failure, words};
use crate::shm::arguments::Create;
use crate::shm::find::failure;
use crate::shm::report::SegmentReport;
use crate::shm::stat::{age, processes};
use crate::shm::users::Users;
use crate::size::{exact, grouped};
use crate::table::row;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest message.
    Oldest,
    /// With the next one.
    Newest,
    /// With the one of this number.
    Number(u64),
    /// With the last so many.
    Last(u64),
}

impl From {
    /// As it is written: `oldest`, `newest`, a number, or a negative one.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
        let this = match (text, text.strip_prefix('-')) {
            ("oldest", _) => Some(Self::Oldest),
            ("newest", _) => Some(Self::Newest),
            (_, Some(last)) => number(last).map(Self::Last),
            (text, None) => number(text).map(Self::Number),
        };
        this.ok_or("one begins with oldest, newest, a message's number, or -N, the last N")
    }
}

/// What only journals have.
#[derive(Debug, Serialize)]
pub struct JournalReport {
    files: usize,
    file_payload_bytes: u64,
    oldest: u64,
    next: u64,
    messages: u64,
    newest_seconds: Option<f64>,
    is_torn: bool,
    keep_bytes: Option<u64>,
    keep_seconds: Option<u64>,
    appender: Option<u32>,
}

/// The directory of a journal, if that is what is named: there is a slash, and not only before the name.
pub fn directory(name: &str) -> Option<&Path> {
    name.chars().skip(1).any(|c| c == '/').then(|| Path::new(name))
}

/// Makes one.
///
/// # Errors
/// That there is one, that its path is none, what it cannot be made for.
pub fn create(arguments: &Create) -> Result<(), Failure> {
    let Some(directory) = directory(&arguments.name) else {
        let name = arguments.name.trim_start_matches('/');
        return Err(Failure::new(format!(
            "cannot make {}: a journal has a path, with a slash in it: ./{name}, or one on a disk",
            arguments.name
        )));
    };
    let mut options = Journal::options().layout(arguments.layout.unwrap_or(0)).mode(arguments.mode);
    match options.read(directory, Start::Oldest) {
        Ok(_) => {
            let show = directory.display();
            return Err(Failure::new(format!(
                "cannot make {show}: there is a journal already: append to it (folio shm send), or \
                 remove it first (rm -r)"
            )));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failure(&error)),
    }
    if let Some(bytes) = arguments.file_size {
        options = options.file_bytes(bytes);
    }
    if let Some(bytes) = arguments.keep {
        options = options.keep_bytes(bytes as u64);
    }
    if let Some(age) = arguments.keep_for {
        options = options.keep_for(age);
    }
    options.append(directory).map(drop).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Os => {
            Failure::new(format!("{}: choose another path", failure(&error)))
        }
        _ => failure(&error),
    })
}

/// Options that read what is there, whoever else may reach it: nothing is believed.
fn reading(layout: Option<u64>) -> JournalOptions {
    Journal::options().layout(layout.unwrap_or(0)).mode(0o777)
}

/// A journal, from where it is to be read.
///
/// # Errors
/// What cannot be opened, and that there would be nothing to read.
pub fn read(
    directory: &Path,
    layout: Option<u64>,
    from: Option<From>,
    is_followed: bool,
) -> Result<JournalReader, Failure> {
    let options = reading(layout);
    let usual = if is_followed { From::Newest } else { From::Oldest };
    let start = match from.unwrap_or(usual) {
        From::Oldest => Start::Oldest,
        From::Newest if !is_followed => {
            return Err(Failure::new(format!(
                "cannot read {}: there is nothing yet from the newest on: add --follow",
                directory.display()
            )));
        }
        From::Newest => Start::Newest,
        From::Number(number) => Start::Sequence(number),
        From::Last(count) => {
            let JournalStat { oldest, next, .. } =
                options.stat(directory).map_err(|error| failure(&error))?;
            Start::Sequence(next.saturating_sub(count).max(oldest))
        }
    };
    options.read(directory, start).map_err(|error| failure(&error))
}

/// What is known of a journal.
///
/// # Errors
/// That there is none, what it cannot be read for.
pub fn report(directory: &Path, users: &Users) -> Result<(SegmentReport, JournalReport), Failure> {
    let stat = reading(None).stat(directory).map_err(|error| failure(&error))?;
    let metadata = stat.files.last().and_then(|path| path.metadata().ok());
    let (mode, user) =
        metadata.map_or((0, 0), |metadata| (metadata.mode() & 0o777, metadata.uid()));
    let appender = users.of(directory).first().copied();
    let mut pids: Vec<u32> = stat.files.iter().flat_map(|path| users.of(path)).collect();
    pids.extend(appender);
    pids.sort_unstable();
    pids.dedup();
    let segment = SegmentReport {
        name: directory.display().to_string(),
        kind: "journal",
        state: if pids.is_empty() { "idle" } else { "used" },
        payload_bytes: stat.bytes,
        file_bytes: stat.bytes,
        mode: format!("{mode:04o}"),
        user,
        layout: None,
        creator: None,
        creator_state: None,
        created_seconds: None,
        users: pids,
    };
    let newest = stat.newest_time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    // Of a file, all that was ever asked for to be kept.
    let is_limit = |bytes: &u64| *bytes != u64::MAX;
    let journal = JournalReport {
        files: stat.files.len(),
        file_payload_bytes: stat.file_bytes,
        oldest: stat.oldest,
        next: stat.next,
        messages: stat.next.saturating_sub(stat.oldest),
        newest_seconds: newest.map(|time| time.as_secs_f64()),
        is_torn: stat.is_torn,
        keep_bytes: stat.keep_bytes.filter(is_limit),
        keep_seconds: stat.keep_for.map(|age| age.as_secs()),
        appender,
    };
    Ok((segment, journal))
}

/// The journals at a path: itself, or those in it.
///
/// # Errors
/// That there are none, or that it cannot be read.
pub fn list(path: &Path, users: &Users) -> Result<Vec<SegmentReport>, Failure> {
    let show = path.display();
    let unreadable = |error: &io::Error| {
        Failure::new(format!("cannot list {show}: {}: name a directory", words(error)))
    };
    let is_journal = |path: &Path| reading(None).read(path, Start::Oldest).is_ok();
    if is_journal(path) {
        return Ok(vec![report(path, users)?.0]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(&error))?;
    let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inside.retain(|path| is_journal(path));
    inside.sort();
    if inside.is_empty() {
        return Err(Failure::new(format!(
            "cannot list {show}: there is no journal: folio shm create --journal makes one"
        )));
    }
    inside.iter().map(|path| Ok(report(path, users)?.0)).collect()
}

impl JournalReport {
    /// Writes it for people.
    ///
    /// # Errors
    /// What the writer fails with.
    pub fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = |label: &str, text: String| row(out, label, Style::new(), &[text]);
        line(
            "files",
            format!("{} of {}", grouped(self.files as u64), exact(self.file_payload_bytes)),
        )?;
        let numbers = match self.messages {
            0 => String::new(),
            _ => format!(", {} to {}", grouped(self.oldest), grouped(self.next - 1)),
        };
        line("messages", format!("{}{numbers}", grouped(self.messages)))?;
        if let Some(seconds) = self.newest_seconds {
            line("newest", age(seconds as u64))?;
        }
        if self.is_torn {
            line("damaged", "what comes behind them; whoever appends drops it".into())?;
        }
        let limits = [
            self.keep_bytes.map(exact),
            self.keep_seconds.map(|seconds| duration(Duration::from_secs(seconds))),
        ];
        let limits: Vec<_> = limits.into_iter().flatten().collect();
        line("keeps", if limits.is_empty() { "all".into() } else { limits.join(", ") })?;
        line("appender", processes(self.appender.as_slice()))
    }
}

/// A duration in its largest unit that needs no fraction, as `--keep-for` takes it.
fn duration(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{} d", grouped(seconds / 86_400)),
        seconds if seconds % 3600 == 0 => format!("{} h", grouped(seconds / 3600)),
        seconds if seconds % 60 == 0 => format!("{} min", grouped(seconds / 60)),
        seconds => format!("{} s", grouped(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_slash_behind_its_first_letter() {
        for path in ["./a", "a/", "a/b", "/a/b", "//a", "../a"] {
            assert_eq!(directory(path), Some(Path::new(path)));
        }
        for name in ["", "/", "a", "/a", "a.b"] {
            assert_eq!(directory(name), None, "{name}");
        }
    }

    #[test]
    fn beginnings_are_read_as_documented() {
        for (text, from) in [
            ("oldest", From::Oldest),
            ("newest", From::Newest),
            ("0", From::Number(0)),
            ("17", From::Number(17)),
            ("-5", From::Last(5)),
        ] {
            assert_eq!(From::parse(text), Ok(from));
        }
        for text in ["", "-", "+1", "--1", "-+1", "x", "1.5", "99999999999999999999"] {
            assert!(From::parse(text).is_err(), "{text}");
        }
    }
}
