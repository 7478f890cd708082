//! Residency: which pages of a mapping are in memory, as mincore(2) tells.
//!
//! ```
//! let map = folio::Mapping::options().populate().open("Cargo.toml")?;
//! let residency = map.residency(..)?;
//! assert_eq!(residency.resident_pages(), residency.pages());
//! assert!(residency.is_resident(0));
//! # Ok::<(), folio::Error>(())
//! ```

use core::fmt;
use core::ops::Range;

/// Which pages of a range are in memory. A snapshot: the kernel may change it at any time.
///
/// For a mapping of a file a page counts as resident if it is in the page cache. For a file that
/// the caller neither owns nor may write, the kernel calls every page resident (mincore(2)).
#[derive(Clone, PartialEq, Eq)]
pub struct Residency {
    page_size: usize,
    /// Position of the first page's start; negative where the mapping shows it from later on.
    first: isize,
    /// A byte a page, as mincore(2) writes it.
    pages: Vec<u8>,
}

impl Residency {
    pub(crate) fn new(page_size: usize, first: isize, mut pages: Vec<u8>) -> Self {
        pages.iter_mut().for_each(|page| *page &= 1);
        Self { page_size, first, pages }
    }

    /// Bytes of a page: always base pages, however large the mapping's own are.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// How many pages the range has.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// How many of them are resident.
    pub fn resident_pages(&self) -> usize {
        self.pages.iter().map(|&page| usize::from(page)).sum()
    }

    /// Whether the page of the byte at this position of the mapping is resident. False outside the
    /// range that was asked for.
    pub fn is_resident(&self, position: usize) -> bool {
        let from_first = position.checked_add_signed(self.first.wrapping_neg());
        from_first
            .and_then(|from_first| self.pages.get(from_first / self.page_size))
            .is_some_and(|&page| page == 1)
    }

    /// Each page in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.pages.iter().map(|&page| page == 1)
    }

    /// Runs of resident pages, as ranges of page numbers from the range's first page.
    pub fn runs(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = at + self.pages[at..].iter().position(|&page| page == 1)?;
            let rest = &self.pages[start..];
            let end =
                rest.iter().position(|&page| page == 0).map_or(self.pages.len(), |n| start + n);
            at = end;
            Some(start..end)
        })
    }
}

impl fmt::Debug for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Residency({} of {} pages: ", self.resident_pages(), self.pages())?;
        f.debug_list().entries(self.runs()).finish()?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_positions_agree() {
        let residency = Residency::new(4096, -100, vec![1, 0, 0xff, 1, 0]);
        assert_eq!(residency.runs().collect::<Vec<_>>(), [0..1, 2..4]);
        assert_eq!(residency.resident_pages(), 3);
        assert!(residency.is_resident(0) && residency.is_resident(3995));
        assert!(!residency.is_resident(3996) && residency.is_resident(8192 - 100));
        assert!(!residency.is_resident(5 * 4096) && !residency.is_resident(usize::MAX));
    }
}
