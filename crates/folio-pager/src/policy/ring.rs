//! A list of frames in both directions, whose links lie in a table by frame.

use super::Frame;

const NONE: Frame = Frame::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: Frame,
    older: Frame,
}

/// Frames from the newest to the oldest. A frame is in at most one ring of those that share a table;
/// here each ring has its own.
#[derive(Debug)]
pub(super) struct Ring {
    links: Vec<Link>,
    newest: Frame,
    oldest: Frame,
    len: usize,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { links: Vec::new(), newest: NONE, oldest: NONE, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn oldest(&self) -> Option<Frame> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The one that came after it.
    pub(super) fn newer(&self, frame: Frame) -> Option<Frame> {
        let newer = self.links[frame as usize].newer;
        (newer != NONE).then_some(newer)
    }

    pub(super) fn push(&mut self, frame: Frame) {
        let at = frame as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, Link { newer: NONE, older: NONE });
        }
        self.links[at] = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = frame,
            newest => self.links[newest as usize].newer = frame,
        }
        self.newest = frame;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, frame: Frame) {
        let Link { newer, older } = self.links[frame as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
        self.len -= 1;
    }
}
