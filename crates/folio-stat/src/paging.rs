//! What paging in user space cost: the counters of a pager, or of one of its mappings.
//!
//! The kernel knows nothing of them: who pages counts, and returns this (`folio_pager::Paged::statistics`).
//!
//! ```
//! use std::time::Duration;
//! use folio_stat::Paging;
//!
//! let mut paging = Paging::default();
//! paging.stalls.resize(20, 0);
//! paging.stalls[11] = 90; // 2 to 4 µs
//! paging.stalls[16] = 10; // 66 to 131 µs
//! assert_eq!(paging.stall_quantile(0.5), Some(Duration::from_nanos(4096)));
//! assert_eq!(paging.stall_quantile(0.99), Some(Duration::from_nanos(131_072)));
//! ```

use std::time::Duration;

/// Counters of a pager, or of one of its mappings, since it exists.
///
/// Plain data. A *granule* is what is loaded and evicted at a time; *standby* is where a granule waits in
/// memory, out of its addresses, to see whether it is touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Paging {
    /// Pages that were touched and missing, whatever was done about it.
    pub faults: u64,
    /// Of those, touches of granules that were in memory: on standby, or loaded ahead.
    pub hits: u64,
    /// Of those, ones that another thread was loading already, or was about to evict.
    pub waits: u64,
    /// First writes to a page since it was loaded or written back.
    pub write_faults: u64,
    /// Granules loaded because they were touched.
    pub loads: u64,
    /// Granules loaded ahead: by recognised runs, and by prefetching.
    pub prefetched: u64,
    /// Granules loaded ahead that are known to have been touched.
    pub prefetch_hits: u64,
    /// Granules that the store could not deliver.
    pub failures: u64,
    /// Bytes read from the store.
    pub read_bytes: u64,
    /// Bytes written to the store.
    pub written_bytes: u64,
    /// Granules evicted.
    pub evictions: u64,
    /// Granules put on standby.
    pub rests: u64,
    /// Granules written back.
    pub write_backs: u64,
    /// Writes to the store that failed.
    pub write_failures: u64,
    /// How long threads stood still at a fault: entry `n` counts stalls of `2^n` to `2^(n+1)` nanoseconds.
    pub stalls: Vec<u64>,
}

impl Paging {
    /// The time that a share of the stalls did not exceed, to a factor of two: `0.5` is the median. `None`
    /// without stalls.
    #[must_use]
    pub fn stall_quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.stalls.iter().sum();
        let rank = (all as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        let entry = self.stalls.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(1_u64.checked_shl(entry as u32 + 1).unwrap_or(u64::MAX)))
    }
}
