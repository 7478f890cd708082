//! SIEVE: one queue, and a hand that goes from the oldest to the newest and leaves what it passes where
//! it is, so that what is new and never touched again meets it soon.

use super::ring::Ring;
use super::{Frame, Policy, Verdict};

/// SIEVE.
#[derive(Debug)]
pub struct Sieve {
    ring: Ring,
    hand: Option<Frame>,
    resting: Vec<bool>,
}

impl Sieve {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { ring: Ring::new(), hand: None, resting: Vec::new() }
    }
}

impl Default for Sieve {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Sieve {
    fn insert(&mut self, frame: Frame, _: u64) {
        let at = frame as usize;
        if self.resting.len() <= at {
            self.resting.resize(at + 1, false);
        }
        self.resting[at] = false;
        self.ring.push(frame);
    }

    fn touched(&mut self, frame: Frame) {
        self.resting[frame as usize] = false;
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
        if self.resting[frame as usize] {
            return Some(Verdict::Evict(frame));
        }
        self.resting[frame as usize] = true;
        Some(Verdict::Rest(frame))
    }
}
