//! errno: how calls say why they failed.
#![allow(unsafe_code)]

use core::ffi::c_int;

use folio::{Error, ErrorKind};

fn get() -> c_int {
    // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
    unsafe { *libc::__errno_location() }
}

fn set(errno: c_int) {
    // SAFETY: as in `get`.
    unsafe { *libc::__errno_location() = errno };
}

/// The result of a call of the C library's, whose failure is a value of its own.
pub(crate) fn unless<T: PartialEq>(failure: T, value: T) -> Result<T, c_int> {
    if value == failure { Err(get()) } else { Ok(value) }
}

/// What C gets of a call that fails with an errno: `failure` and errno set; or the value, and errno
/// as it was.
pub(crate) fn answer<T>(failure: T, call: impl FnOnce() -> Result<T, c_int>) -> T {
    let before = get();
    let (value, errno) = match call() {
        Ok(value) => (value, before),
        Err(errno) => (failure, errno),
    };
    set(errno);
    value
}

/// As [`answer`], for a call that may do less than it was asked to: the value, and why it is no more.
pub(crate) fn partial<T>(call: impl FnOnce() -> (T, Option<c_int>)) -> T {
    let before = get();
    let (value, errno) = call();
    set(errno.unwrap_or(before));
    value
}

/// The errno of an error that carries none is one of its kind; what is not supported, and why, only
/// the call knows.
pub(crate) fn of(error: &Error, unsupported: c_int) -> c_int {
    error.raw_os_error().unwrap_or(match error.kind() {
        ErrorKind::Unsupported => unsupported,
        ErrorKind::Fault => libc::EFAULT,
        _ => libc::EINVAL,
    })
}
