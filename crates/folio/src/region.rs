//! The region: a range of addresses that folio has mapped and owns, whatever type shows it.
//!
//! Lifecycle: made by [`crate::place`]; operated on by [`crate::operations`]; touched through
//! [`crate::View`] or, guarded, as a slice; unmapped when dropped, or given back to the reservation
//! it lies in.
//!
//! Invariants:
//! - `extent.start..extent.start + span` is mapped by this region and nobody else, or `span` is 0.
//! - While a slot is set, it is published with exactly these addresses.
//! - `span` is a multiple of the page size really used, so that unmapping leaks nothing.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::{Arc, Mutex};

use rustix::mm::{MapFlags, ProtFlags};

use crate::error::Error;
use crate::fault::{self, Fault, FaultKind, Sign};
use crate::guard::{Arms, GuardSlot, REGISTRY};
use crate::range::{Extent, Pages};
use crate::reservation::Space;
use crate::{Backing, BackingKind, Protection, Sharing, spare, sys};

/// Where a region's addresses come from, and go to when it is dropped.
pub(crate) enum Home {
    /// The kernel chose or granted them.
    Own,
    /// Part of a reservation.
    Reserved(Space),
    /// Somebody else's: the region says what lies there, and owns nothing.
    Described,
}

pub(crate) struct Region {
    pub(crate) extent: Extent,
    /// Offset in the backing of the first byte shown.
    pub(crate) offset: u64,
    pub(crate) backing: Backing,
    pub(crate) sharing: Sharing,
    pub(crate) file: Option<File>,
    pub(crate) home: Home,
    protection: AtomicU8,
    /// Whether any page may be writable.
    writable: AtomicBool,
    slot: AtomicPtr<GuardSlot>,
    /// Some pages may turn to zeros whenever the kernel likes (MADV_FREE, MAP_DROPPABLE).
    pub(crate) fickle: bool,
    /// Some pages may be guards, which nobody can read (MADV_GUARD_INSTALL).
    pub(crate) trapped: bool,
    /// Slices of it are safe: no page that can be had may become zeros.
    safe: AtomicBool,
    /// It was meant to reach beyond the end of its file.
    pub(crate) tail: bool,
    /// The process that has the region, where a forked child does not inherit it.
    pub(crate) only_in: Option<u32>,
}

impl Region {
    pub(crate) fn new(
        extent: Extent,
        offset: u64,
        backing: Backing,
        sharing: Sharing,
        protection: Protection,
        home: Home,
    ) -> Self {
        Self {
            extent,
            offset,
            backing,
            sharing,
            file: None,
            home,
            protection: AtomicU8::new(protection.bits()),
            writable: AtomicBool::new(protection.contains(Protection::WRITE)),
            slot: AtomicPtr::new(ptr::null_mut()),
            fickle: false,
            trapped: false,
            safe: AtomicBool::new(false),
            tail: false,
            only_in: None,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.extent.len
    }

    /// Address of the first byte shown.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        self.extent.start + self.extent.lead
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.address())
    }

    pub(crate) fn protection(&self) -> Protection {
        Protection::from_bits(self.protection.load(Relaxed))
    }

    pub(crate) fn set_protection(&self, protection: Protection) {
        self.protection.store(protection.bits(), Relaxed);
        self.set_writable(protection.contains(Protection::WRITE));
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable.load(Relaxed)
    }

    /// A zero page put into the region must permit what any page of it permits.
    pub(crate) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Relaxed);
        if let Some(slot) = self.slot() {
            slot.payload.set_writable(writable);
        }
    }

    /// Says which process alone has the region, if a forked child does not inherit it.
    pub(crate) fn set_only_in(&mut self, process: Option<u32>) {
        self.only_in = process;
        if let Some(slot) = self.slot() {
            slot.payload.set_only_in(process.unwrap_or(0));
        }
        if let (Home::Reserved(space), Some(process)) = (&self.home, process) {
            space.set_only_in(process);
        }
    }

    /// The page a position lies on.
    pub(crate) fn page_of(&self, position: usize) -> Pages {
        self.extent.around(position..position + 1)
    }

    #[inline]
    pub(crate) fn slot(&self) -> Option<&'static GuardSlot> {
        let slot = self.slot.load(Acquire);
        // SAFETY: null, or a slot of the registry, which are never freed.
        unsafe { slot.as_ref() }
    }

    /// Has the handler put zeros where pages of this region cannot be had. Once done it stays.
    pub(crate) fn guard(&self) {
        if self.slot.load(Acquire).is_null() && self.extent.span() != 0 {
            self.guard_now();
        }
    }

    #[cold]
    fn guard_now(&self) {
        // Two slots for one region, if only for a moment, and a fault could go to the wrong one.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.slot().is_none() {
            self.slot.store(ptr::from_ref(self.enter()).cast_mut(), Release);
        }
    }

    /// The same for a region that nobody else refers to; takes no lock.
    pub(crate) fn guard_alone(&mut self) {
        if self.slot.get_mut().is_null() && self.extent.span() != 0 {
            let slot = ptr::from_ref(self.enter()).cast_mut();
            *self.slot.get_mut() = slot;
        }
    }

    /// Enters the region into the registry.
    fn enter(&self) -> &'static GuardSlot {
        spare::keep();
        let Range { start, end } = self.addresses();
        let arms = Arms {
            page: self.extent.page,
            writable: self.is_writable(),
            widen: !self.safe.load(Relaxed),
            fd: self.file.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            offset: self.offset - self.extent.lead as u64,
            only_in: self.only_in.unwrap_or(0),
        };
        let about = Arc::new(self.described());
        let slot = REGISTRY.insert(start, end, |guard| {
            guard.arm(arms);
            guard.describe(Some(about));
        });
        slot.expect("the registry has more slots than a process can have mappings")
    }

    /// Guards a region whose slices are safe.
    pub(crate) fn guard_safe(&self) {
        self.safe.store(true, Relaxed);
        self.guard();
        if let Some(slot) = self.slot() {
            slot.payload.never_widen();
        }
    }

    pub(crate) fn unguard(&mut self) {
        let slot = core::mem::replace(self.slot.get_mut(), ptr::null_mut());
        // SAFETY: null, or a slot of the registry, which are never freed.
        if let Some(slot) = unsafe { slot.as_ref() } {
            slot.payload.describe(None);
            REGISTRY.remove(slot);
        }
    }

    /// The same, owning nothing: for whoever wants to know about it when it may be gone.
    fn described(&self) -> Self {
        let (backing, home) = (self.backing.clone(), Home::Described);
        Self::new(self.extent, self.offset, backing, self.sharing, self.protection(), home)
    }

    pub(crate) fn addresses(&self) -> Range<usize> {
        self.extent.start..self.extent.start + self.extent.span()
    }

    /// A file to ask about the backing: the one that was kept, or the same found anew.
    pub(crate) fn witness(&self) -> Option<File> {
        self.file.as_ref().and_then(|file| file.try_clone().ok()).or_else(|| self.backing.witness())
    }

    /// Brings the page of the backing around `offset` into memory, through a mapping of its own.
    pub(crate) fn populate_anew(
        &self,
        file: &File,
        offset: u64,
        write: bool,
    ) -> Result<(), sys::Errno> {
        let page = self.extent.page;
        let shared = self.sharing == Sharing::Shared;
        let writable = if write && shared { self.writable_witness() } else { None };
        let write = write && (writable.is_some() || !shared);
        let protection = if write { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let flags = if shared { MapFlags::SHARED } else { MapFlags::PRIVATE };
        let file = writable.as_ref().unwrap_or(file).as_fd();
        // SAFETY: without MAP_FIXED no existing mapping is touched; the new one is known to nobody.
        unsafe {
            let start = offset & !(page as u64 - 1);
            let made = sys::map(0, page, protection, flags, Some((file, start)))?;
            let had = sys::populate(made, page, write);
            let _ = sys::unmap(made, page);
            had
        }
    }

    pub(crate) fn writable_witness(&self) -> Option<File> {
        self.backing.writable_witness()
    }

    /// The first fault that slices of this region met and nobody has taken yet.
    pub(crate) fn sticky(&self) -> Option<Fault> {
        Some(fault::lasting(self, self.slot()?.payload.first()?))
    }

    /// Runs `work` on slices of the first `expected` bytes of this region, and says whether it met a
    /// fault or zeros, or the file has been cut before the last of them.
    pub(crate) fn guarded<R>(
        &self,
        needs: Protection,
        expected: usize,
        work: impl FnOnce() -> R,
    ) -> Result<R, Fault> {
        if !self.protection().contains(needs) {
            let sign = Sign::new(libc::SIGSEGV, 2, needs.contains(Protection::WRITE));
            return Err(fault::fault(self, 0, sign, FaultKind::Protection, None));
        }
        self.guard();
        if let Some(fault) = self.sticky() {
            return Err(fault);
        }
        let result = work();
        self.sticky().or_else(|| self.cut(0..expected, false)).map_or(Ok(result), Err)
    }

    /// The bytes that the file should have: none are promised of a tail.
    pub(crate) fn expected(&self) -> usize {
        if self.tail { 0 } else { self.len() }
    }

    /// The fault at the first byte of `range` that lies behind the end of the file. The kernel
    /// faults by the page: where the file ends within one, the rest of it reads as zeros, and what
    /// is written there is lost, without a signal. So the file is asked for its length, if it was
    /// kept or has a path; `search` looks for it among this process's descriptors too.
    pub(crate) fn cut(&self, range: Range<usize>, search: bool) -> Option<Fault> {
        let file = matches!(self.backing.kind(), BackingKind::File | BackingKind::SharedMemory);
        if !file || range.is_empty() {
            return None;
        }
        let metadata = match (&self.file, self.backing.path()) {
            (Some(file), _) => file.metadata().ok(),
            (None, Some(path)) => std::fs::metadata(path).ok().filter(|now| self.backing.is(now)),
            (None, None) => None,
        };
        let metadata = match metadata {
            None if search => self.witness()?.metadata().ok()?,
            found => found?,
        };
        let end = metadata.len().saturating_sub(self.offset);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        if range.end <= end {
            return None;
        }
        let write = self.protection().contains(Protection::WRITE);
        let sign = Sign::new(libc::SIGBUS, libc::BUS_ADRERR, write);
        Some(fault::fault(self, range.start.max(end), sign, FaultKind::Truncated, None))
    }

    /// Whether no zeros stand in for any byte: no slice has met a fault that nobody took.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.slot().is_none_or(|slot| slot.payload.first().is_none())
    }

    /// The sticky fault, if zeros stand in for any byte of `range`.
    #[inline]
    pub(crate) fn sticky_in(&self, range: &Range<usize>) -> Option<Fault> {
        if self.is_whole() { None } else { self.sticky_in_guarded(range) }
    }

    #[cold]
    fn sticky_in_guarded(&self, range: &Range<usize>) -> Option<Fault> {
        let among = self.slot()?.payload.patched();
        let first = self.address();
        let asked = first + range.start..first + range.end;
        let overlaps = |patch: &Range<usize>| patch.start < asked.end && asked.start < patch.end;
        if !overlaps(&among) {
            return None;
        }
        self.patches(&among).iter().any(overlaps).then(|| self.sticky()).flatten()
    }

    /// The addresses where zeros stand in for pages of the backing, which lie among these.
    pub(crate) fn patches(&self, among: &Range<usize>) -> Vec<Range<usize>> {
        if self.backing.inode().is_none() {
            return vec![among.clone()];
        }
        // The kernel knows: what it calls anonymous there is not the file's.
        let maps = std::fs::read("/proc/thread-self/maps").unwrap_or_default();
        // Names of other mappings' files need not be UTF-8.
        let maps = String::from_utf8_lossy(&maps);
        let lines = maps.lines().filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let address = |text| usize::from_str_radix(text, 16).ok();
            let (start, end) = (address(start)?.max(among.start), address(end)?.min(among.end));
            let anonymous = fields.nth(3)? == "0";
            (start < end).then_some((start..end, anonymous))
        });
        let lines: Vec<_> = lines.collect();
        if lines.is_empty() {
            return vec![among.clone()];
        }
        lines.into_iter().filter_map(|(range, anonymous)| anonymous.then_some(range)).collect()
    }

    /// Unmaps, and says so where the kernel refuses or a fault has not been taken yet.
    pub(crate) fn unmap(mut self) -> Result<(), (Self, Error)> {
        if let Some(fault) = self.sticky() {
            return Err((self, fault.into()));
        }
        let guarded = self.slot().is_some();
        match self.release() {
            Ok(()) => {
                // Nothing is left for `drop` to unmap.
                self.extent.len = 0;
                Ok(())
            }
            Err(errno) => {
                // Safe slices of it rely on that.
                if guarded {
                    self.guard();
                }
                let error = Error::os("unmap", &self.backing, errno);
                Err((self, error))
            }
        }
    }

    fn release(&mut self) -> Result<(), sys::Errno> {
        self.unguard();
        let Range { start, end } = self.addresses();
        let elsewhere = self.only_in.is_some_and(|process| process != std::process::id());
        if start == end || elsewhere {
            return Ok(());
        }
        match &mut self.home {
            // SAFETY: the region owns these addresses (module invariant), and slices into it borrow
            // the value that holds it.
            Home::Own => spare::with_room(|| unsafe { sys::unmap(start, end - start) }),
            Home::Reserved(space) => space.give_back(),
            Home::Described => Ok(()),
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.addresses();
        write!(f, "{start:#x}..{end:#x} {} {:?} ", self.protection(), self.sharing)?;
        write!(f, "{} + {}", self.backing, self.offset)
    }
}
