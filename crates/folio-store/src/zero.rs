//! A store of zeros.
//!
//! ```
//! use folio_store::{Store, ZeroStore};
//!
//! let mut bytes = [1; 4];
//! assert_eq!(ZeroStore::new(1 << 50).read_at(&mut bytes, (1 << 50) - 3)?, 3);
//! assert_eq!(bytes, [0, 0, 0, 1]);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariant: it takes no memory, whatever its length.

use crate::range::inside;
use crate::{Capabilities, Cost, Result, Store};

/// Zeros that can only be read. A writable store of zeros is
/// [`MemoryStore::zeros`](crate::MemoryStore::zeros).
#[derive(Clone, Copy, Debug)]
pub struct ZeroStore {
    len: u64,
}

impl ZeroStore {
    /// `len` bytes of them.
    #[must_use]
    pub const fn new(len: u64) -> Self {
        Self { len }
    }
}

impl Store for ZeroStore {
    fn name(&self) -> String {
        "zeros".into()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = inside(buf.len(), offset, self.len);
        buf[..count].fill(0);
        Ok(count)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Memory)
            .fixed_version(true)
            .infallible(true)
            .touching_mappings(false)
    }

    fn identity(&self) -> Option<String> {
        Some(format!("zeros {}", self.len))
    }

    fn version(&self) -> Option<String> {
        Some("zeros".into())
    }
}
