//! Objects far away as stores: in S3-compatible stores, Google Cloud Storage, Azure, and on HTTP
//! servers that know ranges.
//!
//! ```no_run
//! use folio_store::Store;
//! use folio_store_object::ObjectStore;
//!
//! let genome = ObjectStore::open("https://example.org/chr21.fa")?;
//! assert!(genome.guarantee().holds());
//! let mut header = [0; 16];
//! genome.read_full_at(&mut header, 0)?;
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! An object is read as it was when it was opened: every request is bound to the version that was seen
//! then, and an object that was replaced since is [`Changed`](folio_store::ErrorKind::Changed), for
//! this store for good. Servers differ in what they hold to; [`ObjectStore::guarantee`] says what this
//! one was seen to do.
//!
//! A page fault waits for its read, so there are deadlines of seconds ([`ObjectOptions::deadline`]),
//! few retries, and no wait without an end. Reads may be made on any thread, workers of asynchronous
//! runtimes and signal handlers among them: two threads of this crate's own talk to the servers.
//!
//! Invariants: no read mixes two versions where the guarantee [holds](Guarantee::holds); no read waits
//! longer than its deadline without a byte arriving; no secret is part of a name, an error or a debug
//! text.

mod connect;
mod failure;
mod fetch;
pub mod guarantee;
pub mod options;
mod plan;
mod probe;
mod profile;
mod reply;
mod runtime;
pub mod store;
mod wire;

#[doc(inline)]
pub use guarantee::Guarantee;
#[doc(inline)]
pub use options::ObjectOptions;
#[doc(inline)]
pub use store::ObjectStore;
