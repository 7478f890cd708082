//! Memory mapping for Linux: every kind of mapping, with faults as errors.
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("folio-doc-lib-{}", std::process::id()));
//! # std::fs::write(&path, b"the quick brown fox")?;
//! use folio::Mapping;
//!
//! let map = Mapping::open(&path)?; // shared, read-only, the whole file
//! let mut word = [0; 5];
//! map.read_at(4, &mut word)?; // a copy: safe whatever others do to the file
//! assert_eq!(&word, b"quick");
//!
//! let map = Mapping::options().write().offset(10).len(5).open(&path)?;
//! map.write_at(0, b"green")?; // in the file
//! map.flush(..)?; // on the disk
//! # assert_eq!(std::fs::read(&path)?, b"the quick green fox");
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Which type
//!
//! | you have | you want | type |
//! | --- | --- | --- |
//! | a file, a device, anything with a descriptor | its bytes at an address | [`Mapping`] |
//! | a file that grows | an address that stays | [`Growable`] |
//! | nothing | memory from the kernel, as a slice | [`Memory`] |
//! | bytes nobody can change | a safe `&[u8]` | [`Stable`] |
//! | nothing | shared memory with a descriptor, seals | [`Memfd`] |
//! | a plan of addresses | to place mappings in it | [`Reservation`] |
//! | a mapping for good | nobody to unmap or unprotect it | [`Sealed`] |
//! | machine code | to run it | [`Code`] |
//! | a thread or coroutine | a stack with guards | [`Stack`] |
//! | many small values | one big block for them | [`Arena`] |
//!
//! # Two ways to the bytes
//!
//! A mapping of a file can change under a program's hands: others write it, and truncate it. So its
//! bytes are copied ([`Mapping::read_at`], [`View`]), and what cannot be reached is an error that
//! says why: [`Fault`]. Where the caller knows better, an `unsafe` slice costs nothing per access:
//! [`Mapping::as_slice`], [`Mapping::guarded`]. Neither way ends the process, whatever happens to
//! the file; the price is one handler for SIGBUS and SIGSEGV, installed with the first mapping,
//! which passes on what is not folio's.
//!
//! # Features
//!
//! - `zerocopy`: typed access through the traits of the crate `zerocopy`.
//! - `allocator-api2`: [`Arena`] as an allocator.
//!
//! # Platform
//!
//! Linux 6.x on x86-64. Nothing needs root. What a kernel lacks is found at run time and named.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
compile_error!("folio runs on Linux on x86-64; what another processor needs goes into src/arch/");

pub mod advice;
#[path = "arch/x86_64.rs"]
mod arch;
pub mod arena;
pub mod atomic;
pub mod backing;
mod chain;
pub mod code;
pub mod cursor;
pub mod error;
pub mod fault;
pub mod foreign;
pub mod growable;
mod growoptions;
mod guard;
mod guarded;
mod handler;
mod interrupted;
#[cfg(doctest)]
mod lifetimes;
mod losses;
pub mod mapping;
pub mod memfd;
pub mod memory;
mod next;
mod notices;
mod operations;
pub mod options;
pub mod pagehook;
mod place;
pub mod populate;
mod procmap;
pub mod protection;
mod range;
mod region;
mod registry;
pub mod reservation;
pub mod residency;
pub mod sealed;
#[path = "arch/x86_64_signal.rs"]
mod signal;
mod space;
mod spare;
mod split;
pub mod stable;
pub mod stack;
#[path = "arch/x86_64_switch.rs"]
mod switch;
mod sync;
mod sys;
mod turn;
#[cfg(feature = "zerocopy")]
mod typed;
pub mod view;

#[doc(inline)]
pub use advice::{Advice, Discard};
#[doc(inline)]
pub use arena::Arena;
#[doc(inline)]
pub use atomic::Atomic;
#[doc(inline)]
pub use backing::{Backing, BackingKind};
#[doc(inline)]
pub use code::{Code, Draft};
#[doc(inline)]
pub use cursor::Cursor;
#[doc(inline)]
pub use error::{Error, ErrorKind, Refused, Result};
#[doc(inline)]
pub use fault::{Access, Fault, FaultKind};
#[doc(inline)]
pub use growable::Growable;
#[doc(inline)]
pub use growoptions::GrowOptions;
#[doc(inline)]
pub use mapping::Mapping;
#[doc(inline)]
pub use memfd::{Memfd, Seals};
#[doc(inline)]
pub use memory::Memory;
#[doc(inline)]
pub use notices::on_fault;
#[doc(inline)]
pub use options::{Fork, HugePage, Lock, MapOptions, Sharing};
#[doc(inline)]
pub use populate::Progress;
#[doc(inline)]
pub use protection::{ParseProtectionError, Protection};
#[doc(inline)]
pub use reservation::Reservation;
#[doc(inline)]
pub use residency::Residency;
#[doc(inline)]
pub use sealed::Sealed;
#[doc(inline)]
pub use stable::Stable;
#[doc(inline)]
pub use stack::{Side, Stack};
#[doc(inline)]
pub use view::{Chunks, View};
