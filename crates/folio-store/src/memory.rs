//! A store in memory: sparse and writable, or fixed bytes.
//!
//! ```
//! use folio_store::{MemoryStore, Store};
//!
//! let store = MemoryStore::zeros(1 << 40);
//! store.write_all_at(b"folio", 1 << 39)?;
//! let mut bytes = [1; 7];
//! store.read_full_at(&mut bytes, (1 << 39) - 1)?;
//! assert_eq!(&bytes, b"\0folio\0");
//!
//! let fixed = MemoryStore::fixed(*b"never another");
//! assert!(fixed.capabilities().is_fixed_version());
//! assert!(fixed.write_at(b"N", 0).is_err());
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants: memory is taken for the 64 KiB chunks that were written, not for the length; what is not
//! there is zeros, and so is everything of a chunk behind the length. A chunk's bytes are
//! locked while they are copied, not longer. Running out of memory is
//! [`ErrorKind::NoSpace`].

use std::collections::HashMap;
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::range::{inside, refused};
use crate::{Capabilities, Cost, Error, ErrorKind, Result, Store};

const CHUNK_BYTES: usize = 64 << 10;
const SHARDS: usize = 64;

/// Bytes in memory. See the [module](self).
#[derive(Debug)]
pub struct MemoryStore {
    identity: String,
    content: Content,
}

enum Content {
    Fixed(Arc<[u8]>),
    Sparse(Box<Sparse>),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(bytes) => write!(f, "{} bytes, fixed", bytes.len()),
            Self::Sparse(sparse) => write!(f, "{} bytes", sparse.len()),
        }
    }
}

struct Sparse {
    /// Written while the length changes.
    len: RwLock<u64>,
    shards: [RwLock<HashMap<u64, Vec<u8>>>; SHARDS],
}

/// The parts of a range that lie in one chunk each: the chunk's number, where in it, where in the range.
fn parts(offset: u64, count: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let at = offset + done as u64;
        let within = (at % CHUNK_BYTES as u64) as usize;
        let part = done..(done + CHUNK_BYTES - within).min(count);
        done = part.end;
        Some((at / CHUNK_BYTES as u64, within, part))
    })
}

impl Sparse {
    fn new(len: u64) -> Box<Self> {
        let shards = std::array::from_fn(|_| RwLock::default());
        Box::new(Self { len: RwLock::new(len), shards })
    }

    fn shard(&self, chunk: u64) -> &RwLock<HashMap<u64, Vec<u8>>> {
        &self.shards[(chunk % SHARDS as u64) as usize]
    }

    fn len(&self) -> u64 {
        *self.len.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let len = self.len.read().unwrap_or_else(PoisonError::into_inner);
        let count = inside(buf.len(), offset, *len);
        for (chunk, within, part) in parts(offset, count) {
            let shard = self.shard(chunk).read().unwrap_or_else(PoisonError::into_inner);
            let buf = &mut buf[part];
            match shard.get(&chunk) {
                Some(bytes) => buf.copy_from_slice(&bytes[within..within + buf.len()]),
                None => buf.fill(0),
            }
        }
        count
    }

    /// Returns how many bytes there was memory for.
    fn write(&self, bytes: &[u8], offset: u64, end: u64) -> usize {
        let mut len = self.len.read().unwrap_or_else(PoisonError::into_inner);
        while *len < end {
            drop(len);
            let mut longer = self.len.write().unwrap_or_else(PoisonError::into_inner);
            *longer = end.max(*longer);
            drop(longer);
            len = self.len.read().unwrap_or_else(PoisonError::into_inner);
        }
        for (chunk, within, part) in parts(offset, bytes.len()) {
            let mut shard = self.shard(chunk).write().unwrap_or_else(PoisonError::into_inner);
            if shard.try_reserve(1).is_err() {
                return part.start;
            }
            let place = shard.entry(chunk).or_default();
            if place.is_empty() {
                if place.try_reserve_exact(CHUNK_BYTES).is_err() {
                    return part.start;
                }
                place.resize(CHUNK_BYTES, 0);
            }
            let bytes = &bytes[part];
            place[within..within + bytes.len()].copy_from_slice(bytes);
        }
        bytes.len()
    }

    fn resize(&self, new: u64) {
        let mut len = self.len.write().unwrap_or_else(PoisonError::into_inner);
        if new < *len {
            let last = new / CHUNK_BYTES as u64;
            for shard in &self.shards {
                let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
                shard.retain(|&chunk, _| chunk <= last);
                if let Some(bytes) = shard.get_mut(&last) {
                    bytes[(new % CHUNK_BYTES as u64) as usize..].fill(0);
                }
            }
        }
        *len = new;
    }
}

impl MemoryStore {
    fn over(content: Content) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { identity: format!("memory {number} of process {}", process::id()), content }
    }

    /// A store of `len` zeros, which can be written and resized.
    #[must_use]
    pub fn zeros(len: u64) -> Self {
        Self::over(Content::Sparse(Sparse::new(len)))
    }

    /// A store that holds a copy of `bytes` and can be written and resized.
    ///
    /// # Panics
    /// If there is no memory for the copy.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let sparse = Sparse::new(0);
        let copied = sparse.write(bytes, 0, bytes.len() as u64);
        assert_eq!(copied, bytes.len(), "there is no memory for a copy");
        Self::over(Content::Sparse(sparse))
    }

    /// A store of bytes that stay as they are: its version is fixed.
    #[must_use]
    pub fn fixed(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::over(Content::Fixed(bytes.into()))
    }
}

impl From<Vec<u8>> for MemoryStore {
    /// As [`MemoryStore::new`].
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(&bytes)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> String {
        "memory".into()
    }

    fn len(&self) -> Result<u64> {
        Ok(match &self.content {
            Content::Fixed(bytes) => bytes.len() as u64,
            Content::Sparse(sparse) => sparse.len(),
        })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        match &self.content {
            Content::Fixed(bytes) => {
                let count = inside(buf.len(), offset, bytes.len() as u64);
                if count > 0 {
                    let start = offset as usize;
                    buf[..count].copy_from_slice(&bytes[start..start + count]);
                }
                Ok(count)
            }
            Content::Sparse(sparse) => Ok(sparse.read(buf, offset)),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let Content::Sparse(sparse) = &self.content else {
            return Err(refused(ErrorKind::ReadOnly, self, bytes.len(), offset));
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(end) = offset.checked_add(bytes.len() as u64) else {
            return Err(refused(ErrorKind::Invalid, self, bytes.len(), offset));
        };
        match sparse.write(bytes, offset, end) {
            0 => {
                let error = refused(ErrorKind::NoSpace, self, bytes.len(), offset);
                Err(error.reason("there is no memory"))
            }
            count => Ok(count),
        }
    }

    fn resize(&self, len: u64) -> Result<()> {
        match &self.content {
            Content::Fixed(_) => Err(Error::new(ErrorKind::ReadOnly, "resize", self.name())),
            Content::Sparse(sparse) => {
                sparse.resize(len);
                Ok(())
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        let fixed = matches!(self.content, Content::Fixed(_));
        Capabilities::new(Cost::Memory)
            .writable(!fixed)
            .resizable(!fixed)
            .fixed_version(fixed)
            .infallible(fixed)
            .touching_mappings(false)
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }

    fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        let Content::Fixed(bytes) = &self.content else { return None };
        bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}
