//! The page tables of a process, page by page: PAGEMAP_SCAN, or reading `/proc/PID/pagemap`.
//!
//! Both visit runs of pages of a [`Span`] in order. PAGEMAP_SCAN (Linux 6.7) skips what is empty
//! in no time and knows zero pages and huge pages, but not who else maps a page; the entries of
//! pagemap know that. See Documentation/admin-guide/mm/pagemap.rst.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use crate::span::Span;
use crate::sys::{self, PageRegion};

/// What the kernel says of a page, as bits of `struct page_region`.
pub(crate) mod category {
    pub(crate) const WRITTEN: u64 = 1 << 1;
    pub(crate) const FILE: u64 = 1 << 2;
    pub(crate) const PRESENT: u64 = 1 << 3;
    pub(crate) const SWAPPED: u64 = 1 << 4;
    pub(crate) const ZERO: u64 = 1 << 5;
    pub(crate) const HUGE: u64 = 1 << 6;
    /// Linux 6.15
    pub(crate) const GUARD: u64 = 1 << 8;
}
use category::*;

/// Entries of pagemap, `PM_MMAP_EXCLUSIVE` and so on. The frame is 0 for whom it is not to be known.
pub(crate) const ENTRY_FRAME: u64 = (1 << 55) - 1;
pub(crate) const ENTRY_EXCLUSIVE: u64 = 1 << 56;
/// Linux 6.15; such a page is marked as swapped too.
pub(crate) const ENTRY_GUARD: u64 = 1 << 58;
pub(crate) const ENTRY_FILE: u64 = 1 << 61;
pub(crate) const ENTRY_SWAPPED: u64 = 1 << 62;
pub(crate) const ENTRY_PRESENT: u64 = 1 << 63;

/// How many entries of pagemap are read at a time.
const ENTRIES_AT_ONCE: usize = 8192;

/// Bytes of a range by the state of their pages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Pages in memory, zero pages not counted where they can be told apart.
    pub(crate) resident: usize,
    /// Resident pages of a file or of shared memory.
    pub(crate) file: usize,
    /// Resident pages that this process alone maps, once.
    pub(crate) exclusive: usize,
    pub(crate) swapped: usize,
    /// Pages that reading pagemap cannot tell apart: zero pages, or anonymous pages that
    /// another process maps too. Counted as resident.
    pub(crate) zero_or_shared: usize,
    /// `None` where the kernel did not tell.
    pub(crate) zero: Option<usize>,
    pub(crate) huge: Option<usize>,
    pub(crate) written: Option<usize>,
    pub(crate) guard: Option<usize>,
}

impl Tally {
    /// Adds what reading another span counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.resident += other.resident;
        self.file += other.file;
        self.exclusive += other.exclusive;
        self.swapped += other.swapped;
        self.zero_or_shared += other.zero_or_shared;
    }
}

/// Visits the runs of present, swapped and guard pages of `span`. Returns whether the kernel
/// knows guard pages.
pub(crate) fn scan(
    pagemap: &File,
    span: Span,
    mut visit: impl FnMut(Span, u64) -> io::Result<()>,
) -> io::Result<bool> {
    let mut regions = [PageRegion::default(); 512];
    let mut sought = PRESENT | SWAPPED | GUARD;
    let mut start = span.start() as u64;
    while start < span.end() as u64 {
        let reported = sought | WRITTEN | FILE | ZERO | HUGE;
        let bounds = (start, span.end() as u64);
        let found = sys::pagemap_scan(pagemap.as_fd(), bounds, sought, reported, &mut regions);
        let (count, walk_end) = match found {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && sought & GUARD != 0 => {
                sought &= !GUARD;
                continue;
            }
            found => found?,
        };
        for region in &regions[..count] {
            let run = Span::new(region.start as usize, region.end as usize)
                .and_then(|run| run.intersect(span));
            if let Some(run) = run {
                visit(run, region.categories)?;
            }
        }
        if walk_end <= start {
            break;
        }
        start = walk_end;
    }
    Ok(sought & GUARD != 0)
}

/// Visits every entry of pagemap in `span`.
pub(crate) fn entries(
    pagemap: &File,
    span: Span,
    page_bytes: usize,
    mut visit: impl FnMut(Span, u64),
) -> io::Result<()> {
    let mut buffer = vec![0; span.length().div_ceil(page_bytes).min(ENTRIES_AT_ONCE) * 8];
    for piece in span.pieces(ENTRIES_AT_ONCE * page_bytes) {
        let bytes = &mut buffer[..piece.length() / page_bytes * 8];
        let offset = (piece.start() / page_bytes) as u64 * 8;
        pagemap.read_exact_at(bytes, offset)?;
        for (page, entry) in piece.pieces(page_bytes).zip(bytes.chunks_exact(8)) {
            visit(page, u64::from_ne_bytes(entry.try_into().expect("chunks of 8")));
        }
    }
    Ok(())
}

/// Visits the pages of `span` that are in memory, zero pages left out where they can be told.
pub(crate) fn resident_by_scan(
    pagemap: &File,
    span: Span,
    mut visit: impl FnMut(Span),
) -> io::Result<()> {
    scan(pagemap, span, |run, categories| {
        if categories & PRESENT != 0 && categories & ZERO == 0 {
            visit(run);
        }
        Ok(())
    })?;
    Ok(())
}

/// As [`resident_by_scan`], but zero pages are visited too.
pub(crate) fn resident_by_entries(
    pagemap: &File,
    span: Span,
    page_bytes: usize,
    mut visit: impl FnMut(Span),
) -> io::Result<()> {
    entries(pagemap, span, page_bytes, |page, entry| {
        if entry & ENTRY_PRESENT != 0 {
            visit(page);
        }
    })
}

/// Counts with PAGEMAP_SCAN, and with entries of pagemap for the resident pages only.
pub(crate) fn tally_by_scan(pagemap: &File, span: Span, page_bytes: usize) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let [mut zero, mut huge, mut written, mut guard] = [0; 4];
    let knows_guards = scan(pagemap, span, |run, categories| {
        let has = |category| categories & category != 0;
        let bytes = run.length();
        match () {
            () if has(GUARD) => guard += bytes,
            () if has(SWAPPED) => tally.swapped += bytes,
            () if has(ZERO) => zero += bytes,
            () if has(PRESENT) => {
                tally.resident += bytes;
                tally.file += if has(FILE) { bytes } else { 0 };
                huge += if has(HUGE) { bytes } else { 0 };
                written += if has(WRITTEN) { bytes } else { 0 };
                entries(pagemap, run, page_bytes, |page, entry| {
                    if entry & ENTRY_EXCLUSIVE != 0 {
                        tally.exclusive += page.length();
                    }
                })?;
            }
            () => {}
        }
        Ok(())
    })?;
    tally.zero = Some(zero);
    tally.huge = Some(huge);
    tally.written = Some(written);
    tally.guard = knows_guards.then_some(guard);
    Ok(tally)
}

/// Counts with entries of pagemap alone.
pub(crate) fn tally_by_entries(pagemap: &File, span: Span, page_bytes: usize) -> io::Result<Tally> {
    let mut tally = Tally::default();
    entries(pagemap, span, page_bytes, |page, entry| {
        let bytes = page.length();
        if entry & ENTRY_PRESENT != 0 {
            tally.resident += bytes;
            match (entry & ENTRY_EXCLUSIVE != 0, entry & ENTRY_FILE != 0) {
                (true, file) => {
                    tally.exclusive += bytes;
                    tally.file += if file { bytes } else { 0 };
                }
                (false, true) => tally.file += bytes,
                (false, false) => tally.zero_or_shared += bytes,
            }
        } else if entry & (ENTRY_SWAPPED | ENTRY_GUARD) == ENTRY_SWAPPED {
            tally.swapped += bytes;
        }
    })?;
    Ok(tally)
}
