//! The guard of a mapping: what the fault handler needs to know about it, and where it leaves what
//! it saw. One lies in each slot of the registry; all of it is atomics, because a handler on any
//! thread may read and write it.
//!
//! Lifecycle: [`Guard::arm`] before the slot is published; the handler calls
//! [`Guard::record`] and widens [`Guard::patched`]; the owner reads [`Guard::first`], and
//! [`Guard::forget`]s when the patched pages have been replaced.

#![allow(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use std::sync::Arc;

use crate::fault::Sign;
use crate::notices;
use crate::pagehook::Registration;
use crate::region::Region;
use crate::registry::{NO_SLOT, Registry, Slot};
use crate::sync::BUCKETS;
use crate::turn::{Turn, is_this_memory};

pub(crate) type GuardSlot = Slot<Guard>;

pub(crate) static REGISTRY: Registry<Guard> = Registry::of(
    [const { AtomicPtr::new(core::ptr::null_mut()) }; BUCKETS],
    AtomicUsize::new(0),
    AtomicU64::new(NO_SLOT as u64),
);

/// What a mapping tells the handler when it is armed.
#[derive(Clone, Copy)]
pub(crate) struct Arms {
    /// Bytes of a page of the mapping.
    pub(crate) page: usize,
    /// Whether a zero page put into it must be writable.
    pub(crate) writable: bool,
    /// Whether pages that can be had may become zeros too, where the one that cannot be had could
    /// not be replaced alone.
    pub(crate) widen: bool,
    /// A descriptor of the backing that stays open as long as the mapping, or -1.
    pub(crate) fd: i32,
    /// Offset in the backing of the mapping's first address.
    pub(crate) offset: u64,
    /// The process that has the mapping, where a forked child does not inherit it; otherwise 0.
    pub(crate) only_in: u32,
}

#[derive(Default)]
pub(crate) struct Guard {
    page: AtomicUsize,
    writable: AtomicBool,
    widen: AtomicBool,
    fd: AtomicI32,
    offset: AtomicU64,
    only_in: AtomicU32,
    /// The first fault's [`Sign`] with its position among the mapping's addresses; 0 for none.
    first: AtomicU64,
    /// Addresses from the first to behind the last page that was replaced by zeros.
    patched_from: AtomicUsize,
    patched_to: AtomicUsize,
    /// Whose turn it is to replace pages of this mapping.
    pub(crate) turn: Turn,
    /// The addresses are of mappings that folio did not make.
    pub(crate) foreign: AtomicBool,
    /// The addresses are one mapping's, whose owner alone takes this guard away
    /// ([`crate::foreign::Guarded`]).
    pub(crate) owned: AtomicBool,
    /// Faults of an owned mapping that were answered since its first.
    answered: AtomicU32,
    /// A description of the region, for whoever is told of a fault; null if there is none.
    about: AtomicPtr<Region>,
    /// What fills the pages, for a paged mapping; null for a guarded kernel mapping.
    pub(crate) hook: AtomicPtr<Registration>,
}

impl Guard {
    pub(crate) fn arm(&self, arms: Arms) {
        self.page.store(arms.page, Relaxed);
        self.writable.store(arms.writable, Relaxed);
        self.widen.store(arms.widen, Relaxed);
        self.fd.store(arms.fd, Relaxed);
        self.offset.store(arms.offset, Relaxed);
        self.only_in.store(arms.only_in, Relaxed);
        self.turn.reset();
        self.hook.store(core::ptr::null_mut(), Relaxed);
        self.foreign.store(false, Relaxed);
        self.owned.store(false, Relaxed);
        self.forget();
    }

    pub(crate) fn arms(&self) -> Arms {
        Arms {
            page: self.page.load(Relaxed),
            writable: self.writable.load(Relaxed),
            widen: self.widen.load(Relaxed),
            fd: self.fd.load(Relaxed),
            offset: self.offset.load(Relaxed),
            only_in: self.only_in.load(Relaxed),
        }
    }

    /// Whether the mapping exists in this process, which may be a child of the one that made it.
    pub(crate) fn is_here(&self) -> bool {
        let only_in = self.only_in.load(Relaxed);
        only_in == 0 || is_this_memory(only_in) || only_in == std::process::id()
    }

    pub(crate) fn set_only_in(&self, process: u32) {
        self.only_in.store(process, Relaxed);
    }

    pub(crate) fn never_widen(&self) {
        self.widen.store(false, Relaxed);
    }

    pub(crate) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Relaxed);
    }

    /// Says what the mapping is, or with None that it is about to go.
    pub(crate) fn describe(&self, region: Option<Arc<Region>>) {
        let region = region.map_or(core::ptr::null(), Arc::into_raw);
        let before = self.about.swap(region.cast_mut(), AcqRel);
        if !before.is_null() {
            // SAFETY: made by `Arc::into_raw` here, and taken back once.
            drop(unsafe { Arc::from_raw(before) });
        }
    }

    /// What the mapping is. Called by a thread that is touching it, so that it is not about to go.
    pub(crate) fn about(&self) -> Option<Arc<Region>> {
        let region = self.about.load(Acquire);
        if region.is_null() {
            return None;
        }
        // SAFETY: made by `Arc::into_raw` in `describe`, which lets go of it only when no thread
        // touches the mapping any more.
        unsafe {
            Arc::increment_strong_count(region);
            Some(Arc::from_raw(region))
        }
    }

    /// Keeps the sign if it is the first, and notes it for whoever wants to be told.
    pub(crate) fn record(&self, sign: Sign) {
        if self.keep_first(sign) {
            notices::of_guard(self, sign);
        }
    }

    /// Keeps the sign if it is the first, and says whether it is.
    pub(crate) fn keep_first(&self, sign: Sign) -> bool {
        self.first.compare_exchange(0, sign.0, Release, Relaxed).is_ok()
    }

    /// Counts a fault that is answered, and returns how many were before.
    pub(crate) fn count(&self) -> u32 {
        self.answered.fetch_add(1, Relaxed)
    }

    /// The first fault's sign. A handler leaves it before it puts zeros anywhere.
    #[inline]
    pub(crate) fn first(&self) -> Option<Sign> {
        let sign = self.first.load(Acquire);
        (sign != 0).then_some(Sign(sign))
    }

    /// Notes that the pages at these addresses are about to become zeros.
    pub(crate) fn note_patched(&self, addresses: Range<usize>) {
        self.patched_from.fetch_min(addresses.start, Release);
        self.patched_to.fetch_max(addresses.end, Release);
    }

    /// Addresses among which pages were replaced by zeros; empty where none were.
    pub(crate) fn patched(&self) -> Range<usize> {
        let to = self.patched_to.load(Acquire);
        self.patched_from.load(Acquire).min(to)..to
    }

    pub(crate) fn forget(&self) {
        self.patched_from.store(usize::MAX, Relaxed);
        self.patched_to.store(0, Relaxed);
        self.answered.store(0, Relaxed);
        self.first.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_where_its_mapping_is() {
        let guard = Guard::default();
        assert!(guard.is_here());
        guard.set_only_in(std::process::id());
        assert!(guard.is_here());
        guard.set_only_in(std::process::id() + 1);
        assert!(!guard.is_here());
    }
}
