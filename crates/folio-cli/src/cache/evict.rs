//! Evicting: writing back what is dirty, dropping the pages, and finding out why some stayed.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use folio_stat::Process;
use rustix::fs::{Advice, fadvise, fdatasync, major, minor};
use serde::Serialize;

use super::counts::Counts;
use super::ledger::Counted;
use super::look::Look;
use super::system;
use super::walk::{Entry, Refusal};
use crate::failure::words;

/// What is evicted, and what was.
#[derive(Debug)]
pub struct Evict {
    look: Look,
    evicted_pages: AtomicU64,
    stayed: Mutex<Vec<Kept>>,
}

/// A file with pages that stayed.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    counts: Counts,
    identity: ((u32, u32), u64),
    is_in_memory: bool,
}

/// Pages of a file that stayed, and why.
#[derive(Debug, Serialize)]
pub struct Stayed {
    /// The file.
    pub path: String,
    /// Bytes of its pages.
    pub resident_bytes: u64,
    /// Why.
    pub reason: &'static str,
    /// Processes that have it mapped, as far as may be known.
    pub processes: Vec<u32>,
}

impl Evict {
    /// Nothing so far.
    pub fn new(look: Look) -> Self {
        Self { look, evicted_pages: AtomicU64::new(0), stayed: Mutex::default() }
    }

    /// Evicts a file, and counts what stayed.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn file(&self, entry: &Entry<'_>) -> Result<Option<Counted>, Refusal> {
        let file = &entry.file;
        let before = self.look.count(file)?;
        if before.resident_pages == 0 {
            return self.look.at(entry).map(Some);
        }
        let is_in_memory = system::is_in_memory(file);
        if Counts::from(before).may_be_dirty() && !is_in_memory {
            fdatasync(file).map_err(|errno| {
                let words = words(&errno.into());
                Refusal::LeftOut(format!("what is dirty cannot be written back: {words}"))
            })?;
        }
        // Whole pages, as they are counted: the call leaves those that it is given a part of.
        let start = before.offset_bytes;
        let length = match start + before.length_bytes {
            // All the rest: with it the last page goes that the file has a part of.
            end if end < self.look.range.end => None,
            end => NonZeroU64::new(end.next_multiple_of(before.page_size_bytes as u64) - start),
        };
        fadvise(file, start, length, Advice::DontNeed)
            .map_err(|errno| Refusal::LeftOut(words(&errno.into())))?;
        let counted = self.look.at(entry)?;
        let counts = counted.counts;
        let gone = before.resident_pages.saturating_sub(counts.resident_pages);
        self.evicted_pages.fetch_add(gone, Ordering::Relaxed);
        if counts.resident_pages > 0 {
            let device = (major(entry.stat.st_dev), minor(entry.stat.st_dev));
            let identity = (device, entry.stat.st_ino);
            let kept = Kept { path: entry.path(), counts, identity, is_in_memory };
            self.stayed.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        }
        Ok(Some(counted))
    }

    /// How many bytes are gone, and which stayed, in the order of their paths.
    pub fn finish(self) -> (u64, Vec<Stayed>) {
        let page_bytes = rustix::param::page_size() as u64;
        let mut kept = self.stayed.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let mapped = if kept.is_empty() { HashMap::new() } else { who_maps(&kept) };
        let stayed = kept.into_iter().map(|kept| {
            let processes = mapped.get(&kept.identity).cloned().unwrap_or_default();
            Stayed {
                path: kept.path.display().to_string(),
                resident_bytes: kept.counts.resident_pages * page_bytes,
                reason: reason(&kept, !processes.is_empty()),
                processes,
            }
        });
        (self.evicted_pages.into_inner() * page_bytes, stayed.collect())
    }
}

fn reason(kept: &Kept, is_mapped: bool) -> &'static str {
    match kept {
        Kept { is_in_memory: true, .. } => "its file system keeps it in memory only",
        _ if is_mapped => "mapped",
        Kept { counts, .. } if counts.dirty_pages.is_some_and(|pages| pages > 0) => {
            "written again meanwhile"
        }
        Kept { counts, .. } if counts.writeback_pages.is_some_and(|pages| pages > 0) => {
            "being written back"
        }
        _ => "in use by the kernel, mapped by a process that cannot be seen, or in a larger folio",
    }
}

/// Which processes have which of these files mapped.
fn who_maps(kept: &[Kept]) -> HashMap<((u32, u32), u64), Vec<u32>> {
    let mut found: HashMap<_, Vec<u32>> =
        kept.iter().map(|kept| (kept.identity, Vec::new())).collect();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in pids {
        // Others' processes do not show their mappings, and some end.
        let Ok(mappings) = Process::of(pid).and_then(|process| process.mappings()) else {
            continue;
        };
        for mapping in mappings {
            if let Some(pids) = found.get_mut(&(mapping.backing.device, mapping.backing.inode))
                && pids.last() != Some(&pid)
            {
                pids.push(pid);
            }
        }
    }
    found
}
