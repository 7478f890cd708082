//! Physical frames: what the kernel notes about a page of memory, whoever maps it. For root only.
//!
//! ```
//! use folio_stat::{ErrorKind, Frames, Process};
//!
//! let byte = Box::new(1u8);
//! let address = &raw const *byte as usize;
//! let runs = Process::current()?.frame_runs(address..address + 1)?;
//! match (Frames::open(), runs[0].frame) {
//!     (Ok(frames), Some(frame)) => println!("mapped {} times", frames.read(frame, 1)?[0].mappers),
//!     (Err(error), _) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
//!     (Ok(_), None) => {}
//! }
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! `/proc/kpagecount` and `/proc/kpageflags`, as Documentation/admin-guide/mm/pagemap.rst has them:
//! eight bytes for each frame. Which frame a page has says
//! [`Process::frame_runs`](crate::Process::frame_runs).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, ErrorKind, Result};

/// What is known of all frames.
#[derive(Debug)]
pub struct Frames {
    counts: File,
    flags: File,
}

/// What is known of one frame, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Frame {
    /// How many entries of page tables show it, in all processes. For a part of a larger folio,
    /// newer kernels may only know it on average.
    pub mappers: u64,
    /// Changed since it was last written back.
    pub is_dirty: bool,
    /// Being written back.
    pub is_under_write_back: bool,
    /// Of no file or shared-memory object.
    pub is_anonymous: bool,
    /// A huge page of hugetlb.
    pub is_hugetlb: bool,
    /// A part of a folio of several base pages, transparent huge pages included.
    pub is_of_large_folio: bool,
    /// Merged with equal pages (`MADV_MERGEABLE`).
    pub is_merged: bool,
    /// Cannot be evicted: locked, or without a place to go.
    pub is_unevictable: bool,
    /// Its hardware is broken.
    pub is_poisoned: bool,
    /// The kernel's page of zeros.
    pub is_zero: bool,
}

/// `KPF_*` of include/uapi/linux/kernel-page-flags.h: numbers of bits.
mod bit {
    pub(super) const DIRTY: u32 = 4;
    pub(super) const WRITEBACK: u32 = 8;
    pub(super) const ANON: u32 = 12;
    pub(super) const COMPOUND_HEAD: u32 = 15;
    pub(super) const COMPOUND_TAIL: u32 = 16;
    pub(super) const HUGE: u32 = 17;
    pub(super) const UNEVICTABLE: u32 = 18;
    pub(super) const HWPOISON: u32 = 19;
    pub(super) const KSM: u32 = 21;
    pub(super) const THP: u32 = 22;
    pub(super) const ZERO_PAGE: u32 = 24;
}

impl Frames {
    /// Opens both files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`] for all but root, [`ErrorKind::Unsupported`] where the kernel
    /// lacks them.
    pub fn open() -> Result<Self> {
        let open = |path| File::open(path).map_err(|error| failed(path, &error));
        Ok(Self { counts: open("/proc/kpagecount")?, flags: open("/proc/kpageflags")? })
    }

    /// What is known of `count` frames from `first` on. Fewer come back where memory ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRange`] for frames that no machine has, and what the system says.
    pub fn read(&self, first: u64, count: usize) -> Result<Vec<Frame>> {
        let counts = words(&self.counts, "/proc/kpagecount", first, count)?;
        let flags = words(&self.flags, "/proc/kpageflags", first, count)?;
        Ok(counts
            .into_iter()
            .zip(flags)
            .map(|(mappers, flags)| Frame::new(mappers, flags))
            .collect())
    }
}

impl Frame {
    fn new(mappers: u64, flags: u64) -> Self {
        let has = |bit: u32| flags >> bit & 1 == 1;
        Self {
            mappers,
            is_dirty: has(bit::DIRTY),
            is_under_write_back: has(bit::WRITEBACK),
            is_anonymous: has(bit::ANON),
            is_hugetlb: has(bit::HUGE),
            is_of_large_folio: has(bit::COMPOUND_HEAD) || has(bit::COMPOUND_TAIL) || has(bit::THP),
            is_merged: has(bit::KSM),
            is_unevictable: has(bit::UNEVICTABLE),
            is_poisoned: has(bit::HWPOISON),
            is_zero: has(bit::ZERO_PAGE),
        }
    }
}

/// Numbers of eight bytes from a file that has one for each frame.
fn words(file: &File, path: &str, first: u64, count: usize) -> Result<Vec<u64>> {
    let invalid = || {
        Error::new(ErrorKind::InvalidRange, OPERATION, format!("frame {first:#x}"))
            .detail("no machine has so many")
    };
    let offset = first.checked_mul(8).ok_or_else(invalid)?;
    let mut bytes = vec![0; count.checked_mul(8).ok_or_else(invalid)?];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) => return Err(failed(path, &error)),
        }
    }
    let words = bytes[..read].chunks_exact(8);
    Ok(words.map(|word| u64::from_ne_bytes(word.try_into().expect("chunks of 8"))).collect())
}

const OPERATION: &str = "read the frames";

fn failed(path: &str, error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ENOENT) => Error::new(ErrorKind::Unsupported, OPERATION, path)
            .detail("it does not exist")
            .advice("use a kernel with CONFIG_PROC_PAGE_MONITOR"),
        Some(libc::EACCES | libc::EPERM) => {
            Error::os(OPERATION, path, error).advice("run as root, outside of a container")
        }
        _ => Error::os(OPERATION, path, error),
    }
}
