//! A store whose writes tear: in errors, and in power cuts.

use std::sync::Mutex;

use crate::layers::pass_on;
use crate::lock::lock;
use crate::random::Random;
use crate::{Error, ErrorKind, MemoryStore, Result, Store};

/// Bytes that a disk writes whole or not at all.
const SECTOR: u64 = 512;
/// Bytes of the longest store of which a copy is kept.
const LONGEST: u64 = 1 << 30;

/// A store whose writes may tear. It keeps a copy of what is safe in memory: for stores of
/// up to 1 GiB.
///
/// - With [`every`](Self::every), some writes leave only a part of their bytes and then fail.
/// - [`crash`](Self::crash) shows the store as it might look after a power cut: all that was written
///   before the last `sync` began, and of each later write and resize all, nothing, or, of a write, some
///   sectors.
///
/// ```
/// use folio_store::testing::TornWrite;
/// use folio_store::{MemoryStore, Store};
///
/// let store = TornWrite::new(MemoryStore::from(vec![0; 2048]))?;
/// store.write_all_at(&[1; 1024], 0)?;
/// store.sync()?;
/// store.write_all_at(&[2; 2048], 0)?;
///
/// let mut bytes = [0; 2048];
/// for seed in 0..10 {
///     store.crash(seed).read_full_at(&mut bytes, 0)?;
///     for (sector, was) in bytes.chunks(512).zip([1, 1, 0, 0]) {
///         assert!(sector == [was; 512] || sector == [2; 512]);
///     }
/// }
/// # Ok::<(), folio_store::Error>(())
/// ```
#[derive(Debug)]
pub struct TornWrite<S> {
    inner: S,
    every: u64,
    random: Random,
    /// One `sync` at a time: it moves changes to the safe copy from the front.
    syncing: Mutex<()>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    safe: Vec<u8>,
    changes: Vec<Change>,
    writes: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

impl<S: Store> TornWrite<S> {
    /// Takes what `store` holds now for safe.
    ///
    /// # Errors
    /// Those of reading all of it, and [`ErrorKind::Unsupported`] where it is too long.
    pub fn new(store: S) -> Result<Self> {
        let len = store.len()?;
        if len > LONGEST {
            return Err(too_long("copy", store.name()));
        }
        let mut safe = vec![0; len as usize];
        let count = store.read_full_at(&mut safe, 0)?;
        safe.truncate(count);
        let log = Mutex::new(Log { safe, ..Log::default() });
        Ok(Self {
            inner: store,
            every: 0,
            random: Random::seeded(0),
            syncing: Mutex::default(),
            log,
        })
    }

    /// Tears every `n`-th write, none for 0: of its bytes, those up to a sector's end chosen by `seed`
    /// are written, perhaps none, and it fails with [`ErrorKind::Io`].
    #[must_use]
    pub const fn every(mut self, n: u64, seed: u64) -> Self {
        self.every = n;
        self.random = Random::seeded(seed);
        self
    }

    /// The store as it might look after a power cut now, chosen by `seed`. This one goes on.
    pub fn crash(&self, seed: u64) -> MemoryStore {
        let random = Random::seeded(seed);
        let log = lock(&self.log);
        let mut bytes = log.safe.clone();
        for change in &log.changes {
            match (random.below(3), change) {
                (0, _) => {}
                (1, Change::Write(offset, written)) => {
                    for (start, sector) in sectors(*offset, written) {
                        if random.below(2) == 0 {
                            put(&mut bytes, start, sector);
                        }
                    }
                }
                (_, change) => apply(&mut bytes, change),
            }
        }
        MemoryStore::from(bytes)
    }

    /// How many writes and resizes a crash now might lose.
    pub fn unsynced(&self) -> usize {
        lock(&self.log).changes.len()
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

fn too_long(operation: &'static str, name: String) -> Error {
    Error::new(ErrorKind::Unsupported, operation, name)
        .reason("a test tool keeps a copy of no more than 1 GiB")
}

/// The parts of a write that lie in one sector each, with their offsets.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let first = ((SECTOR - offset % SECTOR) as usize).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let rest = rest.chunks(SECTOR as usize).zip((offset + first as u64..).step_by(SECTOR as usize));
    std::iter::once((offset, head)).chain(rest.map(|(sector, start)| (start, sector)))
}

fn put(bytes: &mut Vec<u8>, offset: u64, written: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + written.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(written);
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, written) => put(bytes, *offset, written),
        Change::Resize(len) => bytes.resize(*len as usize, 0),
    }
}

impl<S: Store> Store for TornWrite<S> {
    pass_on!(name, len, read_at, read_many, capabilities, identity, version);

    /// Writes are done one after the other, so that the log has them in the order of the store below.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let range = offset..offset.saturating_add(bytes.len() as u64);
        if range.end > LONGEST {
            return Err(too_long("write", self.name()).range(range));
        }
        let mut log = lock(&self.log);
        log.writes += 1;
        if self.every == 0 || !log.writes.is_multiple_of(self.every) {
            let count = self.inner.write_at(bytes, offset)?.min(bytes.len());
            log.changes.push(Change::Write(offset, bytes[..count].to_vec()));
            return Ok(count);
        }
        let ends = sectors(offset, bytes).map(|(start, sector)| start + sector.len() as u64);
        let ends: Vec<_> = std::iter::once(offset).chain(ends).collect();
        let part =
            &bytes[..(ends[self.random.below(ends.len() as u64 - 1) as usize] - offset) as usize];
        if !part.is_empty() {
            self.inner.write_all_at(part, offset)?;
            log.changes.push(Change::Write(offset, part.to_vec()));
        }
        let reason = format!("a test tore it after {} bytes", part.len());
        Err(Error::new(ErrorKind::Io, "write", self.name()).range(range).reason(reason))
    }

    fn resize(&self, len: u64) -> Result<()> {
        if len > LONGEST {
            return Err(too_long("resize", self.name()));
        }
        let mut log = lock(&self.log);
        self.inner.resize(len)?;
        log.changes.push(Change::Resize(len));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let _turn = lock(&self.syncing);
        let before = lock(&self.log).changes.len();
        self.inner.sync()?;
        let mut log = lock(&self.log);
        let Log { safe, changes, .. } = &mut *log;
        for change in changes.drain(..before) {
            apply(safe, &change);
        }
        Ok(())
    }
}
