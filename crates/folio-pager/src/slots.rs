//! Slots: where bytes are gathered before they are installed, and kept while they are on standby.
//!
//! A slot is a range of addresses of a power of two bytes, owned by whoever took it, with memory behind
//! what was written to. Given back, it has none. Who takes a slot has charged its memory to the budget.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use crate::home::Home;
use crate::lock;
use crate::mechanism::{Mechanism, is_huge};
use crate::sys::{HUGE, PAGE};

const CLASSES: usize = (HUGE / PAGE).ilog2() as usize + 1;
/// Addresses of each class, at most: no machine has more memory, and all classes together leave most of
/// what a process has.
const MOST_BYTES: usize = 1 << 42;

#[derive(Debug)]
pub(crate) struct Slots {
    mechanism: Arc<Mechanism>,
    classes: [Mutex<Class>; CLASSES],
    /// Memory that the slots may have at most together, and therefore addresses of each class.
    room_bytes: usize,
    pub(crate) home: Home,
}

#[derive(Debug, Default)]
struct Class {
    addresses: Range<usize>,
    next: usize,
    free: Vec<usize>,
}

/// A range of addresses that its holder alone uses.
#[derive(Debug)]
pub(crate) struct Slot {
    start: usize,
    len: usize,
}

impl Slot {
    pub(crate) fn addresses(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// The first `len` bytes of its addresses.
    pub(crate) fn first(&self, len: usize) -> Range<usize> {
        debug_assert!(len <= self.len);
        self.start..self.start + len
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the addresses are readable and writable private memory that stays mapped as long as the
        // pager, whose parts alone hold slots; nobody else has this slot, and the borrow is exclusive.
        unsafe {
            core::slice::from_raw_parts_mut(
                core::ptr::with_exposed_provenance_mut(self.start),
                self.len,
            )
        }
    }
}

impl Slots {
    pub(crate) fn new(mechanism: Arc<Mechanism>, room_bytes: usize) -> Self {
        Self { mechanism, classes: Default::default(), room_bytes, home: Home::new() }
    }

    /// A slot of at least `len` bytes, at most 2 MiB, without memory.
    pub(crate) fn take(&self, len: usize) -> Result<Slot, Errno> {
        let len = len.next_power_of_two().clamp(PAGE, HUGE);
        let mut class = lock(&self.classes[index(len)]);
        if let Some(start) = class.free.pop() {
            return Ok(Slot { start, len });
        }
        if class.addresses.is_empty() {
            let whole = (self.room_bytes.min(MOST_BYTES) / len + 64) * len;
            class.addresses = self.mechanism.reserve_slots(whole, is_huge(len))?;
            class.next = class.addresses.start;
        }
        if class.next + len > class.addresses.end {
            return Err(Errno::NOMEM);
        }
        let start = class.next;
        class.next += len;
        Ok(Slot { start, len })
    }

    /// Takes a slot back, with its memory where it has some.
    pub(crate) fn give(&self, slot: Slot, filled: bool) {
        let class = &self.classes[index(slot.len)];
        if !filled {
            // SAFETY: the slot is its holder's, who gives it up, and its pages are elsewhere.
            if !is_huge(slot.len) || unsafe { self.mechanism.renew_slot(slot.addresses()) } {
                lock(class).free.push(slot.start);
            }
            return;
        }
        // SAFETY: the slot is its holder's, who gives it up. If it fails, the slot keeps its memory until
        // it is used again.
        let _ = unsafe { self.mechanism.empty(&[slot.addresses()]) };
        lock(class).free.push(slot.start);
    }

    /// Takes many filled slots back at once.
    pub(crate) fn give_all(&self, slots: Vec<Slot>) {
        let ranges: Vec<_> = slots.iter().map(Slot::addresses).collect();
        // SAFETY: as in `give`.
        let _ = unsafe { self.mechanism.empty(&ranges) };
        for slot in slots {
            lock(&self.classes[index(slot.len)]).free.push(slot.start);
        }
    }
}

fn index(len: usize) -> usize {
    (len / PAGE).ilog2() as usize
}

impl Drop for Slots {
    fn drop(&mut self) {
        if !self.home.is_here() {
            // A forked child has no slots; what is at these addresses there is somebody's.
            return;
        }
        for class in &mut self.classes {
            let class = class.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
            if !class.addresses.is_empty() {
                // SAFETY: slots are held by parts of the pager only, all of which are gone.
                unsafe { self.mechanism.release(class.addresses.clone()) };
            }
        }
    }
}
