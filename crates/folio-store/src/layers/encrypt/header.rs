//! The first 128 bytes of an encrypted object, and how the rest is laid out.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | `folioenc` |
//! | 8 | version of the format: 1 |
//! | 9 | 0: sealed; 1: writable |
//! | 10 | log2 of a chunk's length in bytes |
//! | 16..48 | the object's id: random, new for each seal |
//! | 48..56 | length of the plain bytes, little-endian |
//! | 64..80 | tells a wrong key from a damaged header |
//! | 96..128 | BLAKE3 of all before, under a key derived from master key and id |
//!
//! Keys are `derive_key` of BLAKE3 with the contexts "folio-store 2026-11 encrypt: header" and
//! "...: content", of the master key and then the id.
//!
//! Then, in a writable object, the journal; then the chunks, each behind the one before: the encrypted
//! bytes (fewer in the last), the tag of 16 bytes, and in a writable object 24 bytes of salt.

use super::key::{Key, random};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 128;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const SALT_BYTES: usize = 24;

const MAGIC: &[u8; 8] = b"folioenc";
const VERSION: u8 = 1;
const MAC_AT: usize = 96;
const HEADER_KEY: &str = "folio-store 2026-11 encrypt: header";

/// Whether an object can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sealed = 0,
    Writable = 1,
}

/// What an object's header says, once it was found authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) chunk_log: u8,
    pub(super) id: [u8; 32],
    pub(super) len: u64,
}

impl Header {
    /// That of an object that does not exist yet.
    pub(super) fn fresh(kind: Kind, chunk_bytes: u32, len: u64) -> Result<Self> {
        let mut id = [0; 32];
        random(&mut id)?;
        Ok(Self { kind, chunk_log: chunk_bytes.trailing_zeros() as u8, id, len })
    }

    pub(super) fn encode(&self, key: &Key) -> [u8; HEADER_BYTES] {
        let mut raw = [0; HEADER_BYTES];
        raw[..8].copy_from_slice(MAGIC);
        raw[8..11].copy_from_slice(&[VERSION, self.kind as u8, self.chunk_log]);
        raw[16..48].copy_from_slice(&self.id);
        raw[48..56].copy_from_slice(&self.len.to_le_bytes());
        let key = key.derive(HEADER_KEY, &self.id);
        raw[64..80].copy_from_slice(&key_check(&key));
        let mac = blake3::keyed_hash(&key, &raw[..MAC_AT]);
        raw[MAC_AT..].copy_from_slice(mac.as_bytes());
        raw
    }

    pub(super) fn decode(raw: &[u8; HEADER_BYTES], key: &Key, store: &str) -> Result<Self> {
        let corrupt = |reason: &'static str| {
            let error = Error::new(ErrorKind::Corrupt, "decrypt", store);
            Err(error.range(0..HEADER_BYTES as u64).reason(reason))
        };
        if raw[..8] != *MAGIC {
            return corrupt("it does not begin as an encrypted object does");
        }
        let mut id = [0; 32];
        id.copy_from_slice(&raw[16..48]);
        let own = key.derive(HEADER_KEY, &id);
        if raw[64..80] != key_check(&own) {
            return Err(Error::new(ErrorKind::Denied, "decrypt", store)
                .reason("it was encrypted with another key, or its id has been changed")
                .advice("give the key that it was encrypted with"));
        }
        let mac = blake3::Hash::from_bytes(*raw.last_chunk().unwrap_or(&[0; 32]));
        if blake3::keyed_hash(&own, &raw[..MAC_AT]) != mac {
            return corrupt("its header has been changed");
        }
        let kind = match (raw[8], raw[9]) {
            (VERSION, 0) => Kind::Sealed,
            (VERSION, 1) => Kind::Writable,
            _ => {
                return Err(Error::new(ErrorKind::Unsupported, "decrypt", store)
                    .reason(format!("format {}.{} is not known here", raw[8], raw[9]))
                    .advice("use a newer folio"));
            }
        };
        let mut len = [0; 8];
        len.copy_from_slice(&raw[48..56]);
        Ok(Self { kind, chunk_log: raw[10], id, len: u64::from_le_bytes(len) })
    }

    /// Bytes of a whole chunk, plain.
    pub(super) fn chunk_bytes(&self) -> u64 {
        1 << self.chunk_log
    }

    /// Bytes behind each chunk.
    pub(super) fn trailer_bytes(&self) -> usize {
        match self.kind {
            Kind::Sealed => TAG_BYTES,
            Kind::Writable => TAG_BYTES + SALT_BYTES,
        }
    }

    /// How many chunks there are.
    pub(super) fn chunks(&self) -> u64 {
        self.len.div_ceil(self.chunk_bytes())
    }

    /// Plain bytes of a chunk.
    pub(super) fn chunk_len(&self, chunk: u64) -> usize {
        (self.len - chunk * self.chunk_bytes()).min(self.chunk_bytes()) as usize
    }

    /// Where a chunk, or the end, lies in the object.
    pub(super) fn position(&self, chunk: u64) -> u64 {
        let plain = (chunk * self.chunk_bytes()).min(self.len);
        self.start() + plain + chunk * self.trailer_bytes() as u64
    }

    /// Where the chunks begin.
    fn start(&self) -> u64 {
        HEADER_BYTES as u64
            + match self.kind {
                Kind::Sealed => 0,
                Kind::Writable => super::journal::bytes(self),
            }
    }

    /// Bytes of the whole object.
    pub(super) fn object_bytes(&self) -> u64 {
        self.position(self.chunks())
    }
}

/// Says which key it is to those who have it, and nothing to others.
fn key_check(key: &[u8; 32]) -> [u8; 16] {
    let hash = blake3::keyed_hash(key, b"folio-store key check");
    let mut check = [0; 16];
    check.copy_from_slice(&hash.as_bytes()[..16]);
    check
}
