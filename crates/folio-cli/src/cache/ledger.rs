//! The ledger: a row for each PATH, directory and file that is to be shown, and where each file's
//! counts go.
//!
//! 1. [`Ledger::root`] opens a row for a PATH, [`Ledger::below`] for a directory in it; one that lies
//!    too deep has the row of the directory that it lies in.
//! 2. [`Ledger::add`] adds what was counted to a row.
//! 3. [`Ledger::close`] adds each row to the one above it.
//!
//! Invariants: a row's number is above that of the row it belongs to. Memory goes by rows, and rows by
//! what is shown: directories down to a depth, files that have pages in memory, which take more than
//! their rows.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use folio_stat::Residency;

use super::counts::Counts;

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory and all below it.
    Directory,
    /// A block device.
    BlockDevice,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// A PATH as it was named; below it, a name, and for `--each` all of a path.
    pub path: PathBuf,
    /// What it is of.
    pub kind: Kind,
    /// What was counted.
    pub counts: Counts,
    /// Directories, this one too.
    pub directories: u64,
    /// Which pages are in memory, where that is to be shown.
    pub residency: Option<Residency>,
    /// Rows of the directories in it, those with the most in memory first.
    pub rows: Vec<Row>,
    above: Option<usize>,
}

/// What was counted of a file.
#[derive(Debug)]
pub struct Counted {
    /// The counts.
    pub counts: Counts,
    /// Which pages are in memory, where that is to be shown.
    pub residency: Option<Residency>,
}

/// All rows, for several threads to add to.
#[derive(Debug)]
pub struct Ledger {
    depth: usize,
    /// How many files have rows.
    each: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: Vec<Row>,
    files: Vec<Row>,
}

impl Ledger {
    /// Without rows.
    pub fn new(depth: usize, each: usize) -> Self {
        Self { depth, each, inner: Mutex::default() }
    }

    /// Whether files in directories have rows.
    pub fn has_files(&self) -> bool {
        self.each > 0
    }

    /// Opens a row for a PATH, and returns its number.
    pub fn root(&self, path: &Path, kind: Kind) -> usize {
        self.open(path.to_owned(), kind, None)
    }

    /// Counts a directory in that of row `above`, `depth` levels below its PATH, and returns the
    /// number of the row it has.
    pub fn below(&self, above: usize, name: &Path, depth: usize) -> usize {
        if depth <= self.depth {
            return self.open(name.to_owned(), Kind::Directory, Some(above));
        }
        self.with(|inner| inner.rows[above].directories += 1);
        above
    }

    fn open(&self, path: PathBuf, kind: Kind, above: Option<usize>) -> usize {
        self.with(|inner| {
            inner.rows.push(Row {
                directories: u64::from(kind == Kind::Directory),
                above,
                ..Row::new(path, kind)
            });
            inner.rows.len() - 1
        })
    }

    /// Adds what was counted.
    pub fn add(&self, row: usize, counts: &Counts) {
        self.with(|inner| inner.rows[row].counts.add(counts));
    }

    /// Adds what was counted of one file: to a row of its own, if it has one, and to another.
    pub fn add_file(&self, row: usize, path: impl FnOnce() -> PathBuf, counted: Counted) {
        self.with(|inner| {
            let above = &mut inner.rows[row];
            above.counts.add(&counted.counts);
            if above.kind != Kind::Directory {
                above.residency = counted.residency;
            } else if self.each > 0 && counted.counts.resident_pages > 0 {
                let row = Row {
                    counts: counted.counts,
                    residency: counted.residency,
                    ..Row::new(path(), Kind::File)
                };
                inner.files.push(row);
                if inner.files.len() / 2 > self.each.max(512) {
                    by_residency(&mut inner.files);
                    inner.files.truncate(self.each);
                }
            }
        });
    }

    /// The rows of PATHs, in the order they were opened, and those of files, the most in memory first.
    pub fn close(self) -> (Vec<Row>, Vec<Row>) {
        let Inner { rows, mut files } =
            self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
        for index in (0..rows.len()).rev() {
            let Some(above) = rows[index].as_ref().and_then(|row| row.above) else { continue };
            let Some(mut row) = rows[index].take() else { continue };
            by_residency(&mut row.rows);
            if let Some(above) = &mut rows[above] {
                above.counts.add(&row.counts);
                above.directories += row.directories;
                above.rows.push(row);
            }
        }
        let mut rows: Vec<Row> = rows.into_iter().flatten().collect();
        rows.iter_mut().for_each(|row| by_residency(&mut row.rows));
        by_residency(&mut files);
        files.truncate(self.each);
        (rows, files)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Row {
    fn new(path: PathBuf, kind: Kind) -> Self {
        Self {
            path,
            kind,
            counts: Counts::default(),
            directories: 0,
            residency: None,
            rows: Vec::new(),
            above: None,
        }
    }
}

/// Those with the most in memory first, and by name where they have as much.
fn by_residency(rows: &mut [Row]) {
    rows.sort_unstable_by(|a, b| {
        let most = b.counts.resident_pages.cmp(&a.counts.resident_pages);
        most.then_with(|| a.path.cmp(&b.path))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(resident_pages: u64) -> Counts {
        Counts { files: 1, pages: 10, resident_pages, ..Counts::default() }
    }

    #[test]
    fn what_lies_too_deep_counts_in_the_row_above_it() {
        let ledger = Ledger::new(1, 0);
        let root = ledger.root(Path::new("/r"), Kind::Directory);
        let (a, b) = (ledger.below(root, Path::new("a"), 1), ledger.below(root, Path::new("b"), 1));
        let deep = ledger.below(b, Path::new("deep"), 2);
        assert_eq!(deep, b);
        for (row, pages) in [(root, 1), (a, 2), (deep, 4)] {
            ledger.add(row, &file(pages));
        }
        let (rows, files) = ledger.close();
        assert!(files.is_empty());
        let [root] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((root.counts.resident_pages, root.counts.files, root.directories), (7, 3, 4));
        let below = root.rows.iter().map(|row| (row.path.to_str(), row.directories));
        assert_eq!(below.collect::<Vec<_>>(), [(Some("b"), 2), (Some("a"), 1)]);
    }
}
