//! What has failed in a region: granules that could not be loaded, and bytes that could not be written.
//!
//! A granule is noted here before its word says [`Failed`](crate::word::State::Failed) or
//! [`Broken`](crate::word::State::Broken), and forgotten before the granule is
//! loaded again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::error::Fault;
use crate::lock;

/// Why a granule has failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    /// Zeros stand in.
    pub(crate) shown: bool,
    /// They are charged to the budget, since they may be written to.
    pub(crate) charged: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: AtomicU32,
    /// Times that zeros have stood in, or were about to.
    zeros: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// The first fault that zeros have hidden, until it is taken.
    sticky: Option<Fault>,
    granules: BTreeMap<usize, Failure>,
    /// Of writing back, until a flush has told of them.
    writes: Vec<(Range<usize>, Fault)>,
}

impl Failures {
    /// Whether any granule has failed.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Acquire) > 0
    }

    /// To be called before zeros stand in.
    pub(crate) fn zeros_appear(&self) {
        self.zeros.fetch_add(1, SeqCst);
    }

    /// How often zeros have stood in: whoever copies sees by it whether there may be some in the copy.
    pub(crate) fn zeros(&self) -> u64 {
        self.zeros.load(SeqCst)
    }

    pub(crate) fn insert(&self, granule: usize, failure: Failure) {
        lock(&self.record).granules.insert(granule, failure);
        self.count.fetch_add(1, AcqRel);
    }

    pub(crate) fn remove(&self, granule: usize) -> Option<Failure> {
        let failure = lock(&self.record).granules.remove(&granule)?;
        self.count.fetch_sub(1, AcqRel);
        Some(failure)
    }

    /// The granules of a range that have failed.
    pub(crate) fn within(&self, granules: &Range<usize>) -> Vec<usize> {
        if !self.any() || granules.is_empty() {
            return Vec::new();
        }
        lock(&self.record).granules.range(granules.clone()).map(|(granule, _)| *granule).collect()
    }

    /// The fault of the first granule in a range that has failed, of those that count.
    pub(crate) fn first(
        &self,
        granules: &Range<usize>,
        counts: impl Fn(&Failure) -> bool,
    ) -> Option<Fault> {
        if !self.any() || granules.is_empty() {
            return None;
        }
        let record = lock(&self.record);
        let mut failures = record.granules.range(granules.clone()).map(|(_, failure)| failure);
        failures.find(|failure| counts(failure)).map(|failure| failure.fault.clone())
    }

    /// How many are charged to the budget.
    pub(crate) fn charged(&self) -> usize {
        lock(&self.record).granules.values().filter(|failure| failure.charged).count()
    }

    /// Notes a fault of which nobody is told otherwise, unless there is one.
    pub(crate) fn note(&self, fault: &Fault) {
        lock(&self.record).sticky.get_or_insert_with(|| fault.clone());
    }

    pub(crate) fn sticky(&self) -> Option<Fault> {
        lock(&self.record).sticky.clone()
    }

    pub(crate) fn take_sticky(&self) -> Option<Fault> {
        lock(&self.record).sticky.take()
    }

    pub(crate) fn write_failed(&self, granules: Range<usize>, fault: Fault) {
        let mut record = lock(&self.record);
        record.writes.retain(|(range, _)| *range != granules);
        record.writes.push((granules, fault));
    }

    /// The first failure to write back in a range that no flush has told of; forgets all of them.
    pub(crate) fn take_write(&self, granules: &Range<usize>) -> Option<Fault> {
        let mut first = None;
        lock(&self.record).writes.retain(|(range, fault)| {
            let apart = range.end <= granules.start || granules.end <= range.start;
            if !apart && first.is_none() {
                first = Some(fault.clone());
            }
            apart
        });
        first
    }
}
