//! User-space paging: map anything that can be read, in as much memory as you allow.
//!
//! ```
//! use folio_pager::{Budget, Pager};
//! use folio_store::{Capabilities, Cost, Store};
//!
//! /// A terabyte of which each byte is the low byte of its offset.
//! struct Ramp;
//! impl Store for Ramp {
//!     fn name(&self) -> String {
//!         "a ramp".into()
//!     }
//!     fn len(&self) -> folio_store::Result<u64> {
//!         Ok(1 << 40)
//!     }
//!     fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
//!         let count = buf.len().min((1_u64 << 40).saturating_sub(offset) as usize);
//!         buf[..count].iter_mut().zip(offset..).for_each(|(byte, offset)| *byte = offset as u8);
//!         Ok(count)
//!     }
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::new(Cost::Memory).fixed_version(true)
//!     }
//! }
//!
//! let pager = Pager::new(Budget::bytes(1 << 20))?;
//! let map = pager.map(Ramp)?;
//! assert_eq!(map.as_slice()?[700_000_000_003], 3);
//! let page = map.pin(4096..8192)?;
//! assert_eq!(page[258], 2);
//! # Ok::<(), folio_pager::Error>(())
//! ```
//!
//! A [`Pager`] gives a [`Store`](folio_store::Store) addresses. A page is filled when it is touched, by
//! the thread that touched it, and given up when the [`Budget`] asks for it. A store that fails is an
//! error of [`Paged::pin`] and [`Paged::read_at`]; code that knows nothing of folio goes on over zeros, and
//! [`Paged::check`] tells.
//!
//! A paged mapping of a local file is not coherent with others who write that file: use
//! `folio::Mapping` where that matters.
//!
//! # What to know
//!
//! - Pages are filled inside a signal handler, with signals blocked: a signal that arrives meanwhile, of
//!   Ctrl-C for example, waits for the store. Handlers of signals must not touch paged mappings: the
//!   thread that they interrupted may hold a lock that is needed.
//! - System calls do not fill pages. Hand them pinned ones ([`Paged::pin`]), or they fail with EFAULT.
//! - A forked child does not have the mappings: a touch there is SIGSEGV.
//! - A thread that has SIGBUS blocked dies when it touches a page that is missing.
//!
//! # Platform
//!
//! Linux 6.x on x86-64, as any user. Without userfaultfd (a container's seccomp filter, gVisor) pages are
//! filled by way of their protection, slower: [`Pager::mechanism`] says which way it is.

mod asking;
mod budget;
mod core;
mod error;
mod evict;
mod failures;
mod home;
mod keep;
mod label;
mod ledger;
mod load;
mod mechanism;
mod paged;
mod pager;
mod patience;
mod pin;
pub mod policy;
mod prefetch;
mod readahead;
mod recycle;
mod region;
mod save;
mod slots;
mod statistics;
mod sync;
mod sys;
mod turns;
mod visit;
mod word;
mod workers;

pub use budget::Budget;
pub use error::{Error, ErrorKind, Fault, Result};
/// How bytes are going to be touched, as [`Paged::advise`] and [`MapOptions::advice`] take it.
pub use folio::Advice;
/// What paging cost, as [`Paged::statistics`] and [`Pager::statistics`] return it.
pub use folio_stat::Paging;
pub use paged::{Paged, PagedMut, Residency};
pub use pager::{MapOptions, Pager};
pub use pin::Pinned;
pub use policy::Replacement;
pub use prefetch::Prefetch;

use std::sync::{Mutex, MutexGuard};

/// What a lock protects stays whole between two statements, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[doc = include_str!("../../../README.md")]
#[cfg(doctest)]
struct Readme;

#[doc = include_str!("../../../docs/pager.md")]
#[cfg(doctest)]
struct Guide;
