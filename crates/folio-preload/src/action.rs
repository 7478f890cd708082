//! sigaction(2) and its kin: for SIGBUS they read and write what folio passes the signal on to.
//!
//! The program's handler is called for every SIGBUS that is not about a page of a file mapping, and
//! the program sees its own handler when it asks. Of other signals' handlers only the mask is touched:
//! SIGBUS is taken out of it, since a fault in a handler that has SIGBUS blocked ends the process, and
//! shown again to whoever asks ([`MASKED`]).
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::mem::{MaybeUninit, transmute};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use folio::foreign::{self, Action};
use libc::{SIG_DFL, SIG_ERR, SIG_IGN, SIGBUS, sighandler_t};

use crate::mask::{self, BUS};
use crate::next::{Next, missing, set_errno};
use crate::owner;

static SIGACTION: Next = Next::new(c"sigaction");
static UNDER_SIGACTION: Next = Next::new(c"__sigaction");
static SIGNAL: Next = Next::new(c"signal");
static BSD_SIGNAL: Next = Next::new(c"bsd_signal");
static SSIGNAL: Next = Next::new(c"ssignal");
static SYSV_SIGNAL: Next = Next::new(c"sysv_signal");
static UNDER_SYSV_SIGNAL: Next = Next::new(c"__sysv_signal");
static SIGSET: Next = Next::new(c"sigset");
static SIGIGNORE: Next = Next::new(c"sigignore");
static SIGINTERRUPT: Next = Next::new(c"siginterrupt");

/// A bit for each signal whose handler is to have SIGBUS blocked, as the program sees it.
static MASKED: AtomicU64 = AtomicU64::new(0);
/// Whether signal(3) is to let a SIGBUS interrupt system calls (siginterrupt(3)).
static INTERRUPTS: AtomicBool = AtomicBool::new(false);

/// The C library's mark for an action it has set (sigaction(2), "Undocumented").
const SA_RESTORER: c_int = 0x0400_0000;
/// SIG_HOLD in sigset(3).
const SIG_HOLD: sighandler_t = 2;

pub(crate) fn start() {
    for next in [
        &SIGACTION,
        &UNDER_SIGACTION,
        &SIGNAL,
        &BSD_SIGNAL,
        &SSIGNAL,
        &SYSV_SIGNAL,
        &UNDER_SYSV_SIGNAL,
        &SIGSET,
        &SIGIGNORE,
        &SIGINTERRUPT,
    ] {
        next.find();
    }
}

fn bit(signal: c_int) -> u64 {
    1_u64.checked_shl((signal - 1) as u32).unwrap_or_default()
}

/// What the kernel would have kept of an action (rt_sigaction(2)).
fn kept(handler: usize, flags: c_int, mask: u64) -> Action {
    // SA_UNSUPPORTED and all that is not defined go, and SIGKILL and SIGSTOP are never blocked.
    const KNOWN: c_int = libc::SA_NOCLDSTOP
        | libc::SA_NOCLDWAIT
        | libc::SA_SIGINFO
        | libc::SA_ONSTACK
        | libc::SA_RESTART
        | libc::SA_NODEFER
        | libc::SA_RESETHAND
        | 0x800;
    let never = bit(libc::SIGKILL) | bit(libc::SIGSTOP);
    Action { handler, flags: flags & KNOWN | SA_RESTORER, mask: mask & !never }
}

/// What happens at a SIGBUS that is not folio's, with `new` in its place from now on if there is one.
/// None where the kernel is to be asked: folio handles no SIGBUS (yet), or this is a child on its
/// parent's memory.
fn exchange(new: Option<Action>) -> Option<Action> {
    if !owner::is_this_process() {
        return None;
    }
    match new {
        // SAFETY: the program vouches for its handler as it does for sigaction(2).
        Some(new) => unsafe { foreign::set_next_action(SIGBUS, new) },
        None => foreign::next_action(SIGBUS),
    }
}

/// # Safety
/// As for sigaction(2).
unsafe fn act(
    next: &Next,
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: by the caller's contract null or an action; all of it is read before `old` is written.
    let mut new = unsafe { new.as_ref() }.copied();
    let wants = new.as_mut().map(|new| mask::word(&mut new.sa_mask));
    if signal == SIGBUS {
        let wish = new.zip(wants).map(|(new, mask)| kept(new.sa_sigaction, new.sa_flags, mask));
        if let Some(before) = exchange(wish) {
            // SAFETY: by the caller's contract null or room for an action.
            if let Some(old) = unsafe { old.as_mut() } {
                // SAFETY: all zeros is an action.
                *old = unsafe { MaybeUninit::zeroed().assume_init() };
                old.sa_sigaction = before.handler;
                old.sa_flags = before.flags;
                mask::set_word(&mut old.sa_mask, before.mask);
            }
            return 0;
        }
    }
    let masked = MASKED.load(Ordering::Relaxed) & bit(signal) != 0;
    if let Some((new, mask)) = new.as_mut().zip(wants)
        && signal != SIGBUS
    {
        mask::set_word(&mut new.sa_mask, mask & !BUS);
    }
    let address = next.address();
    if address == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int =
        unsafe { transmute(address) };
    let result = next(signal, new.as_ref().map_or(ptr::null(), ptr::from_ref), old);
    if result == 0 && signal != SIGBUS {
        // SAFETY: by the caller's contract null or an action, which was written just now.
        if let Some(old) = unsafe { old.as_mut() }
            && masked
        {
            let mask = mask::word(&mut old.sa_mask);
            mask::set_word(&mut old.sa_mask, mask | BUS);
        }
        if let Some(wants) = wants {
            note_masked(signal, wants & BUS != 0);
        }
    }
    result
}

fn note_masked(signal: c_int, masked: bool) {
    let before = MASKED.load(Ordering::Relaxed) & bit(signal) != 0;
    if before == masked || !owner::is_this_process() {
        return;
    }
    if masked {
        MASKED.fetch_or(bit(signal), Ordering::Relaxed);
    } else {
        MASKED.fetch_and(!bit(signal), Ordering::Relaxed);
    }
}

/// signal(2) and its kin: `handler` with what comes with it under that name.
fn simple(
    next: &Next,
    signal: c_int,
    handler: sighandler_t,
    flags: c_int,
    mask: u64,
) -> sighandler_t {
    if signal == SIGBUS {
        if handler == SIG_ERR {
            set_errno(libc::EINVAL);
            return SIG_ERR;
        }
        if let Some(before) = exchange(Some(kept(handler, flags, mask))) {
            return before.handler;
        }
    }
    let address = next.address();
    if address == 0 {
        missing();
        return SIG_ERR;
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(c_int, sighandler_t) -> sighandler_t = unsafe { transmute(address) };
    let before = next(signal, handler);
    if before != SIG_ERR {
        note_masked(signal, false);
    }
    before
}

fn bsd(next: &Next, signal: c_int, handler: sighandler_t) -> sighandler_t {
    let restart = if INTERRUPTS.load(Ordering::Relaxed) { 0 } else { libc::SA_RESTART };
    simple(next, signal, handler, restart, BUS)
}

fn system_v(next: &Next, signal: c_int, handler: sighandler_t) -> sighandler_t {
    simple(next, signal, handler, libc::SA_RESETHAND | libc::SA_NODEFER, 0)
}

/// sigaction(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { act(&SIGACTION, signal, new, old) }
}

/// sigaction(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { act(&UNDER_SIGACTION, signal, new, old) }
}

/// signal(2)
#[unsafe(no_mangle)]
pub extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    bsd(&SIGNAL, signal, handler)
}

/// bsd_signal(3)
#[unsafe(no_mangle)]
pub extern "C" fn bsd_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    bsd(&BSD_SIGNAL, signal, handler)
}

/// ssignal(3)
#[unsafe(no_mangle)]
pub extern "C" fn ssignal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    bsd(&SSIGNAL, signal, handler)
}

/// sysv_signal(3)
#[unsafe(no_mangle)]
pub extern "C" fn sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    system_v(&SYSV_SIGNAL, signal, handler)
}

/// sysv_signal(3): what signal(2) is in programs built for POSIX alone.
#[unsafe(no_mangle)]
pub extern "C" fn __sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    system_v(&UNDER_SYSV_SIGNAL, signal, handler)
}

/// sigset(3)
#[unsafe(no_mangle)]
pub extern "C" fn sigset(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if signal != SIGBUS {
        return simple(&SIGSET, signal, handler, 0, 0);
    }
    if handler == SIG_HOLD {
        let before = exchange(None).map_or(SIG_DFL, |action| action.handler);
        let held = mask::change(libc::SIG_BLOCK, BUS);
        return if held & BUS != 0 { SIG_HOLD } else { before };
    }
    let before = simple(&SIGSET, signal, handler, 0, 0);
    if before == SIG_ERR {
        return SIG_ERR;
    }
    let held = mask::change(libc::SIG_UNBLOCK, BUS);
    if held & BUS != 0 { SIG_HOLD } else { before }
}

/// sigignore in sigset(3)
#[unsafe(no_mangle)]
pub extern "C" fn sigignore(signal: c_int) -> c_int {
    if signal == SIGBUS && exchange(Some(kept(SIG_IGN, 0, 0))).is_some() {
        return 0;
    }
    let address = SIGIGNORE.address();
    if address == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(c_int) -> c_int = unsafe { transmute(address) };
    next(signal)
}

/// siginterrupt(3)
#[unsafe(no_mangle)]
pub extern "C" fn siginterrupt(signal: c_int, interrupts: c_int) -> c_int {
    if signal == SIGBUS
        && let Some(before) = exchange(None)
    {
        INTERRUPTS.store(interrupts != 0, Ordering::Relaxed);
        let others = before.flags & !libc::SA_RESTART;
        let restart = if interrupts != 0 { 0 } else { libc::SA_RESTART };
        exchange(Some(Action { flags: others | restart, ..before }));
        return 0;
    }
    let address = SIGINTERRUPT.address();
    if address == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(c_int, c_int) -> c_int = unsafe { transmute(address) };
    next(signal, interrupts)
}
