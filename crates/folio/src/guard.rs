//! The guard of a mapping: what the fault handler needs to know about it, and where it leaves what
//! it saw. One lies in each slot of the registry; all of it is atomics, because a handler on any
//! thread may read and write it.
//!
//! Lifecycle: [`Guard::arm`] before the slot is published; the handler calls
//! [`Guard::record`] and widens [`Guard::patched`]; the owner reads [`Guard::first`], and
//! [`Guard::forget`]s when the patched pages have been replaced.

use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use crate::fault::Sign;
use crate::pagehook::Registration;
use crate::registry::{NO_SLOT, Registry, Slot};
use crate::sync::BUCKETS;

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
    /// The process, while a handler on one of its threads replaces a page of this mapping;
    /// otherwise 0. A futex.
    patching: AtomicU32,
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
        self.patching.store(0, Relaxed);
        self.hook.store(core::ptr::null_mut(), Relaxed);
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
        only_in == 0 || only_in == std::process::id()
    }

    pub(crate) fn set_only_in(&self, process: u32) {
        self.only_in.store(process, Relaxed);
    }

    /// Takes the right to replace pages; otherwise returns what the word holds while another thread
    /// has it. A child forked while one had it finds the parent's number there, and nobody else to
    /// give it back.
    pub(crate) fn start_patching(&self) -> Result<(), u32> {
        let process = std::process::id();
        self.patching
            .fetch_update(Acquire, Relaxed, |holder| (holder != process).then_some(process))
            .map(drop)
    }

    pub(crate) fn end_patching(&self) {
        self.patching.store(0, Release);
    }

    /// Waits until the holder gives the right back, at most a millisecond.
    pub(crate) fn wait_for(&self, holder: u32) {
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        crate::sys::futex_wait(&self.patching, holder, &pause);
    }

    pub(crate) fn never_widen(&self) {
        self.widen.store(false, Relaxed);
    }

    pub(crate) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Relaxed);
    }

    /// Keeps the sign if it is the first.
    pub(crate) fn record(&self, sign: Sign) {
        let _ = self.first.compare_exchange(0, sign.0, Release, Relaxed);
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
        self.first.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_takes_over_what_a_thread_of_its_parent_was_patching() {
        let guard = Guard::default();
        guard.start_patching().unwrap();
        assert_eq!(guard.start_patching(), Err(std::process::id()));
        guard.patching.store(std::process::id() + 1, Relaxed);
        guard.start_patching().unwrap();
        guard.end_patching();
        guard.start_patching().unwrap();
    }

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
