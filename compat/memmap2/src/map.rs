//! The read-only map.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::ops::Deref;

use folio::Protection;

use crate::inner::{Inner, READ};
use crate::methods::methods_of_all;
use crate::{MapIfSafeError, MmapAsRawDesc, MmapMut, MmapOptions};

/// Bytes of a file, or of memory, as a `&[u8]`.
///
/// It stands by itself: the file may be closed once it is mapped. Dropping it unmaps.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("memmap2-doc-map-{}", std::process::id()));
/// std::fs::write(&path, vec![7; 10_000])?;
/// let file = std::fs::File::options().read(true).write(true).open(&path)?;
/// // SAFETY: nobody writes to this file; that it is cut is what this example is about.
/// let mut map = unsafe { memmap2::Mmap::map(&file)? };
/// assert_eq!(map[9_999], 7);
///
/// file.set_len(4096)?; // somebody cuts the file
/// assert_eq!(map[9_999], 0); // no SIGBUS
/// let fault = map.check().unwrap_err();
/// assert_eq!(fault.kind(), memmap2::folio::FaultKind::Truncated);
///
/// std::fs::write(&path, vec![8; 10_000])?; // and writes it anew
/// map.take_fault()?;
/// assert_eq!(map[9_999], 8);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
/// See [`MmapOptions`] for why making one of a file is `unsafe`.
pub struct Mmap {
    pub(crate) inner: Inner,
}

impl Mmap {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner }
    }

    /// The whole file: `MmapOptions::new().map(file)`.
    ///
    /// # Errors
    /// As [`MmapOptions::map`].
    ///
    /// # Safety
    /// See [`MmapOptions`].
    pub unsafe fn map<T: MmapAsRawDesc>(file: T) -> io::Result<Mmap> {
        // SAFETY: the contract is the same.
        unsafe { MmapOptions::new().map(file) }
    }

    /// The whole file, if nobody can change it: `MmapOptions::new().map_if_safe(file)`.
    ///
    /// # Errors
    /// As [`MmapOptions::map_if_safe`].
    pub fn map_if_safe<T: MmapAsRawDesc>(file: T) -> Result<Mmap, MapIfSafeError> {
        MmapOptions::new().map_if_safe(file)
    }

    /// The same map, writable.
    ///
    /// # Errors
    /// What mprotect(2) fails with: EACCES for a shared map of a file not open for writing. The map
    /// is gone then.
    pub fn make_mut(mut self) -> io::Result<MmapMut> {
        self.inner.protect(READ | Protection::WRITE)?;
        Ok(MmapMut::new(self.inner))
    }

    methods_of_all!();
}

// SAFETY: the bytes stay where they are while the map moves, and until it is dropped; only `remap`,
// whose contract says so, moves them.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::StableDeref for Mmap {}

impl Deref for Mmap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes at `ptr` are mapped and readable while `self` lives; a page of them
        // that cannot be had is made one of zeros (`inner`). That nobody changes them is the word of
        // whoever made the map.
        unsafe { std::slice::from_raw_parts(self.inner.ptr(), self.inner.len()) }
    }
}

impl AsRef<[u8]> for Mmap {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Mmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mmap").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
