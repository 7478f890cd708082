//! Making encrypted objects.

use super::codec::Codec;
use super::header::{HEADER_BYTES, Header, Kind};
use super::key::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

const CHUNK_BYTES: u32 = 64 << 10;
const CHUNK_BYTES_MIN: u32 = 4 << 10;
const CHUNK_BYTES_MAX: u32 = 1 << 20;
/// AES-GCM under one key is good for far more than this, 2^46 blocks.
const LEN_MAX: u64 = 1 << 50;
const BATCH_BYTES: u64 = 1 << 20;

/// How an object is encrypted: a builder.
///
/// ```no_run
/// # fn f(plain: &impl folio_store::Store, target: &impl folio_store::Store) -> folio_store::Result<()> {
/// use folio_store::{Key, Seal};
///
/// let key = Key::random()?;
/// Seal::new(&key)
///     .chunk_bytes(1 << 20)
///     .progress(|done, all| eprintln!("{done} of {all} bytes"))
///     .write(plain, target)?;
/// # Ok(())
/// # }
/// ```
pub struct Seal<'a> {
    key: &'a Key,
    chunk_bytes: u32,
    kind: Kind,
    progress: Box<dyn FnMut(u64, u64) + 'a>,
}

impl<'a> Seal<'a> {
    /// Chunks of 64 KiB, written once.
    #[must_use]
    pub fn new(key: &'a Key) -> Self {
        Self { key, chunk_bytes: CHUNK_BYTES, kind: Kind::Sealed, progress: Box::new(|_, _| ()) }
    }

    /// The plain bytes in a chunk: a power of two from 4 KiB to 1 MiB. A chunk is read and written
    /// whole.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: u32) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Whether the object can be written later; its length stays. What that costs stands in the
    /// [module](super).
    #[must_use]
    pub fn writable(mut self, yes: bool) -> Self {
        self.kind = if yes { Kind::Writable } else { Kind::Sealed };
        self
    }

    /// Called with the bytes done and the bytes in all.
    #[must_use]
    pub fn progress(mut self, f: impl FnMut(u64, u64) + 'a) -> Self {
        self.progress = Box::new(f);
        self
    }

    /// Encrypts all of `plain` into `target`, under an id of its own, and syncs it. What `target` held
    /// is lost. Its header comes last: a target left halfway is no object.
    ///
    /// # Errors
    /// What the two stores report; [`ErrorKind::Changed`] if `plain` changes its length or version
    /// meanwhile; [`ErrorKind::NoSpace`] if `target` is too short and cannot grow;
    /// [`ErrorKind::Invalid`] for another chunk size, or more than 1 PiB.
    pub fn write(mut self, plain: &impl Store, target: &impl Store) -> Result<()> {
        let (len, version) = (plain.len()?, plain.version());
        let invalid = |reason: String| {
            Err(Error::new(ErrorKind::Invalid, "encrypt", plain.name()).reason(reason))
        };
        let size = self.chunk_bytes;
        if !size.is_power_of_two() || !(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&size) {
            return invalid(format!("chunks of {size} bytes: a power of two from 4 KiB to 1 MiB"));
        }
        if len > LEN_MAX {
            return invalid(format!("{len} bytes are more than the 1 PiB of one key"));
        }
        let header = Header::fresh(self.kind, size, len)?;
        make_room(target, header.object_bytes())?;
        let codec = Codec::new(header, self.key);
        target.write_all_at(&[0; HEADER_BYTES], 0)?;
        super::journal::clear(&header, target)?;
        target.sync()?;
        self.chunks(&codec, plain, target)?;
        if plain.len()? != len || plain.version() != version {
            return Err(Error::new(ErrorKind::Changed, "encrypt", plain.name()));
        }
        target.sync()?;
        target.write_all_at(&header.encode(self.key), 0)?;
        target.sync()
    }

    fn chunks(&mut self, codec: &Codec, plain: &impl Store, target: &impl Store) -> Result<()> {
        let header = codec.header();
        let batch = (BATCH_BYTES / header.chunk_bytes()).max(1);
        let mut bytes = Vec::new();
        for first in (0..header.chunks()).step_by(batch as usize) {
            bytes.clear();
            for chunk in first..(first + batch).min(header.chunks()) {
                let start = bytes.len();
                let len = header.chunk_len(chunk);
                bytes.resize(start + len + header.trailer_bytes(), 0);
                let at = chunk * header.chunk_bytes();
                let done = plain.read_full_at(&mut bytes[start..start + len], at)?;
                if done < len {
                    let error = Error::new(ErrorKind::Changed, "encrypt", plain.name());
                    return Err(error.range(at + done as u64..at + len as u64));
                }
                codec.encrypt(chunk, &mut bytes[start..])?;
            }
            target.write_all_at(&bytes, header.position(first))?;
            let done = ((first + batch) * header.chunk_bytes()).min(header.len);
            (self.progress)(done, header.len);
        }
        Ok(())
    }
}

fn make_room(target: &impl Store, bytes: u64) -> Result<()> {
    if target.capabilities().is_resizable() {
        return target.resize(bytes);
    }
    let len = target.len()?;
    if len < bytes {
        return Err(Error::new(ErrorKind::NoSpace, "encrypt", target.name())
            .reason(format!("it has {len} bytes and {bytes} are needed")));
    }
    Ok(())
}

impl std::fmt::Debug for Seal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { chunk_bytes, kind, .. } = self;
        f.debug_struct("Seal")
            .field("chunk_bytes", chunk_bytes)
            .field("kind", kind)
            .finish_non_exhaustive()
    }
}
