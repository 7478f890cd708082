//! The copying calls, whose faults are their results.
#![allow(unsafe_code)]

use core::ffi::c_void;

use folio::foreign;
use libc::ssize_t;

use crate::errno;
use crate::fault::FolioFault;

/// `folio_read`
///
/// # Safety
/// `to` has room for `len` bytes of the program's own, which nobody else uses meanwhile and which do not
/// overlap those at `mapped`. `fault` is NULL or has room for a `struct folio_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_read(
    to: *mut c_void,
    mapped: *const c_void,
    len: usize,
    fault: *mut FolioFault,
) -> ssize_t {
    // SAFETY: by the contract.
    let copy = || unsafe { foreign::read(mapped.cast(), to.cast(), len) };
    // SAFETY: by the contract.
    unsafe { copied(len, fault, copy) }
}

/// `folio_write`
///
/// # Safety
/// `from` points to `len` bytes of the program's own, which nobody changes meanwhile and which do not
/// overlap those at `mapped`. `fault` is NULL or has room for a `struct folio_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_write(
    mapped: *mut c_void,
    from: *const c_void,
    len: usize,
    fault: *mut FolioFault,
) -> ssize_t {
    // SAFETY: by the contract.
    let copy = || unsafe { foreign::write(mapped.cast(), from.cast(), len) };
    // SAFETY: by the contract.
    unsafe { copied(len, fault, copy) }
}

/// # Safety
/// `fault` is NULL or has room for a `struct folio_fault`.
unsafe fn copied(
    len: usize,
    fault: *mut FolioFault,
    copy: impl FnOnce() -> folio::Result<()>,
) -> ssize_t {
    errno::partial(|| {
        let Ok(whole) = ssize_t::try_from(len) else {
            return (-1, Some(libc::EINVAL));
        };
        // A pointer that comes with a length of 0 may be NULL.
        let Err(error) = (if len > 0 { copy() } else { Ok(()) }) else {
            return (whole, None);
        };
        let errno = errno::of(&error, libc::EINVAL);
        match error.fault() {
            Some(met) => {
                // SAFETY: by the contract.
                unsafe { FolioFault::put(met, fault) };
                (ssize_t::try_from(met.transferred()).unwrap_or(whole), Some(errno))
            }
            None => (-1, Some(errno)),
        }
    })
}
