//! How much of a file the kernel keeps in memory, without saying which pages.
//!
//! ```
//! use std::io::Write;
//! use folio_stat::CacheCounts;
//!
//! let mut file = tempfile::tempfile()?;
//! file.write_all(&[1; 3 * 4096])?;
//! let counts = CacheCounts::of(&file, ..)?;
//! assert_eq!((counts.pages, counts.resident_pages), (3, 3));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! One cachestat(2), which takes time for the pages that are there and none for the rest: for many
//! files, or large ones. [`PageCache`] says which pages they are too, and is what an older kernel's
//! counts are taken from.

use std::ops::RangeBounds;
use std::os::fd::AsFd;

use rustix::fs::FileType;

use crate::error::Result;
use crate::page_cache::{PageCache, Part, cachestat, failed, size_of_kind};

/// Counts of the page cache of a file, as [`PageCache`] has them.
///
/// Taken while others may read and write the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CacheCounts {
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
    pub dirty_pages: Option<u64>,
    /// Pages that are being written back.
    pub writeback_pages: Option<u64>,
    /// Pages that were in the page cache and were evicted for want of memory.
    pub evicted_pages: Option<u64>,
    /// Evicted pages that would still be there with a little more memory.
    pub recently_evicted_pages: Option<u64>,
}

impl CacheCounts {
    /// Counts in a range of a file, in bytes; `..` is all of it.
    ///
    /// The descriptor must be open for reading, on a regular file or a block device.
    ///
    /// # Errors
    /// As [`PageCache::of`].
    pub fn of(file: impl AsFd, range: impl RangeBounds<u64>) -> Result<Self> {
        let file = file.as_fd();
        let stat = rustix::fs::fstat(file).map_err(|errno| failed(&errno.into()))?;
        let size_bytes = size_of_kind(file, &stat)?;
        let part = Part::of(range, size_bytes)?;
        // A regular file without bytes has no pages either, whoever asks.
        let is_empty =
            part.pages == 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let stat = match is_empty {
            true => Some(Default::default()),
            // What the kernel does not tell everyone is found out, and said, by the other way.
            false => cachestat(file, part.offset_bytes, part.pages * part.page_bytes())?,
        };
        match stat {
            Some(stat) => Ok(Self {
                offset_bytes: part.offset_bytes,
                length_bytes: part.length_bytes,
                page_size_bytes: part.page_size_bytes,
                pages: part.pages,
                resident_pages: stat.cache.min(part.pages),
                dirty_pages: Some(stat.dirty),
                writeback_pages: Some(stat.writeback),
                evicted_pages: Some(stat.evicted),
                recently_evicted_pages: Some(stat.recently_evicted),
            }),
            None => {
                let end = part.offset_bytes + part.length_bytes;
                PageCache::of(file, part.offset_bytes..end).map(|cache| Self::from(&cache))
            }
        }
    }
}

impl From<&PageCache> for CacheCounts {
    fn from(cache: &PageCache) -> Self {
        Self {
            offset_bytes: cache.offset_bytes,
            length_bytes: cache.length_bytes,
            page_size_bytes: cache.page_size_bytes,
            pages: cache.pages,
            resident_pages: cache.resident_pages,
            dirty_pages: cache.dirty_pages,
            writeback_pages: cache.writeback_pages,
            evicted_pages: cache.evicted_pages,
            recently_evicted_pages: cache.recently_evicted_pages,
        }
    }
}
