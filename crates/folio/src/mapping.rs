//! The mapping: a range of addresses that shows a backing, of any kind.
//!
//! ```
//! # let path = std::env::temp_dir().join(format!("folio-doc-mapping-{}", std::process::id()));
//! std::fs::write(&path, b"the quick brown fox")?;
//! let map = folio::Mapping::options().write().open(&path)?;
//! map.write_at(4, b"swift")?;
//! map.flush(..)?;
//! assert_eq!(std::fs::read(&path)?, b"the swift brown fox");
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Two ways to its bytes. The view copies them and reports each fault exactly; it is always safe.
//! A slice costs nothing per access, but Rust wants its bytes to hold still, and what others do to
//! a file is for the caller to know: [`Mapping::as_slice`] is unsafe. A page that cannot be had
//! then reads as zeros, and [`Mapping::check`] tells.
//!
//! Invariants:
//! - The address of the first byte never changes, except through [`Mapping::resize`].
//! - What changes bytes or addresses under a slice takes `&mut self` or `self`.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Range, RangeBounds};
use std::fs::File;
use std::path::Path;

use rustix::mm::{MremapFlags, MsyncFlags};

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::fault::Fault;
use crate::range::{Extent, round_up};
use crate::region::{Home, Region};
use crate::view::delegate_view;
use crate::{Advice, Backing, BackingKind, Discard, Fork, Lock, MapOptions, Protection, Residency};
use crate::{Sharing, View, sys};

/// A range of addresses that shows a backing. See the [module](self) documentation.
///
/// Positions count in bytes from the first byte it shows, wherever that lies in the backing.
/// Operations on a range work on whole pages and return the positions they really touched.
pub struct Mapping {
    region: Region,
}

impl Mapping {
    /// Maps a whole file or block device, shared and read-only.
    ///
    /// # Errors
    /// As [`MapOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        MapOptions::new().open(path)
    }

    /// Maps a whole open file, shared and read-only.
    ///
    /// # Errors
    /// As [`MapOptions::map`].
    pub fn of(file: impl std::os::fd::AsFd) -> Result<Self> {
        MapOptions::new().map(file)
    }

    /// Options to map with.
    pub fn options() -> MapOptions {
        MapOptions::new()
    }

    pub(crate) fn from_region(region: Region) -> Self {
        Self { region }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    pub(crate) fn into_region(self) -> Region {
        self.region
    }

    /// Bytes that the mapping shows.
    #[inline]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether it shows none: the file was empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// Address of the first byte.
    #[inline]
    pub fn address(&self) -> usize {
        self.region.address()
    }

    /// Pointer to the first byte. Dangling if the mapping is empty. Reading through it is for the
    /// caller to argue, as for [`as_slice`](Self::as_slice).
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr()
    }

    /// Pointer to the first byte, for writing.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.as_ptr()
    }

    /// Offset in the backing of the first byte.
    pub fn offset(&self) -> u64 {
        self.region.offset
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &Backing {
        &self.region.backing
    }

    /// The descriptor of the backing, if [`MapOptions::keep_file`] was asked for.
    pub fn file(&self) -> Option<&File> {
        self.region.file.as_ref()
    }

    /// What may be done with the bytes, as last set for the whole mapping.
    pub fn protection(&self) -> Protection {
        self.region.protection()
    }

    /// Who sees what is written.
    pub fn sharing(&self) -> Sharing {
        self.region.sharing
    }

    /// Bytes of a page of this mapping: that of the huge pages if it has them from the pool.
    /// Transparent huge pages do not count.
    pub fn page_size(&self) -> usize {
        self.region.extent.page
    }

    /// The bytes, for copying.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(&self.region, 0..self.region.len())
    }

    /// Guards the mapping: from now on a page of it that cannot be had reads as zeros, whoever touches
    /// it, through slices and raw pointers too. [`as_slice`](Self::as_slice) and its kin do so
    /// themselves.
    pub fn guard(&self) {
        self.region.guard();
    }

    /// The bytes as a slice, at no cost per access.
    ///
    /// A page that cannot be had, because the file was truncated, the disk failed, or hardware
    /// broke, reads as zeros from then on, and [`check`](Self::check) returns the fault.
    ///
    /// # Safety
    /// For as long as the slice lives:
    /// - Nobody writes to the bytes: not this program through [`write_at`](Self::write_at) or another
    ///   mapping, not another process, by mapping or write(2). A private mapping is no protection:
    ///   pages not yet written follow the file.
    /// - The file may be cut, and its disk may fail; the caller is ready for it. Bytes whose page is
    ///   lost turn to zeros, once. They may have been read before, so nothing that must be sound
    ///   rests on a byte staying what it was (no unchecked index that was checked against an earlier
    ///   read, no `str` or enum made of the bytes without a copy).
    /// - The protection of every page permits reading.
    pub unsafe fn as_slice(&self) -> &[u8] {
        self.region.guard();
        // SAFETY: `len` bytes at `as_ptr` are mapped as long as `self` lives, `len` is at most
        // `isize::MAX` (`place`), any bytes are valid `u8`; an empty region's address is not null.
        // Missing pages are supplied by the handler, now that the region is guarded. That nobody
        // changes them is the caller's word.
        unsafe { core::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The bytes as a slice to write to, at no cost per access. As [`as_slice`](Self::as_slice);
    /// what is written to zeros that stand in for a lost page is lost, and
    /// [`flush`](Self::flush) says so.
    ///
    /// # Safety
    /// As for `as_slice`; nobody else reads the bytes either; the protection of every page permits
    /// reading and writing.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        self.region.guard();
        // SAFETY: as in `as_slice`; `&mut self` excludes other slices of this mapping.
        unsafe { core::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }

    /// Runs `work` on the bytes as a slice, and returns its result only if every byte could be had:
    /// a file that somebody cuts meanwhile makes a [`Fault`], not a wrong result. Accesses cost
    /// nothing; asking for the file's length at the end costs a system call, so one call of this
    /// goes around many accesses.
    ///
    /// ```
    /// let map = folio::Mapping::open("Cargo.toml")?;
    /// // SAFETY: nobody edits this file while the test runs.
    /// let lines = unsafe { map.guarded(|bytes| bytes.iter().filter(|&&b| b == b'\n').count()) }?;
    /// assert!(lines > 3);
    /// # Ok::<(), folio::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Truncated`](crate::FaultKind::Truncated) where the file has become shorter than the mapping
    /// (where it was kept or opened by path; otherwise by the page only). The first fault that this
    /// mapping's slices met and that [`restore`](Self::restore) has not taken: during `work`, on any thread, or before, in which case `work` is not run. Kind
    /// [`Protection`](crate::FaultKind::Protection) if the mapping is not readable.
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice), while `work` runs: nobody writes to the bytes; that the
    /// file is cut is what this method is for.
    pub unsafe fn guarded<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        let expected = self.region.expected();
        // SAFETY: the contract is the same.
        self.region.guarded(Protection::READ, expected, || work(unsafe { self.as_slice() }))
    }

    /// Runs `work` on the bytes as a slice to write to; otherwise as [`guarded`](Self::guarded).
    ///
    /// # Errors
    /// As `guarded`.
    ///
    /// # Safety
    /// As for [`as_mut_slice`](Self::as_mut_slice), while `work` runs.
    pub unsafe fn guarded_mut<R>(&mut self, work: impl FnOnce(&mut [u8]) -> R) -> Result<R, Fault> {
        let (start, len) = (self.as_mut_ptr(), self.len());
        let needs = Protection::READ | Protection::WRITE;
        self.region.guarded(needs, self.region.expected(), || {
            // SAFETY: as in `as_mut_slice`: `guarded` has put the guard up, and `self` is borrowed
            // exclusively until this method returns.
            work(unsafe { core::slice::from_raw_parts_mut(start, len) })
        })
    }

    /// The first fault that a slice of this mapping met, if any. It stays until
    /// [`restore`](Self::restore) takes it. The copying view returns its faults itself.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), Fault> {
        self.region.sticky().map_or(Ok(()), Err)
    }

    /// Takes the fault that slices met, and puts the backing in the place of the zeros that stood
    /// in for it: the bytes are those of the file again, as far as it has them. What was written to
    /// the zeros is lost. Protection, locks and advice that these pages had by range are those of the
    /// whole mapping afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the file can no longer be found (see
    /// [`MapOptions::keep_file`]), or what mmap(2) fails with. The fault stays then.
    pub fn restore(&mut self) -> Result<Option<Fault>> {
        self.region.restore()
    }

    /// Writes the changed pages of a range to the backing, and waits until they are there
    /// (msync(2), MS_SYNC). For a private mapping it does nothing.
    ///
    /// # Errors
    /// EIO or ENOSPC where the backing could not take them. A fault where what was written is lost:
    /// zeros stand in for a page of the range, or the file has been cut within it.
    pub fn flush(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.flush(range, MsyncFlags::SYNC)
    }

    /// Asks for the changed pages of a range to be written, without waiting (MS_ASYNC). Linux
    /// writes them in its own time anyway.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_async(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.flush(range, MsyncFlags::ASYNC)
    }

    /// Flushes a range, and asks for other mappings of the file to see it (MS_SYNC and
    /// MS_INVALIDATE). On Linux they always do; on some network file systems it matters.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and EBUSY for locked pages.
    pub fn flush_and_invalidate(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.flush(range, MsyncFlags::SYNC | MsyncFlags::INVALIDATE)
    }

    /// Tells the kernel how the pages around a range will be used. Never changes a byte.
    ///
    /// # Errors
    /// EINVAL where the kernel or the kind of mapping does not support it, ENOMEM, EAGAIN, EPERM;
    /// for [`Advice::PopulateRead`] and `PopulateWrite` the fault at the first page that cannot be
    /// had. See madvise(2).
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<Range<usize>> {
        self.region.advise(range, advice)
    }

    /// Drops the pages inside a range, in one of several ways. Changes bytes.
    ///
    /// # Errors
    /// As [`advise`](Self::advise); EACCES for [`Discard::Hole`] if the mapping is not shared, or its
    /// file was not opened for writing.
    pub fn discard(
        &mut self,
        range: impl RangeBounds<usize>,
        how: Discard,
    ) -> Result<Range<usize>> {
        let region = &mut self.region;
        region.fickle |= how == Discard::Lazily;
        region.trapped |= how == Discard::Guard;
        let touched = region.change_pages(range, how.raw(), "discard")?;
        if how == Discard::Unguard && touched == (0..region.len()) {
            region.trapped = false;
        }
        Ok(touched)
    }

    /// Gives the disk space of a range back: its bytes become zeros, to the byte, for everybody
    /// (FALLOC_FL_PUNCH_HOLE in fallocate(2)). [`Discard::Hole`] does so for whole pages only.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Invalid`] if the mapping is not a shared, writable
    /// one of a file; [`ErrorKind::Unsupported`] if the file can no longer be found (see
    /// [`MapOptions::keep_file`]); EOPNOTSUPP where the file system has no holes, EPERM for a seal.
    pub fn punch_hole(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let range = self.region.resolve("punch a hole into", range)?;
        self.region.punch_hole(range)
    }

    /// Keeps the pages around a range in memory (mlock2(2)).
    ///
    /// # Errors
    /// ENOMEM or EPERM at the limit of locked memory (RLIMIT_MEMLOCK), and ENOMEM or EAGAIN where
    /// a page cannot be had.
    pub fn lock(&self, range: impl RangeBounds<usize>, lock: Lock) -> Result<Range<usize>> {
        self.region.lock(range, lock)
    }

    /// Undoes [`lock`](Self::lock). Locks do not nest (mlock(2)).
    ///
    /// # Errors
    /// ENOMEM where the kernel's record of the mapping cannot be split.
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.unlock(range)
    }

    /// Sets what may be done with the pages around a range (mprotect(2)). If it fails, some of them
    /// may have changed already; the mapping stays usable.
    ///
    /// # Errors
    /// EACCES if the file was not opened for it, ENOMEM at the limit of mappings
    /// (vm.max_map_count), EPERM.
    pub fn protect(
        &mut self,
        range: impl RangeBounds<usize>,
        protection: Protection,
    ) -> Result<Range<usize>> {
        self.region.protect(range, protection)
    }

    /// Which pages around a range are in memory (mincore(2)).
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; ENOMEM where pages are not mapped.
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        self.region.residency(range)
    }

    /// Brings the pages around a range into memory: for writing if the mapping is private and
    /// writable, for reading otherwise. [`populate_with`](Self::populate_with) does it with several
    /// threads, tells how far it got, and can be stopped.
    ///
    /// # Errors
    /// The fault at the first page that cannot be had; ENOMEM, EINVAL (MADV_POPULATE_READ in
    /// madvise(2)).
    pub fn populate(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region.populate(range)
    }

    /// Sets what a forked child finds here.
    ///
    /// # Errors
    /// EINVAL for [`Fork::Wipe`] of anything but private anonymous memory.
    pub fn set_fork(&mut self, fork: Fork) -> Result<()> {
        self.region.set_fork(fork)
    }

    /// Changes the number of bytes shown, to more or fewer of the backing (mremap(2)). If
    /// `may_move`, the address may change. Private anonymous memory gains zeros; bytes behind the
    /// end of a file are faults until the file grows. On failure nothing has changed.
    ///
    /// For a mapping that grows along with its file and never moves see
    /// [`Growable`](crate::Growable).
    ///
    /// # Errors
    /// ENOMEM where there is no room at this address and it may not move, or no memory;
    /// [`ErrorKind::Invalid`] inside a reservation, where there is nowhere to go, and for a length
    /// of 0 or a mapping that was empty; [`ErrorKind::Unsupported`] for more of shared anonymous
    /// memory, which has the size it was made with; [`ErrorKind::Fault`] if a fault has not been
    /// taken, or if private memory shrinks to a part of a page that is not writable, so that what
    /// it cuts off there cannot be cleared.
    pub fn resize(&mut self, len: usize, may_move: bool) -> Result<()> {
        const RESIZE: &str = "resize";
        let region = &mut self.region;
        if let Some(fault) = region.sticky() {
            return Err(fault.into());
        }
        let fail = |region: &Region, kind, reason: &'static str| {
            Err(Error::kind_of(RESIZE, &region.backing, kind, reason))
        };
        if matches!(region.home, Home::Reserved(_)) {
            return fail(region, ErrorKind::Invalid, "a mapping in a reservation stays as it is");
        }
        if region.len() == 0 || len == 0 {
            let reason = "a mapping of 0 bytes has no pages to resize: drop it and map anew";
            return fail(region, ErrorKind::Invalid, reason);
        }
        let Extent { start, lead, page, .. } = region.extent;
        let span = lead.checked_add(len).and_then(|bytes| round_up(bytes, page));
        let Some(span) = span.filter(|&span| span <= isize::MAX as usize) else {
            return Err(Error::os(RESIZE, &region.backing, sys::Errno::NOMEM));
        };
        let old = region.extent.span();
        let anonymous = region.backing.kind() == BackingKind::Anonymous;
        if anonymous && region.sharing == Sharing::Shared && span > old {
            let reason = "shared memory without a file has the size it was made with: use a memfd";
            return fail(region, ErrorKind::Unsupported, reason);
        }
        let cut = if anonymous && region.sharing == Sharing::Private && len < region.len() {
            region.prepare_to_clear(len..region.len().min(span - lead))?
        } else {
            None
        };
        let guarded = region.slot().is_some();
        if span != old {
            region.unguard();
            let flags = if may_move { MremapFlags::MAYMOVE } else { MremapFlags::empty() };
            // SAFETY: the region owns the addresses, `&mut self` says that no slice into them is
            // borrowed, and the guard has been withdrawn.
            match unsafe { sys::remap(start, old, span, flags) } {
                Ok(start) => region.extent.start = start,
                Err(errno) => {
                    if guarded {
                        region.guard();
                    }
                    return Err(Error::os(RESIZE, &region.backing, errno)
                        .hint_for(libc::ENOMEM, "let it move, or free addresses behind it")
                        .hint_for(libc::EINVAL, "huge pages from the pool only shrink")
                        .hint_for(libc::EFAULT, "it was split by protecting or advising a range"));
                }
            }
        }
        let cleared = cut.map(|cut| View::new(region, 0..region.len()).fill(cut, 0));
        region.extent.len = len;
        if guarded {
            region.guard();
        }
        cleared.unwrap_or(Ok(()))
    }

    /// Divides the mapping in two at a position on a page boundary.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] at the ends or outside, [`ErrorKind::Misaligned`] within a page,
    /// [`ErrorKind::Fault`] if a fault has not been taken.
    pub fn split_at(self, at: usize) -> Result<(Self, Self), Refused<Self>> {
        self.region
            .split_at(at)
            .map(|(left, right)| (Self::from_region(left), Self::from_region(right)))
            .map_err(|(region, error)| Refused::new(Self::from_region(region), error))
    }

    /// One mapping of this one and another that continues it: in address, in the backing, in
    /// protection and sharing.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it does not, [`ErrorKind::Fault`] if a fault has not been taken;
    /// both mappings come back.
    pub fn join(self, next: Self) -> Result<Self, Refused<(Self, Self)>> {
        self.region.join(next.region).map(Self::from_region).map_err(|(left, right, error)| {
            Refused::new((Self::from_region(left), Self::from_region(right)), error)
        })
    }

    /// Unmaps, and reports what `drop` would have to keep to itself.
    ///
    /// # Errors
    /// A fault that slices met and nobody took, or what munmap(2) fails with. The mapping comes
    /// back.
    pub fn close(self) -> Result<(), Refused<Self>> {
        self.region
            .unmap()
            .map_err(|(region, error)| Refused::new(Self::from_region(region), error))
    }

    pub(crate) fn guard_safe(&self) {
        self.region.guard_safe();
    }

    pub(crate) fn witness(&self) -> Option<File> {
        self.region.witness()
    }

    /// Whether the bytes are plain private memory, which nobody else can reach.
    pub(crate) fn is_memory(&self) -> bool {
        self.region.backing.kind() == BackingKind::Anonymous
            && self.region.sharing == Sharing::Private
    }

    /// Whether pages of it may vanish, or raise SIGSEGV, without anybody changing them.
    pub(crate) fn is_fickle(&self) -> bool {
        self.region.fickle
    }
}

delegate_view!(Mapping);

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({:?})", self.region)
    }
}
