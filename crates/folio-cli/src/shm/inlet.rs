//! Where messages come from: a queue, a broadcast or a journal.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use folio_shm::{ErrorKind, JournalReader, Receiver, Result, Subscriber};

/// What is known of a message besides its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    /// Messages that were lost before it.
    pub lost: u64,
    /// Its number in a journal.
    pub sequence: Option<u64>,
    /// When it was appended to a journal.
    pub time: Option<SystemTime>,
}

/// What came of asking for a message.
#[derive(Debug)]
pub enum Next {
    /// One was there; whether it could be written.
    Written(io::Result<()>),
    /// There is none now.
    Nothing,
    /// There is none, and none is waited for.
    Over,
}

/// Writes a message.
pub type Write<'a> = &'a mut dyn FnMut(&[u8], Origin) -> io::Result<()>;

/// Where messages come from.
pub trait Inlet {
    /// Whether a message that was taken is nobody else's any more.
    const TAKES: bool;

    /// Writes the next message, if it comes before the deadline; does not wait unless `waits`.
    ///
    /// # Errors
    /// What the library fails with.
    fn next(&mut self, waits: bool, deadline: Option<Instant>, write: Write<'_>) -> Result<Next>;
}

impl Inlet for Receiver {
    const TAKES: bool = true;

    fn next(&mut self, waits: bool, deadline: Option<Instant>, write: Write<'_>) -> Result<Next> {
        let message = match (waits, deadline) {
            (false, _) => match self.try_recv()? {
                Some(message) => message,
                None => return Ok(Next::Nothing),
            },
            (true, None) => self.recv()?,
            (true, Some(deadline)) => self.recv_until(deadline)?,
        };
        let bytes = message.to_vec()?;
        let written = write(&bytes, Origin::default());
        if written.is_err() {
            // Not dropped, which would give it back as one that was received: it goes to the next receiver.
            std::mem::forget(message);
        }
        Ok(Next::Written(written))
    }
}

impl Inlet for Subscriber {
    const TAKES: bool = false;

    fn next(&mut self, waits: bool, deadline: Option<Instant>, write: Write<'_>) -> Result<Next> {
        let mut message = Vec::new();
        let lost = match (waits, deadline) {
            (false, _) => match self.try_recv(&mut message)? {
                Some(lost) => lost,
                None => return Ok(Next::Nothing),
            },
            (true, None) => self.recv(&mut message)?,
            (true, Some(deadline)) => self.recv_until(&mut message, deadline)?,
        };
        Ok(Next::Written(write(&message, Origin { lost, ..Origin::default() })))
    }
}

/// A journal, whose end is waited at or not.
#[derive(Debug)]
pub struct Followed {
    /// What is read.
    pub reader: JournalReader,
    /// Whether to wait for more.
    pub is_followed: bool,
}

impl Inlet for Followed {
    const TAKES: bool = false;

    fn next(&mut self, waits: bool, deadline: Option<Instant>, write: Write<'_>) -> Result<Next> {
        let mut message = Vec::new();
        let entry = match (waits, self.is_followed) {
            (false, _) => self.reader.try_next(&mut message)?,
            (true, false) => return Ok(Next::Over),
            (true, true) => {
                let end = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
                match self.reader.next_until(&mut message, end) {
                    Ok(entry) => Some(entry),
                    Err(error) if error.kind() == ErrorKind::TimedOut && deadline.is_none() => None,
                    Err(error) => return Err(error),
                }
            }
        };
        let Some(entry) = entry else { return Ok(Next::Nothing) };
        let origin = Origin {
            lost: entry.lost(),
            sequence: Some(entry.sequence()),
            time: Some(entry.time()),
        };
        Ok(Next::Written(write(&message, origin)))
    }
}
