//! Sleeping on a word of a segment, until it changes, a process dies, or time is up (futex(2)).
//!
//! The futex is a shared one: the kernel knows the word by its file and offset, whatever address each
//! process has it at. Where the kernel lacks futex_waitv(2) (Linux 5.16), or forbids it, a sleep that was to
//! notice a death is a short one, and the caller looks around.

use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::{ClockId, Timespec};

use crate::watch::Death;

/// How long a sleep lasts that would not notice a death.
pub(crate) const SHORT: Duration = Duration::from_millis(10);

/// How long anybody sleeps who counts on another sleeper: that one may be killed between being woken
/// and doing anything about it.
pub(crate) const LONG: Duration = Duration::from_millis(50);

/// Why a sleep ended, as far as the caller must know: that something else did not happen is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Somebody woke us, the word had changed, the process has died, or for no reason: look again.
    Look,
    /// The deadline has passed.
    TimedOut,
    /// The word's page cannot be had.
    Lost,
}

/// Sleeps if the word is `seen`, and nobody whose death is given is dead.
pub(crate) fn sleep(
    word: &AtomicU32,
    seen: u32,
    death: Option<&Death>,
    deadline: Option<Instant>,
) -> Woken {
    let left = match deadline.map(|deadline| deadline.checked_duration_since(Instant::now())) {
        Some(None | Some(Duration::ZERO)) => return Woken::TimedOut,
        Some(Some(left)) => Some(left),
        None => None,
    };
    let ended = match death {
        Some(death) => match sleep_on_both(word, seen, death, left) {
            Err(Errno::NOSYS | Errno::PERM) => {
                let short = left.unwrap_or(SHORT).min(SHORT);
                sleep_on_one(word, seen, Some(short))
            }
            other => other,
        },
        None => sleep_on_one(word, seen, left),
    };
    match ended {
        Err(Errno::FAULT) => Woken::Lost,
        // What is over may be a short sleep. The deadline is looked at before the next.
        _ => Woken::Look,
    }
}

/// Sleeps if the word is `seen`, for so long at most, or as long as it takes to be woken. Then the caller looks again.
pub(crate) fn sleep_for(word: &AtomicU32, seen: u32, most: Option<Duration>) {
    let _ = sleep_on_one(word, seen, most);
}

fn sleep_on_both(
    word: &AtomicU32,
    seen: u32,
    death: &Death,
    left: Option<Duration>,
) -> Result<(), Errno> {
    let shared = wait_for(word, seen, futex::WaitFlags::SIZE_U32);
    let own = futex::WaitFlags::SIZE_U32 | futex::WaitFlags::PRIVATE;
    let both = [shared, wait_for(&death.0, 0, own)];
    // Unlike futex(2) it takes a time, not a duration.
    let until = left.map(|left| {
        let now = rustix::time::clock_gettime(ClockId::Monotonic);
        let nanos = now.tv_nsec + i64::from(left.subsec_nanos());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        Timespec {
            tv_sec: now.tv_sec.saturating_add(seconds).saturating_add(nanos / 1_000_000_000),
            tv_nsec: nanos % 1_000_000_000,
        }
    });
    let flags = futex::WaitvFlags::empty();
    futex::waitv(&both, flags, until.as_ref(), futex::ClockId::Monotonic).map(drop)
}

fn wait_for(word: &AtomicU32, seen: u32, flags: futex::WaitFlags) -> futex::Wait {
    let mut wait = futex::Wait::new();
    wait.val = seen.into();
    wait.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
    wait.flags = flags;
    wait
}

fn sleep_on_one(word: &AtomicU32, seen: u32, left: Option<Duration>) -> Result<(), Errno> {
    let left = left.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    futex::wait(word, futex::Flags::empty(), seen, left.as_ref())
}

/// Wakes so many who sleep on the word.
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    // What it fails with is that the page is gone, and with it the sleepers' word.
    let _ = futex::wake(word, futex::Flags::empty(), count);
}
