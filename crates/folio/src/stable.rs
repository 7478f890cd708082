//! Stable bytes: a mapping that nobody can change, as a slice.
//!
//! ```
//! let mut memory = folio::Memory::new(4096)?;
//! memory[..5].copy_from_slice(b"hello");
//! let stable = memory.freeze()?;
//! assert!(stable.starts_with(b"hello"));
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Invariant: the bytes come from private anonymous memory, from a memfd that is sealed against
//! writing and shrinking, or from a file under fs-verity; no way to write them through this
//! process's mapping is left, and no page of it is a guard. What remains is hardware that fails: as memory that loses a bit, it
//! lies outside of what a language can promise; the page reads as zeros and
//! [`Stable::check`] tells.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, Range, RangeBounds};

use rustix::fs::SealFlags;

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::fault::Fault;
use crate::{Advice, Backing, Lock, Mapping, Protection, Residency, sys};

/// Bytes that nobody can change. Dereferences to `[u8]`. See the [module](self) documentation.
pub struct Stable {
    mapping: Mapping,
}

impl Mapping {
    /// The same bytes as a slice for good, if nobody can change them: private anonymous memory, a
    /// memfd sealed against writing and shrinking ([`Memfd`](crate::Memfd)), or a file under
    /// fs-verity.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if somebody can, or if pages of it may be guards
    /// ([`Discard::Guard`](crate::Discard::Guard)); the reason says what is missing. What
    /// mprotect(2) fails with. The mapping comes back.
    pub fn into_stable(mut self) -> Result<Stable, Refused<Self>> {
        let proof = if self.is_fickle() {
            refuse(&self, "its pages may vanish: it is droppable, or was discarded lazily")
        } else if self.is_memory() {
            unguarded(&self)
        } else {
            sealed(&self)
        };
        let ready = proof.and_then(|()| self.check().map_err(Error::from)).and_then(|()| {
            let executable = self.protection().contains(Protection::EXEC);
            let readable =
                if executable { Protection::READ | Protection::EXEC } else { Protection::READ };
            self.protect(.., readable)
        });
        match ready {
            Ok(_) => {
                self.guard_safe();
                Ok(Stable { mapping: self })
            }
            Err(error) => Err(Refused::new(self, error)),
        }
    }
}

fn refuse(mapping: &Mapping, reason: &'static str) -> Result<()> {
    Err(Error::kind_of("make stable", mapping.backing(), ErrorKind::Invalid, reason))
}

/// Whether every page can be read once its protection permits it.
fn unguarded(mapping: &Mapping) -> Result<()> {
    if mapping.region().trapped {
        let reason = "some of its pages may be guards: take them away over all of it \
                      (Discard::Unguard)";
        return refuse(mapping, reason);
    }
    Ok(())
}

/// Whether the mapping's file can be neither written nor cut.
fn sealed(mapping: &Mapping) -> Result<()> {
    unguarded(mapping)?;
    let refuse = |reason| refuse(mapping, reason);
    let Some(file) = mapping.witness() else {
        return refuse("its file can no longer be found: map it with keep_file");
    };
    let needed = SealFlags::WRITE | SealFlags::SHRINK;
    let seals = rustix::fs::fcntl_get_seals(&file).unwrap_or(SealFlags::empty());
    let verity = sys::is_verity(std::os::fd::AsFd::as_fd(&file));
    if !(seals.contains(needed) || verity) {
        return refuse(
            "others can change it: it is neither private anonymous memory, nor a memfd sealed \
             against writing and shrinking, nor a file under fs-verity",
        );
    }
    let len = file.metadata().map_or(0, |metadata| metadata.len());
    let end = mapping.offset().saturating_add(mapping.len() as u64);
    if end > len && !seals.contains(SealFlags::GROW) {
        return refuse("it reaches beyond the end of a file that can still grow");
    }
    Ok(())
}

impl Stable {
    /// Address of the first byte.
    pub fn address(&self) -> usize {
        self.mapping.address()
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
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

    /// As [`Mapping::residency`].
    ///
    /// # Errors
    /// As [`Mapping::residency`].
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        self.mapping.residency(range)
    }

    /// Runs `work` on the bytes, and returns its result only if every one could be had.
    ///
    /// # Errors
    /// The fault: an I/O error or broken hardware.
    pub fn guarded<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        // SAFETY: nobody changes the bytes (module invariant), and they are readable.
        unsafe { self.mapping.guarded(work) }
    }

    /// The fault that a page of it met, if any.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), Fault> {
        self.mapping.check()
    }

    /// The same bytes as a mapping. It is read-only, and can be made writable again.
    pub fn into_mapping(self) -> Mapping {
        self.mapping
    }
}

impl Deref for Stable {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` readable bytes at `as_ptr` live as long as `self`, and nobody changes them
        // (module invariant).
        unsafe { core::slice::from_raw_parts(self.mapping.as_ptr(), self.mapping.len()) }
    }
}

impl AsRef<[u8]> for Stable {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Stable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stable({:?})", self.mapping)
    }
}
