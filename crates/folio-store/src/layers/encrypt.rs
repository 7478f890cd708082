//! Encryption with AES-256-GCM: who has the store without the key reads nothing and changes nothing
//! unnoticed.
//!
//! [`Encrypt::seal`] writes an encrypted object to a store; [`Encrypt::open`] shows its plain bytes.
//!
//! ```
//! use std::sync::Arc;
//! use folio_store::{Encrypt, ErrorKind, Key, MemoryStore, Store};
//!
//! let plain = MemoryStore::from(b"a secret".repeat(10_000));
//! let target = Arc::new(MemoryStore::from(vec![]));
//! let key = Key::random()?;
//! Encrypt::seal(&plain, &target, &key)?;
//!
//! let opened = Encrypt::open(Arc::clone(&target), &key)?;
//! let mut bytes = [0; 8];
//! opened.read_full_at(&mut bytes, 70_000)?;
//! assert_eq!(&bytes, b"a secret");
//!
//! let error = Encrypt::open(target, &Key::random()?).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Denied);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Each object has a random id, and a key of its own derived from it and the master key (BLAKE3's key
//! derivation). It is encrypted in chunks, each authenticated with the object, its number and the
//! object's length. So a flipped bit, chunks that were swapped or taken from another object, and a
//! wrong length are errors; and one chunk is read without the others. What stays visible: the length,
//! and which chunks are read.
//!
//! Invariants:
//! - Nothing is returned that was not authentic.
//! - No nonce is ever used for two texts under one key: with AES-GCM that would give away both, and the
//!   means to forge. Therefore a sealed object is written once: its chunks' numbers are its nonces, and
//!   a second text for one of them is a second seal, with another id and so another key.
//! - A sealed object's version is fixed: whatever takes the place of its bytes is an error.
//!
//! # Objects that can be written
//! Those of [`Seal::writable`] draw 192 random bits for each write of a chunk, which make that write's
//! key. What this does not give, and no key alone can: whoever can write to the store below can put an
//! *older* chunk of the same object in the place of a newer one, unnoticed. A chunk is read, changed and
//! written whole, by way of a journal that makes a process killed meanwhile lose nothing; a machine that
//! loses power may lose the chunks written since the last sync, whole. One process at a time opens one
//! to write.
//!
//! # In a stack
//! A cache over this layer keeps plain bytes on the local disk: rather lay this layer over the cache.

mod codec;
mod header;
mod journal;
mod key;
mod seal;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

pub use key::Key;
pub use seal::Seal;

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ReadRequest, Store};
use codec::Codec;
use header::{HEADER_BYTES, Header, Kind};
use journal::Journal;

/// One call of [`Store::read_at`] decrypts so many bytes at most.
const READ_BYTES_MAX: usize = 16 << 20;
const LOCKS: usize = 32;

/// The plain bytes of an encrypted object. See the [module](self).
#[derive(Debug)]
pub struct Encrypt<S> {
    inner: S,
    codec: Codec,
    journal: Journal,
    /// One for each chunk, by its number's remainder: held while the chunk is written, or read again.
    locks: [Mutex<()>; LOCKS],
}

/// One request, widened to whole chunks.
#[derive(Debug)]
struct Plan {
    chunks: Range<u64>,
    count: usize,
    bytes: Vec<u8>,
}

impl Encrypt<()> {
    /// Encrypts all of `plain` into `target`, in chunks of 64 KiB. [`Seal`] has more to choose.
    ///
    /// # Errors
    /// As [`Seal::write`].
    pub fn seal(plain: &impl Store, target: &impl Store, key: &Key) -> Result<()> {
        Seal::new(key).write(plain, target)
    }
}

impl<S: Store> Encrypt<S> {
    /// Opens an encrypted object.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] for another key; [`ErrorKind::Corrupt`] if it is no such object or its
    /// header has been changed; [`ErrorKind::Truncated`] if it is shorter than its header says;
    /// [`ErrorKind::Unsupported`] for a later format; what the store reports.
    pub fn open(inner: S, key: &Key) -> Result<Self> {
        let mut raw = [0; HEADER_BYTES];
        let done = inner.read_full_at(&mut raw, 0)?;
        if done < HEADER_BYTES {
            return Err(Error::new(ErrorKind::Truncated, "decrypt", inner.name())
                .range(done as u64..HEADER_BYTES as u64)
                .reason("it is shorter than the header of an encrypted object"));
        }
        let header = Header::decode(&raw, key, &inner.name())?;
        let (is, should) = (inner.len()?, header.object_bytes());
        if is < should {
            let error = Error::new(ErrorKind::Truncated, "decrypt", inner.name());
            return Err(error.range(is..should));
        }
        let codec = Codec::new(header, key);
        let journal = Journal::recover(&codec, &inner)?;
        let locks = std::array::from_fn(|_| Mutex::new(()));
        Ok(Self { inner, codec, journal, locks })
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The plain bytes of a chunk.
    #[must_use]
    pub fn chunk_bytes(&self) -> u32 {
        self.header().chunk_bytes() as u32
    }

    fn header(&self) -> &Header {
        self.codec.header()
    }

    fn clip(&self, offset: u64, len: usize) -> usize {
        let rest = self.header().len.saturating_sub(offset);
        len.min(usize::try_from(rest).unwrap_or(usize::MAX))
    }

    fn plan(&self, request: &ReadRequest<'_>) -> Plan {
        let count = self.clip(request.offset, request.buf.len());
        if count == 0 {
            return Plan { chunks: 0..0, count, bytes: Vec::new() };
        }
        let end = request.offset + count as u64;
        let size = self.header().chunk_bytes();
        let chunks = request.offset / size..end.div_ceil(size);
        let bytes = self.header().position(chunks.end) - self.header().position(chunks.start);
        Plan { chunks, count, bytes: vec![0; bytes as usize] }
    }

    /// Decrypts what was read of a plan's chunks, into the request's buffer.
    fn decrypt(&self, plan: &mut Plan, request: &mut ReadRequest<'_>) -> Result<()> {
        let header = self.header();
        let mut rest = &mut *plan.bytes;
        for chunk in plan.chunks.clone() {
            let len = header.chunk_len(chunk);
            let (record, behind) = rest.split_at_mut(len + header.trailer_bytes());
            rest = behind;
            if !self.codec.decrypt(chunk, record) {
                self.read_again(chunk, record)?;
            }
            let start = chunk * header.chunk_bytes();
            let from = request.offset.max(start);
            let to = (request.offset + plan.count as u64).min(start + len as u64);
            let target = (from - request.offset) as usize..(to - request.offset) as usize;
            let source = (from - start) as usize..(to - start) as usize;
            request.buf[target].copy_from_slice(&record[source]);
        }
        Ok(())
    }

    /// A chunk that was not authentic: it was being written, its last write failed halfway, or it has
    /// been changed.
    fn read_again(&self, chunk: u64, record: &mut [u8]) -> Result<()> {
        let header = self.header();
        if header.kind == Kind::Writable {
            let _turn = self.turn(chunk);
            self.read_chunk(chunk, record)
        } else {
            Err(self.corrupt(chunk))
        }
    }

    /// Reads and decrypts one chunk. The caller has its turn.
    fn read_chunk(&self, chunk: u64, record: &mut [u8]) -> Result<()> {
        let at = self.header().position(chunk);
        let done = self.inner.read_full_at(record, at)?;
        if done < record.len() {
            return Err(self.truncated(at + done as u64..at + record.len() as u64));
        }
        if self.codec.decrypt(chunk, record)
            || self.journal.read(&self.codec, &self.inner, chunk, record)
        {
            return Ok(());
        }
        Err(self.corrupt(chunk))
    }

    fn turn(&self, chunk: u64) -> std::sync::MutexGuard<'_, ()> {
        self.locks[chunk as usize % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offsets in it are those of the plain bytes.
    fn plain_name(&self) -> String {
        format!("decrypted {}", self.inner.name())
    }

    fn corrupt(&self, chunk: u64) -> Error {
        let start = chunk * self.header().chunk_bytes();
        Error::new(ErrorKind::Corrupt, "read", self.plain_name())
            .range(start..start + self.header().chunk_len(chunk) as u64)
            .reason("they are not what was encrypted")
    }

    /// `range` is that of encrypted bytes.
    fn truncated(&self, range: Range<u64>) -> Error {
        Error::new(ErrorKind::Truncated, "decrypt", self.inner.name()).range(range)
    }

    /// Writes `bytes` at `start` in a chunk.
    fn write_chunk(&self, chunk: u64, start: usize, bytes: &[u8]) -> Result<()> {
        let len = self.header().chunk_len(chunk);
        let mut record = vec![0; len + self.header().trailer_bytes()];
        let _turn = self.turn(chunk);
        if bytes.len() < len {
            self.read_chunk(chunk, &mut record)?;
        }
        record[start..start + bytes.len()].copy_from_slice(bytes);
        self.codec.encrypt(chunk, &mut record)?;
        self.journal.write(self.header(), &self.inner, chunk, &record)
    }

    fn is_writable(&self) -> bool {
        self.header().kind == Kind::Writable && self.inner.capabilities().is_writable()
    }
}

impl<S: Store> Store for Encrypt<S> {
    fn name(&self) -> String {
        self.plain_name()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.header().len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let some = buf.len().min(READ_BYTES_MAX);
        let mut request = [ReadRequest::new(&mut buf[..some], offset)];
        self.read_many(&mut request);
        let [ReadRequest { outcome, .. }] = request;
        outcome
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let range = offset..offset.saturating_add(bytes.len() as u64);
        let failed = |kind| Error::new(kind, "write", self.plain_name()).range(range.clone());
        if !self.is_writable() {
            return Err(failed(ErrorKind::ReadOnly));
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.header().len) {
            return Err(failed(ErrorKind::Invalid)
                .reason("an encrypted object keeps the length that it was made with"));
        }
        let size = self.header().chunk_bytes();
        let mut done = 0;
        while done < bytes.len() {
            let position = offset + done as u64;
            let (chunk, start) = (position / size, (position % size) as usize);
            let some = (bytes.len() - done).min(size as usize - start);
            self.write_chunk(chunk, start, &bytes[done..done + some])?;
            done += some;
        }
        Ok(done)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    /// Those of the store, of a fixed version where the object is sealed and never resizable, with a
    /// granule of a chunk at least.
    fn capabilities(&self) -> Capabilities {
        let below = self.inner.capabilities();
        below
            .alignment(1)
            .granule(below.granule_bytes().max(self.chunk_bytes()))
            .writable(self.is_writable())
            .resizable(false)
            .fixed_version(self.header().kind == Kind::Sealed)
            .infallible(false)
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let mut plans = requests.iter().map(|request| self.plan(request)).collect::<Vec<_>>();
        let mut reads = plans
            .iter_mut()
            .map(|plan| {
                ReadRequest::new(&mut plan.bytes, self.header().position(plan.chunks.start))
            })
            .collect::<Vec<_>>();
        match &mut *reads {
            [one] => one.outcome = self.inner.read_full_at(one.buf, one.offset),
            many => self.inner.read_many(many),
        }
        let outcomes = reads.into_iter().map(|read| read.outcome).collect::<Vec<_>>();
        for ((request, plan), outcome) in requests.iter_mut().zip(&mut plans).zip(outcomes) {
            request.outcome = outcome.and_then(|done| {
                let at = self.header().position(plan.chunks.start);
                if done < plan.bytes.len() {
                    return Err(self.truncated(at + done as u64..at + plan.bytes.len() as u64));
                }
                self.decrypt(plan, request).map(|()| plan.count)
            });
        }
    }

    /// That of a sealed object is its id, wherever it lies; that of a writable one goes by the store.
    fn identity(&self) -> Option<String> {
        match self.header().kind {
            Kind::Sealed => Some(format!("sealed {}", self.id())),
            Kind::Writable => {
                self.inner.identity().map(|below| format!("{below} decrypted {}", self.id()))
            }
        }
    }

    /// A sealed object's id.
    fn version(&self) -> Option<String> {
        (self.header().kind == Kind::Sealed).then(|| self.id())
    }
}

impl<S> Encrypt<S> {
    fn id(&self) -> String {
        blake3::Hash::from_bytes(self.codec.header().id).to_hex().to_string()
    }
}
