//! The mutex between processes, whose owner's death is an error value to the next owner.
//!
//! ```
//! use folio_shm::{Mutex, Segment};
//!
//! let segment = Segment::options().create().size(4096).memfd("guarded")?;
//! let mutex = Mutex::at(&segment, 0)?; // 16 bytes; zeros are an unlocked one
//! let guard = mutex.lock()?;
//! segment.write_at(64, b"changed by one at a time")?;
//! drop(guard);
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! 1. To lock is to put this process's mark, its number and start where there is none: one compare-exchange.
//! 2. Who finds another's sets the bit that says so, and sleeps on the word.
//! 3. To unlock is to take the mark away; a system call wakes one sleeper, if the bit was set. Who sleeps
//!    looks around now and then all the same: the one that was woken may have been killed.
//! 4. A sleeper learns of the owner's death (pidfd_open(2)), puts its own mark in the place of the
//!    dead one's, and is told: [`LockError::OwnerDied`], with the lock. What the lock guards may be half
//!    changed.
//! 5. When it has put things right it says so: [`Guard::mark_consistent`]. If it does not, the next owner
//!    is told too.
//!
//! Why not glibc's robust mutexes (pthread_mutexattr_setrobust(3))? They keep a list of what a thread has
//! locked, and its pointers lie in the shared memory, where a peer may change them: glibc would follow them
//! at the next unlock. A mark is a number; whatever a peer writes there is nobody, a process that lives, or
//! one that does not. The price: the owner is a process, not a thread. A thread that ends without
//! dropping its guard keeps the lock until its process ends; so does a process that executes another
//! program. A guard that is dropped in a panic leaves the mutex as its owner's death does.
//!
//! A peer can keep the lock for ever, or take it while we have it: it has the memory. It
//! cannot make us read or write outside of the segment; who must not wait for ever has
//! [`lock_until`](Mutex::lock_until).
//!
//! Layout: 8 bytes mark, 4 bytes that are not 0 if things have not been put right, 4 of nothing.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::mark::Mark;
use crate::owner::Life;
use crate::segment::Segment;
use crate::sleep::{LONG, SHORT, sleep};
use crate::sync::{AtomicU32, AtomicU64, Instant, LOOKS, Ordering, wake};
use crate::watch::Watched;

const LOCK: &str = "lock a mutex in";

/// How long an owner has the lock before anybody asks whether it lives.
const TRUST: Duration = Duration::from_millis(1);

/// A lock in a segment. See the [module](self) documentation.
pub struct Mutex<'a> {
    segment: &'a Segment,
    mark: &'a AtomicU64,
    /// The low half of the mark, for the kernel.
    low: &'a AtomicU32,
    inconsistent: &'a AtomicU32,
}

impl<'a> Mutex<'a> {
    /// Bytes that it takes in the segment.
    pub const BYTES: usize = 16;

    /// The mutex at a position of the payload, which is a multiple of 8. [`Self::BYTES`] zeros are
    /// an unlocked one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`], [`ErrorKind::Invalid`] if misaligned; [`ErrorKind::Denied`] if the segment
    /// is mapped read-only; [`ErrorKind::Unsupported`] if it was made in another PID namespace, from where
    /// the death of processes here cannot be seen.
    pub fn at(segment: &'a Segment, at: usize) -> Result<Self> {
        if !segment.is_of_this_namespace() {
            let reason = "it was made in another PID namespace, where processes have other numbers";
            return Err(Error::new(ErrorKind::Unsupported, LOCK, segment.show(), reason)
                .advice("let all who lock it share one"));
        }
        let state = at.saturating_add(8);
        Ok(Self {
            segment,
            mark: segment.word64(at)?,
            low: segment.word32(at)?,
            inconsistent: segment.word32(state)?,
        })
    }

    /// Locks it, as soon as nobody else has it. A thread that has it already waits for ever.
    ///
    /// # Errors
    /// [`LockError::OwnerDied`], with the lock; [`LockError::Failed`] if the segment has been cut.
    pub fn lock(&self) -> Result<Guard<'_>, LockError<'_>> {
        self.lock_by(None)
    }

    /// Locks it if nobody else has it before the deadline.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and [`ErrorKind::TimedOut`].
    pub fn lock_until(&self, deadline: Instant) -> Result<Guard<'_>, LockError<'_>> {
        self.lock_by(Some(deadline))
    }

    /// Locks it if nobody has it now, or a dead process has.
    ///
    /// # Errors
    /// [`LockError::OwnerDied`], with the lock.
    pub fn try_lock(&self) -> Result<Option<Guard<'_>>, LockError<'_>> {
        let this = Mark::this_process();
        match self.exchange(Mark::NOBODY, this) {
            Ok(()) => self.locked().map(Some),
            Err(owner) if owner.life() == Life::Dead => match self.exchange(owner, this.waited()) {
                Ok(()) => self.inherited(),
                Err(_) => Ok(None),
            },
            Err(_) => Ok(None),
        }
    }

    #[inline]
    fn lock_by(&self, deadline: Option<Instant>) -> Result<Guard<'_>, LockError<'_>> {
        match self.exchange(Mark::NOBODY, Mark::this_process()) {
            Ok(()) => self.locked(),
            Err(owner) => self.lock_slowly(owner, deadline),
        }
    }

    #[cold]
    fn lock_slowly(
        &self,
        mut owner: Mark,
        deadline: Option<Instant>,
    ) -> Result<Guard<'_>, LockError<'_>> {
        let mut this = Mark::this_process();
        for _ in 0..LOOKS {
            if owner == Mark::NOBODY {
                match self.exchange(owner, this) {
                    Ok(()) => return self.locked(),
                    Err(now) => owner = now,
                }
            }
            if owner.is_waited() {
                break;
            }
            std::hint::spin_loop();
            owner = Mark(self.mark.load(Ordering::Relaxed));
        }
        // From here on others may be waiting who count on this one to wake them.
        this = this.waited();
        let mut since = (owner.plain(), Instant::now());
        let mut watched: Option<Watched> = None;
        loop {
            if owner == Mark::NOBODY {
                match self.exchange(owner, this) {
                    Ok(()) => return self.locked(),
                    Err(now) => owner = now,
                }
            }
            // In every turn: a word that never stands still keeps nobody here.
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                let reason = format!("process {} had it all the time", owner.pid());
                let error = Error::new(ErrorKind::TimedOut, LOCK, self.segment.show(), reason);
                return Err(LockError::Failed(error));
            }
            if !owner.is_waited() {
                if let Err(now) = self.exchange(owner, owner.waited()) {
                    owner = now;
                    continue;
                }
                owner = owner.waited();
            }
            if since.0 != owner.plain() {
                (since, watched) = ((owner.plain(), now), None);
            }
            let trust = since.1 + TRUST;
            let is_trusted = now < trust;
            if !is_trusted {
                let has_died = match &watched {
                    Some(watched) => watched.death().has_come(),
                    None => owner.life() == Life::Dead,
                };
                if has_died {
                    match self.exchange(owner, this) {
                        Ok(()) => return self.inherited(),
                        Err(now) => owner = now,
                    }
                    continue;
                }
                watched = watched.or_else(|| Watched::new(owner));
            }
            self.segment.whole(LOCK).map_err(LockError::Failed)?;
            let death = watched.as_ref().map(Watched::death);
            let end = match (is_trusted, death) {
                (true, _) => trust,
                (false, Some(_)) => now + LONG,
                (false, None) => now + SHORT,
            };
            let end = deadline.map_or(end, |deadline| deadline.min(end));
            sleep(self.low, owner.0 as u32, death, Some(end));
            owner = Mark(self.mark.load(Ordering::Relaxed));
        }
    }

    #[inline]
    fn exchange(&self, from: Mark, to: Mark) -> Result<(), Mark> {
        self.mark
            .compare_exchange(from.0, to.0, Ordering::Acquire, Ordering::Relaxed)
            .map(drop)
            .map_err(Mark)
    }

    /// The lock is ours; what it guards may not be in order.
    #[inline]
    fn locked<'m, T: From<Guard<'m>>>(&'m self) -> Result<T, LockError<'m>> {
        let guard = Guard { mutex: self, was_panicking: std::thread::panicking() };
        match self.inconsistent.load(Ordering::Relaxed) {
            0 => Ok(guard.into()),
            _ => Err(LockError::OwnerDied(guard)),
        }
    }

    /// The lock is ours, and was a dead process's. If we die before the next line is done, the next finds
    /// our mark, and comes here as well.
    fn inherited<T>(&self) -> Result<T, LockError<'_>> {
        self.inconsistent.store(1, Ordering::Relaxed);
        Err(LockError::OwnerDied(Guard { mutex: self, was_panicking: std::thread::panicking() }))
    }

    /// Whether a process that is dead has it.
    pub(crate) fn is_left(&self) -> bool {
        let owner = Mark(self.mark.load(Ordering::Relaxed));
        owner != Mark::NOBODY && owner.life() == Life::Dead
    }

    /// Whether its page, or another, is gone.
    pub(crate) fn is_cut(&self) -> bool {
        self.segment.whole(LOCK).is_err()
    }
}

impl fmt::Debug for Mutex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = Mark(self.mark.load(Ordering::Relaxed));
        let owner = (owner != Mark::NOBODY).then(|| owner.pid());
        f.debug_struct("Mutex").field("owner", &owner).finish_non_exhaustive()
    }
}

/// A mutex that this process has. Dropped, it is free.
///
/// In a forked child it is the parent's still, and dropping it there does nothing.
#[must_use = "the mutex is unlocked when the guard is dropped"]
pub struct Guard<'a> {
    mutex: &'a Mutex<'a>,
    was_panicking: bool,
}

impl<'a> Guard<'a> {
    /// What the mutex guards is in order, though its last owner died: the next owner is told nothing.
    pub fn mark_consistent(&self) {
        self.mutex.inconsistent.store(0, Ordering::Relaxed);
    }

    pub(crate) fn mutex(&self) -> &'a Mutex<'a> {
        self.mutex
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Mutex { mark, low, inconsistent, .. } = self.mutex;
        if std::thread::panicking() && !self.was_panicking {
            inconsistent.store(1, Ordering::Relaxed);
        }
        let this = Mark::this_process();
        let leave = |mark: &AtomicU64, from: Mark| {
            mark.compare_exchange(from.0, 0, Ordering::Release, Ordering::Relaxed)
        };
        if leave(mark, this).is_err() && leave(mark, this.waited()).is_ok() {
            wake(low, 1);
        }
        // Anything else is another's mark: a parent's, or what a peer wrote over ours.
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// A mutex was not locked as it should be.
///
/// It may hold the lock, so it cannot leave the function that has the segment: `?` makes an [`Error`] or an
/// [`std::io::Error`] of it, and unlocks. For a `Box<dyn std::error::Error>` make an [`Error`] of it first:
/// `mutex.lock().map_err(folio_shm::Error::from)?`.
#[non_exhaustive]
pub enum LockError<'a> {
    /// It is locked. The last owner died with it, or panicked, and nobody has said since that things are
    /// in order ([`Guard::mark_consistent`]).
    OwnerDied(Guard<'a>),
    /// It is not locked.
    Failed(Error),
}

impl<'a> LockError<'a> {
    /// The lock, whatever became of the last owner.
    ///
    /// # Errors
    /// The error, if it is not locked.
    pub fn into_guard(self) -> Result<Guard<'a>> {
        match self {
            Self::OwnerDied(guard) => Ok(guard),
            Self::Failed(error) => Err(error),
        }
    }
}

impl fmt::Display for LockError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(guard) => write!(
                f,
                "the last owner of a mutex in {} died with it: put in order what it guards, and \
                 say mark_consistent()",
                guard.mutex.segment.show()
            ),
            Self::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Debug for LockError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockError({self})")
    }
}

impl std::error::Error for LockError<'_> {}

/// Unlocks it.
impl From<LockError<'_>> for Error {
    fn from(error: LockError<'_>) -> Self {
        match error {
            LockError::Failed(error) => error,
            LockError::OwnerDied(guard) => {
                let reason = "the last owner of the mutex died with it";
                Self::new(ErrorKind::OwnerDied, LOCK, guard.mutex.segment.show(), reason)
                    .advice("put in order what it guards, and say mark_consistent()")
            }
        }
    }
}

/// Unlocks it.
impl From<LockError<'_>> for std::io::Error {
    fn from(error: LockError<'_>) -> Self {
        Error::from(error).into()
    }
}
