//! Counts: what the page cache holds of one file, or of many together.

use folio_stat::CacheCounts;

/// Pages in the page cache, and what they are pages of.
///
/// What cachestat(2) alone tells is `None` where one of the files was counted without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Files and block devices.
    pub files: u64,
    /// Bytes of them, in the range that was asked for.
    pub length_bytes: u64,
    /// Pages of them.
    pub pages: u64,
    /// Pages in the page cache.
    pub resident_pages: u64,
    /// Those changed and not yet written back.
    pub dirty_pages: Option<u64>,
    /// Those being written back.
    pub writeback_pages: Option<u64>,
    /// Pages that were evicted for want of memory.
    pub evicted_pages: Option<u64>,
    /// Those that would still be there with a little more.
    pub recently_evicted_pages: Option<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            files: 0,
            length_bytes: 0,
            pages: 0,
            resident_pages: 0,
            dirty_pages: Some(0),
            writeback_pages: Some(0),
            evicted_pages: Some(0),
            recently_evicted_pages: Some(0),
        }
    }
}

impl Counts {
    /// Adds those of others. Sparse files may be longer together than a number can say: then they are as long
    /// as it can.
    pub fn add(&mut self, other: &Self) {
        let add = |sum: &mut Option<u64>, more: Option<u64>| {
            *sum = sum.zip(more).map(|(sum, more)| sum.saturating_add(more));
        };
        self.files = self.files.saturating_add(other.files);
        self.length_bytes = self.length_bytes.saturating_add(other.length_bytes);
        self.pages = self.pages.saturating_add(other.pages);
        self.resident_pages = self.resident_pages.saturating_add(other.resident_pages);
        add(&mut self.dirty_pages, other.dirty_pages);
        add(&mut self.writeback_pages, other.writeback_pages);
        add(&mut self.evicted_pages, other.evicted_pages);
        add(&mut self.recently_evicted_pages, other.recently_evicted_pages);
    }

    /// Whether pages wait to be written back, or nobody knows.
    pub fn may_be_dirty(&self) -> bool {
        let none = Some(0);
        self.resident_pages > 0 && (self.dirty_pages != none || self.writeback_pages != none)
    }
}

impl From<CacheCounts> for Counts {
    fn from(counts: CacheCounts) -> Self {
        Self {
            files: 1,
            length_bytes: counts.length_bytes,
            pages: counts.pages,
            resident_pages: counts.resident_pages,
            dirty_pages: counts.dirty_pages,
            writeback_pages: counts.writeback_pages,
            evicted_pages: counts.evicted_pages,
            recently_evicted_pages: counts.recently_evicted_pages,
        }
    }
}
