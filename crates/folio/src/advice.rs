//! Advice: what a program tells the kernel about its use of a range (madvise(2)).
//!
//! Two kinds: [`Advice`] changes when and how pages are loaded and kept, never what the bytes are;
//! [`Discard`] changes the bytes, and therefore needs the mapping exclusively.

/// Advice that leaves the bytes as they are. Given with [`Mapping::advise`](crate::Mapping::advise)
/// to whole pages around a range.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// No particular use: the default read-ahead.
    Normal,
    /// Random access: no read-ahead.
    Random,
    /// Sequential access: much read-ahead, and pages may be dropped soon after.
    Sequential,
    /// Needed soon: start reading now.
    WillNeed,
    /// Not needed soon: first candidates for eviction (MADV_COLD).
    Cold,
    /// Not needed for long: evict now (MADV_PAGEOUT).
    PageOut,
    /// Bring into memory for reading; an error tells of pages that cannot be had.
    PopulateRead,
    /// Bring into memory for writing: private pages are copied, holes allocated.
    PopulateWrite,
    /// Use transparent huge pages (MADV_HUGEPAGE).
    HugePages,
    /// Use base pages only (MADV_NOHUGEPAGE).
    NoHugePages,
    /// Make transparent huge pages now, whatever the system's setting (MADV_COLLAPSE, Linux 6.1).
    Collapse,
    /// Share pages of equal content with others (MADV_MERGEABLE, KSM). For anonymous memory.
    Mergeable,
    /// Undo [`Mergeable`](Self::Mergeable).
    Unmergeable,
    /// Leave out of core dumps.
    DontDump,
    /// Undo [`DontDump`](Self::DontDump).
    DoDump,
    /// Move the content off the physical pages, and take these out of use (MADV_SOFT_OFFLINE).
    /// Needs root; for testing.
    SoftOffline,
}

impl Advice {
    /// Every advice, for tables and tests.
    pub const ALL: [Self; 16] = [
        Self::Normal,
        Self::Random,
        Self::Sequential,
        Self::WillNeed,
        Self::Cold,
        Self::PageOut,
        Self::PopulateRead,
        Self::PopulateWrite,
        Self::HugePages,
        Self::NoHugePages,
        Self::Collapse,
        Self::Mergeable,
        Self::Unmergeable,
        Self::DontDump,
        Self::DoDump,
        Self::SoftOffline,
    ];

    pub(crate) fn raw(self) -> i32 {
        match self {
            Self::Normal => libc::MADV_NORMAL,
            Self::Random => libc::MADV_RANDOM,
            Self::Sequential => libc::MADV_SEQUENTIAL,
            Self::WillNeed => libc::MADV_WILLNEED,
            Self::Cold => libc::MADV_COLD,
            Self::PageOut => libc::MADV_PAGEOUT,
            Self::PopulateRead => libc::MADV_POPULATE_READ,
            Self::PopulateWrite => libc::MADV_POPULATE_WRITE,
            Self::HugePages => libc::MADV_HUGEPAGE,
            Self::NoHugePages => libc::MADV_NOHUGEPAGE,
            Self::Collapse => crate::sys::MADV_COLLAPSE,
            Self::Mergeable => libc::MADV_MERGEABLE,
            Self::Unmergeable => libc::MADV_UNMERGEABLE,
            Self::DontDump => libc::MADV_DONTDUMP,
            Self::DoDump => libc::MADV_DODUMP,
            Self::SoftOffline => libc::MADV_SOFT_OFFLINE,
        }
    }
}

/// Advice that changes bytes. Given with [`Mapping::discard`](crate::Mapping::discard) to the whole
/// pages inside a range.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Drop the pages now (MADV_DONTNEED): private anonymous memory reads as zeros, private changes
    /// to a file are forgotten, a shared mapping reads its backing anew.
    Now,
    /// The same for locked pages too (MADV_DONTNEED_LOCKED, Linux 5.18).
    NowLocked,
    /// Drop the pages when memory is short, unless they are written before (MADV_FREE): each reads
    /// as before until, at some time, it reads as zeros. For private anonymous memory.
    Lazily,
    /// Punch a hole into the backing (MADV_REMOVE): it gives the space back and reads as zeros, for
    /// everybody. For shared writable mappings of files and memory.
    Hole,
    /// Break the memory, as far as the kernel is concerned (MADV_HWPOISON): touching it is a fault
    /// of kind [`Poison`](crate::FaultKind::Poison). Needs root and CONFIG_MEMORY_FAILURE; for
    /// testing.
    Poison,
    /// Drop the pages and put guards in their place (MADV_GUARD_INSTALL, Linux 6.13): touching one
    /// is a fault of kind [`Protection`](crate::FaultKind::Protection).
    Guard,
    /// Take guards away again (MADV_GUARD_REMOVE); zeros or the backing appear.
    Unguard,
}

impl Discard {
    pub(crate) fn raw(self) -> i32 {
        match self {
            Self::Now => libc::MADV_DONTNEED,
            Self::NowLocked => libc::MADV_DONTNEED_LOCKED,
            Self::Lazily => libc::MADV_FREE,
            Self::Hole => libc::MADV_REMOVE,
            Self::Poison => libc::MADV_HWPOISON,
            Self::Guard => crate::sys::MADV_GUARD_INSTALL,
            Self::Unguard => crate::sys::MADV_GUARD_REMOVE,
        }
    }
}
