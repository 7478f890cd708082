//! A store over what bgzip writes: gzip in blocks of at most 64 KiB (feature `bgzf`).
//!
//! ```
//! use std::io::Write;
//! use folio_store::Store;
//! use folio_store_zstd::BgzfStore;
//! # struct Memory(Vec<u8>);
//! # impl Store for Memory {
//! #     fn name(&self) -> String { "memory".into() }
//! #     fn len(&self) -> folio_store::Result<u64> { Ok(self.0.len() as u64) }
//! #     fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
//! #         let rest = self.0.get(offset as usize..).unwrap_or_default();
//! #         let count = buf.len().min(rest.len());
//! #         buf[..count].copy_from_slice(&rest[..count]);
//! #         Ok(count)
//! #     }
//! #     fn capabilities(&self) -> folio_store::Capabilities {
//! #         folio_store::Capabilities::new(folio_store::Cost::Memory)
//! #     }
//! # }
//!
//! let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
//! writer.write_all(&b"all work and no play\n".repeat(10_000)).unwrap();
//! let store = BgzfStore::open(Memory(writer.finish().unwrap()))?;
//! assert_eq!(store.len()?, 210_000);
//! let mut word = [0; 4];
//! store.read_full_at(&mut word, 200_004)?;
//! assert_eq!(&word, b"all ");
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Nothing at the end of such a file says where its blocks are. [`BgzfStore::open`] goes from header to
//! header, which takes as many small reads as there are blocks, or, over a network, reads all of the
//! packed bytes once. [`BgzfStore::open_with_index`] takes what `bgzip -r` wrote (`.gzi`) instead, and
//! goes through the last block and what is behind it only.
//!
//! Every block is held to its lengths and its CRC-32 when it is decoded.

use std::borrow::Cow;
use std::io::Read;

use folio_store::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};
use noodles_bgzf::gzi;

use crate::format::{Format, HEAD_BYTES};
use crate::frames::Frames;
use crate::framestore::{Codec, FrameStore, read_exact, reserve, shows_frames};
use crate::zstd::CACHE_BYTES;

/// Header, trailer, and a stream of no bytes.
const MIN_BLOCK_BYTES: u64 = 26;
/// A block of no bytes, as everybody writes it.
const EMPTY_BLOCK_BYTES: u64 = 28;
const MAX_DECODED_BYTES: u64 = 64 << 10;
const TRAILER_BYTES: u64 = 8;
/// Read at once where a request costs more than the bytes.
const FAR_WINDOW_BYTES: u64 = 4 << 20;

/// What a store of bgzip decompresses to, read-only. See the [module](self).
#[derive(Debug)]
pub struct BgzfStore<S>(FrameStore<S, Bgzf>);

#[derive(Debug)]
struct Bgzf;

impl<S: Store> BgzfStore<S> {
    /// Opens bgzip and looks for its blocks, with a cache of 4 MiB of decoded ones.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what is no bgzip, gzip of another kind included;
    /// [`Corrupt`](ErrorKind::Corrupt) for blocks that contradict themselves or the store; what the
    /// store fails with.
    pub fn open(inner: S) -> Result<Self> {
        Self::with(inner, &[])
    }

    /// Opens it by an index as `bgzip -r` writes it, of at most 256 MiB.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Corrupt`](ErrorKind::Corrupt) for an index that contradicts itself or
    /// the store. Offsets in the middle of a block are found when that is read.
    pub fn open_with_index(inner: S, index: &impl Store) -> Result<Self> {
        let len = index.len()?;
        let corrupt = || {
            Error::new(ErrorKind::Corrupt, "open", index.name()).reason("it is no index of bgzip")
        };
        if len > 256 << 20 {
            return Err(corrupt());
        }
        let mut bytes = reserve(&index.name(), len)?;
        read_exact(index, &mut bytes, 0)?;
        // The count, and so many pairs: more would be believed before they are missed.
        let count = bytes.first_chunk().map_or(0, |count| u64::from_le_bytes(*count));
        if len < 8 || count != (len - 8) / 16 {
            return Err(corrupt());
        }
        let read = gzi::io::Reader::new(&bytes[..]).read_index().map_err(|_| corrupt())?;
        Self::with(inner, read.as_ref())
    }

    fn with(inner: S, index: &[(u64, u64)]) -> Result<Self> {
        let frames = Blocks::new(&inner)?.find(index)?;
        Ok(Self(FrameStore::new(inner, frames, Bgzf, "bgzf", CACHE_BYTES)))
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        self.0.inner()
    }

    /// How many blocks it has, empty ones included.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.0.frames().count() as u64
    }

    /// How many times a block was decoded so far.
    #[must_use]
    pub fn decoded_blocks(&self) -> u64 {
        self.0.decoded_frames()
    }
}

/// A walk over the blocks of a store.
struct Blocks<'a, S> {
    store: &'a S,
    name: String,
    len: u64,
    /// The bytes last read, and where they are from.
    window: Vec<u8>,
    window_start: u64,
    window_bytes: u64,
}

impl<'a, S: Store> Blocks<'a, S> {
    fn new(store: &'a S) -> Result<Self> {
        let far = store.capabilities().cost() == Cost::Network;
        let (name, len) = (store.name(), store.len()?);
        let (window, window_start) = (Vec::new(), 0);
        let window_bytes = if far { FAR_WINDOW_BYTES } else { TRAILER_BYTES + HEAD_BYTES as u64 };
        let mut this = Self { store, name, len, window, window_start, window_bytes };
        let head = this.bytes(0, len.min(HEAD_BYTES as u64))?;
        match Format::of(head) {
            Some(Format::Bgzip) => Ok(this),
            Some(Format::Gzip) => Err(this
                .error(ErrorKind::Invalid, "it is gzip and no bgzip")
                .advice("pack it again (gzip -dc FILE | bgzip > OUT, or | folio pack - -o OUT)")),
            _ => Err(this.error(ErrorKind::Invalid, "it is not bgzip")),
        }
    }

    fn error(&self, kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, "open", &*self.name).reason(reason)
    }

    fn corrupt<T>(&self, reason: impl Into<Cow<'static, str>>) -> Result<T> {
        Err(self.error(ErrorKind::Corrupt, reason))
    }

    /// Some bytes, which lie within the store.
    fn bytes(&mut self, at: u64, count: u64) -> Result<&[u8]> {
        let end = self.window_start + self.window.len() as u64;
        if at < self.window_start || at + count > end {
            let count = self.window_bytes.max(count).min(self.len - at);
            let mut window = reserve(&self.name, count)?;
            read_exact(self.store, &mut window, at)?;
            (self.window, self.window_start) = (window, at);
        }
        let start = (at - self.window_start) as usize;
        Ok(&self.window[start..start + count as usize])
    }

    /// The frames: those of the index, and from the last one on those that are found.
    fn find(mut self, index: &[(u64, u64)]) -> Result<Frames> {
        let mut frames = Frames::starting_at(0);
        for &(packed, decoded) in index {
            let packed_bytes = packed.saturating_sub(frames.packed_end());
            let decoded_bytes = decoded.checked_sub(frames.len()).unwrap_or(u64::MAX);
            if !(MIN_BLOCK_BYTES..=64 << 10).contains(&packed_bytes)
                || decoded_bytes > MAX_DECODED_BYTES
                || decoded_bytes == 0 && packed_bytes != EMPTY_BLOCK_BYTES
                || packed > self.len
            {
                return self.corrupt("its index is of another file, or damaged");
            }
            self.push(&mut frames, packed_bytes, decoded_bytes)?;
        }
        while frames.packed_end() < self.len {
            let at = frames.packed_end();
            let left = self.len - at;
            if left < MIN_BLOCK_BYTES {
                return self.corrupt(format!("there is no whole block at {at}"));
            }
            let head = self.bytes(at, HEAD_BYTES as u64)?;
            if Format::of(head) != Some(Format::Bgzip) {
                return self.corrupt(format!("there is no block at {at}"));
            }
            let size = head.last_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes));
            let packed_bytes = u64::from(size) + 1;
            if packed_bytes < MIN_BLOCK_BYTES || packed_bytes > left {
                return self.corrupt(format!("its block at {at} has no possible length"));
            }
            let trailer = self.bytes(at + packed_bytes - TRAILER_BYTES, TRAILER_BYTES)?;
            let decoded_bytes =
                trailer.last_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
            if decoded_bytes > MAX_DECODED_BYTES {
                return self.corrupt(format!("its block at {at} has no possible length"));
            }
            self.push(&mut frames, packed_bytes, decoded_bytes)?;
        }
        Ok(frames)
    }

    fn push(&self, frames: &mut Frames, packed_bytes: u64, decoded_bytes: u64) -> Result<()> {
        match frames.push(packed_bytes, decoded_bytes) {
            Some(()) => Ok(()),
            None => self.corrupt("it has more bytes than 64 bits can count"),
        }
    }
}

impl Codec for Bgzf {
    fn decode(&self, _: usize, packed: &[u8], out: &mut [u8]) -> Result<(), Cow<'static, str>> {
        // One block, and of this length: the reader would go on to the next.
        let size = packed.get(16..18).and_then(|size| size.first_chunk());
        if size.is_none_or(|size| usize::from(u16::from_le_bytes(*size)) + 1 != packed.len()) {
            return Err("it is not one block of bgzip".into());
        }
        let decoded = packed.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if decoded as usize != out.len() {
            return Err("it is not as long as the index says".into());
        }
        noodles_bgzf::io::Reader::new(packed).read_exact(out).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => Cow::Owned(error.to_string()),
            _ => "it ends early".into(),
        })
    }
}

shows_frames!(BgzfStore);
