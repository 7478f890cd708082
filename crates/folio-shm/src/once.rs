//! The once: something that one process does, and the others wait for.
//!
//! ```
//! use folio_shm::{Once, Segment};
//!
//! let segment = Segment::options().create().size(4096).memfd("initialised")?;
//! let once = Once::at(&segment, 0)?; // 24 bytes, zeros at first
//! once.call(|attempt| {
//!     assert!(!attempt.was_left(), "nobody died at it before");
//!     segment.write_at(64, b"made by one")
//! })?;
//! assert!(once.is_done());
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! What is done before anybody can find a segment needs none of this: see
//! [`SegmentOptions::init`](crate::SegmentOptions::init).
//!
//! Layout: a mutex, 4 bytes that are 1 when it is done, 4 of nothing.

use crate::error::Result;
use crate::mutex::{LockError, Mutex};
use crate::segment::Segment;
use crate::sync::{AtomicU32, Ordering};

const DONE: u32 = 1;

/// Something to be done once, by whoever comes first. See the [module](self) documentation.
#[derive(Debug)]
pub struct Once<'a> {
    mutex: Mutex<'a>,
    done: &'a AtomicU32,
}

/// What is known to whoever does it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    was_left: bool,
}

impl Attempt {
    /// Whether somebody began before, and died or panicked at it: things may be half done.
    #[must_use]
    pub fn was_left(&self) -> bool {
        self.was_left
    }
}

impl<'a> Once<'a> {
    /// Bytes that it takes in the segment.
    pub const BYTES: usize = Mutex::BYTES + 8;

    /// The once at a position of the payload, which is a multiple of 8. [`Self::BYTES`] zeros are one that
    /// is not done.
    ///
    /// # Errors
    /// As [`Mutex::at`].
    pub fn at(segment: &'a Segment, at: usize) -> Result<Self> {
        let done = segment.word32(at.saturating_add(Mutex::BYTES))?;
        Ok(Self { mutex: Mutex::at(segment, at)?, done })
    }

    /// Whether it is done. What was written in doing it can be read then.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) == DONE
    }

    /// Does it, unless it is done; waits for somebody else who is doing it. Where `work` fails, or panics, or
    /// its process dies, it is not done, and the next one tries.
    ///
    /// # Errors
    /// Those of `work`, and that the segment has been cut.
    pub fn call<E: From<crate::Error>>(
        &self,
        work: impl FnOnce(Attempt) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_done() {
            return Ok(());
        }
        let (guard, was_left) = match self.mutex.lock() {
            Ok(guard) => (guard, false),
            Err(LockError::OwnerDied(guard)) => (guard, true),
            Err(LockError::Failed(error)) => return Err(error.into()),
        };
        if !self.is_done() {
            work(Attempt { was_left })?;
            self.done.store(DONE, Ordering::Release);
        }
        guard.mark_consistent();
        Ok(())
    }
}
