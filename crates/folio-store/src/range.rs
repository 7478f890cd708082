//! Ranges of stores, without overflow.

use crate::{Error, ErrorKind, Store};

/// How many of `count` bytes at `offset` lie within `len`.
pub(crate) fn inside(count: usize, offset: u64, len: u64) -> usize {
    match usize::try_from(len.saturating_sub(offset)) {
        Ok(room) => count.min(room),
        Err(_) => count,
    }
}

/// The error of a write that cannot be.
pub(crate) fn refused(kind: ErrorKind, store: &impl Store, count: usize, offset: u64) -> Error {
    let range = offset..offset.saturating_add(count as u64);
    Error::new(kind, "write", store.name()).range(range)
}
