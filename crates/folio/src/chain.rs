//! The chain: who handled a signal before folio, and passing it on exactly as it would have come.
//!
//! 1. [`install`] reads the disposition that is there, keeps it as the next in the chain, and puts
//!    folio's in its place.
//! 2. [`pass_on`] does what the kernel would have done with the next: default action (with the
//!    core dump at the instruction that faulted), ignore, a handler with one argument or three,
//!    its signal mask, SA_NODEFER, SA_RESETHAND.
//! 3. A handler that gives up by restoring the default action, as Rust's own does for all but a
//!    stack overflow, takes out folio's with it. The default action becomes the next, and folio's
//!    handler goes in front again: the next signal ends the process as it would have, the next fault
//!    of folio's own does not.
//! 4. [`set_next`] is for whoever stands in for sigaction(2): the program's handler becomes the next,
//!    and folio's stays in front.
//!
//! folio's handler runs on the alternate stack where the thread has one, since a stack overflow
//! leaves no other; a handler that was installed without SA_ONSTACK runs on the interrupted stack
//! all the same ([`crate::interrupted`]).
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Release};
use core::sync::atomic::{AtomicU64, AtomicUsize};

use crate::foreign::Action;
use crate::interrupted;
use crate::next::{Next, Place};
use crate::signal::{KernelAction, sigaction};
use crate::sys::Errno;

type Handler = extern "C-unwind" fn(c_int, *mut libc::siginfo_t, *mut c_void);

const DEFAULT: Action = Action { handler: libc::SIG_DFL, flags: 0, mask: 0 };

type Places = [Place; 16];

const fn places() -> Places {
    [const { Place::of(AtomicU64::new(0), [const { AtomicUsize::new(0) }; 3]) }; 16]
}

/// What a signal that is not folio's is passed on to, and who stands before it.
struct Link {
    next: Next,
    /// folio's own handler.
    own: AtomicUsize,
}

impl Link {
    const fn new(places: &'static [Place]) -> Self {
        let next = Next::of(AtomicU64::new(0), AtomicU64::new(0), places);
        Self { next, own: AtomicUsize::new(0) }
    }

    /// The action that counts. None before `install`.
    fn get(&self) -> Option<(u64, Action)> {
        let (number, [handler, flags, mask]) = self.next.get();
        (number != 0)
            .then_some((number, Action { handler, flags: flags as i32, mask: mask as u64 }))
    }

    fn replace(&self, expected: u64, Action { handler, flags, mask }: Action) -> bool {
        self.next.replace(expected, [handler, flags as usize, mask as usize])
    }

    /// Sets the action that counts, and returns the one before.
    fn set(&self, action: Action) -> Option<Action> {
        loop {
            let (number, before) = self.get()?;
            if self.replace(number, action) {
                return Some(before);
            }
        }
    }

    /// The action for a signal that has come. With SA_RESETHAND it is the last that gets it.
    fn take(&self) -> Action {
        loop {
            let Some((number, action)) = self.get() else { return DEFAULT };
            // The kernel takes the handler, and keeps the rest (get_signal).
            let over = Action { handler: libc::SIG_DFL, ..action };
            if action.flags & libc::SA_RESETHAND == 0 || self.replace(number, over) {
                return action;
            }
        }
    }
}

static BUS_PLACES: Places = places();
static SEGV_PLACES: Places = places();
static BUS: Link = Link::new(&BUS_PLACES);
static SEGV: Link = Link::new(&SEGV_PLACES);

fn link(signal: c_int) -> Option<&'static Link> {
    match signal {
        libc::SIGBUS => Some(&BUS),
        libc::SIGSEGV => Some(&SEGV),
        _ => None,
    }
}

/// folio's own action in front of `next`.
fn in_front_of(next: &Action, own: usize) -> KernelAction {
    // Whether a system call that a signal interrupts goes on is the handler's choice; a signal that
    // is ignored interrupts none.
    let handled = !matches!(next.handler, libc::SIG_DFL | libc::SIG_IGN);
    let restart = if handled { next.flags & libc::SA_RESTART } else { libc::SA_RESTART };
    KernelAction::new(own, libc::SA_SIGINFO | libc::SA_ONSTACK | restart, u64::MAX)
}

fn as_action(action: &KernelAction) -> Action {
    Action { handler: action.handler, flags: action.flags(), mask: action.mask }
}

/// Puts `handler` in front of what handles `signal` now: SIGBUS or SIGSEGV.
pub(crate) fn install(signal: c_int, handler: Handler) -> Result<(), Errno> {
    let link = link(signal).ok_or(Errno::INVAL)?;
    let own = handler as *const () as usize;
    link.own.store(own, Release);
    // Kept before it can be needed; kept again if somebody installed theirs in between.
    let before = as_action(&sigaction(signal, None)?);
    link.replace(link.next.get().0, before);
    let replaced = as_action(&sigaction(signal, Some(in_front_of(&before, own)))?);
    if replaced != before {
        link.set(replaced);
    }
    Ok(())
}

/// What `signal` is passed on to, if it is not folio's; None unless folio handles it.
pub(crate) fn get_next(signal: c_int) -> Option<Action> {
    link(signal)?.get().map(|(_, action)| action)
}

/// Sets what `signal` is passed on to; returns what it was passed on to before.
pub(crate) fn set_next(signal: c_int, action: Action) -> Option<Action> {
    let link = link(signal)?;
    let before = link.set(action)?;
    let own = link.own.load(Acquire);
    if in_front_of(&before, own) != in_front_of(&action, own) {
        let _ = sigaction(signal, Some(in_front_of(&action, own)));
    }
    Some(before)
}

/// Does with a signal what would have been done without folio.
///
/// # Safety
/// Called from a handler of `signal`, with the arguments it got from the kernel.
pub(crate) unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: by the caller's contract `info` points to a siginfo.
    let code = unsafe { (*info).si_code };
    // The kernel sends the news that memory broke which nobody was touching; the rest it forces.
    let sent = code <= 0 || (signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO);
    let action = link(signal).map_or(DEFAULT, Link::take);

    match action.handler {
        libc::SIG_IGN if sent => {}
        // A forced signal cannot be ignored: it kills (force_sig_info_to_task in the kernel).
        libc::SIG_DFL | libc::SIG_IGN => default(signal, info),
        handler => {
            // SAFETY: by the caller's contract.
            unsafe { set_mask(signal, &action, context) };
            let call = || {
                if action.flags & libc::SA_SIGINFO != 0 {
                    // SAFETY: with SA_SIGINFO the address is a function of these three arguments.
                    let handler: Handler = unsafe { core::mem::transmute(handler) };
                    handler(signal, info, context);
                } else {
                    // SAFETY: without SA_SIGINFO it is a function of one argument.
                    let handler: extern "C-unwind" fn(c_int) =
                        unsafe { core::mem::transmute(handler) };
                    handler(signal);
                }
            };
            if action.flags & libc::SA_ONSTACK != 0 {
                call();
            } else {
                // SAFETY: by the caller's contract the context is the kernel's.
                unsafe { interrupted::run(&*context.cast(), 0..0, call) };
            }
            stay_in_front(signal);
        }
    }
}

/// Puts folio's handler back where the one just called has restored the default action.
fn stay_in_front(signal: c_int) {
    let Some(link) = link(signal) else { return };
    if sigaction(signal, None).is_ok_and(|now| now.handler == libc::SIG_DFL) {
        link.set(DEFAULT);
        let own = link.own.load(Acquire);
        let _ = sigaction(signal, Some(in_front_of(&DEFAULT, own)));
    }
}

/// The default action: the signal comes again, with all it carried, as soon as the handler has
/// returned, and ends the process at the interrupted instruction. Where that is refused (a seccomp
/// filter, the first process of a container) a fault still comes again by itself.
fn default(signal: c_int, info: *mut libc::siginfo_t) {
    let _ = sigaction(signal, Some(KernelAction::new(libc::SIG_DFL, 0, 0)));
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
unsafe fn set_mask(signal: c_int, action: &Action, context: *mut c_void) {
    // SAFETY: by the caller's contract. The kernel's signal set is the first word of the C
    // library's on x86-64 and the rest of it is not there in the kernel's frame, so no more is read.
    let before =
        unsafe { *(&raw const (*context.cast::<libc::ucontext_t>()).uc_sigmask).cast::<u64>() };
    let mut mask = before | action.mask;
    if action.flags & libc::SA_NODEFER == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_with_sa_resethand_gets_one_signal() {
        static PLACES: Places = places();
        let link = Link::new(&PLACES);
        let once = Action { handler: 4096, flags: libc::SA_RESETHAND, mask: 0 };
        link.replace(0, once);
        assert_eq!(link.take(), once);
        let over = Action { handler: libc::SIG_DFL, ..once };
        assert_eq!(link.take(), over);
        assert_eq!(link.get().map(|(_, action)| action), Some(over));
    }
}
