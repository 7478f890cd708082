//! The directory of a cache: a slab of chunks, its index, and who holds them.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Cache;
use super::flight::{Flight, Flights, Lead, lock};
use super::index::{Index, RECORD_BYTES, Record, checksum};
use super::slots::{Held, Place, Slots};
use super::statistics::{CacheStatistics, Counters, count};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

const CHUNK_BYTES: u32 = 64 << 10;
const CHUNK_BYTES_MIN: u32 = 4 << 10;
const CHUNK_BYTES_MAX: u32 = 16 << 20;

/// A directory that caches share. Clones are the same directory; it is free for another process when
/// the last of them, and the last [`Cache`] in it, is gone.
#[derive(Clone, Debug)]
pub struct CacheDirectory(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    pub(super) chunk_bytes: u32,
    limit_bytes: u64,
    slab: File,
    index: Index,
    process: u32,
    slots: Mutex<Slots>,
    flights: Flights,
    pub(super) counters: Counters,
}

/// How a chunk that is not at hand is come by.
#[derive(Debug)]
pub(super) enum Claim<'a> {
    /// It has come to hand meanwhile.
    Held(Held),
    /// By loading it.
    Lead(Lead<'a>),
    /// By waiting for whoever loads it.
    Wait(Arc<Flight>),
}

impl CacheDirectory {
    /// Opens the cache in a directory, or makes one, with chunks of 64 KiB.
    ///
    /// Its two files together never take more than `limit_bytes`. What an earlier process left is used;
    /// if it was larger, its end is cut off.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the directory is open already, in this process or another;
    /// [`ErrorKind::Invalid`] if not one chunk fits the limit; what system calls on it report.
    pub fn open(path: impl AsRef<Path>, limit_bytes: u64) -> Result<Self> {
        Self::open_with_chunks(path, limit_bytes, CHUNK_BYTES)
    }

    /// As [`open`](Self::open), with chunks of a size: a power of two from 4 KiB to 16 MiB. What was
    /// cached in chunks of another size is dropped.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`ErrorKind::Invalid`] for another size.
    pub fn open_with_chunks(
        path: impl AsRef<Path>,
        limit_bytes: u64,
        chunk_bytes: u32,
    ) -> Result<Self> {
        let path = path.as_ref();
        let name = name(path);
        let invalid =
            |reason: String| Err(Error::new(ErrorKind::Invalid, "open", &*name).reason(reason));
        if !chunk_bytes.is_power_of_two()
            || !(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&chunk_bytes)
        {
            return invalid(format!(
                "chunks of {chunk_bytes} bytes: a power of two from 4 KiB to 16 MiB"
            ));
        }
        let slots =
            limit_bytes.saturating_sub(RECORD_BYTES) / (u64::from(chunk_bytes) + RECORD_BYTES);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        if slots == 0 {
            return invalid(format!(
                "a chunk of {chunk_bytes} bytes does not fit {limit_bytes} bytes"
            ));
        }
        let failed = |error: io::Error| Error::os("open", &*name, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let open = |file: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.open(path.join(file)).map_err(failed)
        };
        let index = open("index")?;
        match index.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::Unavailable, "open", &*name)
                    .reason("it is in use by another process, or by this one")
                    .advice("give each process a directory of its own, or end the other one"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let slab = open("slab")?;
        let index = Index::new(index, chunk_bytes);
        let slots = restore(&slab, &index, slots, chunk_bytes).map_err(failed)?;
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            chunk_bytes,
            limit_bytes,
            slab,
            index,
            process: std::process::id(),
            slots: Mutex::new(slots),
            flights: Mutex::new(HashMap::new()),
            counters: Counters::default(),
        })))
    }

    /// A cache of a store in this directory.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a store without identity or version; what the store reports when
    /// asked for its length.
    pub fn cache<S: Store>(&self, store: S) -> Result<Cache<S>> {
        Cache::new(self.clone(), store)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The size of its chunks, in bytes.
    #[must_use]
    pub fn chunk_bytes(&self) -> u32 {
        self.0.chunk_bytes
    }

    /// What its files never exceed, in bytes.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.0.limit_bytes
    }

    /// How many chunks it holds now.
    #[must_use]
    pub fn chunks(&self) -> usize {
        lock(&self.0.slots).full()
    }

    /// What it has done since it was opened.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.0.counters.read()
    }
}

impl Drop for Shared {
    /// Gives up the lock, which a process that another thread is just starting may have inherited; but
    /// not in a forked child, whose lock is its parent's.
    fn drop(&mut self) {
        if std::process::id() == self.process {
            self.index.unlock();
        }
    }
}

fn name(path: &Path) -> String {
    format!("cache {}", path.display())
}

fn restore(slab: &File, index: &Index, limit: u32, chunk_bytes: u32) -> io::Result<Slots> {
    let chunk_bytes = u64::from(chunk_bytes);
    let mut slots = Slots::new(limit);
    if !index.is_sound() {
        slab.set_len(0)?;
        index.start()?;
        return Ok(slots);
    }
    if slab.metadata()?.len() > u64::from(limit) * chunk_bytes {
        slab.set_len(u64::from(limit) * chunk_bytes)?;
    }
    index.cut(limit)?;
    let slab_bytes = slab.metadata()?.len();
    index.for_each(limit, |slot, record| {
        if u64::from(slot) * chunk_bytes + u64::from(record.len) <= slab_bytes {
            let place = Place { object: slots.object(record.object), chunk: record.chunk };
            slots.restore(Held { slot, place, len: record.len, checksum: record.checksum });
        }
    })?;
    Ok(slots)
}

impl Shared {
    /// The number of an object in this directory.
    pub(super) fn object(&self, key: [u8; 32]) -> u32 {
        lock(&self.slots).object(key)
    }

    /// What is at hand of a chunk.
    pub(super) fn find(&self, place: Place) -> Option<Held> {
        lock(&self.slots).find(place)
    }

    /// How to come by a chunk that was not at hand.
    pub(super) fn claim(&self, place: Place) -> Claim<'_> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&place) {
            return Claim::Wait(Arc::clone(flight));
        }
        // A load ends after its chunk is at hand: either is seen here.
        if let Some(held) = self.find(place) {
            return Claim::Held(held);
        }
        let lead = Lead::new(place, &self.flights);
        flights.insert(place, Arc::clone(&lead.flight));
        Claim::Lead(lead)
    }

    /// Reads a chunk from the slab into `buf`, as long as the chunk. False if it is not there, or not
    /// what it should be: then it is dropped.
    pub(super) fn read(&self, held: &Held, buf: &mut [u8]) -> bool {
        let read = buf.len() == held.len as usize
            && self.slab.read_exact_at(buf, self.position(held.slot)).is_ok();
        if read && checksum(buf) == held.checksum {
            return true;
        }
        if lock(&self.slots).reject(held) {
            count(&self.counters.rejected, 1);
            let _ = self.index.erase(held.slot);
            lock(&self.slots).give_back(held.slot);
        }
        false
    }

    /// Keeps a chunk, if the disk takes it.
    pub(super) fn keep(&self, place: Place, object: [u8; 32], bytes: &[u8]) {
        let Some((slot, evicted)) = lock(&self.slots).take() else { return };
        count(&self.counters.evictions, u64::from(evicted));
        let len = bytes.len() as u32;
        let record = Record { object, chunk: place.chunk, len, checksum: checksum(bytes) };
        // In this order: a record of bytes that are not there yet would be found out, but only by
        // reading them.
        let written = self
            .slab
            .write_all_at(bytes, self.position(slot))
            .and_then(|()| self.index.write(slot, &record));
        let mut slots = lock(&self.slots);
        match written {
            Ok(()) => slots.fill(Held { slot, place, len, checksum: record.checksum }),
            Err(_) => {
                slots.abandon(slot);
                count(&self.counters.write_failures, 1);
            }
        }
    }

    fn position(&self, slot: u32) -> u64 {
        u64::from(slot) * u64::from(self.chunk_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_child_inherited_does_not_hold_the_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = CacheDirectory::open(temporary.path(), 1 << 20).unwrap();
        let inherited = directory.0.index.duplicate();
        drop(directory);
        CacheDirectory::open(temporary.path(), 1 << 20).unwrap();
        drop(inherited);
    }
}
