//! A checked range of addresses: all arithmetic on addresses is done here.
//!
//! Invariants: `start <= end`; a span made by [`Span::of_pages`] starts and ends on a page
//! boundary. Nothing here wraps around: what would overflow is an error.

use std::ops::Range;

use crate::{Error, ErrorKind, Result};

/// `start..end` in bytes, `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// `start..end`, or `None` when it ends before it starts.
    pub(crate) fn new(start: usize, end: usize) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The whole pages that `range` touches.
    pub(crate) fn of_pages(
        range: &Range<usize>,
        page_bytes: usize,
        operation: &'static str,
    ) -> Result<Self> {
        let start = range.start - range.start % page_bytes;
        range
            .end
            .checked_next_multiple_of(page_bytes)
            .filter(|_| range.start <= range.end)
            .and_then(|end| match range.is_empty() {
                true => Self::new(start, start),
                false => Self::new(start, end),
            })
            .ok_or_else(|| {
                let detail = "the range ends before it starts or leaves the address space";
                Self::invalid(range, operation, detail)
            })
    }

    /// What is wrong with a range.
    pub(crate) fn invalid(range: &Range<usize>, operation: &'static str, detail: &str) -> Error {
        let thing = format!("addresses {:#x}..{:#x}", range.start, range.end);
        Error::new(ErrorKind::InvalidRange, operation, thing).detail(detail)
    }

    pub(crate) fn start(self) -> usize {
        self.start
    }

    pub(crate) fn end(self) -> usize {
        self.end
    }

    pub(crate) fn length(self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part both have, `None` when it is empty.
    pub(crate) fn intersect(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// Cuts into pieces of at most `length` bytes.
    pub(crate) fn pieces(self, length: usize) -> impl Iterator<Item = Self> {
        let mut start = self.start;
        std::iter::from_fn(move || {
            let piece = Self { start, end: self.end.min(start.saturating_add(length)) };
            start = piece.end;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: Range<usize>) -> Result<(usize, usize)> {
        Span::of_pages(&range, 4096, "read costs").map(|s| (s.start(), s.end()))
    }

    #[test]
    fn a_range_grows_to_whole_pages() {
        assert_eq!(of(1..2).unwrap(), (0, 4096));
        assert_eq!(of(4096..8192).unwrap(), (4096, 8192));
        assert_eq!(of(4095..4097).unwrap(), (0, 8192));
    }

    #[test]
    fn an_empty_range_stays_empty() {
        assert_eq!(of(5..5).unwrap(), (0, 0));
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn a_range_that_overflows_or_is_reversed_is_an_error() {
        assert_eq!(of(0..usize::MAX).unwrap_err().kind(), ErrorKind::InvalidRange);
        assert_eq!(of(9..8).unwrap_err().kind(), ErrorKind::InvalidRange);
    }

    #[test]
    fn spans_that_only_touch_do_not_intersect() {
        let a = Span::new(0, 10).unwrap();
        assert_eq!(a.intersect(Span::new(10, 20).unwrap()), None);
        assert_eq!(a.intersect(Span::new(9, 20).unwrap()), Span::new(9, 10));
    }

    #[test]
    fn pieces_cover_a_span_up_to_the_last_address() {
        let span = Span::new(usize::MAX - 10, usize::MAX).unwrap();
        let lengths: Vec<_> = span.pieces(4).map(Span::length).collect();
        assert_eq!(lengths, [4, 4, 2]);
    }
}
