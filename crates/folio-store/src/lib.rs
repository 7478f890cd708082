//! Stores: where a pager's bytes come from.
//!
//! A [`Store`] is a byte source behind one trait: read, write, resize, sync, and what it can do.
//! Local ones and layers over any store are here; those with heavy dependencies have crates of
//! their own. A store has no addresses; `folio-pager` gives it some.

pub mod capabilities;
mod clock;
pub mod conformance;
mod direct;
pub mod error;
pub mod file;
pub mod function;
pub mod layers;
mod lock;
pub mod memory;
pub mod process;
mod random;
mod range;
pub mod store;
pub mod testing;
pub mod zero;

#[doc(inline)]
pub use capabilities::{Capabilities, Cost};
#[doc(inline)]
pub use error::{Error, ErrorKind, Result};
#[doc(inline)]
pub use file::{FileOptions, FileStore};
#[doc(inline)]
pub use function::FunctionStore;
#[doc(inline)]
pub use layers::deadline::Deadline;
#[doc(inline)]
pub use layers::overlay::Overlay;
#[doc(inline)]
pub use layers::retry::Retry;
#[doc(inline)]
pub use layers::statistics::Statistics;
#[doc(inline)]
pub use memory::MemoryStore;
#[doc(inline)]
pub use process::ProcessStore;
#[doc(inline)]
pub use store::{ReadRequest, Store};
#[doc(inline)]
pub use zero::ZeroStore;

#[cfg(feature = "cache")]
#[doc(inline)]
pub use layers::cache::{Cache, CacheDirectory, CacheStatistics};
#[cfg(feature = "encrypt")]
#[doc(inline)]
pub use layers::encrypt::{Encrypt, Key, Seal};
#[cfg(feature = "verify")]
#[doc(inline)]
pub use layers::verify::{Outboard, Root, Verify};
