//! Counting what paging costs, in a mapping and in its pager.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use folio_stat::Paging;

/// Entries of the histogram of stalls: the last one takes what is longer than nine minutes too.
const STALLS: usize = 40;

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
            stalls: [AtomicU64; STALLS],
        }

        impl Default for Counters {
            fn default() -> Self {
                Self {
                    $($name: AtomicU64::new(0),)*
                    stalls: [const { AtomicU64::new(0) }; STALLS],
                }
            }
        }

        impl Counters {
            pub(crate) fn statistics(&self) -> Paging {
                let mut paging = Paging::default();
                $(paging.$name = self.$name.load(Relaxed);)*
                paging.stalls = self.stalls.iter().map(|count| count.load(Relaxed)).collect();
                paging
            }
        }
    };
}

counters! {
    faults, hits, waits, write_faults, loads, prefetched, prefetch_hits, failures, read_bytes,
    written_bytes, evictions, rests, write_backs, write_failures,
}

impl Counters {
    pub(crate) fn add(&self, what: impl Fn(&Self) -> &AtomicU64, count: u64) {
        what(self).fetch_add(count, Relaxed);
    }

    pub(crate) fn stall(&self, time: Duration) {
        let entry = (time.as_nanos().max(1).ilog2() as usize).min(STALLS - 1);
        self.stalls[entry].fetch_add(1, Relaxed);
    }
}
