//! A thread of this crate's own, in a program that does not know of it.
//!
//! Signals are for the program's own threads; but for those that a thread's own doing raises. Blocked, they end the
//! process (pthread_sigmask(3)), and what these threads do touches segments that may be cut.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::thread::{Builder, JoinHandle};

/// What a thread's own doing raises (signal(7)).
const OWN: [libc::c_int; 6] =
    [libc::SIGBUS, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

const STACK_BYTES: usize = 256 << 10;

/// Starts one.
pub(crate) fn start(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills in both sets, and blocks signals in this thread for some lines; the new thread inherits that.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        for own in OWN {
            libc::sigdelset(all.as_mut_ptr(), own);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(work);
    // SAFETY: sets what was set before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    thread
}
