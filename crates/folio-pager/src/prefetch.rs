//! Prefetching: bytes that are loaded before they are touched, and how one learns that they have been.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};

use folio_store::{Cost, Error as StoreError, ErrorKind as StoreErrorKind};

use crate::error::{Error, Fault, Result};
use crate::load::{RUN_BYTES, Why};
use crate::lock;
use crate::region::Region;
use crate::word::State;
use crate::workers::Job;

#[derive(Debug, Default)]
struct Progress {
    parts: usize,
    fault: Option<Fault>,
    wakers: Vec<Waker>,
}

/// What the parts of a prefetch report to.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    progress: Mutex<Progress>,
    done: Condvar,
}

impl Completion {
    pub(crate) fn part_done(&self, result: Result<(), Fault>) {
        let mut progress = lock(&self.progress);
        progress.parts -= 1;
        if let Err(fault) = result {
            progress.fault.get_or_insert(fault);
        }
        if progress.parts == 0 {
            let wakers = core::mem::take(&mut progress.wakers);
            drop(progress);
            self.done.notify_all();
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// Bytes that are being loaded by threads of the pager. [`wait`](Self::wait) or `.await` tells how it
/// went; dropped, it goes on.
#[must_use = "it goes on when dropped, but nobody hears of faults"]
#[derive(Debug)]
pub struct Prefetch {
    completion: Arc<Completion>,
    range: Range<usize>,
}

impl Prefetch {
    pub(crate) fn start(region: &Arc<Region>, range: Range<usize>) -> Self {
        let all = region.granules_of(&range);
        // What does not fit would evict what came before.
        let most = (region.core.budget.limit_bytes() / 4 * 3) as usize / region.granule();
        let granules = all.start..all.end.min(all.start + most.max(1));
        let step = (run_bytes(region) / region.granule()).max(1);
        let parts: Vec<_> = parts(&granules, step).collect();
        let completion = Arc::new(Completion::default());
        if !region.core.is_here() {
            let error = StoreError::new(StoreErrorKind::Unsupported, "prefetch", &region.name)
                .reason("a forked child does not have its parent's paged mappings");
            let offset = range.start as u64;
            lock(&completion.progress).fault = Some(Fault { offset, error });
            return Self { completion, range };
        }
        lock(&completion.progress).parts = parts.len();
        // The last one first, since each goes before those that wait.
        for granules in parts.into_iter().rev() {
            region.core.workers.push(Job::Load {
                region: region.clone(),
                granules,
                marker: None,
                completion: Some(completion.clone()),
            });
        }
        let end = match granules.end == all.end {
            true => range.end,
            false => granules.end * region.granule(),
        };
        Self { completion, range: range.start..end.max(range.start) }
    }

    /// The range that is loaded: shorter than what was asked for where that exceeds three quarters of
    /// the budget.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Waits until the bytes are in memory; returns the range that was loaded.
    ///
    /// # Errors
    /// [`ErrorKind::Fault`](crate::ErrorKind::Fault) for a granule that the store could not deliver: the
    /// first in time. The others have been loaded.
    pub fn wait(self) -> Result<Range<usize>> {
        let mut progress = lock(&self.completion.progress);
        while progress.parts > 0 {
            let waiting = self.completion.done.wait(progress);
            progress = waiting.unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        outcome(&progress, &self.range)
    }
}

fn outcome(progress: &Progress, range: &Range<usize>) -> Result<Range<usize>> {
    match &progress.fault {
        None => Ok(range.clone()),
        Some(fault) => Err(Error::fault_of("prefetch", fault.clone())),
    }
}

impl Future for Prefetch {
    type Output = Result<Range<usize>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut progress = lock(&self.completion.progress);
        if progress.parts == 0 {
            return Poll::Ready(outcome(&progress, &self.range));
        }
        if !progress.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            progress.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// Bytes that one request of a store should have.
pub(crate) fn run_bytes(region: &Region) -> usize {
    let plenty = region.core.budget.limit_bytes() >= 32 * RUN_BYTES as u64;
    let least = match region.capabilities.cost() {
        // Huge pages: a disk that is asked to fill as few pieces of memory as possible is faster.
        Cost::Local if plenty => RUN_BYTES,
        _ => 256 << 10,
    };
    let best = (region.capabilities.granule_bytes() as usize).max(least);
    best.clamp(region.granule(), RUN_BYTES).max(region.granule())
}

/// The parts of some granules that lie between multiples of `step`.
pub(crate) fn parts(granules: &Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = *granules;
    let starts = (start / step * step..end).step_by(step);
    starts.map(move |from| from.max(start)..(from + step).min(end))
}

impl Region {
    /// Loads what is absent of a run, on this thread.
    pub(crate) fn load_ahead(
        self: &Arc<Self>,
        granules: Range<usize>,
        marker: Option<usize>,
    ) -> Result<(), Fault> {
        let Some(_visit) = self.visit() else { return Ok(()) };
        self.load_absent(granules, Why::Ahead { marker })
    }

    /// Loads what is absent of a run, in as few requests as possible. Where the store fails for several
    /// granules at once, or there is no room for them, they are loaded one by one: what can be had is
    /// there, and the fault is that of a granule.
    pub(crate) fn load_absent(self: &Arc<Self>, run: Range<usize>, why: Why) -> Result<(), Fault> {
        let most = RUN_BYTES / self.granule();
        let mut next = run.start;
        while next < run.end {
            let first = next;
            let claim = |granule| self.word(granule).claim(State::Absent, State::Loading).is_ok();
            while next < run.end && next - first < most && claim(next) {
                next += 1;
            }
            if next == first {
                next += 1;
                continue;
            }
            if let Err(fault) = self.load(first..next, why) {
                (first..next).for_each(|granule| self.settle(granule, State::Absent, false));
                if next - first == 1 {
                    return Err(fault);
                }
                for granule in first..next {
                    self.load_absent(granule..granule + 1, why)?;
                }
            }
        }
        Ok(())
    }
}
