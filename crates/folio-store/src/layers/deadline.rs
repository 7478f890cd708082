//! A bound on time: a call that does not return is an error, and its thread goes on.
//!
//! ```
//! use std::time::Duration;
//! use folio_store::testing::Delay;
//! use folio_store::{Deadline, ErrorKind, MemoryStore, Store};
//!
//! let slow = Delay::new(MemoryStore::from(vec![0; 100]), Duration::from_secs(60));
//! let store = Deadline::new(slow, Duration::from_millis(10))?;
//! let error = store.read_at(&mut [0; 10], 0).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Timeout);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - The store below is called on worker threads only, with buffers of the layer's own. So a call that
//!   is given up harms nobody when it returns, and costs each call a copy and two thread switches.
//! - No more than a number of calls are stuck: given up, and not returned. Further ones fail at once.
//! - A write that was given up may still happen. Until it has returned, no write over the same bytes
//!   and no `resize` starts, so it never lands on top of a newer one; they wait, within their own
//!   deadlines. A read meanwhile may see it or not.
//! - A failure that a `sync` reports after it was given up is reported by the next.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::stuck::{Effect, Stuck};
use super::workers::Workers;
use crate::layers::pass_on;
use crate::lock::lock;
use crate::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};

/// Bytes of the longest read or write that is one call; longer ones are several.
const PIECE: usize = 8 << 20;
/// How many buffers are kept for the next reads, and bytes of the longest that are.
const KEPT: (usize, usize) = (16, 2 << 20);

/// A store whose calls return within a time: with [`ErrorKind::Timeout`] if need be, and with
/// [`ErrorKind::Unavailable`], at once, where too many have not returned.
///
/// Dropping it does not wait for stuck calls. The store below is dropped when the last has returned.
#[derive(Debug)]
pub struct Deadline<S> {
    inner: Arc<S>,
    limit: Duration,
    sync_limit: Duration,
    most_stuck: usize,
    stuck: Arc<Stuck>,
    workers: Workers,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl<S: Store + 'static> Deadline<S> {
    /// Each call returns within `limit`, and up to 16 may be stuck.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new(store: S, limit: Duration) -> Result<Self> {
        let failed = |error: io::Error| Error::os("start a thread for", store.name(), &error);
        let workers = Workers::start().map_err(failed)?;
        Ok(Self {
            inner: Arc::new(store),
            limit,
            sync_limit: limit,
            most_stuck: 16,
            stuck: Arc::default(),
            workers,
            buffers: Mutex::default(),
        })
    }

    /// Sets another limit for `sync`, which waits for everything written before.
    #[must_use]
    pub fn sync_limit(mut self, limit: Duration) -> Self {
        self.sync_limit = limit;
        self
    }

    /// Sets how many calls may be stuck; 0 counts as 1.
    #[must_use]
    pub fn most_stuck(mut self, calls: usize) -> Self {
        self.most_stuck = calls.max(1);
        self
    }

    /// How many calls are stuck: given up, and not returned.
    pub fn stuck(&self) -> usize {
        self.stuck.count()
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn call<T: Send + 'static>(
        &self,
        request: Request,
        job: impl FnOnce(&S) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Request { operation, range, effect, limit } = request;
        let error = |kind, reason: String| {
            let error = Error::new(kind, operation, self.name()).reason(reason);
            match &range {
                Some(range) => error.range(range.clone()),
                None => error,
            }
        };
        let until = after(limit);
        self.stuck.admit(&effect, self.most_stuck, until).map_err(|kind| match kind {
            ErrorKind::Timeout => {
                let before = "an earlier call that this one must wait for has not returned";
                error(kind, format!("{before} within the deadline of {limit:?}"))
            }
            _ => error(kind, format!("{} calls have not returned", self.most_stuck)),
        })?;
        if effect == Effect::Sync
            && let Some(error) = self.stuck.late()
        {
            return Err(error);
        }

        let ticket = Arc::new(Ticket::<T>::default());
        let (own, stuck, inner) = (ticket.clone(), self.stuck.clone(), self.inner.clone());
        self.workers.run(Box::new(move || {
            if let Some(call) = own.begin() {
                return stuck.leave(call, None);
            }
            let result = catch_unwind(AssertUnwindSafe(|| job(&inner))).unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Io, operation, inner.name()).reason("the store panicked"))
            });
            drop(inner);
            if let Some((call, result)) = own.finish(result) {
                stuck.leave(call, result.err());
            }
        }));
        match ticket.wait(until, || self.stuck.enter(effect)) {
            Some(result) => result,
            None => {
                let reason = format!("no answer within the deadline of {limit:?}");
                Err(error(ErrorKind::Timeout, reason))
            }
        }
    }

    fn buffer(&self, len: usize) -> Vec<u8> {
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }

    fn keep(&self, buffer: Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffers.len() < KEPT.0 && buffer.capacity() <= KEPT.1 {
            buffers.push(buffer);
        }
    }

    fn read(
        &self,
        buf: &mut [u8],
        offset: u64,
        read: impl FnOnce(&S, &mut [u8], u64) -> Result<usize> + Send + 'static,
    ) -> Result<usize> {
        let len = buf.len().min(PIECE);
        let mut own = self.buffer(len);
        let request = Request::new("read", self.limit).range(offset, len);
        let (own, count) = self.call(request, move |inner| {
            let count = read(inner, &mut own, offset)?;
            Ok((own, count))
        })?;
        let done = count.min(len);
        buf[..done].copy_from_slice(&own[..done]);
        self.keep(own);
        Ok(count)
    }

    fn write<T: Send + 'static>(
        &self,
        bytes: &[u8],
        offset: u64,
        write: impl FnOnce(&S, &[u8], u64) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let own = bytes.to_vec();
        let range = offset..offset.saturating_add(bytes.len() as u64);
        let request = Request::new("write", self.limit).range(offset, bytes.len());
        self.call(request.effect(Effect::Write(range)), move |inner| write(inner, &own, offset))
    }
}

/// `limit` from now, or as good as never.
fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(1 << 30))
}

struct Request {
    operation: &'static str,
    range: Option<Range<u64>>,
    effect: Effect,
    limit: Duration,
}

impl Request {
    fn new(operation: &'static str, limit: Duration) -> Self {
        Self { operation, range: None, effect: Effect::None, limit }
    }

    fn range(mut self, offset: u64, len: usize) -> Self {
        self.range = Some(offset..offset.saturating_add(len as u64));
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// Where a caller and a worker meet.
struct Ticket<T> {
    progress: Mutex<Progress<T>>,
    done: Condvar,
}

enum Progress<T> {
    Waiting,
    Done(Result<T>),
    /// The caller has gone; the call is known to [`Stuck`] by this number.
    GivenUp(u64),
}

impl<T> Default for Ticket<T> {
    fn default() -> Self {
        Self { progress: Mutex::new(Progress::Waiting), done: Condvar::new() }
    }
}

impl<T> Ticket<T> {
    /// The worker starts; a number where the caller has already gone.
    fn begin(&self) -> Option<u64> {
        match *lock(&self.progress) {
            Progress::GivenUp(call) => Some(call),
            _ => None,
        }
    }

    /// The worker has finished. Returns the result where the caller has gone.
    fn finish(&self, result: Result<T>) -> Option<(u64, Result<T>)> {
        let mut progress = lock(&self.progress);
        if let Progress::GivenUp(call) = *progress {
            return Some((call, result));
        }
        *progress = Progress::Done(result);
        drop(progress);
        self.done.notify_one();
        None
    }

    /// The result, or none at `until`; then `give_up` numbers the call.
    fn wait(&self, until: Instant, give_up: impl FnOnce() -> u64) -> Option<Result<T>> {
        let mut progress = lock(&self.progress);
        loop {
            if let Progress::Done(_) = *progress {
                match std::mem::replace(&mut *progress, Progress::Waiting) {
                    Progress::Done(result) => return Some(result),
                    _ => return None,
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *progress = Progress::GivenUp(give_up());
                return None;
            }
            let waited = self.done.wait_timeout(progress, left);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<S: Store + 'static> Store for Deadline<S> {
    pass_on!(name, identity, version);

    /// Those of the store below, at the cost of a local one at least: each call wakes a thread.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().at_least(Cost::Local).infallible(false)
    }

    fn len(&self) -> Result<u64> {
        self.call(Request::new("ask for the length of", self.limit), |inner| inner.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.read(buf, offset, |inner, buf, offset| inner.read_at(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        // What ends behind the last u64 is refused, and not in part.
        let possible = offset.checked_add(bytes.len() as u64).is_some();
        let bytes = if possible { &bytes[..bytes.len().min(PIECE)] } else { bytes };
        self.write(bytes, offset, |inner, bytes, offset| inner.write_at(bytes, offset))
    }

    fn resize(&self, len: u64) -> Result<()> {
        let request = Request::new("resize", self.limit).effect(Effect::Resize);
        self.call(request, move |inner| inner.resize(len))
    }

    fn sync(&self) -> Result<()> {
        let request = Request::new("sync", self.sync_limit).effect(Effect::Sync);
        self.call(request, |inner| inner.sync())
    }

    /// All of them together within one deadline.
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let wanted = requests.iter().map(|request| (vec![0; request.buf.len()], request.offset));
        let mut wanted: Vec<_> = wanted.collect();
        let answer = self.call(Request::new("read", self.limit), move |inner| {
            let mut own: Vec<_> =
                wanted.iter_mut().map(|(buf, offset)| ReadRequest::new(buf, *offset)).collect();
            inner.read_many(&mut own);
            let outcomes: Vec<_> = own.into_iter().map(|request| request.outcome).collect();
            Ok((wanted, outcomes))
        });
        match answer {
            Ok((buffers, outcomes)) => {
                let answers = buffers.into_iter().zip(outcomes);
                for (request, ((own, _), outcome)) in requests.iter_mut().zip(answers) {
                    if outcome.is_ok() {
                        request.buf.copy_from_slice(&own);
                    }
                    request.outcome = outcome;
                }
            }
            Err(error) => {
                for request in requests {
                    let range =
                        request.offset..request.offset.saturating_add(request.buf.len() as u64);
                    request.outcome = Err(error.clone().range(range));
                }
            }
        }
    }

    /// Within one deadline, up to 8 MiB.
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let Some(position) = offset.checked_add(done as u64) else { break };
            let piece = (buf.len() - done).min(PIECE);
            let count =
                self.read(&mut buf[done..done + piece], position, |inner, buf, offset| {
                    inner.read_full_at(buf, offset)
                })?;
            done += count.min(piece);
            if count < piece {
                break;
            }
        }
        Ok(done)
    }

    /// Within one deadline, up to 8 MiB.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none() {
            let error = Error::new(ErrorKind::Invalid, "write", self.name());
            return Err(error.range(offset..u64::MAX));
        }
        for (piece, position) in bytes.chunks(PIECE).zip((offset..).step_by(PIECE)) {
            self.write(piece, position, |inner, bytes, offset| inner.write_all_at(bytes, offset))?;
        }
        Ok(())
    }
}
