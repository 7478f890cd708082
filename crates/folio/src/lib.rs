//! Memory mapping for Linux: every kind of mapping, with faults as errors.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
compile_error!("folio runs on Linux on x86-64; what another processor needs goes into src/arch/");

mod advice;
#[path = "arch/x86_64.rs"]
mod arch;
mod arena;
mod atomic;
mod backing;
mod chain;
mod code;
mod cursor;
mod error;
mod fault;
mod growable;
mod growoptions;
mod guard;
mod handler;
mod mapping;
mod memfd;
mod memory;
mod operations;
mod options;
pub mod pagehook;
mod place;
mod populate;
mod protection;
mod range;
mod region;
mod registry;
mod reservation;
mod residency;
mod sealed;
mod space;
mod spare;
mod split;
mod stable;
mod stack;
#[path = "arch/x86_64_switch.rs"]
mod switch;
mod sync;
mod sys;
#[cfg(feature = "zerocopy")]
mod typed;
mod view;

pub use advice::{Advice, Discard};
pub use arena::Arena;
pub use atomic::Atomic;
pub use backing::{Backing, BackingKind};
pub use code::{Code, Draft};
pub use cursor::Cursor;
pub use error::{Error, ErrorKind, Refused, Result};
pub use fault::{Access, Fault, FaultKind};
pub use growable::Growable;
pub use growoptions::GrowOptions;
pub use mapping::Mapping;
pub use memfd::{Memfd, Seals};
pub use memory::Memory;
pub use options::{Fork, HugePage, Lock, MapOptions, Sharing};
pub use populate::Progress;
pub use protection::{ParseProtectionError, Protection};
pub use reservation::Reservation;
pub use residency::Residency;
pub use sealed::Sealed;
pub use stable::Stable;
pub use stack::{Side, Stack};
pub use view::{Chunks, View};
