//! A store over frames: what zstd and bgzip have in common.
//!
//! A read finds the frames of its range. Those that are cached are copied; of those that nobody is
//! decoding it claims a run, reads their packed bytes at once, and decodes each, into the caller's
//! buffer where it asked for all of the frame, else into the cache. For a frame that another thread
//! is decoding it waits, holding no claim of its own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use folio_store::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};

use crate::cache::{Claim, Found, FrameCache};
use crate::frames::Frames;

/// Packed bytes that are read at once, unless a single frame has more.
const RUN_PACKED_BYTES: u64 = 4 << 20;
const MAX_GRANULE_BYTES: u64 = 2 << 20;

/// How a frame is decoded.
pub(crate) trait Codec: fmt::Debug + Send + Sync {
    /// Decodes all of a frame, which is as long as `out`; else says what is wrong with it.
    fn decode(&self, index: usize, packed: &[u8], out: &mut [u8]) -> Result<(), Cow<'static, str>>;
}

/// Decoded frames of the store `inner`.
#[derive(Debug)]
pub(crate) struct FrameStore<S, C> {
    inner: S,
    frames: Frames,
    codec: C,
    cache: FrameCache,
    /// Names the format in identity and version.
    scheme: &'static str,
    version: Option<String>,
    decoded: AtomicU64,
}

/// Frames next to each other that this thread is to decode, and their packed bytes.
struct Run<'a> {
    first: usize,
    claims: Vec<Claim<'a>>,
    packed: Vec<u8>,
}

/// A buffer of zeros; an error where there is no memory for it.
pub(crate) fn reserve(name: &str, len: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let room = usize::try_from(len).ok().filter(|&len| bytes.try_reserve_exact(len).is_ok());
    let Some(len) = room else {
        return Err(Error::new(ErrorKind::Io, "read", name).reason("no memory for a frame"));
    };
    bytes.resize(len, 0);
    Ok(bytes)
}

/// Reads all of `buf`.
pub(crate) fn read_exact(store: &impl Store, buf: &mut [u8], offset: u64) -> Result<()> {
    let count = store.read_full_at(buf, offset)?;
    if count < buf.len() {
        return Err(shorter(&store.name(), offset, buf.len()));
    }
    Ok(())
}

fn shorter(name: &str, offset: u64, len: usize) -> Error {
    Error::new(ErrorKind::Truncated, "read", name)
        .range(offset..offset.saturating_add(len as u64))
        .reason("it is shorter than it was when it was opened")
}

impl<S: Store, C: Codec> FrameStore<S, C> {
    pub(crate) fn new(
        inner: S,
        frames: Frames,
        codec: C,
        scheme: &'static str,
        cache_bytes: usize,
    ) -> Self {
        let (version, cache) = (inner.version(), FrameCache::new(cache_bytes));
        Self { inner, frames, codec, cache, scheme, version, decoded: AtomicU64::new(0) }
    }

    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    pub(crate) fn decoded_frames(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    /// What is left of `len` bytes at `offset`.
    fn clip(&self, len: usize, offset: u64) -> usize {
        let left = self.frames.len().saturating_sub(offset);
        len.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// Claims the frames after a claimed one that the range needs, as far as nobody has them, and as
    /// many as are best read at once.
    fn extend<'a>(&'a self, first: usize, claim: Claim<'a>, end: u64) -> Run<'a> {
        let mut claims = vec![claim];
        let start = self.frames.packed(first).start;
        for index in first + 1..self.frames.count() {
            let decoded = self.frames.decoded(index);
            if decoded.start >= end
                || decoded.is_empty()
                || self.frames.packed(index).end - start > RUN_PACKED_BYTES
            {
                break;
            }
            let Some(claim) = self.cache.claim(index) else { break };
            claims.push(claim);
        }
        Run { first, claims, packed: Vec::new() }
    }

    fn packed_range(&self, run: &Run<'_>) -> std::ops::Range<u64> {
        let last = run.first + run.claims.len() - 1;
        self.frames.packed(run.first).start..self.frames.packed(last).end
    }

    /// Makes room for the packed bytes of a run.
    fn make_room(&self, run: &mut Run<'_>) -> Result<()> {
        let range = self.packed_range(run);
        run.packed = reserve(&self.inner.name(), range.end - range.start)?;
        Ok(())
    }

    /// Decodes a run whose packed bytes were read, as the outcome says; returns how many bytes of
    /// `buf`, whose first is at `offset` in the first frame, are filled.
    fn finish(
        &self,
        run: Run<'_>,
        outcome: Result<usize>,
        buf: &mut [u8],
        offset: u64,
    ) -> Result<usize> {
        let range = self.packed_range(&run);
        let Run { first, claims, packed } = run;
        let arrived = match outcome {
            Ok(count) if count == packed.len() => Ok(()),
            Ok(_) => Err(self.changed_or(shorter(&self.inner.name(), range.start, packed.len()))),
            Err(error) => Err(error),
        };
        if let Err(error) = arrived {
            for claim in claims {
                claim.fail(error.clone());
            }
            return Err(error);
        }
        let mut done = 0;
        for (index, claim) in (first..).zip(claims) {
            let at = self.frames.packed(index);
            let (start, end) = ((at.start - range.start) as usize, (at.end - range.start) as usize);
            match self.decode(
                index,
                &packed[start..end],
                claim,
                &mut buf[done..],
                offset + done as u64,
            ) {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Decodes a frame and copies what of it is at `offset`.
    fn decode(
        &self,
        index: usize,
        packed: &[u8],
        claim: Claim<'_>,
        buf: &mut [u8],
        offset: u64,
    ) -> Result<usize> {
        let range = self.frames.decoded(index);
        let whole = (range.end - range.start) as usize;
        if offset == range.start && buf.len() >= whole {
            let buf = &mut buf[..whole];
            return match self.decode_into(index, packed, buf) {
                Ok(()) => {
                    claim.hand_out(buf);
                    Ok(whole)
                }
                Err(error) => {
                    claim.fail(error.clone());
                    Err(error)
                }
            };
        }
        let decoded = reserve(&self.inner.name(), whole as u64).and_then(|mut bytes| {
            self.decode_into(index, packed, &mut bytes)?;
            Ok(bytes)
        });
        match decoded {
            Ok(bytes) => {
                let count = copy(&bytes, (offset - range.start) as usize, buf);
                claim.keep(Arc::new(bytes));
                Ok(count)
            }
            Err(error) => {
                claim.fail(error.clone());
                Err(error)
            }
        }
    }

    fn decode_into(&self, index: usize, packed: &[u8], out: &mut [u8]) -> Result<()> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        self.codec.decode(index, packed, out).map_err(|reason| {
            let at = self.frames.packed(index);
            let reason = format!("its frame at {}..{} is corrupt: {reason}", at.start, at.end);
            let error = Error::new(ErrorKind::Corrupt, "read", self.inner.name());
            self.changed_or(error.range(self.frames.decoded(index)).reason(reason))
        })
    }

    /// An error about bytes that do not fit, or the better reason that they are of another version.
    fn changed_or(&self, error: Error) -> Error {
        if self.version.is_none() || self.inner.version() == self.version {
            return error;
        }
        let changed = Error::new(ErrorKind::Changed, error.operation(), error.store());
        match error.bytes() {
            Some(range) => changed.range(range),
            None => changed,
        }
    }

    /// Reads what the next frame, or the next run of frames, has for `buf`, which is not empty and
    /// ends no later than the store.
    fn step(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let index = self.frames.at(offset);
        let start = self.frames.decoded(index).start;
        match self.cache.find(index) {
            Found::Ready(bytes) => Ok(copy(&bytes, (offset - start) as usize, buf)),
            Found::Loading(flight) => match flight.wait() {
                Some(bytes) => Ok(copy(&bytes?, (offset - start) as usize, buf)),
                None => Ok(0),
            },
            Found::Claimed(claim) => {
                let mut run = self.extend(index, claim, offset + buf.len() as u64);
                self.make_room(&mut run)?;
                let at = self.packed_range(&run).start;
                let outcome = self.inner.read_full_at(&mut run.packed, at);
                self.finish(run, outcome, buf, offset)
            }
        }
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = self.clip(buf.len(), offset);
        let mut done = 0;
        while done < count {
            match self.step(&mut buf[done..count], offset + done as u64) {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Reads the packed bytes of the frames that all requests begin with together; the rest of each
    /// one by one.
    pub(crate) fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let mut runs = Vec::new();
        for (position, request) in requests.iter_mut().enumerate() {
            request.outcome = Ok(0);
            let count = self.clip(request.buf.len(), request.offset);
            if count == 0 {
                continue;
            }
            let index = self.frames.at(request.offset);
            let Some(claim) = self.cache.claim(index) else { continue };
            let mut run = self.extend(index, claim, request.offset + count as u64);
            match self.make_room(&mut run) {
                Ok(()) => runs.push((position, run)),
                Err(error) => request.outcome = Err(error),
            }
        }
        let mut reads: Vec<_> = runs
            .iter_mut()
            .map(|(_, run)| {
                let at = self.packed_range(run).start;
                ReadRequest::new(&mut run.packed, at)
            })
            .collect();
        self.inner.read_many(&mut reads);
        let outcomes: Vec<_> = reads.into_iter().map(|read| read.outcome).collect();
        for ((position, run), outcome) in runs.into_iter().zip(outcomes) {
            let Some(request) = requests.get_mut(position) else { continue };
            let count = self.clip(request.buf.len(), request.offset);
            request.outcome = self.finish(run, outcome, &mut request.buf[..count], request.offset);
        }
        for request in requests {
            let Ok(done) = request.outcome else { continue };
            let count = self.clip(request.buf.len(), request.offset);
            if done < count {
                let rest =
                    self.read_full(&mut request.buf[done..count], request.offset + done as u64);
                request.outcome = rest.map(|rest| done + rest);
            }
        }
    }

    fn read_full(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            done += self.step(&mut buf[done..], offset + done as u64)?;
        }
        Ok(done)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        // A frame is decoded: more than a copy.
        let cost = inner.cost().max(Cost::Local);
        let mut granule = match self.frames.regular_bytes() {
            Some(bytes) => bytes.min(MAX_GRANULE_BYTES).next_power_of_two().max(4096) as u32,
            None => Capabilities::new(cost).granule_bytes(),
        };
        if cost == Cost::Network {
            granule = granule.max(inner.granule_bytes());
        }
        Capabilities::new(cost)
            .granule(granule)
            .concurrency(inner.concurrency_or_default())
            .fixed_version(inner.is_fixed_version())
            .touching_mappings(inner.touches_mappings())
    }

    pub(crate) fn identity(&self) -> Option<String> {
        Some(format!("{}:{}", self.scheme, self.inner.identity()?))
    }

    pub(crate) fn version(&self) -> Option<String> {
        Some(format!("{}:{}", self.scheme, self.inner.version()?))
    }
}

fn copy(bytes: &[u8], at: usize, buf: &mut [u8]) -> usize {
    let bytes = bytes.get(at..).unwrap_or_default();
    let count = bytes.len().min(buf.len());
    buf[..count].copy_from_slice(&bytes[..count]);
    count
}

/// Makes a store of a type that holds its [`FrameStore`] alone.
macro_rules! shows_frames {
    ($store:ident) => {
        impl<S: Store> Store for $store<S> {
            /// That of the store below.
            fn name(&self) -> String {
                self.0.inner().name()
            }

            fn len(&self) -> Result<u64> {
                Ok(self.0.frames().len())
            }

            fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
                self.0.read_at(buf, offset)
            }

            fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
                self.0.read_many(requests);
            }

            fn capabilities(&self) -> Capabilities {
                self.0.capabilities()
            }

            /// That of the store below, behind the name of the format.
            fn identity(&self) -> Option<String> {
                self.0.identity()
            }

            /// That of the store below, behind the name of the format.
            fn version(&self) -> Option<String> {
                self.0.version()
            }
        }
    };
}
pub(crate) use shows_frames;
