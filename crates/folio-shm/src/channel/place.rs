//! The place: one side of a channel, which one process has at a time.
//!
//! A word holds the mark ([`crate::mark`]) of whoever has it, so that its death can be seen, and the place be
//! taken by the next. Who leaves it in order leaves word of that.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::memory::Memory;
use crate::error::{Error, ErrorKind, Result};
use crate::mark::Mark;
use crate::owner::Life;

/// What a place holds that was left in order. No process's mark: it has no number.
const LEFT: Mark = Mark(1 << 63);

/// Who has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody has ever had it.
    Nobody,
    /// It was left in order.
    Left,
    /// A process, dead or alive.
    Process(Mark),
}

/// Who has the place whose word is at `at`.
pub(crate) fn holder(memory: &Memory, at: usize) -> Holder {
    match Mark(memory.word64(at).load(Ordering::Acquire)) {
        Mark::NOBODY => Holder::Nobody,
        mark if mark.pid() == 0 => Holder::Left,
        mark => Holder::Process(mark),
    }
}

/// A place of this process. Dropped, it is left.
#[derive(Debug)]
pub(crate) struct Place {
    memory: Arc<Memory>,
    at: usize,
    mark: Mark,
}

impl Place {
    /// Takes the place whose word is at `at`, if nobody has it, or a dead process. `side` names it.
    pub(crate) fn take(memory: &Arc<Memory>, at: usize, side: &'static str) -> Result<Self> {
        const TAKE: &str = "take a place in";
        let word = memory.word64(at);
        let mark = Mark::this_process();
        let segment = memory.segment();
        if !segment.is_of_this_namespace() {
            let reason = "it was made in another PID namespace, where processes have other numbers";
            return Err(Error::new(ErrorKind::Unsupported, TAKE, segment.show(), reason)
                .advice("let all who use it share one"));
        }
        let mut now = Mark(word.load(Ordering::Acquire));
        loop {
            if now.pid() != 0 && now.life() != Life::Dead {
                let reason = format!("process {} is its {side}", now.pid());
                return Err(Error::new(ErrorKind::Busy, TAKE, segment.show(), reason)
                    .advice("there can be one at a time"));
            }
            match word.compare_exchange(now.0, mark.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Self { memory: memory.clone(), at, mark }),
                Err(other) => now = Mark(other),
            }
        }
    }

    /// An error in a forked child: the place is its parent's.
    #[inline]
    pub(crate) fn is_ours(&self, operation: &'static str) -> Result<()> {
        if self.mark == Mark::this_process() {
            return Ok(());
        }
        let reason = "a forked child does not have its parent's place";
        Err(Error::new(ErrorKind::Invalid, operation, self.memory.segment().show(), reason)
            .advice("open the channel in the child"))
    }

    /// Leaves it in order; so does dropping it.
    pub(crate) fn leave(&self) {
        // In a child the mark is another's, and stays.
        if self.mark == Mark::this_process() {
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
