//! Chunks, to and from their encrypted form.
//!
//! AES-256-GCM, whose one great danger is a nonce that is used twice with one key. The nonce here is the
//! chunk's number, and no key ever meets two texts of one number:
//! - In a sealed object the key is the object's own, derived from an id that is drawn anew for each
//!   seal, and each number is encrypted once. A seal that failed is begun again with another id.
//! - In a writable object each write of a chunk draws 192 bits of salt, and derives a key from them and
//!   the object's: 2^64 writes meet one salt twice with a probability of 2^-65. (Random nonces of
//!   96 bits under one key would be safe for 2^32.)
//!
//! Authenticated with each chunk: the object's id, the chunk's number and the object's length
//! (little-endian), its kind and the log2 of its chunk size. The nonce is big-endian. A chunk moved to another place or into another object fails as one that was changed.

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use super::header::{Header, Kind, SALT_BYTES, TAG_BYTES};
use super::key::{Key, random};
use crate::error::{Error, ErrorKind, Result};

const CONTENT_KEY: &str = "folio-store 2026-11 encrypt: content";
const AAD_BYTES: usize = 50;

/// An object's key, ready to use.
pub(super) struct Codec {
    header: Header,
    key: Zeroizing<[u8; 32]>,
    sealed: Aes256Gcm,
}

impl Codec {
    pub(super) fn new(header: Header, key: &Key) -> Self {
        let key = key.derive(CONTENT_KEY, &header.id);
        let sealed = Aes256Gcm::new((&*key).into());
        Self { header, key, sealed }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Encrypts a chunk in place: `bytes` are the plain ones, and room for the trailer.
    ///
    /// In a sealed object once only for each chunk.
    pub(super) fn encrypt(&self, chunk: u64, bytes: &mut [u8]) -> Result<()> {
        let (text, trailer) = bytes.split_at_mut(self.header.chunk_len(chunk));
        let (tag, salt) = trailer.split_at_mut(TAG_BYTES);
        random(salt)?;
        let nonce = nonce(chunk);
        let aad = self.aad(chunk);
        let made = match self.header.kind {
            Kind::Sealed => self.sealed.encrypt_inout_detached((&nonce).into(), &aad, text.into()),
            Kind::Writable => {
                self.salted(salt).encrypt_inout_detached((&nonce).into(), &aad, text.into())
            }
        };
        match made {
            Ok(made) => {
                tag.copy_from_slice(&made);
                Ok(())
            }
            Err(_) => Err(Error::new(ErrorKind::Invalid, "encrypt", "a chunk")),
        }
    }

    /// Decrypts a chunk in place. False if it is not what was encrypted: then nothing of it is there.
    #[must_use]
    pub(super) fn decrypt(&self, chunk: u64, bytes: &mut [u8]) -> bool {
        let Some((text, trailer)) = bytes.split_at_mut_checked(self.header.chunk_len(chunk)) else {
            return false;
        };
        let Some((tag, salt)) = trailer.split_first_chunk::<TAG_BYTES>() else { return false };
        let nonce = nonce(chunk);
        let (nonce, tag, aad) = ((&nonce).into(), tag.into(), self.aad(chunk));
        let done = match (self.header.kind, salt.len()) {
            (Kind::Sealed, 0) => self.sealed.decrypt_inout_detached(nonce, &aad, text.into(), tag),
            (Kind::Writable, SALT_BYTES) => {
                self.salted(salt).decrypt_inout_detached(nonce, &aad, text.into(), tag)
            }
            _ => return false,
        };
        done.is_ok()
    }

    fn salted(&self, salt: &[u8]) -> Aes256Gcm {
        let key = Zeroizing::new(*blake3::keyed_hash(&self.key, salt).as_bytes());
        Aes256Gcm::new((&*key).into())
    }

    fn aad(&self, chunk: u64) -> [u8; AAD_BYTES] {
        let mut aad = [0; AAD_BYTES];
        aad[..32].copy_from_slice(&self.header.id);
        aad[32..40].copy_from_slice(&chunk.to_le_bytes());
        aad[40..48].copy_from_slice(&self.header.len.to_le_bytes());
        aad[48..].copy_from_slice(&[self.header.kind as u8, self.header.chunk_log]);
        aad
    }
}

fn nonce(chunk: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&chunk.to_be_bytes());
    nonce
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("header", &self.header).finish_non_exhaustive()
    }
}
