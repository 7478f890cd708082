//! Making room: whose memory is given up, and how.
//!
//! 1. Whoever needs memory charges it. Where the budget has no room, the policy names victims, a batch
//!    at a time; their words are claimed under the ledger's lock, so that nobody soils or pins them.
//! 2. Those to rest are taken out of their addresses into slots. Dirty ones are saved first.
//! 3. The pages of the others are dropped, all at once, the ledger forgets them, and their words are
//!    settled as absent: whoever touched them meanwhile loads them again.
//!
//! A granule that was loaded by the last few loads is spared, so that an instruction that touches several
//! granules finds them all.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use folio_store::{Error as StoreError, ErrorKind as StoreErrorKind};
use rustix::io::Errno;

use crate::asking::held;
use crate::core::Core;
use crate::error::Fault;
use crate::ledger::{Key, Ledger, SPARED};
use crate::lock;
use crate::mechanism::is_huge;
use crate::policy::Verdict;
use crate::region::Region;
use crate::slots::Slot;
use crate::sys::{self, HUGE};
use crate::turns::{HOLD, Hold, Seeker};
use crate::visit::Visit;
use crate::word::State;

/// Granules evicted at a time, at most.
const BATCH: u64 = 512;

/// How long room is waited for, before it is looked for again.
const MOMENT: Duration = Duration::from_millis(1);

/// Rounds in a row in which nothing could be saved, before whoever needs room is told.
const SAVES_TRIED: usize = 2;

/// A granule that has been claimed, to be rested, saved or evicted.
pub(crate) struct Claimed {
    pub(crate) region: Arc<Region>,
    pub(crate) granule: usize,
    _visit: Visit,
}

impl Claimed {
    pub(crate) fn new(region: Arc<Region>, granule: usize, visit: Visit) -> Self {
        Self { region, granule, _visit: visit }
    }

    pub(crate) fn key(&self) -> Key {
        self.region.key(self.granule)
    }
}

#[derive(Default)]
struct Chosen {
    rest: Vec<Claimed>,
    save: Vec<Claimed>,
    evict: Vec<Claimed>,
    /// Victims that somebody else is at: they can be had soon.
    busy: usize,
}

impl Chosen {
    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.save.is_empty() && self.evict.is_empty()
    }
}

/// What was tried to make room, in vain.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// Rounds in which nothing could be saved.
    failures: usize,
    /// Why, the last time.
    unsaved: Option<StoreError>,
}

impl Core {
    /// Charges bytes to the budget for a region, once there is room for them. The caller credits them, or has the
    /// ledger note what they are for, and takes its part in what is under way back.
    ///
    /// Where dirty granules cannot be saved, clean ones go; if there are none, that is the error.
    pub(crate) fn make_room(&self, region: &Region, bytes: u64) -> Result<(), StoreError> {
        let mut tries = Tries::default();
        loop {
            let epoch = self.room_epoch();
            {
                let mut ledger = lock(&self.ledger);
                if ledger.charged + bytes <= self.budget.limit_bytes() {
                    ledger.charged += bytes;
                    ledger.under_way += 1;
                    return Ok(());
                }
            }
            self.free(region, bytes, None, epoch, &mut tries)?;
        }
    }

    /// Gives up memory, so that there may be room for as many bytes; or, if asked, recycles it as slots
    /// of a size.
    pub(crate) fn free(
        &self,
        region: &Region,
        bytes: u64,
        recycle: Option<usize>,
        epoch: u32,
        tries: &mut Tries,
    ) -> Result<(), StoreError> {
        let limit = self.budget.limit_bytes();
        let held = held(self);
        let chosen = {
            let mut ledger = lock(&self.ledger);
            let missing = (ledger.charged + bytes).saturating_sub(limit);
            if missing == 0 {
                return Ok(());
            }
            if ledger.recycled.bytes() > 0 {
                drop(ledger);
                self.give_up_recycled(missing);
                return Ok(());
            }
            let seeker = region.is_cramped().then(|| Seeker::new(sys::thread()));
            let clean_only = tries.unsaved.is_some();
            let chosen = self.choose(&mut ledger, missing, clean_only, seeker, held);
            if !chosen.is_empty() {
                ledger.under_way += 1;
                Some(chosen)
            } else if let Some(error) = tries.unsaved.take() {
                return match tries.failures > SAVES_TRIED {
                    true => Err(cannot_save(bytes, &error)),
                    false => Ok(()),
                };
            } else if bytes > limit || ledger.under_way + chosen.busy == 0 {
                return Err(no_room(bytes, limit));
            } else if held > 0 && ledger.stuck + held >= ledger.under_way {
                return Err(all_wait(bytes, limit));
            } else {
                if let Some(seeker) = seeker {
                    ledger.take_turn(seeker);
                }
                ledger.stuck += held;
                None
            }
        };
        match chosen {
            Some(chosen) => {
                if let Err(error) = self.carry_out(chosen, recycle) {
                    tries.failures += 1;
                    tries.unsaved = Some(error);
                }
            }
            // Who closes the region waits for this thread, and gives up what the region has after.
            None => {
                if !region.is_closing() {
                    let most = if region.is_cramped() { HOLD } else { MOMENT };
                    self.wait_for_room(epoch, most);
                }
                lock(&self.ledger).stuck -= held;
                if region.is_closing() {
                    return Err(no_room(bytes, limit));
                }
            }
        }
        Ok(())
    }

    /// Charges bytes if there is room for them now.
    pub(crate) fn charge_if_room(&self, bytes: u64) -> bool {
        let mut ledger = lock(&self.ledger);
        let there_is = ledger.charged + bytes <= self.budget.limit_bytes();
        if there_is {
            ledger.charged += bytes;
        }
        there_is
    }

    /// Charges a granule of zeros that stand in. They cannot be evicted: so they count as pinned, and where
    /// they would leave too little room for loads they are not charged.
    pub(crate) fn charge_zeros(&self, region: &Region) -> bool {
        let bytes = region.granule() as u64;
        if !lock(&self.ledger).pin(bytes, self.budget.limit_bytes()) {
            return false;
        }
        let charged = self.make_room(region, bytes).is_ok();
        let mut ledger = lock(&self.ledger);
        match charged {
            true => ledger.under_way -= 1,
            false => ledger.pinned_bytes -= bytes,
        }
        charged
    }

    pub(crate) fn credit_zeros(&self, bytes: u64) {
        {
            let mut ledger = lock(&self.ledger);
            ledger.charged -= bytes;
            ledger.pinned_bytes -= bytes;
        }
        self.room_again();
    }

    /// Spares fewer of the last loads where the others cannot be had, since they are pinned.
    fn choose(
        &self,
        ledger: &mut Ledger,
        missing: u64,
        clean_only: bool,
        seeker: Option<Seeker>,
        held: usize,
    ) -> Chosen {
        let most = if seeker.is_some() { 0 } else { SPARED };
        let mut spared = most.min(ledger.len() as u64 / 2);
        loop {
            let mut chosen = self.choose_but(ledger, missing, clean_only, spared, seeker);
            let idle = ledger.under_way <= ledger.stuck + held && chosen.busy == 0;
            if seeker.is_some() && idle && chosen.is_empty() {
                // There is nothing but what the thread has itself.
                chosen = self.choose_but(ledger, missing, clean_only, spared, None);
            }
            if spared == 0 || chosen.busy > 0 || !chosen.is_empty() {
                return chosen;
            }
            spared /= 2;
        }
    }

    fn choose_but(
        &self,
        ledger: &mut Ledger,
        missing: u64,
        clean_only: bool,
        spared: u64,
        seeker: Option<Seeker>,
    ) -> Chosen {
        let mut chosen = Chosen::default();
        let frames = ledger.len() as u64;
        // A little more at a time, so that the next loads find room.
        let spare = (frames / 64).min(BATCH);
        let (mut bytes, mut extra) = (0, 0);
        let mut rests = 2 * spare + 32;
        for _ in 0..2 * frames + 2 {
            if bytes >= missing && extra >= spare {
                break;
            }
            let Some(verdict) = ledger.policy.next() else { break };
            let (frame, rest) = match verdict {
                Verdict::Rest(frame) => (frame, rests > 0),
                Verdict::Evict(frame) => (frame, false),
            };
            let (loads, turn) = (ledger.loads, ledger.turn);
            let Some(entry) = ledger.entry(frame) else { continue };
            let (key, size, standby) = (entry.key, entry.bytes, entry.slot.is_some());
            let (dirty, huge) = (entry.units != 0, entry.huge);
            let hold = seeker.and_then(|seeker| seeker.finds(entry, turn));
            if let Some(hold) = hold {
                chosen.busy += usize::from(hold == Hold::Others);
                ledger.policy.kept(frame);
                continue;
            }
            // Where pages cannot be taken out, or have been, the policy's next word on them counts.
            if rest && (standby || !self.can_rest()) {
                continue;
            }
            if (loads - entry.born < spared && !standby) || (dirty && !rest && clean_only) {
                ledger.policy.kept(frame);
                continue;
            }
            let claimed = ledger.region(key).and_then(|region| {
                let Some(visit) = region.visit() else {
                    chosen.busy += 1;
                    return None;
                };
                let word = region.word(key.granule());
                let from = if standby { State::Standby } else { State::Resident };
                let to = if dirty && !rest { State::Saving } else { State::Evicting };
                match word.claim_unpinned(from, to) {
                    Ok(_) => Some(Claimed::new(region, key.granule(), visit)),
                    Err(seen) => {
                        chosen.busy += usize::from(seen.pins() == 0);
                        None
                    }
                }
            });
            let Some(claimed) = claimed else {
                ledger.policy.kept(frame);
                continue;
            };
            if rest {
                rests -= 1;
                chosen.rest.push(claimed);
                continue;
            }
            let enough = bytes >= missing;
            bytes += size;
            let before = chosen.evict.len();
            match dirty {
                true => chosen.save.push(claimed),
                false => {
                    if huge {
                        bytes += claim_rest_of_huge(ledger, &claimed, &mut chosen.evict);
                    }
                    chosen.evict.push(claimed);
                }
            }
            if enough {
                extra += 1.max((chosen.evict.len() - before) as u64);
            }
        }
        chosen
    }

    /// Fails if nothing could be evicted since nothing could be saved.
    fn carry_out(&self, chosen: Chosen, recycle: Option<usize>) -> Result<(), StoreError> {
        let Chosen { rest, save, mut evict, .. } = chosen;
        let rested = !rest.is_empty();
        rest.into_iter().for_each(|claimed| self.rest(&claimed));
        let (saved, failure) = self.save(save);
        for claimed in saved {
            // Readers may have pinned it meanwhile; nobody has written to it.
            let word = claimed.region.word(claimed.granule);
            match word.claim_unpinned(State::Saving, State::Evicting) {
                Ok(_) => evict.push(claimed),
                Err(_) => {
                    let mut ledger = lock(&self.ledger);
                    if let Some(frame) = ledger.frame(claimed.key()) {
                        ledger.policy.kept(frame);
                    }
                    drop(ledger);
                    self.unsave(&claimed, false);
                }
            }
        }
        let progress = rested || !evict.is_empty();
        self.evict(evict, recycle);
        lock(&self.ledger).under_way -= 1;
        self.room_again();
        match failure {
            Some(error) if !progress => Err(error),
            _ => Ok(()),
        }
    }

    fn rest(&self, claimed: &Claimed) {
        let Claimed { region, granule, .. } = claimed;
        let key = claimed.key();
        let taken = self.slots.take(region.granule()).ok().and_then(|slot| {
            let from = region.addresses_of(&(*granule..granule + 1));
            // SAFETY: the addresses are the region's, which a visitor keeps from being closed; the word
            // is claimed; the slot is new and has no pages.
            match unsafe { self.mechanism.take_out(from, slot.first(region.granule())) } {
                Ok(()) => Some(slot),
                Err(errno) => {
                    self.slots.give(slot, true);
                    self.could_not_rest(errno == Errno::BUSY);
                    None
                }
            }
        });
        let rested = taken.is_some();
        if rested {
            self.could_rest();
        }
        let mut ledger = lock(&self.ledger);
        let dirty = ledger.entry_of(key).is_some_and(|entry| {
            entry.slot = taken;
            entry.huge &= !rested;
            entry.units != 0
        });
        if let (false, Some(frame)) = (rested, ledger.frame(key)) {
            ledger.policy.kept(frame);
        }
        drop(ledger);
        if rested {
            region.count(|counters| &counters.rests, 1);
        }
        region.settle(*granule, if rested { State::Standby } else { State::Resident }, dirty);
    }

    /// Gives up the memory of granules that have been claimed for it, or recycles it as slots of a size.
    fn evict(&self, claimed: Vec<Claimed>, recycle: Option<usize>) {
        if claimed.is_empty() {
            return;
        }
        let (mut ranges, mut huge) = (Vec::new(), Vec::new());
        let mut slots: Vec<Slot> = Vec::new();
        {
            let mut ledger = lock(&self.ledger);
            for Claimed { region, granule, .. } in &claimed {
                let addresses = region.addresses_of(&(*granule..granule + 1));
                match ledger.entry_of(region.key(*granule)) {
                    Some(entry) => match entry.slot.take() {
                        Some(slot) => slots.push(slot),
                        None if entry.huge => huge.push(addresses),
                        None => ranges.push(addresses),
                    },
                    None => ranges.push(addresses),
                }
            }
        }
        let mut recycled = Vec::new();
        if let Some(len) = recycle {
            recycled = slots.extract_if(.., |slot| slot.addresses().len() == len).collect();
            let (collected, left) = match is_huge(len) {
                true => self.collect_huge(&core::mem::take(&mut huge)),
                false => self.collect(core::mem::take(&mut ranges), len),
            };
            recycled.extend(collected);
            ranges.extend(left);
        }
        ranges.append(&mut huge);
        // SAFETY: the addresses are of regions that visitors keep from being closed; the words are
        // claimed, the granules clean and without pins: their bytes can be had from their stores. Slices
        // of stable mappings see the same bytes again (`Paged::as_slice`).
        let dropped = unsafe { self.mechanism.drop_pages(&ranges) };
        self.slots.give_all(slots);
        if dropped.is_err() {
            // The kernel has no memory for its own records; the granules are still there, or in part.
            for range in &ranges {
                // SAFETY: as above.
                let _ = unsafe { self.mechanism.drop_pages(core::slice::from_ref(range)) };
            }
        }
        {
            let mut ledger = lock(&self.ledger);
            for claimed in &claimed {
                let entry = ledger.remove(claimed.key());
                if let Some(entry) = entry.filter(|entry| entry.written != 0) {
                    let mut syncs = lock(&claimed.region.syncs);
                    syncs.gone = syncs.gone.max(entry.written_in);
                }
            }
            for slot in recycled {
                ledger.charged += slot.addresses().len() as u64;
                ledger.recycled.put(slot);
            }
        }
        for Claimed { region, granule, .. } in &claimed {
            region.count(|counters| &counters.evictions, 1);
            region.settle(*granule, State::Absent, false);
        }
    }
}

/// Claims what else is clean of the huge page that a claimed granule lies in: it goes as a whole. Returns
/// how many bytes that are.
fn claim_rest_of_huge(ledger: &mut Ledger, claimed: &Claimed, evict: &mut Vec<Claimed>) -> u64 {
    let region = &claimed.region;
    let count = HUGE / region.granule();
    let first = claimed.granule / count * count;
    let before = evict.len();
    for granule in first..(first + count).min(region.granules()) {
        let entry = ledger.entry_of(region.key(granule));
        if entry.is_some_and(|entry| entry.huge && entry.units == 0)
            && let Some(visit) = region.visit()
            && region.word(granule).claim_unpinned(State::Resident, State::Evicting).is_ok()
        {
            evict.push(Claimed::new(region.clone(), granule, visit));
        }
    }
    ((evict.len() - before) * region.granule()) as u64
}

/// The kind is that of the failure, which may pass.
fn cannot_save(bytes: u64, error: &StoreError) -> StoreError {
    let reason =
        format!("no room for {bytes} bytes: what is dirty cannot be written back: {error}");
    StoreError::new(error.kind(), "load into", "memory").reason(reason)
}

fn all_wait(bytes: u64, limit: u64) -> StoreError {
    let reason = format!(
        "no room for {bytes} bytes in a budget of {limit}: all that could make some are loads whose \
         stores wait for it themselves"
    );
    StoreError::new(StoreErrorKind::NoSpace, "load into", "memory")
        .reason(reason)
        .advice("raise the budget, or map what a store reads through a pager of its own")
}

fn no_room(bytes: u64, limit: u64) -> StoreError {
    let reason = format!("no room for {bytes} bytes in a budget of {limit}: the rest is pinned");
    StoreError::new(StoreErrorKind::NoSpace, "load into", "memory")
        .reason(reason)
        .advice("raise the budget, take smaller granules, or pin less")
}

impl Region {
    /// Evicts what can be of a range; returns how many bytes that were.
    pub(crate) fn evict_range(self: &Arc<Self>, granules: &Range<usize>) -> Result<u64, Fault> {
        self.save_range(granules)?;
        let Some(_visit) = self.visit() else { return Ok(0) };
        let mut evicted = 0;
        let mut next = granules.start;
        while next < granules.end {
            let mut claimed = Vec::new();
            {
                let mut ledger = lock(&self.core.ledger);
                while next < granules.end && claimed.len() < BATCH as usize {
                    if let Some(granule) = self.claim_clean(&mut ledger, next) {
                        claimed.push(granule);
                    }
                    next += 1;
                }
            }
            evicted += (claimed.len() * self.granule()) as u64;
            self.core.evict(claimed, None);
        }
        self.core.give_up_recycled(u64::MAX);
        self.core.room_again();
        Ok(evicted)
    }

    /// The ledger knows of a write before the word does.
    fn claim_clean(self: &Arc<Self>, ledger: &mut Ledger, granule: usize) -> Option<Claimed> {
        ledger.entry_of(self.key(granule)).filter(|entry| entry.units == 0)?;
        let word = self.word(granule);
        let visit = self.visit()?;
        let claimed = word
            .claim_unpinned(State::Resident, State::Evicting)
            .or_else(|_| word.claim_unpinned(State::Standby, State::Evicting));
        claimed.ok().map(|_| Claimed::new(self.clone(), granule, visit))
    }
}
