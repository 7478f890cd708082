//! Recycling: buffers that keep their memory, and pages that go from what is evicted to what is loaded.
//!
//! Fresh pages are the dearest part of a load: the kernel finds, clears and maps each. So a slot whose
//! bytes were copied stays filled, for the next load; and where there is no room, the pages of victims
//! are moved into a slot, filled by the store, and moved to the addresses that need them.
//!
//! Invariants:
//! - Recycled slots are in the ledger, and charged to the budget in full.
//! - They are given up before anything is evicted that no load can take its pages from, when mappings
//!   are evicted on request, and when a region is closed.
#![allow(unsafe_code)]

use std::ops::Range;

use folio_store::Error as StoreError;

use crate::core::Core;
use crate::evict::Tries;
use crate::ledger::Ledger;
use crate::lock;
use crate::mechanism::{Installed, is_huge, merged};
use crate::region::Region;
use crate::slots::Slot;
use crate::sys::{self, HUGE};

/// One in as many bytes of the budget may be in slots that wait to be filled, where there is room.
const IDLE_SHARE: u64 = 16;

/// What a load has been given.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) slot: Slot,
    /// Whether the slot keeps its pages when its bytes are installed.
    pub(crate) how: Installed,
    /// Bytes that are charged for the slot and the granules together.
    pub(crate) charged: u64,
}

enum Step {
    Gathered { slot: Option<Slot>, how: Installed, charged: u64 },
    Missing(u64),
}

impl Core {
    /// A slot for a load of `bytes`, which goes to its place as a whole or in parts, and room for them. The
    /// caller credits what it was charged, or has the ledger note what it is for, and takes its part in
    /// what is under way back.
    pub(crate) fn gather(
        &self,
        region: &Region,
        bytes: usize,
        whole: bool,
    ) -> Result<Gathered, StoreError> {
        let len = bytes.next_power_of_two();
        let manner = region.manner();
        let moves = !self.mechanism.copies(bytes, manner);
        let copies = self.mechanism.can_copy() && !(moves && region.tight);
        // What is part of a huge page is copied, so that it stays one.
        let moves = moves && !(copies && is_huge(len) && !(whole && bytes == len));
        let step = |ledger: &mut Ledger| {
            let (whole, both) = (len as u64, (bytes + len) as u64);
            let limit = self.budget.limit_bytes();
            let room = limit.saturating_sub(ledger.charged);
            let filled = ledger.recycled.has(len);
            let gathered = |slot, how, charged| Step::Gathered { slot, how, charged };
            // A huge page is moved as it is; to copy it takes as long as to read it.
            let prefers_moving = moves && is_huge(len) && bytes == len;
            if prefers_moving && (filled || whole <= room) {
                ledger.charged += if filled { 0 } else { whole };
                let slot = if filled { ledger.recycled.take(len) } else { None };
                return gathered(slot, Installed::Moved, whole);
            }
            if copies && filled && bytes as u64 <= room {
                ledger.charged += bytes as u64;
                return gathered(ledger.recycled.take(len), Installed::Copied, both);
            }
            if moves && filled && bytes == len {
                return gathered(ledger.recycled.take(len), Installed::Moved, whole);
            }
            if copies && both <= room {
                ledger.charged += both;
                return gathered(None, Installed::Copied, both);
            }
            if moves && whole <= room {
                ledger.charged += whole;
                return gathered(None, Installed::Moved, whole);
            }
            Step::Missing(match (moves, filled) {
                (true, _) => whole,
                (false, true) => bytes as u64,
                (false, false) => both,
            })
        };
        let mut tries = Tries::default();
        loop {
            let epoch = self.room_epoch();
            let missing = {
                let mut ledger = lock(&self.ledger);
                match step(&mut ledger) {
                    Step::Gathered { slot, how, charged } => {
                        ledger.under_way += 1;
                        drop(ledger);
                        let slot = slot.map_or_else(|| self.slots.take(len), Ok);
                        return slot.map(|slot| Gathered { slot, how, charged }).map_err(|errno| {
                            let mut ledger = lock(&self.ledger);
                            ledger.under_way -= 1;
                            ledger.charged -= charged;
                            StoreError::os("load into", "memory", &errno.into())
                        });
                    }
                    Step::Missing(missing) => missing,
                }
            };
            let recycle = (moves && copies && bytes == len).then_some(len);
            self.free(region, missing, recycle, epoch, &mut tries)?;
        }
    }

    /// Takes a slot back that has pages, and the `charged` bytes that it needs no more.
    pub(crate) fn recycle(&self, ledger: &mut Ledger, slot: Slot, charged: u64) {
        let len = slot.addresses().len() as u64;
        let idle = ledger.recycled.bytes() + len;
        if charged == len && idle <= self.budget.limit_bytes() / IDLE_SHARE {
            ledger.recycled.put(slot);
        } else {
            self.slots.give(slot, true);
            ledger.charged -= charged;
        }
    }

    /// Gives up recycled slots of so many bytes, or all.
    pub(crate) fn give_up_recycled(&self, bytes: u64) {
        let slots = {
            let mut ledger = lock(&self.ledger);
            let slots = ledger.recycled.take_some(bytes);
            if slots.is_empty() {
                return;
            }
            // Whoever looks for room meanwhile may wait for this.
            ledger.under_way += 1;
            slots
        };
        let bytes: u64 = slots.iter().map(|slot| slot.addresses().len() as u64).sum();
        self.slots.give_all(slots);
        {
            let mut ledger = lock(&self.ledger);
            ledger.under_way -= 1;
            ledger.charged -= bytes;
        }
        self.room_again();
    }

    /// Moves the pages of victims, whose words are claimed, into slots of `len` bytes. Returns the slots,
    /// and what is left of the ranges.
    pub(crate) fn collect(
        &self,
        mut ranges: Vec<Range<usize>>,
        len: usize,
    ) -> (Vec<Slot>, Vec<Range<usize>>) {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut slots = Vec::new();
        while let Some(first) = ranges.last() {
            let size = first.len();
            let count = len / size;
            if count == 0 || count > ranges.len() {
                break;
            }
            let taken = ranges.split_off(ranges.len() - count);
            let Ok(slot) = self.slots.take(len) else {
                ranges.extend(taken);
                break;
            };
            let whole = taken.iter().all(|range| range.len() == size)
                && self.take_out_all(&taken, slot.addresses().start);
            if !whole {
                self.slots.give(slot, true);
                ranges.extend(taken);
                break;
            }
            slots.push(slot);
        }
        (slots, ranges)
    }

    /// Moves huge pages as they are into slots, where all granules of one are among the ranges. Returns the
    /// slots, and what is left of the ranges.
    pub(crate) fn collect_huge(&self, ranges: &[Range<usize>]) -> (Vec<Slot>, Vec<Range<usize>>) {
        let (mut slots, mut left) = (Vec::new(), Vec::new());
        for run in merged(ranges) {
            let (first, last) = (run.start.next_multiple_of(HUGE), run.end / HUGE * HUGE);
            if first >= last {
                left.push(run);
                continue;
            }
            left.extend(
                [run.start..first, last..run.end].into_iter().filter(|end| !end.is_empty()),
            );
            for start in (first..last).step_by(HUGE) {
                let page = start..start + HUGE;
                match self.slots.take(HUGE) {
                    Ok(slot)
                        if self
                            .take_out_all(core::slice::from_ref(&page), slot.addresses().start) =>
                    {
                        slots.push(slot);
                    }
                    Ok(slot) => {
                        self.slots.give(slot, true);
                        left.push(page);
                    }
                    Err(_) => left.push(page),
                }
            }
        }
        (slots, left)
    }

    /// Neighbours go in one step.
    fn take_out_all(&self, ranges: &[Range<usize>], mut to: usize) -> bool {
        let mut rest = ranges.iter().peekable();
        while let Some(first) = rest.next() {
            let mut run = first.clone();
            while let Some(next) = rest.next_if(|next| next.start == run.end) {
                run.end = next.end;
            }
            let len = run.len();
            // SAFETY: the addresses are of regions that visitors keep from being closed, and their words
            // are claimed; the slot is new, has no pages, and has room for all ranges.
            if unsafe { self.mechanism.take_out(run, to..to + len) }.is_err() {
                return false;
            }
            to += len;
        }
        true
    }
}

/// Slots that have pages and wait to be filled, by size.
#[derive(Debug, Default)]
pub(crate) struct Recycled {
    slots: Vec<Vec<Slot>>,
    bytes: u64,
}

impl Recycled {
    fn class(len: usize) -> usize {
        (len / sys::PAGE).ilog2() as usize
    }

    fn has(&self, len: usize) -> bool {
        self.slots.get(Self::class(len)).is_some_and(|slots| !slots.is_empty())
    }

    fn take(&mut self, len: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(Self::class(len))?.pop()?;
        self.bytes -= len as u64;
        Some(slot)
    }

    pub(crate) fn put(&mut self, slot: Slot) {
        let len = slot.addresses().len();
        let class = Self::class(len);
        if self.slots.len() <= class {
            self.slots.resize_with(class + 1, Vec::new);
        }
        self.slots[class].push(slot);
        self.bytes += len as u64;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn take_some(&mut self, bytes: u64) -> Vec<Slot> {
        let mut taken = Vec::new();
        let mut sum = 0;
        for slots in &mut self.slots {
            while sum < bytes
                && let Some(slot) = slots.pop()
            {
                sum += slot.addresses().len() as u64;
                taken.push(slot);
            }
        }
        self.bytes -= sum;
        taken
    }
}
