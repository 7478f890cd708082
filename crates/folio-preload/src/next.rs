//! The next definition of a function: the one that would have been called without this library.
//!
//! ```text
//! static SIGACTION: Next = Next::new(c"sigaction");
//! SIGACTION.address() // libc's, or that of another library preloaded behind this one
//! ```
//!
//! Looked up once, by [`crate::start`]; earlier only if the constructor of another library calls it.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A function by its name.
#[derive(Debug)]
pub(crate) struct Next {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Next {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    /// Where it is; 0 if there is none.
    pub(crate) fn address(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            0 => self.find(),
            address => address,
        }
    }

    /// Where it is, if that has been looked up. For what memory allocators call before anything runs:
    /// the look-up may need one.
    pub(crate) fn known(&self) -> Option<usize> {
        Some(self.address.load(Ordering::Relaxed)).filter(|&address| address != 0)
    }

    #[cold]
    pub(crate) fn find(&self) -> usize {
        // SAFETY: the name ends with a NUL. RTLD_NEXT looks behind the object that this code is in
        // (dlsym(3)).
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
        self.address.store(address, Ordering::Relaxed);
        address
    }
}

pub(crate) fn errno() -> core::ffi::c_int {
    // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
    unsafe { *libc::__errno_location() }
}

/// What a function of the C library that was not found fails with: ENOSYS.
pub(crate) fn missing() -> core::ffi::c_int {
    set_errno(libc::ENOSYS);
    -1
}

pub(crate) fn set_errno(errno: core::ffi::c_int) {
    // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
    unsafe { *libc::__errno_location() = errno };
}
