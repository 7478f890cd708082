//! SIEVE: one queue, and a hand that goes from the oldest to the newest and leaves what it passes where
//! it is, so that what is new and never touched again meets it soon.

use super::resting::Resting;
use super::ring::Ring;
use super::{Frame, Policy, Verdict};

/// SIEVE.
#[derive(Debug)]
pub struct Sieve {
    ring: Ring,
    hand: Option<Frame>,
    resting: Resting,
}

impl Sieve {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { ring: Ring::new(), hand: None, resting: Resting::default() }
    }
}

impl Default for Sieve {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Sieve {
    fn insert(&mut self, frame: Frame, _: u64) {
        self.resting.wake(frame);
        self.ring.push(frame);
    }

    fn touched(&mut self, frame: Frame) {
        self.resting.wake(frame);
    }

    fn remove(&mut self, frame: Frame) {
        if self.hand == Some(frame) {
            self.hand = self.ring.newer(frame);
        }
        self.ring.remove(frame);
    }

    fn next(&mut self) -> Option<Verdict> {
        let frame = self.hand.or_else(|| self.ring.oldest())?;
        self.hand = self.ring.newer(frame);
        Some(self.resting.verdict(frame))
    }
}
