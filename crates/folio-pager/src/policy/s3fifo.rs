//! S3-FIFO: a small queue for what is new, a main one for what came again, and the keys of what was
//! evicted from the small one lately.
//!
//! What is in the small queue does not rest: a granule that is touched again while it is there is evicted
//! all the same, and its key remembered, so it comes back into the main queue. That costs a read of the
//! store for each granule worth keeping, and nothing for all the others.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;

use super::ring::Ring;
use super::{Frame, Policy, Verdict};

/// One in as many frames is in the small queue.
const SMALL_SHARE: usize = 10;

/// S3-FIFO.
#[derive(Debug)]
pub struct S3Fifo {
    small: Ring,
    main: Ring,
    frames: Vec<Entry>,
    ghosts: Ghosts,
    /// Frames of the small queue that were kept since something last changed.
    held: usize,
    /// Frames of the main one that have been named since all of the small one were kept.
    passed: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: u64,
    in_main: bool,
    resting: bool,
}

impl S3Fifo {
    /// For about as many frames: as many keys of evicted ones are remembered.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        let ghosts = Ghosts { room: frames.max(16), ..Ghosts::default() };
        Self {
            small: Ring::new(),
            main: Ring::new(),
            frames: Vec::new(),
            ghosts,
            held: 0,
            passed: 0,
        }
    }
}

impl Policy for S3Fifo {
    fn insert(&mut self, frame: Frame, key: u64) {
        self.held = 0;
        let at = frame as usize;
        if self.frames.len() <= at {
            self.frames.resize(at + 1, Entry::default());
        }
        let in_main = self.ghosts.take(key);
        self.frames[at] = Entry { key, in_main, resting: false };
        if in_main { self.main.push(frame) } else { self.small.push(frame) }
    }

    fn touched(&mut self, frame: Frame) {
        self.frames[frame as usize].resting = false;
    }

    fn kept(&mut self, frame: Frame) {
        let entry = &mut self.frames[frame as usize];
        entry.resting = false;
        if !entry.in_main {
            self.ghosts.take(entry.key);
            self.small.remove(frame);
            self.small.push(frame);
            self.held += 1;
        }
    }

    fn remove(&mut self, frame: Frame) {
        self.held = 0;
        match self.frames[frame as usize].in_main {
            true => self.main.remove(frame),
            false => self.small.remove(frame),
        }
    }

    fn next(&mut self) -> Option<Verdict> {
        let all = self.small.len() + self.main.len();
        let due = self.small.len() * SMALL_SHARE >= all && self.held < self.small.len();
        if due || self.main.len() == 0 {
            let frame = self.small.oldest()?;
            self.small.remove(frame);
            self.small.push(frame);
            self.ghosts.put(self.frames[frame as usize].key);
            return Some(Verdict::Evict(frame));
        }
        if self.held > 0 {
            self.passed += 1;
            if self.passed >= self.main.len() {
                (self.held, self.passed) = (0, 0);
            }
        }
        let frame = self.main.oldest()?;
        self.main.remove(frame);
        self.main.push(frame);
        let entry = &mut self.frames[frame as usize];
        if entry.resting {
            return Some(Verdict::Evict(frame));
        }
        entry.resting = true;
        Some(Verdict::Rest(frame))
    }
}

/// The keys that were evicted last, each with the number of its eviction.
#[derive(Debug, Default)]
struct Ghosts {
    room: usize,
    order: VecDeque<(u64, u64)>,
    keys: FxHashMap<u64, u64>,
    count: u64,
}

impl Ghosts {
    fn put(&mut self, key: u64) {
        self.count += 1;
        self.keys.insert(key, self.count);
        self.order.push_back((key, self.count));
        while self.order.len() > self.room {
            let Some((key, number)) = self.order.pop_front() else { break };
            // It may have come back and gone again since.
            if self.keys.get(&key) == Some(&number) {
                self.keys.remove(&key);
            }
        }
    }

    fn take(&mut self, key: u64) -> bool {
        self.keys.remove(&key).is_some()
    }
}
