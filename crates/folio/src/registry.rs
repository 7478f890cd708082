//! The registry: which guarded mapping an address belongs to, answered inside a signal handler.
//!
//! A mapping's life here:
//! 1. [`Registry::insert`] takes a slot (from the free list, else a fresh one) and publishes the
//!    mapping's addresses in it. The mapping exists already.
//! 2. A thread faults. Its handler calls [`Registry::find`], which walks the slots and takes no
//!    lock, allocates nothing and waits for nobody.
//! 3. [`Registry::remove`] withdraws the addresses and frees the slot, before the mapping is
//!    unmapped. The slot's memory is never freed, so a reader that still looks at it reads a slot.
//!
//! Invariants:
//! - A slot's addresses change only between an odd and the next even `sequence`; a reader that sees
//!   an odd or a changed sequence ignores the slot. It may: the slot it looks for holds still,
//!   because a thread that touches a mapping keeps it from being removed, and `insert` happened
//!   before that thread got hold of the mapping.
//! - At most one published slot holds an address: mappings do not overlap, and withdrawal comes
//!   before munmap. A forked child copies slots of mappings that it does not inherit; those are not
//!   valid there.
//! - `len` only grows, and each slot index below it stays valid.
#![allow(unsafe_code)]

use core::ops::Range;

use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, BUCKETS, FIRST, Ordering, fence};

/// End of the free list.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// A place for one mapping's addresses, and for what travels with them.
pub(crate) struct Slot<T> {
    sequence: AtomicU32,
    start: AtomicUsize,
    end: AtomicUsize,
    next_free: AtomicU32,
    index: u32,
    pub(crate) payload: T,
}

impl<T: Default> Slot<T> {
    fn new(index: u32) -> Self {
        Self {
            sequence: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            next_free: AtomicU32::new(NO_SLOT),
            index,
            payload: T::default(),
        }
    }

    /// The published addresses, unless they are changing.
    fn addresses(&self) -> Option<(usize, usize)> {
        let before = self.sequence.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let after = self.sequence.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2)).then_some((start, end))
    }

    /// Only the slot's owner calls this, so there is one writer at a time.
    fn publish(&self, start: usize, end: usize) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// First address of the mapping. Meaningful to the slot's owner and to a thread that is
    /// touching the mapping.
    pub(crate) fn start(&self) -> usize {
        self.start.load(Ordering::Relaxed)
    }

    /// End of the mapping's addresses; the same holds as for [`start`](Self::start).
    pub(crate) fn end(&self) -> usize {
        self.end.load(Ordering::Relaxed)
    }
}

/// The set of all slots. See the module's documentation.
pub(crate) struct Registry<T: 'static> {
    buckets: [AtomicPtr<Slot<T>>; BUCKETS],
    /// Slots handed out so far.
    len: AtomicUsize,
    /// Top of the free list: a slot's index, and above it a tag that changes with every push and
    /// pop, so that a compare-exchange cannot mistake a list that changed and changed back.
    free: AtomicU64,
}

impl<T: Default + 'static> Registry<T> {
    pub(crate) const fn of(
        buckets: [AtomicPtr<Slot<T>>; BUCKETS],
        len: AtomicUsize,
        free: AtomicU64,
    ) -> Self {
        Self { buckets, len, free }
    }

    /// Publishes `start..end` in a slot that `prepare` has been run on. `None` where there is no
    /// slot left.
    pub(crate) fn insert(
        &self,
        start: usize,
        end: usize,
        prepare: impl FnOnce(&T),
    ) -> Option<&'static Slot<T>> {
        let slot = self.pop().or_else(|| self.fresh())?;
        prepare(&slot.payload);
        slot.publish(start, end);
        Some(slot)
    }

    /// Withdraws a slot's addresses and frees it. The caller, its owner, forgets it.
    pub(crate) fn remove(&self, slot: &'static Slot<T>) {
        slot.publish(0, 0);
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            slot.next_free.store(free as u32, Ordering::Relaxed);
            match self.exchange_free(free, slot.index) {
                Ok(()) => return,
                Err(now) => free = now,
            }
        }
    }

    /// The slot whose published addresses hold `address`, among those that `valid` is true for.
    pub(crate) fn find(
        &self,
        address: usize,
        valid: impl Fn(&T) -> bool,
    ) -> Option<&'static Slot<T>> {
        let len = self.len.load(Ordering::Acquire);
        (0..len).find_map(|index| {
            let slot = self.slot(index)?;
            let (start, end) = slot.addresses()?;
            (start <= address && address < end && valid(&slot.payload)).then_some(slot)
        })
    }

    /// The first slot from number `from` on, with its number, that is published with any of
    /// `addresses` and `valid`. Whoever calls this keeps others from inserting or removing such slots.
    pub(crate) fn overlapping(
        &self,
        addresses: &Range<usize>,
        from: usize,
        valid: impl Fn(&T) -> bool,
    ) -> Option<(usize, &'static Slot<T>)> {
        let len = self.len.load(Ordering::Acquire);
        (from..len).find_map(|index| {
            let slot = self.slot(index)?;
            let (start, end) = slot.addresses()?;
            let meets = start < addresses.end && addresses.start < end;
            (meets && valid(&slot.payload)).then_some((index, slot))
        })
    }

    fn pop(&self) -> Option<&'static Slot<T>> {
        let mut free = self.free.load(Ordering::Acquire);
        loop {
            let index = free as u32;
            if index == NO_SLOT {
                return None;
            }
            let slot = self.slot(index as usize)?;
            match self.exchange_free(free, slot.next_free.load(Ordering::Relaxed)) {
                Ok(()) => return Some(slot),
                Err(now) => free = now,
            }
        }
    }

    fn exchange_free(&self, from: u64, to: u32) -> Result<(), u64> {
        let tag = (from >> 32).wrapping_add(1) << 32;
        self.free
            .compare_exchange(from, tag | u64::from(to), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    fn fresh(&self) -> Option<&'static Slot<T>> {
        let more = |len| (place(len).0 < BUCKETS).then_some(len + 1);
        let index = self.len.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        let (bucket, _) = place(index);
        if self.buckets[bucket].load(Ordering::Acquire).is_null() {
            self.add_bucket(bucket);
        }
        self.slot(index)
    }

    fn add_bucket(&self, bucket: usize) {
        let size = FIRST << bucket;
        let first = (FIRST * ((1 << bucket) - 1)) as u32;
        let slots: Box<[Slot<T>]> = (0..size as u32).map(|i| Slot::new(first + i)).collect();
        let slots = Box::into_raw(slots);
        let raced = self.buckets[bucket].compare_exchange(
            core::ptr::null_mut(),
            slots.cast(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if raced.is_err() {
            // SAFETY: `slots` came from `Box::into_raw` just above and was not published.
            drop(unsafe { Box::from_raw(slots) });
        }
    }

    fn slot(&self, index: usize) -> Option<&'static Slot<T>> {
        let (bucket, at) = place(index);
        let slots = self.buckets.get(bucket)?.load(Ordering::Acquire);
        if slots.is_null() {
            return None;
        }
        // SAFETY: a bucket that is not null points to `FIRST << bucket` initialised slots (see
        // `add_bucket`, published with release order) that are never freed, and `place` keeps `at`
        // below that number.
        Some(unsafe { &*slots.add(at) })
    }
}

/// Bucket and place in it of a slot index: bucket `b` holds the `FIRST << b` indices from
/// `FIRST * (2^b - 1)` on.
fn place(index: usize) -> (usize, usize) {
    let bucket = (index / FIRST + 1).ilog2() as usize;
    (bucket, index - FIRST * ((1 << bucket) - 1))
}
