//! A failure: one line that names the thing and, where it is known, the way out.

use std::fmt;
use std::io::{self, Write};

use clap::ColorChoice;
use folio::{ErrorKind, FaultKind, Protection};

use crate::arguments::Map;
use crate::letters;
use crate::size::grouped_in;
use crate::terminal::{self, BAD};

/// Why the command could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// A failure in one's own words, with exit status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// The same failure with another exit status.
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// The exit status that it stands for.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// What the library failed with, in the command's words: the source as it was named, numbers
    /// as the report writes them, options in the place of methods.
    pub fn of(error: &folio::Error, arguments: &Map) -> Self {
        let text = error.to_string();
        let start = format!("cannot {} {}", error.operation(), error.backing());
        let reason = grouped_in(text.strip_prefix(&start).unwrap_or_default());
        let source = match arguments.is_standard_input() {
            true => "standard input".to_owned(),
            false => error.backing().to_string(),
        };
        let reason = match in_options(&reason, arguments) {
            Some(reason) => reason,
            None => match way_out(error) {
                Some(way_out) => format!("{reason}: {way_out}"),
                None => reason,
            },
        };
        Self::new(format!("cannot {} {source}{reason}", error.operation()))
    }

    /// What a store failed with: a file as it was named, numbers as the report writes them.
    pub fn of_store(error: &folio_store::Error) -> Self {
        let text = error.to_string();
        let start = format!("cannot {} {}", error.operation(), error.store());
        let reason = grouped_in(text.strip_prefix(&start).unwrap_or_default());
        let store = error.store().strip_prefix("file ").unwrap_or(error.store());
        let way_out = match (error.kind(), error.operation()) {
            _ if reason.matches(": ").count() > 1 => "",
            (folio_store::ErrorKind::NotFound, "open") => ": check what SOURCE names",
            (folio_store::ErrorKind::Denied, "open") => ": it takes other permissions",
            (folio_store::ErrorKind::Truncated | folio_store::ErrorKind::Changed, _) => {
                ": map it again"
            }
            _ => "",
        };
        Self::new(format!("cannot {} {store}{reason}{way_out}", error.operation()))
    }

    /// What paging failed with, in the command's words.
    pub fn of_pager(error: &folio_pager::Error) -> Self {
        use folio_pager::ErrorKind;
        if let Some(fault) = error.fault() {
            return Self::of_store(fault.store_error());
        }
        let text = error.to_string();
        // The library's way out is a method's.
        let ways = [": raise the budget", ": allow at least"];
        let end = ways.iter().find_map(|way| text.find(way)).unwrap_or(text.len());
        let text = &text[..end];
        let way_out = match error.kind() {
            ErrorKind::Budget => ": allow more (--memory), or take smaller granules (--granule)",
            ErrorKind::OutOfRange => ": choose a smaller --offset or --length",
            _ => "",
        };
        Self::new(format!("{}{way_out}", grouped_in(text).replacen(" file ", " ", 1)))
    }

    /// The same with one more way out.
    #[must_use]
    pub fn or(self, way_out: &str) -> Self {
        Self { message: format!("{}, {way_out}", self.message), ..self }
    }

    /// Writes it to standard error.
    pub fn print(&self, color: ColorChoice) {
        // Nobody is left to be told.
        let _ = writeln!(terminal::standard_error(color), "{BAD}folio{BAD:#}: {self}");
    }

    /// That standard output could not be written; `Ok` if its reader has had enough.
    ///
    /// # Errors
    /// The failure.
    pub fn of_output(error: &io::Error) -> Result<(), Self> {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Ok(());
        }
        let words = words(error);
        let way_out = match error.kind() {
            io::ErrorKind::StorageFull => "free some space, or write it elsewhere",
            _ => "write it elsewhere",
        };
        Err(Self::new(format!("cannot write to standard output: {words}: {way_out}")))
    }
}

/// What the system says of an error, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl fmt::Display for Failure {
    /// On one line, whatever a file is called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&letters::printable(&self.message))
    }
}

impl std::error::Error for Failure {}

impl From<folio_stat::Error> for Failure {
    fn from(error: folio_stat::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// A reason whose way out the library knows as a method, with the option instead.
fn in_options(reason: &str, arguments: &Map) -> Option<String> {
    let writable = arguments.protection().contains(Protection::WRITE);
    let reserves = writable && (arguments.is_private() || arguments.anonymous);
    let map_less = match (reserves && !arguments.no_reserve, arguments.anonymous) {
        (true, _) => ": map less, or add --no-reserve",
        (false, true) => ": map less",
        (false, false) => ": map less (--length)",
    };
    let collapse = match arguments.populate {
        true => "the kernel lacks it, or it is not for this kind of mapping",
        false => {
            "the kernel lacks it, it is not for this kind of mapping, or it has no pages yet: add \
             --populate"
        }
    };
    // What the library's reason ends with, how much of it goes, and what comes instead.
    let words = [
        ("(beyond_end)", "(beyond_end)", "(--beyond-end)"),
        ("no length of its own: give one", "", " with --length"),
        (COLLAPSE, COLLAPSE, collapse),
        ("allow base pages", "allow base pages", "add --or-base"),
        (
            "map it private or read-only",
            "map it private or read-only",
            "add --private, or leave out --protection",
        ),
        (
            "open it for reading, and for writing too if the mapping is shared and writable",
            "and for writing too if the mapping is shared and writable",
            "and for writing too (folio map - <> FILE), or add --private",
        ),
        ("a limit (ulimit -v) is exhausted", "", map_less),
        ("no address space is that large", "", ": map less"),
        (
            "the limit of locked memory is reached (ulimit -l), or a page of the range cannot be \
             had",
            " (ulimit -l), or a page of the range cannot be had",
            ", or a page of the range cannot be had: raise it (ulimit -l), or lock less",
        ),
        (
            "the limit of locked memory is reached (ulimit -l)",
            " (ulimit -l)",
            ": raise it (ulimit -l), or map less",
        ),
    ];
    words.into_iter().find_map(|(end, goes, comes)| {
        reason.ends_with(end).then(|| format!("{}{comes}", &reason[..reason.len() - goes.len()]))
    })
}

const COLLAPSE: &str = "the kernel lacks it, it is not for this kind of mapping, or it has no pages \
                        yet: populate it first";

/// What the library cannot know: which option helps, and what a path may have been meant for.
fn way_out(error: &folio::Error) -> Option<&'static str> {
    const EPERM: i32 = 1;
    const ENOENT: i32 = 2;
    const ENXIO: i32 = 6;
    const ENOTDIR: i32 = 20;
    const EISDIR: i32 = 21;
    const ELOOP: i32 = 40;

    if let Some(fault) = error.fault() {
        return Some(match fault.kind() {
            FaultKind::Truncated => "map it again, or only what it has (--length)",
            FaultKind::Io => "the kernel's log says more (dmesg)",
            FaultKind::NoSpace => "free some, or map less (--length)",
            FaultKind::Poison => "replace the memory; the kernel's log says more (dmesg)",
            FaultKind::Protection => {
                "map it with --protection r, or do without --touch and --bytes"
            }
            _ => "map it again",
        });
    }
    match (error.operation(), error.kind(), error.raw_os_error()) {
        ("open", _, Some(ENOENT)) => Some("check the path; for memory add --anonymous"),
        ("open", _, Some(ENOTDIR)) => Some("check the path: a part of it is no directory"),
        ("open", _, Some(ELOOP)) => {
            Some("its symbolic links lead in a circle: name the file itself")
        }
        ("open", _, Some(EPERM)) => {
            Some("a container or a security module forbids it: map it outside, or map a copy")
        }
        ("open", _, Some(ENXIO)) => {
            Some("it is a socket, or a device that is not there: name another")
        }
        ("open", _, Some(EISDIR)) => Some("name a file in it"),
        (_, ErrorKind::BeyondEnd, _) => Some("choose a smaller --offset"),
        _ => None,
    }
}
