//! The tally of a journal that is watched: it counts what is appended, by reading it.

use std::path::{Path, PathBuf};

use folio_shm::{ErrorKind, JournalReader};

use crate::failure::Failure;
use crate::shm::find::failure;
use crate::shm::journal::{self, From};
use crate::shm::report::SegmentReport;
use crate::shm::users::Users;

/// A journal, and how much was appended to it since it is watched.
#[derive(Debug)]
pub struct Tally {
    directory: PathBuf,
    segment: SegmentReport,
    reader: JournalReader,
    bytes: u64,
}

impl Tally {
    /// Begins with what is appended from now on.
    ///
    /// # Errors
    /// That there is no journal, what it cannot be read for.
    pub fn begin(directory: &Path) -> Result<Self, Failure> {
        let (segment, _) = journal::report(directory, &Users::now())?;
        let reader = journal::read(directory, None, Some(From::Newest), true)?;
        Ok(Self { directory: directory.to_owned(), segment, reader, bytes: 0 })
    }

    /// Reads what was appended meanwhile.
    ///
    /// # Errors
    /// What it cannot be read for.
    pub fn go_on(&mut self, users: &Users) -> Result<(), Failure> {
        self.segment.users = users.of(&self.directory);
        self.segment.state = if self.segment.users.is_empty() { "idle" } else { "used" };
        let mut message = Vec::new();
        loop {
            match self.reader.try_next(&mut message) {
                Ok(Some(_)) => self.bytes += message.len() as u64,
                Ok(None) => return Ok(()),
                // Whoever appends next drops it.
                Err(error) if error.kind() == ErrorKind::Scribbled => return Ok(()),
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it is like; its users are who appends.
    pub fn segment(&self) -> &SegmentReport {
        &self.segment
    }

    /// Messages since it was made.
    pub fn sent(&self) -> u64 {
        self.reader.next_sequence()
    }

    /// Bytes of messages since it is watched.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
