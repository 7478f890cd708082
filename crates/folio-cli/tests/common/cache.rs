//! Files on a disk, and `folio cache` on them.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use super::{Files, number, run};

pub const PAGE: usize = 4096;

/// A directory on a disk if there is one: a file system in memory writes nothing back.
pub fn on_disk() -> Files {
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    target.map_or_else(|_| Files::new(), Files)
}

/// Whether a file's pages are written back to a disk and can be evicted. Says so if not.
pub fn is_on_disk(path: &str) -> bool {
    let file = std::fs::File::open(path).unwrap();
    let magic = rustix::fs::fstatfs(&file).unwrap().f_type;
    let known = [0xef53, 0x58465342, 0x9123683e_u32 as i64].contains(&magic);
    if !known {
        super::skip("there is neither ext4, xfs nor btrfs for files");
    }
    known
}

/// What `folio cache` reports.
#[track_caller]
pub fn cache(arguments: &[&str]) -> Value {
    run(&[&["cache", "--output", "json"], arguments].concat()).json()
}

/// Files, pages in memory, and dirty ones.
pub fn counts(row: &Value) -> (u64, u64, u64) {
    let dirty = row["dirty_bytes"].as_u64().unwrap_or_default();
    (number(row, "files"), number(row, "resident_pages"), dirty / PAGE as u64)
}

/// Drops a file's pages.
pub fn evict(path: &str) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// The lines that a child writes.
pub fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}
