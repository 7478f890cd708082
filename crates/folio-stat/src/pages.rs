//! How the pages of a range are, counted from the page tables alone.
//!
//! Quicker than [`Costs`](crate::Costs), because it looks at nothing outside the range, and exact
//! for any range; but it cannot tell clean from dirty, nor how many others share a page.
//!
//! ```
//! use folio_stat::Process;
//!
//! let bytes = vec![1u8; 64 << 10];
//! let address = bytes.as_ptr() as usize;
//! let pages = Process::current()?.pages(address..address + bytes.len())?;
//! assert!(pages.resident_bytes >= 64 << 10);
//! assert_eq!(pages.resident_bytes, pages.shared_bytes + pages.private_bytes);
//! # Ok::<(), folio_stat::Error>(())
//! ```

use crate::scan::Tally;
use crate::span::Span;

/// Bytes of a range of addresses, by the state of their pages.
///
/// Figures come from PAGEMAP_SCAN (Linux 6.7) and from bit 56 of the entries of
/// `/proc/PID/pagemap`, "exclusively mapped". With [`Via::Text`](crate::Via::Text) all come from
/// the entries, which lack some: those are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Pages {
    /// The first address counted: the one asked for, rounded down to a page.
    pub address: usize,
    /// The length counted, rounded up to whole pages.
    pub length_bytes: usize,
    /// Pages in memory, hugetlb pages included. Zero pages are left out if `zero_bytes` is known.
    pub resident_bytes: usize,
    /// Resident pages of a file or of shared memory.
    pub file_bytes: usize,
    /// Resident pages that are copies of this process or anonymous memory.
    pub anonymous_bytes: usize,
    /// Resident pages mapped more than once, by any processes.
    pub shared_bytes: usize,
    /// Resident pages that this process alone maps, once.
    pub private_bytes: usize,
    /// Pages moved out to swap. Shared memory that was moved out before this process touched it
    /// is not seen here; poisoned pages are.
    pub swapped_bytes: usize,
    /// Where anonymous memory was only read: the kernel's one page of zeros.
    pub zero_bytes: Option<usize>,
    /// Resident pages mapped as huge pages, transparent or hugetlb.
    pub huge_bytes: Option<usize>,
    /// Resident pages not write-protected by userfaultfd(2): in a range that is registered with
    /// `UFFD_FEATURE_WP_ASYNC`, those written since they were last write-protected; elsewhere
    /// all.
    pub written_bytes: Option<usize>,
    /// Guard pages of `MADV_GUARD_INSTALL` (Linux 6.15).
    pub guard_bytes: Option<usize>,
}

impl Pages {
    pub(crate) fn new(span: Span, tally: &Tally) -> Self {
        Self {
            address: span.start(),
            length_bytes: span.length(),
            resident_bytes: tally.resident,
            file_bytes: tally.file,
            anonymous_bytes: tally.resident - tally.file,
            shared_bytes: tally.resident.saturating_sub(tally.exclusive),
            private_bytes: tally.exclusive,
            swapped_bytes: tally.swapped,
            zero_bytes: tally.zero,
            huge_bytes: tally.huge,
            written_bytes: tally.written,
            guard_bytes: tally.guard,
        }
    }
}
