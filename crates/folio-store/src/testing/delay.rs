//! A store that takes its time.

use std::thread;
use std::time::Duration;

use super::{Operation, Operations};
use crate::layers::pass_on;
use crate::random::Random;
use crate::{Capabilities, Cost, ReadRequest, Result, Store};

/// A store whose operations take longer, each by the same time or with jitter.
///
/// A batch waits once, as one sent to a far store does.
///
/// ```
/// use std::time::{Duration, Instant};
/// use folio_store::testing::{Delay, Operation};
/// use folio_store::{MemoryStore, Store};
///
/// let time = Duration::from_millis(5);
/// let store = Delay::new(MemoryStore::from(vec![1; 10]), time).on(Operation::Read);
/// let start = Instant::now();
/// store.read_at(&mut [0; 10], 0)?;
/// assert!(start.elapsed() >= time);
/// # Ok::<(), folio_store::Error>(())
/// ```
#[derive(Debug)]
pub struct Delay<S> {
    inner: S,
    time: Duration,
    jitter: Duration,
    operations: Operations,
    random: Random,
}

impl<S: Store> Delay<S> {
    /// Makes reads, writes, resizes and syncs take `time` longer.
    pub const fn new(store: S, time: Duration) -> Self {
        let random = Random::seeded(0);
        let operations = Operations(0);
        Self { inner: store, time, jitter: Duration::ZERO, operations, random }
    }

    /// Delays only this operation, and others for which this is called too.
    #[must_use]
    pub const fn on(mut self, operation: Operation) -> Self {
        self.operations = self.operations.with(operation);
        self
    }

    /// Adds up to `most` to each delay, by chance from `seed`.
    #[must_use]
    pub const fn jitter(mut self, most: Duration, seed: u64) -> Self {
        self.jitter = most;
        self.random = Random::seeded(seed);
        self
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn wait(&self, operation: Operation) {
        let meant = match self.operations {
            Operations(0) => operation != Operation::Length,
            operations => operations.contains(operation),
        };
        if meant {
            let most = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
            let more = Duration::from_nanos(self.random.below(most));
            thread::sleep(self.time.saturating_add(more));
        }
    }
}

impl<S: Store> Store for Delay<S> {
    pass_on!(name, identity, version);

    fn len(&self) -> Result<u64> {
        self.wait(Operation::Length);
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.wait(Operation::Read);
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.wait(Operation::Write);
        self.inner.write_at(bytes, offset)
    }

    fn resize(&self, len: u64) -> Result<()> {
        self.wait(Operation::Resize);
        self.inner.resize(len)
    }

    fn sync(&self) -> Result<()> {
        self.wait(Operation::Sync);
        self.inner.sync()
    }

    /// Those of the store below, at the cost of a local one at least: it waits.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().at_least(Cost::Local)
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        self.wait(Operation::Read);
        self.inner.read_many(requests);
    }
}
