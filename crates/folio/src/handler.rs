//! The handler of SIGBUS and SIGSEGV: one for the process, installed on first need.
//!
//! A fault's way through it, in this order:
//! 1. The address lies in a paged mapping: the hook loads the page on this thread. Paged mappings
//!    come first, since the copy routine reaches their pages too.
//! 2. The interrupted instruction is one of folio's own ([`crate::arch`]): go on at its landing,
//!    with a [`Sign`] as the result.
//! 3. A SIGBUS in a guarded mapping: put a zero page there, record the first fault, go on. Memory
//!    of one that broke while nobody touched it (BUS_MCEERR_AO) can wait until somebody does.
//! 4. A SIGBUS in a file mapping that folio did not make, where that was asked for: zeros too
//!    ([`crate::losses`]).
//! 5. Anything else, and every signal that somebody sent: on to whom it would have reached without
//!    folio ([`crate::chain`]).
//!
//! Invariants:
//! - No allocation, no panic, no lock that code outside this handler takes. errno is preserved.
//! - All signals are blocked while it runs, so the right to replace pages ([`crate::turn`]) is held by a
//!   thread that runs nothing but the few system calls of [`patch`]; whoever finds it taken waits
//!   at most a millisecond and runs its instruction again.
//! - A thread that has SIGBUS blocked dies at a fault: the kernel delivers a blocked synchronous
//!   signal as a kill (signal(7)). Nothing in user space can change that.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use rustix::fd::BorrowedFd;
use rustix::fs::FileType;
use rustix::mm::{MapFlags, ProtFlags};

use crate::fault::Sign;
use crate::guard::{Guard, GuardSlot, REGISTRY};
use crate::pagehook::{PageFault, PageOutcome};
use crate::range::round_down;
use crate::sys::{self, Errno};
use crate::{arch, chain, foreign, interrupted, losses, spare, turn};

/// The signals that are handled, as a set: signal `n` is bit `n`.
static INSTALLED: AtomicU32 = AtomicU32::new(0);
static INSTALLING: Mutex<()> = Mutex::new(());

/// Sees to it that SIGBUS and SIGSEGV are handled.
#[inline]
pub(crate) fn install() -> Result<(), Errno> {
    install_for(&[libc::SIGBUS, libc::SIGSEGV])
}

/// Sees to it that these signals are handled, of SIGBUS and SIGSEGV.
#[inline]
pub(crate) fn install_for(signals: &[c_int]) -> Result<(), Errno> {
    let wanted = signals.iter().fold(0, |set, signal| set | 1 << signal);
    if INSTALLED.load(Ordering::Acquire) & wanted == wanted {
        return Ok(());
    }
    install_now(signals)
}

#[cold]
fn install_now(signals: &[c_int]) -> Result<(), Errno> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Copies alone depend on the processor, and to ask what it has takes long in a virtual machine.
    if signals.contains(&libc::SIGSEGV) {
        arch::prepare();
    }
    spare::keep();
    turn::prepare();
    for &signal in signals {
        if INSTALLED.load(Ordering::Acquire) & 1 << signal == 0 {
            chain::install(signal, on_fault)?;
            INSTALLED.fetch_or(1 << signal, Ordering::Release);
        }
    }
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

extern "C-unwind" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
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

const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;

fn handle(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let code = info.si_code;
    // An address that the processor has no bits for: it does not say which (#GP in Intel SDM vol. 3).
    if signal == libc::SIGSEGV && code == SI_KERNEL {
        return arch::land_beyond(context, |write| Sign::new(signal, SEGV_MAPERR, write).0);
    }
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
    let slot = REGISTRY.find(address, Guard::is_here);
    let broken =
        signal == libc::SIGBUS && matches!(code, libc::BUS_MCEERR_AR | libc::BUS_MCEERR_AO);

    if broken && code == libc::BUS_MCEERR_AO {
        // Nobody was touching the mapping, so another thread may be unmapping it.
        return slot.is_some_and(|slot| slot.payload.hook.load(Ordering::Acquire).is_null());
    }
    let reach = if broken { broken_bytes(info) } else { 1 };

    if let Some(slot) = slot.filter(|slot| !slot.payload.hook.load(Ordering::Acquire).is_null()) {
        let copying = arch::can_land(context, address);
        let fault = PageFault { address, write, copying, broken, signal };
        return fill(context, slot, &fault) || arch::land(context, address, reach, sign.0);
    }
    if arch::land(context, address, reach, sign.0) {
        return true;
    }
    // Zeros are not a program.
    if signal != libc::SIGBUS || arch::is_fetch(context) {
        return false;
    }
    zeros(slot, address, sign, write, broken)
}

/// Has a paged mapping's hook supply the page.
fn fill(context: &libc::ucontext_t, slot: &GuardSlot, fault: &PageFault) -> bool {
    // SAFETY: the hook stays until `PageHook` is dropped, which no thread that touches these
    // addresses allows (contract of `pagehook::attach`).
    let hook = unsafe { &*slot.payload.hook.load(Ordering::Acquire) };
    let mut outcome = PageOutcome::Failed;
    // SAFETY: the context is the kernel's.
    unsafe {
        interrupted::run(context, slot.start()..slot.end(), || outcome = hook.fill_page(fault));
    }
    outcome == PageOutcome::Filled
}

/// Has zeros stand in for the page, if its mapping is guarded.
fn zeros(slot: Option<&GuardSlot>, address: usize, sign: Sign, write: bool, broken: bool) -> bool {
    let foreign = slot.is_none_or(|slot| slot.payload.foreign.load(Ordering::Relaxed));
    match (slot, foreign::response(slot.is_some())) {
        (Some(slot), _) if !foreign => patch(slot, address, sign, write, broken),
        (_, Some(response)) => {
            let owner = slot.filter(|slot| slot.payload.owned.load(Ordering::Relaxed));
            losses::stand_in(address, sign, write, response, owner)
        }
        (_, None) => false,
    }
}

/// How many bytes broke around the address (si_addr_lsb in sigaction(2)). The kernel may report
/// the first of them rather than the one that was touched.
fn broken_bytes(info: &libc::siginfo_t) -> usize {
    const SI_ADDR_LSB: usize = 24;
    // SAFETY: for BUS_MCEERR_* the kernel fills in this 16-bit field behind si_addr
    // (asm-generic/siginfo.h), well within the structure.
    let lsb = unsafe { *ptr::from_ref(info).cast::<u8>().add(SI_ADDR_LSB).cast::<i16>() };
    1 << lsb.clamp(0, 30)
}

/// Puts zeros where `address` lies, unless its page has come back. False if that is impossible.
fn patch(slot: &GuardSlot, address: usize, sign: Sign, write: bool, broken: bool) -> bool {
    let guard = &slot.payload;
    let arms = guard.arms();
    let page = round_down(address, arms.page);

    if let Err(holder) = guard.turn.take() {
        guard.turn.wait_for(holder);
        return true;
    }
    let sign = sign.at(address - slot.start());
    if broken {
        // Even where the page can be had again, it is an older one.
        guard.record(sign);
    }
    // Another thread may have put zeros here meanwhile, and somebody written to them; or the file
    // may have grown back. Whoever can reach the page needs no zeros.
    let handled = match sys::populate(page, arms.page, write) {
        Ok(()) => true,
        Err(_) => {
            guard.record(if too_short(guard, page - slot.start()) {
                sign.too_short()
            } else {
                sign
            });
            replace(slot, page..page + arms.page, arms.widen)
        }
    };
    guard.turn.give();
    handled
}

/// Each replaced page may split the kernel's record of the mapping in three. At the limit of such
/// records (vm.max_map_count) the spare makes room: for the page, or, where pages that can be had may
/// become zeros too, for all from the page on, behind which nothing is left to be replaced. Without a
/// spare a single page would bring the process nearer to where nothing can be done.
fn replace(slot: &GuardSlot, page: Range<usize>, widen: bool) -> bool {
    let put = |addresses: Range<usize>| put_zeros(&slot.payload, addresses);
    if !widen {
        return put(page.clone()) || (spare::release() && put(page));
    }
    let rest = page.start..slot.end();
    (spare::is_kept() && put(page))
        || put(rest.clone())
        || (spare::release() && put(rest))
        || put(slot.start()..slot.end())
}

fn put_zeros(guard: &Guard, addresses: Range<usize>) -> bool {
    let mut prot = ProtFlags::READ;
    if guard.arms().writable {
        prot |= ProtFlags::WRITE;
    }
    guard.note_patched(addresses.clone());
    // Private pages that can be written count against the limit of data (RLIMIT_DATA in
    // getrlimit(2)), shared ones do not.
    [MapFlags::PRIVATE, MapFlags::SHARED].into_iter().any(|sharing| {
        let flags = sharing | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the addresses lie within the slot's mapping, which is alive because a thread is
        // touching it. Whoever holds a slice of a file has vouched for, or accepted, zeros there
        // (`Mapping::as_slice`, `Mapping::guarded`). Safe slices are of memory, where a page that
        // cannot be had was either never there, and so zeros, or broke (`crate::stable`).
        unsafe { sys::map(addresses.start, addresses.len(), prot, flags, None) }.is_ok()
    })
}

/// Whether the backing ends before the page at `position`, as far as its descriptor tells.
fn too_short(guard: &Guard, position: usize) -> bool {
    let arms = guard.arms();
    if arms.fd < 0 {
        return false;
    }
    // SAFETY: the mapping keeps the descriptor open while it is alive, and it is alive.
    let fd = unsafe { BorrowedFd::borrow_raw(arms.fd) };
    // A device has no size here.
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_size as u64 <= arms.offset + position as u64
    })
}
