//! What is known of a journal from outside.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::reader::{JournalReader, Start};
use super::record::{self, Kept};
use super::{JournalOptions, files};
use crate::error::{ErrorKind, Result};

/// A journal, as it was when it was looked at.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStat {
    /// Its files, the oldest first.
    pub files: Vec<PathBuf>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of the last one's payload: the next has as many, unless its appender asks for others.
    pub file_bytes: u64,
    /// The number of the oldest message.
    pub oldest: u64,
    /// The number that the next message gets.
    pub next: u64,
    /// When the newest message was appended, if it is in the last file.
    pub newest_time: Option<SystemTime>,
    /// Whether what comes behind the newest message is damaged: whoever appends drops it.
    pub is_torn: bool,
    /// What all files together have at most, before the oldest go.
    pub keep_bytes: Option<u64>,
    /// How old a file's last message gets before it goes.
    pub keep_for: Option<Duration>,
}

impl JournalStat {
    pub(super) fn of(options: &JournalOptions, directory: &Path) -> Result<Self> {
        let all = files::list("look at", directory)?;
        let (oldest, last) = (all.first().copied().unwrap_or(0), all.last().copied().unwrap_or(0));
        let mut reader = JournalReader::new(options.clone(), directory, Start::Sequence(last))?;
        let mut message = Vec::new();
        let (mut newest_time, mut is_torn) = (None, false);
        loop {
            match reader.try_next(&mut message) {
                Ok(Some(entry)) => newest_time = Some(entry.time()),
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::Scribbled => {
                    is_torn = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let files: Vec<_> = all.iter().map(|&first| files::path(directory, first)).collect();
        let lengths = files.iter().filter_map(|path| path.metadata().ok());
        let Kept { bytes: keep_bytes, age: keep_for } = record::kept(reader.file())?;
        Ok(Self {
            bytes: lengths.map(|metadata| metadata.len()).sum(),
            file_bytes: reader.file().len() as u64,
            files,
            oldest,
            next: reader.next_sequence(),
            newest_time,
            is_torn,
            keep_bytes,
            keep_for,
        })
    }
}
