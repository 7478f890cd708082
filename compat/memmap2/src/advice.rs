//! Advice: what a program tells the kernel about its use of a map (madvise(2)).
#![allow(unsafe_code)]

/// Advice that a program may give while it holds slices of a map.
///
/// Given with `advise` and `advise_range` of [`Mmap`](crate::Mmap), [`MmapMut`](crate::MmapMut) and
/// [`MmapRaw`](crate::MmapRaw). Each is the constant of madvise(2) that it is named after.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Advice {
    /// MADV_NORMAL: no particular use; the default.
    Normal = libc::MADV_NORMAL,
    /// MADV_RANDOM: random access, so that reading ahead is of no use.
    Random = libc::MADV_RANDOM,
    /// MADV_SEQUENTIAL: access in ascending order, so that much is read ahead and pages may go soon
    /// after they were used.
    Sequential = libc::MADV_SEQUENTIAL,
    /// MADV_WILLNEED: needed soon, so that reading may start now.
    WillNeed = libc::MADV_WILLNEED,
    /// MADV_DONTFORK: forked children do not get these pages.
    DontFork = libc::MADV_DONTFORK,
    /// MADV_DOFORK: they do; undoes [`DontFork`](Self::DontFork).
    DoFork = libc::MADV_DOFORK,
    /// MADV_MERGEABLE: pages of equal content may be shared (KSM). For private anonymous memory;
    /// needs CONFIG_KSM.
    Mergeable = libc::MADV_MERGEABLE,
    /// MADV_UNMERGEABLE: undoes [`Mergeable`](Self::Mergeable).
    Unmergeable = libc::MADV_UNMERGEABLE,
    /// MADV_HUGEPAGE: use transparent huge pages where addresses and lengths allow.
    HugePage = libc::MADV_HUGEPAGE,
    /// MADV_NOHUGEPAGE: use base pages only.
    NoHugePage = libc::MADV_NOHUGEPAGE,
    /// MADV_DONTDUMP: leave out of core dumps.
    DontDump = libc::MADV_DONTDUMP,
    /// MADV_DODUMP: undoes [`DontDump`](Self::DontDump).
    DoDump = libc::MADV_DODUMP,
    /// MADV_HWPOISON: treat the pages as broken memory. Needs root and CONFIG_MEMORY_FAILURE; for
    /// tests of how a program bears that.
    HwPoison = libc::MADV_HWPOISON,
    /// MADV_POPULATE_READ (Linux 5.14): bring the pages into memory for reading. A page that cannot
    /// be had is an error (EFAULT) here, and no fault.
    PopulateRead = libc::MADV_POPULATE_READ,
    /// MADV_POPULATE_WRITE (Linux 5.14): the same for writing; private pages are copied, and holes
    /// of a shared file get blocks.
    PopulateWrite = libc::MADV_POPULATE_WRITE,
}

/// Advice that changes what the bytes of a map read as, so that whoever gives it has to know of
/// every slice.
///
/// Given with `unchecked_advise` and `unchecked_advise_range` of [`Mmap`](crate::Mmap),
/// [`MmapMut`](crate::MmapMut) and [`MmapRaw`](crate::MmapRaw).
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum UncheckedAdvice {
    /// MADV_DONTNEED: drop the pages now. A shared map reads its file anew, a private one forgets
    /// its changes, and anonymous memory reads as zeros.
    ///
    /// # Safety
    /// To a slice of the map this is a write by somebody else.
    DontNeed = libc::MADV_DONTNEED,
    /// MADV_FREE: the kernel may drop the pages at any time until they are written; then they read
    /// as zeros. For private anonymous memory.
    ///
    /// # Safety
    /// To a slice of the map this is a write by somebody else, at any time until the next write.
    Free = libc::MADV_FREE,
    /// MADV_REMOVE: punch a hole into the file behind the pages. For shared writable maps.
    ///
    /// # Safety
    /// To a slice of the map this is a write by somebody else.
    Remove = libc::MADV_REMOVE,
}

impl Advice {
    /// Whether the running kernel knows this advice.
    ///
    /// ```
    /// assert!(memmap2::Advice::Sequential.is_supported());
    /// ```
    pub fn is_supported(self) -> bool {
        is_supported(self as libc::c_int)
    }
}

impl UncheckedAdvice {
    /// Whether the running kernel knows this advice.
    ///
    /// ```
    /// assert!(memmap2::UncheckedAdvice::DontNeed.is_supported());
    /// ```
    pub fn is_supported(self) -> bool {
        is_supported(self as libc::c_int)
    }
}

fn is_supported(advice: libc::c_int) -> bool {
    // SAFETY: with a length of 0 the kernel looks at the advice alone and touches no page
    // (madvise(2), NOTES).
    unsafe { libc::madvise(std::ptr::null_mut(), 0, advice) == 0 }
}
