//! Trying again: failures that may pass are waited out.
//!
//! ```
//! use std::time::Duration;
//! use folio_store::testing::{Fail, Operation};
//! use folio_store::{ErrorKind, MemoryStore, Retry, Store};
//!
//! let store = MemoryStore::from(b"patience".to_vec());
//! let shaky = Fail::new(store, ErrorKind::Unavailable).on(Operation::Read).times(2);
//! let store = Retry::new(shaky).first_wait(Duration::from_millis(1));
//!
//! let mut bytes = [0; 8];
//! store.read_full_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"patience");
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - Only errors whose [kind](ErrorKind::is_passing) may pass are tried again; others return at once.
//! - A `sync` is never tried again: one that failed may have dropped what it could not write, and the
//!   next would then succeed without it. Its caller must write again before it syncs again.
//! - A write that has failed once is done to the last byte, or is an error: any part of it may be there,
//!   so a number of bytes would not be the whole truth.
//! - No wait begins that would end after the limit. A call that is under way is not cut short; a
//!   [`Deadline`](crate::Deadline) below bounds it.

use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use crate::ErrorKind;
use crate::clock::{Clock, Monotonic};
use crate::layers::pass_on;
use crate::random::Random;
use crate::{Error, ReadRequest, Result, Store};

/// A store whose passing failures are tried again, with waits that double from one to the next, less
/// up to half by chance, so that threads that failed together do not return together.
///
/// Reads, writes, `len` and `resize` are, since each is the same when done twice; `sync` is not (see
/// the [module](self)).
#[derive(Debug)]
pub struct Retry<S> {
    inner: S,
    attempts: u32,
    first_wait: Duration,
    longest_wait: Duration,
    limit: Duration,
    random: Random,
    clock: Arc<dyn Clock>,
}

impl<S: Store> Retry<S> {
    /// Up to 5 attempts within 10 s, with a first wait of 20 ms and none longer than 1 s.
    pub fn new(store: S) -> Self {
        Self::on_clock(store, Arc::new(Monotonic::new()))
    }

    pub(crate) fn on_clock(store: S, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: store,
            attempts: 5,
            first_wait: Duration::from_millis(20),
            longest_wait: Duration::from_secs(1),
            limit: Duration::from_secs(10),
            random: Random::unseeded(),
            clock,
        }
    }

    /// Sets how often a call is tried in all; 0 counts as 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the wait after the first failure. The next are twice as long each.
    #[must_use]
    pub fn first_wait(mut self, time: Duration) -> Self {
        self.first_wait = time;
        self
    }

    /// Sets what no wait is longer than.
    #[must_use]
    pub fn longest_wait(mut self, time: Duration) -> Self {
        self.longest_wait = time;
        self
    }

    /// Sets the time from the start of a call after which it is not tried again.
    #[must_use]
    pub fn limit(mut self, time: Duration) -> Self {
        self.limit = time;
        self
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn persist<T>(
        &self,
        turns: &mut Turns<'_, S>,
        mut call: impl FnMut(&S) -> Result<T>,
    ) -> Result<T> {
        loop {
            match call(&self.inner) {
                Err(error) if error.kind().is_passing() => match turns.wait() {
                    true => {}
                    false => return Err(turns.give_up(error)),
                },
                other => return other,
            }
        }
    }

    fn turns(&self) -> Turns<'_, S> {
        Turns { retry: self, started: self.clock.now(), done: 1 }
    }
}

/// The attempts at one call.
struct Turns<'a, S> {
    retry: &'a Retry<S>,
    started: Duration,
    done: u32,
}

impl<S> Turns<'_, S> {
    /// Waits until it is time for the next attempt; false where there is none.
    fn wait(&mut self) -> bool {
        let Retry { attempts, first_wait, longest_wait, limit, random, clock, .. } = self.retry;
        if self.done >= *attempts {
            return false;
        }
        let doubled = first_wait.saturating_mul(1 << (self.done - 1).min(31));
        let longest = doubled.min(*longest_wait);
        let nanoseconds = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let wait = Duration::from_nanos(nanoseconds - random.below(nanoseconds / 2 + 1));
        let passed = clock.now().saturating_sub(self.started);
        if passed.saturating_add(wait) > *limit {
            return false;
        }
        clock.wait(wait);
        self.done += 1;
        true
    }

    /// Counts attempts anew, in the same time.
    fn begin_again(&mut self) {
        self.done = 1;
    }

    fn give_up(&self, error: Error) -> Error {
        if self.done == 1 {
            return error;
        }
        let passed = self.retry.clock.now().saturating_sub(self.started);
        error.remark(&format!("tried {} times in {passed:.1?}", self.done))
    }
}

impl<S: Store> Store for Retry<S> {
    pass_on!(name, sync, capabilities, identity, version);

    fn len(&self) -> Result<u64> {
        self.persist(&mut self.turns(), S::len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.persist(&mut self.turns(), |inner| inner.read_at(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let mut turns = self.turns();
        let mut failed = false;
        let mut done = 0;
        while let Some(rest @ [_, ..]) = bytes.get(done..) {
            let written = self.persist(&mut turns, |inner| {
                let written = inner.write_at(rest, offset.saturating_add(done as u64));
                failed |= written.is_err();
                written
            })?;
            done += written;
            if !failed || written == 0 {
                break;
            }
            turns.begin_again();
        }
        Ok(done)
    }

    fn resize(&self, len: u64) -> Result<()> {
        self.persist(&mut self.turns(), |inner| inner.resize(len))
    }

    /// Those that failed are asked for again, together.
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let passing = |request: &ReadRequest<'_>| {
            request.outcome.as_ref().is_err_and(|error| error.kind().is_passing())
        };
        self.inner.read_many(requests);
        let mut turns = self.turns();
        while requests.iter().any(passing) {
            if !turns.wait() {
                for request in requests.iter_mut().filter(|request| passing(request)) {
                    let outcome = std::mem::replace(&mut request.outcome, Ok(0));
                    request.outcome = outcome.map_err(|error| turns.give_up(error));
                }
                return;
            }
            let (mut again, outcomes): (Vec<_>, Vec<_>) = requests
                .iter_mut()
                .filter(|request| passing(request))
                .map(|ReadRequest { buf, offset, outcome }| {
                    (ReadRequest::new(buf, *offset), outcome)
                })
                .unzip();
            self.inner.read_many(&mut again);
            for (request, outcome) in again.into_iter().zip(outcomes) {
                *outcome = request.outcome;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::testing::{Fail, Operation};
    use crate::{ErrorKind, MemoryStore};

    /// Waits move it, and nothing else does.
    #[derive(Debug, Default)]
    struct Manual {
        waits: Mutex<Vec<Duration>>,
    }

    impl Manual {
        fn waits(&self) -> Vec<Duration> {
            self.waits.lock().unwrap().clone()
        }
    }

    impl Clock for Manual {
        fn now(&self) -> Duration {
            self.waits().iter().sum()
        }
        fn wait(&self, time: Duration) {
            self.waits.lock().unwrap().push(time);
        }
    }

    fn broken(kind: ErrorKind) -> (Retry<Fail<MemoryStore>>, Arc<Manual>) {
        let clock = Arc::new(Manual::default());
        let store = Fail::new(MemoryStore::from(vec![0; 100]), kind).on(Operation::Read);
        (Retry::on_clock(store, clock.clone()), clock)
    }

    #[test]
    fn waits_double_up_to_the_longest_less_at_most_half() {
        let (store, clock) = broken(ErrorKind::Unavailable);
        let store = store
            .attempts(10)
            .first_wait(Duration::from_millis(100))
            .longest_wait(Duration::from_secs(1))
            .limit(Duration::MAX);
        store.read_at(&mut [0], 0).unwrap_err();
        let longest = [100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000].map(Duration::from_millis);
        let waits = clock.waits();
        assert_eq!(waits.len(), longest.len());
        for (wait, longest) in waits.iter().zip(longest) {
            assert!((longest / 2..=longest).contains(wait), "{waits:?}");
        }
        let mut other = waits.clone();
        other.dedup();
        assert_eq!(other.len(), waits.len(), "no jitter in {waits:?}");
    }

    #[test]
    fn no_wait_begins_that_ends_after_the_limit() {
        let (store, clock) = broken(ErrorKind::Timeout);
        let limit = Duration::from_secs(3);
        let store = store.attempts(u32::MAX).first_wait(Duration::from_millis(500)).limit(limit);
        let error = store.read_at(&mut [0], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(clock.now() <= limit, "{:?}", clock.waits());
        assert_eq!(store.inner().failed(), clock.waits().len() as u64 + 1);
    }

    #[test]
    fn waits_of_any_length_do_not_overflow() {
        let (store, clock) = broken(ErrorKind::Io);
        let store = store.attempts(100).first_wait(Duration::MAX).longest_wait(Duration::MAX);
        store.read_at(&mut [0], 0).unwrap_err();
        assert_eq!(clock.waits(), []);
    }
}
