//! A store over seekable zstd.
//!
//! [`ZstdStore::open`] reads the seek table at the end of the store below, and nothing else. Then a
//! read decodes the frames of its range: a frame that is wanted as a whole goes straight to the
//! caller's buffer; one that is wanted in part stays in a small cache. See the
//! [crate] for an example.
//!
//! - The store is read-only, and as long as its frames decode to.
//! - Its best granule is its frame size, where frames are of one size, rounded up to a power of two
//!   of at most 2 MiB; over a network at least what the store below asks for. Then each load of a
//!   granule decodes its frames once, and the cache stays empty.
//! - Every frame's checksum is verified: that of the frame, that of the seek table, or both.
//! - Its version is fixed if that of the store below is. Where it is not, bytes that change there
//!   while this store is open are found by checksums, frame by frame.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use folio_store::{Capabilities, ReadRequest, Result, Store};
use twox_hash::XxHash64;
use zstd_safe::{DCtx, find_frame_compressed_size, get_error_name};

use crate::framestore::{Codec, FrameStore, shows_frames};
use crate::seektable::SeekTable;

/// Bytes in the largest frame that is read. A frame is decoded as a whole, for one byte too.
pub const MAX_FRAME_BYTES: u64 = 64 << 20;

/// Decoded bytes kept, unless [`ZstdStore::open_with_cache`] says otherwise.
pub(crate) const CACHE_BYTES: usize = 4 << 20;

const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";
/// In the byte after the magic number: the frame ends with its checksum.
const HAS_CHECKSUM: u8 = 1 << 2;

/// What a store of seekable zstd decompresses to. See the [module](self).
#[derive(Debug)]
pub struct ZstdStore<S>(FrameStore<S, Zstd>);

struct Zstd {
    checksums: Option<Vec<u32>>,
    /// Contexts that no thread is using.
    spare: Mutex<Vec<DCtx<'static>>>,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("has_checksums", &self.checksums.is_some()).finish()
    }
}

impl<S: Store> ZstdStore<S> {
    /// Opens seekable zstd, with a cache of 4 MiB.
    ///
    /// # Errors
    /// [`Invalid`](folio_store::ErrorKind::Invalid) for what is not zstd;
    /// [`Unsupported`](folio_store::ErrorKind::Unsupported) for zstd that has no seek table, or frames
    /// over [`MAX_FRAME_BYTES`]: `folio pack` makes it seekable;
    /// [`Corrupt`](folio_store::ErrorKind::Corrupt) for a seek table that contradicts itself or the
    /// store; what the store fails with.
    pub fn open(inner: S) -> Result<Self> {
        Self::open_with_cache(inner, CACHE_BYTES)
    }

    /// Opens it with a cache of so many decoded bytes: at least a few frames for each thread that
    /// reads less than a frame at a time. 0 keeps none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_cache(inner: S, cache_bytes: usize) -> Result<Self> {
        let SeekTable { frames, checksums } = SeekTable::read(&inner)?;
        let codec = Zstd { checksums, spare: Mutex::default() };
        Ok(Self(FrameStore::new(inner, frames, codec, "zstd", cache_bytes)))
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        self.0.inner()
    }

    /// How many frames it has.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.0.frames().count() as u64
    }

    /// Bytes that each frame but the last decodes to, if that is the same number.
    #[must_use]
    pub fn frame_bytes(&self) -> Option<u64> {
        self.0.frames().regular_bytes()
    }

    /// How many times a frame was decoded so far. A read that found its frames in the cache, or being
    /// decoded, adds none.
    #[must_use]
    pub fn decoded_frames(&self) -> u64 {
        self.0.decoded_frames()
    }
}

impl Zstd {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<DCtx<'static>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Codec for Zstd {
    fn decode(&self, index: usize, packed: &[u8], out: &mut [u8]) -> Result<(), Cow<'static, str>> {
        // One frame, and no skippable ones behind it, nor one of a format before 1.0.
        if !packed.starts_with(MAGIC) || find_frame_compressed_size(packed) != Ok(packed.len()) {
            return Err("it is not one frame of zstd".into());
        }
        let spare = self.spare().pop();
        let mut context = spare.or_else(DCtx::try_create).ok_or("no memory to decode it")?;
        let outcome = context.decompress(out, packed);
        self.spare().push(context);
        match outcome {
            Ok(count) if count == out.len() => {}
            Ok(_) => return Err("it is shorter than the seek table says".into()),
            Err(code) => return Err(get_error_name(code).to_ascii_lowercase().into()),
        }
        let Some(expected) = self.checksums.as_ref().and_then(|all| all.get(index)) else {
            return Ok(());
        };
        let has_checksum = packed.get(MAGIC.len()).is_some_and(|flags| flags & HAS_CHECKSUM != 0);
        let actual = match packed.last_chunk() {
            // Decoding has verified it.
            Some(checksum) if has_checksum => u32::from_le_bytes(*checksum),
            _ => XxHash64::oneshot(0, out) as u32,
        };
        if actual != *expected {
            return Err("its checksum is not that of the seek table".into());
        }
        Ok(())
    }
}

shows_frames!(ZstdStore);
