//! Paged mappings: addresses whose pages come from a store.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use folio::Advice;
use folio::pagehook::PageHook;
use folio_stat::Paging;

use crate::error::{Error, ErrorKind, Fault, Result};
use crate::pin::Pinned;
use crate::prefetch::Prefetch;
use crate::readahead::Pattern;
use crate::region::Region;
use crate::{lock, sys};

/// A region while somebody has a mapping of it.
pub(crate) struct Mapped {
    region: Arc<Region>,
    hook: ManuallyDrop<PageHook>,
    /// 1 once all this is gone, for whoever wants to map the object again.
    pub(crate) closed: Arc<AtomicU32>,
}

impl Mapped {
    pub(crate) fn new((region, hook): (Arc<Region>, PageHook)) -> Self {
        Self { region, hook: ManuallyDrop::new(hook), closed: Arc::default() }
    }

    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if !self.region.core.is_here() {
            // A forked child has no mapping to undo.
            return;
        }
        if !self.region.private {
            // Whoever wants to hear of a failure flushes first.
            let _ = self.region.save_range(&(0..self.region.granules()));
        }
        // SAFETY: taken once, here; the field is not touched again.
        let hook = unsafe { ManuallyDrop::take(&mut self.hook) };
        self.region.close(hook);
        self.closed.store(1, Release);
        sys::wake(&self.closed);
    }
}

/// What of a range is in memory.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residency {
    /// Bytes of the granules that the range lies in.
    pub total_bytes: u64,
    /// Of those, bytes in memory, on standby too.
    pub resident_bytes: u64,
    /// Of those, bytes of granules with changes that are not in the store yet.
    pub dirty_bytes: u64,
}

/// A mapping of a store, for reading. Made by [`Pager::map`](crate::Pager::map). Clones show the same
/// bytes at the same addresses.
#[derive(Clone)]
pub struct Paged {
    mapped: Arc<Mapped>,
    range: Range<usize>,
}

/// A mapping of a store, for reading and writing. Made by
/// [`MapOptions::shared`](crate::MapOptions::shared) and
/// [`MapOptions::private`](crate::MapOptions::private).
///
/// Others may write the same bytes at any time, so they are touched by copying, or through a raw pointer.
/// Bytes that were written are in the store after [`flush`](Self::flush); dropping the last mapping writes
/// them too, and tells nobody of a failure.
pub struct PagedMut {
    mapped: Arc<Mapped>,
    range: Range<usize>,
}

macro_rules! mapping {
    ($type:ident) => {
        impl $type {
            pub(crate) fn new(mapped: Arc<Mapped>, range: Range<usize>) -> Self {
                Self { mapped, range }
            }

            fn region(&self) -> &Arc<Region> {
                &self.mapped.region
            }

            /// Bytes in the mapping.
            #[must_use]
            pub fn len(&self) -> usize {
                self.range.len()
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.range.is_empty()
            }

            /// Address of the first byte. A touch of a byte of the mapping fills its page; where the store
            /// fails, with zeros. What else may be done with it is for the caller to argue.
            #[must_use]
            pub fn as_ptr(&self) -> *const u8 {
                core::ptr::with_exposed_provenance(self.region().addresses.start + self.range.start)
            }

            /// Bytes that are loaded and evicted at a time.
            #[must_use]
            pub fn granule_bytes(&self) -> usize {
                self.region().granule()
            }

            /// What the store is called.
            #[must_use]
            pub fn name(&self) -> &str {
                &self.region().name
            }

            /// Copies bytes from position `at` on into `buf`, all of them or an error. A granule that
            /// failed before is tried again.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Fault`] where the store failed: bytes before the
            /// fault may have been copied.
            pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
                let range = self.locate("read", at, buf.len())?;
                let region = self.region();
                let granules = region.granules_of(&range);
                region.retry(&granules);
                loop {
                    let zeros = region.failures.zeros();
                    let mut done = 0;
                    loop {
                        done += self.mapped.hook.read_at(range.start + done, &mut buf[done..]);
                        if done == buf.len() {
                            break;
                        }
                        let position = range.start + done;
                        let here = region.granules_of(&(position..position + 1));
                        if let Some(fault) = region.fault_in(&here) {
                            return Err(Error::fault_of("read", fault));
                        }
                    }
                    // Zeros that stood in for another access may be among them, and may be gone since.
                    if let Some(fault) = region.fault_in(&granules) {
                        return Err(Error::fault_of("read", fault));
                    }
                    if region.failures.zeros() == zeros {
                        return Ok(());
                    }
                }
            }

            /// Loads a range, keeps it in memory while the [`Pinned`] exists, and gives out a slice of
            /// it: one that can be handed to system calls. Whoever writes to it meanwhile waits, or is
            /// told ([`ErrorKind::Pinned`]).
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Fault`] where the store failed;
            /// [`ErrorKind::Budget`] where so much cannot be pinned.
            pub fn pin(&self, range: impl RangeBounds<usize>) -> Result<Pinned<'_>> {
                let range = self.resolve("pin", range)?;
                Pinned::new(self.region(), range)
            }

            /// Begins to load a range, by threads of the pager.
            ///
            /// A range that does not lie within the mapping is cut off at its end.
            pub fn prefetch(&self, range: impl RangeBounds<usize>) -> Prefetch {
                let (start, end) = bounds(&range, self.len());
                let (start, end) =
                    (start.min(self.len()), end.min(self.len()).max(start.min(self.len())));
                if here(self.region(), "prefetch").is_err() {
                    return Prefetch::start(self.region(), 0..0);
                }
                Prefetch::start(self.region(), self.range.start + start..self.range.start + end)
            }

            /// Gives up the memory of a range, after writing back what is dirty; returns how many bytes
            /// of memory that were. What is pinned stays.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Fault`] where writing back failed: that stays too.
            pub fn evict(&self, range: impl RangeBounds<usize>) -> Result<u64> {
                let range = self.resolve("evict", range)?;
                let granules = self.region().granules_of(&range);
                let evicted = self.region().evict_range(&granules);
                evicted.map_err(|fault| Error::fault_of("evict", fault))
            }

            /// What of a range is in memory. Granules that come or go meanwhile are counted or not, each for
            /// itself: for a figure of one moment ask [`Pager::charged_bytes`](crate::Pager::charged_bytes).
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`].
            pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
                let range = self.resolve("ask about", range)?;
                let region = self.region();
                let granules = region.granules_of(&range);
                let keys = region.key(granules.start)..region.key(granules.end);
                let dirty = lock(&region.core.ledger).dirty.range(keys).count();
                Ok(Residency {
                    total_bytes: (granules.len() * region.granule()) as u64,
                    resident_bytes: region.resident_bytes(&granules),
                    dirty_bytes: (dirty * region.granule()) as u64,
                })
            }

            /// Says how the bytes are going to be touched, with the meaning that it has for mappings of
            /// the kernel (madvise(2)): `Normal`, `Random` and `Sequential` hold for all of the object,
            /// `WillNeed` begins to load the range, `PageOut` evicts it.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Unsupported`] for any other advice; as
            /// [`evict`](Self::evict).
            pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<()> {
                let range = self.resolve("advise", range)?;
                let evicted = match advice {
                    Advice::WillNeed => {
                        drop(Prefetch::start(self.region(), range));
                        return Ok(());
                    }
                    Advice::PageOut => {
                        self.region().evict_range(&self.region().granules_of(&range))
                    }
                    _ => match Pattern::of(advice) {
                        Some(pattern) => {
                            lock(&self.region().streams).pattern = pattern;
                            return Ok(());
                        }
                        None => return Err(unsupported(advice, self.name())),
                    },
                };
                evicted.map(drop).map_err(|fault| Error::fault_of("evict", fault))
            }

            /// The first fault that zeros have stood in for, if any: an access through a slice or a
            /// pointer met it. It stays until it is taken.
            ///
            /// # Errors
            /// [`ErrorKind::Fault`].
            pub fn check(&self) -> Result<()> {
                match self.region().failures.sticky() {
                    Some(fault) => Err(Error::fault_of("read", fault)),
                    None => Ok(()),
                }
            }

            /// The same fault, which is forgotten then. Zeros that stand in stay until
            /// [`retry`](Self::retry).
            pub fn take_fault(&self) -> Option<Fault> {
                self.region().failures.take_sticky()
            }

            /// Has granules that failed loaded again when they are touched. True if none are left that
            /// have failed; false where slices of them may be in use through another mapping.
            pub fn retry(&mut self) -> bool {
                let region = self.region();
                if !region.core.is_here() {
                    return false;
                }
                // Under this lock nobody else gets at the region.
                let _objects = lock(&region.core.objects);
                if Arc::strong_count(&self.mapped) == 1 {
                    *lock(&region.shown) = false;
                    region.sliced.store(false, Release);
                }
                region.retry(&(0..region.granules()));
                !region.failures.any()
            }

            /// What the object's mappings cost so far.
            #[must_use]
            pub fn statistics(&self) -> Paging {
                self.region().counters.statistics()
            }

            fn locate(
                &self,
                operation: &'static str,
                at: usize,
                count: usize,
            ) -> Result<Range<usize>> {
                here(self.region(), operation)?;
                match at.checked_add(count) {
                    Some(end) if end <= self.len() => {
                        Ok(self.range.start + at..self.range.start + end)
                    }
                    _ => Err(self.out_of_range(operation, at, at.saturating_add(count))),
                }
            }

            fn resolve(
                &self,
                operation: &'static str,
                range: impl RangeBounds<usize>,
            ) -> Result<Range<usize>> {
                here(self.region(), operation)?;
                let (start, end) = bounds(&range, self.len());
                match start <= end && end <= self.len() {
                    true => Ok(self.range.start + start..self.range.start + end),
                    false => Err(self.out_of_range(operation, start, end)),
                }
            }

            fn out_of_range(&self, operation: &'static str, start: usize, end: usize) -> Error {
                let len = self.len();
                let reason =
                    format!("{start}..{end} does not lie within the {len} bytes of the mapping");
                Error::new(ErrorKind::OutOfRange, operation, self.name(), reason)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "{}({}, {} bytes at {:p})",
                    stringify!($type),
                    self.name(),
                    self.len(),
                    self.as_ptr()
                )
            }
        }
    };
}

mapping!(Paged);
mapping!(PagedMut);

pub(crate) fn unsupported(advice: Advice, name: &str) -> Error {
    let reason = format!("{advice:?} means nothing for paged mappings");
    Error::new(ErrorKind::Unsupported, "advise", name, reason)
}

/// Refuses to work in a forked child.
fn here(region: &Region, operation: &'static str) -> Result<()> {
    match region.core.is_here() {
        true => Ok(()),
        false => Err(Error::in_a_child(operation, &region.name)),
    }
}

/// Start and end, saturating; for an end of `usize::MAX` no range of bytes is that long.
fn bounds(range: &impl RangeBounds<usize>, len: usize) -> (usize, usize) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => len,
    };
    (start, end)
}

impl Paged {
    /// The bytes, all of them, loaded as they are touched. Where the store fails, zeros stand in, and
    /// [`check`](Self::check) tells. Bytes that were shown once do not turn into zeros: unless the store is
    /// [infallible](folio_store::Capabilities::is_infallible) they are kept when they are evicted, in a
    /// temporary file ([`MapOptions::spill_directory`](crate::MapOptions::spill_directory)); whoever
    /// touches bytes that cannot be had from there either waits until they can.
    ///
    /// # Errors
    /// [`ErrorKind::NotStable`] where the bytes may change: unless the store promises a fixed version,
    /// or the mapping is a snapshot. [`ErrorKind::Fault`] where no temporary file can be made.
    pub fn as_slice(&self) -> Result<&[u8]> {
        let region = self.region();
        here(region, "show")?;
        if !region.sliced.load(Acquire) {
            // Whoever makes the region writable holds this lock.
            let _objects = lock(&region.core.objects);
            region.show()?;
        }
        // SAFETY: the addresses are mapped as long as `self` is borrowed, and a touch of a missing page
        // fills it. Nobody writes them: the region is not writable, and cannot become so once slices are
        // about (`Region::make_writable`). A granule that was evicted comes back with the bytes it had,
        // from an infallible store of a fixed version or from where they are kept, or not at all
        // (`crate::keep`); zeros that stand in for one that never came stay until `retry`, which no slice
        // outlives. What is left is a store that promises a fixed version and breaks the promise: the
        // contract of `is_fixed_version` names it.
        Ok(unsafe { core::slice::from_raw_parts(self.as_ptr(), self.len()) })
    }

    /// Runs `body` on the bytes, and returns its result unless a page could not be had meanwhile.
    ///
    /// # Errors
    /// As [`as_slice`](Self::as_slice); [`ErrorKind::Fault`] for the first fault that zeros stand in for,
    /// one that was met before included.
    pub fn guarded<R>(&self, body: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let result = body(self.as_slice()?);
        self.check()?;
        Ok(result)
    }
}

impl PagedMut {
    /// Copies `bytes` to position `at`, all of them or an error.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Fault`] where the store failed to load what is around
    /// them; [`ErrorKind::Pinned`] where somebody has pinned bytes there. Bytes before that have been
    /// written.
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let range = self.locate("write", at, bytes.len())?;
        let region = self.region();
        region.retry(&region.granules_of(&range));
        let mut done = 0;
        while done < bytes.len() {
            // SAFETY: slices of a writable region are given out for pinned bytes only, and those are
            // write-protected.
            let written = unsafe { self.mapped.hook.write_at(range.start + done, &bytes[done..]) };
            done += written;
            if done == bytes.len() {
                break;
            }
            let position = range.start + done;
            let here = region.granules_of(&(position..position + 1));
            if let Some(fault) = region.fault_in(&here) {
                return Err(Error::fault_of("write", fault));
            }
            if region.word(here.start).seen().pins() > 0 {
                let at = position as u64;
                let reason = "somebody has pinned them";
                return Err(
                    Error::new(ErrorKind::Pinned, "write", self.name(), reason).range(at..at + 1)
                );
            }
        }
        match region.fault_in(&region.granules_of(&range)) {
            Some(fault) => Err(Error::fault_of("write", fault)),
            None => Ok(()),
        }
    }

    /// Address of the first byte, for writing.
    ///
    /// Whoever writes vouches that nobody has a slice of these bytes. A write to bytes that are pinned
    /// waits until they are not.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.as_ptr().cast_mut()
    }

    /// Returns when all that was written to a range before is in the store, and the store has made it
    /// last ([`Store::sync`](folio_store::Store::sync)). For a private mapping, whose changes nobody
    /// else sees, there is nothing to be done.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`]; [`ErrorKind::Fault`] where writing failed, now or in the background
    /// since the last flush of these bytes, or where zeros stand in for some of them. What could not be
    /// written stays, and is tried again by the next flush. So is what was written, but which the store
    /// then failed to make last, as far as it is still in memory; where it is not, this mapping cannot
    /// vouch for it any more, and every later flush says so.
    pub fn flush(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let range = self.resolve("flush", range)?;
        let region = self.region();
        let granules = region.granules_of(&range);
        if region.private {
            return Ok(());
        }
        let saved = region.save_range(&granules);
        let synced = region.sync();
        saved.and(synced).map_err(|fault| Error::fault_of("flush", fault))?;
        match region.zeros_in(&granules) {
            Some(fault) => Err(Error::fault_of("flush", fault)),
            None => Ok(()),
        }
    }
}
