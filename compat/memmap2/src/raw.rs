//! The map without slices.
#![allow(unsafe_code)]

use std::fmt;
use std::io;

use crate::inner::Inner;
use crate::methods::{methods_of_all, methods_of_writers};
use crate::{Mmap, MmapAsRawDesc, MmapMut, MmapOptions};

/// Bytes of a file, by raw pointer only: for memory that several processes write to, say.
///
/// Making one is safe. What is behind the pointers is for whoever uses them to argue; a page that
/// cannot be had reads as zeros here too.
pub struct MmapRaw {
    inner: Inner,
}

impl MmapRaw {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner }
    }

    /// The whole file, to be read and written: `MmapOptions::new().map_raw(file)`.
    ///
    /// # Errors
    /// As [`MmapOptions::map_raw`].
    pub fn map_raw<T: MmapAsRawDesc>(file: T) -> io::Result<MmapRaw> {
        MmapOptions::new().map_raw(file)
    }

    /// Pointer to the first byte.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.inner.ptr()
    }

    /// Pointer to the first byte, for writing, if the map permits it.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.inner.ptr()
    }

    /// Bytes that the map shows. The file may have fewer by now.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "the API is memmap2's")]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    methods_of_writers!();
    methods_of_all!();
}

impl fmt::Debug for MmapRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MmapRaw").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}

impl From<Mmap> for MmapRaw {
    fn from(value: Mmap) -> Self {
        Self::new(value.inner)
    }
}

impl From<MmapMut> for MmapRaw {
    fn from(value: MmapMut) -> Self {
        Self::new(value.inner)
    }
}
