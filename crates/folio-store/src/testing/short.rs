//! A store that stops early.

use crate::layers::pass_on;
use crate::random::Random;
use crate::{Result, Store};

/// A store whose reads and writes stop early, after a number of bytes left to chance, as they may.
/// Often after one byte, and often not at all.
///
/// ```
/// use folio_store::testing::ShortRead;
/// use folio_store::{MemoryStore, Store};
///
/// let store = ShortRead::new(MemoryStore::from(vec![7; 1000]), 1);
/// let counts: Vec<_> = (0..10).map(|_| store.read_at(&mut [0; 1000], 0)).collect::<Result<_, _>>()?;
/// assert!(counts.iter().any(|count| (1..1000).contains(count)));
///
/// let mut bytes = [0; 1000];
/// assert_eq!(store.read_full_at(&mut bytes, 0)?, 1000);
/// assert_eq!(bytes, [7; 1000]);
/// # Ok::<(), folio_store::Error>(())
/// ```
#[derive(Debug)]
pub struct ShortRead<S> {
    inner: S,
    random: Random,
}

impl<S: Store> ShortRead<S> {
    /// Chooses the lengths by `seed`, in the order of the calls.
    pub const fn new(store: S, seed: u64) -> Self {
        Self { inner: store, random: Random::seeded(seed) }
    }

    /// The store below.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// From 1 to `len`, and 0 of 0.
    fn some(&self, len: usize) -> usize {
        match self.random.below(4) {
            0 => len.min(1),
            1 => len,
            _ => self.random.below(len as u64) as usize + usize::from(len > 0),
        }
    }
}

// No batch is passed on: each of its reads is made of short ones.
impl<S: Store> Store for ShortRead<S> {
    pass_on!(name, len, resize, sync, capabilities, identity, version);

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let some = self.some(buf.len());
        self.inner.read_at(&mut buf[..some], offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        // What ends behind the last u64 is refused, and not in part.
        let possible = offset.checked_add(bytes.len() as u64).is_some();
        let some = if possible { self.some(bytes.len()) } else { bytes.len() };
        self.inner.write_at(&bytes[..some], offset)
    }
}
