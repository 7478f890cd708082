//! The master key.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// The 256 bits that objects' own keys are derived from. One key serves any number of objects.
///
/// Its memory is cleared when it is dropped; it is never part of an error or of `Debug`.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// The key with these bytes: random ones, or what a password hash made of a password (a password
    /// itself is no key).
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key from the system's random numbers (getrandom(2)).
    ///
    /// # Errors
    /// Where the system has none.
    pub fn random() -> Result<Self> {
        let mut this = Self::new([0; 32]);
        random(&mut *this.0)?;
        Ok(this)
    }

    /// Its bytes, to be kept where nobody else reads them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key for one purpose in one object.
    pub(super) fn derive(&self, purpose: &str, id: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut material = Zeroizing::new([0; 64]);
        material[..32].copy_from_slice(&*self.0);
        material[32..].copy_from_slice(id);
        Zeroizing::new(blake3::derive_key(purpose, &*material))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Fills `bytes` with random ones.
pub(super) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(ErrorKind::Unsupported, "make", "a random number").reason(error.to_string())
    })
}
