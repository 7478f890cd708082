//! What memory mappings cost, of this process and of others.
//!
//! ```
//! use folio_stat::{FaultScope, Process};
//!
//! let scope = FaultScope::thread();
//! let mut bytes = vec![0u8; 4 << 20];
//! bytes[..1 << 20].fill(1);
//! let faults = scope.finish();
//!
//! let address = bytes.as_ptr() as usize;
//! let costs = Process::current()?.costs(address..address + bytes.len())?;
//! assert!((1 << 20..2 << 20).contains(&costs.resident_bytes));
//! assert_eq!(costs.swapped_bytes, 0);
//! assert!(faults.minor > 0);
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! - [`Process`] is whose memory is looked at. It lists its [`Mapping`]s, and says of any range of
//!   addresses what it costs ([`Costs`]), how its pages are ([`Pages`], quicker) and which of them
//!   are in memory ([`Residency`]).
//! - [`Status`] is what everybody may know of a process, [`Pulse`] the part of it that is told quickest;
//!   [`Process::total_costs`] what all its mappings
//!   cost together.
//! - [`PageRun`] and [`PageState`] are its page table, page by page; [`Frames`] what root sees of the
//!   memory behind it.
//! - [`PageCache`] is what the kernel keeps of a file in memory, mapped or not; [`CacheCounts`] how
//!   much that is, quicker.
//! - [`FaultCount`] and [`FaultScope`] count page faults.
//! - [`Label`] is where memory has its name from if the kernel keeps none.
//! - [`Paging`] is what a pager in user space, which counts by itself, has done.
//!
//! Everything works on addresses, pids and file descriptors; nothing here maps memory for good or
//! touches a page of anybody's. Newer kernels answer quicker and know more; what an older one
//! lacks is found out at run time, and [`Via`] chooses by hand.
//!
//! The feature `serde` implements `Serialize` for all that is returned.

mod ahead;
pub mod backing;
pub mod cache_counts;
pub mod costs;
pub mod error;
pub mod faults;
pub mod flag;
pub mod frames;
pub mod label;
pub mod mapping;
pub mod page_cache;
pub mod pages;
pub mod pagetable;
pub mod paging;
pub mod process;
pub mod protection;
pub mod residency;
mod scan;
mod smaps;
mod span;
pub mod status;
mod sys;
pub mod text;
mod total;

#[doc(inline)]
pub use backing::{Backing, BackingKind};
#[doc(inline)]
pub use cache_counts::CacheCounts;
#[doc(inline)]
pub use costs::Costs;
#[doc(inline)]
pub use error::{Error, ErrorKind, Result};
#[doc(inline)]
pub use faults::{FaultCount, FaultScope};
#[doc(inline)]
pub use flag::{Flag, Flags};
#[doc(inline)]
pub use frames::{Frame, Frames};
#[doc(inline)]
pub use label::Label;
#[doc(inline)]
pub use mapping::Mapping;
#[doc(inline)]
pub use page_cache::PageCache;
#[doc(inline)]
pub use pages::Pages;
#[doc(inline)]
pub use pagetable::{PageRun, PageState};
#[doc(inline)]
pub use paging::Paging;
#[doc(inline)]
pub use process::{Process, Via};
#[doc(inline)]
pub use protection::{Protection, Sharing};
#[doc(inline)]
pub use residency::Residency;
#[doc(inline)]
pub use status::{Pulse, Status};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
