//! The watch: learning of another process's death while asleep.
//!
//! 1. [`Watched::new`] opens a pidfd(2) of the process and has one thread of this process wait for it and all
//!    others (epoll(7)). Started with the first, it sleeps unless somebody dies.
//! 2. The thread sets a word of the watched process and wakes whoever sleeps on it. A pidfd is
//!    readable as soon as the process has ended, zombie or not.
//! 3. A sleeper waits on that word and on its own at once (futex_waitv(2), [`crate::sleep`]), so that no death
//!    comes between its last look and its sleep. Or, where its own word may be changed by others, it has the
//!    thread change it: to sleep on one word is cheaper.
//!
//! Invariant: a pidfd is open exactly as long as its entry is in the table, and what is to be done at a death is kept as
//! long: a segment that it wakes others in is in use no longer than its watchers are.
//!
//! The words are in this process's own memory, where no peer can touch them. A forked child has neither
//! thread nor watch of its parent's: it begins again with its own.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::futex;

use crate::mark::Mark;
use crate::owner::Life;
use crate::thread;

/// A process whose death is noticed. Dropped, it is watched no more.
#[derive(Debug)]
pub(crate) struct Watched {
    office: &'static Office,
    key: u64,
    death: Arc<Death>,
}

/// What is to be done at a death. It watches nobody.
pub(crate) struct Then(pub(crate) Box<dyn Fn() + Send>);

impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Then(..)")
    }
}

/// 1 when the process has died.
#[derive(Debug, Default)]
pub(crate) struct Death(pub(crate) AtomicU32);

impl Death {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

impl Watched {
    /// Watches the process of a mark. None if that cannot be done here: the caller looks at its life from
    /// time to time.
    pub(crate) fn new(mark: Mark) -> Option<Self> {
        Self::and_then(mark, None)
    }

    /// The same; `then` runs on the thread that notices the death, after the word has been set.
    pub(crate) fn and_then(mark: Mark, then: Option<Then>) -> Option<Self> {
        let office = Office::of_this_process()?;
        let death = Arc::<Death>::default();
        let pid = Pid::from_raw(i32::try_from(mark.pid()).ok()?)?;
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return None;
        };
        // The descriptor is of whoever has the number now. Who was meant has it still, or is dead.
        if mark.life() == Life::Dead {
            death.0.store(1, Ordering::Release);
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut entries = office.entries();
        let data = epoll::EventData::new_u64(key);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        epoll::add(&office.epoll, &pidfd, data, flags).ok()?;
        entries.insert(key, Entry { death: death.clone(), pidfd, then });
        drop(entries);
        Some(Self { office, key, death })
    }

    pub(crate) fn death(&self) -> &Death {
        &self.death
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // In a child the lock may be held for ever, and the epoll(7) is the parent's.
        if self.office.home != Mark::this_process() {
            return;
        }
        let entry = self.office.entries().remove(&self.key);
        if let Some(entry) = entry {
            let _ = epoll::delete(&self.office.epoll, &entry.pidfd);
        }
    }
}

#[derive(Debug)]
struct Entry {
    death: Arc<Death>,
    pidfd: OwnedFd,
    then: Option<Then>,
}

/// Whom this process watches.
#[derive(Debug)]
struct Office {
    home: Mark,
    epoll: OwnedFd,
    entries: Mutex<HashMap<u64, Entry>>,
    /// Whether there is no thread to wait.
    is_closed: AtomicBool,
}

/// The last one made, by this process or one it was forked from. Never freed.
static OFFICE: AtomicPtr<Office> = AtomicPtr::new(ptr::null_mut());

impl Office {
    /// That of this process; a child's is another than its parent's, whose locks may be held for ever
    /// there.
    fn of_this_process() -> Option<&'static Self> {
        let home = Mark::this_process();
        loop {
            let now = OFFICE.load(Ordering::Acquire);
            // SAFETY: null, or from a box that was leaked before it was published, in this process or in
            // the one whose memory this is a copy of.
            if let Some(office) = unsafe { now.as_ref() }
                && office.home == home
            {
                return (!office.is_closed.load(Ordering::Acquire)).then_some(office);
            }
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).ok()?;
            let (entries, is_closed) = (Mutex::default(), AtomicBool::new(false));
            let new = Box::into_raw(Box::new(Self { home, epoll, entries, is_closed }));
            if OFFICE.compare_exchange(now, new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // SAFETY: leaked.
                unsafe { &*new }.open();
            } else {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }

    /// Starts the thread.
    fn open(&'static self) {
        if thread::start("folio-shm-watch", || self.work()).is_err() {
            self.is_closed.store(true, Ordering::Release);
        }
    }

    fn work(&self) {
        loop {
            let mut events = Vec::with_capacity(16);
            let waited =
                epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None);
            if !matches!(waited, Ok(_) | Err(Errno::INTR)) {
                self.is_closed.store(true, Ordering::Release);
                return;
            }
            for event in &events {
                // Locked until it is done: who is not watched any more has nothing here, and nobody waits for it.
                let mut entries = self.entries();
                let Some(entry) = entries.remove(&event.data.u64()) else { continue };
                let _ = epoll::delete(&self.epoll, &entry.pidfd);
                entry.death.0.store(1, Ordering::Release);
                let _ = futex::wake(&entry.death.0, futex::Flags::PRIVATE, i32::MAX as u32);
                if let Some(Then(then)) = &entry.then {
                    then();
                }
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_is_done_at_a_death_is_over_when_nobody_watches_any_more() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = crate::owner::Owner::of(child.id()).unwrap();
        let kept = Arc::new(());
        let (begun, begins) = std::sync::mpsc::channel();
        let then = {
            let kept = kept.clone();
            move || {
                let _kept = &kept;
                begun.send(()).unwrap();
                // Long enough to be dropped meanwhile.
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        let watched = Watched::and_then(Mark::of(owner), Some(Then(Box::new(then)))).unwrap();
        child.kill().unwrap();
        begins.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(watched);
        assert_eq!(Arc::strong_count(&kept), 1, "a thread has it still");
        child.wait().unwrap();
    }

    #[test]
    fn a_death_sets_the_word_and_a_life_does_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = crate::owner::Owner::of(child.id()).unwrap();
        let watched = Watched::new(Mark::of(owner)).unwrap();
        let other = Watched::new(Mark::this_process()).unwrap();
        assert!(!watched.death().has_come());
        child.kill().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while !watched.death().has_come() && Instant::now() < end {
            let second = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
            let _ = futex::wait(&watched.death().0, futex::Flags::PRIVATE, 0, Some(&second));
        }
        assert!(watched.death().has_come() && !other.death().has_come());
        child.wait().unwrap();
        assert!(Watched::new(Mark::of(owner)).is_none_or(|late| late.death().has_come()));
    }
}
