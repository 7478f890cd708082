//! Saving: dirty granules are written to their store.
//!
//! 1. A granule's word is claimed for saving under the ledger's lock: from here on nobody makes a page of
//!    it writable. Whoever writes to it waits; whoever reads it where it is does not.
//! 2. Its pages are write-protected. Now nobody changes them, and the store is handed the pages
//!    themselves, neighbours in one piece.
//! 3. What the store took is clean. What it did not take stays dirty, and the failure is kept for the
//!    next flush.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex};

use folio_store::{Cost, Error as StoreError, ErrorKind as StoreErrorKind};

use crate::asking::{asking, held};
use crate::core::Core;
use crate::error::Fault;
use crate::evict::Claimed;
use crate::ledger::Key;
use crate::region::Region;
use crate::word::State;
use crate::workers::Job;
use crate::{lock, sys};

/// Bytes that are written at once, at most.
const PIECE_BYTES: usize = 4 << 20;
/// Granules that a background save takes at a time.
pub(crate) const SOME: usize = 256;

impl Core {
    /// Saves granules whose words have been claimed for it; returns those that are clean now, still
    /// claimed. The others are settled; the last failure is returned too. Several threads do it, where the
    /// store takes several requests at a time.
    pub(crate) fn save(&self, claimed: Vec<Claimed>) -> (Vec<Claimed>, Option<StoreError>) {
        let runs = self.runs(claimed);
        let Some(first) = runs.front() else { return (Vec::new(), None) };
        let core = first[0].region.core.clone();
        let capabilities = first[0].region.capabilities;
        let threads = match capabilities.cost() {
            Cost::Memory => 1,
            _ => usize::from(capabilities.concurrency_or_default()).min(runs.len() / 2),
        };
        let saving = Arc::new(Saving::new(runs));
        for _ in 1..threads {
            self.workers.push(Job::Help(core.clone(), saving.clone()));
        }
        saving.work(self, false);
        saving.outcome(self)
    }

    /// Puts neighbours together that can be written at once.
    fn runs(&self, mut claimed: Vec<Claimed>) -> VecDeque<Vec<Claimed>> {
        claimed.sort_unstable_by_key(Claimed::key);
        let mut runs: VecDeque<Vec<Claimed>> = VecDeque::new();
        let mut last_rests = false;
        for next in claimed {
            let rests = self.is_on_standby(next.key());
            let joins = !rests
                && !last_rests
                && runs.back().and_then(|run| Some((run.len(), run.last()?))).is_some_and(
                    |(count, last)| {
                        Arc::ptr_eq(&last.region, &next.region)
                            && last.granule + 1 == next.granule
                            && (count + 1) * next.region.granule() <= PIECE_BYTES
                    },
                );
            last_rests = rests;
            match runs.back_mut().filter(|_| joins) {
                Some(run) => run.push(next),
                None => runs.push_back(vec![next]),
            }
        }
        runs
    }

    /// Saves a run and returns it, or settles it and says why not.
    fn save_or_settle(&self, run: Vec<Claimed>) -> Result<Vec<Claimed>, StoreError> {
        let Err(error) = self.save_run(&run) else { return Ok(run) };
        let region = &run[0].region;
        let granules = run[0].granule..run[run.len() - 1].granule + 1;
        region.count(|counters| &counters.write_failures, 1);
        let fault = region.fault_at(&granules, error.clone());
        region.failures.write_failed(granules, fault);
        run.iter().for_each(|claimed| self.unsave(claimed, true));
        Err(error)
    }

    fn is_on_standby(&self, key: Key) -> bool {
        lock(&self.ledger).entry_of(key).is_some_and(|entry| entry.slot.is_some())
    }

    /// The end of saving: the granule is as it was, clean or not.
    pub(crate) fn unsave(&self, claimed: &Claimed, dirty: bool) {
        let mut ledger = lock(&self.ledger);
        let key = claimed.key();
        let standby = ledger.entry_of(key).is_some_and(|entry| entry.slot.is_some());
        drop(ledger);
        let state = if standby { State::Standby } else { State::Resident };
        claimed.region.settle(claimed.granule, state, dirty);
    }

    /// A run of neighbours at their addresses, or one granule on standby.
    fn save_run(&self, run: &[Claimed]) -> Result<(), StoreError> {
        let region = &run[0].region;
        let granules = run[0].granule..run[run.len() - 1].granule + 1;
        let (slot, units) = {
            let mut ledger = lock(&self.ledger);
            let slot = ledger
                .entry_of(run[0].key())
                .and_then(|entry| entry.slot.as_ref().map(|slot| slot.addresses().start));
            let units =
                |claimed: &Claimed| ledger.entry_of(claimed.key()).map_or(0, |entry| entry.units);
            (slot, run.iter().map(units).collect::<Vec<u64>>())
        };
        let base = match slot {
            Some(start) => start,
            None => {
                let addresses = region.addresses_of(&granules);
                if region.is_writable() {
                    // SAFETY: the addresses are the region's.
                    unsafe { self.mechanism.protect(&addresses) }.map_err(|errno| {
                        StoreError::os("save", region.name.as_str(), &errno.into())
                    })?;
                }
                addresses.start
            }
        };
        for piece in pieces(region, &granules, &units) {
            let offset = piece.start as u64;
            let end = (piece.end as u64).min(region.len);
            let len = end.saturating_sub(offset) as usize;
            let from = base + piece.start - granules.start * region.granule();
            // SAFETY: the pages are there: their words are claimed, so they are neither evicted nor
            // rested, and the region is kept from being closed. Nobody writes to them: they are
            // protected, or in a slot that this thread holds by the same claim, and a write to them
            // waits for the word.
            let bytes = unsafe {
                core::slice::from_raw_parts(core::ptr::with_exposed_provenance(from), len)
            };
            let write = || region.writer().write_all_at(bytes, offset);
            asking(self, || region.ask_store("write", write))?;
            region.count(|counters| &counters.written_bytes, len as u64);
        }
        let mut ledger = lock(&self.ledger);
        let syncs = *lock(&region.syncs);
        for claimed in run {
            ledger.clean(claimed.key(), syncs);
            if region.keeps() {
                region.word(claimed.granule).keep();
            }
        }
        region.count(|counters| &counters.write_backs, run.len() as u64);
        Ok(())
    }

    /// Claims dirty granules for saving, of those with these keys; [`Core::saved`] is to follow.
    fn claim_dirty(&self, keys: impl IntoIterator<Item = Key>) -> Vec<Claimed> {
        let mut ledger = lock(&self.ledger);
        ledger.under_way += 1;
        let claim = |key: Key| {
            let region = ledger.region(key)?;
            let visit = region.visit()?;
            let word = region.word(key.granule());
            let claimed = word
                .claim(State::Resident, State::Saving)
                .or_else(|_| word.claim(State::Standby, State::Saving));
            claimed.ok()?;
            Some(Claimed::new(region, key.granule(), visit))
        };
        let dirty = keys.into_iter().filter(|key| ledger.dirty.contains(key));
        dirty.filter_map(claim).collect()
    }

    /// The end of what [`claim_dirty`](Self::claim_dirty) began.
    fn saved(&self, claimed: &[Claimed]) {
        claimed.iter().for_each(|claimed| self.unsave(claimed, false));
        lock(&self.ledger).under_way -= 1;
        self.room_again();
    }

    /// Saves up to [`SOME`] dirty granules of any region; returns how many that were.
    pub(crate) fn save_some(&self) -> usize {
        let keys = lock(&self.ledger).to_save(SOME);
        let claimed = self.claim_dirty(keys);
        let (saved, _) = self.save(claimed);
        self.saved(&saved);
        saved.len()
    }
}

/// Runs that several threads save. Whoever needs them saved works too, so that they are even if nobody
/// comes to help.
///
/// Lock order: the ledger, `runs`.
pub(crate) struct Saving {
    runs: Mutex<VecDeque<Vec<Claimed>>>,
    /// Runs that have not been saved yet; changed under the ledger's lock.
    left: AtomicU32,
    /// Operations that wait for those who help, as they count in [`Ledger::stuck`](crate::ledger::Ledger);
    /// used under the ledger's lock.
    stuck: AtomicUsize,
    saved: Mutex<(Vec<Claimed>, Option<StoreError>)>,
}

impl Saving {
    fn new(runs: VecDeque<Vec<Claimed>>) -> Self {
        let left = AtomicU32::new(runs.len() as u32);
        let (runs, stuck) = (Mutex::new(runs), AtomicUsize::new(0));
        Self { runs, left, stuck, saved: Mutex::default() }
    }

    /// Saves what nobody has begun with. What a thread does that has come to help is an operation of its
    /// own in the ledger.
    fn work(&self, core: &Core, helps: bool) {
        loop {
            let run = {
                let mut ledger = lock(&core.ledger);
                let Some(run) = lock(&self.runs).pop_front() else { return };
                ledger.under_way += usize::from(helps);
                run
            };
            let result = core.save_or_settle(run);
            {
                let mut saved = lock(&self.saved);
                match result {
                    Ok(mut run) => saved.0.append(&mut run),
                    Err(error) => saved.1 = Some(error),
                }
            }
            let mut ledger = lock(&core.ledger);
            ledger.under_way -= usize::from(helps);
            if self.left.fetch_sub(1, AcqRel) == 1 {
                ledger.stuck -= self.stuck.swap(0, Relaxed);
                drop(ledger);
                sys::wake(&self.left);
            }
        }
    }

    /// By a thread that has come to help.
    pub(crate) fn help(&self, core: &Core) {
        self.work(core, true);
    }

    /// What became of the runs, once all have been saved. Until then nothing that this thread has under way
    /// makes room: whoever helps and finds that there is none must not wait for it.
    fn outcome(&self, core: &Core) -> (Vec<Claimed>, Option<StoreError>) {
        {
            let mut ledger = lock(&core.ledger);
            if self.left.load(Acquire) > 0 {
                let stuck = held(core) + 1;
                self.stuck.store(stuck, Relaxed);
                ledger.stuck += stuck;
            }
        }
        loop {
            match self.left.load(Acquire) {
                0 => return core::mem::take(&mut *lock(&self.saved)),
                left => sys::wait(&self.left, left),
            }
        }
    }
}

/// The bytes of dirty parts, as offsets in the store, neighbours together.
fn pieces(region: &Region, granules: &Range<usize>, units: &[u64]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (granule, &units) in granules.clone().zip(units) {
        if units == 0 {
            continue;
        }
        let span = region.span_of(units);
        let start = granule * region.granule();
        let piece = start + span.start..start + span.end;
        match pieces.last_mut() {
            Some(last) if last.end == piece.start => last.end = piece.end,
            _ => pieces.push(piece),
        }
    }
    pieces
}

impl Region {
    /// Saves what was dirty in a range when this was called. Returns the first failure, of these writes
    /// or of earlier ones in the background.
    pub(crate) fn save_range(self: &Arc<Self>, granules: &Range<usize>) -> Result<(), Fault> {
        let core = &self.core;
        let range = self.key(granules.start)..self.key(granules.end);
        let keys: Vec<Key> = lock(&core.ledger).dirty.range(range).copied().collect();
        for keys in keys.chunks(SOME) {
            let mut left = keys.to_vec();
            while !left.is_empty() {
                let claimed = core.claim_dirty(left.iter().copied());
                let got: Vec<Key> = claimed.iter().map(Claimed::key).collect();
                let (saved, _) = core.save(claimed);
                core.saved(&saved);
                left.retain(|key| !got.contains(key));
                // Somebody else is at the others: they are saved, or evicted after having been, or come
                // back and are tried again.
                left.retain(|key| {
                    let word = self.word(key.granule());
                    let seen = word.seen();
                    if matches!(seen.state(), State::Saving | State::Evicting | State::Loading) {
                        self.wait(word, seen);
                    }
                    lock(&core.ledger).dirty.contains(key)
                });
            }
        }
        match self.failures.take_write(granules) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

/// What a region's store has made last, by numbers of calls of [`Store::sync`](folio_store::Store::sync):
/// what was written before the n-th call began bears at most the number n. The lock is taken under the
/// ledger's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Syncs {
    pub(crate) begun: u64,
    /// What bears this number or a lower one lasts.
    pub(crate) good: u64,
    /// The highest number of what has been evicted since it was written.
    pub(crate) gone: u64,
    /// The highest number of what a sync that failed should have made last, and is evicted.
    lost: u64,
    /// Calls that failed. A store need not tell of a failure twice, so it is one of all calls that were
    /// under way.
    failures: u64,
}

impl Syncs {
    /// A sync failed: what has been evicted since the last one that was good may be lost.
    fn lose_since(&mut self, good: u64) {
        if self.gone > good {
            self.lost = self.gone;
        }
    }
}

impl Region {
    /// Has the store make everything last that was written to it. If it fails, what was written since the
    /// last success is dirty again, as far as it is there.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        let Syncs { begun: this, good: before, failures, .. } = {
            let mut syncs = lock(&self.syncs);
            syncs.begun += 1;
            *syncs
        };
        let synced = self.ask_store("sync", || self.writer().sync());
        let mut syncs = lock(&self.syncs);
        match synced {
            Ok(()) if syncs.failures != failures => {
                let error = StoreError::new(StoreErrorKind::Io, "sync", self.name.as_str())
                    .reason("another sync failed meanwhile")
                    .advice("flush again");
                Err(self.fault_at(&(0..self.granules()), error))
            }
            Ok(()) if syncs.lost == 0 => {
                syncs.good = syncs.good.max(this);
                Ok(())
            }
            Ok(()) => {
                let error = StoreError::new(StoreErrorKind::Io, "sync", self.name.as_str()).reason(
                    "an earlier sync failed, and some of what it was for is in memory no more",
                );
                Err(self.fault_at(&(0..self.granules()), error))
            }
            Err(error) => {
                syncs.failures += 1;
                syncs.lose_since(before);
                drop(syncs);
                self.soil_again(before);
                // What was being evicted meanwhile could not be made dirty again.
                lock(&self.syncs).lose_since(before);
                Err(self.fault_at(&(0..self.granules()), error))
            }
        }
    }

    /// Makes dirty again what was written under a higher number.
    fn soil_again(&self, good: u64) {
        for granule in self.core.granules_of(self) {
            let (key, word) = (self.key(granule), self.word(granule));
            loop {
                let mut ledger = lock(&self.core.ledger);
                let seen = word.seen();
                if matches!(seen.state(), State::Saving | State::Evicting | State::Loading) {
                    drop(ledger);
                    self.wait(word, seen);
                    continue;
                }
                let written = ledger.entry_of(key).filter(|entry| entry.written_in > good);
                if let Some(units) = written.map(|entry| entry.written).filter(|units| *units != 0)
                {
                    ledger.soil(key, units);
                    word.taint();
                }
                break;
            }
        }
    }
}
