//! A region: the addresses that show one object, and what is known about each granule of it.
//!
//! All mappings of an object through one pager are handles on the same region, so that they show the
//! same bytes. Positions in it are offsets in the store.
//!
//! A touch of a missing page, on the thread that touched it (inside a signal handler, see
//! [`folio::pagehook`]):
//! 1. The granule's word says what is the matter. Absent: whoever claims it loads ([`crate::load`]).
//!    Loading, evicting: wait on the word. On standby: bring it back.
//! 2. Resident and to be written: its pages are write-protected until the first write, which marks the
//!    granule as dirty and takes the protection off its part, under the ledger's lock.
//! 3. The store failed: a copy of folio's own is told so; for anything else zeros stand in, and the fault
//!    is kept.
//!
//! Invariants:
//! - A page that can be written without a fault belongs to a granule that is dirty in the ledger.
//! - Zeros that stand in are never written to the store, and stay until [`Region::retry`].
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use folio::pagehook::{FillPage, PageFault, PageHook, PageOutcome};
use folio_store::{Capabilities, Error as StoreError, ErrorKind as StoreErrorKind, Store};

use crate::core::Core;
use crate::error::{Error, Fault};
use crate::failures::{Failure, Failures};
use crate::label::Label;
use crate::ledger::Key;
use crate::load::Why;
use crate::mechanism::Manner;
use crate::patience::Patience;
use crate::readahead::Streams;
use crate::save::Syncs;
use crate::statistics::Counters;
use crate::word::{Seen, State, Word};
use crate::{lock, sys};

pub(crate) struct Region {
    pub(crate) id: u32,
    pub(crate) core: Arc<Core>,
    pub(crate) store: Arc<dyn Store>,
    /// Where changes go, once somebody may make some.
    writer: OnceLock<Arc<dyn Store>>,
    /// Keeps what slices have shown, over the store ([`crate::keep`]).
    pub(crate) keeper: OnceLock<Arc<dyn Store>>,
    /// Where its temporary file goes.
    pub(crate) spill: Option<PathBuf>,
    pub(crate) capabilities: Capabilities,
    /// Whether any of its stores may touch mappings.
    pub(crate) touches_mappings: AtomicBool,
    pub(crate) name: String,
    /// Bytes of the object when it was mapped.
    pub(crate) len: u64,
    pub(crate) addresses: Range<usize>,
    label: Mutex<Option<Label>>,
    granule_shift: u32,
    unit_shift: u32,
    /// So few granules fit into the budget that none can be spared for a copy.
    pub(crate) tight: bool,
    snapshot: bool,
    /// Changes end with the mapping.
    pub(crate) private: bool,
    words: Box<[Word]>,
    /// Slices of the bytes have been given out: zeros that stand in must stay.
    pub(crate) sliced: AtomicBool,
    /// The same, for whoever takes such zeros away, which must not happen while this changes.
    pub(crate) shown: Mutex<bool>,
    pub(crate) failures: Failures,
    pub(crate) syncs: Mutex<Syncs>,
    pub(crate) streams: Mutex<Streams>,
    pub(crate) counters: Counters,
    pub(crate) closed: AtomicBool,
    /// Operations on the addresses by threads of the pager.
    pub(crate) visitors: AtomicU32,
}

/// What a region is made from.
pub(crate) struct Plan {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) name: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) granule: usize,
    pub(crate) len: u64,
    pub(crate) way: Way,
    /// Where temporary files go, if not where all do.
    pub(crate) spill: Option<PathBuf>,
}

/// In which way an object is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Read,
    Shared,
    Private,
    Snapshot,
}

/// Attends to the faults of a region.
struct Filler(Arc<Region>);

impl FillPage for Filler {
    fn fill_page(&self, fault: &PageFault) -> PageOutcome {
        self.0.fault(fault)
    }
}

impl Region {
    pub(crate) fn new(core: &Arc<Core>, plan: Plan) -> Result<(Arc<Self>, PageHook), Error> {
        let name = plan.name;
        let os = |errno| Error::os("map", name.as_str(), errno);
        let too_long = || {
            let reason = "it is longer than addresses reach";
            Error::new(crate::ErrorKind::Unsupported, "map", name.as_str(), reason)
        };
        let len = usize::try_from(plan.len).map_err(|_| too_long())?;
        let whole = len.checked_next_multiple_of(plan.granule).ok_or_else(too_long)?;
        let whole = whole.max(plan.granule);
        let granule_shift = plan.granule.trailing_zeros();
        let words = words(whole >> granule_shift).ok_or_else(|| {
            os(rustix::io::Errno::NOMEM).advice("take larger granules, of which there are fewer")
        })?;
        let addresses = core.mechanism.reserve(whole).map_err(os)?;
        let label = core.mechanism.name(&addresses, &name);
        if plan.granule >= sys::HUGE {
            // SAFETY: the addresses are new. Whether the kernel follows the advice shows in speed only.
            let _ = unsafe { sys::advise(&addresses, rustix::mm::Advice::LinuxHugepage) };
        }
        let id = lock(&core.ledger).next_region();
        let region = Arc::new(Self {
            id,
            core: core.clone(),
            touches_mappings: AtomicBool::new(plan.capabilities.touches_mappings()),
            capabilities: plan.capabilities,
            writer: match plan.way {
                Way::Shared | Way::Private => plan.store.clone().into(),
                Way::Read | Way::Snapshot => OnceLock::new(),
            },
            store: plan.store,
            name,
            len: plan.len,
            addresses: addresses.clone(),
            label: Mutex::new(label),
            granule_shift,
            unit_shift: granule_shift.saturating_sub(6).max(sys::PAGE.trailing_zeros()),
            tight: core.budget.limit_bytes() < 64 * plan.granule as u64,
            keeper: OnceLock::new(),
            spill: plan.spill,
            snapshot: plan.way == Way::Snapshot,
            private: matches!(plan.way, Way::Private | Way::Snapshot),
            words,
            sliced: AtomicBool::new(false),
            shown: Mutex::new(false),
            failures: Failures::default(),
            syncs: Mutex::default(),
            streams: Mutex::default(),
            counters: Counters::default(),
            closed: AtomicBool::new(false),
            visitors: AtomicU32::new(0),
        });
        // SAFETY: the addresses are the region's, which unmaps them when the last handle closes it, after
        // the hook has been dropped (`close`). The filler touches the addresses of no granule: it fills
        // slots, and reads pages only while they are being saved.
        let hook = unsafe { folio::pagehook::attach(addresses, Box::new(Filler(region.clone()))) };
        let hook = hook.map_err(|error| {
            // SAFETY: the addresses are new, and nobody knows of them.
            unsafe { region.release() };
            Error::new(
                crate::ErrorKind::Unsupported,
                "map",
                region.name.as_str(),
                error.to_string(),
            )
        })?;
        lock(&core.ledger).enter(&region);
        Ok((region, hook))
    }

    pub(crate) fn granule(&self) -> usize {
        1 << self.granule_shift
    }

    pub(crate) fn granules(&self) -> usize {
        self.words.len()
    }

    /// What an instruction that touches two granules needs, with the slots that they come through.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.granule() as u64 * if self.tight { 2 } else { 4 }
    }

    pub(crate) fn word(&self, granule: usize) -> &Word {
        &self.words[granule]
    }

    pub(crate) fn key(&self, granule: usize) -> Key {
        Key::new(self.id, granule)
    }

    /// The granules that a range of bytes lies in.
    pub(crate) fn granules_of(&self, range: &Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        range.start >> self.granule_shift..((range.end - 1) >> self.granule_shift) + 1
    }

    pub(crate) fn addresses_of(&self, granules: &Range<usize>) -> Range<usize> {
        let start = self.addresses.start;
        start + (granules.start << self.granule_shift)..start + (granules.end << self.granule_shift)
    }

    /// The bytes of the store that granules show; the last one may show fewer.
    pub(crate) fn bytes_of(&self, granules: &Range<usize>) -> Range<u64> {
        let offset = |granule: usize| ((granule << self.granule_shift) as u64).min(self.len);
        offset(granules.start)..offset(granules.end)
    }

    pub(crate) fn manner(&self) -> Manner {
        Manner { guarded: self.is_writable(), tight: self.tight }
    }

    /// Whether threads take turns: the budget holds a handful of granules.
    pub(crate) fn is_cramped(&self) -> bool {
        self.core.budget.limit_bytes() < 16 * self.granule() as u64
    }

    /// What is loaded is written once, as if it were dirty: to where it comes from when it is evicted.
    pub(crate) fn keeps(&self) -> bool {
        self.snapshot || self.keeper.get().is_some()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writer.get().is_some()
    }

    /// Where bytes are read from.
    pub(crate) fn reader(&self) -> &Arc<dyn Store> {
        self.keeper.get().or(self.writer.get()).unwrap_or(&self.store)
    }

    /// Where bytes are written to.
    pub(crate) fn writer(&self) -> &Arc<dyn Store> {
        self.reader()
    }

    /// Makes a region writable whose pages have all been protected so far. Not while slices of it may
    /// be about, nor where what they showed is kept: changes would go there, and not to the store.
    /// Returns when no load is under way that takes it for read-only.
    pub(crate) fn make_writable(&self, store: Arc<dyn Store>, touches_mappings: bool) -> bool {
        if self.sliced.load(Acquire) || self.keeps() {
            return false;
        }
        self.touches_mappings.fetch_or(touches_mappings, SeqCst);
        if self.writer.set(store).is_ok() {
            self.end(&[State::Loading]);
        }
        true
    }

    /// The part of its granule that a position lies in, as a bit, and the part's addresses.
    pub(crate) fn unit(&self, position: usize) -> (u64, Range<usize>) {
        let within = (position & (self.granule() - 1)) >> self.unit_shift;
        let start = self.addresses.start + (position >> self.unit_shift << self.unit_shift);
        (1 << within, start..start + (1 << self.unit_shift))
    }

    /// All parts of a granule.
    pub(crate) fn all_units(&self) -> u64 {
        units_mask(self.granule_shift - self.unit_shift)
    }

    /// The bytes from the first to the last of some parts, within the granule.
    pub(crate) fn span_of(&self, units: u64) -> Range<usize> {
        let first = units.trailing_zeros() as usize;
        let last = 63 - units.leading_zeros() as usize;
        first << self.unit_shift..(last + 1) << self.unit_shift
    }

    fn fault(self: &Arc<Self>, fault: &PageFault) -> PageOutcome {
        let start = Instant::now();
        let position = fault.address - self.addresses.start;
        if fault.broken {
            self.broke(position >> self.granule_shift);
        }
        let outcome = self.attend(position, fault.write, fault.copying);
        let time = start.elapsed();
        for counters in [&self.counters, &self.core.counters] {
            counters.stall(time);
        }
        outcome
    }

    /// Adds to a counter, here and for the whole pager.
    pub(crate) fn count(
        &self,
        what: impl Fn(&Counters) -> &std::sync::atomic::AtomicU64,
        count: u64,
    ) {
        self.counters.add(&what, count);
        self.core.counters.add(&what, count);
    }

    fn attend(self: &Arc<Self>, position: usize, write: bool, copying: bool) -> PageOutcome {
        if write && !self.is_writable() {
            return PageOutcome::Failed;
        }
        if write {
            self.core.throttle();
        }
        let granule = position >> self.granule_shift;
        let word = self.word(granule);
        self.count(|counters| &counters.faults, 1);
        let mut waited = false;
        let mut patience = Patience::default();
        loop {
            let seen = word.seen();
            match seen.state() {
                State::Absent | State::Broken => {
                    if seen.state() == State::Broken && copying {
                        return PageOutcome::Failed;
                    }
                    if word.claim(seen.state(), State::Loading).is_err() {
                        continue;
                    }
                    if seen.state() == State::Broken {
                        self.forget(granule);
                    }
                    // If its memory broke, somebody may have pinned it, and nobody writes to it.
                    let write = write && seen.pins() == 0;
                    let why = Why::Touch { position, write };
                    return match (self.load(granule..granule + 1, why), copying) {
                        (Ok(()), _) => {
                            self.noticed(granule);
                            PageOutcome::Filled
                        }
                        (Err(fault), true) => self.broken(granule, fault),
                        (Err(fault), false) if self.has_been_shown(granule) => {
                            self.failures.note(&fault);
                            self.settle(granule, State::Absent, false);
                            patience.pause();
                            continue;
                        }
                        (Err(fault), false) => self.zeros(granule, fault),
                    };
                }
                State::Loading | State::Evicting => {
                    if !waited {
                        self.count(|counters| &counters.waits, 1);
                    }
                    waited = true;
                    self.wait(word, seen);
                }
                State::Saving => {
                    // What is being written stays readable where it is, unless it was on standby.
                    if !write
                        && lock(&self.core.ledger)
                            .entry_of(self.key(granule))
                            .is_none_or(|entry| entry.slot.is_none())
                    {
                        return PageOutcome::Filled;
                    }
                    self.wait(word, seen);
                }
                State::Standby => {
                    if word.claim(State::Standby, State::Loading).is_ok() {
                        self.count(|counters| &counters.hits, 1);
                        match self.bring_back(granule) {
                            Ok(()) => return PageOutcome::Filled,
                            // The kernel has no memory, or is at the page for another reason.
                            Err(_) => patience.pause(),
                        }
                    }
                }
                State::Resident if write => match self.soil(granule, position) {
                    Soiled::Yes => return PageOutcome::Filled,
                    Soiled::Pinned(_) if copying => return PageOutcome::Failed,
                    Soiled::Pinned(seen) => self.wait(word, seen),
                    Soiled::Moved => {}
                },
                State::Resident | State::Failed => return PageOutcome::Filled,
            }
        }
    }

    /// Waits until a word changes, or for no reason.
    pub(crate) fn wait(&self, word: &Word, seen: Seen) {
        if let Ok(announced) = word.announce(seen) {
            sys::wait(&word.0, announced.0);
        }
    }

    /// Ends an operation on a granule and wakes whoever waits for it.
    pub(crate) fn settle(&self, granule: usize, state: State, dirty: bool) {
        let word = self.word(granule);
        if word.settle(state, dirty) {
            sys::wake(&word.0);
        }
    }

    /// Makes the part of a resident granule writable, and the granule dirty.
    pub(crate) fn soil(&self, granule: usize, position: usize) -> Soiled {
        let (unit, addresses) = self.unit(position);
        let mut ledger = lock(&self.core.ledger);
        let seen = self.word(granule).seen();
        if seen.state() != State::Resident {
            return Soiled::Moved;
        }
        if seen.pins() > 0 {
            return Soiled::Pinned(seen);
        }
        ledger.soil(self.key(granule), unit);
        // Whoever saves or evicts claims the word under the same lock.
        let soiled = self.word(granule).soil();
        debug_assert!(soiled.is_ok(), "{soiled:?}");
        // SAFETY: the addresses are the region's. A failure leaves the page protected: the write faults
        // again.
        let _ = unsafe { self.core.mechanism.unprotect(&addresses) };
        let dirty = ledger.dirty_bytes;
        drop(ledger);
        self.count(|counters| &counters.write_faults, 1);
        self.core.dirtied(dirty);
        Soiled::Yes
    }

    /// The end of a load that failed, for a copy: nothing is there.
    fn broken(&self, granule: usize, fault: Fault) -> PageOutcome {
        self.failures.insert(granule, Failure { fault, shown: false, charged: false });
        self.settle(granule, State::Broken, false);
        PageOutcome::Failed
    }

    /// The end of a load that failed: zeros stand in, so that the program goes on.
    fn zeros(&self, granule: usize, fault: Fault) -> PageOutcome {
        let addresses = self.addresses_of(&(granule..granule + 1));
        // Zeros that are written to become memory.
        let charged = self.is_writable() && self.core.charge_zeros(self);
        self.failures.zeros_appear();
        // SAFETY: the addresses are the region's, and the word says that nobody else attends to them.
        let shown = unsafe { self.core.mechanism.zeros(addresses, self.is_writable()) };
        let shown = shown.is_ok();
        self.failures.note(&fault);
        self.failures.insert(granule, Failure { fault, shown, charged });
        self.settle(granule, if shown { State::Failed } else { State::Broken }, false);
        if shown { PageOutcome::Filled } else { PageOutcome::Failed }
    }

    /// The memory of a granule has broken (BUS_MCEERR_AR in sigaction(2)). What the store has is loaded
    /// again. What only the memory had is lost: zeros stand in, and the fault is told.
    fn broke(&self, granule: usize) {
        let word = self.word(granule);
        let dirty = loop {
            let seen = {
                let mut ledger = lock(&self.core.ledger);
                match word.claim(State::Resident, State::Evicting) {
                    Ok(_) => {
                        let entry = ledger.entry_of(self.key(granule));
                        // Of what is kept only, the store has it too.
                        let own = self.keeper.get().is_none();
                        break own && entry.is_some_and(|entry| entry.units != 0);
                    }
                    Err(seen) => seen,
                }
            };
            match seen.state() {
                State::Loading | State::Saving | State::Evicting => self.wait(word, seen),
                _ => return,
            }
        };
        let addresses = self.addresses_of(&(granule..granule + 1));
        // SAFETY: the addresses are the region's, and the word is claimed. Whoever has the bytes as a
        // slice cannot read them where they broke; the others come back the same from the store.
        let _ = unsafe { self.core.mechanism.drop_pages(&[addresses]) };
        lock(&self.core.ledger).remove(self.key(granule));
        if dirty {
            let error = StoreError::new(StoreErrorKind::Io, "keep", self.name.as_str())
                .reason("the memory that its changes were in has broken");
            self.zeros(granule, self.fault_at(&(granule..granule + 1), error));
        } else {
            self.settle(granule, State::Absent, false);
        }
        self.core.room_again();
    }

    /// Forgets that a granule has failed.
    pub(crate) fn forget(&self, granule: usize) {
        if self.failures.remove(granule).is_some_and(|failure| failure.charged) {
            self.core.credit_zeros(self.granule() as u64);
        }
    }

    /// The fault of the first granule in a range that has failed.
    pub(crate) fn fault_in(&self, granules: &Range<usize>) -> Option<Fault> {
        self.failures.first(granules, |_| true)
    }

    /// The fault of the first granule in a range that zeros stand in for.
    pub(crate) fn zeros_in(&self, granules: &Range<usize>) -> Option<Fault> {
        self.failures.first(granules, |failure| failure.shown)
    }

    /// Takes away what stands in for granules that have failed, so that they are loaded when they are
    /// touched. Not while slices may show the zeros.
    pub(crate) fn retry(&self, granules: &Range<usize>) {
        for granule in self.failures.within(granules) {
            let word = self.word(granule);
            if word.claim(State::Broken, State::Evicting).is_err() {
                // No slice begins to show the zeros while they are taken away.
                let shown = lock(&self.shown);
                if *shown || word.claim_unpinned(State::Failed, State::Evicting).is_err() {
                    continue;
                }
                let addresses = self.addresses_of(&(granule..granule + 1));
                // SAFETY: the addresses are the region's, the word is claimed, and zeros that stand in
                // are nobody's bytes: no slice shows them.
                let _ = unsafe { self.core.mechanism.drop_pages(&[addresses]) };
            }
            self.forget(granule);
            self.settle(granule, State::Absent, false);
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Gives everything back. Called once, by the last handle, when nobody touches the addresses.
    pub(crate) fn close(&self, hook: PageHook) {
        self.closed.store(true, SeqCst);
        loop {
            match self.visitors.load(SeqCst) {
                0 => break,
                count => sys::wait(&self.visitors, count),
            }
        }
        drop(hook);
        // SAFETY: by the closing handle's claim nobody touches the addresses, the hook is gone, and visitors
        // are not let in any more.
        unsafe { self.release() };
        self.core.forget_region(self);
        self.core.credit_zeros((self.failures.charged() << self.granule_shift) as u64);
    }

    /// Gives the addresses back, and the label first.
    ///
    /// # Safety
    /// Nobody uses the addresses any more, and this is the process that they were reserved in.
    unsafe fn release(&self) {
        if let Some(label) = lock(&self.label).take() {
            // SAFETY: it was made where the addresses were reserved, and that is here.
            unsafe { label.remove() };
        }
        // SAFETY: the addresses are the region's, and by the caller's contract nobody uses them.
        unsafe { self.core.mechanism.release(self.addresses.clone()) };
    }

    /// How many bytes of granules are in memory.
    pub(crate) fn resident_bytes(&self, granules: &Range<usize>) -> u64 {
        let there = |granule: &usize| {
            matches!(
                self.word(*granule).seen().state(),
                State::Resident | State::Saving | State::Standby
            )
        };
        (granules.clone().filter(there).count() as u64) << self.granule_shift
    }
}

/// What became of an attempt to make a page writable.
pub(crate) enum Soiled {
    Yes,
    /// Somebody reads a slice of it.
    Pinned(Seen),
    /// The granule is no longer resident.
    Moved,
}

const fn units_mask(bits: u32) -> u64 {
    if bits >= 6 { u64::MAX } else { (1 << (1 << bits)) - 1 }
}

/// Words of absent granules. Memory comes to them as they are touched. None if there are no addresses for
/// so many.
fn words(count: usize) -> Option<Box<[Word]>> {
    let layout = Layout::array::<Word>(count).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout has a size.
    let start = unsafe { alloc::alloc_zeroed(layout) }.cast::<Word>();
    if start.is_null() {
        return None;
    }
    // SAFETY: the memory comes from the global allocator with the layout of such a box, and a word is an
    // atomic `u32` (`repr(transparent)`), for which zeros are valid.
    Some(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(start, count)) })
}
