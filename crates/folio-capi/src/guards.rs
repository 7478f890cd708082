//! What a fault does, and whether there was one.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};

use folio::foreign::{self, Response};

use crate::errno;
use crate::fault::FolioFault;
use crate::range::touched;

// enum folio_response
const SIGNAL: c_int = 0;
const ZEROS: c_int = 1;
const ZEROS_AND_TELL: c_int = 2;
const STOP: c_int = 3;

/// `folio_guard`
///
/// # Safety
/// The addresses hold no mapping of the Rust library's. The program is ready for zeros there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_guard(addr: *mut c_void, len: usize, response: c_int) -> c_int {
    errno::answer(-1, || {
        let range = touched(addr as usize, len).filter(|_| len > 0).ok_or(libc::EINVAL)?;
        match response {
            SIGNAL => foreign::unguard(range),
            ZEROS => {
                // SAFETY: C code has no references. Whoever unmaps the addresses does so by calls that
                // end the guard, or has accepted that it goes on (folio.h). The rest is the caller's.
                let guarded = unsafe { foreign::guard(range) };
                guarded.map_err(|error| errno::of(&error, libc::ENOMEM))?;
            }
            _ => return Err(libc::EINVAL),
        }
        Ok(0)
    })
}

/// `folio_guard_all`
///
/// # Safety
/// The program is ready for zeros in every file mapping.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_guard_all(response: c_int) -> c_int {
    errno::answer(-1, || {
        let response = match response {
            SIGNAL => {
                foreign::unguard_all();
                return Ok(0);
            }
            ZEROS => Response::Zeros,
            ZEROS_AND_TELL => Response::ZerosAndTell,
            STOP => Response::Stop,
            _ => return Err(libc::EINVAL),
        };
        // SAFETY: as in `folio_guard`.
        let guarded = unsafe { foreign::guard_all(response) };
        guarded.map(|()| 0).map_err(|error| errno::of(&error, libc::ENOMEM))
    })
}

/// `folio_check`
///
/// # Safety
/// `fault` is NULL or has room for a `struct folio_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_check(
    addr: *const c_void,
    len: usize,
    fault: *mut FolioFault,
) -> c_int {
    errno::answer(-1, || {
        let range = touched(addr as usize, len).ok_or(libc::EINVAL)?;
        if len == 0 {
            return Ok(0);
        }
        match foreign::check(range) {
            Ok(()) => Ok(0),
            Err(met) => {
                // SAFETY: by the contract.
                unsafe { FolioFault::put(&met, fault) };
                Ok(1)
            }
        }
    })
}

/// `folio_restore`
///
/// # Safety
/// Nobody uses the bytes, unmaps them or maps over them meanwhile, and the mapping is the one that met
/// the faults. `fault` is NULL or has room for a `struct folio_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_restore(
    addr: *mut c_void,
    len: usize,
    fault: *mut FolioFault,
) -> c_int {
    errno::answer(-1, || {
        let range = touched(addr as usize, len).ok_or(libc::EINVAL)?;
        if len == 0 {
            return Ok(0);
        }
        // SAFETY: by the contract; the calls of mmap(2)'s kin here drop the faults of what they end.
        let met = unsafe { foreign::restore(range) };
        match met.map_err(|error| errno::of(&error, libc::ENOENT))? {
            None => Ok(0),
            Some(met) => {
                // SAFETY: by the contract.
                unsafe { FolioFault::put(&met, fault) };
                Ok(1)
            }
        }
    })
}

/// `folio_callback`
pub type Callback = unsafe extern "C" fn(fault: *const FolioFault, context: *mut c_void);

struct Context(*mut c_void);

// SAFETY: only handed to the callback, which the program has made for folio's thread (folio.h).
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// `folio_on_fault`
///
/// # Safety
/// `callback` may be called on another thread, now and for good, with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_on_fault(callback: Option<Callback>, context: *mut c_void) -> c_int {
    let context = Context(context);
    errno::answer(-1, || {
        let tell = move |fault: &folio::Fault| {
            if let Some(callback) = callback {
                let fault = FolioFault::new(fault);
                // SAFETY: by the contract.
                unsafe { callback(&raw const fault, context.get()) };
            }
        };
        folio::on_fault(tell).map_err(|error| errno::of(&error, libc::EAGAIN))?;
        Ok(0)
    })
}
