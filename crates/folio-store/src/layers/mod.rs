//! Layers: stores on a store, each one thing.
//!
//! ```
//! use std::time::Duration;
//! use folio_store::{Deadline, MemoryStore, Retry, Statistics, Store};
//!
//! let far = MemoryStore::from(vec![1; 100]);
//! let patient = Retry::new(Deadline::new(far, Duration::from_secs(2))?).attempts(4);
//! let store = Statistics::new(patient);
//!
//! let mut bytes = [0; 10];
//! store.read_full_at(&mut bytes, 95)?;
//! assert_eq!(store.snapshot().read.bytes, 5);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Order matters: a deadline below a retry bounds each attempt, above it all of them together.
//!
//! Invariants:
//! - A layer that changes no bytes passes on identity and version.
//! - No layer holds a lock that another read needs while it calls the store below.
//! - A layer has the name of the store below, unless it shows other bytes.

#[cfg(feature = "cache")]
pub mod cache;
pub mod deadline;
#[cfg(feature = "encrypt")]
pub mod encrypt;
pub mod overlay;
mod present;
pub mod retry;
pub mod statistics;
mod stuck;
#[cfg(feature = "verify")]
pub mod verify;
mod workers;

/// The methods of `Store` that a layer passes on to its field `inner`.
macro_rules! pass_on {
    ($($method:ident),*) => { $($crate::layers::pass_on!(@$method);)* };
    (@name) => { fn name(&self) -> String { self.inner.name() } };
    (@len) => { fn len(&self) -> $crate::Result<u64> { self.inner.len() } };
    (@read_at) => {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> $crate::Result<usize> {
            self.inner.read_at(buf, offset)
        }
    };
    (@resize) => {
        fn resize(&self, len: u64) -> $crate::Result<()> { self.inner.resize(len) }
    };
    (@sync) => { fn sync(&self) -> $crate::Result<()> { self.inner.sync() } };
    (@read_many) => {
        fn read_many(&self, requests: &mut [$crate::ReadRequest<'_>]) {
            self.inner.read_many(requests);
        }
    };
    (@capabilities) => {
        fn capabilities(&self) -> $crate::Capabilities { self.inner.capabilities() }
    };
    (@identity) => { fn identity(&self) -> Option<String> { self.inner.identity() } };
    (@version) => { fn version(&self) -> Option<String> { self.inner.version() } };
}
pub(crate) use pass_on;
