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
    /// A descriptor of the backing that stays open as long as the mapping, or -1.
    pub(crate) fd: i32,
    /// Offset in the backing of the mapping's first address.
    pub(crate) offset: u64,
}

#[derive(Default)]
pub(crate) struct Guard {
    page: AtomicUsize,
    writable: AtomicBool,
    fd: AtomicI32,
    offset: AtomicU64,
    /// The first fault's [`Sign`] with its position among the mapping's addresses; 0 for none.
    first: AtomicU64,
    /// Addresses from the first to behind the last page that was replaced by zeros.
    patched_from: AtomicUsize,
    patched_to: AtomicUsize,
    /// 1 while a thread's handler replaces a page of this mapping. A futex.
    pub(crate) patching: AtomicU32,
    /// What fills the pages, for a paged mapping; null for a guarded kernel mapping.
    pub(crate) hook: AtomicPtr<Registration>,
}

impl Guard {
    pub(crate) fn arm(&self, arms: Arms) {
        self.page.store(arms.page, Relaxed);
        self.writable.store(arms.writable, Relaxed);
        self.fd.store(arms.fd, Relaxed);
        self.offset.store(arms.offset, Relaxed);
        self.hook.store(core::ptr::null_mut(), Relaxed);
        self.forget();
    }

    pub(crate) fn arms(&self) -> Arms {
        Arms {
            page: self.page.load(Relaxed),
            writable: self.writable.load(Relaxed),
            fd: self.fd.load(Relaxed),
            offset: self.offset.load(Relaxed),
        }
    }

    pub(crate) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Relaxed);
    }

    /// Keeps the sign if it is the first.
    pub(crate) fn record(&self, sign: Sign) {
        let _ = self.first.compare_exchange(0, sign.0, Release, Relaxed);
    }

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
