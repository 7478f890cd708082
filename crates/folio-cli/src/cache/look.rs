//! Looking at a file: how much of it is in the page cache, and which pages where that is shown.

use std::fs::File;
use std::ops::Range;

use folio_stat::{CacheCounts, ErrorKind, PageCache};

use super::ledger::Counted;
use super::walk::{Entry, Refusal};

/// What to look at.
#[derive(Debug, Clone)]
pub struct Look {
    /// The part of each file, in bytes.
    pub range: Range<u64>,
    /// Whether rows show which pages are in memory.
    pub has_strips: bool,
}

impl Look {
    /// Looks at a file of the walk.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn at(&self, entry: &Entry<'_>) -> Result<Counted, Refusal> {
        self.at_file(&entry.file, entry.has_row)
    }

    /// Looks at a file, which may have a row of its own.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn at_file(&self, file: &File, has_row: bool) -> Result<Counted, Refusal> {
        let counts = self.count(file)?;
        if !self.has_strips || !has_row || counts.resident_pages == 0 {
            return Ok(Counted { counts: counts.into(), residency: None });
        }
        let cache = PageCache::of(file, self.range.clone()).map_err(|error| left_out(&error))?;
        let counts = CacheCounts::from(&cache).into();
        Ok(Counted { counts, residency: Some(cache.residency) })
    }

    /// The counts alone.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn count(&self, file: &File) -> Result<CacheCounts, Refusal> {
        CacheCounts::of(file, self.range.clone()).map_err(|error| left_out(&error))
    }
}

/// The library's reason, with the command's way out.
fn left_out(error: &folio_stat::Error) -> Refusal {
    let text = match error.kind() {
        ErrorKind::PermissionDenied => {
            "the kernel tells of its page cache only to who may write it: run as its owner or as root"
                .into()
        }
        _ => error.to_string(),
    };
    Refusal::LeftOut(text)
}
