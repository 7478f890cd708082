//! mmap(2) and its kin, under the prefix `folio_`.
//!
//! Each is the call of the C library, to which the arguments go as they came and whose result and
//! errno come back as they are. Around it the books are kept on what is guarded and what was lost:
//!
//! | call | what it ends | what it adds |
//! | --- | --- | --- |
//! | munmap | guards and faults in the range | |
//! | mmap | guards and faults at the new addresses, which MAP_FIXED may have replaced | |
//! | mremap | both at addresses given up or replaced; a guard of all the old ones goes along | EFAULT over zeros, unless it only cuts |
//! | msync | | EIO over zeros |
//!
//! Where nothing is guarded and nothing was lost, the books cost a load or two.
//!
//! Invariant: addresses that another thread may get at once, because the call gives them up, are given
//! up by [`foreign::replace`], so that a guard that the other thread puts up there is not taken down.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_uchar, c_void};
use core::mem::MaybeUninit;
use core::ops::Range;

use folio::foreign;

use crate::errno;
use crate::range::pages;

/// The calls that are cancellation points (pthreads(7)): where a thread is cancelled, they unwind it
/// instead of returning. No frame between them and C has anything to drop, which is what the Rust
/// Reference asks for ("Unwinding": forced unwinding), along with `panic = "unwind"`.
mod cancelled {
    use core::ffi::{c_char, c_int, c_void};

    unsafe extern "C-unwind" {
        pub(super) fn msync(addr: *mut c_void, len: usize, flags: c_int) -> c_int;
        pub(super) fn shm_open(name: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    }
}

/// mmap(2)
///
/// # Safety
/// As for mmap(2): with MAP_FIXED, nobody uses what was at the addresses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_mmap(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    // SAFETY: the caller's, which are those of mmap(2).
    let map = || unsafe { libc::mmap(addr, len, prot, flags, fd, offset) };
    if foreign::is_quiet() {
        return map();
    }
    let map = || errno::unless(libc::MAP_FAILED, map());
    errno::answer(libc::MAP_FAILED, || match pages(addr as usize, len) {
        Some(range) if flags & libc::MAP_FIXED != 0 => foreign::replace(range, map),
        _ => {
            let mapped = map()?;
            // Nobody has had the addresses since they were free: what is known of them is of old.
            if let Some(range) = pages(mapped as usize, len) {
                end(range);
            }
            Ok(mapped)
        }
    })
}

/// munmap(2)
///
/// # Safety
/// As for munmap(2): nobody uses the addresses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_munmap(addr: *mut c_void, len: usize) -> c_int {
    // SAFETY: the caller's, which are those of munmap(2).
    let unmap = || unsafe { libc::munmap(addr, len) };
    match pages(addr as usize, len) {
        Some(range) if !foreign::is_quiet() => {
            errno::answer(-1, || foreign::replace(range, || errno::unless(-1, unmap())))
        }
        _ => unmap(),
    }
}

/// mprotect(2)
///
/// # Safety
/// As for mprotect(2): nobody relies on the protection the pages had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_mprotect(addr: *mut c_void, len: usize, prot: c_int) -> c_int {
    // SAFETY: the caller's, which are those of mprotect(2).
    unsafe { libc::mprotect(addr, len, prot) }
}

/// msync(2); EIO as well where zeros stand in for pages that were lost.
///
/// # Safety
/// As for msync(2), which changes nothing in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn folio_msync(addr: *mut c_void, len: usize, flags: c_int) -> c_int {
    // SAFETY: the caller's, which are those of msync(2).
    let sync = || unsafe { cancelled::msync(addr, len, flags) };
    if foreign::is_quiet() {
        return sync();
    }
    errno::answer(-1, || {
        let done = errno::unless(-1, sync())?;
        match pages(addr as usize, len).map(foreign::is_whole) {
            Some(false) => Err(libc::EIO),
            _ => Ok(done),
        }
    })
}

/// madvise(2)
///
/// # Safety
/// As for madvise(2): some advice changes what the pages hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_madvise(addr: *mut c_void, len: usize, advice: c_int) -> c_int {
    // SAFETY: the caller's, which are those of madvise(2).
    unsafe { libc::madvise(addr, len, advice) }
}

/// mremap(2), which C declares with four parameters and `...`.
///
/// Stable Rust defines no variadic function. The psABI of x86-64 passes the arguments of a variadic
/// call as if they were named (section 3.5.7: only AL is added, for vector registers), so the fifth
/// is in R8 here as there. Where the caller passed only four, R8 holds anything: hence
/// [`MaybeUninit`], which is read only if a flag says that there is a fifth.
///
/// # Safety
/// As for mremap(2): nobody uses the old addresses after a move, nor what was at the new ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_mremap(
    old_address: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: c_int,
    new_address: MaybeUninit<*mut c_void>,
) -> *mut c_void {
    let new_address = if flags & (libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP) != 0 {
        // SAFETY: with these flags the call has a fifth argument (mremap(2)).
        unsafe { new_address.assume_init() }
    } else {
        core::ptr::null_mut()
    };
    // SAFETY: the caller's, which are those of mremap(2).
    let remap = || unsafe { libc::mremap(old_address, old_size, new_size, flags, new_address) };
    match pages(old_address as usize, old_size) {
        Some(old) if !foreign::is_quiet() => errno::answer(libc::MAP_FAILED, || {
            moving(old, new_size, flags, || errno::unless(libc::MAP_FAILED, remap()))
        }),
        _ => remap(),
    }
}

/// mlock(2)
///
/// # Safety
/// As for mlock(2), which changes nothing in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_mlock(addr: *const c_void, len: usize) -> c_int {
    // SAFETY: the caller's, which are those of mlock(2).
    unsafe { libc::mlock(addr, len) }
}

/// munlock(2)
///
/// # Safety
/// As for munlock(2), which changes nothing in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_munlock(addr: *const c_void, len: usize) -> c_int {
    // SAFETY: the caller's, which are those of munlock(2).
    unsafe { libc::munlock(addr, len) }
}

/// mlockall(2)
#[unsafe(no_mangle)]
pub extern "C" fn folio_mlockall(flags: c_int) -> c_int {
    // SAFETY: changes nothing in memory (mlockall(2)).
    unsafe { libc::mlockall(flags) }
}

/// munlockall(2)
#[unsafe(no_mangle)]
pub extern "C" fn folio_munlockall() -> c_int {
    // SAFETY: changes nothing in memory (munlockall(2)).
    unsafe { libc::munlockall() }
}

/// mincore(2)
///
/// # Safety
/// `vec` has a byte for each page.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_mincore(addr: *mut c_void, len: usize, vec: *mut c_uchar) -> c_int {
    // SAFETY: the caller's, which are those of mincore(2).
    unsafe { libc::mincore(addr, len, vec) }
}

/// shm_open(3)
///
/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn folio_shm_open(
    name: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller's, which are those of shm_open(3).
    unsafe { cancelled::shm_open(name, flags, mode) }
}

/// shm_unlink(3)
///
/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_shm_unlink(name: *const c_char) -> c_int {
    // SAFETY: the caller's, which are those of shm_unlink(3).
    unsafe { libc::shm_unlink(name) }
}

/// Nothing that was known of these addresses is true any more.
fn end(range: Range<usize>) {
    if !range.is_empty() {
        foreign::unguard(range.clone());
        foreign::forget(range);
    }
}

/// Makes a call of mremap(2) for the pages `old`, while somewhere something is guarded or lost.
fn moving(
    old: Range<usize>,
    new_size: usize,
    flags: c_int,
    call: impl FnOnce() -> Result<*mut c_void, c_int>,
) -> Result<*mut c_void, c_int> {
    let end_here = pages(old.start, new_size).map(|new| new.end);
    let elsewhere = flags & (libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP) != 0;
    if let Some(end) = end_here
        && end < old.end
        && !elsewhere
    {
        // Only cuts, where it lies.
        return foreign::replace(end..old.end, call);
    }
    if !foreign::is_whole(old.clone()) {
        // The zeros are mappings of their own: the kernel would make those longer, or refuse.
        return Err(libc::EFAULT);
    }
    let guarded = foreign::is_guarded(old.clone());
    let gives_up = flags & libc::MREMAP_MAYMOVE != 0 && flags & libc::MREMAP_DONTUNMAP == 0;
    let moved = if gives_up { foreign::replace(old.clone(), call)? } else { call()? };
    if let Some(new) = pages(moved as usize, new_size) {
        let grown_here = new.start == old.start && !gives_up;
        end(if grown_here { old.end..new.end } else { new.clone() });
        if guarded {
            // SAFETY: the program has asked for these pages to be guarded, which have moved here. If
            // that fails their faults are signals again, as they would be without folio.
            let _ = unsafe { foreign::guard(new) };
        }
    }
    Ok(moved)
}
