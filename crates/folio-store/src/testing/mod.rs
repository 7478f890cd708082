//! Tools for tests: layers that make a store slow, failing, short or torn, on purpose.
//!
//! ```
//! use std::time::Duration;
//! use folio_store::testing::{Delay, Fail, Operation, ShortRead};
//! use folio_store::{ErrorKind, MemoryStore, Retry, Store};
//!
//! // What a program must come through: every third read fails, the others are slow and short.
//! let bytes: Vec<u8> = (0..=255).collect();
//! let slow = Delay::new(MemoryStore::from(bytes.clone()), Duration::from_micros(10));
//! let short = ShortRead::new(slow, 1);
//! let shaky = Fail::new(short, ErrorKind::Unavailable).on(Operation::Read).every(3);
//! let store = Retry::new(shaky).first_wait(Duration::from_micros(10));
//!
//! let mut read = vec![0; 256];
//! store.read_full_at(&mut read, 0)?;
//! assert_eq!(read, bytes);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants: what is left to chance follows from a seed and from the order of the calls; what a tool
//! is not told to do it passes on.

mod delay;
mod fail;
mod short;
mod torn;

pub use delay::Delay;
pub use fail::{Fail, Switch};
pub use short::ShortRead;
pub use torn::TornWrite;

/// What is asked of a store. A batch (`read_many`) counts as the reads in it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::len`](crate::Store::len).
    Length,
    /// [`Store::read_at`](crate::Store::read_at).
    Read,
    /// [`Store::write_at`](crate::Store::write_at).
    Write,
    /// [`Store::resize`](crate::Store::resize).
    Resize,
    /// [`Store::sync`](crate::Store::sync).
    Sync,
}

/// As a set: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Operations(u8);

impl Operations {
    const fn with(self, operation: Operation) -> Self {
        Self(self.0 | 1 << operation as u8)
    }

    const fn contains(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u8 != 0
    }
}
