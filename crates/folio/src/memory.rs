//! Memory: private anonymous pages of this process alone, as a slice.
//!
//! ```
//! let mut memory = folio::Memory::new(1 << 20)?;
//! memory[5] = 7;
//! memory.discard(..)?; // the pages go back to the kernel
//! assert_eq!(memory[5], 0);
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Invariant: private, anonymous, readable and writable, and no page of it is marked for dropping
//! later (MADV_FREE): nobody but the owner of the value can change a byte, so that slices of it are
//! safe.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut, Range, RangeBounds};

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::fault::Fault;
use crate::region::Region;
use crate::{Advice, Backing, Discard, Lock, MapOptions, Mapping, Protection, Residency};
use crate::{Sharing, Stable};

/// Private memory straight from the kernel, all zeros at first. See the [module](self)
/// documentation.
///
/// Dereferences to `[u8]`. Costs address space when made and memory when touched.
pub struct Memory {
    mapping: Mapping,
}

impl Memory {
    /// `len` bytes of zeros.
    ///
    /// # Errors
    /// ENOMEM where no address space or memory to commit is left.
    pub fn new(len: usize) -> Result<Self> {
        Self::with(&MapOptions::new(), len)
    }

    /// Options to make memory with; end with [`MapOptions::memory`].
    pub fn options() -> MapOptions {
        MapOptions::new()
    }

    pub(crate) fn with(options: &MapOptions, len: usize) -> Result<Self> {
        let both = Protection::READ | Protection::WRITE;
        let plain = options.sharing != Some(Sharing::Shared)
            && options.protection.is_none_or(|protection| protection == both)
            && !options.droppable;
        if !plain {
            let reason = "memory is private, readable and writable; for another kind use \
                          `anonymous`";
            return Err(Error::kind_of("map", &Backing::ANONYMOUS, ErrorKind::Invalid, reason));
        }
        let mapping = options.clone().private().write().anonymous(len)?;
        // Broken hardware and an empty pool of huge pages are faults, not signals.
        mapping.guard_safe();
        Ok(Self { mapping })
    }

    /// Memory of a region that has what the module's invariant asks for.
    pub(crate) fn from_plain(region: Region) -> Self {
        let mapping = Mapping::from_region(region);
        mapping.guard_safe();
        Self { mapping }
    }

    pub(crate) fn region(&self) -> &Region {
        self.mapping.region()
    }

    /// Address of the first byte. Changes only in [`resize`](Self::resize).
    pub fn address(&self) -> usize {
        self.mapping.address()
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
    }

    /// Bytes of a page: that of the huge pages if it has them from the pool.
    pub fn page_size(&self) -> usize {
        self.mapping.page_size()
    }

    /// Changes the length, moving if need be (mremap(2)); new bytes are zeros.
    ///
    /// # Errors
    /// As [`Mapping::resize`].
    pub fn resize(&mut self, len: usize) -> Result<()> {
        self.mapping.resize(len, true)
    }

    /// Gives the pages inside a range back to the kernel: they read as zeros.
    ///
    /// # Errors
    /// EINVAL for locked pages (madvise(2)).
    pub fn discard(&mut self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.mapping.discard(range, Discard::Now)
    }

    /// As [`Mapping::advise`].
    ///
    /// # Errors
    /// As [`Mapping::advise`].
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<Range<usize>> {
        self.mapping.advise(range, advice)
    }

    /// As [`Mapping::lock`].
    ///
    /// # Errors
    /// As [`Mapping::lock`].
    pub fn lock(&self, range: impl RangeBounds<usize>, lock: Lock) -> Result<Range<usize>> {
        self.mapping.lock(range, lock)
    }

    /// As [`Mapping::unlock`].
    ///
    /// # Errors
    /// As [`Mapping::unlock`].
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.mapping.unlock(range)
    }

    /// As [`Mapping::residency`].
    ///
    /// # Errors
    /// As [`Mapping::residency`].
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        self.mapping.residency(range)
    }

    /// Runs `work` on the bytes, and returns its result only if no page of them failed: broken
    /// hardware, or no huge page left in the pool.
    ///
    /// # Errors
    /// The fault. The bytes of its page read as zeros.
    pub fn guarded<R>(&mut self, work: impl FnOnce(&mut [u8]) -> R) -> Result<R, Fault> {
        // SAFETY: nobody else reads or changes the bytes (module invariant), and they are readable
        // and writable.
        unsafe { self.mapping.guarded_mut(work) }
    }

    /// The fault that a page of it met, if any: broken hardware, or no huge page left in the pool.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), Fault> {
        self.mapping.check()
    }

    /// The same bytes, never to be written again.
    ///
    /// # Errors
    /// What mprotect(2) fails with; the memory comes back.
    pub fn freeze(self) -> Result<Stable, Refused<Self>> {
        self.mapping.into_stable().map_err(|refused| {
            let (mut mapping, error) = refused.into_parts();
            // Part of it may have changed.
            let _ = mapping.protect(.., Protection::READ | Protection::WRITE);
            Refused::new(Self { mapping }, error)
        })
    }

    /// The same memory as a mapping, whose operations are all there and whose slices are unsafe.
    pub fn into_mapping(self) -> Mapping {
        self.mapping
    }

    /// Unmaps, and reports what `drop` would have to keep to itself.
    ///
    /// # Errors
    /// As [`Mapping::close`].
    pub fn close(self) -> Result<(), Refused<Self>> {
        self.mapping.close().map_err(|refused| {
            let (mapping, error) = refused.into_parts();
            Refused::new(Self { mapping }, error)
        })
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` readable bytes at `as_ptr` live as long as `self`; nobody else can change
        // them (module invariant), and no view of this mapping is given out.
        unsafe { core::slice::from_raw_parts(self.mapping.as_ptr(), self.mapping.len()) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` is exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.mapping.as_mut_ptr(), self.mapping.len()) }
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({:?})", self.mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn memory_that_could_not_be_unmapped_is_still_guarded() {
        let memory = Memory::new(4096).unwrap();
        // SAFETY: the page is this test's and never unmapped.
        if unsafe { sys::seal(memory.address(), 4096) }.is_err() {
            eprintln!("skipped: Linux 6.10 for mseal");
            return;
        }
        let (memory, error) = memory.close().unwrap_err().into_parts();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert!(memory.region().slot().is_some());
    }
}
