//! Which frames rest: a table by frame.

use super::{Frame, Verdict};

#[derive(Debug, Default)]
pub(super) struct Resting(Vec<bool>);

impl Resting {
    /// Notes a frame that does not rest: it is new, or was touched.
    pub(super) fn wake(&mut self, frame: Frame) {
        let at = frame as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, false);
        }
        self.0[at] = false;
    }

    /// What is to be done with a frame whose turn it is: first it rests, and if it still does, it goes.
    pub(super) fn verdict(&mut self, frame: Frame) -> Verdict {
        match std::mem::replace(&mut self.0[frame as usize], true) {
            true => Verdict::Evict(frame),
            false => Verdict::Rest(frame),
        }
    }
}
