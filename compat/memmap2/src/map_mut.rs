//! The writable map.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use folio::Protection;

use crate::inner::{Inner, READ};
use crate::methods::{methods_of_all, methods_of_writers};
use crate::{Mmap, MmapAsRawDesc, MmapOptions};

/// Bytes of a file, or of memory, as a `&mut [u8]`.
///
/// It stands by itself: the file may be closed once it is mapped. Dropping it unmaps; what was
/// written to a shared map reaches the file in any case, and the disk by [`flush`](Self::flush) or in
/// the kernel's own time.
///
/// What is written to a page that the file has lost, or has no room for, is lost: `flush` says so.
///
/// # Safety
/// See [`MmapOptions`] for why making one of a file is `unsafe`.
pub struct MmapMut {
    pub(crate) inner: Inner,
}

impl MmapMut {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner }
    }

    /// The whole file: `MmapOptions::new().map_mut(file)`.
    ///
    /// # Errors
    /// As [`MmapOptions::map_mut`].
    ///
    /// # Safety
    /// See [`MmapOptions`].
    pub unsafe fn map_mut<T: MmapAsRawDesc>(file: T) -> io::Result<MmapMut> {
        // SAFETY: the contract is the same.
        unsafe { MmapOptions::new().map_mut(file) }
    }

    /// Memory: `MmapOptions::new().len(length).map_anon()`.
    ///
    /// # Errors
    /// As [`MmapOptions::map_anon`].
    pub fn map_anon(length: usize) -> io::Result<MmapMut> {
        MmapOptions::new().len(length).map_anon()
    }

    methods_of_writers!();

    /// The same map, read-only.
    ///
    /// # Errors
    /// What mprotect(2) fails with. The map is gone then.
    pub fn make_read_only(mut self) -> io::Result<Mmap> {
        self.inner.protect(READ)?;
        Ok(Mmap::new(self.inner))
    }

    /// The same map, readable and to be run as code. On x86-64 what was written before is what runs.
    ///
    /// # Errors
    /// What mprotect(2) fails with: EACCES for a file on a file system mounted `noexec`. The map is
    /// gone then.
    pub fn make_exec(mut self) -> io::Result<Mmap> {
        self.inner.protect(READ | Protection::EXEC)?;
        Ok(Mmap::new(self.inner))
    }

    methods_of_all!();
}

// SAFETY: as for `Mmap`.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::StableDeref for MmapMut {}

impl Deref for MmapMut {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: as for `Mmap`.
        unsafe { std::slice::from_raw_parts(self.inner.ptr(), self.inner.len()) }
    }
}

impl DerefMut for MmapMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `Mmap`, and the bytes are writable; `&mut self` excludes other slices of
        // this map.
        unsafe { std::slice::from_raw_parts_mut(self.inner.ptr(), self.inner.len()) }
    }
}

impl AsRef<[u8]> for MmapMut {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for MmapMut {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for MmapMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MmapMut").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
