//! One range of addresses that shows a backing, as the kernel keeps it.
//!
//! The kernel joins neighbours that look alike and splits a mapping when a part of it is
//! advised, locked or protected differently, so a mapping that a program made may be a part of
//! one of these, or several.
//!
//! ```
//! use folio_stat::{Process, Sharing};
//!
//! let all = Process::current()?.mappings()?;
//! assert!(all.is_sorted_by_key(|mapping| mapping.address));
//! assert!(all.iter().any(|mapping| mapping.backing.name.as_deref() == Some("[stack]")));
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::ops::Range;

use crate::backing::Backing;
use crate::flag::Flags;
use crate::protection::{Protection, Sharing};
use crate::span::Span;

/// A kernel mapping, or the part of one that lies in a range asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Mapping {
    /// The first address.
    pub address: usize,
    /// Its length in bytes, a multiple of the page size; never 0.
    pub length_bytes: usize,
    /// The page size of the backing in bytes: that of the huge pages for hugetlb, else the base
    /// page size. Transparent huge pages do not show here but in [`Costs`](crate::Costs).
    pub page_size_bytes: usize,
    /// What the program may do with its pages.
    pub protection: Protection,
    /// Whether writes reach the backing.
    pub sharing: Sharing,
    /// Where the bytes come from.
    pub backing: Backing,
    /// The kernel's notes. Only `/proc/PID/smaps` has them: `None` when the mapping was found by
    /// PROCMAP_QUERY.
    pub flags: Option<Flags>,
}

impl Mapping {
    /// The addresses it covers.
    pub fn range(&self) -> Range<usize> {
        self.address..self.address + self.length_bytes
    }

    pub(crate) fn span(&self) -> Span {
        Span::new(self.address, self.address + self.length_bytes)
            .expect("both readers check that a mapping does not end before it starts")
    }

    /// The part of it that covers `part`, which lies inside.
    pub(crate) fn clipped(mut self, part: Span) -> Self {
        self.backing = self.backing.advanced(part.start() - self.address);
        self.address = part.start();
        self.length_bytes = part.length();
        self
    }
}
