//! What the kernel keeps of a file in memory, whoever mapped or read it.
//!
//! ```
//! use std::io::Write;
//! use folio_stat::PageCache;
//!
//! let mut file = tempfile::tempfile()?;
//! file.write_all(&[1; 3 * 4096])?;
//! let cache = PageCache::of(&file, ..)?;
//! assert_eq!((cache.pages, cache.resident_pages), (3, 3));
//! assert_eq!(cache.residency.runs().collect::<Vec<_>>(), [0..3]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The counts are those of cachestat(2) (Linux 6.5), the residency is that of mincore(2) on a
//! mapping that is made for the moment and never touched, so asking changes nothing. The range is
//! gone through in windows of 128 MiB, in holes of more, and a window that cachestat calls empty or
//! full is not looked at any closer: a sparse file of exabytes takes neither long nor much memory.

use std::io;
use std::ops::{Bound, RangeBounds};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Stat};

use crate::error::{Error, ErrorKind, Result};
use crate::residency::{CHUNK_PAGES, Residency};
use crate::sys::{self, CacheStat};

const OPERATION: &str = "read the page cache";
/// `HUGETLBFS_MAGIC` of include/uapi/linux/magic.h
const HUGETLBFS_MAGIC: i64 = 0x958458f6;

/// The part of a file that is in the page cache.
///
/// Invariants: `resident_pages == residency.resident_pages() <= pages == residency.pages()`. The
/// counts are taken one after the other while others may read and write the file, so dirty pages
/// can outnumber resident ones for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PageCache {
    /// Where the range starts in the file, in bytes: what was asked for, rounded down to a page.
    pub offset_bytes: u64,
    /// The length looked at, in bytes: up to the end of the file and no further.
    pub length_bytes: u64,
    /// The size of a page in bytes.
    pub page_size_bytes: usize,
    /// Pages in the range, the last one perhaps partly behind the end of the file.
    pub pages: u64,
    /// Pages in the page cache.
    pub resident_pages: u64,
    /// Pages changed and not yet written back. `None`, as the three below, without cachestat(2).
    ///
    /// File systems without a disk, such as tmpfs, write nothing back and report 0.
    pub dirty_pages: Option<u64>,
    /// Pages that are being written back.
    pub writeback_pages: Option<u64>,
    /// Pages that were in the page cache and were evicted for want of memory. Dropping pages on
    /// request (`POSIX_FADV_DONTNEED`) leaves no trace here.
    pub evicted_pages: Option<u64>,
    /// Evicted pages that would still be there with a little more memory: their next use counts
    /// as a refault.
    pub recently_evicted_pages: Option<u64>,
    /// Which pages are in the page cache, numbered from `offset_bytes`.
    pub residency: Residency,
}

impl PageCache {
    /// Looks at a range of a file, in bytes; `..` is all of it. What lies behind the end of the
    /// file is left out.
    ///
    /// The descriptor must be open for reading, on a regular file or a block device.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::PermissionDenied`] when the file is neither ours nor writable to us: since
    ///   Linux 5.2 the kernel tells only them, lest others spy on a shared file's readers
    ///   (mincore(2) then claims that every page is resident, which is detected here); or when
    ///   the descriptor is not open for reading.
    /// - [`ErrorKind::Unsupported`] for what has no page cache: pipes, character devices,
    ///   directories, hugetlbfs.
    /// - [`ErrorKind::InvalidRange`] when the range ends before it starts.
    pub fn of(file: impl AsFd, range: impl RangeBounds<u64>) -> Result<Self> {
        let file = file.as_fd();
        let stat = rustix::fs::fstat(file).map_err(|errno| failed(&errno.into()))?;
        let size_bytes = size_of_file(file, &stat)?;
        let part = Part::of(range, size_bytes)?;
        let Part { offset_bytes, length_bytes, page_size_bytes, pages } = part;
        let page_bytes = part.page_bytes();
        let mut this = Self {
            offset_bytes,
            length_bytes,
            page_size_bytes,
            pages,
            resident_pages: 0,
            dirty_pages: None,
            writeback_pages: None,
            evicted_pages: None,
            recently_evicted_pages: None,
            residency: Residency::new(page_size_bytes, pages),
        };
        ensure_visible(file, size_bytes, page_size_bytes)?;
        let mut sum = Some(CacheStat::default());
        let mut resident = Vec::new();
        let (mut first, mut window) = (0, CHUNK_PAGES);
        while first < pages {
            let count = window.min(pages - first);
            let offset = offset_bytes + first * page_bytes;
            let stat = sum.map(|_| cachestat(file, offset, count * page_bytes)).transpose()?;
            let cached = stat.flatten().map(|stat| stat.cache);
            // The way through a hole has longer and longer steps, and ends in shorter and shorter ones.
            let is_mixed = cached != Some(0) && cached < Some(count);
            if is_mixed && count > CHUNK_PAGES {
                window = count.next_power_of_two() / 2;
                continue;
            }
            sum = sum.zip(stat.flatten()).map(|(sum, stat)| CacheStat {
                cache: sum.cache + stat.cache,
                dirty: sum.dirty + stat.dirty,
                writeback: sum.writeback + stat.writeback,
                evicted: sum.evicted + stat.evicted,
                recently_evicted: sum.recently_evicted + stat.recently_evicted,
            });
            if cached == Some(0) {
                window = window.saturating_mul(2);
            } else if !is_mixed {
                this.residency.insert(first..first + count);
            } else {
                resident.resize(count as usize, 0);
                sys::mincore_of_file(file, offset, &mut resident)
                    .map_err(|error| failed(&error))?;
                let mut page = first;
                for run in resident.chunk_by(|a, b| a & 1 == b & 1) {
                    let end = page + run.len() as u64;
                    if run[0] & 1 == 1 {
                        this.residency.insert(page..end);
                    }
                    page = end;
                }
            }
            first += count;
        }
        this.resident_pages = this.residency.resident_pages();
        this.dirty_pages = sum.map(|sum| sum.dirty);
        this.writeback_pages = sum.map(|sum| sum.writeback);
        this.evicted_pages = sum.map(|sum| sum.evicted);
        this.recently_evicted_pages = sum.map(|sum| sum.recently_evicted);
        Ok(this)
    }
}

/// The part of a file that a range means: whole pages, up to the end of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) offset_bytes: u64,
    pub(crate) length_bytes: u64,
    pub(crate) page_size_bytes: usize,
    pub(crate) pages: u64,
}

impl Part {
    pub(crate) fn of(range: impl RangeBounds<u64>, size_bytes: u64) -> Result<Self> {
        let page_size_bytes = rustix::param::page_size();
        let page_bytes = page_size_bytes as u64;
        let (start, end) = bounds(range)?;
        let end = end.min(size_bytes);
        let offset_bytes = (start - start % page_bytes).min(end);
        let length_bytes = end - offset_bytes;
        let pages = length_bytes.div_ceil(page_bytes);
        Ok(Self { offset_bytes, length_bytes, page_size_bytes, pages })
    }

    pub(crate) fn page_bytes(&self) -> u64 {
        self.page_size_bytes as u64
    }
}

/// Start and end, the end `u64::MAX` when it is open.
fn bounds(range: impl RangeBounds<u64>) -> Result<(u64, u64)> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(u64::MAX),
    };
    start.zip(end).filter(|(start, end)| start <= end).ok_or_else(|| {
        Error::new(ErrorKind::InvalidRange, OPERATION, "a range of the file")
            .detail("it ends before it starts or overflows")
    })
}

/// The size of what has a page cache, and an error for what has none.
fn size_of_file(file: BorrowedFd<'_>, stat: &Stat) -> Result<u64> {
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        let system = rustix::fs::fstatfs(file).map_err(|errno| failed(&errno.into()))?;
        if system.f_type == HUGETLBFS_MAGIC {
            return Err(unsupported("a file of hugetlbfs")
                .advice("map it and look at the costs of the mapping"));
        }
    }
    size_of_kind(file, stat)
}

/// The same, judged by the kind of file alone: cachestat(2) refuses hugetlbfs.
pub(crate) fn size_of_kind(file: BorrowedFd<'_>, stat: &Stat) -> Result<u64> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat.st_size.unsigned_abs()),
        FileType::BlockDevice => sys::block_device_bytes(file).map_err(|error| failed(&error)),
        FileType::Directory => Err(unsupported("a directory")),
        FileType::CharacterDevice => Err(unsupported("a character device")),
        FileType::Fifo => Err(unsupported("a pipe")),
        FileType::Socket => Err(unsupported("a socket")),
        _ => Err(unsupported("this kind of file")),
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, OPERATION, what)
        .detail("only regular files and block devices have one")
}

/// Fails unless the kernel tells us the truth: a page behind the end of the file cannot be
/// resident, but where we may not know, mincore(2) says it is.
///
/// A page far behind is looked at, so that a file that grows meanwhile does not reach it; the
/// next one if that is farther than the file system allows.
fn ensure_visible(file: BorrowedFd<'_>, size_bytes: u64, page_size_bytes: usize) -> Result<()> {
    let mut behind = [0];
    for distance in [1 << 40, 0] {
        let offset = size_bytes
            .checked_next_multiple_of(page_size_bytes as u64)
            .and_then(|end| end.checked_add(distance));
        let Some(offset) = offset else { continue };
        match sys::mincore_of_file(file, offset, &mut behind) {
            Ok(()) if behind[0] & 1 == 1 => return Err(hidden()),
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EOVERFLOW) => {}
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                return Err(failed(&error).advice("open the file for reading"));
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(())
}

/// `None` where the kernel or the file system has no cachestat(2).
pub(crate) fn cachestat(
    file: BorrowedFd<'_>,
    offset: u64,
    length: u64,
) -> Result<Option<CacheStat>> {
    match sys::cachestat(file, offset, length) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) => match error.raw_os_error() {
            // Container runtimes answer EPERM to what they do not know, and the kernel to whom
            // it does not tell; the latter was found out before.
            Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM) => Ok(None),
            _ => Err(failed(&error)),
        },
    }
}

fn hidden() -> Error {
    Error::os(OPERATION, "the file", &io::Error::from_raw_os_error(libc::EPERM))
        .advice("open it for writing where allowed, or run as its owner or as root (mincore(2))")
}

pub(crate) fn failed(error: &io::Error) -> Error {
    Error::os(OPERATION, "the file", error)
}
