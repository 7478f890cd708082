//! The watch: learning of another process's death while asleep.
//!
//! 1. [`Watched::new`] opens a pidfd(2) of the process and has one thread of this process wait for it and all
//!    others (epoll(7)). Started with the first, it sleeps unless somebody dies.
//! 2. The thread sets a word of the watched process and wakes whoever sleeps on it. A pidfd is
//!    readable as soon as the process has ended, zombie or not.
//! 3. A sleeper waits on that word and on its own at once (futex_waitv(2), [`crate::sleep`]), so that no death
//!    comes between its last look and its sleep. Or, where its own word may be changed by others, it has the
//!    thread change it: to sleep on one word is cheaper.
//! 4. Such a sleeper need not set a timer for what others might do to its word ([`Watched::slumber`]): every second,
//!    while there is one, the thread does for who has slept that long what is to be done at a death.
//!
//! Invariant: a pidfd is open until the process's death, or as long as its entry is in the table. What is to be done is
//! kept as long as the entry: a segment that it wakes others in is in use no longer than its watchers are.
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
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::futex;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::mark::Mark;
use crate::owner::Life;
use crate::slumber::Slumber;
use crate::thread;

/// The key of the timer, which no process has.
const ASKED: u64 = u64::MAX;

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(1);

/// A process whose death is noticed. Dropped, it is watched no more.
#[derive(Debug)]
pub(crate) struct Watched {
    office: &'static Office,
    key: u64,
    death: Arc<Death>,
    slumber: Arc<Slumber>,
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
        let (death, slumber) = (Arc::<Death>::default(), Arc::<Slumber>::default());
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
        let (told, looked_after) = (death.clone(), slumber.clone());
        let entry = Entry { death: told, pidfd: Some(pidfd), then, slumber: looked_after, seen: 0 };
        entries.insert(key, entry);
        drop(entries);
        Some(Self { office, key, death, slumber })
    }

    pub(crate) fn death(&self) -> &Death {
        &self.death
    }

    /// Runs `sleep`, which waits for as long as it takes to be woken, by others or by what is done at a death: that is
    /// done within two seconds if nobody else does it, and again every second. False, without running it, where there is
    /// nobody to do it. One thread at a time.
    pub(crate) fn slumber(&self, sleep: impl FnOnce()) -> bool {
        let begins = || self.slumber.begin();
        if !(begins() || self.office.looks_after(&self.slumber) && begins()) {
            return false;
        }
        sleep();
        self.slumber.end();
        true
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // In a child the lock may be held for ever, and the epoll(7) is the parent's.
        if self.office.home != Mark::this_process() {
            return;
        }
        let entry = self.office.entries().remove(&self.key);
        if let Some(pidfd) = entry.and_then(|entry| entry.pidfd) {
            let _ = epoll::delete(&self.office.epoll, &pidfd);
        }
    }
}

#[derive(Debug)]
struct Entry {
    death: Arc<Death>,
    /// None once it has died.
    pidfd: Option<OwnedFd>,
    then: Option<Then>,
    /// Who sleeps meanwhile, and what the last round saw of it.
    slumber: Arc<Slumber>,
    seen: u32,
}

impl Entry {
    fn act(&self) {
        if let Some(Then(then)) = &self.then {
            then();
        }
    }
}

/// Whom this process watches.
#[derive(Debug)]
struct Office {
    home: Mark,
    epoll: OwnedFd,
    /// Runs out when somebody asks to be looked after. None where there is none to be had.
    timer: Option<OwnedFd>,
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
            let new = Box::into_raw(Box::new(Self::new(home, epoll)));
            if OFFICE.compare_exchange(now, new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // SAFETY: leaked.
                unsafe { &*new }.open();
            } else {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }

    fn new(home: Mark, epoll: OwnedFd) -> Self {
        let timer = timer(&epoll).ok();
        Self { home, epoll, timer, entries: Mutex::default(), is_closed: AtomicBool::new(false) }
    }

    /// Starts the thread.
    fn open(&'static self) {
        if thread::start("folio-shm-watch", || self.work()).is_err() {
            // Others may have asked to be looked after.
            self.close();
        }
    }

    fn work(&self) {
        // When the next round is due, if somebody is looked after.
        let mut due: Option<Instant> = None;
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut events = Vec::with_capacity(16);
            let buffer = rustix::buffer::spare_capacity(&mut events);
            let waited = epoll::wait(&self.epoll, buffer, left.as_ref());
            if !matches!(waited, Ok(_) | Err(Errno::INTR)) {
                return self.close();
            }
            for event in &events {
                match event.data.u64() {
                    ASKED => due = due.or_else(|| Some(Instant::now() + PERIOD)),
                    key => self.tell_of_a_death(key),
                }
            }
            if due.is_some_and(|due| Instant::now() >= due) {
                due = self.make_a_round().then(|| Instant::now() + PERIOD);
            }
        }
    }

    fn tell_of_a_death(&self, key: u64) {
        // Locked until it is done: who is not watched any more has nothing here, and nobody waits for it.
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&key) else { return };
        if let Some(pidfd) = entry.pidfd.take() {
            let _ = epoll::delete(&self.epoll, &pidfd);
        }
        entry.death.0.store(1, Ordering::Release);
        let _ = futex::wake(&entry.death.0, futex::Flags::PRIVATE, i32::MAX as u32);
        entry.act();
    }

    /// Whether there is to be another.
    fn make_a_round(&self) -> bool {
        let mut entries = self.entries();
        for entry in entries.values_mut() {
            if entry.slumber.look(&mut entry.seen) {
                entry.act();
            }
        }
        // Who asks next is behind the lock, and tells the thread.
        entries.values().any(|entry| entry.slumber.is_looked_after())
    }

    /// Whether a thread is looked after from now on, which was not.
    #[cold]
    fn looks_after(&self, slumber: &Slumber) -> bool {
        let _entries = self.entries();
        if self.is_closed.load(Ordering::Relaxed) || self.tell_of_a_wish().is_err() {
            return false;
        }
        slumber.ask();
        true
    }

    /// Has the thread make rounds.
    fn tell_of_a_wish(&self) -> rustix::io::Result<()> {
        let timer = self.timer.as_ref().ok_or(Errno::NOSYS)?;
        let (at_once, never) = (Timespec { tv_sec: 0, tv_nsec: 1 }, Timespec::default());
        let times = Itimerspec { it_value: at_once, it_interval: never };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &times).map(drop)
    }

    /// There is nobody any more who waits for a death, or makes a round.
    fn close(&self) {
        let entries = self.entries();
        self.is_closed.store(true, Ordering::Release);
        for entry in entries.values() {
            if entry.slumber.forsake() {
                entry.act();
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timer, which is readable when it has run out. Nobody reads it: where a program closes descriptors that are not its own,
/// its number may be another's by now.
fn timer(epoll: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(epoll, &timer, epoll::EventData::new_u64(ASKED), flags)?;
    Ok(timer)
}

#[cfg(test)]
mod tests {
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
    fn who_slumbers_is_rung_for_again_and_again() {
        let (ring, rung) = std::sync::mpsc::channel();
        let then = Then(Box::new(move || ring.send(()).unwrap()));
        let watched = Watched::and_then(Mark::this_process(), Some(then)).unwrap();
        let most = Duration::from_secs(20);
        for _ in 0..2 {
            assert!(watched.slumber(|| {
                rung.recv_timeout(most).expect("the first ring");
                rung.recv_timeout(most).expect("and another");
            }));
        }
        // Awake it is let go.
        let end = Instant::now() + most;
        while watched.slumber.is_looked_after() {
            assert!(Instant::now() < end, "the rounds do not end");
            std::thread::yield_now();
        }
        assert!(rung.try_iter().count() <= 1, "it was rung for awake");
        assert!(watched.slumber(|| ()), "it cannot ask again");
    }

    #[test]
    fn who_slumbers_when_the_watch_ends_is_rung_for_and_slumbers_no_more() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let office: &Office = Box::leak(Box::new(Office::new(Mark::this_process(), epoll)));
        let (ring, rung) = std::sync::mpsc::channel();
        let then = Some(Then(Box::new(move || ring.send(()).unwrap())));
        let (death, slumber) = (Arc::<Death>::default(), Arc::<Slumber>::default());
        let entry =
            Entry { death: death.clone(), pidfd: None, then, slumber: slumber.clone(), seen: 0 };
        office.entries().insert(0, entry);
        let watched = Watched { office, key: 0, death, slumber };
        assert!(watched.slumber(|| {
            office.close();
            rung.try_recv().expect("it sleeps on");
        }));
        assert!(!watched.slumber(|| panic!("nobody looks after it")));
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
