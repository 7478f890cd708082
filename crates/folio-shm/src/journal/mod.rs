//! The journal: messages that stay, in files that survive their processes, and the machine if they are
//! flushed.
//!
//! ```
//! use folio_shm::{Journal, Start};
//!
//! # let directory = std::env::temp_dir().join(format!("folio-doc-journal-{}", std::process::id()));
//! let mut appender = Journal::options().file_bytes(1 << 20).append(&directory)?;
//! appender.append(b"first")?;
//! appender.append(b"second")?;
//! appender.flush()?; // on the disk
//!
//! // In any process, now or later:
//! let mut reader = Journal::options().read(&directory, Start::Oldest)?;
//! let mut message = Vec::new();
//! let entry = reader.try_next(&mut message)?.expect("the first");
//! assert_eq!((entry.sequence(), &*message), (0, &b"first"[..]));
//!
//! let mut reader = Journal::options().read(&directory, Start::Sequence(1))?;
//! reader.try_next(&mut message)?;
//! assert_eq!(message, b"second");
//!
//! let stat = Journal::options().stat(&directory)?;
//! assert_eq!((stat.oldest, stat.next, stat.files.len()), (0, 2, 1));
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! 1. A journal is a directory; its files are segments, named by the sequence number of their first message.
//!    One process appends at a time, which a lock on the directory sees to: the kernel gives it back
//!    however the process ends, and its forked children that have not executed a program.
//! 2. A record is written behind the last, its first word last: readers that map the file see it whole, or
//!    not. It carries its number, its time and a checksum.
//! 3. Where it does not fit, the next file is made, whole before it has its name, and older files are removed
//!    that nobody asked to keep.
//! 4. Whoever appends next looks for the first record that is not whole, and goes on there: after kill -9
//!    nothing is missing, after a power failure nothing that was flushed. A torn message is dropped with what
//!    came after it, and none before it is.
//! 5. A reader copies a message, checks it, and goes on to the next file when its own has no more. Where it was
//!    overtaken by the removal of old files it is told how many messages it lost.
//!
//! Readers need no permission to write; one that has it is woken by the appender, the others look from time to
//! time. A peer that may write can spoil messages, which their checksum shows: kind
//! [`Scribbled`](ErrorKind::Scribbled).

mod appender;
mod disk;
mod files;
#[cfg(test)]
mod power_tests;
mod reader;
mod record;
mod stat;

use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

pub use appender::Appender;
pub use reader::{Entry, JournalReader, Start};
pub use stat::JournalStat;

use crate::error::{Error, ErrorKind, Result};
use crate::header;

/// What a journal's files hold, unless their users say more.
const LAYOUT: u64 = header::hash(b"folio-shm journal 1");

/// Bytes of a file unless they are asked for.
const USUAL_BYTES: usize = 64 << 20;

/// Messages that stay. See the [module](self) documentation.
#[derive(Debug)]
pub struct Journal(PhantomData<()>);

impl Journal {
    /// Options to append to one or read it with.
    #[must_use]
    pub fn options() -> JournalOptions {
        JournalOptions::default()
    }
}

/// The parameters of a journal, to be set one by one. What is done with it comes last.
#[derive(Clone, Debug, Default)]
pub struct JournalOptions {
    file_bytes: Option<usize>,
    keep_bytes: Option<u64>,
    keep_for: Option<Duration>,
    mode: Option<u32>,
    layout: u64,
}

impl JournalOptions {
    /// Bytes of each file; by default as many as the last one has, or 64 MiB. The longest message takes at most a file, less some 200 bytes.
    /// All are reserved when a file is made.
    #[must_use]
    pub fn file_bytes(mut self, bytes: usize) -> Self {
        self.file_bytes = Some(bytes);
        self
    }

    /// Removes the oldest files while all together have more bytes; by default as the journal was appended to
    /// before, and all are kept of a new one, or with [`u64::MAX`]. The one that is appended to stays.
    #[must_use]
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.keep_bytes = Some(bytes);
        self
    }

    /// Removes files whose last message is older; by default as with [`keep_bytes`](Self::keep_bytes), and all are
    /// kept with [`Duration::MAX`]. Looked at when a file is made.
    #[must_use]
    pub fn keep_for(mut self, age: Duration) -> Self {
        self.keep_for = Some(age);
        self
    }

    /// Who may reach the files: see [`SegmentOptions::mode`](crate::SegmentOptions::mode).
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// What the messages are, as a number that all who use the journal agree on: see
    /// [`SegmentOptions::layout`](crate::SegmentOptions::layout).
    #[must_use]
    pub fn layout(mut self, hash: u64) -> Self {
        self.layout = hash;
        self
    }

    /// Appends to the journal in this directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while somebody else does; [`ErrorKind::Invalid`] for files that are too small;
    /// [`ErrorKind::NoSpace`]; what opening a segment fails with, where the last file is not the journal's.
    pub fn append(&self, directory: impl AsRef<Path>) -> Result<Appender> {
        let directory = directory.as_ref();
        if self.bytes_of_a_file() < record::SMALLEST {
            let reason = "its files are too small for a message";
            return Err(Error::new(
                ErrorKind::Invalid,
                "append to",
                directory.display().to_string(),
                reason,
            )
            .advice("file_bytes() says how large they are"));
        }
        Appender::new(self.clone(), directory)
    }

    /// Reads the journal in this directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none; what opening a segment fails with.
    pub fn read(&self, directory: impl AsRef<Path>, start: Start) -> Result<JournalReader> {
        JournalReader::new(self.clone(), directory.as_ref(), start)
    }

    /// What is known of the journal in this directory. Takes as long as reading its last file does.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn stat(&self, directory: impl AsRef<Path>) -> Result<JournalStat> {
        JournalStat::of(self, directory.as_ref())
    }

    fn kept(&self) -> record::Kept {
        record::Kept { bytes: self.keep_bytes, age: self.keep_for }
    }

    fn bytes_of_a_file(&self) -> usize {
        self.file_bytes.unwrap_or(USUAL_BYTES)
    }

    fn layout_hash(&self) -> u64 {
        LAYOUT ^ self.layout
    }
}
