//! Pins: bytes that are loaded, stay, and do not change.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Fault, Result};
use crate::load::Why;
use crate::region::Region;
use crate::word::State;
use crate::{lock, sys};

/// A range of a mapping that stays in memory, and stays as it is, until this is dropped. It is a slice.
pub struct Pinned<'a> {
    region: Arc<Region>,
    range: Range<usize>,
    mapping: PhantomData<&'a [u8]>,
}

impl Pinned<'_> {
    pub(crate) fn new(region: &Arc<Region>, range: Range<usize>) -> Result<Self> {
        let granules = region.granules_of(&range);
        let bytes = (granules.len() * region.granule()) as u64;
        let limit = region.core.budget.limit_bytes();
        {
            let mut ledger = lock(&region.core.ledger);
            if !ledger.pin(bytes, limit) {
                let (pinned, spare) = (ledger.pinned_bytes, ledger.spare_bytes());
                let reason = format!(
                    "{pinned} of {limit} bytes are pinned already, and {spare} stay free for loads"
                );
                let error = Error::new(ErrorKind::Budget, "pin", region.name.as_str(), reason);
                return Err(error
                    .range(range.start as u64..range.end as u64)
                    .advice("raise the budget, or pin less"));
            }
        }
        region.retry(&granules);
        let pinned = |upto: usize| Self {
            region: region.clone(),
            range: range.start..range.end.min(upto * region.granule()).max(range.start),
            mapping: PhantomData,
        };
        for granule in granules.clone() {
            if let Err(fault) = region.pin(granule, granules.end) {
                let left = ((granules.end - granule) * region.granule()) as u64;
                lock(&region.core.ledger).pinned_bytes -= left;
                drop(pinned(granule));
                return Err(Error::fault_of("pin", fault));
            }
        }
        Ok(pinned(granules.end))
    }

    /// The same as the slice itself.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self
    }
}

impl Deref for Pinned<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.region.addresses.start + self.range.start;
        // SAFETY: the granules are resident and stay so while they are pinned (`Word::claim_unpinned`),
        // and the mapping is borrowed. Nobody writes to them: their pages were write-protected when they
        // were pinned, and a pinned granule is not soiled (`Region::soil`).
        unsafe {
            core::slice::from_raw_parts(core::ptr::with_exposed_provenance(start), self.range.len())
        }
    }
}

impl AsRef<[u8]> for Pinned<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Pinned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({}, {:?})", self.region.name, self.range)
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        let granules = self.region.granules_of(&self.range);
        let bytes = (granules.len() * self.region.granule()) as u64;
        for granule in granules {
            let word = self.region.word(granule);
            if word.unpin() {
                sys::wake(&word.0);
            }
        }
        lock(&self.region.core.ledger).pinned_bytes -= bytes;
        self.region.core.room_again();
    }
}

impl Region {
    /// Pins a granule, and loads what is absent of those behind it up to `end` along with it.
    fn pin(self: &Arc<Self>, granule: usize, end: usize) -> Result<(), Fault> {
        let word = self.word(granule);
        loop {
            let seen = {
                let mut ledger = lock(&self.core.ledger);
                let entry = ledger.entry_of(self.key(granule));
                let elsewhere = entry.is_some_and(|entry| entry.slot.is_some());
                match if elsewhere { Err(word.seen()) } else { word.pin() } {
                    Ok(seen) => {
                        if seen.is_dirty() {
                            let addresses = self.addresses_of(&(granule..granule + 1));
                            // SAFETY: the addresses are the region's.
                            let protected = unsafe { self.core.mechanism.protect(&addresses) };
                            if let Err(errno) = protected {
                                word.unpin();
                                let name = self.name.as_str();
                                let error = folio_store::Error::os("pin", name, &errno.into());
                                return Err(self.fault_at(&(granule..granule + 1), error));
                            }
                        }
                        return Ok(());
                    }
                    Err(seen) => seen,
                }
            };
            match seen.state() {
                State::Absent => self.load_absent(granule..end, Why::Pin)?,
                State::Standby => {
                    if word.claim(State::Standby, State::Loading).is_ok() {
                        self.bring_back(granule).map_err(|errno| {
                            let error =
                                folio_store::Error::os("pin", self.name.as_str(), &errno.into());
                            self.fault_at(&(granule..granule + 1), error)
                        })?;
                    }
                }
                State::Broken | State::Failed => {
                    let here = granule..granule + 1;
                    self.retry(&here);
                    // Where slices show the zeros it cannot be tried again.
                    if let Some(fault) = self.fault_in(&here) {
                        return Err(fault);
                    }
                }
                _ => self.wait(word, seen),
            }
        }
    }
}
