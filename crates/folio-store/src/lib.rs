//! Stores: where a pager's bytes come from.
//!
//! A [`Store`] is a byte source behind one trait: read, write, resize, sync, and what it can do.
//! Local ones and layers over any store are here; those with heavy dependencies have crates of
//! their own. A store has no addresses; `folio-pager` gives it some.

pub mod capabilities;
pub mod conformance;
mod direct;
pub mod error;
pub mod file;
pub mod function;
pub mod memory;
pub mod process;
mod range;
pub mod store;
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
pub use memory::MemoryStore;
#[doc(inline)]
pub use process::ProcessStore;
#[doc(inline)]
pub use store::{ReadRequest, Store};
#[doc(inline)]
pub use zero::ZeroStore;
