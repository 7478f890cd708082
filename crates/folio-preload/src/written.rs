//! Calls that write to a file by its descriptor: the file's pages come back where zeros stand in.
//!
//! A program may read a file through a mapping and write it with pwrite(2): databases do. What it
//! has written it is to read again, also where the file had been cut before. While nothing is lost
//! each call costs two loads more.
//!
//! All of these are cancellation points: a thread may be unwound through them.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem::transmute;

use folio::foreign;
use libc::iovec;
use rustix::fd::BorrowedFd;

use crate::mapping;
use crate::next::{Next, errno, missing, set_errno};

static WRITE: Next = Next::new(c"write");
static WRITEV: Next = Next::new(c"writev");
static PWRITE: Next = Next::new(c"pwrite");
static PWRITE64: Next = Next::new(c"pwrite64");
static PWRITEV: Next = Next::new(c"pwritev");
static PWRITEV64: Next = Next::new(c"pwritev64");
static FTRUNCATE: Next = Next::new(c"ftruncate");
static FTRUNCATE64: Next = Next::new(c"ftruncate64");
static FALLOCATE: Next = Next::new(c"fallocate");
static FALLOCATE64: Next = Next::new(c"fallocate64");
static POSIX_FALLOCATE: Next = Next::new(c"posix_fallocate");
static POSIX_FALLOCATE64: Next = Next::new(c"posix_fallocate64");

pub(crate) fn start() {
    for next in [
        &WRITE,
        &WRITEV,
        &PWRITE,
        &PWRITE64,
        &PWRITEV,
        &PWRITEV64,
        &FTRUNCATE,
        &FTRUNCATE64,
        &FALLOCATE,
        &FALLOCATE64,
        &POSIX_FALLOCATE,
        &POSIX_FALLOCATE64,
    ] {
        next.find();
    }
}

/// Brings back what the file behind `fd` has again.
#[inline]
fn written(fd: c_int) {
    if !mapping::is_quiet() {
        refresh(fd);
    }
}

#[cold]
fn refresh(fd: c_int) {
    let errno = errno();
    // SAFETY: the descriptor was good for a call just now, and is only asked what it is for; one that
    // another thread has closed since names another file, or none.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    // SAFETY: mappings go by way of `crate::mapping`. Pages of a mapping that can only be read change
    // from zeros to what the file has, as they do for whoever maps a file that is written to.
    unsafe { foreign::refresh(file, 0..u64::MAX) };
    set_errno(errno);
}

macro_rules! writes {
    ($(
        #[doc = $text:literal]
        fn $name:ident = $next:ident($($argument:ident: $kind:ty),*) -> $result:ty;
    )*) => {$(
        #[doc = $text]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fd: c_int, $($argument: $kind),*) -> $result {
            let next = $next.address();
            if next == 0 {
                return missing() as $result;
            }
            type Call = extern "C-unwind" fn(c_int, $($kind),*) -> $result;
            // SAFETY: the C library's function of this name.
            let next = unsafe { transmute::<usize, Call>(next) };
            let result = next(fd, $($argument),*);
            if result >= 0 {
                written(fd);
            }
            result
        }
    )*};
}

writes! {
    /// write(2)
    fn write = WRITE(bytes: *const c_void, count: usize) -> isize;
    /// writev(2)
    fn writev = WRITEV(parts: *const iovec, count: c_int) -> isize;
    /// pwrite(2)
    fn pwrite = PWRITE(bytes: *const c_void, count: usize, offset: i64) -> isize;
    /// pwrite64 in pwrite(2)
    fn pwrite64 = PWRITE64(bytes: *const c_void, count: usize, offset: i64) -> isize;
    /// pwritev(2)
    fn pwritev = PWRITEV(parts: *const iovec, count: c_int, offset: i64) -> isize;
    /// pwritev64 in pwritev(2)
    fn pwritev64 = PWRITEV64(parts: *const iovec, count: c_int, offset: i64) -> isize;
    /// ftruncate(2)
    fn ftruncate = FTRUNCATE(len: i64) -> c_int;
    /// ftruncate64 in ftruncate(2)
    fn ftruncate64 = FTRUNCATE64(len: i64) -> c_int;
    /// fallocate(2)
    fn fallocate = FALLOCATE(mode: c_int, offset: i64, len: i64) -> c_int;
    /// fallocate64 in fallocate(2)
    fn fallocate64 = FALLOCATE64(mode: c_int, offset: i64, len: i64) -> c_int;
    /// posix_fallocate(3)
    fn posix_fallocate = POSIX_FALLOCATE(offset: i64, len: i64) -> c_int;
    /// posix_fallocate64 in posix_fallocate(3)
    fn posix_fallocate64 = POSIX_FALLOCATE64(offset: i64, len: i64) -> c_int;
}
