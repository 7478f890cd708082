//! The place: one side of a channel, which one process has at a time.
//!
//! A word holds the mark ([`crate::mark`]) of whoever has it, so that its death can be seen, and the place be
//! taken by the next. Who leaves it in order leaves word of that.

use std::sync::Arc;

use crate::channel::memory::Memory;
use crate::error::{Error, ErrorKind, Result};
use crate::mark::Mark;
use crate::owner::Life;
use crate::sync::{Ordering, fence};

/// What a place holds that was left in order. No process's mark: it has no number.
const LEFT: Mark = Mark(1 << 63);

/// How often a place is tried that changes between the look at it and the taking.
const TRIES: u32 = 100;

/// Who has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody has ever had it.
    Nobody,
    /// It was left in order.
    Left,
    /// A process, dead or alive.
    Process(Mark),
    /// Of several places: a process that is dead, as are all others that have one.
    Dead(Mark),
}

/// Places of one side of a channel: where their words are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) start: usize,
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

impl Places {
    /// Who has each.
    pub(crate) fn holders(self, memory: &Memory) -> impl Iterator<Item = Holder> {
        (0..self.count).map(move |index| {
            let word = memory.word64(self.start + index * self.stride);
            let mark = Mark(word.load(Ordering::Relaxed));
            // A load from memory that may be mapped read-only is a relaxed one.
            fence(Ordering::Acquire);
            match mark {
                Mark::NOBODY => Holder::Nobody,
                mark if mark.pid() == 0 => Holder::Left,
                mark => Holder::Process(mark),
            }
        })
    }

    /// The processes that have one, dead or alive.
    pub(crate) fn pids(self, memory: &Memory) -> impl Iterator<Item = u32> {
        self.holders(memory).filter_map(|holder| match holder {
            Holder::Process(mark) | Holder::Dead(mark) => Some(mark.pid()),
            Holder::Nobody | Holder::Left => None,
        })
    }

    /// Who has them, as a whole: a process that lives, as far as that can be told; else one that died; else
    /// whether they were left.
    pub(crate) fn holder(self, memory: &Memory) -> Holder {
        let mut all = Holder::Nobody;
        for holder in self.holders(memory) {
            match (holder, all) {
                (Holder::Process(mark), _) if self.count == 1 || mark.life() != Life::Dead => {
                    return holder;
                }
                (Holder::Process(mark), _) => all = Holder::Dead(mark),
                (Holder::Left, Holder::Nobody) => all = holder,
                _ => {}
            }
        }
        all
    }

    /// Where the word is of each.
    pub(crate) fn positions(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |index| self.start + index * self.stride)
    }

    /// Gives the place up for a process that is dead.
    pub(crate) fn bury(memory: &Memory, at: usize, mark: Mark) {
        let word = memory.word64(at);
        let _ = word.compare_exchange(mark.0, LEFT.0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Takes one that nobody has, or a dead process, and says which. `side` names them.
    pub(crate) fn take(self, memory: &Arc<Memory>, side: &'static str) -> Result<(Place, usize)> {
        const TAKE: &str = "take a place in";
        let segment = memory.segment();
        let fail = |kind, reason: String| Error::new(kind, TAKE, segment.show(), reason);
        if memory.is_read_only() {
            let reason = "it is mapped read-only";
            return Err(
                fail(ErrorKind::Denied, reason.into()).advice("open it without read_only()")
            );
        }
        if !segment.is_of_this_namespace() {
            let reason = "it was made in another PID namespace, where processes have other numbers";
            return Err(
                fail(ErrorKind::Unsupported, reason.into()).advice("let all who use it share one")
            );
        }
        let mut last = Mark::NOBODY;
        for index in 0..self.count {
            let at = self.start + index * self.stride;
            match Place::take(memory, at) {
                Ok(place) => return Ok((place, index)),
                Err(mark) => last = mark,
            }
        }
        let reason = match self.count {
            1 => format!("process {} is its {side}", last.pid()),
            count => format!("it has {count} {side}s already"),
        };
        let advice = match side {
            "publisher" => "a broadcast has one at a time".into(),
            _ => format!("{side}s() says how many there can be when it is made"),
        };
        Err(fail(ErrorKind::Busy, reason).advice(advice))
    }
}

/// A place of this process. Dropped, it is left.
#[derive(Debug)]
pub(crate) struct Place {
    memory: Arc<Memory>,
    at: usize,
    mark: Mark,
    /// Whether it may be somebody else's by now, of this process too.
    is_left: bool,
}

impl Place {
    /// Takes the place whose word is at `at`, or says who has it.
    fn take(memory: &Arc<Memory>, at: usize) -> Result<Self, Mark> {
        let word = memory.word64(at);
        let mark = Mark::this_process();
        let mut now = Mark(word.load(Ordering::Acquire));
        // Others who take it and die are met once or twice, and an enemy again and again.
        for _ in 0..TRIES {
            if now.pid() != 0 && now.life() != Life::Dead {
                return Err(now);
            }
            match word.compare_exchange(now.0, mark.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Self { memory: memory.clone(), at, mark, is_left: false }),
                Err(other) => now = Mark(other),
            }
        }
        Err(now)
    }

    /// Whether this is the process that took it, and not a forked child of that one.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.mark == Mark::this_process()
    }

    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// An error in a forked child: the place is its parent's.
    #[inline]
    pub(crate) fn is_ours(&self, operation: &'static str) -> Result<()> {
        if self.is_here() {
            return Ok(());
        }
        let reason = "a forked child does not have its parent's place";
        Err(Error::new(ErrorKind::Invalid, operation, self.memory.segment().show(), reason)
            .advice("open the channel in the child"))
    }

    /// Leaves it in order; so does dropping it.
    pub(crate) fn leave(&mut self) {
        if !std::mem::replace(&mut self.is_left, true) && self.is_here() {
            let word = self.memory.word64(self.at);
            let (from, to) = (self.mark.0, LEFT.0);
            let _ = word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
