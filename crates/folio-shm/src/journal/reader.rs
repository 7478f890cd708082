//! The reader: follows a journal from a message on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::appender::segment_options;
use super::record::{self, At};
use super::{JournalOptions, files};
use crate::channel::bell::Bell;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::sleep::{LONG, SHORT, sleep};

const READ: &str = "read";

/// Where a reader begins.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest message there is.
    Oldest,
    /// With the next that will be appended.
    Newest,
    /// With the message of this number; with the oldest after it, if it is no longer there.
    Sequence(u64),
}

/// What is known about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    sequence: u64,
    time_nanos: u64,
    lost: u64,
}

impl Entry {
    /// Its number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it was appended.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.time_nanos)
    }

    /// How many messages before it had been removed when this reader came to them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// A reading side of a journal. There may be any number.
#[derive(Debug)]
pub struct JournalReader {
    options: JournalOptions,
    directory: PathBuf,
    file: Segment,
    /// The number of the file's first message.
    first: u64,
    at: usize,
    next: u64,
    /// The first message that is wanted.
    wanted: u64,
    lost: u64,
}

impl JournalReader {
    pub(super) fn new(options: JournalOptions, directory: &Path, start: Start) -> Result<Self> {
        let mut all = files::list(READ, directory)?;
        loop {
            let begun = Self::begin(&options, directory, start, &all);
            let is_gone = |error: &Error| error.kind() == ErrorKind::NotFound;
            if !begun.as_ref().is_err_and(is_gone) {
                return begun;
            }
            // Removed just now: there are others, unless all have gone.
            let before = std::mem::replace(&mut all, files::list(READ, directory)?);
            if all.is_empty() || all.first() <= before.first() {
                return begun;
            }
        }
    }

    fn begin(
        options: &JournalOptions,
        directory: &Path,
        start: Start,
        all: &[u64],
    ) -> Result<Self> {
        let (Some(&oldest), Some(&newest)) = (all.first(), all.last()) else {
            let what = directory.display().to_string();
            let reason = "there is no journal";
            return Err(
                Error::new(ErrorKind::NotFound, READ, what, reason).advice("append() makes one")
            );
        };
        let (first, wanted) = match start {
            Start::Oldest => (oldest, oldest),
            Start::Newest => (newest, u64::MAX),
            Start::Sequence(number) => {
                let holder = all.iter().rev().find(|&&first| first <= number);
                (*holder.unwrap_or(&oldest), number)
            }
        };
        let file = open(options, directory, first)?;
        let (at, lost) = (record::RECORDS, first.saturating_sub(wanted));
        let (options, directory) = (options.clone(), directory.to_owned());
        let mut this = Self { options, directory, file, first, at, next: first, wanted, lost };
        if start == Start::Newest {
            // Those that are there are not wanted, those that come are.
            this.try_next(&mut Vec::new())?;
            this.wanted = this.next;
        }
        Ok(this)
    }

    /// Copies the next message into `message`, in the place of what it held, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Scribbled`] where there is something that is no message: it was damaged, or an appender is
    /// about to remove it; [`ErrorKind::Truncated`] or [`ErrorKind::Fault`] where it cannot be read; what
    /// opening the next file fails with.
    pub fn try_next(&mut self, message: &mut Vec<u8>) -> Result<Option<Entry>> {
        loop {
            match record::read(&self.file, self.at, self.next, message)? {
                At::Whole(record) => {
                    self.at += record::size(record.len);
                    self.next += 1;
                    if record.sequence < self.wanted {
                        continue;
                    }
                    let lost = std::mem::take(&mut self.lost);
                    let (sequence, time_nanos) = (record.sequence, record.time_nanos);
                    return Ok(Some(Entry { sequence, time_nanos, lost }));
                }
                At::Torn => {
                    let reason = format!("what should be message {} is damaged", self.next);
                    return Err(Error::new(ErrorKind::Scribbled, READ, self.file.show(), reason)
                        .advice("append() goes on before it"));
                }
                At::End if self.turn_over(message)? => {}
                At::End => return Ok(None),
            }
        }
    }

    /// Waits for the next message, at most until the deadline.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next), and [`ErrorKind::TimedOut`].
    pub fn next_until(&mut self, message: &mut Vec<u8>, deadline: Instant) -> Result<Entry> {
        loop {
            let now = Instant::now();
            // Not to be woken without the permission to say that one sleeps.
            let bell = self.bell().map(|bell| (bell.prepare(), now + LONG));
            if let Some(entry) = self.try_next(message)? {
                return Ok(entry);
            }
            if now >= deadline {
                let reason = "the deadline has passed";
                return Err(Error::new(ErrorKind::TimedOut, READ, self.file.show(), reason));
            }
            match (self.bell(), bell) {
                (Some(bell), Some((number, end))) => {
                    sleep(bell.number, number, None, Some(end.min(deadline)));
                }
                _ => std::thread::sleep(SHORT.min(deadline - now)),
            }
        }
    }

    /// The number of the message that comes next, or the oldest after it.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        if self.wanted == u64::MAX { self.next } else { self.next.max(self.wanted) }
    }

    pub(super) fn file(&self) -> &Segment {
        &self.file
    }

    fn bell(&self) -> Option<Bell<'_>> {
        let asleep = self.file.word32(record::BELL + 4).ok()?;
        Some(Bell { number: self.file.word32(record::BELL).ok()?, asleep })
    }

    /// Goes on to the next file, if there is one. Its messages come after all of this one's.
    fn turn_over(&mut self, message: &mut Vec<u8>) -> Result<bool> {
        let follows = files::path(&self.directory, self.next);
        let first = if self.next > self.first && follows.exists() {
            self.next
        } else if rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0) {
            // This one has been removed, and perhaps others after it.
            let all = files::list(READ, &self.directory)?;
            let Some(&first) = all.iter().find(|&&first| first >= self.next) else {
                return Ok(false);
            };
            first
        } else {
            return Ok(false);
        };
        // Between the look at the record and that at the directory the last may have come.
        if record::read(&self.file, self.at, self.next, message)? != At::End {
            return Ok(true);
        }
        match open(&self.options, &self.directory, first) {
            Ok(file) => {
                self.lost += first - self.next;
                (self.file, self.first, self.at, self.next) = (file, first, record::RECORDS, first);
                Ok(true)
            }
            // Removed just now: there are others.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Opens a file, for writing if that is permitted: to be woken.
fn open(options: &JournalOptions, directory: &Path, first: u64) -> Result<Segment> {
    let path = files::path(directory, first);
    let segment = segment_options(options).owned_by_anybody();
    let file = match segment.clone().file(&path) {
        Err(error) if error.kind() == ErrorKind::Denied => segment.read_only().file(&path)?,
        other => other?,
    };
    files::check(READ, &file, first)?;
    Ok(file)
}
