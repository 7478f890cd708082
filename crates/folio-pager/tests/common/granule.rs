//! A granule in a model checker: the pager's own word, and small models of what it is used with: the
//! futex, the page table, the ledger behind its lock, and a store. What threads do is what `load`,
//! `evict`, `save`, `pin` and `region` do, step by step and under the same locks.
//!
//! Its bytes, its slot and its store are cells that loom watches: a read that may overlap a write, or a
//! write that may overlap anything, ends the run.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering::Relaxed};

use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex, MutexGuard};

use crate::sync::{AtomicU32, Ordering};
use crate::word::{Seen, State, Word};

/// What the store holds at first.
pub(crate) const STORED: u32 = 7;
/// What is in memory that has been given up.
const NOTHING: u32 = 666;

/// A granule's worth of memory. Loom watches who is at it.
struct Bytes(UnsafeCell<u32>);

// SAFETY: loom runs one thread at a time, and panics at an access that another thread's may overlap.
unsafe impl Sync for Bytes {}

impl Bytes {
    fn new(value: u32) -> Self {
        Self(UnsafeCell::new(value))
    }

    fn read(&self) -> u32 {
        // SAFETY: loom has checked that nobody writes meanwhile.
        self.0.with(|bytes| unsafe { *bytes })
    }

    fn write(&self, value: u32) {
        // SAFETY: loom has checked that nobody else is at the bytes meanwhile.
        self.0.with_mut(|bytes| unsafe { *bytes = value });
    }
}

/// What the kernel knows of the granule's addresses.
#[derive(Default)]
struct Page {
    there: bool,
    writable: bool,
}

#[derive(Default)]
struct Ledger {
    entry: Option<Entry>,
    /// The granule is among the dirty ones: what a flush goes by.
    dirty: bool,
}

#[derive(Default)]
struct Entry {
    standby: bool,
    /// Parts of it are dirty.
    units: bool,
    /// Parts of it have been written since the store last made something last.
    written: bool,
}

/// How a granule is made up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// It is one part, so that a load for a write arrives without protection.
    pub(crate) whole: bool,
    /// The first reads of the store that fail.
    pub(crate) failures: u32,
}

pub(crate) struct Granule {
    manner: Manner,
    pub(crate) word: Word,
    /// The futex: whoever waits sleeps until the number changes.
    wakes: Mutex<u32>,
    woken: Condvar,
    ledger: Mutex<Ledger>,
    page: Mutex<Page>,
    memory: Bytes,
    slot: Bytes,
    store: Bytes,
    reads: Count,
}

impl Granule {
    pub(crate) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            word: Word(AtomicU32::new(0)),
            wakes: Mutex::new(0),
            woken: Condvar::new(),
            ledger: Mutex::default(),
            page: Mutex::default(),
            memory: Bytes::new(NOTHING),
            slot: Bytes::new(NOTHING),
            store: Bytes::new(STORED),
            reads: Count::new(0),
        })
    }

    /// What is in the store, and how often it was read, once nobody else is at it.
    pub(crate) fn stored(&self) -> u32 {
        self.store.read()
    }

    pub(crate) fn reads(&self) -> u32 {
        self.reads.load(Relaxed)
    }

    /// Whether the word says of the granule what the ledger says, once nobody is at it.
    pub(crate) fn is_settled(&self) -> bool {
        let (seen, ledger) = (self.word.seen(), self.ledger());
        let dirty = ledger.entry.as_ref().is_some_and(|entry| entry.units);
        let there = match seen.state() {
            State::Absent | State::Failed | State::Broken => ledger.entry.is_none(),
            State::Resident => ledger.entry.as_ref().is_some_and(|entry| !entry.standby),
            State::Standby => ledger.entry.as_ref().is_some_and(|entry| entry.standby),
            State::Loading | State::Saving | State::Evicting => false,
        };
        let same = seen.is_dirty() == dirty && ledger.dirty == dirty;
        there && same && seen.pins() == 0 && !seen.is_waited_for()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap()
    }

    /// FUTEX_WAIT: compares and falls asleep in one step.
    fn futex_wait(&self, value: u32) {
        let mut wakes = self.wakes.lock().unwrap();
        if self.word.0.load(Ordering::Relaxed) != value {
            return;
        }
        let before = *wakes;
        while *wakes == before {
            wakes = self.woken.wait(wakes).unwrap();
        }
    }

    /// FUTEX_WAKE, of all.
    fn futex_wake(&self) {
        *self.wakes.lock().unwrap() += 1;
        self.woken.notify_all();
    }

    /// `Region::wait`
    fn wait(&self, seen: Seen) {
        if let Ok(announced) = self.word.announce(seen) {
            self.futex_wait(announced.0);
        }
    }

    /// `Region::settle`
    fn settle(&self, state: State, dirty: bool) {
        if self.word.settle(state, dirty) {
            self.futex_wake();
        }
    }

    fn install(&self, writable: bool) {
        let mut page = self.page();
        assert!(!page.there, "installed over a page");
        self.memory.write(self.slot.read());
        *page = Page { there: true, writable };
    }

    fn drop_pages(&self) {
        let mut page = self.page();
        self.memory.write(NOTHING);
        *page = Page::default();
    }

    /// `Region::load`; the caller has claimed the word.
    fn load(&self, write: bool) -> Result<(), ()> {
        let unguarded = write && self.manner.whole;
        if unguarded {
            self.ledger().dirty = true;
        }
        if self.reads.fetch_add(1, Relaxed) < self.manner.failures {
            if unguarded {
                self.ledger().dirty = false;
            }
            return Err(());
        }
        self.slot.write(self.store.read());
        self.install(unguarded);
        {
            let mut ledger = self.ledger();
            assert!(ledger.entry.is_none(), "loaded twice");
            ledger.entry = Some(Entry { standby: false, units: write, written: false });
            if write {
                ledger.dirty = true;
                self.page().writable = true;
            }
        }
        self.settle(State::Resident, write);
        Ok(())
    }

    /// `Region::bring_back`; the caller has claimed the word.
    fn bring_back(&self) {
        let dirty = {
            let mut ledger = self.ledger();
            let entry = ledger.entry.as_mut().expect("an entry on standby");
            assert!(std::mem::take(&mut entry.standby));
            entry.units
        };
        self.install(false);
        self.settle(State::Resident, dirty);
    }

    /// `Region::attend`: what a touch of a page that is missing or protected does. Fails where the store
    /// does, for a copy.
    fn attend(&self, write: bool, copying: bool) -> Result<(), ()> {
        loop {
            let seen = self.word.seen();
            match seen.state() {
                State::Absent | State::Broken => {
                    if seen.state() == State::Broken && copying {
                        return Err(());
                    }
                    if self.word.claim(seen.state(), State::Loading).is_err() {
                        continue;
                    }
                    let write = write && seen.pins() == 0;
                    return self.load(write).or_else(|()| self.failed(copying));
                }
                State::Loading | State::Evicting => self.wait(seen),
                State::Saving => {
                    if !write && self.ledger().entry.as_ref().is_none_or(|entry| !entry.standby) {
                        return Ok(());
                    }
                    self.wait(seen);
                }
                State::Standby => {
                    if self.word.claim(State::Standby, State::Loading).is_ok() {
                        self.bring_back();
                        return Ok(());
                    }
                }
                State::Resident if write => match self.soil() {
                    Ok(()) => return Ok(()),
                    Err(Some(pinned)) => self.wait(pinned),
                    Err(None) => {}
                },
                State::Resident | State::Failed => return Ok(()),
            }
        }
    }

    /// `Region::broken` and `Region::zeros`
    fn failed(&self, copying: bool) -> Result<(), ()> {
        if copying {
            self.settle(State::Broken, false);
            return Err(());
        }
        self.memory.write(0);
        *self.page() = Page { there: true, writable: true };
        self.settle(State::Failed, false);
        Ok(())
    }

    /// `Region::soil`
    fn soil(&self) -> Result<(), Option<Seen>> {
        let mut ledger = self.ledger();
        let seen = self.word.seen();
        if seen.state() != State::Resident {
            return Err(None);
        }
        if seen.pins() > 0 {
            return Err(Some(seen));
        }
        ledger.entry.as_mut().expect("an entry of a resident granule").units = true;
        ledger.dirty = true;
        assert!(self.word.soil().is_ok());
        self.page().writable = true;
        Ok(())
    }

    /// A load instruction, and the faults that it meets.
    pub(crate) fn read(&self) -> u32 {
        loop {
            let page = self.page();
            if page.there {
                return self.memory.read();
            }
            drop(page);
            assert!(self.attend(false, false).is_ok());
        }
    }

    /// A store instruction, and the faults that it meets.
    pub(crate) fn write(&self, value: u32) {
        loop {
            let page = self.page();
            if page.there && page.writable {
                return self.memory.write(value);
            }
            drop(page);
            assert!(self.attend(true, false).is_ok());
        }
    }

    /// `Paged::read_at`, once
    pub(crate) fn copy(&self) -> Result<u32, ()> {
        self.retry();
        loop {
            let page = self.page();
            if page.there {
                return Ok(self.memory.read());
            }
            drop(page);
            self.attend(false, true)?;
        }
    }

    /// `Region::retry`
    pub(crate) fn retry(&self) {
        if self.word.claim(State::Broken, State::Evicting).is_err() {
            if self.word.claim_unpinned(State::Failed, State::Evicting).is_err() {
                return;
            }
            self.drop_pages();
        }
        self.settle(State::Absent, false);
    }

    /// `Region::broke`, where the store has it too: other memory does not break here.
    pub(crate) fn broke(&self) {
        loop {
            let seen = {
                let ledger = self.ledger();
                if ledger.entry.as_ref().is_some_and(|entry| entry.units) {
                    return;
                }
                match self.word.claim(State::Resident, State::Evicting) {
                    Ok(_) => break,
                    Err(seen) => seen,
                }
            };
            match seen.state() {
                State::Loading | State::Saving | State::Evicting => self.wait(seen),
                _ => return,
            }
        }
        self.drop_pages();
        *self.ledger() = Ledger::default();
        self.settle(State::Absent, false);
    }

    /// What makes room takes a granule by (`Core::choose_but`). Says whether it is to be saved.
    fn choose(&self, rest: bool) -> Option<bool> {
        let ledger = self.ledger();
        let entry = ledger.entry.as_ref()?;
        if rest && entry.standby {
            return None;
        }
        let from = if entry.standby { State::Standby } else { State::Resident };
        let save = entry.units && !rest;
        let to = if save { State::Saving } else { State::Evicting };
        self.word.claim_unpinned(from, to).ok().map(|_| save)
    }

    /// `Core::make_room`, where this granule is the victim.
    pub(crate) fn make_room(&self) {
        match self.choose(false) {
            None => {}
            Some(false) => self.evict(),
            Some(true) => {
                self.save();
                match self.word.claim_unpinned(State::Saving, State::Evicting) {
                    Ok(_) => self.evict(),
                    Err(_) => self.unsave(),
                }
            }
        }
    }

    /// `Core::evict`; the caller has claimed the word.
    fn evict(&self) {
        let standby = self.ledger().entry.as_mut().is_some_and(|entry| {
            assert!(!entry.units, "evicted with something to be saved");
            std::mem::take(&mut entry.standby)
        });
        match standby {
            true => self.slot.write(NOTHING),
            false => self.drop_pages(),
        }
        {
            let mut ledger = self.ledger();
            ledger.entry = None;
            assert!(!ledger.dirty, "evicted with something to be saved");
        }
        self.settle(State::Absent, false);
    }

    /// `Core::rest`
    pub(crate) fn rest(&self) {
        if self.choose(true).is_none() {
            return;
        }
        {
            let mut page = self.page();
            self.slot.write(self.memory.read());
            self.memory.write(NOTHING);
            *page = Page::default();
        }
        let mut ledger = self.ledger();
        let entry = ledger.entry.as_mut().expect("an entry of what is rested");
        entry.standby = true;
        let dirty = entry.units;
        drop(ledger);
        self.settle(State::Standby, dirty);
    }

    /// `Core::save`; the caller has claimed the word.
    fn save(&self) {
        let entry = |ledger: &Ledger| ledger.entry.as_ref().map(|entry| entry.standby);
        let standby = entry(&self.ledger()).expect("an entry of what is saved");
        if standby {
            self.store.write(self.slot.read());
        } else {
            self.page().writable = false;
            self.store.write(self.memory.read());
        }
        let mut ledger = self.ledger();
        let entry = ledger.entry.as_mut().expect("an entry of what is saved");
        (entry.units, entry.written) = (false, true);
        ledger.dirty = false;
        self.word.keep();
    }

    /// `Core::unsave`
    fn unsave(&self) {
        let standby = self.ledger().entry.as_ref().is_some_and(|entry| entry.standby);
        self.settle(if standby { State::Standby } else { State::Resident }, false);
    }

    /// `Region::save_range`
    pub(crate) fn flush(&self) {
        while self.ledger().dirty {
            let claimed = {
                let ledger = self.ledger();
                let claim = || self.word.claim(State::Resident, State::Saving);
                ledger.dirty
                    && claim().or_else(|_| self.word.claim(State::Standby, State::Saving)).is_ok()
            };
            if claimed {
                self.save();
                self.unsave();
                return;
            }
            let seen = self.word.seen();
            if matches!(seen.state(), State::Saving | State::Evicting | State::Loading) {
                self.wait(seen);
            }
        }
    }

    /// `Region::soil_again`, after a sync that failed.
    pub(crate) fn soil_again(&self) {
        loop {
            let mut ledger = self.ledger();
            let seen = self.word.seen();
            if matches!(seen.state(), State::Saving | State::Evicting | State::Loading) {
                drop(ledger);
                self.wait(seen);
                continue;
            }
            if let Some(entry) = ledger.entry.as_mut().filter(|entry| entry.written) {
                (entry.units, entry.written) = (true, false);
                ledger.dirty = true;
                self.word.taint();
            }
            return;
        }
    }

    /// `Region::evict_range`
    pub(crate) fn evict_range(&self) {
        self.flush();
        let claimed = {
            let ledger = self.ledger();
            let claim = |from| self.word.claim_unpinned(from, State::Evicting);
            ledger.entry.as_ref().is_some_and(|entry| !entry.units)
                && claim(State::Resident).or_else(|_| claim(State::Standby)).is_ok()
        };
        if claimed {
            self.evict();
        }
    }

    /// `Region::pin`
    pub(crate) fn pin(&self) -> Pin<'_> {
        loop {
            let seen = {
                let ledger = self.ledger();
                let elsewhere = ledger.entry.as_ref().is_some_and(|entry| entry.standby);
                match if elsewhere { Err(self.word.seen()) } else { self.word.pin() } {
                    Ok(seen) => {
                        if seen.is_dirty() {
                            self.page().writable = false;
                        }
                        return Pin(self);
                    }
                    Err(seen) => seen,
                }
            };
            match seen.state() {
                State::Absent => {
                    let claimed = self.word.claim(State::Absent, State::Loading).is_ok();
                    if claimed && self.load(false).is_err() {
                        self.settle(State::Absent, false);
                    }
                }
                State::Standby => {
                    if self.word.claim(State::Standby, State::Loading).is_ok() {
                        self.bring_back();
                    }
                }
                State::Broken | State::Failed => self.retry(),
                _ => self.wait(seen),
            }
        }
    }
}

/// `Pinned`
pub(crate) struct Pin<'a>(&'a Granule);

impl Pin<'_> {
    /// Without a fault, and without a lock.
    pub(crate) fn read(&self) -> u32 {
        self.0.memory.read()
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        if self.0.word.unpin() {
            self.0.futex_wake();
        }
    }
}
