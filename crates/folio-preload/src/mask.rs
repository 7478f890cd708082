//! pthread_sigmask(3) and its kin: SIGBUS is never really blocked.
//!
//! A thread that has SIGBUS blocked dies at a fault, whatever handler there is (signal(7)). So a
//! thread's wish is only noted ([`HELD`]), and shown to it again when it asks. A SIGBUS that somebody
//! sends to such a thread arrives at once.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ffi::c_int;
use core::mem::{MaybeUninit, transmute};
use core::ptr;

use libc::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, sigset_t};

use crate::next::{Next, errno, missing};
use crate::owner;

/// SIGBUS, in a word of signals.
pub(crate) const BUS: u64 = 1 << (libc::SIGBUS - 1);

static PTHREAD_SIGMASK: Next = Next::new(c"pthread_sigmask");
static SIGPROCMASK: Next = Next::new(c"sigprocmask");
static SIGHOLD: Next = Next::new(c"sighold");
static SIGRELSE: Next = Next::new(c"sigrelse");

std::thread_local! {
    /// Whether this thread wants SIGBUS blocked.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn start() {
    for next in [&PTHREAD_SIGMASK, &SIGPROCMASK, &SIGHOLD, &SIGRELSE] {
        next.find();
    }
    // What this process was started with.
    if system(SIG_UNBLOCK, BUS) & BUS != 0 {
        HELD.set(true);
    }
}

/// The kernel's part of a set: signals 1 to 64.
pub(crate) fn word(set: &mut sigset_t) -> u64 {
    // SAFETY: a set is larger than a word and aligned for one; signal 1 is the lowest bit of the
    // first (the kernel's sigset_t, which the C library's begins with).
    unsafe { *ptr::from_mut(set).cast() }
}

pub(crate) fn set_word(set: &mut sigset_t, word: u64) {
    // SAFETY: as in `word`.
    unsafe { *ptr::from_mut(set).cast() = word };
}

/// Changes this thread's mask in the kernel; returns what it was.
fn system(how: c_int, set: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: both words are there, and eight bytes is what the kernel's sets have (sigprocmask(2)).
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            &raw mut old,
            size_of::<u64>(),
        );
    }
    old
}

/// What is left of `set` for the kernel, and whether this thread wants SIGBUS blocked afterwards.
fn wish(how: c_int, set: u64, held: bool) -> (u64, bool) {
    let names = set & BUS != 0;
    match how {
        SIG_BLOCK => (set & !BUS, held | names),
        SIG_UNBLOCK => (set, held & !names),
        SIG_SETMASK => (set & !BUS, names),
        _ => (set, held),
    }
}

/// Changes this thread's mask, as the program sees it; returns what it was.
pub(crate) fn change(how: c_int, set: u64) -> u64 {
    let held = HELD.get();
    let (set_now, held_now) = wish(how, set, held);
    let old = if held_now != held && !owner::is_this_process() {
        system(how, set)
    } else {
        HELD.set(held_now);
        system(how, set_now)
    };
    if held { old | BUS } else { old }
}

type Change = extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;

/// # Safety
/// As for sigprocmask(2).
unsafe fn mask(next: &Next, how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    let address = next.address();
    if address == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: Change = unsafe { transmute(address) };
    let held = HELD.get();
    // SAFETY: by the caller's contract null or a set; it is read before `old` is written.
    let mut new = unsafe { set.as_ref() }.copied();
    let mut held_now = held;
    if let Some(new) = new.as_mut() {
        let (rest, wants) = wish(how, word(new), held);
        // A child on its parent's memory has a mask of its own, and its parent's notes.
        if wants == held || owner::is_this_process() {
            held_now = wants;
            set_word(new, rest);
        }
    }
    let result = next(how, new.as_ref().map_or(ptr::null(), ptr::from_ref), old);
    if result == 0 {
        // SAFETY: by the caller's contract null or a set, which was written just now.
        if let Some(old) = unsafe { old.as_mut() }
            && held
        {
            let real = word(old);
            set_word(old, real | BUS);
        }
        if held_now != held {
            HELD.set(held_now);
        }
    }
    result
}

/// pthread_sigmask(3)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_sigmask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> c_int {
    // Before version 2.32 of the C library it is in a library that may not be there.
    if PTHREAD_SIGMASK.address() == 0 {
        // SAFETY: the caller's contract.
        let result = unsafe { mask(&SIGPROCMASK, how, set, old) };
        return if result == 0 { 0 } else { errno() };
    }
    // SAFETY: the caller's contract.
    unsafe { mask(&PTHREAD_SIGMASK, how, set, old) }
}

/// sigprocmask(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigprocmask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { mask(&SIGPROCMASK, how, set, old) }
}

/// sighold in sigset(3)
#[unsafe(no_mangle)]
pub extern "C" fn sighold(signal: c_int) -> c_int {
    one(&SIGHOLD, SIG_BLOCK, signal)
}

/// sigrelse in sigset(3)
#[unsafe(no_mangle)]
pub extern "C" fn sigrelse(signal: c_int) -> c_int {
    one(&SIGRELSE, SIG_UNBLOCK, signal)
}

fn one(next: &Next, how: c_int, signal: c_int) -> c_int {
    if signal == libc::SIGBUS {
        change(how, BUS);
        return 0;
    }
    let address = next.address();
    if address == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(c_int) -> c_int = unsafe { transmute(address) };
    next(signal)
}

/// sigblock(3)
#[unsafe(no_mangle)]
pub extern "C" fn sigblock(signals: c_int) -> c_int {
    old_style(SIG_BLOCK, signals)
}

/// sigsetmask(3)
#[unsafe(no_mangle)]
pub extern "C" fn sigsetmask(signals: c_int) -> c_int {
    old_style(SIG_SETMASK, signals)
}

/// The masks of 4.3BSD, of 32 signals.
fn old_style(how: c_int, signals: c_int) -> c_int {
    // SAFETY: all zeros is an empty set.
    let (mut set, mut old): (sigset_t, sigset_t) =
        unsafe { (MaybeUninit::zeroed().assume_init(), MaybeUninit::zeroed().assume_init()) };
    set_word(&mut set, u64::from(signals as u32));
    // SAFETY: both sets are there.
    if unsafe { mask(&SIGPROCMASK, how, &raw const set, &raw mut old) } != 0 {
        return -1;
    }
    word(&mut old) as c_int
}
