//! The report: what the page cache holds, what was done, and its form as JSON.
//!
//! `docs/command.md` documents every key.

use serde::Serialize;

use super::counts::Counts;
use super::evict::Stayed;
use super::ledger::{Kind, Row};
use super::omissions::Omission;

/// All that was found out.
#[derive(Debug, Default)]
pub struct Report {
    /// A row for each PATH, with those of directories in it.
    pub rows: Vec<Row>,
    /// A row for each file, where they are shown.
    pub files: Vec<Row>,
    /// Sockets, pipes and devices below the PATHs, which have no pages.
    pub special_files: u64,
    /// What was done first.
    pub done: Done,
}

/// What was done before it was looked at.
#[derive(Debug, Default)]
pub enum Done {
    /// Nothing.
    #[default]
    Nothing,
    /// So many bytes were loaded, in so many seconds.
    Warmed(u64, f64),
    /// So many bytes were evicted, and these stayed.
    Evicted(u64, Vec<Stayed>),
    /// All is locked.
    Locked,
}

/// The report as JSON.
#[derive(Debug, Serialize)]
pub struct Json {
    page_size_bytes: u64,
    paths: Vec<JsonRow>,
    files: Vec<JsonRow>,
    total: JsonCounts,
    omissions: Vec<Omission>,
    special_files: u64,
    loaded_bytes: Option<u64>,
    loading_seconds: Option<f64>,
    evicted_now_bytes: Option<u64>,
    stayed: Vec<Stayed>,
    is_locked: bool,
}

#[derive(Debug, Serialize)]
struct JsonRow {
    path: String,
    kind: &'static str,
    #[serde(flatten)]
    counts: JsonCounts,
    resident_ranges: Option<Vec<JsonRange>>,
    directories_in_it: Vec<JsonRow>,
}

#[derive(Debug, Serialize)]
struct JsonCounts {
    files: u64,
    directories: u64,
    length_bytes: u64,
    pages: u64,
    resident_pages: u64,
    resident_bytes: u64,
    dirty_bytes: Option<u64>,
    writeback_bytes: Option<u64>,
    evicted_bytes: Option<u64>,
    recently_evicted_bytes: Option<u64>,
}

/// A run of pages in memory; it may reach past the end of the file to that of its last page.
#[derive(Debug, Serialize)]
struct JsonRange {
    offset_bytes: u64,
    length_bytes: u64,
}

impl Report {
    /// What all PATHs have together.
    pub fn total(&self) -> (Counts, u64) {
        let mut counts = Counts::default();
        self.rows.iter().for_each(|row| counts.add(&row.counts));
        (counts, self.rows.iter().map(|row| row.directories).sum())
    }

    /// Bytes in memory of all PATHs.
    pub fn resident_bytes(&self) -> u64 {
        self.total().0.resident_pages * page_bytes()
    }

    /// As JSON. `start` is the first byte that was looked at in each file.
    pub fn json(self, start: u64, omissions: Vec<Omission>) -> Json {
        let (counts, directories) = self.total();
        let start = start - start % page_bytes();
        let rows = |rows: Vec<Row>| rows.into_iter().map(|row| JsonRow::of(row, start)).collect();
        let (loaded, evicted, is_locked) = match self.done {
            Done::Nothing => (None, None, false),
            Done::Warmed(bytes, seconds) => (Some((bytes, seconds)), None, false),
            Done::Evicted(bytes, stayed) => (None, Some((bytes, stayed)), false),
            Done::Locked => (None, None, true),
        };
        let (evicted_now_bytes, stayed) = evicted.unzip();
        Json {
            page_size_bytes: page_bytes(),
            paths: rows(self.rows),
            files: rows(self.files),
            total: JsonCounts::of(&counts, directories),
            omissions,
            special_files: self.special_files,
            loaded_bytes: loaded.map(|loaded| loaded.0),
            loading_seconds: loaded.map(|loaded| loaded.1),
            evicted_now_bytes,
            stayed: stayed.unwrap_or_default(),
            is_locked,
        }
    }
}

impl JsonRow {
    fn of(row: Row, start: u64) -> Self {
        let range = |run: std::ops::Range<u64>| JsonRange {
            offset_bytes: start + run.start * page_bytes(),
            length_bytes: (run.end - run.start) * page_bytes(),
        };
        Self {
            path: row.path.display().to_string(),
            kind: match row.kind {
                Kind::File => "file",
                Kind::Directory => "directory",
                Kind::BlockDevice => "block-device",
            },
            counts: JsonCounts::of(&row.counts, row.directories),
            resident_ranges: row.residency.map(|pages| pages.runs().map(range).collect()),
            directories_in_it: row.rows.into_iter().map(|row| Self::of(row, start)).collect(),
        }
    }
}

impl JsonCounts {
    fn of(counts: &Counts, directories: u64) -> Self {
        let bytes = |pages: Option<u64>| pages.map(|pages| pages * page_bytes());
        Self {
            files: counts.files,
            directories,
            length_bytes: counts.length_bytes,
            pages: counts.pages,
            resident_pages: counts.resident_pages,
            resident_bytes: counts.resident_pages * page_bytes(),
            dirty_bytes: bytes(counts.dirty_pages),
            writeback_bytes: bytes(counts.writeback_pages),
            evicted_bytes: bytes(counts.evicted_pages),
            recently_evicted_bytes: bytes(counts.recently_evicted_pages),
        }
    }
}

pub(super) fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}
