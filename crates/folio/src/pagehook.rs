//! The page hook: the one place where somebody else, a pager, takes part in fault handling.
//!
//! 1. A pager reserves addresses whose pages are missing (userfaultfd with UFFD_FEATURE_SIGBUS, or
//!    PROT_NONE) and calls [`attach`].
//! 2. A thread touches such a page. The handler runs on that thread, finds the addresses in the
//!    registry and calls the hook: from a signal handler, but at an instruction that touched a
//!    mapping, so a hook may allocate, lock and block as far as the code that touches its pages
//!    holds nothing it needs. It runs on the stack of that code, unless that stack is itself among
//!    the addresses: there is the room that the code had.
//! 3. The hook makes the page present and answers [`PageOutcome::Filled`]: the instruction is run
//!    again. Or it answers [`PageOutcome::Failed`]: an access through folio's copying view returns
//!    the fault; any other one goes to whoever handled the signal before folio.
//! 4. Dropping the [`PageHook`] withdraws it.
//!
//! A forked child has no hook: what fills the pages may know nothing of the child's copy of them
//! (userfaultfd(2) does not). There a touch of a missing page is a signal like any other.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Arms, Guard, GuardSlot, REGISTRY};
use crate::{Backing, arch, handler};

/// A missing page that was touched.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct PageFault {
    /// The address that was touched. For some kinds of fault the kernel reports the page only.
    pub address: usize,
    /// Whether it was to be written.
    pub write: bool,
    /// Whether a copy of folio's own touched it ([`PageHook::read_at`]), which can end there and say
    /// so. Anything else goes on only once there is a page.
    pub copying: bool,
    /// Whether the page was there, and its memory broke (BUS_MCEERR_AR in sigaction(2)). To run the
    /// instruction again takes another page.
    pub broken: bool,
    /// SIGBUS or SIGSEGV.
    pub signal: i32,
}

/// What became of a missing page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOutcome {
    /// The page is present: run the instruction again.
    Filled,
    /// It could not be had.
    Failed,
}

/// Fills missing pages on the thread that touched them.
pub trait FillPage: Send + Sync {
    /// Makes the page at `fault.address` present.
    ///
    /// Runs inside a signal handler with all signals blocked, and must not unwind: a panic ends
    /// the process.
    fn fill_page(&self, fault: &PageFault) -> PageOutcome;
}

pub(crate) struct Registration {
    fill: Box<dyn FillPage>,
}

impl Registration {
    pub(crate) fn fill_page(&self, fault: &PageFault) -> PageOutcome {
        self.fill.fill_page(fault)
    }
}

/// A hook that is attached; dropping it withdraws the hook.
pub struct PageHook {
    slot: &'static GuardSlot,
}

/// Lets `fill` supply the missing pages of `addresses`.
///
/// # Safety
/// The addresses belong to the caller, hold no folio [`Mapping`](crate::Mapping), and stay mapped
/// until the hook is dropped. No thread touches them while the hook is being dropped. `fill` does
/// not touch them.
///
/// # Errors
/// [`ErrorKind::OutOfRange`] for an empty range; [`ErrorKind::Unsupported`] where the registry is
/// full or no handler can be installed.
pub unsafe fn attach(addresses: Range<usize>, fill: Box<dyn FillPage>) -> Result<PageHook> {
    const ATTACH: &str = "attach a page hook to";
    if addresses.is_empty() {
        return Err(Error::out_of_range(ATTACH, &Backing::ANONYMOUS, &addresses, 0));
    }
    handler::install().map_err(|errno| Error::os(ATTACH, &Backing::ANONYMOUS, errno))?;
    let registration = Box::into_raw(Box::new(Registration { fill }));
    let slot = REGISTRY.insert(addresses.start, addresses.end, |guard: &Guard| {
        let only_in = std::process::id();
        guard.arm(Arms { page: 4096, writable: true, widen: false, fd: -1, offset: 0, only_in });
        guard.hook.store(registration, Release);
    });
    match slot {
        Some(slot) => Ok(PageHook { slot }),
        None => {
            // SAFETY: made by `Box::into_raw` above and not published.
            drop(unsafe { Box::from_raw(registration) });
            let reason = "the registry of guarded mappings is full";
            Err(Error::kind_of(ATTACH, &Backing::ANONYMOUS, ErrorKind::Unsupported, reason))
        }
    }
}

impl PageHook {
    /// The addresses it fills.
    pub fn addresses(&self) -> Range<usize> {
        self.slot.start()..self.slot.end()
    }

    /// Copies bytes from position `at` on into `buf`; returns how many, all of them unless the page of
    /// the next one could not be filled.
    ///
    /// # Panics
    /// If the range does not lie within the addresses.
    #[inline]
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> usize {
        let from = self.locate(at, buf.len());
        // SAFETY: `buf` has room for its length, and `locate` has checked that as many bytes lie within
        // the addresses, which stay mapped while the hook is (contract of `attach`). `attach` has
        // installed the handler.
        let returned = unsafe { arch::copy_out(from, buf.as_mut_ptr(), buf.len()) };
        buf.len() - returned.not_done()
    }

    /// Copies `bytes` to position `at`; returns how many, all of them unless the page of the next one
    /// could not be filled, or not for writing.
    ///
    /// # Safety
    /// No Rust reference covers the bytes that are written.
    ///
    /// # Panics
    /// If the range does not lie within the addresses.
    #[inline]
    pub unsafe fn write_at(&self, at: usize, bytes: &[u8]) -> usize {
        let to = self.locate(at, bytes.len());
        // SAFETY: as in `read_at`; that no reference covers the target is the caller's contract.
        let returned = unsafe { arch::copy_in(bytes.as_ptr(), to, bytes.len()) };
        bytes.len() - returned.not_done()
    }

    fn locate(&self, at: usize, count: usize) -> *mut u8 {
        let len = self.slot.end() - self.slot.start();
        assert!(at <= len && count <= len - at, "{at}.. + {count} of {len} bytes");
        core::ptr::with_exposed_provenance_mut(self.slot.start() + at)
    }
}

impl Drop for PageHook {
    fn drop(&mut self) {
        let registration = self.slot.payload.hook.load(Acquire);
        REGISTRY.remove(self.slot);
        // SAFETY: made by `Box::into_raw` in `attach` and taken back once, here. No handler uses
        // it: by the contract of `attach` no thread touches the addresses now, and the slot has
        // been withdrawn.
        drop(unsafe { Box::from_raw(registration) });
    }
}

impl fmt::Debug for PageHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageHook({:#x}..{:#x})", self.slot.start(), self.slot.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mapping, Protection, arch};

    struct Fails;

    impl FillPage for Fails {
        fn fill_page(&self, _: &PageFault) -> PageOutcome {
            PageOutcome::Failed
        }
    }

    #[test]
    fn a_page_that_cannot_be_filled_ends_a_copy_from_it_and_a_copy_to_it() {
        const PAGE: usize = 4096;
        // The addresses must hold no folio mapping that somebody operates on; nobody does.
        let mut map = Mapping::options().write().anonymous(3 * PAGE).unwrap();
        map.protect(PAGE.., Protection::NONE).unwrap();
        let start = map.as_mut_ptr();
        // SAFETY: the addresses stay mapped, and this thread alone touches them.
        let hook = unsafe { attach(map.address()..map.address() + 3 * PAGE, Box::new(Fails)) };
        let mut buf = [1; 3 * PAGE];
        for count in [1, 8, 60, 500, 5000] {
            for back in
                [0, 1, 7, count / 2, count - 1].into_iter().filter(|&back| back < count.min(PAGE))
            {
                let from = start.wrapping_add(PAGE - back);
                // SAFETY: the range lies in the mapping, and `buf` has room for it.
                let out = unsafe { arch::copy_out(from, buf.as_mut_ptr(), count) };
                assert_eq!(out.value as usize, count - back);
                assert_ne!(out.sign, 0);
                // SAFETY: as above.
                let back_in = unsafe { arch::copy_in(buf.as_ptr(), from, count) };
                assert_eq!((back_in.value, back_in.sign != 0), (out.value, true));
            }
        }
        drop(hook);
    }
}
