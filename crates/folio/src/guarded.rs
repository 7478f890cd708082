//! A mapping that folio did not make, guarded by whoever owns it.
//!
//! 1. The owner maps a file, with mmap(2), and makes a [`Guarded`] for it. Neither costs a system call
//!    more than the mapping: which file it is the kernel is asked at a fault.
//! 2. A page cannot be had: the handler puts zeros there, and the first fault is kept in the guard
//!    ([`crate::losses`] has the rest).
//! 3. The owner takes the guard down, and then unmaps.
//!
//! Invariant: the slot is published with the mapping's pages as long as the value lives, and nobody
//! else takes it away.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::Range;
use std::os::fd::AsFd;

use rustix::mm::MapFlags;
use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Fault, Sign};
use crate::guard::{GuardSlot, REGISTRY};
use crate::losses;
use crate::procmap::{self, Known};
use crate::range::{round_down, round_up};
use crate::region::Region;
use crate::{Backing, Protection, Sharing, foreign, handler, spare, sys};

/// The guard of one mapping that folio did not make, for as long as the value lives: cheaper than
/// [`guard`](crate::foreign::guard), and with a record of its own.
///
/// Zeros are put in page by page. After 64 pages behind the end of a file that was cut, the rest of the
/// mapping, which lies behind it too, becomes zeros at once; and so does as much as is needed where the
/// kernel has no record left for more mappings (vm.max_map_count).
///
/// ```
/// # use std::{fs, os::fd::AsRawFd, ptr};
/// # let path = std::env::temp_dir().join(format!("folio-doc-guarded-{}", std::process::id()));
/// # fs::write(&path, vec![7; 10_000])?;
/// # let file = fs::File::options().read(true).write(true).open(&path)?;
/// use folio::foreign::Guarded;
/// let (len, prot, flags) = (10_000, libc::PROT_READ, libc::MAP_SHARED);
/// // SAFETY: a new mapping touches no other.
/// let bytes = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, file.as_raw_fd(), 0) };
/// // SAFETY: the mapping was just made, and is ours alone.
/// let guard = unsafe { Guarded::new(bytes.addr()..bytes.addr() + len, 0) }?;
///
/// file.set_len(4096)?;
/// // SAFETY: mapped, and nobody writes.
/// assert_eq!(unsafe { bytes.cast::<u8>().add(5000).read() }, 0);
/// assert_eq!(guard.check().unwrap_err().offset(), 5000);
/// drop(guard);
/// // SAFETY: nobody looks at it any more.
/// unsafe { libc::munmap(bytes, len) };
/// # fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Guarded {
    slot: &'static GuardSlot,
}

impl Guarded {
    /// Guards the mapping whose shown bytes lie at `addresses`, the first of which is the file's at
    /// `offset`. The pages around them are guarded.
    ///
    /// # Safety
    /// As for [`foreign::guard`](crate::foreign::guard): whoever reads the bytes is ready for zeros.
    /// The pages around the addresses are one mapping, which the caller owns; until the value is
    /// dropped it is neither unmapped nor moved nor mapped over.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an empty range; [`ErrorKind::Unsupported`] where the registry is
    /// full; what rt_sigaction(2) fails with.
    pub unsafe fn new(addresses: Range<usize>, offset: u64) -> Result<Self> {
        const GUARD: &str = "guard";
        let page = page_size();
        let end = round_up(addresses.end, page).filter(|_| !addresses.is_empty());
        let Some(end) = end else {
            return Err(Error::out_of_range(GUARD, &Backing::ANONYMOUS, &addresses, 0));
        };
        handler::install_for(&[libc::SIGBUS])
            .map_err(|errno| Error::os(GUARD, &Backing::ANONYMOUS, errno))?;
        let pages = round_down(addresses.start, page)..end;
        foreign::enter(&pages, offset, true).map(|slot| Self { slot })
    }

    /// The first fault that the mapping's bytes met and nobody has taken. Costs a load where there is
    /// none.
    ///
    /// # Errors
    /// The fault.
    #[inline]
    pub fn check(&self) -> Result<(), Fault> {
        match self.slot.payload.first() {
            None => Ok(()),
            Some(sign) => Err(self.fault(sign).0),
        }
    }

    /// The same, where zeros stand in for any page that these addresses touch.
    ///
    /// # Errors
    /// The fault.
    #[inline]
    pub fn check_in(&self, addresses: Range<usize>) -> Result<(), Fault> {
        match self.slot.payload.first() {
            Some(sign) if self.has_zeros(addresses) => Err(self.fault(sign).0),
            _ => Ok(()),
        }
    }

    #[cold]
    fn has_zeros(&self, addresses: Range<usize>) -> bool {
        // Where the kernel does not say, there may be some.
        zeros_in(&addresses).is_none_or(|zeros| !zeros.is_empty())
    }

    /// Takes the fault. Zeros stay where they are.
    pub fn take(&mut self) -> Option<Fault> {
        let sign = self.slot.payload.first()?;
        let (fault, _) = self.fault(sign);
        self.forget();
        Some(fault)
    }

    /// Takes the fault, and puts the file back where zeros stand in for its pages, as a mapping of
    /// this kind. What was written to the zeros is lost.
    ///
    /// # Safety
    /// No reference to the mapping's bytes is alive. `protection` and `sharing` are those of the
    /// mapping.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the file can no longer be found, by its path or among the open
    /// descriptors; what mmap(2) fails with. The fault stays then.
    pub unsafe fn restore(
        &mut self,
        protection: Protection,
        sharing: Sharing,
    ) -> Result<Option<Fault>> {
        let Some(sign) = self.slot.payload.first() else { return Ok(None) };
        let (fault, region) = self.fault(sign);
        self.forget();
        let result = self.put_back(&region, protection, sharing);
        if result.is_err() {
            self.slot.payload.keep_first(sign);
        }
        result.map(|()| Some(fault))
    }

    fn put_back(&self, region: &Region, protection: Protection, sharing: Sharing) -> Result<()> {
        const RESTORE: &str = "restore";
        let (flags, file) = match sharing {
            // So that it may become writable, if the file was open for that.
            Sharing::Shared => {
                (MapFlags::SHARED, region.writable_witness().or_else(|| region.witness()))
            }
            Sharing::Private => (MapFlags::PRIVATE, region.witness()),
        };
        let Some(file) = file else {
            let reason = "its file can no longer be found";
            return Err(Error::kind_of(RESTORE, &region.backing, ErrorKind::Unsupported, reason));
        };
        let pages = self.pages();
        let zeros = zeros_in(&pages).ok_or_else(|| {
            let reason = "/proc/self/maps, which says where zeros are, cannot be read";
            Error::kind_of(RESTORE, &region.backing, ErrorKind::Unsupported, reason)
        })?;
        for piece in zeros {
            let offset =
                round_down(self.offset() as usize, page_size()) + piece.start - pages.start;
            let source = Some((file.as_fd(), offset as u64));
            // SAFETY: zeros of the handler's lie there, in a mapping that the caller of `new` owns;
            // nobody refers to them (contract of `restore`).
            unsafe { sys::map_over(piece.start, piece.len(), protection.flags(), flags, source) }
                .map_err(|errno| Error::os(RESTORE, &region.backing, errno))?;
        }
        spare::keep();
        Ok(())
    }

    /// Says whether this process alone has the mapping, so that a forked child does not inherit it
    /// (MADV_DONTFORK).
    pub fn set_only_here(&self, only: bool) {
        self.slot.payload.set_only_in(if only { std::process::id() } else { 0 });
    }

    /// Whether this process has the mapping. A forked child need not.
    pub fn is_here(&self) -> bool {
        self.slot.payload.is_here()
    }

    fn pages(&self) -> Range<usize> {
        self.slot.start()..self.slot.end()
    }

    /// Offset in the file of the first byte shown.
    pub fn offset(&self) -> u64 {
        self.slot.payload.arms().offset
    }

    fn forget(&mut self) {
        losses::take_in(&self.pages(), |_| true);
        self.slot.payload.forget();
    }

    /// The first fault, and what is known of the mapping.
    #[cold]
    fn fault(&self, sign: Sign) -> (Fault, Region) {
        let pages = self.pages();
        let at = pages.start + sign.position();
        let known = losses::first_in(&(at..at + 1)).or_else(|| losses::first_in(&pages));
        let (mut fault, region) = match known {
            Some(loss) => (loss.fault(&(at..at + 1)), loss.region()),
            None => {
                // More losses than are kept: what is left of the file in the mapping says which it is.
                let mut name = [0; losses::NAME];
                let left =
                    procmap::pieces(&pages, &mut name).flatten().find(|known| known.inode != 0);
                let unknown = Known { start: pages.start, end: pages.end, ..Known::default() };
                let mut region = foreign::describe(&left.unwrap_or(unknown), pages.clone(), &name);
                if left.is_none() {
                    region.backing = Backing::found(None, 0, 0);
                }
                region.offset = round_down(self.offset() as usize, page_size()) as u64;
                (fault::lasting(&region, sign), region)
            }
        };
        let shown = pages.start + self.offset() as usize % page_size();
        fault.position = at.saturating_sub(shown);
        fault.offset = self.offset() + fault.position as u64;
        (fault, region)
    }
}

/// Where zeros stand in for pages of a file: the kernel knows of no file there. None where it does
/// not say.
fn zeros_in(addresses: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let end = round_up(addresses.end, page_size())?;
    let pages = round_down(addresses.start, page_size())..end;
    let zeros = |known: &Option<Known>| known.is_none_or(|known| known.inode == 0);
    let range = |known: Option<Known>| known.map(|known| known.start..known.end);
    procmap::pieces(&pages, &mut []).filter(zeros).map(range).collect()
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let (pages, faulty) = (self.pages(), self.slot.payload.first().is_some());
        REGISTRY.remove(self.slot);
        if faulty {
            losses::take_in(&pages, |_| true);
        }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.pages();
        write!(f, "Guarded({start:#x}..{end:#x} + {})", self.offset())
    }
}
