//! Extents: where on its disk a file lies (FIEMAP).
//!
//! Structures follow include/uapi/linux/fiemap.h.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

/// Extents asked for at a time.
const COUNT: usize = 64;

/// `struct fiemap_extent`, 56 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap`, 32 bytes, with its extents behind it.
#[repr(C)]
struct Question {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [Extent; COUNT],
}

const _: () = assert!(size_of::<Extent>() == 56);
const _: () = assert!(size_of::<Question>() == 32 + COUNT * 56);

/// `_IOWR('f', 11, struct fiemap)`
const FIEMAP: u64 = 3 << 30 | 32 << 16 | (b'f' as u64) << 8 | 11;

/// The places on the disk of the first extents of a range of a file, by their offsets in the file.
///
/// Empty where the file system does not tell, or there is nothing on the disk.
pub(super) fn of(file: BorrowedFd<'_>, start: u64, length: u64) -> Vec<(u64, u64)> {
    let mut question = Question {
        start,
        length,
        flags: 0,
        mapped_extents: 0,
        extent_count: COUNT as u32,
        reserved: 0,
        extents: [Extent::default(); COUNT],
    };
    // SAFETY: the kernel reads the 32 bytes of `struct fiemap` at the address of a local that begins
    // with it, and writes no more than `extent_count` extents of 56 bytes behind it, which the local
    // has (Documentation/filesystems/fiemap.rst). Nothing else borrows it. A file system without the
    // call answers EOPNOTSUPP, and other descriptors ENOTTY: the number belongs to files ('f', 11).
    let status = unsafe { libc::ioctl(file.as_raw_fd(), FIEMAP as _, &raw mut question) };
    let count = if status < 0 { 0 } else { question.mapped_extents as usize };
    let extents = question.extents.iter().take(count);
    extents.map(|extent| (extent.logical, extent.physical)).collect()
}

/// The place of an offset: behind the last extent that begins before it.
pub(super) fn place(extents: &[(u64, u64)], offset: u64) -> Option<u64> {
    let index = extents.partition_point(|&(logical, _)| logical <= offset);
    let (logical, physical) = *extents.get(index.checked_sub(1)?)?;
    Some(physical.saturating_add(offset - logical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_extent_before_it() {
        let extents = [(4096, 70_000), (1 << 20, 10_000)];
        for (offset, found) in [
            (0, None),
            (4096, Some(70_000)),
            (8192, Some(74_096)),
            (1 << 20, Some(10_000)),
            ((1 << 20) + 1, Some(10_001)),
        ] {
            assert_eq!(place(&extents, offset), found);
        }
        assert_eq!(place(&[], 5), None);
    }
}
