//! The sealed mapping: one that nobody in this process can ever unmap, move, replace or give
//! another protection (mseal(2), Linux 6.10), whether by mistake or by malice.
//!
//! ```
//! use folio::Protection;
//! let mut map = folio::Memory::new(4096)?.into_mapping();
//! map.write_at(0, b"for good")?;
//! map.protect(.., Protection::READ)?;
//! match map.seal() {
//!     Ok(sealed) => {
//!         let mut bytes = [0; 8];
//!         sealed.read_at(0, &mut bytes)?;
//!         assert_eq!(&bytes, b"for good");
//!     }
//!     Err(refused) => println!("{refused}"), // an older kernel
//! }
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Its address is good as long as the process, so the value is `'static` and can be copied.
//!
//! The copying view works on it as on any mapping. Guarded slices do not: the handler could not put
//! zeros in the place of a page that cannot be had. So there is no `guarded`, and a
//! [slice](Sealed::as_slice) is for those who know that every page can be had.
//!
//! Invariant: the region is mapped until the process ends, and has no guard.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Range, RangeBounds};

use rustix::mm::MsyncFlags;

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::region::Region;
use crate::sys::{self, Errno};
use crate::view::delegate_view;
use crate::{Advice, Backing, Lock, Mapping, Protection, Residency, Sharing, View};

/// A mapping for the rest of the process's life. See the [module](self) documentation.
#[derive(Clone, Copy)]
pub struct Sealed {
    region: &'static Region,
}

impl Mapping {
    /// Seals the mapping as it is (mseal(2)): set the protection first. It cannot be undone; its
    /// addresses, and its reservation if it lies in one, are never given back.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before Linux 6.10; [`ErrorKind::Fault`] if a fault that slices
    /// met has not been taken; ENOMEM at the limit of mappings (vm.max_map_count), when some pages
    /// may be sealed already. The mapping comes back.
    pub fn seal(self) -> Result<Sealed, Refused<Self>> {
        let mut region = self.into_region();
        match seal(&mut region) {
            Ok(()) => Ok(Sealed { region: Box::leak(Box::new(region)) }),
            Err(error) => Err(Refused::new(Self::from_region(region), error)),
        }
    }
}

/// Seals a region's pages, which is never to be dropped then.
pub(crate) fn seal(region: &mut Region) -> Result<()> {
    const SEAL: &str = "seal";
    if let Some(fault) = region.sticky() {
        return Err(fault.into());
    }
    let Range { start, end } = region.addresses();
    if start == end {
        return Ok(());
    }
    let guarded = region.slot().is_some();
    region.unguard();
    // SAFETY: the region owns the pages, and the caller keeps it from ever unmapping them.
    unsafe { sys::seal(start, end - start) }.map_err(|errno| {
        if guarded {
            region.guard();
        }
        match errno {
            Errno::NOSYS | Errno::PERM => {
                let reason = "this kernel has no mseal";
                Error::kind_of(SEAL, &region.backing, ErrorKind::Unsupported, reason)
                    .hint("it came with Linux 6.10, for 64-bit processors")
            }
            _ => Error::os(SEAL, &region.backing, errno)
                .hint_for(libc::ENOMEM, "vm.max_map_count is reached"),
        }
    })
}

impl Sealed {
    /// Bytes that the mapping shows.
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether it shows none.
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// Address of the first byte. It never changes.
    pub fn address(&self) -> usize {
        self.region.address()
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &'static Backing {
        &self.region.backing
    }

    /// Offset in the backing of the first byte.
    pub fn offset(&self) -> u64 {
        self.region.offset
    }

    /// What may be done with the bytes, for ever.
    pub fn protection(&self) -> Protection {
        self.region.protection()
    }

    /// Who sees what is written.
    pub fn sharing(&self) -> Sharing {
        self.region.sharing
    }

    /// The bytes, for copying.
    pub fn view(&self) -> View<'static> {
        View::new(self.region, 0..self.region.len())
    }

    /// The bytes as a slice, at no cost per access, and for ever.
    ///
    /// # Safety
    /// - From now on nobody changes the bytes, as for [`Mapping::as_slice`].
    /// - Every page can always be had: a file is never truncated, its disk never fails. Nothing
    ///   can be put in the place of a lost page of a sealed mapping, so that SIGBUS ends the
    ///   process.
    /// - The protection permits reading.
    pub unsafe fn as_slice(&self) -> &'static [u8] {
        // SAFETY: `len` bytes at `as_ptr` are mapped until the process ends (module invariant),
        // `len` is at most `isize::MAX` (`place`), and an empty region's address is not null. The
        // rest is the caller's word.
        unsafe { core::slice::from_raw_parts(self.region.as_ptr(), self.region.len()) }
    }

    /// As [`Mapping::flush`].
    ///
    /// # Errors
    /// As [`Mapping::flush`].
    pub fn flush(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.flush(range, MsyncFlags::SYNC)
    }

    /// As [`Mapping::advise`].
    ///
    /// # Errors
    /// As [`Mapping::advise`].
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<Range<usize>> {
        self.region.advise(range, advice)
    }

    /// As [`Mapping::lock`].
    ///
    /// # Errors
    /// As [`Mapping::lock`].
    pub fn lock(&self, range: impl RangeBounds<usize>, lock: Lock) -> Result<Range<usize>> {
        self.region.lock(range, lock)
    }

    /// As [`Mapping::unlock`].
    ///
    /// # Errors
    /// As [`Mapping::unlock`].
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.unlock(range)
    }

    /// As [`Mapping::residency`].
    ///
    /// # Errors
    /// As [`Mapping::residency`].
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        self.region.residency(range)
    }
}

delegate_view!(Sealed);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?})", self.region)
    }
}
