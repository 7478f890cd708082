//! Ranges of bytes and of pages, and the only place where they are checked.
//!
//! A caller's range counts from the first byte of a mapping that is shown. `resolve` turns it into
//! a checked `Range<usize>`; [`Extent::around`] and [`Extent::inside`] turn that into the pages a
//! system call works on. No arithmetic here can overflow: an [`Extent`] is a range of addresses
//! that is mapped, so every sum of a checked position and its parts stays below `usize::MAX`.
//!
//! ```text
//! start (page-aligned)      start + lead: position 0                 start + lead + len
//! |------- lead ------------|================ shown ==================|.....|  end of last page
//! ```

use core::ops::{Bound, Range, RangeBounds};

/// Turns any range into `start..end` with `start <= end <= len`, or `None` where it does not fit.
pub(crate) fn resolve(range: &impl RangeBounds<usize>, len: usize) -> Option<Range<usize>> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1)?,
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    (start <= end && end <= len).then_some(start..end)
}

/// Whether `count` bytes at `at` lie within `len`.
#[inline]
pub(crate) fn fits(at: usize, count: usize, len: usize) -> bool {
    at <= len && count <= len - at
}

/// Rounds up to a multiple of `unit`, a power of two; `None` on overflow.
pub(crate) fn round_up(value: usize, unit: usize) -> Option<usize> {
    debug_assert!(unit.is_power_of_two());
    Some(value.checked_add(unit - 1)? & !(unit - 1))
}

pub(crate) fn round_down(value: usize, unit: usize) -> usize {
    debug_assert!(unit.is_power_of_two());
    value & !(unit - 1)
}

/// Where a mapping's shown bytes lie among its pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Address of the first page.
    pub(crate) start: usize,
    /// Bytes between the first page's start and the first byte shown.
    pub(crate) lead: usize,
    /// Bytes shown.
    pub(crate) len: usize,
    /// Bytes of a page of this mapping.
    pub(crate) page: usize,
}

/// Whole pages of a mapping, and the part of the shown bytes on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) touched: Range<usize>,
}

impl Extent {
    /// Bytes of whole pages.
    pub(crate) fn span(&self) -> usize {
        if self.len == 0 { 0 } else { (self.lead + self.len).next_multiple_of(self.page) }
    }

    /// The pages on which any byte of `range` lies. `range` must be resolved against `len`.
    pub(crate) fn around(&self, range: Range<usize>) -> Pages {
        debug_assert!(range.end <= self.len);
        if range.is_empty() {
            return self.pages(0, 0);
        }
        let from = round_down(self.lead + range.start, self.page);
        let to = (self.lead + range.end).next_multiple_of(self.page);
        self.pages(from, to)
    }

    /// The pages that lie wholly in `range`. A range that reaches the end of the mapping takes in
    /// the rest of its last page, and one that starts at its beginning the lead: `whole_ends` says
    /// whether nothing there belongs to anybody else.
    pub(crate) fn inside(&self, range: Range<usize>, whole_ends: bool) -> Pages {
        debug_assert!(range.end <= self.len);
        if range.is_empty() {
            return self.pages(0, 0);
        }
        let mut from = (self.lead + range.start).next_multiple_of(self.page);
        let mut to = round_down(self.lead + range.end, self.page);
        if whole_ends {
            if range.start == 0 {
                from = 0;
            }
            if range.end == self.len {
                to = self.span();
            }
        }
        if from < to { self.pages(from, to) } else { self.pages(0, 0) }
    }

    fn pages(&self, from: usize, to: usize) -> Pages {
        let position = |at: usize| at.saturating_sub(self.lead).min(self.len);
        Pages { start: self.start + from, len: to - from, touched: position(from)..position(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: Extent = Extent { start: 0x10000, lead: 100, len: 10_000, page: 4096 };

    #[test]
    fn a_range_outside_the_mapping_does_not_resolve() {
        assert_eq!(resolve(&(..), 10), Some(0..10));
        assert_eq!(resolve(&(10..), 10), Some(10..10));
        assert_eq!(resolve(&(..=9), 10), Some(0..10));
        assert_eq!(resolve(&(..=10), 10), None);
        assert_eq!(resolve(&(11..), 10), None);
        assert_eq!(resolve(&(..=usize::MAX), 10), None);
        assert_eq!(resolve(&(Bound::Excluded(usize::MAX), Bound::Unbounded), 10), None);
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = 5..4;
        assert_eq!(resolve(&(reversed), 10), None);
        assert!(!fits(usize::MAX, 2, 10) && !fits(2, usize::MAX, 10) && fits(10, 0, 10));
    }

    #[test]
    fn pages_around_a_range_cover_it_and_pages_inside_stay_within() {
        let around = SHOWN.around(4000..4001);
        assert_eq!(around, Pages { start: 0x11000, len: 4096, touched: 3996..8092 });
        assert_eq!(SHOWN.inside(4000..4001, true).len, 0);
        assert_eq!(
            SHOWN.inside(0..10_000, false),
            Pages { start: 0x11000, len: 4096, touched: 3996..8092 }
        );
        assert_eq!(
            SHOWN.inside(0..10_000, true),
            Pages { start: 0x10000, len: 0x3000, touched: 0..10_000 }
        );
        assert_eq!(SHOWN.around(10_000..10_000).len, 0);
    }
}
