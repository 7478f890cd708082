//! An object as a store.
//!
//! Invariants:
//! - Every byte that is returned was sent in answer to a request with the pinned version's condition,
//!   or with an answer that named the pinned version; [`ObjectStore::guarantee`] says which.
//! - Once the object was seen to have changed, every later read says so.
//! - A caller waits on a condition variable, with a deadline, and touches no runtime.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use folio_store::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use url::Url;

use crate::connect;
use crate::failure::{Failure, changed};
use crate::fetch::{Pinned, Remote, longest};
use crate::guarantee::Guarantee;
use crate::options::ObjectOptions;
use crate::plan::{self, Limits};
use crate::probe;
use crate::reply::{self, Received, Receiver};
use crate::runtime::{self, Runtime};

/// What is best read at once.
const GRANULE_BYTES: u32 = 1 << 20;

/// Added to the time in which the runtime must have given up.
const SLACK: Duration = Duration::from_secs(1);

/// An object in an S3-compatible store, in Google Cloud Storage, in Azure or on an HTTP server, as it
/// was when it was opened. Read-only.
///
/// ```no_run
/// use folio_store::Store;
/// use folio_store_object::ObjectStore;
///
/// let genome = ObjectStore::open("s3://genomes/chr21.fa")?;
/// println!("{} bytes; {}", genome.len()?, genome.guarantee());
/// let mut header = [0; 16];
/// genome.read_full_at(&mut header, 0)?;
/// # Ok::<(), folio_store::Error>(())
/// ```
pub struct ObjectStore {
    remote: Arc<Remote>,
    pinned: Arc<Pinned>,
    runtime: &'static Runtime,
    name: String,
    identity: String,
    limits: Limits,
    changed: AtomicBool,
}

impl ObjectStore {
    /// Opens an object with the defaults of [`ObjectOptions`].
    ///
    /// # Errors
    /// As [`ObjectOptions::open`].
    pub fn open(url: &str) -> Result<Self> {
        ObjectOptions::new().open(url)
    }

    /// How to open one otherwise.
    #[must_use]
    pub fn options() -> ObjectOptions {
        ObjectOptions::new()
    }

    pub(crate) fn open_with(text: &str, options: &ObjectOptions) -> Result<Self> {
        let url = Url::parse(text).map_err(|error| {
            let shown = connect::shown_unparsed(text);
            Error::new(ErrorKind::Invalid, "open", shown).reason(error.to_string())
        })?;
        let name = connect::shown(&url);
        let runtime = runtime::start().map_err(|error| Error::os("open", &name, &error))?;
        let address =
            connect::address(&url, options).map_err(|failure| failure.of("open", &name, None))?;
        let remote = Arc::new(address.remote);
        let (sender, receiver) = reply::channel();
        let asked = Arc::clone(&remote);
        runtime.submit(async move { sender.send(probe::open(&asked).await) });
        // Three requests one after the other at most, and one more for an empty object.
        let patience = remote.deadline.saturating_mul(4).saturating_add(SLACK);
        let pinned = match receiver.receive(patience) {
            Received::Answer(answer) => answer,
            Received::Closed => Err(broken()),
            Received::TimedOut => Err(starved()),
        };
        let pinned = pinned.map_err(|failure| failure.of("open", &name, None))?;
        Ok(Self {
            remote,
            pinned: Arc::new(pinned),
            runtime,
            name,
            identity: address.identity,
            limits: Limits {
                gap_bytes: options.gap_bytes,
                largest_bytes: options.largest_bytes,
                worthwhile_bytes: u64::from(GRANULE_BYTES),
                concurrency: u64::from(options.concurrency),
            },
            changed: AtomicBool::new(false),
        })
    }

    /// What keeps two versions of the object from being mixed, as the server was seen to behave when
    /// the object was opened.
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        self.pinned.guarantee
    }

    /// The part of a read that lies inside the object.
    fn inside(&self, len: usize, offset: u64) -> Range<u64> {
        let end = offset.saturating_add(len as u64).min(self.pinned.len);
        offset.min(end)..end
    }

    /// Fetches `ranges`, several at a time, and gives each to `each` as it arrives, all of them once.
    fn fetch(
        &self,
        ranges: &[Range<u64>],
        mut each: impl FnMut(&Range<u64>, Result<Vec<Bytes>, Failure>),
    ) {
        let mut waited_for: Vec<_> = ranges.iter().map(Some).collect();
        let mut left = ranges.len();
        let failure = match self.hand_over(ranges) {
            Err(failure) => failure,
            Ok((receiver, patience)) => loop {
                if left == 0 {
                    return;
                }
                let (index, answer) = match receiver.receive(patience) {
                    Received::Answer(answer) => answer,
                    Received::Closed => break broken(),
                    Received::TimedOut => break starved(),
                };
                if answer.as_ref().is_err_and(|failure| failure.kind == ErrorKind::Changed) {
                    self.changed.store(true, Ordering::Relaxed);
                }
                if let Some(range) = waited_for.get_mut(index).and_then(Option::take) {
                    left -= 1;
                    each(range, answer);
                }
            },
        };
        for range in waited_for.into_iter().flatten() {
            each(range, Err(failure.clone()));
        }
    }

    /// Starts to fetch `ranges`. Returns where the answers arrive, and how long to wait for the next.
    fn hand_over(&self, ranges: &[Range<u64>]) -> Result<(Receiver<Fetched>, Duration), Failure> {
        if self.changed.load(Ordering::Relaxed) {
            return Err(changed());
        }
        if !self.runtime.is_here() {
            let reason = "it was opened before this process was forked";
            return Err(Failure::new(ErrorKind::Unsupported, reason).advice("open it in the child"));
        }
        let longest_range = ranges.iter().map(|range| range.end - range.start).max().unwrap_or(0);
        let patience = longest(self.remote.deadline, longest_range).saturating_add(SLACK);
        let (sender, receiver) = reply::channel();
        let (remote, pinned) = (Arc::clone(&self.remote), Arc::clone(&self.pinned));
        let (ranges, concurrency) = (ranges.to_vec(), self.limits.concurrency as usize);
        self.runtime.submit(async move {
            fetch_all(&remote, &pinned, &ranges, concurrency, |answer| sender.send(answer)).await;
        });
        Ok((receiver, patience))
    }

    fn error(&self, failure: Failure, range: Range<u64>) -> Error {
        failure.of("read", &self.name, Some(range))
    }
}

/// Which range, and what came of it.
type Fetched = (usize, Result<Vec<Bytes>, Failure>);

/// Fetches each of `ranges`, `concurrency` at a time. After one that got no answer, no other is begun.
async fn fetch_all(
    remote: &Remote,
    pinned: &Pinned,
    ranges: &[Range<u64>],
    concurrency: usize,
    done: impl Fn(Fetched),
) {
    let fetch = async |index: usize, range: Range<u64>| (index, remote.fetch(range, pinned).await);
    let mut rest = ranges.iter().cloned().enumerate();
    let mut running: FuturesUnordered<_> =
        rest.by_ref().take(concurrency).map(|(index, range)| fetch(index, range)).collect();
    let mut hopeless = None;
    while let Some((index, answer)) = running.next().await {
        if let Err(failure) = &answer
            && (failure.kind.is_passing() || failure.kind == ErrorKind::Changed)
        {
            hopeless.get_or_insert_with(|| failure.clone());
        }
        done((index, answer));
        match &hopeless {
            Some(failure) => {
                for (index, _) in rest.by_ref() {
                    done((index, Err(failure.clone())));
                }
            }
            None => running.extend(rest.next().map(|(index, range)| fetch(index, range))),
        }
    }
}

fn broken() -> Failure {
    Failure::new(ErrorKind::Io, "the thread that asked the server has ended")
}

fn starved() -> Failure {
    Failure::new(ErrorKind::Timeout, "the threads that ask the server had no time to")
}

/// Copies what `pieces` of `from` have for `wanted` into `buf`, which begins where `wanted` does.
/// Returns how many bytes.
fn copy(pieces: &[Bytes], from: &Range<u64>, wanted: &Range<u64>, buf: &mut [u8]) -> usize {
    let (mut at, mut count) = (from.start, 0);
    for piece in pieces {
        let end = at + piece.len() as u64;
        let (start, stop) = (at.max(wanted.start), end.min(wanted.end));
        if start < stop {
            let source = &piece[(start - at) as usize..(stop - at) as usize];
            let target = (start - wanted.start) as usize;
            if let Some(target) = buf.get_mut(target..target + source.len()) {
                target.copy_from_slice(source);
                count += source.len();
            }
        }
        at = end;
    }
    count
}

impl Store for ObjectStore {
    /// Its URL, without a password and what signs it.
    fn name(&self) -> String {
        self.name.clone()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.pinned.len)
    }

    /// One request, of at most [`ObjectOptions::largest_bytes`].
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut range = self.inside(buf.len(), offset);
        range.end = range.end.min(range.start.saturating_add(self.limits.largest_bytes));
        if range.is_empty() {
            return Ok(0);
        }
        let mut outcome = Ok(0);
        self.fetch(std::slice::from_ref(&range), |range, answer| {
            outcome = match answer {
                Ok(pieces) => Ok(copy(&pieces, range, range, buf)),
                Err(failure) => Err(self.error(failure, range.clone())),
            };
        });
        outcome
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Network)
            .granule(GRANULE_BYTES)
            .concurrency(self.limits.concurrency as u16)
            .fixed_version(self.pinned.guarantee.holds())
            .touching_mappings(false)
    }

    /// Neighbours share a request, big reads are cut up, and the requests run at the same time.
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let mut wanted = Vec::with_capacity(requests.len());
        for request in &mut *requests {
            request.outcome = Ok(0);
            wanted.push(self.inside(request.buf.len(), request.offset));
        }
        self.fetch(&plan::ranges(&wanted, self.limits), |range, answer| {
            for (request, wanted) in requests.iter_mut().zip(&wanted) {
                if range.end <= wanted.start || wanted.end <= range.start {
                    continue;
                }
                match (&mut request.outcome, &answer) {
                    (Ok(count), Ok(pieces)) => *count += copy(pieces, range, wanted, request.buf),
                    (Ok(_), Err(failure)) => {
                        request.outcome = Err(self.error(failure.clone(), wanted.clone()));
                    }
                    (Err(_), _) => {}
                }
            }
        });
    }

    /// A read of more than one request asks for its parts at the same time.
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut request = [ReadRequest::new(buf, offset)];
        self.read_many(&mut request);
        let [ReadRequest { outcome, .. }] = request;
        outcome
    }

    /// URL, server and version, since two stores that opened different versions show different bytes;
    /// none where the version is not checked.
    fn identity(&self) -> Option<String> {
        let version = self.version().filter(|_| self.pinned.guarantee.holds())?;
        Some(format!("{}, version {version}", self.identity))
    }

    /// The version's id where the server keeps versions, else the ETag.
    fn version(&self) -> Option<String> {
        match self.pinned.guarantee {
            Guarantee::VersionId => self.pinned.version.clone(),
            Guarantee::IfMatch | Guarantee::ComparedAfterwards => self.pinned.e_tag.clone(),
            Guarantee::Unchecked => None,
        }
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("name", &self.name)
            .field("len", &self.pinned.len)
            .field("guarantee", &self.pinned.guarantee)
            .finish_non_exhaustive()
    }
}
