//! The space that a file takes: made longer, filled, punched (ftruncate(2), fallocate(2)).
//!
//! Nothing here is cut by accident: [`extend`] only makes a file longer, and on failure it is as
//! long as before. Two processes that change the length of one file at the same time have to agree
//! on it between themselves, with flock(2) say.

use core::ops::Range;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;

use crate::error::{Error, Result};
use crate::sys::{self, Errno};
use crate::{Backing, Protection, Sharing};
use crate::{ErrorKind, region::Region};

/// Bytes of zeros written at a time where the file system has no fallocate(2).
const BLOCK: u64 = 256 << 10;

/// The length of a file now.
pub(crate) fn len(file: &File) -> Result<u64, Errno> {
    rustix::fs::fstat(file).map(|stat| stat.st_size as u64)
}

pub(crate) fn truncate(file: &File, len: u64) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::ftruncate(file, len))
}

/// Makes a file at least `to` bytes long. Unless `sparse`, every block from the one at `from` on is
/// allocated, so that a store to it needs no more space.
pub(crate) fn extend(file: &File, from: u64, to: u64, sparse: bool) -> Result<(), Errno> {
    // Beyond the limit the kernel sends SIGXFSZ besides failing (getrlimit(2)).
    if to > sys::file_size_limit() {
        return Err(Errno::FBIG);
    }
    let before = len(file)?;
    let result = match sparse {
        true if before < to => truncate(file, to),
        true => Ok(()),
        false => match allocate(file, from..to, FallocateFlags::empty()) {
            Err(Errno::OPNOTSUPP) => write_zeros(file, before..to),
            other => other,
        },
    };
    if result.is_err() && len(file).is_ok_and(|now| now > before) {
        // Part of the way: some file systems stop where the space ends.
        let _ = truncate(file, before);
    }
    result
}

fn allocate(file: &File, range: Range<u64>, flags: FallocateFlags) -> Result<(), Errno> {
    if range.is_empty() {
        return Ok(());
    }
    rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, flags, range.start, range.end - range.start)
    })
}

/// For a file system without fallocate(2). Only bytes behind the end of the file are written.
fn write_zeros(file: &File, range: Range<u64>) -> Result<(), Errno> {
    let zeros = vec![0; BLOCK.min(range.end.saturating_sub(range.start)) as usize];
    let mut at = range.start;
    while at < range.end {
        let count = BLOCK.min(range.end - at) as usize;
        file.write_all_at(&zeros[..count], at)
            .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
        at += count as u64;
    }
    Ok(())
}

/// The error of making a file longer, or of filling its holes, with the way out.
pub(crate) fn explain(
    operation: &'static str,
    backing: &Backing,
    range: Range<u64>,
    errno: Errno,
) -> Error {
    Error::os(operation, backing, errno)
        .range(range)
        .hint_for(libc::ENOSPC, "free space on its file system, or put it on a larger one")
        .hint_for(libc::EDQUOT, "the quota is used up: free space or have it raised (quota(1))")
        .hint_for(
            libc::EFBIG,
            "its file system, or the limit of file sizes (ulimit -f), has no file that long",
        )
        .hint_for(
            libc::EPERM,
            "a seal (F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE) or a file attribute (chattr(1)) \
             forbids it",
        )
        .hint_for(libc::EOPNOTSUPP, "its file system has no fallocate(2) of this kind")
}

impl Region {
    /// Gives the space of a range back to the file system; its bytes become zeros for everybody.
    pub(crate) fn punch_hole(&self, range: Range<usize>) -> Result<()> {
        const PUNCH: &str = "punch a hole into";
        let shared = self.sharing == Sharing::Shared && self.backing.inode().is_some();
        if !(shared && self.protection().contains(Protection::WRITE)) {
            let reason = "a hole is punched through a shared, writable mapping of a file";
            return Err(Error::kind_of(PUNCH, &self.backing, ErrorKind::Invalid, reason));
        }
        let range = self.offset + range.start as u64..self.offset + range.end as u64;
        let file = match &self.file {
            Some(file) => file.try_clone().ok(),
            None => self.writable_witness(),
        };
        let Some(file) = file else {
            let reason = "the file can no longer be found";
            return Err(Error::kind_of(PUNCH, &self.backing, ErrorKind::Unsupported, reason)
                .hint("map it with keep_file"));
        };
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        allocate(&file, range.clone(), flags)
            .map_err(|errno| explain(PUNCH, &self.backing, range, errno))
    }

    /// Fills the holes of a range, so that stores to it need no more space. No byte changes.
    pub(crate) fn fill_holes(&self, file: &File, range: Range<usize>) -> Result<()> {
        let range = self.offset + range.start as u64..self.offset + range.end as u64;
        allocate(file, range.clone(), FallocateFlags::KEEP_SIZE)
            .map_err(|errno| explain("allocate space for", &self.backing, range, errno))
    }
}
