//! Whose memory this is: a process's own, or lent to a child by vfork(2).
//!
//! A child of vfork(2), posix_spawn(3) and the like runs on its parent's memory, with signal handlers
//! and a mask of its own. What it asks for must not be written down as the parent's. A child of
//! fork(2) has a copy of the memory, and goes on by itself; the kernel empties a page there
//! (MADV_WIPEONFORK in madvise(2)), whichever way it was forked. The C library's fork has the child
//! write its number there at once, before a child of its own could.
#![allow(unsafe_code)]

use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// On a page that is zeros in a forked child: the process that the memory belongs to.
static OWNER: AtomicPtr<AtomicI32> = AtomicPtr::new(ptr::null_mut());

pub(crate) fn start() {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let len = size_of::<AtomicI32>();
    // SAFETY: new memory, wherever the kernel likes.
    let page = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    // SAFETY: the page just mapped.
    if page == libc::MAP_FAILED || unsafe { libc::madvise(page, len, libc::MADV_WIPEONFORK) } != 0 {
        return;
    }
    OWNER.store(page.cast(), Ordering::Release);
    is_this_process();
    // SAFETY: the function does nothing that a child of a process with threads may not do.
    unsafe { libc::pthread_atfork(None, None, Some(forked)) };
}

extern "C" fn forked() {
    is_this_process();
}

/// Whether the memory is that of the process that runs.
pub(crate) fn is_this_process() -> bool {
    // SAFETY: null, or the page that `start` mapped, which stays, is aligned, and all zeros or a
    // process's number.
    let Some(owner) = (unsafe { OWNER.load(Ordering::Acquire).as_ref() }) else { return true };
    // SAFETY: getpid(2) has no preconditions.
    let process = unsafe { libc::getpid() };
    match owner.load(Ordering::Relaxed) {
        // Just started, or forked.
        0 => {
            owner.store(process, Ordering::Relaxed);
            true
        }
        other => other == process,
    }
}
