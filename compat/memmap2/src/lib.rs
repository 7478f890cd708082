//! The crate `memmap2`, on [`folio`]: the same names, and a program that does not die of SIGBUS.
//!
//! ```
//! use memmap2::Mmap;
//!
//! let file = std::fs::File::open("Cargo.toml")?;
//! // SAFETY: nobody edits this file while the test runs.
//! let map = unsafe { Mmap::map(&file)? };
//! assert!(map.starts_with(b"[package]"));
//! map.check()?; // nothing went wrong until here
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Mmap`] shows a file's bytes as a `&[u8]`, [`MmapMut`] as a `&mut [u8]`, [`MmapRaw`] by pointer;
//! [`MmapOptions`] says which bytes and how.
//!
//! # Pages that cannot be had
//!
//! Somebody cuts the file, the disk fails, a full file system has no block for a hole: with mmap(2)
//! alone that is SIGBUS, and the end of the program. Here the page reads as zeros from then on, what
//! is written to it is lost, and the first such fault is kept:
//!
//! - `check()` of a map returns it, and costs a load where there is none.
//! - `take_fault()` takes it, and puts the file's pages back where zeros stood in for them.
//! - `flush()` of a range where zeros stand in for pages is an error.
//!
//! The rest is as with memmap2 0.9.12; README.md has the list of what differs.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
compile_error!(
    "this memmap2 stands on folio, which runs on Linux on x86-64 only. [patch] cannot choose by \
     target: take the patch out to build for this one"
);

mod advice;
mod descriptor;
mod inner;
mod map;
mod map_mut;
mod methods;
mod options;
mod raw;
mod remap;
mod safe;

pub use advice::{Advice, UncheckedAdvice};
pub use descriptor::{MmapAsRawDesc, MmapRawDescriptor};
#[doc(no_inline)]
pub use folio;
pub use map::Mmap;
pub use map_mut::MmapMut;
pub use options::MmapOptions;
pub use raw::MmapRaw;
pub use remap::RemapOptions;
pub use safe::MapIfSafeError;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
