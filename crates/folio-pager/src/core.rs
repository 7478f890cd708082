//! What all mappings of a pager share: the mechanism, the slots, the ledger and the threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::budget::Budget;
use crate::ledger::Ledger;
use crate::load::RUN_BYTES;
use crate::mechanism::{MOST_SPLIT, Mechanism};
use crate::paged::Mapped;
use crate::region::Region;
use crate::save::SOME;
use crate::slots::Slots;
use crate::statistics::Counters;
use crate::workers::{Job, Workers};
use crate::{lock, sys};

/// An object that is mapped, or was lately.
pub(crate) struct Object {
    pub(crate) mapped: Weak<Mapped>,
    /// Whether its last mapping has been closed, and all that was written to it saved.
    pub(crate) closed: Arc<AtomicU32>,
}

pub(crate) struct Core {
    pub(crate) mechanism: Arc<Mechanism>,
    pub(crate) slots: Slots,
    pub(crate) budget: Budget,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) counters: Counters,
    pub(crate) workers: Workers,
    /// What is mapped, by the identity of its store.
    pub(crate) objects: Mutex<HashMap<String, Object>>,
    /// Counts the times that room may have come.
    room: AtomicU32,
    room_waited: AtomicBool,
    saving: Arc<AtomicBool>,
    rests: AtomicBool,
    /// Granules in a row that could not be taken out since the kernel was at their pages.
    busy: AtomicU32,
    too_dirty: AtomicBool,
}

impl Core {
    pub(crate) fn new(budget: Budget) -> Arc<Self> {
        let mechanism = Arc::new(Mechanism::find());
        let budget = match mechanism.splits_mappings() {
            true => budget.at_most(MOST_SPLIT * RUN_BYTES as u64),
            false => budget,
        };
        let limit = budget.limit_bytes();
        let slots = Slots::new(mechanism.clone(), usize::try_from(limit).unwrap_or(usize::MAX / 4));
        let frames = (limit / sys::PAGE as u64).min(1 << 24) as usize;
        let ledger = Ledger::new(budget.replacement_policy().policy(frames));
        Arc::new(Self {
            rests: AtomicBool::new(mechanism.can_take_out()),
            mechanism,
            slots,
            budget,
            ledger: Mutex::new(ledger),
            counters: Counters::default(),
            workers: Workers::new(),
            objects: Mutex::default(),
            room: AtomicU32::new(0),
            room_waited: AtomicBool::new(false),
            busy: AtomicU32::new(0),
            saving: Arc::default(),
            too_dirty: AtomicBool::new(false),
        })
    }

    /// Whether this is the process that the pager was made in, rather than a forked child of it.
    pub(crate) fn is_here(&self) -> bool {
        self.slots.home.is_here()
    }

    pub(crate) fn room_epoch(&self) -> u32 {
        self.room.load(Ordering::Acquire)
    }

    /// Says that there may be room now.
    pub(crate) fn room_again(&self) {
        self.room.fetch_add(1, Ordering::AcqRel);
        if self.room_waited.swap(false, Ordering::AcqRel) {
            sys::wake(&self.room);
        }
    }

    /// Waits until there may be room, for so long at most.
    pub(crate) fn wait_for_room(&self, epoch: u32, most: Duration) {
        self.room_waited.store(true, Ordering::Release);
        sys::wait_for(&self.room, epoch, most);
    }

    /// Sees to it that dirty granules are saved in time.
    pub(crate) fn dirtied(self: &Arc<Self>, dirty_bytes: u64) {
        let limit = self.budget.dirty_limit_bytes();
        self.too_dirty.store(dirty_bytes > limit, Ordering::Relaxed);
        if dirty_bytes > limit / 2 && !self.saving.swap(true, Ordering::AcqRel) {
            self.workers.push(Job::Save(Arc::downgrade(self), self.saving.clone()));
        }
    }

    /// Holds a writer up by what has been written, where that is too much. To be called before a page is
    /// made writable: it may be protected by this.
    pub(crate) fn throttle(&self) {
        if self.too_dirty.swap(false, Ordering::Relaxed) {
            self.save_some();
        }
    }

    /// What a thread does in the background: saves until a quarter of the limit is left.
    pub(crate) fn save_in_background(&self) {
        loop {
            let (bytes, count) = {
                let ledger = lock(&self.ledger);
                (ledger.dirty_bytes, ledger.dirty.len())
            };
            if bytes <= self.budget.dirty_limit_bytes() / 4 {
                return;
            }
            // What has just been soiled would be protected before the write that soiled it is done, and
            // so for ever.
            if count < SOME {
                std::thread::sleep(Duration::from_millis(1));
            }
            if self.save_some() == 0 {
                return;
            }
        }
    }

    /// Whether granules can be taken out of their addresses.
    pub(crate) fn can_rest(&self) -> bool {
        self.rests.load(Ordering::Relaxed)
    }

    /// It was tried, and the kernel refuses; or is at the pages for something that takes time, or lasts:
    /// it merges equal ones, for example (KSM). Then policies go without.
    pub(crate) fn could_not_rest(&self, busy: bool) {
        const BUSY_IN_A_ROW: u32 = 256;
        if !busy || self.busy.fetch_add(1, Ordering::Relaxed) > BUSY_IN_A_ROW {
            self.rests.store(false, Ordering::Relaxed);
        }
    }

    pub(crate) fn could_rest(&self) {
        if self.busy.load(Ordering::Relaxed) != 0 {
            self.busy.store(0, Ordering::Relaxed);
        }
    }

    /// The granules of a region that are in memory.
    pub(crate) fn granules_of(&self, region: &Region) -> Vec<usize> {
        lock(&self.ledger).granules_of(region.id)
    }

    /// Credits what a region had, whose addresses are gone.
    pub(crate) fn forget_region(&self, region: &Region) {
        let mut slots = Vec::new();
        let mut ledger = lock(&self.ledger);
        ledger.leave(region.id);
        for granule in ledger.granules_of(region.id) {
            let entry = ledger.remove(region.key(granule));
            slots.extend(entry.and_then(|entry| entry.slot));
        }
        drop(ledger);
        self.slots.give_all(slots);
        self.give_up_recycled(u64::MAX);
        self.room_again();
    }
}
