//! How pages get to their addresses and away again: by userfaultfd, or, without it, by protection.
//!
//! | | userfaultfd | protection |
//! | --- | --- | --- |
//! | a missing page | SIGBUS | SIGSEGV: the page is PROT_NONE |
//! | install | UFFDIO_COPY, or UFFDIO_MOVE of a filled slot | mremap(2) of a filled slot |
//! | take out | UFFDIO_MOVE to a slot | mprotect(2), then mremap(2) |
//! | write-protect | UFFDIO_WRITEPROTECT | mprotect(2) |
//! | drop | process_madvise(2), else madvise(2) | mprotect(2), then madvise(2) |
//!
//! Which one is found out once for a pager, and can be forced for tests: the environment variable
//! `FOLIO_PAGER_WITHOUT` lists what is not to be used, of `userfaultfd`, `move` and `process_madvise`.
#![allow(unsafe_code)]

use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::mm::{Advice, MprotectFlags, ProtFlags};

use crate::label::{self, Label};
use crate::patience::Patience;
use crate::sys::{self, HUGE, PAGE, Userfault};

/// Granules that a pager may have where each may be a mapping of the kernel's, or three.
pub(crate) const MOST_SPLIT: u64 = 8192;
/// Pages from here on are moved rather than copied, where nothing speaks against it.
const WORTH_MOVING_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Mechanism {
    userfault: Option<Userfault>,
    /// Names this process to process_madvise(2).
    itself: Option<OwnedFd>,
}

/// What became of a slot whose bytes were installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// Its pages are in place now, and it has none.
    Moved,
    /// It still has its pages.
    Copied,
}

/// How the pages of a mapping behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether somebody may write to them, so that there must be no moment in which that goes unnoticed.
    pub(crate) guarded: bool,
    /// There is hardly room for pages twice, however few.
    pub(crate) tight: bool,
}

/// In which state pages come to their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// They may be written to.
    Writable,
    /// Each of them is write-protected from its first moment on.
    Protected,
    /// They are write-protected before anybody has a way to write to them.
    Unwritten,
}

impl Mechanism {
    pub(crate) fn find() -> Self {
        let without = std::env::var("FOLIO_PAGER_WITHOUT").unwrap_or_default();
        let has = |name| !without.split(',').any(|word| word.trim() == name);
        let mut userfault = if has("userfaultfd") { Userfault::open().ok() } else { None };
        if let Some(userfault) = &mut userfault {
            userfault.moves &= has("move");
        }
        let pid = rustix::process::getpid();
        let itself = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        let itself = itself.ok().filter(|_| has("process_madvise"));
        Self { userfault, itself }
    }

    /// In a few words, for people.
    pub(crate) fn words(&self) -> &'static str {
        match &self.userfault {
            Some(userfault) if userfault.moves => "userfaultfd",
            Some(_) => "userfaultfd without UFFDIO_MOVE",
            None => "page protection",
        }
    }

    /// Whether each granule costs entries in the kernel's list of mappings, which is limited.
    pub(crate) fn splits_mappings(&self) -> bool {
        self.userfault.is_none()
    }

    /// Whether pages can be taken out of their addresses and kept.
    pub(crate) fn can_take_out(&self) -> bool {
        self.userfault.as_ref().is_none_or(|userfault| userfault.moves)
    }

    /// Whether a slot keeps its pages when these are installed, so that they need room twice.
    pub(crate) fn copies(&self, len: usize, manner: Manner) -> bool {
        match &self.userfault {
            Some(userfault) => {
                let moves = userfault.moves && !manner.guarded && len >= WORTH_MOVING_BYTES;
                !(moves || manner.tight)
            }
            None => false,
        }
    }

    /// Whether bytes can be installed so that the slot keeps its pages.
    pub(crate) fn can_copy(&self) -> bool {
        self.userfault.is_some()
    }

    /// Addresses whose pages are missing, for a mapping.
    pub(crate) fn reserve(&self, len: usize) -> Result<Range<usize>, Errno> {
        let protection = match &self.userfault {
            Some(_) => ProtFlags::READ | ProtFlags::WRITE,
            None => ProtFlags::empty(),
        };
        let addresses = sys::reserve(len, protection)?;
        if let Some(userfault) = &self.userfault {
            userfault.register(&addresses).inspect_err(|_| {
                // SAFETY: just made, and nobody knows of them.
                unsafe { sys::release(addresses.clone()) };
            })?;
        }
        Ok(addresses)
    }

    /// Names addresses of a mapping for those who look at the process, by a label where the kernel does not.
    pub(crate) fn name(&self, addresses: &Range<usize>, store: &str) -> Option<Label> {
        let name = label::name(store);
        if self.userfault.is_some() && sys::name(addresses, &name) {
            return None;
        }
        Label::before(addresses, &name)
    }

    /// Addresses for slots of a size, without memory yet.
    pub(crate) fn reserve_slots(&self, len: usize, huge: bool) -> Result<Range<usize>, Errno> {
        let addresses = sys::reserve(len, ProtFlags::READ | ProtFlags::WRITE)?;
        let advice = if huge { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage };
        // SAFETY: the addresses are new and have no pages. The advice is one: a kernel without
        // transparent huge pages refuses it (EINVAL), and then has none either.
        let _ = unsafe { sys::advise(&addresses, advice) };
        if let Some(userfault) = &self.userfault {
            userfault.register_as_target(&addresses).inspect_err(|_| {
                // SAFETY: just made, and nobody knows of them.
                unsafe { sys::release(addresses.clone()) };
            })?;
        }
        Ok(addresses)
    }

    /// Makes a slot's addresses such that a huge page can be there again: where its pages were moved one by
    /// one, which nothing tells, the kernel's table for them is in the way. False if that failed, and the
    /// slot is lost.
    ///
    /// # Safety
    /// The addresses are the caller's, and nobody counts on their bytes.
    pub(crate) unsafe fn renew_slot(&self, addresses: Range<usize>) -> bool {
        let Some(userfault) = &self.userfault else { return true };
        // SAFETY: by the caller's contract.
        let renewed = unsafe {
            sys::vacate(&addresses)
                .and_then(|()| sys::protect(&addresses, readable_writable()))
                .and_then(|()| sys::advise(&addresses, Advice::LinuxHugepage).or(Ok(())))
        };
        renewed.and_then(|()| userfault.register_as_target(&addresses)).is_ok()
    }

    /// # Safety
    /// The addresses come from [`reserve`](Self::reserve) or [`reserve_slots`](Self::reserve_slots), and
    /// nobody uses them any more.
    pub(crate) unsafe fn release(&self, addresses: Range<usize>) {
        // SAFETY: by the caller's contract. Unmapping ends the registration too.
        unsafe { sys::release(addresses) };
    }

    /// Puts a filled slot's bytes where pages are missing at `to`. Copies them if asked and possible, else
    /// moves the slot's pages. ENOMEM only if no page has been put there.
    ///
    /// # Safety
    /// The slot and the target are the caller's, and the target has no pages.
    pub(crate) unsafe fn install(
        &self,
        slot: Range<usize>,
        to: usize,
        arrival: Arrival,
        how: Installed,
    ) -> Result<Installed, Errno> {
        let target = to..to + slot.len();
        let protected = arrival != Arrival::Writable;
        let Some(userfault) = &self.userfault else {
            let flags = if protected { MprotectFlags::READ } else { readable_writable() };
            // SAFETY: by the caller's contract. The bytes appear in one step, with their protection.
            unsafe {
                let moved = sys::protect(&slot, flags).and_then(|()| sys::remap(slot.clone(), to));
                // A slot stays writable. It is its neighbours' equal again, which takes no memory.
                let _ = sys::protect(&slot, readable_writable());
                moved?;
            }
            return Ok(Installed::Moved);
        };
        if how == Installed::Copied {
            // SAFETY: by the caller's contract.
            unsafe { userfault.copy(slot, to, protected) }?;
            return Ok(Installed::Copied);
        }
        // Pages that are moved arrive writable, and are protected a moment later.
        if !userfault.moves || arrival == Arrival::Protected {
            // There is room for a page twice, for a moment, and for no more.
            let pages = slot.step_by(PAGE).zip(target.step_by(PAGE));
            for (at, (from, to)) in pages.enumerate() {
                // SAFETY: by the caller's contract.
                unsafe {
                    patiently(at > 0, || userfault.copy(from..from + PAGE, to, protected))?;
                    sys::drop_pages(&(from..from + PAGE))?;
                }
            }
            return Ok(Installed::Moved);
        }
        // SAFETY: by the caller's contract.
        unsafe {
            let moved = match userfault.move_pages(slot.clone(), to) {
                // Locked memory is copied.
                Err(Errno::INVAL) => 0,
                moved => moved?,
            };
            if moved < slot.len() {
                let rest = slot.start + moved..slot.end;
                patiently(moved > 0, || userfault.copy(rest.clone(), to + moved, protected))?;
            }
            if protected {
                patiently(true, || userfault.write_protect(&target, true))?;
            }
            Ok(if moved < slot.len() { Installed::Copied } else { Installed::Moved })
        }
    }

    /// Copies bytes to where pages are missing at `to`; where [`can_copy`](Self::can_copy) allows it.
    ///
    /// # Safety
    /// The target is the caller's, and has no pages.
    pub(crate) unsafe fn copy(
        &self,
        bytes: &[u8],
        to: usize,
        protected: bool,
    ) -> Result<(), Errno> {
        let userfault = self.userfault.as_ref().ok_or(Errno::NOSYS)?;
        let start = bytes.as_ptr().expose_provenance();
        // SAFETY: by the caller's contract; a slice is readable.
        unsafe { userfault.copy(start..start + bytes.len(), to, protected) }
    }

    /// Takes the pages out of their addresses, in one step for each, and keeps them in a slot. EBUSY where
    /// the kernel is at one of them: then they are where they were.
    ///
    /// # Safety
    /// Both are the caller's; the slot has no pages.
    pub(crate) unsafe fn take_out(
        &self,
        from: Range<usize>,
        slot: Range<usize>,
    ) -> Result<(), Errno> {
        // SAFETY: by the caller's contract.
        unsafe {
            match &self.userfault {
                Some(userfault) => {
                    let moved = userfault.move_pages(from.clone(), slot.start)?;
                    if moved == from.len() {
                        return Ok(());
                    }
                    // By copies, which arrive protected: a write that went unnoticed would be lost. Nobody
                    // else has the bytes, so a kernel without memory for them is asked again.
                    for (page, to) in (slot.start..slot.start + moved).zip(from).step_by(PAGE) {
                        let mut patience = Patience::default();
                        while userfault.copy(page..page + PAGE, to, true).is_err() {
                            patience.pause();
                        }
                    }
                    Err(Errno::BUSY)
                }
                None => {
                    // Whatever fails, the pages are where they were, and protected.
                    let taken = sys::protect(&from, MprotectFlags::empty())
                        .and_then(|()| sys::remap(from.clone(), slot.start))
                        .and_then(|()| {
                            sys::protect(&slot, readable_writable()).inspect_err(|_| {
                                // Nobody else has the bytes.
                                let mut patience = Patience::default();
                                while sys::remap(slot.clone(), from.start).is_err() {
                                    patience.pause();
                                }
                            })
                        });
                    let _ = match taken {
                        Ok(()) => sys::vacate(&from),
                        Err(_) => sys::protect(&from, MprotectFlags::READ),
                    };
                    taken
                }
            }
        }
    }

    /// Brings the bytes of one slot into another: moves pages if asked, as far as that is possible.
    ///
    /// # Safety
    /// Both are the caller's; the second has no pages.
    pub(crate) unsafe fn shift(
        &self,
        from: Range<usize>,
        to: Range<usize>,
        how: Installed,
    ) -> Installed {
        let moves = |userfault: &&Userfault| userfault.moves && how == Installed::Moved;
        let userfault = self.userfault.as_ref().filter(moves);
        // SAFETY: by the caller's contract; slots are registered as targets.
        let moved = userfault
            .and_then(|userfault| unsafe { userfault.move_pages(from.clone(), to.start) }.ok())
            .unwrap_or(0);
        // SAFETY: both are readable and writable memory of the caller's and do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(
                sys::pointer(from.start + moved).cast::<u8>(),
                sys::pointer(to.start + moved).cast::<u8>(),
                from.len() - moved,
            );
        }
        if moved == from.len() { Installed::Moved } else { Installed::Copied }
    }

    /// Shows zeros where pages are missing.
    ///
    /// # Safety
    /// The addresses are the caller's.
    pub(crate) unsafe fn zeros(
        &self,
        addresses: Range<usize>,
        writable: bool,
    ) -> Result<(), Errno> {
        // SAFETY: by the caller's contract.
        unsafe {
            match &self.userfault {
                Some(userfault) => userfault.zeros(addresses),
                None if writable => sys::protect(&addresses, readable_writable()),
                None => sys::protect(&addresses, MprotectFlags::READ),
            }
        }
    }

    /// Makes writes to the pages that are there faults.
    ///
    /// # Safety
    /// The addresses are the caller's.
    pub(crate) unsafe fn protect(&self, addresses: &Range<usize>) -> Result<(), Errno> {
        // SAFETY: by the caller's contract.
        unsafe {
            match &self.userfault {
                Some(userfault) => userfault.write_protect(addresses, true),
                None => sys::protect(addresses, MprotectFlags::READ),
            }
        }
    }

    /// Undoes [`protect`](Self::protect).
    ///
    /// # Safety
    /// The addresses are the caller's.
    pub(crate) unsafe fn unprotect(&self, addresses: &Range<usize>) -> Result<(), Errno> {
        // SAFETY: by the caller's contract.
        unsafe {
            match &self.userfault {
                Some(userfault) => userfault.write_protect(addresses, false),
                None => sys::protect(addresses, readable_writable()),
            }
        }
    }

    /// Drops pages of a mapping: they are missing afterwards.
    ///
    /// # Safety
    /// The ranges are the caller's, and nobody counts on their bytes.
    pub(crate) unsafe fn drop_pages(&self, ranges: &[Range<usize>]) -> Result<(), Errno> {
        if self.userfault.is_none() {
            return ranges.iter().try_for_each(|range| {
                // SAFETY: by the caller's contract. If there is no room for another record of a mapping, the
                // pages are made unreachable before they are dropped.
                unsafe {
                    sys::vacate(range).or_else(|_| {
                        sys::protect(range, MprotectFlags::empty())?;
                        sys::drop_pages(range)
                    })
                }
            });
        }
        // SAFETY: by the caller's contract.
        unsafe { self.empty(&merged(ranges)) }
    }

    /// Gives up the memory of slots.
    ///
    /// # Safety
    /// As [`drop_pages`](Self::drop_pages).
    pub(crate) unsafe fn empty(&self, ranges: &[Range<usize>]) -> Result<(), Errno> {
        const WORTH_A_LIST: usize = 3;
        if let Some(itself) = self.itself.as_ref().filter(|_| ranges.len() >= WORTH_A_LIST) {
            let list = |range: &Range<usize>| libc::iovec {
                iov_base: sys::pointer(range.start),
                iov_len: range.len(),
            };
            let list: Vec<_> = ranges.iter().map(list).collect();
            // SAFETY: by the caller's contract.
            if unsafe { sys::drop_many(itself, &list) }.is_ok() {
                return Ok(());
            }
        }
        ranges.iter().try_for_each(|range| {
            // SAFETY: by the caller's contract.
            unsafe { sys::drop_pages(range) }
        })
    }
}

/// Neighbours as one: a huge page is not taken apart to be dropped.
pub(crate) fn merged(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let neighbours = last.end == next.start;
        if neighbours {
            last.end = next.end;
        }
        neighbours
    });
    ranges
}

/// Does something again while the kernel has no memory for it, if there is no way back.
fn patiently(no_way_back: bool, mut step: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    let mut patience = Patience::default();
    loop {
        match step() {
            Err(Errno::NOMEM) if no_way_back => patience.pause(),
            result => return result,
        }
    }
}

/// Whether slots of this size are made of huge pages.
pub(crate) fn is_huge(len: usize) -> bool {
    len >= HUGE
}

fn readable_writable() -> MprotectFlags {
    MprotectFlags::READ | MprotectFlags::WRITE
}
