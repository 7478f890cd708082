//! Loading: from a store, through a slot, to the addresses of a run of granules.
//!
//! 1. The caller has claimed the words of all granules of the run.
//! 2. Room is made in the budget, for the granules and for the slot where that keeps its pages.
//! 3. The store reads into the slot: one request for the whole run. A store that has the bytes in memory
//!    shows them, and there is no slot.
//! 4. The bytes are installed, write-protected unless they are about to be written.
//! 5. The ledger notes the granules; their words are settled, and whoever waits goes on.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use folio_store::{Error as StoreError, ErrorKind as StoreErrorKind};

use crate::asking::asking;
use crate::error::Fault;
use crate::mechanism::{Arrival, Installed, is_huge};
use crate::patience::Patience;
use crate::recycle::Gathered;
use crate::region::Region;
use crate::slots::Slot;
use crate::turns::Seeker;
use crate::word::State;
use crate::{lock, sys};

/// Runs are no longer than the largest slot.
pub(crate) const RUN_BYTES: usize = sys::HUGE;

/// Why granules are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// One of them was touched, at a position.
    Touch { position: usize, write: bool },
    /// They are about to be pinned.
    Pin,
    /// They may be touched soon. One of them may be left on standby, so that its touch is noticed.
    Ahead { marker: Option<usize> },
}

impl Why {
    /// The granule of a run that is to be left on standby.
    fn marker_in(self, granules: &Range<usize>) -> Option<usize> {
        match self {
            Self::Ahead { marker } => marker.filter(|marker| granules.contains(marker)),
            Self::Touch { .. } | Self::Pin => None,
        }
    }
}

/// Where the bytes of a load come from.
enum Source<'a> {
    /// The store shows them.
    Shown(&'a [u8]),
    /// It reads them into a slot.
    Slot(Gathered),
}

/// What a load has left besides the pages in their place.
#[derive(Default)]
struct Filled {
    /// The granule that was left on standby, and where its bytes are.
    standby: Option<(usize, Slot)>,
    /// The slot, if it still has its pages.
    slot: Option<Slot>,
    /// The pages were moved as one huge page.
    huge: bool,
}

impl Region {
    /// Loads a run of granules whose words the caller has claimed for loading. On success they are
    /// settled; on failure they are still claimed.
    pub(crate) fn load(self: &Arc<Self>, granules: Range<usize>, why: Why) -> Result<(), Fault> {
        let shown = self.shown_bytes(&granules, why);
        // Where the kernel cannot copy them they are read.
        if shown.is_some() && self.load_from(&granules, why, shown).is_ok() {
            return Ok(());
        }
        let loaded = self.load_from(&granules, why, None);
        if matches!(why, Why::Touch { .. }) && self.is_cramped() {
            let seeker = Seeker::new(sys::thread());
            lock(&self.core.ledger).hold(seeker, self.key(granules.start));
        }
        if loaded.is_err() {
            self.count(|counters| &counters.failures, granules.len() as u64);
        }
        loaded
    }

    /// The bytes of some granules, where the store has them in memory.
    fn shown_bytes(&self, granules: &Range<usize>, why: Why) -> Option<&[u8]> {
        let range = self.bytes_of(granules);
        let len = granules.len() * self.granule();
        if why.marker_in(granules).is_some()
            || self.touches_mappings.load(Relaxed)
            || !self.core.mechanism.can_copy()
            || (range.end - range.start) as usize != len
        {
            return None;
        }
        let shown = self.ask_store("read", || Ok(self.reader().bytes(range))).ok()?;
        shown.filter(|shown| shown.len() == len)
    }

    fn load_from(
        self: &Arc<Self>,
        granules: &Range<usize>,
        why: Why,
        shown: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let core = &self.core;
        let bytes = granules.len() * self.granule();
        debug_assert!(bytes <= RUN_BYTES, "{granules:?}");
        let source = match shown {
            Some(shown) => core.make_room(self, bytes as u64).map(|()| (Source::Shown(shown), 0)),
            None => core.gather(self, bytes, why.marker_in(granules).is_none()).map(|gathered| {
                let rest = gathered.charged - bytes as u64;
                (Source::Slot(gathered), rest)
            }),
        };
        let (source, rest) = source.map_err(|error| self.fault_at(granules, error))?;
        let unguarded = self.arrives_writable(why);
        if unguarded {
            // Others may write as soon as the pages are there, and flush what they wrote.
            let mut ledger = lock(&core.ledger);
            for granule in granules.clone() {
                ledger.expect_dirty(self.key(granule), self.granule() as u64);
            }
        }
        let loaded = match source {
            Source::Shown(shown) => self.copy(granules, why, shown),
            Source::Slot(gathered) => self.fill(granules, why, gathered),
        };
        let mut ledger = lock(&core.ledger);
        ledger.under_way -= 1;
        let Filled { standby, slot, huge } = match loaded {
            Ok(filled) => filled,
            Err(fault) => {
                ledger.charged -= rest + bytes as u64;
                if unguarded {
                    for granule in granules.clone() {
                        ledger.clean_again(self.key(granule), self.granule() as u64);
                    }
                }
                drop(ledger);
                core.room_again();
                return Err(fault);
            }
        };
        match slot {
            Some(slot) => core.recycle(&mut ledger, slot, rest),
            None => ledger.charged -= rest,
        }
        let write = matches!(why, Why::Touch { write: true, .. });
        let ahead = matches!(why, Why::Ahead { .. });
        for granule in granules.clone() {
            ledger.insert(self.key(granule), self.granule() as u64, ahead, huge);
            if self.arrives_dirty(granule) {
                ledger.soil(self.key(granule), self.all_units());
            }
        }
        let mut dirty = None;
        if let (true, Why::Touch { position, .. }) = (write, why) {
            let (unit, addresses) = self.unit(position);
            ledger.soil(self.key(granules.start), unit);
            if !self.arrives_writable(why) {
                // SAFETY: the addresses are the region's. A failure leaves the page protected, so that
                // the write faults again.
                let _ = unsafe { core.mechanism.unprotect(&addresses) };
            }
            dirty = Some(ledger.dirty_bytes);
        }
        let marker = standby.map(|(granule, slot)| {
            if let Some(entry) = ledger.entry_of(self.key(granule)) {
                entry.slot = Some(slot);
            }
            granule
        });
        drop(ledger);
        for granule in granules.clone() {
            let state = if marker == Some(granule) { State::Standby } else { State::Resident };
            self.settle(granule, state, write || self.arrives_dirty(granule));
        }
        core.room_again();
        if let Some(bytes) = dirty {
            core.dirtied(bytes);
        }
        match ahead {
            true => self.count(|counters| &counters.prefetched, granules.len() as u64),
            false => self.count(|counters| &counters.loads, granules.len() as u64),
        }
        Ok(())
    }

    /// Whether the pages need no protection, since all of the granule counts as written. For one load it
    /// may only become so, and then nobody writes before the load is over (`Region::make_writable`).
    fn arrives_writable(&self, why: Why) -> bool {
        matches!(why, Why::Touch { write: true, .. }) && self.all_units() == 1
    }

    fn arrival(&self, why: Why) -> Arrival {
        match (self.arrives_writable(why), self.is_writable()) {
            (true, _) => Arrival::Writable,
            (false, true) => Arrival::Protected,
            (false, false) => Arrival::Unwritten,
        }
    }

    /// Whether all of a granule is to be written to the store, come what may.
    fn arrives_dirty(&self, granule: usize) -> bool {
        self.keeps() && !self.word(granule).seen().is_kept()
    }

    /// Steps 3 and 4, through a slot.
    fn fill(&self, granules: &Range<usize>, why: Why, gathered: Gathered) -> Result<Filled, Fault> {
        let core = &self.core;
        let len = granules.len() * self.granule();
        let os = |errno: rustix::io::Errno| {
            self.fault_at(granules, StoreError::os("load", self.name.as_str(), &errno.into()))
        };
        let Gathered { mut slot, how, .. } = gathered;
        if let Err(error) = self.read(granules, &mut slot.bytes()[..len]) {
            core.slots.give(slot, true);
            return Err(self.fault_at(granules, error));
        }
        let marker = why.marker_in(granules);
        let placed = self.place(granules, &slot, marker, self.arrival(why), how);
        match placed {
            Ok((standby, Installed::Copied)) => {
                Ok(Filled { standby, slot: Some(slot), huge: false })
            }
            Ok((standby, Installed::Moved)) => {
                core.slots.give(slot, false);
                let huge = standby.is_none() && is_huge(len);
                Ok(Filled { standby, slot: None, huge })
            }
            Err(errno) => {
                let addresses = self.addresses_of(granules);
                // SAFETY: the addresses are the region's, the words are claimed, and no byte of these
                // granules has been promised to anybody.
                let _ = unsafe { core.mechanism.drop_pages(&[addresses]) };
                core.slots.give(slot, true);
                Err(os(errno))
            }
        }
    }

    fn place(
        &self,
        granules: &Range<usize>,
        slot: &Slot,
        marker: Option<usize>,
        arrival: Arrival,
        how: Installed,
    ) -> Result<(Option<(usize, Slot)>, Installed), rustix::io::Errno> {
        let core = &self.core;
        let part = |run: &Range<usize>| {
            let start = slot.addresses().start + (run.start - granules.start) * self.granule();
            start..start + run.len() * self.granule()
        };
        let mut installed = Installed::Moved;
        let mut visible = false;
        let mut install = |run: Range<usize>| -> Result<(), rustix::io::Errno> {
            if run.is_empty() {
                return Ok(());
            }
            let to = self.addresses_of(&run).start;
            let mut patience = Patience::default();
            let how = loop {
                // SAFETY: the slot is ours, and so are the addresses, whose pages are missing: the words
                // are claimed for loading.
                match unsafe { core.mechanism.install(part(&run), to, arrival, how) } {
                    // What others may have seen already cannot be taken back.
                    Err(rustix::io::Errno::NOMEM) if visible => patience.pause(),
                    how => break how?,
                }
            };
            visible = true;
            if how == Installed::Copied {
                installed = how;
            }
            Ok(())
        };
        let Some(marker) = marker else {
            install(granules.clone())?;
            return Ok((None, installed));
        };
        let standby = core.slots.take(self.granule())?;
        let both = install(granules.start..marker).and_then(|()| install(marker + 1..granules.end));
        if let Err(errno) = both {
            core.slots.give(standby, false);
            return Err(errno);
        }
        // SAFETY: both slots are ours.
        let shifted = unsafe {
            let from = part(&(marker..marker + 1));
            core.mechanism.shift(from, standby.first(self.granule()), how)
        };
        let both = if shifted == Installed::Copied { shifted } else { installed };
        Ok((Some((marker, standby)), both))
    }

    /// Steps 3 and 4, for bytes that the store shows.
    fn copy(&self, granules: &Range<usize>, why: Why, shown: &[u8]) -> Result<Filled, Fault> {
        let addresses = self.addresses_of(granules);
        let protected = self.arrival(why) != Arrival::Writable;
        // SAFETY: the addresses are the region's, and their pages are missing: the words are claimed for
        // loading. A slice of bytes can be read for as long as it is borrowed.
        let copied = unsafe { self.core.mechanism.copy(shown, addresses.start, protected) };
        if let Err(errno) = copied {
            // SAFETY: as above; what others may have seen of them comes again.
            let _ = unsafe { self.core.mechanism.drop_pages(&[addresses]) };
            let error = StoreError::os("load", self.name.as_str(), &errno.into());
            return Err(self.fault_at(granules, error));
        }
        self.count(|counters| &counters.read_bytes, shown.len() as u64);
        Ok(Filled::default())
    }

    /// Reads the bytes of granules from the store; zeros behind its end.
    fn read(&self, granules: &Range<usize>, buf: &mut [u8]) -> Result<(), StoreError> {
        let range = self.bytes_of(granules);
        let wanted = (range.end - range.start) as usize;
        let (bytes, behind) = buf.split_at_mut(wanted);
        let read = || self.reader().read_full_at(bytes, range.start);
        let done = asking(&self.core, || self.ask_store("read", read))?;
        if done > wanted {
            let error = StoreError::new(StoreErrorKind::Invalid, "read", self.name.as_str());
            return Err(error.range(range).reason("it claims more bytes than were asked for"));
        }
        self.count(|counters| &counters.read_bytes, done as u64);
        if done < wanted {
            let end = range.start + done as u64;
            let reason = format!("it ends at {end}, and had {} bytes when it was mapped", self.len);
            let error = StoreError::new(StoreErrorKind::Truncated, "read", self.name.as_str());
            return Err(error.range(range).reason(reason));
        }
        behind.fill(0);
        Ok(())
    }

    /// Has the store do something, where it may fault and panic without harm to others.
    pub(crate) fn ask_store<R>(
        &self,
        operation: &'static str,
        request: impl FnOnce() -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let request = std::panic::AssertUnwindSafe(request);
        let answer = || std::panic::catch_unwind(request);
        let answer = match self.touches_mappings.load(Relaxed) {
            false => answer(),
            true => sys::nested(answer),
        };
        answer.unwrap_or_else(|payload| {
            // To drop it may panic again.
            std::mem::forget(payload);
            let error = StoreError::new(StoreErrorKind::Io, operation, self.name.as_str());
            Err(error.reason("the store panicked"))
        })
    }

    pub(crate) fn fault_at(&self, granules: &Range<usize>, error: StoreError) -> Fault {
        Fault { offset: self.bytes_of(granules).start, error }
    }

    /// Brings a granule on standby back to its addresses. The caller has claimed its word for loading.
    pub(crate) fn bring_back(self: &Arc<Self>, granule: usize) -> Result<(), rustix::io::Errno> {
        let core = &self.core;
        let key = self.key(granule);
        let (slot, dirty, ahead) = {
            let mut ledger = lock(&core.ledger);
            let Some(entry) = ledger.entry_of(key) else { unreachable!("{key:?} is on standby") };
            (entry.slot.take(), entry.units != 0, core::mem::take(&mut entry.ahead))
        };
        let Some(slot) = slot else { unreachable!("{key:?} is on standby") };
        let to = self.addresses_of(&(granule..granule + 1)).start;
        let from = slot.first(self.granule());
        // For as long as both the slot and the addresses have pages, the memory is charged once only.
        let room = self.granule() as u64;
        // It is not waited for: whoever makes room may wait for this granule.
        let copies = core.mechanism.copies(self.granule(), self.manner());
        let charged = copies && core.charge_if_room(room);
        // SAFETY: the slot is ours, and so are the addresses, whose pages are missing.
        let result = unsafe {
            let arrival = if self.is_writable() { Arrival::Protected } else { Arrival::Unwritten };
            let how = if charged { Installed::Copied } else { Installed::Moved };
            core.mechanism.install(from, to, arrival, how)
        };
        if charged {
            lock(&core.ledger).charged -= room;
            core.room_again();
        }
        match result {
            Ok(installed) => {
                core.slots.give(slot, installed == Installed::Copied);
                let mut ledger = lock(&core.ledger);
                if let Some(frame) = ledger.frame(key) {
                    ledger.policy.touched(frame);
                }
                drop(ledger);
                self.settle(granule, State::Resident, dirty);
                if ahead {
                    self.count(|counters| &counters.prefetch_hits, 1);
                    self.marked(granule);
                }
                Ok(())
            }
            Err(errno) => {
                if let Some(entry) = lock(&core.ledger).entry_of(key) {
                    entry.slot = Some(slot);
                }
                self.settle(granule, State::Standby, dirty);
                Err(errno)
            }
        }
    }
}
