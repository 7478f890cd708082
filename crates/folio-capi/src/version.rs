//! Which libfolio this is.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => unreachable!(),
    };

/// The version, as a string that stays.
#[unsafe(no_mangle)]
pub extern "C" fn folio_version() -> *const c_char {
    VERSION.as_ptr()
}
