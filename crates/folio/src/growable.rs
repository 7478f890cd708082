//! The growable mapping: a file whose length and mapping change together while its address stays.
//!
//! 1. Made with a capacity, [`Growable::create`] maps the file over all of it at once. Address
//!    space is taken, memory and disk are not; bytes behind the end of the file are not there yet.
//! 2. [`Growable::grow`] makes the file longer and then the length. Disk space is reserved first,
//!    so that a full disk is an error here and not a fault at some later store.
//! 3. [`Growable::shrink`] lowers the length and then cuts the file.
//! 4. Dropped, it leaves the file as long as it is.
//!
//! Invariants:
//! - `len` never exceeds the region's length, which is the capacity.
//! - `len` is raised after the file has become that long, and lowered before it is cut. Only the
//!   holder of `turn` does either.
//! - `region.file` is set.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Range, RangeBounds};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Release};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rustix::mm::MsyncFlags;
use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::fault::Fault;
use crate::range::{resolve, round_down};
use crate::region::Region;
use crate::space;
use crate::sys::Errno;
use crate::view::delegate_view;
use crate::{Advice, Backing, Fork, GrowOptions, Lock, Protection, Residency, View};

const GROW: &str = "grow";

/// A shared mapping of a file that grows and shrinks along with it, at an address that never
/// changes.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("folio-doc-growable-{}", std::process::id()));
/// let log = folio::Growable::create(&path, 1 << 30)?;
/// let address = log.address();
/// assert_eq!(log.append(b"first")?, 0);
/// assert_eq!(log.append(b", second")?, 5);
/// log.grow(1 << 20)?;
/// log.write_at(100_000, b"far behind")?;
/// log.shrink(13)?;
/// log.flush(..)?;
/// assert_eq!(log.to_vec()?, b"first, second");
/// assert_eq!(log.address(), address);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Threads: everything takes `&self`. Those that change the length take turns; those that read and
/// write never wait for them, and see a length whose bytes are all there.
///
/// Other processes may change the file's length too. What they add is not seen before
/// [`Growable::refresh`]; what they cut off is a fault of kind
/// [`Truncated`](crate::FaultKind::Truncated) until then. Processes that change the length of one
/// file at the same time have to agree on it between themselves, with flock(2) say.
pub struct Growable {
    region: Region,
    len: AtomicUsize,
    /// Held by whoever changes the length.
    turn: Mutex<()>,
    options: GrowOptions,
}

impl Growable {
    pub(crate) fn new(region: Region, len: usize, options: GrowOptions) -> Self {
        Self { region, len: AtomicUsize::new(len), turn: Mutex::new(()), options }
    }

    /// Maps an existing file, readable and writable, with room to grow to `capacity` bytes. For one
    /// that may not exist yet, such as a log, there is [`GrowOptions::or_create`].
    ///
    /// # Errors
    /// As [`GrowOptions::open`].
    pub fn open(path: impl AsRef<Path>, capacity: usize) -> Result<Self> {
        GrowOptions::default().open(path, capacity)
    }

    /// Creates a file, or empties the one that is there, with room to grow to `capacity` bytes.
    ///
    /// # Errors
    /// As [`GrowOptions::open`].
    pub fn create(path: impl AsRef<Path>, capacity: usize) -> Result<Self> {
        let options = GrowOptions { truncate: true, or_create: true, ..GrowOptions::default() };
        options.open(path, capacity)
    }

    /// Maps an open file or memory file, with room to grow to `capacity` bytes.
    ///
    /// # Errors
    /// As [`GrowOptions::map`].
    pub fn of(file: impl AsFd, capacity: usize) -> Result<Self> {
        GrowOptions::default().map(file, capacity)
    }

    /// Options to make one with.
    pub fn options() -> GrowOptions {
        GrowOptions::default()
    }

    /// Bytes that it shows now: those of the file, as far as this mapping knows.
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// Whether it shows none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes to which it can grow.
    pub fn capacity(&self) -> usize {
        self.region.len()
    }

    /// Address of the first byte. Never changes.
    pub fn address(&self) -> usize {
        self.region.address()
    }

    /// Pointer to the first byte. What may be done with it is for the caller to argue.
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr()
    }

    /// Pointer to the first byte, for writing.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.as_ptr()
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &Backing {
        &self.region.backing
    }

    /// The file. Changing its length by it is like another process changing it.
    pub fn file(&self) -> &File {
        self.region.file.as_ref().expect("a growable mapping keeps its file")
    }

    /// The bytes that there are now, for copying. A view stays as long as it is: what is added
    /// later it does not show, and what is cut off is a fault.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(&self.region, 0..self.len())
    }

    /// Makes it at least `len` bytes long: the file first, then the mapping. The bytes added are
    /// zeros, and their disk space is reserved (fallocate(2)) unless it was made
    /// [`sparse`](GrowOptions::sparse). Where the file system has no fallocate(2), zeros are
    /// written. File systems that never overwrite in place (btrfs, bcachefs) can still run out of
    /// space at a store, which is a fault then.
    ///
    /// Nothing happens if it is that long already.
    ///
    /// # Errors
    /// Nothing has changed then. [`ErrorKind::OutOfRange`] beyond the capacity; [`ErrorKind::Os`]
    /// with ENOSPC, EDQUOT, EFBIG, EIO or EPERM (a seal, chattr(1)); [`ErrorKind::Invalid`] if it is
    /// read-only; [`ErrorKind::Misaligned`] on hugetlbfs for a length within a huge page; a fault
    /// where [`populate`](GrowOptions::populate) could not bring a page.
    pub fn grow(&self, len: usize) -> Result<()> {
        if len <= self.len() {
            return Ok(());
        }
        let _turn = self.take_turn();
        let old = self.len();
        if len > old {
            self.lengthen(old, len)?;
            self.len.store(len, Release);
        }
        Ok(())
    }

    /// Adds bytes at the end, and returns their position. Threads that append take turns; those
    /// that read see all of the bytes or none. Each call makes the file longer by a system call or
    /// two, so append much at a time.
    ///
    /// # Errors
    /// As [`grow`](Self::grow); the fault at the first byte that could not be written, if it is
    /// sparse. Nothing has been added then.
    pub fn append(&self, bytes: &[u8]) -> Result<usize> {
        let _turn = self.take_turn();
        let old = self.len();
        let len = old.checked_add(bytes.len()).ok_or_else(|| self.beyond_capacity())?;
        if bytes.is_empty() {
            return Ok(old);
        }
        let size = self.lengthen(old, len)?;
        if let Err(error) = View::new(&self.region, 0..len).write_at(old, bytes) {
            self.undo(size);
            return Err(error);
        }
        self.len.store(len, Release);
        Ok(old)
    }

    /// Makes it at most `len` bytes long: the mapping first, then the file, whose space is given
    /// back. Bytes that grow back later are zeros. Nothing happens if it is no longer already.
    ///
    /// Views made before still show the bytes cut off, as faults, except for those on the page
    /// where the file ends now, which read as zeros.
    ///
    /// # Errors
    /// Nothing has changed then. [`ErrorKind::Os`] with EIO or EPERM (a seal, chattr(1));
    /// [`ErrorKind::Invalid`] if it is read-only; [`ErrorKind::Misaligned`] on hugetlbfs for a
    /// length within a huge page.
    pub fn shrink(&self, len: usize) -> Result<()> {
        const SHRINK: &str = "shrink";
        self.writable(SHRINK)?;
        self.whole(SHRINK, len)?;
        let _turn = self.take_turn();
        let old = self.len();
        if len >= old {
            return Ok(());
        }
        self.len.store(len, Release);
        space::truncate(self.file(), len as u64).map_err(|errno| {
            self.len.store(old, Release);
            space::explain(SHRINK, self.backing(), len as u64..old as u64, errno)
        })
    }

    /// Asks the file for its length, which others may have changed, and shows that many bytes, or
    /// as many as the capacity holds. Returns the length.
    ///
    /// # Errors
    /// What fstat(2) fails with.
    pub fn refresh(&self) -> Result<usize> {
        let _turn = self.take_turn();
        let len = space::len(self.file())
            .map_err(|errno| Error::os("ask the length of", self.backing(), errno))?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity());
        self.len.store(len, Release);
        Ok(len)
    }

    /// Gives the disk space of a range back: its bytes become zeros, to the byte, and the length
    /// stays (FALLOC_FL_PUNCH_HOLE in fallocate(2)).
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Invalid`] if it is read-only; [`ErrorKind::Os`] with
    /// EOPNOTSUPP where the file system has no holes, or EPERM for a seal.
    pub fn punch_hole(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let range = self.resolve("punch a hole into", range)?;
        self.region.punch_hole(range)
    }

    /// Reserves the disk space of a range's holes, so that stores to it cannot find the disk full:
    /// what [`grow`](Self::grow) does for the bytes it adds. No byte changes.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Os`] with ENOSPC, EDQUOT, or EOPNOTSUPP where the
    /// file system has no fallocate(2).
    pub fn allocate(&self, range: impl RangeBounds<usize>) -> Result<()> {
        const ALLOCATE: &str = "allocate space for";
        self.writable(ALLOCATE)?;
        let range = self.resolve(ALLOCATE, range)?;
        self.region.fill_holes(self.file(), range)
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn writable(&self, operation: &'static str) -> Result<()> {
        if self.options.read_only {
            let reason = "the mapping is read-only";
            return Err(Error::kind_of(operation, self.backing(), ErrorKind::Invalid, reason));
        }
        Ok(())
    }

    /// hugetlbfs takes a length within a huge page, and has none of that page's bytes then.
    fn whole(&self, operation: &'static str, len: usize) -> Result<()> {
        let page = self.region.extent.page;
        if page > page_size() && !len.is_multiple_of(page) {
            let reason = format!("on hugetlbfs a length is a multiple of its page, {page} bytes");
            return Err(Error::kind_of(operation, self.backing(), ErrorKind::Misaligned, reason));
        }
        Ok(())
    }

    fn beyond_capacity(&self) -> Error {
        let reason = format!("it would exceed the capacity of {} bytes", self.capacity());
        Error::kind_of(GROW, self.backing(), ErrorKind::OutOfRange, reason)
            .hint("map it with a larger one: address space costs nothing")
    }

    /// Makes the file and its pages ready up to `len`, and returns how long the file was. The
    /// caller holds the turn.
    fn lengthen(&self, old: usize, len: usize) -> Result<u64> {
        self.writable(GROW)?;
        if len > self.capacity() {
            return Err(self.beyond_capacity());
        }
        self.whole(GROW, len)?;
        let huge = self.region.extent.page > page_size();
        let failed = |errno| {
            let error = space::explain(GROW, self.backing(), old as u64..len as u64, errno);
            if huge && errno == Errno::NOSPC {
                error.hint("the pool of huge pages has too few: raise vm.nr_hugepages")
            } else {
                error
            }
        };
        let size = space::len(self.file()).map_err(failed)?;
        self.clear_tail(size)?;
        // The last page may be a hole as yet.
        let from = round_down(old, page_size()) as u64;
        let from = from.min(size);
        space::extend(self.file(), from, len as u64, self.options.sparse).map_err(failed)?;
        if self.options.populate
            && let Err(error) = self.region.populate_for(old..len, true)
        {
            self.undo(size);
            return Err(error);
        }
        Ok(size)
    }

    /// Makes zeros of what was stored behind the end of the file on its last page, by a view from
    /// before it was cut: the file systems that keep it would show it now.
    fn clear_tail(&self, size: u64) -> Result<()> {
        let Ok(end) = usize::try_from(size) else { return Ok(()) };
        let page_end = end.next_multiple_of(page_size()).min(self.capacity());
        if end >= page_end {
            return Ok(());
        }
        let tail = View::new(&self.region, end..page_end);
        match tail.to_vec() {
            Ok(bytes) if bytes.iter().any(|&byte| byte != 0) => tail.fill(.., 0),
            // A page that cannot be had keeps nothing.
            _ => Ok(()),
        }
    }

    /// The file as long as before, after a growth that failed half-way.
    fn undo(&self, size: u64) {
        let _ = space::truncate(self.file(), size);
    }

    fn resolve(
        &self,
        operation: &'static str,
        range: impl RangeBounds<usize>,
    ) -> Result<Range<usize>> {
        let len = self.len();
        resolve(&range, len)
            .ok_or_else(|| Error::out_of_range(operation, self.backing(), &range, len))
    }
}

/// Slices, and what is known from [`Mapping`](crate::Mapping).
impl Growable {
    /// The bytes that there are now as a slice, at no cost per access. It may grow meanwhile: the
    /// address stays, and the slice stays as long as it is.
    ///
    /// A page that cannot be had reads as zeros from then on, and [`check`](Self::check) returns
    /// the fault.
    ///
    /// # Safety
    /// As for [`Mapping::as_slice`](crate::Mapping::as_slice): nobody changes the bytes while the
    /// slice lives, nor cuts them off with [`shrink`](Self::shrink) or punches holes into them.
    pub unsafe fn as_slice(&self) -> &[u8] {
        self.region.guard();
        // SAFETY: the first `len` bytes at `as_ptr` are mapped and readable as long as `self`
        // lives, as `len` is at most the region's length (module invariant), which is at most
        // `isize::MAX` (`place`). Missing pages are supplied by the handler, now that the region is
        // guarded. That nobody changes the bytes is the caller's word.
        unsafe { core::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The bytes that there are now as a slice to write to, at no cost per access. Otherwise as
    /// [`as_slice`](Self::as_slice).
    ///
    /// # Safety
    /// As for `as_slice`; nobody else reads the bytes either; it was not made read-only.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        self.region.guard();
        // SAFETY: as in `as_slice`; `&mut self` excludes other slices of this mapping.
        unsafe { core::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }

    /// Runs `work` on the bytes as a slice, and returns its result only if every byte could be had.
    ///
    /// # Errors
    /// As [`Mapping::guarded`](crate::Mapping::guarded).
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice), while `work` runs.
    pub unsafe fn guarded<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        let len = self.len();
        self.region.guarded(Protection::READ, len, || {
            // SAFETY: as in `as_slice`; `guarded` has put the guard up.
            work(unsafe { core::slice::from_raw_parts(self.as_ptr(), len) })
        })
    }

    /// The first fault that a slice met, if any, until [`restore`](Self::restore) takes it.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), Fault> {
        self.region.sticky().map_or(Ok(()), Err)
    }

    /// Takes the fault that slices met, and puts the file in the place of the zeros that stood in
    /// for it.
    ///
    /// # Errors
    /// What mmap(2) fails with. The fault stays then.
    pub fn restore(&mut self) -> Result<Option<Fault>> {
        self.region.restore()
    }

    /// Writes the changed pages of a range to the file, and what of its length and space is needed
    /// to read them back, and waits until they are there (msync(2), MS_SYNC).
    ///
    /// # Errors
    /// EIO or ENOSPC where the disk could not take them, and the sticky fault where zeros stand in
    /// for a page of the range.
    pub fn flush(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let range = self.resolve("flush", range)?;
        let touched = self.shown(self.region.flush(range.clone(), MsyncFlags::SYNC)?)?;
        self.region.cut(range, false).map_or(Ok(touched), |fault| Err(fault.into()))
    }

    /// Tells the kernel how the pages around a range will be used. Never changes a byte.
    ///
    /// Advice that the kernel keeps with the addresses may reach into capacity that has not been
    /// grown into, and an open end means all of it: [`Normal`](Advice::Normal),
    /// [`Random`](Advice::Random), [`Sequential`](Advice::Sequential),
    /// [`HugePages`](Advice::HugePages), [`NoHugePages`](Advice::NoHugePages),
    /// [`DontDump`](Advice::DontDump), [`DoDump`](Advice::DoDump). Advice that it acts on at once
    /// is for the bytes there are.
    ///
    /// # Errors
    /// As [`Mapping::advise`](crate::Mapping::advise).
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<Range<usize>> {
        use Advice::{
            DoDump, DontDump, HugePages, NoHugePages, Normal, PopulateRead, PopulateWrite, Random,
            Sequential,
        };
        match advice {
            Normal | Random | Sequential | HugePages | NoHugePages | DontDump | DoDump => {
                self.region.advise_pages(range, advice.raw(), "advise")
            }
            PopulateRead | PopulateWrite => {
                let range = self.resolve("populate", range)?;
                self.shown(self.region.populate_for(range, advice == PopulateWrite)?)
            }
            _ => {
                let range = self.resolve("advise", range)?;
                self.shown(self.region.advise_pages(range, advice.raw(), "advise")?)
            }
        }
    }

    /// Keeps the pages around a range in memory (mlock2(2)). What grows later is not locked.
    ///
    /// # Errors
    /// As [`Mapping::lock`](crate::Mapping::lock).
    pub fn lock(&self, range: impl RangeBounds<usize>, lock: Lock) -> Result<Range<usize>> {
        let range = self.resolve("lock", range)?;
        self.shown(self.region.lock(range, lock)?)
    }

    /// Undoes [`lock`](Self::lock).
    ///
    /// # Errors
    /// As [`Mapping::unlock`](crate::Mapping::unlock).
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let range = self.resolve("unlock", range)?;
        self.shown(self.region.unlock(range)?)
    }

    /// Which pages around a range are in memory (mincore(2)).
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`].
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        let range = self.resolve("ask the residency of", range)?;
        self.region.residency(range)
    }

    /// Sets what a forked child finds here. A child that inherits it shows the same bytes; a length
    /// that changes in one of the two is seen in the other by [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// EINVAL for [`Fork::Wipe`], which is for private memory.
    pub fn set_fork(&mut self, fork: Fork) -> Result<()> {
        self.region.set_fork(fork)
    }

    /// Unmaps, and reports what `drop` would have to keep to itself. The file stays as long as it
    /// is, and changed pages reach the disk in the kernel's time: [`flush`](Self::flush) first
    /// where that matters.
    ///
    /// # Errors
    /// A fault that slices met and nobody took, or what munmap(2) fails with. It comes back.
    pub fn close(self) -> Result<(), Refused<Self>> {
        let Self { region, len, turn, options } = self;
        region
            .unmap()
            .map_err(|(region, error)| Refused::new(Self { region, len, turn, options }, error))
    }

    /// The part of touched pages that lies within the length.
    fn shown(&self, touched: Range<usize>) -> Result<Range<usize>> {
        let len = self.len();
        Ok(touched.start.min(len)..touched.end.min(len))
    }
}

delegate_view!(Growable);

impl AsFd for Growable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file().as_fd()
    }
}

impl fmt::Debug for Growable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Growable({} of {:?})", self.len(), self.region)
    }
}
