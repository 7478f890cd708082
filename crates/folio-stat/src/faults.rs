//! Minor and major faults: how often a page had to be put in place.
//!
//! A minor fault finds the page in memory and only enters it in the page table; a major fault
//! waits for a read. The kernel counts both per thread and per process (getrusage(2)).
//!
//! ```
//! use folio_stat::FaultScope;
//!
//! let scope = FaultScope::thread();
//! let fresh = vec![1u8; 1 << 20];
//! let faults = scope.finish();
//! assert!(faults.minor > 0);
//! # drop(fresh);
//! ```

use std::marker::PhantomData;
use std::ops::Sub;

use crate::sys::{self, Who};

/// A number of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FaultCount {
    /// Faults that found their page in memory.
    pub minor: u64,
    /// Faults that waited for a read.
    pub major: u64,
}

impl FaultCount {
    pub(crate) fn new(minor: u64, major: u64) -> Self {
        Self { minor, major }
    }

    /// The faults of the calling thread since it started (`RUSAGE_THREAD`).
    pub fn of_thread() -> Self {
        let (minor, major) = sys::fault_counters(Who::Thread);
        Self { minor, major }
    }

    /// The faults of this process since it started, threads that ended included (`RUSAGE_SELF`).
    pub fn of_process() -> Self {
        let (minor, major) = sys::fault_counters(Who::Process);
        Self { minor, major }
    }
}

/// What was added since `earlier`; never below zero.
impl Sub for FaultCount {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            minor: self.minor.saturating_sub(earlier.minor),
            major: self.major.saturating_sub(earlier.major),
        }
    }
}

/// Counts faults from its making to [`finish`](Self::finish).
///
/// It stays on its thread, because the kernel tells a thread only its own count:
///
/// ```compile_fail
/// let scope = folio_stat::FaultScope::thread();
/// std::thread::spawn(move || scope.finish());
/// ```
#[derive(Debug)]
#[must_use = "a scope counts nothing unless it is finished"]
pub struct FaultScope {
    who: Who,
    before: FaultCount,
    stays_on_its_thread: PhantomData<*const ()>,
}

impl FaultScope {
    /// Starts counting the faults of the calling thread.
    pub fn thread() -> Self {
        Self::start(Who::Thread)
    }

    /// Starts counting the faults of all threads of this process.
    pub fn process() -> Self {
        Self::start(Who::Process)
    }

    fn start(who: Who) -> Self {
        let (minor, major) = sys::fault_counters(who);
        Self { who, before: FaultCount { minor, major }, stays_on_its_thread: PhantomData }
    }

    /// The faults up to now; the scope goes on.
    pub fn so_far(&self) -> FaultCount {
        let (minor, major) = sys::fault_counters(self.who);
        FaultCount { minor, major } - self.before
    }

    /// The faults since the scope was made.
    pub fn finish(self) -> FaultCount {
        self.so_far()
    }
}
