//! CLOCK: the hand rests what it meets, and evicts what is still resting when it comes round.

use super::ring::Ring;
use super::{Frame, Policy, Verdict};

/// CLOCK. What other clocks call the accessed bit is here whether the frame rests.
#[derive(Debug)]
pub struct Clock {
    /// The hand points at the oldest; who is passed over becomes the newest.
    ring: Ring,
    resting: Vec<bool>,
}

impl Clock {
    /// An empty clock.
    #[must_use]
    pub fn new() -> Self {
        Self { ring: Ring::new(), resting: Vec::new() }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Clock {
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
        self.ring.remove(frame);
    }

    fn next(&mut self) -> Option<Verdict> {
        let frame = self.ring.oldest()?;
        self.ring.remove(frame);
        self.ring.push(frame);
        if self.resting[frame as usize] {
            return Some(Verdict::Evict(frame));
        }
        self.resting[frame as usize] = true;
        Some(Verdict::Rest(frame))
    }
}
