//! What paging cost: counters of a mapping, or of all mappings of a pager.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of the histogram of stalls: bucket `n` counts those of `2^n` to `2^(n+1)` nanoseconds.
pub const STALL_BUCKETS: usize = 40;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters of a mapping or a pager since it exists. Bytes are the store's.
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
            /// How long threads stood still at a fault: bucket `n` counts stalls of `2^n` to `2^(n+1)`
            /// nanoseconds.
            pub stalls: [u64; STALL_BUCKETS],
        }

        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
            stalls: [AtomicU64; STALL_BUCKETS],
        }

        impl Default for Counters {
            fn default() -> Self {
                Self {
                    $($name: AtomicU64::new(0),)*
                    stalls: [const { AtomicU64::new(0) }; STALL_BUCKETS],
                }
            }
        }

        impl Counters {
            pub(crate) fn statistics(&self) -> Statistics {
                Statistics {
                    $($name: self.$name.load(Relaxed),)*
                    stalls: std::array::from_fn(|bucket| self.stalls[bucket].load(Relaxed)),
                }
            }
        }
    };
}

counters! {
    /// Pages that were touched and missing, whatever was done about it.
    faults,
    /// Of those, touches of granules that were in memory: on standby, or loaded ahead.
    hits,
    /// Of those, ones that another thread was loading already, or was about to evict.
    waits,
    /// First writes to a page since it was loaded or written back.
    write_faults,
    /// Granules loaded because they were touched.
    loads,
    /// Granules loaded ahead: by recognised runs, and by `prefetch`.
    prefetched,
    /// Granules loaded ahead that are known to have been touched.
    prefetch_hits,
    /// Granules that the store could not deliver.
    failures,
    /// Bytes read from the store.
    read_bytes,
    /// Bytes written to the store.
    written_bytes,
    /// Granules evicted.
    evictions,
    /// Granules taken out of their addresses to see whether they are touched.
    rests,
    /// Granules written back.
    write_backs,
    /// Writes to the store that failed.
    write_failures,
}

impl Counters {
    pub(crate) fn add(&self, what: impl Fn(&Self) -> &AtomicU64, count: u64) {
        what(self).fetch_add(count, Relaxed);
    }

    pub(crate) fn stall(&self, time: Duration) {
        let bucket = (time.as_nanos().max(1).ilog2() as usize).min(STALL_BUCKETS - 1);
        self.stalls[bucket].fetch_add(1, Relaxed);
    }
}

impl Statistics {
    /// The time that a share of the stalls did not exceed, to a factor of two: `0.5` is the median. `None`
    /// without stalls.
    #[must_use]
    pub fn stall_quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.stalls.iter().sum();
        let rank = (all as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.stalls.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.filter(|_| all > 0).map(|bucket| Duration::from_nanos(2 << bucket))
    }
}
