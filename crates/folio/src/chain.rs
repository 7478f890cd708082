//! The chain: who handled a signal before folio, and passing it on exactly as it would have come.
//!
//! 1. [`install`] reads the disposition that is there, keeps it for good, and puts folio's in its
//!    place.
//! 2. [`pass_on`] does what the kernel would have done with the kept one: default action (with the
//!    core dump at the instruction that faulted), ignore, a handler with one argument or three,
//!    its signal mask, SA_NODEFER, SA_RESETHAND.
//! 3. A handler that gives up by restoring the default action, as Rust's own does for all but a
//!    stack overflow, takes out folio's with it. The default action becomes what is passed on to,
//!    and folio's handler goes in front again: the next signal ends the process as it would have,
//!    the next fault of folio's own does not.
//!
//! folio's handler runs on the alternate stack where the thread has one, since a stack overflow
//! leaves no other; a handler that was installed without SA_ONSTACK runs on the interrupted stack
//! all the same ([`crate::interrupted`]).
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::interrupted;
use crate::sys::Errno;

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

struct Previous {
    action: AtomicPtr<libc::sigaction>,
    /// The handler is no longer there: it had SA_RESETHAND and its one signal, or has put the
    /// default action in its place.
    over: AtomicBool,
    /// What folio installed.
    own: AtomicPtr<libc::sigaction>,
}

impl Previous {
    const fn new() -> Self {
        Self {
            action: AtomicPtr::new(ptr::null_mut()),
            over: AtomicBool::new(false),
            own: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// Keeps `action` for good; leaking is the point, since a handler may be reading the old one.
fn keep(place: &AtomicPtr<libc::sigaction>, action: libc::sigaction) {
    place.store(Box::into_raw(Box::new(action)), Ordering::Release);
}

static BUS: Previous = Previous::new();
static SEGV: Previous = Previous::new();

fn previous(signal: c_int) -> &'static Previous {
    if signal == libc::SIGBUS { &BUS } else { &SEGV }
}

fn sigaction(signal: c_int, new: Option<&libc::sigaction>) -> Result<libc::sigaction, Errno> {
    let mut old = MaybeUninit::uninit();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `new` is null or valid, `old` has room (sigaction(2)).
    if unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) } == -1 {
        // SAFETY: `__errno_location` returns a valid pointer (errno(3)).
        return Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }));
    }
    // SAFETY: sigaction succeeded and so wrote `old`.
    Ok(unsafe { old.assume_init() })
}

/// Puts `handler` in front of what handles `signal` now.
pub(crate) fn install(signal: c_int, handler: Handler) -> Result<(), Errno> {
    // SAFETY: all zeros is a valid sigaction: SIG_DFL, no flags, empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: sigfillset writes the set it is given.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };

    // Kept before it can be needed; kept again if somebody installed theirs in between.
    let before = sigaction(signal, None)?;
    // Whether a system call that a signal interrupts goes on is the handler's choice; a signal that
    // is ignored interrupts none.
    let handled = !matches!(before.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    let restart = if handled { before.sa_flags & libc::SA_RESTART } else { libc::SA_RESTART };
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | restart;
    let previous = previous(signal);
    keep(&previous.action, before);
    keep(&previous.own, action);
    let replaced = sigaction(signal, Some(&action))?;
    if replaced.sa_sigaction != before.sa_sigaction || replaced.sa_flags != before.sa_flags {
        keep(&previous.action, replaced);
    }
    Ok(())
}

/// Does with a signal what would have been done without folio.
///
/// # Safety
/// Called from a handler of `signal`, with the arguments it got from the kernel.
pub(crate) unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let previous = previous(signal);
    let action = previous.action.load(Ordering::Acquire);
    // SAFETY: `install` kept an action before it installed the handler, and never frees one.
    let action = unsafe { &*action };
    // SAFETY: by the caller's contract `info` points to a siginfo.
    let code = unsafe { (*info).si_code };
    // The kernel sends the news that memory broke which nobody was touching; the rest it forces.
    let sent = code <= 0 || (signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO);
    let over = if action.sa_flags & libc::SA_RESETHAND != 0 {
        previous.over.swap(true, Ordering::AcqRel)
    } else {
        previous.over.load(Ordering::Acquire)
    };

    match action.sa_sigaction {
        libc::SIG_IGN if sent => {}
        // A forced signal cannot be ignored: it kills (force_sig_info_to_task in the kernel).
        libc::SIG_DFL | libc::SIG_IGN => default(signal, info),
        _ if over => default(signal, info),
        handler => {
            // SAFETY: by the caller's contract.
            unsafe { set_mask(signal, action, context) };
            let call = || {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    // SAFETY: with SA_SIGINFO the address is a function of these three arguments.
                    let handler: Handler = unsafe { core::mem::transmute(handler) };
                    handler(signal, info, context);
                } else {
                    // SAFETY: without SA_SIGINFO it is a function of one argument.
                    let handler: extern "C" fn(c_int) = unsafe { core::mem::transmute(handler) };
                    handler(signal);
                }
            };
            if action.sa_flags & libc::SA_ONSTACK != 0 {
                call();
            } else {
                // SAFETY: by the caller's contract the context is the kernel's.
                unsafe { interrupted::run(&*context.cast(), 0..0, call) };
            }
            stay_in_front(signal, previous);
        }
    }
}

/// Puts folio's handler back where the one just called has restored the default action.
fn stay_in_front(signal: c_int, previous: &Previous) {
    if !sigaction(signal, None).is_ok_and(|now| now.sa_sigaction == libc::SIG_DFL) {
        return;
    }
    previous.over.store(true, Ordering::Release);
    // SAFETY: `install` kept it before it installed the handler, and it is never freed.
    let own = unsafe { &*previous.own.load(Ordering::Acquire) };
    let _ = sigaction(signal, Some(own));
}

/// The default action: the signal comes again, with all it carried, as soon as the handler has
/// returned, and ends the process at the interrupted instruction. Where that is refused (a seccomp
/// filter, the first process of a container) a fault still comes again by itself.
fn default(signal: c_int, info: *mut libc::siginfo_t) {
    // SAFETY: all zeros is a valid sigaction with SIG_DFL.
    let action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let _ = sigaction(signal, Some(&action));
    // SAFETY: a process may queue any siginfo to a thread of its own (rt_tgsigqueueinfo(2)). The
    // signal is blocked until the handler returns.
    unsafe {
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, libc::getpid(), libc::gettid(), signal, info);
    }
}

/// Blocks what the kernel would have blocked for `action`: what was blocked when the signal came,
/// the action's mask, and the signal itself unless SA_NODEFER.
///
/// # Safety
/// `context` points to the ucontext of the signal.
unsafe fn set_mask(signal: c_int, action: &libc::sigaction, context: *mut c_void) {
    // SAFETY: by the caller's contract. The kernel's signal set is the first word of the C
    // library's on x86-64 and the rest of it is not there in the kernel's frame, so no more is read.
    let before =
        unsafe { *(&raw const (*context.cast::<libc::ucontext_t>()).uc_sigmask).cast::<u64>() };
    // SAFETY: `sa_mask` is larger than a word.
    let more = unsafe { *(&raw const action.sa_mask).cast::<u64>() };
    let mut mask = before | more;
    if action.sa_flags & libc::SA_NODEFER == 0 {
        mask |= 1 << (signal - 1);
    }
    // SAFETY: the kernel reads eight bytes of mask (rt_sigprocmask in sigprocmask(2)). The previous
    // mask comes back when the handler returns.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            ptr::null_mut::<u64>(),
            size_of::<u64>(),
        );
    }
}
