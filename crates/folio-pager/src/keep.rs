//! Keeping: bytes that a slice has shown come the same again, whatever becomes of the store.
//!
//! A slice promises the language that its bytes do not change, so a granule that was shown, evicted, and
//! cannot be loaded again must not turn into zeros. Where a store can fail:
//! 1. Before the first slice is given out, a temporary file is laid over the store, and all that is in
//!    memory counts as dirty from then on, and all that is loaded.
//! 2. What is evicted is written to the file first, once; it comes back from there.
//! 3. If even that fails, or there is no room for it, whoever touches the bytes waits.
//!
//! A granule that was never shown is loaded from its store, and its failure shows zeros that stay
//! ([`Region::retry`]).
//!
//! Lock order: the pager's objects, `shown`, the ledger.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

use folio_store::{FileStore, Overlay, Store};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind, Result};
use crate::lock;
use crate::region::Region;
use crate::word::State;

/// A store with a temporary file over it, which has no name, in a directory.
pub(crate) fn over_temporary_file<S: Store>(
    store: S,
    directory: Option<&Path>,
) -> Result<Overlay<S, FileStore>> {
    let directory = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let name = format!("a temporary file in {}", directory.display());
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&directory, flags, Mode::RUSR | Mode::WUSR);
    let file = file.map_err(|errno| {
        let error = folio_store::Error::os("make", name.as_str(), &errno.into());
        Error::store("map", error.advice("name another directory with spill_directory"))
    })?;
    FileStore::from_file(file.into(), name)
        .and_then(|upper| Overlay::new(store, upper))
        .map_err(|error| Error::store("map", error))
}

impl Region {
    /// Allows slices of the bytes, and sees to it that they do not change. The caller holds the lock of
    /// the pager's objects, so that nobody makes the region writable meanwhile.
    pub(crate) fn show(&self) -> Result<()> {
        let not_stable =
            |reason| Error::new(ErrorKind::NotStable, "show", self.name.as_str(), reason);
        if !(self.capabilities.is_fixed_version() || self.keeps()) {
            return Err(
                not_stable("its bytes may change").advice("pin a range, or map a snapshot of it")
            );
        }
        if self.is_writable() {
            return Err(not_stable("it is mapped for writing too"));
        }
        if !self.keeps() && !self.capabilities.is_infallible() {
            self.keep()?;
        }
        *lock(&self.shown) = true;
        self.sliced.store(true, Release);
        Ok(())
    }

    fn keep(&self) -> Result<()> {
        let over = over_temporary_file(self.store.clone(), self.spill.as_deref())?;
        if self.keeper.set(Arc::new(over)).is_err() {
            return Ok(());
        }
        // What is still being evicted a slice could show, and it would not have been kept.
        self.end(&[State::Loading, State::Evicting]);
        for granule in self.core.granules_of(self) {
            let key = self.key(granule);
            let mut ledger = lock(&self.core.ledger);
            if ledger.entry_of(key).is_some() {
                ledger.soil(key, self.all_units());
                self.word(granule).taint();
            }
        }
        Ok(())
    }

    /// Returns when all operations that were under way, of these states, have ended.
    pub(crate) fn end(&self, states: &[State]) {
        for granule in 0..self.granules() {
            let word = self.word(granule);
            loop {
                let seen = word.seen();
                if !states.contains(&seen.state()) {
                    break;
                }
                self.wait(word, seen);
            }
        }
    }

    /// Whether somebody counts on the bytes of a granule that is not there.
    pub(crate) fn has_been_shown(&self, granule: usize) -> bool {
        let seen = self.word(granule).seen();
        let again = seen.is_kept() || self.capabilities.is_infallible();
        seen.pins() > 0 || (again && self.sliced.load(Acquire))
    }
}
