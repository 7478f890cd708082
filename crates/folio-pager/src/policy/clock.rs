//! CLOCK: the hand rests what it meets, and evicts what is still resting when it comes round.

use super::resting::Resting;
use super::ring::Ring;
use super::{Frame, Policy, Verdict};

/// CLOCK. What other clocks call the accessed bit is here whether the frame rests.
#[derive(Debug)]
pub struct Clock {
    /// The hand points at the oldest; who is passed over becomes the newest.
    ring: Ring,
    resting: Resting,
}

impl Clock {
    /// An empty clock.
    #[must_use]
    pub fn new() -> Self {
        Self { ring: Ring::new(), resting: Resting::default() }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Clock {
    fn insert(&mut self, frame: Frame, _: u64) {
        self.resting.wake(frame);
        self.ring.push(frame);
    }

    fn touched(&mut self, frame: Frame) {
        self.resting.wake(frame);
    }

    fn remove(&mut self, frame: Frame) {
        self.ring.remove(frame);
    }

    fn next(&mut self) -> Option<Verdict> {
        let frame = self.ring.oldest()?;
        self.ring.remove(frame);
        self.ring.push(frame);
        Some(self.resting.verdict(frame))
    }
}
