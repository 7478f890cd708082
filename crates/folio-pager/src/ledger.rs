//! The ledger: what memory is charged to the budget, and for which granules.
//!
//! One for a pager, behind a lock that is held for some lines at a time, and never while a store works or
//! a paged address is touched. Bytes are charged before memory is used, and credited after it was given
//! up, so the sum is never less than what is resident.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use crate::policy::{Frame, Policy};
use crate::recycle::Recycled;
use crate::region::Region;
use crate::save::Syncs;
use crate::slots::Slot;
use crate::turns::{Held, Turn};

/// Names a granule: its region, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// Loads, and writes that made something dirty, whose granules are spared.
pub(crate) const SPARED: u64 = 4;
/// Programs have 47 bits of addresses, and granules 12 at least; one more is for the end of a range.
const GRANULE_BITS: u32 = 36;

impl Key {
    pub(crate) fn new(region: u32, granule: usize) -> Self {
        Self(u64::from(region) << GRANULE_BITS | granule as u64)
    }

    pub(crate) fn region(self) -> u32 {
        (self.0 >> GRANULE_BITS) as u32
    }

    pub(crate) fn granule(self) -> usize {
        (self.0 & ((1 << GRANULE_BITS) - 1)) as usize
    }
}

/// A loaded granule.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) bytes: u64,
    /// Where its bytes are while it is on standby.
    pub(crate) slot: Option<Slot>,
    /// Which parts of it are dirty.
    pub(crate) units: u64,
    /// Which parts have been written to the store, and under which number, as [`Syncs`] counts.
    pub(crate) written: u64,
    pub(crate) written_in: u64,
    /// How many writes made something dirty before the last one to it.
    pub(crate) soiled: u64,
    /// How many loads came before it.
    pub(crate) born: u64,
    pub(crate) ahead: bool,
    /// In very few granules, for whom it is held ([`crate::turns`]).
    pub(crate) held: Option<Held>,
    /// Its pages are part of a huge page, or were moved as one.
    pub(crate) huge: bool,
}

pub(crate) struct Ledger {
    pub(crate) charged: u64,
    /// Loads and evictions under way, after which there may be room.
    pub(crate) under_way: usize,
    /// Of those, how many wait for room themselves, through their stores ([`crate::asking`]), or for those
    /// who help them to save ([`crate::save::Saving`]).
    pub(crate) stuck: usize,
    pub(crate) turn: Option<Turn>,
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) recycled: Recycled,
    pub(crate) dirty: BTreeSet<Key>,
    pub(crate) dirty_bytes: u64,
    pub(crate) loads: u64,
    soils: u64,
    /// Bytes that cannot be evicted: of pins, and of zeros that stand in.
    pub(crate) pinned_bytes: u64,
    frames: Vec<Option<Entry>>,
    free: Vec<Frame>,
    index: FxHashMap<Key, Frame>,
    regions: FxHashMap<u32, Weak<Region>>,
    /// Bytes that pins leave free, so that every region can load, for each region.
    spare_bytes: FxHashMap<u32, u64>,
    next_region: u32,
}

impl Ledger {
    pub(crate) fn new(policy: Box<dyn Policy>) -> Self {
        Self {
            charged: 0,
            under_way: 0,
            stuck: 0,
            turn: None,
            policy,
            recycled: Recycled::default(),
            dirty: BTreeSet::new(),
            dirty_bytes: 0,
            loads: 0,
            soils: 0,
            pinned_bytes: 0,
            frames: Vec::new(),
            free: Vec::new(),
            index: FxHashMap::default(),
            regions: FxHashMap::default(),
            spare_bytes: FxHashMap::default(),
            next_region: 0,
        }
    }

    pub(crate) fn next_region(&mut self) -> u32 {
        // A name is used again when there have been so many regions.
        loop {
            self.next_region = (self.next_region + 1) & (u32::MAX >> (GRANULE_BITS - 32));
            if !self.regions.contains_key(&self.next_region) {
                return self.next_region;
            }
        }
    }

    pub(crate) fn enter(&mut self, region: &Arc<Region>) {
        self.regions.insert(region.id, Arc::downgrade(region));
        self.spare_bytes.insert(region.id, region.spare_bytes());
    }

    pub(crate) fn leave(&mut self, region: u32) {
        self.regions.remove(&region);
        self.spare_bytes.remove(&region);
    }

    /// Bytes that must not be pinned, so that whatever is touched can be loaded.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.spare_bytes.values().copied().max().unwrap_or(0)
    }

    /// Counts bytes as pinned, if that leaves room for loads.
    pub(crate) fn pin(&mut self, bytes: u64, limit: u64) -> bool {
        let pinned = self.pinned_bytes.saturating_add(bytes);
        let leaves_room = pinned.saturating_add(self.spare_bytes()) <= limit;
        if leaves_room {
            self.pinned_bytes = pinned;
        }
        leaves_room
    }

    pub(crate) fn region(&self, key: Key) -> Option<Arc<Region>> {
        self.regions.get(&key.region())?.upgrade()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn frame(&self, key: Key) -> Option<Frame> {
        self.index.get(&key).copied()
    }

    pub(crate) fn entry(&mut self, frame: Frame) -> Option<&mut Entry> {
        self.frames.get_mut(frame as usize)?.as_mut()
    }

    pub(crate) fn entries(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.frames.iter_mut().flatten()
    }

    pub(crate) fn entry_of(&mut self, key: Key) -> Option<&mut Entry> {
        let frame = self.frame(key)?;
        self.entry(frame)
    }

    /// Notes a granule whose bytes have been charged.
    pub(crate) fn insert(&mut self, key: Key, bytes: u64, ahead: bool, huge: bool) -> Frame {
        self.loads += 1;
        let entry = Entry {
            key,
            bytes,
            slot: None,
            units: 0,
            written: 0,
            written_in: 0,
            soiled: 0,
            born: self.loads,
            ahead,
            held: None,
            huge,
        };
        let frame = self.free.pop().unwrap_or_else(|| {
            self.frames.push(None);
            (self.frames.len() - 1) as Frame
        });
        self.frames[frame as usize] = Some(entry);
        self.index.insert(key, frame);
        self.policy.insert(frame, key.0);
        frame
    }

    /// Forgets a granule whose memory has been given up, and credits its bytes.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Entry> {
        let frame = self.index.remove(&key)?;
        self.policy.remove(frame);
        self.free.push(frame);
        let entry = self.frames[frame as usize].take()?;
        self.charged -= entry.bytes;
        if self.dirty.remove(&key) {
            self.dirty_bytes -= entry.bytes;
        }
        Some(entry)
    }

    /// Marks parts of a granule as dirty.
    pub(crate) fn soil(&mut self, key: Key, units: u64) {
        self.soils += 1;
        let soils = self.soils;
        let Some(entry) = self.entry_of(key) else { return };
        entry.units |= units;
        entry.soiled = soils;
        let bytes = entry.bytes;
        if self.dirty.insert(key) {
            self.dirty_bytes += bytes;
        }
    }

    /// Counts a granule that is about to be loaded among the dirty ones: it can be written to from the
    /// moment it is there. Ends with [`soil`](Self::soil), or with [`clean_again`](Self::clean_again).
    pub(crate) fn expect_dirty(&mut self, key: Key, bytes: u64) {
        if self.dirty.insert(key) {
            self.dirty_bytes += bytes;
        }
    }

    /// Takes a granule off the dirty ones: it could not be loaded, or has been written.
    pub(crate) fn clean_again(&mut self, key: Key, bytes: u64) {
        if self.dirty.remove(&key) {
            self.dirty_bytes -= bytes;
        }
    }

    /// Takes a granule off the dirty ones, since it has been written.
    pub(crate) fn clean(&mut self, key: Key, syncs: Syncs) {
        let Some(entry) = self.entry_of(key) else { return };
        if entry.written_in <= syncs.good {
            entry.written = 0;
        }
        entry.written |= core::mem::take(&mut entry.units);
        // The first number is 1: nothing lasts before there was a sync.
        entry.written_in = syncs.begun + 1;
        self.clean_again(key, self.entry_bytes(key));
    }

    fn entry_bytes(&self, key: Key) -> u64 {
        let frame = self.frame(key).and_then(|frame| self.frames.get(frame as usize));
        frame.and_then(Option::as_ref).map_or(0, |entry| entry.bytes)
    }

    /// Some dirty granules, but for those that have just been soiled: protected again at once, an
    /// instruction that writes to two pages would fault on one and the other for ever.
    pub(crate) fn to_save(&self, most: usize) -> Vec<Key> {
        let settled = |key: &&Key| {
            let frame = self.index.get(key).and_then(|frame| self.frames.get(*frame as usize));
            frame.and_then(Option::as_ref).is_some_and(|entry| self.soils - entry.soiled >= SPARED)
        };
        self.dirty.iter().filter(settled).take(most).copied().collect()
    }

    /// All granules of a region, dirty or not.
    pub(crate) fn granules_of(&self, region: u32) -> Vec<usize> {
        let keys = self.index.keys().filter(|key| key.region() == region);
        keys.map(|key| key.granule()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Replacement;

    #[test]
    fn names_of_regions_come_round_and_stay_apart() {
        let mut ledger = Ledger::new(Replacement::Clock.policy(16));
        ledger.next_region = (1 << 28) - 3;
        let regions: Vec<u32> = (0..6).map(|_| ledger.next_region()).collect();
        for region in &regions {
            let key = Key::new(*region, (1 << 35) - 1);
            assert_eq!((key.region(), key.granule()), (*region, (1 << 35) - 1));
        }
        assert!(regions.iter().enumerate().all(|(at, one)| !regions[..at].contains(one)));
    }
}
