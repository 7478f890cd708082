//! Calls that were given up and have not returned: how many, and what they may still do.

use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::lock::lock;
use crate::{Error, ErrorKind};

/// What a call that was given up may still do to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Write(Range<u64>),
    Resize,
    /// Takes note of failed writes, and so away from the next.
    Sync,
}

impl Effect {
    /// Whether one must not start before the other has returned.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Write(a), Self::Write(b)) => a.start < b.end && b.start < a.end,
            (Self::Write(_) | Self::Resize, Self::Write(_) | Self::Resize) => true,
            (Self::Sync, Self::Sync) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Stuck {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<(u64, Effect)>,
    entered: u64,
    /// What a `sync` reported after it was given up.
    late: Option<Error>,
}

impl Stuck {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        lock(&self.state).calls.len()
    }

    /// Returns when no call is in the way of one with that effect, or what kind of error there is: too
    /// many are stuck, or one is in the way and `until` has passed.
    pub(super) fn admit(
        &self,
        effect: &Effect,
        most: usize,
        until: Instant,
    ) -> Result<(), ErrorKind> {
        let mut state = lock(&self.state);
        loop {
            if state.calls.len() >= most {
                return Err(ErrorKind::Unavailable);
            }
            if !state.calls.iter().any(|(_, other)| other.meets(effect)) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::Timeout);
            }
            let waited = self.left.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A call is given up. Returns what to call it when it returns.
    pub(super) fn enter(&self, effect: Effect) -> u64 {
        let mut state = lock(&self.state);
        state.entered += 1;
        let call = state.entered;
        state.calls.push((call, effect));
        call
    }

    /// A call has returned; `failure` is kept where it was a `sync`.
    pub(super) fn leave(&self, call: u64, failure: Option<Error>) {
        let mut state = lock(&self.state);
        let Some(index) = state.calls.iter().position(|(other, _)| *other == call) else { return };
        let (_, effect) = state.calls.swap_remove(index);
        if effect == Effect::Sync && state.late.is_none() {
            state.late = failure;
        }
        drop(state);
        self.left.notify_all();
    }

    /// What a `sync` reported after it was given up, once.
    pub(super) fn late(&self) -> Option<Error> {
        lock(&self.state).late.take()
    }
}
