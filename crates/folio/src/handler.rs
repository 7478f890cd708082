//! The handler of SIGBUS and SIGSEGV: one for the process, installed on first need.
//!
//! A fault's way through it, in this order:
//! 1. The address lies in a paged mapping: the hook loads the page on this thread. Paged mappings
//!    come first, since the copy routine reaches their pages too.
//! 2. The interrupted instruction is one of folio's own ([`crate::arch`]): go on at its landing,
//!    with a [`Sign`] as the result.
//! 3. A SIGBUS in a guarded mapping: put a zero page there, record the first fault, go on.
//! 4. Anything else, and every signal that somebody sent: on to whom it would have reached without
//!    folio ([`crate::chain`]).
//!
//! Invariants:
//! - No allocation, no panic, no lock that code outside this handler takes. errno is preserved.
//! - All signals are blocked while it runs, so the word `patching` (see [`Guard`]) is held by a
//!   thread that runs nothing but the few system calls of [`patch`]; whoever finds it taken waits
//!   at most a millisecond and runs its instruction again.
//! - A thread that has SIGBUS blocked dies at a fault: the kernel delivers a blocked synchronous
//!   signal as a kill (signal(7)). Nothing in user space can change that.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use rustix::fd::BorrowedFd;
use rustix::mm::{MapFlags, ProtFlags};

use crate::fault::Sign;
use crate::guard::{Guard, GuardSlot, REGISTRY};
use crate::pagehook::{PageFault, PageOutcome};
use crate::range::round_down;
use crate::sys::{self, Errno};
use crate::{arch, chain};

static INSTALLED: AtomicU32 = AtomicU32::new(0);
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs the handler unless it is installed.
#[inline]
pub(crate) fn install() -> Result<(), Errno> {
    if INSTALLED.load(Ordering::Acquire) == 1 { Ok(()) } else { install_now() }
}

#[cold]
fn install_now() -> Result<(), Errno> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if INSTALLED.load(Ordering::Acquire) == 1 {
        return Ok(());
    }
    for signal in [libc::SIGBUS, libc::SIGSEGV] {
        chain::install(signal, on_fault)?;
    }
    INSTALLED.store(1, Ordering::Release);
    Ok(())
}

/// Restores the thread's errno when it goes.
struct Errnos(c_int);

impl Errnos {
    fn save() -> Self {
        // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for Errnos {
    fn drop(&mut self) {
        // SAFETY: as in `save`.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = Errnos::save();
    // SAFETY: the kernel passes a handler with SA_SIGINFO a valid siginfo and ucontext that nobody
    // else refers to while the handler runs (sigaction(2)).
    let handled = unsafe { handle(signal, &*info, &mut *context.cast::<libc::ucontext_t>()) };
    drop(errno);
    if !handled {
        // SAFETY: the arguments are those the kernel passed.
        unsafe { chain::pass_on(signal, info, context) };
    }
}

fn handle(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let code = info.si_code;
    let memory = match signal {
        libc::SIGBUS => matches!(
            code,
            libc::BUS_ADRERR | libc::BUS_OBJERR | libc::BUS_MCEERR_AR | libc::BUS_MCEERR_AO
        ),
        // SEGV_MAPERR, SEGV_ACCERR, SEGV_PKUERR (sigaction(2)).
        _ => matches!(code, 1 | 2 | 4),
    };
    if !memory {
        return false;
    }
    // SAFETY: for these codes the kernel fills in si_addr (sigaction(2)).
    let address = unsafe { info.si_addr() } as usize;
    let write = arch::is_write(context);
    let sign = Sign::new(signal, code, write);
    let slot = REGISTRY.find(address);

    if let Some(slot) = slot {
        let hook = slot.payload.hook.load(Ordering::Acquire);
        if !hook.is_null() {
            let fault = PageFault { address, write, signal };
            // SAFETY: the hook stays until `PageHook` is dropped, which no thread that touches
            // these addresses allows (contract of `pagehook::attach`).
            if unsafe { &*hook }.fill_page(&fault) == PageOutcome::Filled {
                return true;
            }
            return arch::land(context, address, sign.0);
        }
    }
    // BUS_MCEERR_AO reports memory that nobody was touching.
    if code != libc::BUS_MCEERR_AO && arch::land(context, address, sign.0) {
        return true;
    }
    match slot {
        Some(slot) if signal == libc::SIGBUS => patch(slot, address, sign, write),
        _ => false,
    }
}

/// Puts zeros where `address` lies, unless its page has come back. False if that is impossible.
fn patch(slot: &GuardSlot, address: usize, sign: Sign, write: bool) -> bool {
    let guard = &slot.payload;
    let arms = guard.arms();
    let page = round_down(address, arms.page);

    if guard.patching.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        wait_a_little(&guard.patching);
        return true;
    }
    // Another thread may have put zeros here meanwhile, and somebody written to them; or the file
    // may have grown back. Whoever can reach the page needs no zeros.
    let handled = match sys::populate(page, arms.page, write && arms.writable) {
        Ok(()) => true,
        Err(_) => {
            let sign = sign.at(address - slot.start());
            guard.record(if too_short(guard, page - slot.start()) {
                sign.too_short()
            } else {
                sign
            });
            // Each replaced page may split the kernel's record of the mapping in three. At the
            // limit of such records (vm.max_map_count) replacing up to the mapping's end takes one
            // more, and replacing all of it none.
            put_zeros(guard, page..page + arms.page)
                || put_zeros(guard, page..slot.end())
                || put_zeros(guard, slot.start()..slot.end())
        }
    };
    guard.patching.store(0, Ordering::Release);
    handled
}

fn put_zeros(guard: &Guard, addresses: Range<usize>) -> bool {
    let mut prot = ProtFlags::READ;
    if guard.arms().writable {
        prot |= ProtFlags::WRITE;
    }
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
    guard.note_patched(addresses.clone());
    // SAFETY: the addresses lie within the slot's mapping, which is alive because a thread is
    // touching it; whoever holds a slice into it has vouched for, or accepted, zeros there
    // (`Mapping::as_slice`, `Mapping::guarded`).
    unsafe { sys::map(addresses.start, addresses.len(), prot, flags, None) }.is_ok()
}

/// Whether the backing ends before the page at `position`, as far as its descriptor tells.
fn too_short(guard: &Guard, position: usize) -> bool {
    let arms = guard.arms();
    if arms.fd < 0 {
        return false;
    }
    // SAFETY: the mapping keeps the descriptor open while it is alive, and it is alive.
    let fd = unsafe { BorrowedFd::borrow_raw(arms.fd) };
    rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_size as u64 <= arms.offset + position as u64)
}

/// Waits until the word changes from 1, at most a millisecond.
fn wait_a_little(word: &AtomicU32) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let op = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: futex(2) reads the word and the timeout, both of which live through the call. Nobody
    // wakes the word: the time limit does.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, 1, &raw const pause) };
}
