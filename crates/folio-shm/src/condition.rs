//! The condition: processes that wait until another says that something has changed.
//!
//! ```
//! use folio_shm::{Condition, Mutex, Segment};
//!
//! let segment = Segment::options().create().size(4096).memfd("conditional")?;
//! let mutex = Mutex::at(&segment, 0)?;
//! let condition = Condition::at(&segment, 16)?; // 8 bytes, zeros at first
//! let ready = segment.view().atomic_u32(64)?;
//! std::thread::scope(|scope| {
//!     scope.spawn(|| {
//!         let _guard = mutex.lock()?;
//!         ready.store(1)?;
//!         condition.notify_all();
//!         Ok::<(), std::io::Error>(())
//!     });
//!     let mut guard = mutex.lock()?;
//!     while ready.load()? == 0 {
//!         guard = condition.wait(guard)?;
//!     }
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! As with any such condition, to be woken says nothing: the waiter looks whether what it waits for
//! is true. It is woken too when somebody dies with the mutex, who might have been about to notify; the
//! mutex then says so, once. A death without the mutex, or one that has been told, wakes nobody: who waits for what only
//! that process would have done waits for ever, unless it says until when ([`Condition::wait_until`]).
//!
//! Layout: 4 bytes that count the notifications, 4 that count the waiters, too many where some were killed.

use std::fmt;

use crate::error::Result;
use crate::mutex::{Guard, LockError};
use crate::segment::Segment;
use crate::sleep::{LONG, sleep};
use crate::sync::{AtomicU32, Instant, Ordering, wake};

/// A condition in a segment, to be used with a [`Mutex`](crate::Mutex) in the same. See the
/// [module](self) documentation.
pub struct Condition<'a> {
    notified: &'a AtomicU32,
    waiters: &'a AtomicU32,
}

impl<'a> Condition<'a> {
    /// Bytes that it takes in the segment.
    pub const BYTES: usize = 8;

    /// The condition at a position of the payload, which is a multiple of 4. [`Self::BYTES`] zeros are one
    /// that nobody waits for.
    ///
    /// # Errors
    /// As [`Mutex::at`](crate::Mutex::at).
    pub fn at(segment: &'a Segment, at: usize) -> Result<Self> {
        let waiters = segment.word32(at.saturating_add(4))?;
        Ok(Self { notified: segment.word32(at)?, waiters })
    }

    /// Unlocks the mutex, waits to be woken, and locks it again.
    ///
    /// # Errors
    /// As [`Mutex::lock`](crate::Mutex::lock).
    pub fn wait<'g>(&self, guard: Guard<'g>) -> Result<Guard<'g>, LockError<'g>> {
        self.wait_by(guard, None)
    }

    /// The same, at most until the deadline; then too the mutex is locked again, however long that takes.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_until<'g>(
        &self,
        guard: Guard<'g>,
        deadline: Instant,
    ) -> Result<Guard<'g>, LockError<'g>> {
        self.wait_by(guard, Some(deadline))
    }

    fn wait_by<'g>(
        &self,
        guard: Guard<'g>,
        deadline: Option<Instant>,
    ) -> Result<Guard<'g>, LockError<'g>> {
        let mutex = guard.mutex();
        // What changes from here on, changes after the caller has looked.
        let seen = self.notified.load(Ordering::Relaxed);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        drop(guard);
        loop {
            let now = Instant::now();
            let end = deadline.map_or(now + LONG, |deadline| deadline.min(now + LONG));
            sleep(self.notified, seen, None, Some(end));
            let is_woken = self.notified.load(Ordering::SeqCst) != seen;
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_woken || is_over || mutex.is_left() || mutex.is_cut() {
                break;
            }
        }
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        mutex.lock()
    }

    /// Wakes one who waits, if anybody does. No system call if nobody does.
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.notify(i32::MAX as u32);
    }

    fn notify(&self, count: u32) {
        // Sequentially consistent, as are the waiter's steps in the opposite order: either it is seen here,
        // or it sees the new number, and does not sleep.
        self.notified.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) != 0 {
            wake(self.notified, count);
        }
    }
}

impl fmt::Debug for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.waiters.load(Ordering::Relaxed);
        f.debug_struct("Condition").field("waiters", &waiters).finish_non_exhaustive()
    }
}
