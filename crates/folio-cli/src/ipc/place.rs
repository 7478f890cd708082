//! Where the two processes run: each on a processor of its own, unless the scheduler is to choose.
//!
//! Left to the scheduler, two processes that wake each other often end up on one processor, and two that
//! never sleep then take turns of milliseconds.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A processor for each of the two: as far apart as this process may run. None where there is only one.
pub(crate) fn two() -> Option<[usize; 2]> {
    let allowed = sched_getaffinity(None).ok()?;
    let mut all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let first = all.next()?;
    Some([first, all.next_back()?])
}

/// The calling thread, which runs where it may again when this is dropped.
pub(crate) struct Kept(CpuSet);

impl Kept {
    /// Keeps it on a processor.
    pub(crate) fn on(cpu: usize) -> Option<Self> {
        let before = sched_getaffinity(None).ok()?;
        keep(cpu).then_some(Self(before))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Keeps the calling thread on a processor for good.
pub(crate) fn keep(cpu: usize) -> bool {
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).is_ok()
}
