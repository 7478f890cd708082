//! What `folio run` preloads into a program (LD_PRELOAD in ld.so(8)): faults in its file mappings
//! become zeros and a line on standard error, or its end with a message, instead of a SIGBUS.
//!
//! 1. `start` runs before the program's `main`. It puts [`folio::foreign`]'s handler of SIGBUS in
//!    front of what is there, for every file mapping the process has or will have, as the environment
//!    variable `FOLIO_ON_FAULT` says.
//! 2. The functions that this library defines take the place of the C library's of the same name, and
//!    do nothing but keep that handler in front, and reachable: `action` keeps what the program
//!    wants to happen at a SIGBUS as the next in line, `mask` keeps SIGBUS from being blocked,
//!    `mapping` has what the program is told of its mappings say what was lost, and `written` brings back
//!    what it has written again.
//! 3. All else they hand to the next definition (`next`).
//!
//! Invariants:
//! - Nothing is defined but what the C library defines too: a program sees no new name.
//! - What a function here reports is what the C library's would have reported: the program's own
//!   handler, its own mask.
//! - Nothing here allocates, locks, panics, or does what may not be done in a signal handler, but for
//!   the look-up of a next definition, which is done by `start`.
//! - A child that shares this process's memory (vfork(2)) has signal handlers and a mask of its own:
//!   there, the functions do what the C library's do and nothing else (`owner`).
#![allow(unsafe_code)]
#![allow(unreachable_pub, reason = "the dynamic linker reaches what has no mangled name")]

// The unwinder that the standard library is built with, from an archive: one library less to load.
// SAFETY: declares nothing.
#[link(name = "gcc_eh")]
unsafe extern "C" {}

mod action;
mod mapping;
mod mask;
mod next;
mod owner;
mod written;

use core::ffi::CStr;

use folio::foreign::{self, Response};

/// Run by the dynamic linker, after the constructors of the libraries the program was linked with and
/// before its `main` (gABI, "Initialization and Termination Functions").
#[used]
// SAFETY: the section holds pointers to functions with the C ABI, which is what this is.
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    owner::start();
    action::start();
    mapping::start();
    written::start();
    mask::start();
    // SAFETY: the name ends with a NUL; no other thread changes the environment before `main`.
    let wish = unsafe { libc::getenv(c"FOLIO_ON_FAULT".as_ptr()) };
    // SAFETY: what getenv returns is null or a string that ends with a NUL.
    let stop = !wish.is_null() && unsafe { CStr::from_ptr(wish) } == c"stop";
    let response = if stop { Response::Stop } else { Response::ZerosAndTell };
    // SAFETY: whoever started the program through `folio run` has accepted zeros in the place of what
    // cannot be had; the program itself would have ended.
    if unsafe { foreign::guard_all(response) }.is_err() {
        const LINE: &[u8] = b"folio: cannot handle SIGBUS here: a fault will end this program\n";
        // SAFETY: the bytes are there.
        unsafe { libc::write(2, LINE.as_ptr().cast(), LINE.len()) };
    }
}
