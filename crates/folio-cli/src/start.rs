//! How the command was started, and becoming another program in the same state.
//!
//! Before `main`, Rust's standard library ignores SIGPIPE and opens /dev/null in the place of closed
//! standard streams. The program that `folio run` becomes is to find neither: what was there first is
//! noted by a function that the dynamic linker calls before, and is put back by [`become_program`].
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Whether SIGPIPE was ignored.
static IGNORES_PIPE: AtomicBool = AtomicBool::new(false);
/// A bit for each standard stream that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
// SAFETY: the section holds pointers to functions with the C ABI, which the dynamic linker or the C
// library calls before `main` (gABI, "Initialization and Termination Functions").
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    // SAFETY: all zeros is an action; `old` has room for one (sigaction(2)).
    let (result, old) = unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut old), old)
    };
    IGNORES_PIPE.store(result == 0 && old.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
    // SAFETY: F_GETFD only asks (fcntl(2)).
    let closed = (0..3).filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1);
    CLOSED.store(closed.fold(0, |bits, fd| bits | 1 << fd), Ordering::Relaxed);
}

/// Becomes the program at `path`, with what this process was started with but its environment.
/// Returns only if that fails.
pub fn become_program(path: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    let closed = CLOSED.load(Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
        // SAFETY: it was opened by the standard library in the place of a closed one, and nothing of
        // this process uses it any more unless the call below fails. Then it is closed as it was.
        unsafe { libc::close(fd) };
    }
    if !IGNORES_PIPE.load(Ordering::Relaxed) {
        // SAFETY: the default action has no preconditions.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    // SAFETY: the path and each string end with a NUL, and each list with a null pointer
    // (execvpe(3)). The path has a slash, so it is not searched for; the C library's function rather
    // than execve(2) because of scripts without `#!`, which it gives to the shell.
    unsafe { libc::execvpe(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    let error = io::Error::last_os_error();
    // SAFETY: as above; a reader who is gone is an error again from here on, as it was.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    error
}
