//! Ranges as C gives them: an address and a length.

use core::ops::Range;

const PAGE: usize = 4096;

/// The pages that mmap(2) and its kin mean by an address and a length. None for what they fail with:
/// an address that is not the start of a page, a length of 0, an end beyond the last address.
pub(crate) fn pages(address: usize, len: usize) -> Option<Range<usize>> {
    if address.is_multiple_of(PAGE) && len > 0 { touched(address, len) } else { None }
}

/// The pages that some bytes touch. None if their end lies beyond the last address.
pub(crate) fn touched(address: usize, len: usize) -> Option<Range<usize>> {
    let end = address.checked_add(len)?.checked_next_multiple_of(PAGE)?;
    Some(address - address % PAGE..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_whole_pages_or_none() {
        assert_eq!(pages(4096, 1), Some(4096..8192));
        assert_eq!(pages(4096, 4096), Some(4096..8192));
        assert_eq!(pages(4096, 4097), Some(4096..12288));
        assert_eq!(pages(0, 1), Some(0..4096));
        for (address, len) in [(1, 4096), (4096, 0), (4096, usize::MAX), (usize::MAX - 4095, 1)] {
            assert_eq!(pages(address, len), None, "{address}, {len}");
        }
    }

    #[test]
    fn bytes_touch_the_pages_they_begin_and_end_in() {
        assert_eq!(touched(4097, 1), Some(4096..8192));
        assert_eq!(touched(4095, 2), Some(0..8192));
        assert_eq!(touched(usize::MAX, 1), None);
    }
}
