//! Which pages of a range are in memory: a bitmap that costs little where all or none are.
//!
//! Pages are numbered from 0 at the start of the range. Bits are kept in chunks of 32,768 pages;
//! a chunk with all of them takes no bitmap and one with none nothing, so a sparse exabyte fits in
//! kilobytes.
//!
//! ```
//! use folio_stat::Residency;
//!
//! let residency = Residency::from_runs(4096, 100, [10..20, 90..100]);
//! assert_eq!(residency.resident_pages(), 20);
//! assert_eq!(residency.runs().collect::<Vec<_>>(), [10..20, 90..100]);
//! assert_eq!(residency.buckets(4), [0.4, 0.0, 0.0, 0.4]);
//! ```
//!
//! Invariants: no bit is set at or past `pages`; `resident` is the number of bits set.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Pages in one chunk: 128 MiB of base pages.
pub(crate) const CHUNK_PAGES: u64 = 1 << 15;

#[derive(Clone, PartialEq, Eq)]
enum Chunk {
    All,
    /// No longer than the chunk's pages need.
    Some(Box<[u64]>),
}

/// Which pages of a range are resident.
///
/// Made by [`Process::residency`](crate::Process::residency) for addresses and by
/// [`PageCache`](crate::PageCache) for files.
#[derive(Clone, PartialEq, Eq)]
pub struct Residency {
    page_size_bytes: usize,
    pages: u64,
    resident: u64,
    /// Those with resident pages, by their numbers.
    chunks: BTreeMap<u64, Chunk>,
}

impl Residency {
    /// `pages` pages of `page_size_bytes` bytes, none of them resident.
    pub fn new(page_size_bytes: usize, pages: u64) -> Self {
        Self { page_size_bytes, pages, resident: 0, chunks: BTreeMap::new() }
    }

    /// `pages` pages of which those in `runs` are resident; what lies past the end is ignored.
    pub fn from_runs(
        page_size_bytes: usize,
        pages: u64,
        runs: impl IntoIterator<Item = Range<u64>>,
    ) -> Self {
        let mut this = Self::new(page_size_bytes, pages);
        for run in runs {
            this.insert(run);
        }
        this
    }

    /// Marks a run of pages as resident; what lies past the end is ignored.
    pub(crate) fn insert(&mut self, run: Range<u64>) {
        let mut page = run.start;
        let end = run.end.min(self.pages);
        while page < end {
            let index = page / CHUNK_PAGES;
            let chunk_start = index * CHUNK_PAGES;
            let chunk_pages = CHUNK_PAGES.min(self.pages - chunk_start);
            let stop = end.min(chunk_start + chunk_pages);
            let chunk = self.chunks.entry(index).or_insert_with(|| {
                let words = chunk_pages.div_ceil(64) as usize;
                Chunk::Some(vec![0; words].into_boxed_slice())
            });
            if stop - page == chunk_pages {
                let before = chunk.count(chunk_pages);
                *chunk = Chunk::All;
                self.resident += chunk_pages - before;
            } else if let Chunk::Some(words) = chunk {
                let (from, to) = (page - chunk_start, stop - chunk_start);
                self.resident += set_bits(words, from, to);
                if words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() == chunk_pages
                {
                    *chunk = Chunk::All;
                }
            }
            page = stop;
        }
    }

    /// The size of a page in bytes.
    pub fn page_size_bytes(&self) -> usize {
        self.page_size_bytes
    }

    /// How many pages the range has.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// How many of them are resident.
    pub fn resident_pages(&self) -> u64 {
        self.resident
    }

    /// How many bytes are resident.
    pub fn resident_bytes(&self) -> u64 {
        self.resident.saturating_mul(self.page_size_bytes as u64)
    }

    /// Whether a page is resident; `false` past the end.
    pub fn contains(&self, page: u64) -> bool {
        page < self.pages
            && match self.chunks.get(&(page / CHUNK_PAGES)) {
                None => false,
                Some(Chunk::All) => true,
                Some(Chunk::Some(words)) => {
                    let bit = page % CHUNK_PAGES;
                    words[(bit / 64) as usize] >> (bit % 64) & 1 == 1
                }
            }
    }

    /// The runs of resident pages, longest possible, in order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = self.next(from, true);
            if start == self.pages {
                return None;
            }
            from = self.next(start, false);
            Some(start..from)
        })
    }

    /// The first page at or after `from` whose residency is `wanted`; `pages` if there is none.
    fn next(&self, mut from: u64, wanted: bool) -> u64 {
        while from < self.pages {
            let index = from / CHUNK_PAGES;
            let chunk_start = index * CHUNK_PAGES;
            match self.chunks.get(&index) {
                None if !wanted => return from,
                None => match self.chunks.range(index..).next() {
                    Some((next, _)) => from = next * CHUNK_PAGES,
                    None => return self.pages,
                },
                Some(Chunk::All) if wanted => return from,
                Some(Chunk::All) => from = chunk_start + CHUNK_PAGES,
                Some(Chunk::Some(words)) => {
                    let bit = from - chunk_start;
                    let word = words[(bit / 64) as usize];
                    let word = if wanted { word } else { !word } >> (bit % 64);
                    if word != 0 {
                        return (from + u64::from(word.trailing_zeros())).min(self.pages);
                    }
                    from += 64 - bit % 64;
                }
            }
        }
        self.pages
    }

    /// How many pages of a run are resident.
    pub fn resident_in(&self, run: Range<u64>) -> u64 {
        let mut count = 0;
        let mut page = run.start;
        let end = run.end.min(self.pages);
        while page < end {
            let start = self.next(page, true).min(end);
            page = self.next(start, false).min(end);
            count += page - start;
        }
        count
    }

    /// The fraction of resident pages, 0 to 1, in each of at most `count` equal parts of the
    /// range: what a strip of `count` cells draws.
    ///
    /// Each page belongs to exactly one part. A range with fewer pages than `count` gives one
    /// part a page, so the result may be shorter than asked for; it is empty for an empty range.
    pub fn buckets(&self, count: usize) -> Vec<f64> {
        let count = self.pages.min(count as u64);
        let bound =
            |index: u64| (u128::from(self.pages) * u128::from(index) / u128::from(count)) as u64;
        (0..count)
            .map(|index| {
                let run = bound(index)..bound(index + 1);
                let pages = run.end - run.start;
                self.resident_in(run) as f64 / pages as f64
            })
            .collect()
    }
}

impl Chunk {
    fn count(&self, pages: u64) -> u64 {
        match self {
            Self::All => pages,
            Self::Some(words) => words.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }
}

/// Sets bits `from..to`, and returns how many were not set before.
fn set_bits(words: &mut [u64], from: u64, to: u64) -> u64 {
    let mut added = 0;
    let mut bit = from;
    while bit < to {
        let stop = to.min(bit - bit % 64 + 64);
        let mask = (u64::MAX >> (64 - (stop - bit))) << (bit % 64);
        let word = &mut words[(bit / 64) as usize];
        added += u64::from((mask & !*word).count_ones());
        *word |= mask;
        bit = stop;
    }
    added
}

impl fmt::Debug for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Residency")
            .field("page_size_bytes", &self.page_size_bytes)
            .field("pages", &self.pages)
            .field("resident_pages", &self.resident)
            .finish_non_exhaustive()
    }
}

/// As `page_size_bytes`, `pages`, `resident_pages` and `runs`, a list of `[first, end]`.
#[cfg(feature = "serde")]
impl serde::Serialize for Residency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let runs: Vec<_> = self.runs().map(|run| (run.start, run.end)).collect();
        let mut fields = serializer.serialize_struct("Residency", 4)?;
        fields.serialize_field("page_size_bytes", &self.page_size_bytes)?;
        fields.serialize_field("pages", &self.pages)?;
        fields.serialize_field("resident_pages", &self.resident)?;
        fields.serialize_field("runs", &runs)?;
        fields.end()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_resident_takes_no_memory_however_long_it_is() {
        let pages = u64::MAX;
        let residency = Residency::new(4096, pages);
        assert_eq!(residency.runs().next(), None);
        assert_eq!(residency.buckets(3), [0.0; 3]);
        let last = Residency::from_runs(4096, pages, [pages - 2..pages]);
        assert_eq!((last.resident_pages(), last.chunks.len()), (2, 1));
        assert_eq!(last.runs().collect::<Vec<_>>(), [pages - 2..pages]);
    }

    #[test]
    fn a_full_range_is_one_run() {
        let pages = 3 * CHUNK_PAGES + 7;
        let residency = Residency::from_runs(4096, pages, [0..u64::MAX]);
        assert_eq!(residency.resident_pages(), pages);
        assert_eq!(residency.runs().collect::<Vec<_>>(), [0..pages]);
        assert!(residency.chunks.values().all(|chunk| matches!(chunk, Chunk::All)));
    }

    #[test]
    fn an_empty_range_has_no_buckets() {
        assert!(Residency::new(4096, 0).buckets(10).is_empty());
        assert!(Residency::new(4096, 10).buckets(0).is_empty());
        assert_eq!(Residency::from_runs(4096, 2, [1..2]).buckets(10), [0.0, 1.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn it_agrees_with_a_list_of_booleans(
            pages in 1..200_000u64,
            runs in prop::collection::vec((0..210_000u64, 0..70_000u64), 0..8),
            cells in 1..50usize,
        ) {
            let runs: Vec<_> = runs.into_iter().map(|(at, length)| at..at + length).collect();
            let mut model = vec![false; pages as usize];
            for run in &runs {
                for page in run.clone().filter(|&page| page < pages) {
                    model[page as usize] = true;
                }
            }
            let residency = Residency::from_runs(4096, pages, runs);
            let count = |part: &[bool]| part.iter().filter(|&&bit| bit).count() as u64;
            prop_assert_eq!(residency.resident_pages(), count(&model));
            let mut seen = vec![false; pages as usize];
            let mut last_end = None;
            for run in residency.runs() {
                prop_assert!(run.start < run.end && last_end < Some(run.start));
                last_end = Some(run.end);
                seen[run.start as usize..run.end as usize].fill(true);
            }
            prop_assert!(seen == model);
            let middle = pages / 3..pages / 2;
            prop_assert_eq!(
                residency.resident_in(middle.clone()),
                count(&model[middle.start as usize..middle.end as usize])
            );
            for page in [0, pages / 2, pages - 1] {
                prop_assert_eq!(residency.contains(page), model[page as usize]);
            }
            prop_assert!(!residency.contains(pages));
            let buckets = residency.buckets(cells);
            prop_assert_eq!(buckets.len() as u64, pages.min(cells as u64));
            prop_assert!(buckets.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        }
    }
}
