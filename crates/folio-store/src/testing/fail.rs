//! A store that fails when it is told to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::{Operation, Operations};
use crate::layers::pass_on;
use crate::{Capabilities, Error, ErrorKind, ReadRequest, Result, Store};

/// A store that fails when it is told to: each call that meets all conditions set is an error, and
/// does not reach the store below. Without conditions, that is every read, write, resize and sync.
///
/// ```
/// use folio_store::testing::{Fail, Operation, Switch};
/// use folio_store::{ErrorKind, MemoryStore, Store};
///
/// let down = Switch::off();
/// let store = Fail::new(MemoryStore::from(vec![0; 100]), ErrorKind::Unavailable)
///     .on(Operation::Read)
///     .within(50..60)
///     .while_on(&down);
///
/// assert!(store.read_at(&mut [0; 20], 40).is_ok());
/// down.set(true);
/// let error = store.read_at(&mut [0; 20], 40).unwrap_err();
/// assert_eq!((error.kind(), error.bytes()), (ErrorKind::Unavailable, Some(40..60)));
/// assert!(store.read_at(&mut [0; 20], 60).is_ok());
/// assert_eq!((store.failed(), store.met()), (1, 1));
/// ```
///
/// Put one on another for failures of several sorts.
#[derive(Debug)]
pub struct Fail<S> {
    inner: S,
    kind: ErrorKind,
    operations: Operations,
    range: Option<Range<u64>>,
    switch: Option<Switch>,
    which: Which,
    times: u64,
    met: AtomicU64,
    failed: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    Nth(u64),
    Every(u64),
}

/// Turns failures on and off from outside; clones are the same switch.
#[derive(Clone, Debug)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// One that is off.
    #[must_use]
    pub fn off() -> Self {
        Self(Arc::default())
    }

    /// One that is on.
    #[must_use]
    pub fn on() -> Self {
        Self(Arc::new(true.into()))
    }

    /// Turns it on or off.
    pub fn set(&self, on: bool) {
        self.0.store(on, Release);
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.load(Acquire)
    }
}

impl<S: Store> Fail<S> {
    /// Fails with errors of `kind`.
    pub const fn new(store: S, kind: ErrorKind) -> Self {
        Self {
            inner: store,
            kind,
            operations: Operations(0),
            range: None,
            switch: None,
            which: Which::All,
            times: u64::MAX,
            met: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Fails only this operation, and others for which this is called too.
    #[must_use]
    pub const fn on(mut self, operation: Operation) -> Self {
        self.operations = self.operations.with(operation);
        self
    }

    /// Fails only reads and writes of bytes in `range`, and other operations as without it.
    #[must_use]
    pub const fn within(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// Fails only while `switch` is on. Calls while it is off are not counted.
    #[must_use]
    pub fn while_on(mut self, switch: &Switch) -> Self {
        self.switch = Some(switch.clone());
        self
    }

    /// Of the calls that meet the other conditions, fails only the `n`-th; the first is 1.
    #[must_use]
    pub const fn nth(mut self, n: u64) -> Self {
        self.which = Which::Nth(n);
        self
    }

    /// Of the calls that meet the other conditions, fails the `n`-th, the 2`n`-th and so on.
    ///
    /// # Panics
    /// If `n` is 0.
    #[must_use]
    pub const fn every(mut self, n: u64) -> Self {
        assert!(n > 0, "the calls to fail are counted from 1");
        self.which = Which::Every(n);
        self
    }

    /// Fails no more than `times` calls.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// How many calls have met the conditions, but for those of [`nth`](Self::nth),
    /// [`every`](Self::every) and [`times`](Self::times).
    pub fn met(&self) -> u64 {
        self.met.load(Relaxed)
    }

    /// How many calls have failed here.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn check(&self, operation: Operation, range: Option<Range<u64>>) -> Result<()> {
        let meant = match self.operations {
            Operations(0) => operation != Operation::Length,
            operations => operations.contains(operation),
        };
        let inside = match (&self.range, &range) {
            (Some(wanted), Some(range)) => range.start < wanted.end && wanted.start < range.end,
            _ => true,
        };
        if !meant || !inside || self.switch.as_ref().is_some_and(|switch| !switch.is_on()) {
            return Ok(());
        }
        let met = self.met.fetch_add(1, Relaxed) + 1;
        let chosen = match self.which {
            Which::All => true,
            Which::Nth(n) => met == n,
            Which::Every(n) => met.is_multiple_of(n),
        };
        let count = |failed| (failed < self.times).then_some(failed + 1);
        if !chosen || self.failed.fetch_update(AcqRel, Acquire, count).is_err() {
            return Ok(());
        }
        let verb = match operation {
            Operation::Length => "ask for the length of",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Resize => "resize",
            Operation::Sync => "sync",
        };
        let error = Error::new(self.kind, verb, self.name()).reason("a test made it fail");
        Err(match range {
            Some(range) => error.range(range),
            None => error,
        })
    }
}

fn range(offset: u64, len: usize) -> Option<Range<u64>> {
    Some(offset..offset.saturating_add(len as u64))
}

impl<S: Store> Store for Fail<S> {
    pass_on!(name, identity, version);

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().infallible(false)
    }

    fn len(&self) -> Result<u64> {
        self.check(Operation::Length, None)?;
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.check(Operation::Read, range(offset, buf.len()))?;
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.check(Operation::Write, range(offset, bytes.len()))?;
        self.inner.write_at(bytes, offset)
    }

    fn resize(&self, len: u64) -> Result<()> {
        self.check(Operation::Resize, None)?;
        self.inner.resize(len)
    }

    fn sync(&self) -> Result<()> {
        self.check(Operation::Sync, None)?;
        self.inner.sync()
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        for request in &mut *requests {
            request.outcome =
                self.check(Operation::Read, range(request.offset, request.buf.len())).map(|()| 0);
        }
        let whole = requests.iter_mut().filter(|request| request.outcome.is_ok());
        let (mut batch, outcomes): (Vec<_>, Vec<_>) = whole
            .map(|ReadRequest { buf, offset, outcome }| (ReadRequest::new(buf, *offset), outcome))
            .unzip();
        self.inner.read_many(&mut batch);
        for (request, outcome) in batch.into_iter().zip(outcomes) {
            *outcome = request.outcome;
        }
    }
}
