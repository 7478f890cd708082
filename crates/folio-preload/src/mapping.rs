//! Calls about mappings, where zeros stand in for something lost.
//!
//! [`msync`] over zeros fails with EIO: what was written there never reaches the file. [`munmap`],
//! and [`mmap`] over addresses in use, drop the record of what was lost there, so that the next mapping
//! has nothing to answer for. [`mremap`] maps the file anew where its mapping is in pieces, since the
//! kernel moves one mapping and not three. While nothing is lost each costs two loads more.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use folio::foreign;

use crate::next::{Next, errno, missing, set_errno};

static MSYNC: Next = Next::new(c"msync");
static MUNMAP: Next = Next::new(c"munmap");
static MMAP: Next = Next::new(c"mmap");
static MMAP64: Next = Next::new(c"mmap64");
static MREMAP: Next = Next::new(c"mremap");

pub(crate) fn start() {
    for next in [&MSYNC, &MUNMAP, &MMAP, &MMAP64, &MREMAP] {
        next.find();
    }
}

/// Whether zeros have ever stood in for a page, as far as anybody here has noticed.
static LOST: AtomicBool = AtomicBool::new(false);

std::thread_local! {
    /// Whether this thread is in a call of [`replace`]. What the next definition calls in turn, if it is
    /// another library's, is part of that.
    static REPLACING: Cell<bool> = const { Cell::new(false) };
}

/// Whether zeros stand in for no page, as far as this call is concerned.
#[inline]
pub(crate) fn is_quiet() -> bool {
    let is_quiet = foreign::is_quiet();
    if !is_quiet {
        LOST.store(true, Ordering::Relaxed);
    }
    is_quiet || REPLACING.get()
}

fn range(address: *mut c_void, len: usize) -> Range<usize> {
    let start = address.addr();
    start..start.saturating_add(len)
}

/// Runs a call that changes what lies at these addresses.
fn replace<T>(addresses: Range<usize>, fails: T, call: impl FnOnce() -> T) -> T
where
    T: Copy + PartialEq,
{
    let result = foreign::replace(addresses, || {
        REPLACING.set(true);
        let result = call();
        REPLACING.set(false);
        if result == fails { Err(errno()) } else { Ok(result) }
    });
    result.unwrap_or_else(|errno| {
        set_errno(errno);
        fails
    })
}

/// msync(2). A cancellation point: a thread may be unwound through it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn msync(address: *mut c_void, len: usize, flags: c_int) -> c_int {
    let next = MSYNC.address();
    if next == 0 {
        return missing();
    }
    // SAFETY: the C library's function of this name.
    let next: extern "C-unwind" fn(*mut c_void, usize, c_int) -> c_int = unsafe { transmute(next) };
    let result = next(address, len, flags);
    if result == 0 && !is_quiet() && !foreign::is_whole(range(address, len)) {
        set_errno(libc::EIO);
        return -1;
    }
    result
}

/// munmap(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(address: *mut c_void, len: usize) -> c_int {
    let Some(next) = MUNMAP.known() else {
        // SAFETY: the caller's contract.
        return unsafe { libc::syscall(libc::SYS_munmap, address, len) } as c_int;
    };
    // SAFETY: the C library's function of this name.
    let next: extern "C" fn(*mut c_void, usize) -> c_int = unsafe { transmute(next) };
    if is_quiet() {
        return next(address, len);
    }
    replace(range(address, len), -1, || next(address, len))
}

type Map = extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, i64) -> *mut c_void;

fn map(
    next: &Next,
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let Some(next) = next.known() else {
        let number = libc::SYS_mmap;
        // SAFETY: the caller's contract.
        return unsafe { libc::syscall(number, address, len, protection, flags, fd, offset) }
            as *mut c_void;
    };
    // SAFETY: the C library's function of this name.
    let next: Map = unsafe { transmute(next) };
    let call = || next(address, len, protection, flags, fd, offset);
    if is_quiet() {
        return call();
    }
    if flags & libc::MAP_FIXED != 0 {
        return replace(range(address, len), libc::MAP_FAILED, call);
    }
    let mapped = call();
    if mapped != libc::MAP_FAILED {
        // What was there was unmapped by a system call that nobody saw.
        foreign::forget(range(mapped, len));
    }
    mapped
}

/// mmap(2)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    map(&MMAP, address, len, protection, flags, fd, offset)
}

/// mmap64 in mmap(2): the same, where an offset has 64 bits anyway.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    map(&MMAP64, address, len, protection, flags, fd, offset)
}

type Remap = extern "C" fn(*mut c_void, usize, usize, c_int, *mut c_void) -> *mut c_void;

/// mremap(2). Declared with `...` in C; on x86-64 a fifth argument comes the same way, and is what it
/// happens to be where the caller gave none, as it is for the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mremap(
    address: *mut c_void,
    old_len: usize,
    len: usize,
    flags: c_int,
    to: *mut c_void,
) -> *mut c_void {
    let Some(next) = MREMAP.known() else {
        let number = libc::SYS_mremap;
        // SAFETY: the caller's contract.
        return unsafe { libc::syscall(number, address, old_len, len, flags, to) } as *mut c_void;
    };
    // SAFETY: the C library's function of this name.
    let next: Remap = unsafe { transmute(next) };
    // What was put back stays a mapping of its own.
    if REPLACING.get() || (is_quiet() && !LOST.load(Ordering::Relaxed)) {
        return next(address, old_len, len, flags, to);
    }
    let old = range(address, old_len);
    let before = errno();
    let is_one = foreign::is_one_shared_file(old.clone());
    let first = old.start..old.start + usize::from(is_one);
    if is_one && !foreign::is_whole(first.clone()) {
        // SAFETY: a program that moves a mapping lets nobody unmap it meanwhile; zeros may turn into
        // the file again where it has come back, which is what it would have seen.
        let _ = unsafe { foreign::restore(first) };
    }
    set_errno(before);
    let mapped = replace(old, libc::MAP_FAILED, || {
        let mapped = next(address, old_len, len, flags, to);
        let in_pieces = mapped == libc::MAP_FAILED && errno() == libc::EFAULT && is_one;
        if !in_pieces || flags != libc::MREMAP_MAYMOVE {
            return mapped;
        }
        // With an old length of 0 the kernel maps the same file once more, if it is shared (mremap(2)).
        let again = next(address, 0, len, flags, to);
        if again != libc::MAP_FAILED {
            // SAFETY: what lies here is what the program gives up.
            unsafe { libc::syscall(libc::SYS_munmap, address, old_len) };
        }
        again
    });
    if mapped != libc::MAP_FAILED && mapped != address {
        foreign::forget(range(mapped, len));
    }
    mapped
}
