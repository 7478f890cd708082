//! The slumber: a sleep without an end of its own, which the watch's thread ([`crate::watch`]) looks after: a timer for each
//! sleep costs more than a round of that thread every second.
//!
//! A word says how it is with one thread that sleeps now and then:
//!
//! 1. 0: nobody looks after it. To slumber it has to ask for the rounds first, with the watch's lock held ([`Slumber::ask`]).
//! 2. Even: it is awake ([`Slumber::end`]). If it still is at the next round, and has not slept since, nobody looks after
//!    it from then on: so the rounds come to an end where nobody sleeps.
//! 3. Odd: it slumbers ([`Slumber::begin`]). If it still does at the next round, it is rung for, then and at each
//!    round after that. Each slumber has another number: who has been woken meanwhile is not.
//!
//! Invariants: each change is a compare-exchange, so none is overlooked; the word becomes 0 and ceases to be 0 with the
//! watch's lock held; and while it is not 0 there are rounds.

use crate::sync::{AtomicU32, Ordering};

/// One thread's word.
#[derive(Debug, Default)]
pub(crate) struct Slumber(pub(crate) AtomicU32);

impl Slumber {
    /// Goes to sleep, if it is looked after.
    pub(crate) fn begin(&self) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        now != 0 && now.is_multiple_of(2) && self.change(now, now + 1)
    }

    /// Is awake again. By the one that began.
    pub(crate) fn end(&self) {
        let now = self.0.load(Ordering::Relaxed);
        // Not if nobody looks after it any more; and 0 is no number of those who are awake.
        if !now.is_multiple_of(2) {
            self.change(now, now.wrapping_add(1).max(2));
        }
    }

    /// Is looked after, from the next round on. Under the lock.
    pub(crate) fn ask(&self) {
        self.change(0, 2);
    }

    /// Whether it is looked after.
    pub(crate) fn is_looked_after(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// A round, which remembers in `seen` what it saw; whether it is to be rung for. Under the lock.
    pub(crate) fn look(&self, seen: &mut u32) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        let is_same = std::mem::replace(seen, now) == now;
        if is_same && now.is_multiple_of(2) {
            self.change(now, 0);
        }
        is_same && !now.is_multiple_of(2)
    }

    /// There are no rounds any more; whether it is to be rung for, a last time. Under the lock.
    pub(crate) fn forsake(&self) -> bool {
        loop {
            let now = self.0.load(Ordering::Relaxed);
            if self.change(now, 0) {
                return !now.is_multiple_of(2);
            }
        }
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
