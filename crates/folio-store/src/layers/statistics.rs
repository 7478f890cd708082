//! Counting: what a store was asked, and how long it took.
//!
//! ```
//! use std::sync::Arc;
//! use folio_store::{MemoryStore, Statistics, Store};
//!
//! let store = Arc::new(Statistics::new(MemoryStore::from(vec![0; 100])));
//! store.read_full_at(&mut [0; 30], 0)?;
//! store.read_full_at(&mut [0; 30], 90)?;
//!
//! let read = store.snapshot().read;
//! assert_eq!((read.calls, read.bytes, read.errors), (3, 40, 0)); // one of them found the end
//! assert!(read.latency.quantile(0.5) <= read.latency.quantile(1.0));
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - It changes nothing and locks nothing: a few atomic additions for each call.
//! - Each number only grows. Those of one snapshot were read one after the other, so calls that end
//!   meanwhile may be in some and not in others.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::layers::pass_on;
use crate::{ReadRequest, Result, Store};

/// Buckets of a histogram.
const BUCKETS: usize = 48;

/// A store that counts what it is asked. To read the counts after it is given away, put it in an
/// [`Arc`](std::sync::Arc) and keep a clone.
#[derive(Debug)]
pub struct Statistics<S> {
    inner: S,
    length: Counters,
    read: Counters,
    batch: Counters,
    write: Counters,
    resize: Counters,
    sync: Counters,
}

/// What a [`Statistics`] has counted.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// [`Store::len`].
    pub length: Counts,
    /// [`Store::read_at`].
    pub read: Counts,
    /// [`Store::read_many`]: a call is a batch.
    pub batch: Counts,
    /// [`Store::write_at`].
    pub write: Counts,
    /// [`Store::resize`].
    pub resize: Counts,
    /// [`Store::sync`].
    pub sync: Counts,
}

/// The counts of one operation.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counts {
    /// Calls that have returned.
    pub calls: u64,
    /// Requests in them: of a batch its length, else 1.
    pub requests: u64,
    /// Bytes read or written.
    pub bytes: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Nanoseconds in all calls together.
    pub total_nanoseconds: u64,
    /// How many calls took how long.
    pub latency: Histogram,
}

/// How many calls took how long, in steps of powers of two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Histogram {
    buckets: Vec<u64>,
}

impl Histogram {
    /// Calls by their time: the one at index `i` counts those of 2^i nanoseconds or more and less than
    /// 2^(i+1). The first counts shorter ones too, the last longer ones.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The time in which that part of the calls, from 0 to 1, returned: the end of the bucket, so up to
    /// twice too much. None without calls.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let all: u64 = self.buckets.iter().sum();
        let wanted = ((all as f64 * part.clamp(0.0, 1.0)).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let index = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(2 << index))
    }
}

#[derive(Debug)]
struct Counters {
    calls: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Counters {
    const fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            latency: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    fn add(&self, started: Instant, requests: u64, bytes: u64, errors: u64) {
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let bucket = nanoseconds.max(1).ilog2() as usize;
        self.latency[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
        self.requests.fetch_add(requests, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.errors.fetch_add(errors, Relaxed);
        self.calls.fetch_add(1, Relaxed);
    }

    fn time<T>(
        &self,
        call: impl FnOnce() -> Result<T>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T> {
        let started = Instant::now();
        let result = call();
        self.add(started, 1, result.as_ref().map_or(0, bytes), u64::from(result.is_err()));
        result
    }

    fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.load(Relaxed),
            requests: self.requests.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            errors: self.errors.load(Relaxed),
            total_nanoseconds: self.nanoseconds.load(Relaxed),
            latency: Histogram {
                buckets: self.latency.iter().map(|bucket| bucket.load(Relaxed)).collect(),
            },
        }
    }
}

impl<S: Store> Statistics<S> {
    /// Counts from now on.
    pub const fn new(store: S) -> Self {
        Self {
            inner: store,
            length: Counters::new(),
            read: Counters::new(),
            batch: Counters::new(),
            write: Counters::new(),
            resize: Counters::new(),
            sync: Counters::new(),
        }
    }

    /// What has been counted.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            length: self.length.counts(),
            read: self.read.counts(),
            batch: self.batch.counts(),
            write: self.write.counts(),
            resize: self.resize.counts(),
            sync: self.sync.counts(),
        }
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: Store> Store for Statistics<S> {
    pass_on!(name, capabilities, identity, version);

    fn len(&self) -> Result<u64> {
        self.length.time(|| self.inner.len(), |_| 0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.read.time(|| self.inner.read_at(buf, offset), |count| *count as u64)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.write.time(|| self.inner.write_at(bytes, offset), |count| *count as u64)
    }

    fn resize(&self, len: u64) -> Result<()> {
        self.resize.time(|| self.inner.resize(len), |()| 0)
    }

    fn sync(&self) -> Result<()> {
        self.sync.time(|| self.inner.sync(), |()| 0)
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let started = Instant::now();
        self.inner.read_many(requests);
        let (mut bytes, mut errors) = (0, 0);
        for request in &*requests {
            match request.outcome {
                Ok(count) => bytes += count as u64,
                Err(_) => errors += 1,
            }
        }
        self.batch.add(started, requests.len() as u64, bytes, errors);
    }
}
