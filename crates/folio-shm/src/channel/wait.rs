//! Waiting for the other side: looking again for a while, then sleeping, and learning of its end in
//! either case.
//!
//! To look again and again is faster than to sleep and be woken, if what is waited for comes within about the
//! time that a wake-up takes; if not, it takes the processor from whoever is to bring it. So the wait
//! remembers how long it looked until it found something, and looks only where that was short; now and then
//! it tries again whether it still is not. How long sleeps take says nothing: they are short, too, where both
//! sides share a processor, and looking keeps the other from its work. On one processor it never looks twice.
//!
//! Who has the segment read-only cannot say that it sleeps, and looks around every millisecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::memory::Memory;
use crate::channel::place::{Holder, Places};
use crate::error::{Error, ErrorKind, Result};
use crate::mark::Mark;
use crate::owner::Life;
use crate::sleep::{LONG, SHORT, sleep_for};
use crate::watch::{Then, Watched};

/// How long to look before sleeping: a few times what a wake-up takes.
const BUDGET: Duration = Duration::from_micros(50);

/// How long looking counts that found nothing.
const IN_VAIN: Duration = Duration::from_micros(200);

/// Looks between two looks at the clock.
const LOOKS: u32 = 64;

/// One wait in so many is tried with looking, where looking has not been worth it.
const TRIAL: u32 = 32;

/// How often those look around who cannot say that they sleep.
const ROUND: Duration = Duration::from_millis(1);

/// How long anybody sleeps whom the other side overlooks in nothing. Where somebody cuts the segment, each has a page of
/// its own instead of the one that it sleeps on, and nobody can wake another, not even in its own process.
///
/// Where nobody can cut it, the sleep has no end of its own, as a timer takes as long as a tenth of a wake-up. What an end
/// is good for besides is done by the watch, which rings every second: for somebody may write over the bell, or leave with
/// no word between what it does and its ring (a thread that ends with an execve(2), which no pidfd tells of).
const LONGEST: Duration = Duration::from_secs(1);

/// How a side of a channel waits for the other.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Look again for some microseconds where that has been worth it, then sleep.
    #[default]
    Adaptive,
    /// Sleep at once.
    Sleep,
    /// Never sleep: the shortest delay, for the price of a processor.
    Busy,
}

/// Where the other side is, in a channel's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its places.
    pub(crate) places: Places,
    /// The bell that it rings.
    pub(crate) bell: usize,
    /// What it is called.
    pub(crate) side: &'static str,
    /// Whether it overlooks no sleeper.
    pub(crate) always_rings: bool,
}

/// What a side remembers from one wait to the next.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    pub(crate) waiting: Waiting,
    /// Whether an end of the other side is waited through.
    pub(crate) is_following: bool,
    /// How long looking took, of late.
    usual: Duration,
    waits: u32,
    watched: Option<(Mark, Option<Watched>)>,
}

impl Wait {
    /// Returns what `ready` finds, as soon as it finds something.
    ///
    /// Errors: what `ready` returns; that the other side has left, or died, and `ready` found nothing
    /// after that; that the deadline has passed.
    pub(crate) fn until<T>(
        &mut self,
        operation: &'static str,
        memory: &Arc<Memory>,
        peer: Peer,
        deadline: Option<Instant>,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let budget = self.budget();
        if !budget.is_zero()
            && let Some(found) = look_some_times(&mut ready)?
        {
            self.remember(Duration::ZERO);
            return Ok(found);
        }
        let mut looks = !budget.is_zero();
        let bell = memory.bell(peer.bell);
        let is_onlooker = memory.is_read_only();
        loop {
            if looks {
                let began = Instant::now();
                if let Some(found) = look(began + budget, deadline, &mut ready)? {
                    self.remember(began.elapsed());
                    return Ok(found);
                }
                self.remember(IN_VAIN);
                looks = self.waiting == Waiting::Busy;
            }
            let number = if is_onlooker { 0 } else { bell.prepare() };
            let holder = peer.places.holder(memory);
            let has_died = self.has_died(holder, memory, peer);
            // After the look at who is there: what it did before it went is found.
            if let Some(found) = ready()? {
                return Ok(found);
            }
            // Who has died may have closed it before that: a dead process's place changes no more.
            let is_dead = has_died || matches!(holder, Holder::Dead(_));
            if is_dead && peer.places.holder(memory) != holder {
                continue;
            }
            let fail =
                |kind, reason| Err(Error::new(kind, operation, memory.segment().show(), reason));
            match holder {
                _ if self.is_following => {}
                Holder::Left => {
                    return fail(ErrorKind::Closed, format!("its {} has closed it", peer.side));
                }
                Holder::Dead(mark) => return fail(ErrorKind::PeerDied, died(peer, mark)),
                // Of several there may be others who live.
                Holder::Process(mark) if has_died && peer.places.count == 1 => {
                    return fail(ErrorKind::PeerDied, died(peer, mark));
                }
                _ => {}
            }
            // The clock takes as long as much of this, so it is read once, and where there is a time to wait for.
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return fail(ErrorKind::TimedOut, "the deadline has passed".into());
            }
            memory.segment().whole(operation)?;
            if self.waiting == Waiting::Busy {
                continue;
            }
            if is_onlooker {
                std::thread::sleep(left.map_or(ROUND, |left| left.min(ROUND)));
                continue;
            }
            let watched = self.watched.as_ref().and_then(|(_, watched)| watched.as_ref());
            let most = match holder {
                Holder::Process(_) if watched.is_none() || has_died && !self.is_following => SHORT,
                Holder::Process(_) if peer.always_rings && !has_died => LONGEST,
                // Who comes to take the place may die between taking it and ringing.
                _ => LONG,
            };
            // A death rings, too.
            let sleep = |most| sleep_for(bell.number, number, most);
            let may_slumber = most == LONGEST && left.is_none() && !memory.can_be_cut();
            let slumbers = || watched.is_some_and(|watched| watched.slumber(|| sleep(None)));
            // Who was killed in the middle of ringing, and is followed by another, is watched by nobody here.
            let is_rung = !bell.is_prepared();
            if !(is_rung || may_slumber && slumbers()) {
                sleep(Some(left.map_or(most, |left| left.min(most))));
            }
            // Before it says again that it sleeps, which would have the other side wake it in vain.
            if let Some(found) = ready()? {
                return Ok(found);
            }
        }
    }

    fn budget(&mut self) -> Duration {
        self.waits = self.waits.wrapping_add(1);
        match self.waiting {
            Waiting::Busy => Duration::from_millis(1),
            Waiting::Sleep => Duration::ZERO,
            Waiting::Adaptive if self.looks() => BUDGET,
            Waiting::Adaptive if has_processors() && self.waits.is_multiple_of(TRIAL) => BUDGET,
            Waiting::Adaptive => Duration::ZERO,
        }
    }

    /// Whether waits begin with looking, but for trials.
    #[inline]
    pub(crate) fn looks(&self) -> bool {
        match self.waiting {
            Waiting::Busy => true,
            Waiting::Sleep => false,
            Waiting::Adaptive => self.usual <= BUDGET && has_processors(),
        }
    }

    /// Remembers how long looking took.
    pub(crate) fn remember(&mut self, took: Duration) {
        if self.waiting != Waiting::Adaptive {
            return;
        }
        // One in vain among others is one in vain.
        self.usual = (self.usual * 7 + took) / 8;
    }

    /// Whether the process is dead that has the place; from the first look on it is watched.
    fn has_died(&mut self, holder: Holder, memory: &Arc<Memory>, peer: Peer) -> bool {
        let Holder::Process(mark) = holder else {
            self.watched = None;
            return false;
        };
        match &self.watched {
            Some((whom, Some(watched))) if *whom == mark => return watched.death().has_come(),
            Some((whom, None)) if *whom == mark => return mark.life() == Life::Dead,
            _ => {}
        }
        if memory.is_read_only() {
            return mark.life() == Life::Dead;
        }
        let memory = memory.clone();
        let ring = move || memory.bell(peer.bell).wake_all();
        let watched = Watched::and_then(mark, Some(Then(Box::new(ring))));
        let has_died = match &watched {
            Some(watched) => watched.death().has_come(),
            None => mark.life() == Life::Dead,
        };
        self.watched = Some((mark, watched));
        has_died
    }
}

/// What came in time, if it did.
#[cfg(feature = "tokio")]
pub(crate) fn unless_late<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
        Err(error) => Err(error),
    }
}

fn died(peer: Peer, mark: Mark) -> String {
    format!("its {}, process {}, has died", peer.side, mark.pid())
}

/// Looks until something is found or time is up.
fn look<T>(
    end: Instant,
    deadline: Option<Instant>,
    ready: &mut impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let end = deadline.map_or(end, |deadline| deadline.min(end));
    while Instant::now() < end {
        if let Some(found) = look_some_times(ready)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Looks until something is found, or often enough that a look at the clock does not matter.
#[inline(always)]
pub(crate) fn look_some_times<T>(
    ready: &mut impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    for _ in 0..LOOKS {
        if let Some(found) = ready()? {
            return Ok(Some(found));
        }
        std::hint::spin_loop();
    }
    Ok(None)
}

/// Whether there is more than one processor: of the machine, since which of them this thread may use can
/// change, and the next thread's may be others.
fn has_processors() -> bool {
    use std::sync::OnceLock;
    static MORE: OnceLock<bool> = OnceLock::new();
    *MORE.get_or_init(|| {
        // A list of ranges, "0-7,9" (sysfs-devices-system-cpu in the kernel's documentation).
        match std::fs::read_to_string("/sys/devices/system/cpu/online") {
            Ok(online) => online.contains(['-', ',']),
            Err(_) => std::thread::available_parallelism().is_ok_and(|count| count.get() > 1),
        }
    })
}
