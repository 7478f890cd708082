//! A cache on a local disk, for stores far away.
//!
//! A [`CacheDirectory`] is one slab file of chunks and one index file; the [`Cache`]s made from it share
//! them and their limit in bytes. What was cached is there again after a restart, after `kill -9` too.
//!
//! ```
//! use folio_store::{CacheDirectory, Store};
//! # use folio_store::{Capabilities, Cost, Result};
//! # struct Far;
//! # impl Store for Far {
//! #     fn name(&self) -> String { "far".into() }
//! #     fn len(&self) -> Result<u64> { Ok(100_000) }
//! #     fn read_at(&self, buf: &mut [u8], at: u64) -> Result<usize> {
//! #         let count = buf.len().min(100_000_u64.saturating_sub(at) as usize);
//! #         buf[..count].fill(7);
//! #         Ok(count)
//! #     }
//! #     fn capabilities(&self) -> Capabilities { Capabilities::new(Cost::Network).fixed_version(true) }
//! #     fn identity(&self) -> Option<String> { Some("far".into()) }
//! #     fn version(&self) -> Option<String> { Some("1".into()) }
//! # }
//! # let temporary = tempfile::tempdir().unwrap();
//! # let path = temporary.path();
//! let directory = CacheDirectory::open(path, 256 << 20)?;
//! let near = directory.cache(Far)?;
//!
//! let mut bytes = [0; 10];
//! near.read_full_at(&mut bytes, 5000)?;
//! near.read_full_at(&mut bytes, 6000)?;
//! let statistics = directory.statistics();
//! assert_eq!((statistics.misses, statistics.hits), (1, 1));
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - A chunk goes by identity, version and number, and its bytes by a checksum in its record, taken
//!   before they were written and compared whenever they are read: a torn write, another version or a
//!   bad disk make a miss, never wrong bytes. So no order of writes has to be forced with fsync(2).
//! - The two files together stay below the limit, at every moment.
//! - The local disk never fails a read: what it does not give is read from the store, and counted.
//! - A chunk that several threads want is read once. No lock is held while a file or a store is read.
//! - The disk is trusted not to lie on purpose: whoever can write to the directory can forge chunks.
//!   `Verify` over the cache finds that out.
//!
//! A cache is read-only. A store that is written has no version that names its content.
//!
//! Of a store whose version is not fixed, a cache shows the version that it had when the cache was made:
//! what is cached of it stays readable, and what is not is [`ErrorKind::Changed`] once the store says that
//! it has another version. So it is right as far as that is: a file's version goes by its times.

mod directory;
mod flight;
mod index;
mod slots;
mod statistics;

use std::ops::Range;
use std::sync::Arc;

pub use directory::CacheDirectory;
pub use statistics::CacheStatistics;

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ReadRequest, Store};
use directory::Claim;
use flight::{Failed, Flight, Lead, Loaded};
use slots::Place;
use statistics::count;

/// Chunks that are next to each other are read from the store at once, up to so many bytes.
const RUN_BYTES_MAX: u64 = 16 << 20;

/// In the identity that an `Arc` gives a store without one. Once the `Arc` is gone, in this process or
/// the next, another store may have that address.
const OF_THIS_PROCESS: &str = "address 0x";

/// A store whose bytes are kept on a local disk once they were read. See the [module](self).
#[derive(Debug)]
pub struct Cache<S> {
    inner: S,
    directory: CacheDirectory,
    key: [u8; 32],
    object: u32,
    identity: String,
    version: String,
    len: u64,
    capabilities: Capabilities,
}

/// A part of a request that lies in one chunk.
#[derive(Debug)]
struct Piece {
    request: usize,
    place: Place,
    /// In the request's buffer.
    target: Range<usize>,
    /// In the chunk.
    source: Range<usize>,
}

/// A load that a piece waits for; `led` if this thread does it.
#[derive(Debug)]
struct Wait {
    flight: Arc<Flight>,
    led: bool,
}

/// Chunks that are read from the store at once.
#[derive(Debug)]
struct Run<'a> {
    request: usize,
    start: u64,
    leads: Vec<Lead<'a>>,
}

impl<S: Store> Cache<S> {
    fn new(directory: CacheDirectory, inner: S) -> Result<Self> {
        let lacks = |what: &str| {
            Error::new(ErrorKind::Unsupported, "cache", inner.name())
                .reason(format!("it has no {what}, by which its bytes could be told from others"))
                .advice("cache a store that names its object and version, or read it uncached")
        };
        let identity = inner.identity().ok_or_else(|| lacks("identity"))?;
        if identity.contains(OF_THIS_PROCESS) {
            return Err(lacks("identity that outlasts this process"));
        }
        let version = inner.version().ok_or_else(|| lacks("version"))?;
        let len = inner.len()?;
        let capabilities = inner.capabilities();
        let mut hasher = blake3::Hasher::new();
        for part in [&identity, &version] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&len.to_le_bytes());
        let key = *hasher.finalize().as_bytes();
        let object = directory.0.object(key);
        let this = Self { inner, directory, key, object, identity, version, len, capabilities };
        this.check_version(0..len)?;
        Ok(this)
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The directory it caches in.
    #[must_use]
    pub fn directory(&self) -> &CacheDirectory {
        &self.directory
    }

    /// That what the store showed was the version that chunks go by.
    fn check_version(&self, range: Range<u64>) -> Result<()> {
        if self.capabilities.is_fixed_version()
            || self.inner.version().as_deref() == Some(&*self.version)
        {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Changed, "read", self.inner.name())
            .range(range)
            .advice("open it again"))
    }

    fn chunk_bytes(&self) -> u64 {
        u64::from(self.directory.0.chunk_bytes)
    }

    /// How many bytes a chunk has: fewer than the others only the last.
    fn chunk_len(&self, chunk: u64) -> usize {
        self.len.saturating_sub(chunk * self.chunk_bytes()).min(self.chunk_bytes()) as usize
    }

    fn pieces(&self, request: usize, offset: u64, count: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < count {
            let position = offset + done as u64;
            let chunk = position / self.chunk_bytes();
            let start = (position % self.chunk_bytes()) as usize;
            let some = (count - done).min(self.chunk_len(chunk) - start);
            pieces.push(Piece {
                request,
                place: Place { object: self.object, chunk },
                target: done..done + some,
                source: start..start + some,
            });
            done += some;
        }
        pieces
    }

    /// Fills `buf` with a piece, if the local disk has it.
    fn read_near(&self, piece: &Piece, held: &slots::Held, buf: &mut [u8]) -> bool {
        let len = self.chunk_len(piece.place.chunk);
        let read = if buf.len() == len {
            self.directory.0.read(held, buf)
        } else {
            let mut chunk = vec![0; len];
            let read = self.directory.0.read(held, &mut chunk);
            if read {
                buf.copy_from_slice(&chunk[piece.source.clone()]);
            }
            read
        };
        if read {
            count(&self.directory.0.counters.hits, 1);
            count(&self.directory.0.counters.hit_bytes, buf.len() as u64);
        }
        read
    }

    /// Fills `buf` with a piece from the local disk, or says how its chunk is come by: by loading it
    /// (then it is added to `runs`) or by waiting.
    fn look<'a>(&'a self, piece: &Piece, buf: &mut [u8], runs: &mut Vec<Run<'a>>) -> Option<Wait> {
        let mut held = self.directory.0.find(piece.place);
        loop {
            if held.is_some_and(|held| self.read_near(piece, &held, buf)) {
                return None;
            }
            match self.directory.0.claim(piece.place) {
                Claim::Held(found) => held = Some(found),
                Claim::Wait(flight) => {
                    count(&self.directory.0.counters.merged, 1);
                    return Some(Wait { flight, led: false });
                }
                Claim::Lead(lead) => {
                    let flight = Arc::clone(&lead.flight);
                    self.add(runs, piece.request, lead);
                    return Some(Wait { flight, led: true });
                }
            }
        }
    }

    fn add<'a>(&self, runs: &mut Vec<Run<'a>>, request: usize, lead: Lead<'a>) {
        let chunk = lead.place.chunk;
        if let Some(run) = runs.last_mut()
            && run.request == request
            && run.start + run.leads.len() as u64 == chunk
            && (run.leads.len() as u64 + 1) * self.chunk_bytes() <= RUN_BYTES_MAX
        {
            run.leads.push(lead);
        } else {
            runs.push(Run { request, start: chunk, leads: vec![lead] });
        }
    }

    /// Loads the runs, tells those who wait, and keeps what was loaded.
    fn load(&self, runs: Vec<Run<'_>>) {
        let mut buffers = runs
            .iter()
            .map(|run| vec![0; run.leads.iter().map(|lead| self.chunk_len(lead.place.chunk)).sum()])
            .collect::<Vec<Vec<u8>>>();
        let mut requests = buffers
            .iter_mut()
            .zip(&runs)
            .map(|(buf, run)| ReadRequest::new(buf, run.start * self.chunk_bytes()))
            .collect::<Vec<_>>();
        match &mut *requests {
            [one] => one.outcome = self.inner.read_full_at(one.buf, one.offset),
            many => self.inner.read_many(many),
        }
        let outcomes = requests.into_iter().map(|request| request.outcome).collect::<Vec<_>>();
        for ((run, bytes), outcome) in runs.into_iter().zip(buffers).zip(outcomes) {
            let start = run.start * self.chunk_bytes();
            let range = start..start + bytes.len() as u64;
            count(&self.directory.0.counters.misses, run.leads.len() as u64);
            count(&self.directory.0.counters.miss_bytes, bytes.len() as u64);
            let outcome = outcome.and_then(|done| {
                if done < bytes.len() {
                    let error = Error::new(ErrorKind::Truncated, "read", self.inner.name());
                    return Err(error.range(start + done as u64..range.end));
                }
                self.check_version(range)
            });
            self.land(run, bytes, outcome);
        }
    }

    fn land(&self, run: Run<'_>, bytes: Vec<u8>, outcome: Result<()>) {
        let alone = run.leads.len() == 1;
        let bytes = Arc::new(bytes);
        let mut start = 0;
        let mut landed = Vec::new();
        for lead in run.leads {
            let end = start + self.chunk_len(lead.place.chunk);
            let loaded = Loaded { bytes: Arc::clone(&bytes), range: start..end };
            start = end;
            lead.land(match &outcome {
                Ok(()) => Ok(loaded.clone()),
                Err(error) => Err(Failed { error: error.clone(), alone }),
            });
            landed.push((lead, loaded));
        }
        if outcome.is_ok() {
            for (lead, loaded) in landed {
                self.directory.0.keep(lead.place, self.key, loaded.bytes());
            }
        }
    }

    /// Fills `buf` with a piece that somebody has loaded.
    fn arrive(&self, piece: &Piece, wait: &Wait, buf: &mut [u8]) -> Result<()> {
        match wait.flight.wait() {
            Ok(loaded) => {
                buf.copy_from_slice(&loaded.bytes()[piece.source.clone()]);
                Ok(())
            }
            // Another thread's read of more than this chunk failed, perhaps not for this chunk.
            Err(Failed { alone: false, .. }) if !wait.led => self.read_around(piece, buf),
            Err(Failed { error, .. }) => Err(error),
        }
    }

    /// Fills `buf` from the store.
    fn read_around(&self, piece: &Piece, buf: &mut [u8]) -> Result<()> {
        let start = piece.place.chunk * self.chunk_bytes() + piece.source.start as u64;
        let range = start..start + buf.len() as u64;
        count(&self.directory.0.counters.misses, 1);
        count(&self.directory.0.counters.miss_bytes, buf.len() as u64);
        let done = self.inner.read_full_at(buf, start)?;
        if done < buf.len() {
            let error = Error::new(ErrorKind::Truncated, "read", self.inner.name());
            return Err(error.range(start + done as u64..range.end));
        }
        self.check_version(range)
    }
}

impl<S: Store> Store for Cache<S> {
    fn name(&self) -> String {
        self.inner.name()
    }

    /// That of the version that is cached.
    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut request = [ReadRequest::new(buf, offset)];
        self.read_many(&mut request);
        let [ReadRequest { outcome, .. }] = request;
        outcome
    }

    /// Those of the store, without writing, and with a granule of a chunk at least.
    fn capabilities(&self) -> Capabilities {
        let granule = self.capabilities.granule_bytes().max(self.directory.0.chunk_bytes);
        self.capabilities
            .granule(granule)
            .alignment(1)
            .writable(false)
            .resizable(false)
            .infallible(false)
    }

    /// Takes from the local disk what is there and asks the store, once, for the rest.
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let mut runs = Vec::new();
        let mut waits = Vec::new();
        for (number, request) in requests.iter_mut().enumerate() {
            let rest = usize::try_from(self.len.saturating_sub(request.offset));
            let count = request.buf.len().min(rest.unwrap_or(usize::MAX));
            request.outcome = Ok(count);
            for piece in self.pieces(number, request.offset, count) {
                let buf = &mut request.buf[piece.target.clone()];
                if let Some(wait) = self.look(&piece, buf, &mut runs) {
                    waits.push((piece, wait));
                }
            }
        }
        // First what others may wait for, then what others load: no two wait for each other.
        if !runs.is_empty() {
            self.load(runs);
        }
        for (piece, wait) in waits {
            let request = &mut requests[piece.request];
            let buf = &mut request.buf[piece.target.clone()];
            if let Err(error) = self.arrive(&piece, &wait, buf)
                && request.outcome.is_ok()
            {
                request.outcome = Err(error);
            }
        }
    }

    /// That of the store if its version is fixed; else the version is part of it, as a cache shows one
    /// version only.
    fn identity(&self) -> Option<String> {
        Some(if self.capabilities.is_fixed_version() {
            self.identity.clone()
        } else {
            format!("{} version {}", self.identity, self.version)
        })
    }

    fn version(&self) -> Option<String> {
        Some(self.version.clone())
    }
}
