//! Turns: how many threads get on in very few granules.
//!
//! Where a budget holds a handful of granules, threads evict each other's before the instruction that
//! asked for them has run, or while it waits for the second granule that it touches. So:
//! 1. What a touch has loaded is held for a moment ([`HOLD`]), for the thread that touched it.
//! 2. A thread that finds all granules held takes the turn, if it is free: what it has loaded stays until
//!    it has loaded the next granule, too, and from then on for another moment.
//! 3. A thread's own granules but for the last one are never held against itself.
//!
//! A turn ends by itself after [`LONGEST`], since its store may take for ever.

use std::time::{Duration, Instant};

use crate::ledger::{Entry, Key, Ledger};

pub(crate) const HOLD: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(20);

/// Whose touch loaded a granule, and until when it is held for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    thread: usize,
    until: Instant,
    last: bool,
}

/// The right to keep what one has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    thread: usize,
    until: Instant,
}

/// A thread that looks for victims, at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeker {
    thread: usize,
    now: Instant,
}

impl Seeker {
    pub(crate) fn new(thread: usize) -> Self {
        Self { thread, now: Instant::now() }
    }

    /// For whom a granule is held, if it is not to be evicted by this thread now.
    pub(crate) fn finds(&self, entry: &Entry, turn: Option<Turn>) -> Option<Hold> {
        let held = entry.held?;
        if held.thread == self.thread {
            return held.last.then_some(Hold::Own);
        }
        let by_turn = turn.is_some_and(|turn| turn.thread == held.thread && self.now < turn.until);
        (by_turn || self.now < held.until).then_some(Hold::Others)
    }
}

/// For whom a granule is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// For the thread that asks.
    Own,
    /// For another one, for a while.
    Others,
}

impl Ledger {
    /// Takes the turn for a thread that found all granules held.
    pub(crate) fn take_turn(&mut self, seeker: Seeker) {
        if self.turn.is_none_or(|turn| turn.until <= seeker.now) {
            self.turn = Some(Turn { thread: seeker.thread, until: seeker.now + LONGEST });
        }
    }

    /// Notes that a touch by a thread has loaded a granule, or could not.
    pub(crate) fn hold(&mut self, seeker: Seeker, key: Key) {
        let until = seeker.now + HOLD;
        for entry in self.entries() {
            if let Some(held) = entry.held.as_mut().filter(|held| held.thread == seeker.thread) {
                held.until = until;
                held.last = false;
            }
        }
        if let Some(entry) = self.entry_of(key) {
            entry.held = Some(Held { thread: seeker.thread, until, last: true });
        }
        self.turn = self.turn.filter(|turn| turn.thread != seeker.thread);
    }
}
