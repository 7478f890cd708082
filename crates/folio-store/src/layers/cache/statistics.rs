//! What a cache has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache has done since it was opened, over all its stores.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Chunks that came from the local disk.
    pub hits: u64,
    /// Chunks that were read from a store.
    pub misses: u64,
    /// Chunks that another thread was reading already.
    pub merged: u64,
    /// Bytes of the hits that were asked for.
    pub hit_bytes: u64,
    /// Bytes that stores were asked for.
    pub miss_bytes: u64,
    /// Chunks on the local disk that were not what they should be, or could not be read.
    pub rejected: u64,
    /// Chunks given up for others.
    pub evictions: u64,
    /// Chunks that the local disk did not take.
    pub write_failures: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) merged: AtomicU64,
    pub(super) hit_bytes: AtomicU64,
    pub(super) miss_bytes: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) write_failures: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn read(&self) -> CacheStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStatistics {
            hits: read(&self.hits),
            misses: read(&self.misses),
            merged: read(&self.merged),
            hit_bytes: read(&self.hit_bytes),
            miss_bytes: read(&self.miss_bytes),
            rejected: read(&self.rejected),
            evictions: read(&self.evictions),
            write_failures: read(&self.write_failures),
        }
    }
}
