//! A store whose bytes a function of the offset makes.
//!
//! ```
//! use folio_store::{FunctionStore, Store};
//!
//! let squares = FunctionStore::new("squares", 1 << 40, |buf, offset| {
//!     for (byte, at) in buf.iter_mut().zip(offset..) {
//!         *byte = at.wrapping_mul(at) as u8;
//!     }
//!     Ok(())
//! })
//! .fixed_version(true);
//!
//! let mut bytes = [0; 4];
//! squares.read_full_at(&mut bytes, 10)?;
//! assert_eq!(bytes, [100, 121, 144, 169]);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants: the function is called only for ranges within the length that are not empty, on any
//! thread, several at a time. A panic of its is an error of the read.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::range::inside;
use crate::{Capabilities, Cost, Error, ErrorKind, Result, Store};

/// Bytes that a function makes. See the [module](self).
#[derive(Clone)]
pub struct FunctionStore<F> {
    name: String,
    len: u64,
    function: F,
    capabilities: Capabilities,
    identity: Option<String>,
}

impl<F> fmt::Debug for FunctionStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FunctionStore({}, {} bytes)", self.name, self.len)
    }
}

impl<F: Fn(&mut [u8], u64) -> Result<()> + Send + Sync> FunctionStore<F> {
    /// A store of `len` bytes, called `name` in errors. `function` fills the whole buffer with the
    /// bytes at an offset, or says why it cannot. Until told otherwise it is taken to cost what a
    /// copy costs, to be able to give other bytes the next time, and to touch mappings.
    pub fn new(name: impl Into<String>, len: u64, function: F) -> Self {
        let capabilities = Capabilities::new(Cost::Memory);
        Self { name: name.into(), len, function, capabilities, identity: None }
    }

    /// Promises that the function gives the same bytes for the same offset for as long as the store
    /// exists.
    #[must_use]
    pub fn fixed_version(mut self, yes: bool) -> Self {
        self.capabilities = self.capabilities.fixed_version(yes);
        self
    }

    /// What a call of the function costs.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        let before = self.capabilities;
        self.capabilities = Capabilities::new(cost)
            .fixed_version(before.is_fixed_version())
            .touching_mappings(before.touches_mappings());
        self
    }

    /// Whether the function may touch mappings that can fault; see
    /// [`Capabilities::touches_mappings`].
    #[must_use]
    pub fn touching_mappings(mut self, yes: bool) -> Self {
        self.capabilities = self.capabilities.touching_mappings(yes);
        self
    }

    /// A name that no store of other bytes has. See [`Store::identity`].
    #[must_use]
    pub fn identified_by(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }
}

impl<F: Fn(&mut [u8], u64) -> Result<()> + Send + Sync> Store for FunctionStore<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = inside(buf.len(), offset, self.len);
        if count == 0 {
            return Ok(0);
        }
        let called = catch_unwind(AssertUnwindSafe(|| (self.function)(&mut buf[..count], offset)));
        called.unwrap_or_else(|_| {
            let range = offset..offset + count as u64;
            let error = Error::new(ErrorKind::Io, "read", &self.name).range(range);
            Err(error.reason("its function panicked"))
        })?;
        Ok(count)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn identity(&self) -> Option<String> {
        self.identity.clone()
    }
}
