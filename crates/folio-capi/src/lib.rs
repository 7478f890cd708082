//! libfolio, folio for C.
//!
//! `include/folio.h` is the manual; each function here is the one of that name there. From here to
//! an installed library:
//! 1. cargo builds `libfolio_c.a`: this crate, folio and Rust's standard library.
//! 2. `install` links that into one object in which the names of `folio.map` are global and all
//!    others local: `libfolio.a`, and with a version on each name, `libfolio.so.0`.
//!
//! Invariants:
//! - Nothing is done before a program asks: no handler, no thread, no allocation when loaded.
//! - No byte that C code may change meanwhile is behind a Rust reference: structures and buffers are
//!   filled in through pointers, and what is copied from or to is the caller's alone (folio.h).
//! - No function unwinds, but those that cancel a thread (`classic::cancelled`). What is called here
//!   does not panic, whatever the arguments; should it ever, the process ends at the edge of
//!   `extern "C"` (Rust Reference, "Unwinding").
//! - errno is set by a call that fails, and left alone by one that succeeds.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
compile_error!("libfolio runs on Linux on x86-64");

pub mod classic;
pub mod copying;
mod errno;
pub mod fault;
pub mod guards;
mod range;
pub mod version;
