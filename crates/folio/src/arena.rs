//! The arena: memory handed out piece by piece from one long range of addresses, and taken back all
//! at once.
//!
//! 1. [`Arena::new`] reserves the capacity: address space, no memory.
//! 2. Each allocation moves the end of the used part up. Where it passes the end of the committed
//!    part, a step of memory is mapped there: as much again as there is, within limits.
//! 3. Freeing or resizing the last allocation moves the end; of others, nothing is taken back.
//! 4. [`Arena::reset`] gives every page back to the kernel, and starts anew.
//!
//! Invariants:
//! - Bytes from `used` on belong to nobody; no byte below it belongs to two. So whoever moves `used`
//!   from a to b owns `a..b`, and a piece that ends at `used` is the last.
//! - Bytes below `committed` are mapped, readable and writable until `reset` or `drop`, both of
//!   which need the arena exclusively.
//! - No step is guarded: zeros in the place of broken memory are no values of most types. As with any
//!   heap, memory that breaks ends the process.
//! - `committed` is a multiple of the page size of the last step, and changes only under the lock.
#![allow(unsafe_code)]

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::options::Placement;
use crate::range::round_up;
use crate::{Backing, MapOptions, Mapping, Protection, Reservation, Sharing};

const ALLOCATE: &str = "allocate from an arena of";
/// Bytes of the smallest and the largest step that is not a single large allocation.
const STEPS: core::ops::RangeInclusive<usize> = 1 << 20..=64 << 20;

/// A bump allocator on reserved address space: memory is committed in steps as it is handed out,
/// and taken back all at once. Values in it are not dropped: their destructors are not run. As with
/// any heap, memory that breaks (MADV_HWPOISON in madvise(2)) ends the process.
///
/// ```
/// let mut arena = folio::Arena::new(1 << 30)?;
/// let numbers = arena.alloc_slice(&[1, 2, 3])?;
/// let word = arena.alloc(String::from("never dropped"))?;
/// numbers[0] += word.len();
/// assert_eq!(numbers, [14, 2, 3]);
/// arena.reset()?;
/// assert_eq!((arena.used(), arena.committed()), (0, 0));
/// # Ok::<(), folio::Error>(())
/// ```
///
/// With the feature `allocator-api2`, `&Arena` is an `Allocator`: for `Vec` and `Box` of that
/// crate, and for hashbrown's maps.
///
/// Threads: an arena is `Sync`. The end is moved by compare-exchange, and only mapping a step takes
/// a lock. Sharing one between threads costs them a contended cache line; an arena for each is
/// faster.
pub struct Arena {
    space: Reservation,
    options: MapOptions,
    /// Bytes of the pages that steps are made of, and the alignment of the space.
    page: usize,
    used: AtomicUsize,
    committed: AtomicUsize,
    steps: Mutex<Vec<Mapping>>,
}

impl Arena {
    /// An arena with room for `capacity` bytes, of ordinary pages.
    ///
    /// # Errors
    /// ENOMEM where no address space of that length is free, and [`ErrorKind::OutOfRange`] for a
    /// capacity of 0 or one that overflows.
    pub fn new(capacity: usize) -> Result<Self> {
        MapOptions::new().arena(capacity)
    }

    /// Address of its first byte.
    pub fn address(&self) -> usize {
        self.space.address()
    }

    /// Bytes it has room for.
    pub fn capacity(&self) -> usize {
        self.space.len()
    }

    /// Bytes handed out, with what alignment and freed pieces take.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Bytes mapped so far. Those never touched take no memory yet.
    pub fn committed(&self) -> usize {
        self.committed.load(Relaxed)
    }

    /// Moves a value into the arena. It is never dropped.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    #[expect(clippy::mut_from_ref, reason = "each call returns bytes of its own")]
    pub fn alloc<T>(&self, value: T) -> Result<&mut T> {
        let place = self.alloc_layout(Layout::new::<T>())?.cast::<T>();
        // SAFETY: `place` is valid for writes of `T`, aligned for it, and nobody else's
        // (`alloc_layout`); it stays mapped as long as the arena is borrowed.
        unsafe {
            place.write(value);
            Ok(&mut *place.as_ptr())
        }
    }

    /// Copies a slice into the arena.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    #[expect(clippy::mut_from_ref, reason = "each call returns bytes of its own")]
    pub fn alloc_slice<T: Copy>(&self, slice: &[T]) -> Result<&mut [T]> {
        let place = self.alloc_layout(Layout::for_value(slice))?.cast::<T>();
        // SAFETY: as in `alloc`, for `slice.len()` values, which `slice` cannot overlap since they
        // were nobody's until now.
        unsafe {
            ptr::copy_nonoverlapping(slice.as_ptr(), place.as_ptr(), slice.len());
            Ok(core::slice::from_raw_parts_mut(place.as_ptr(), slice.len()))
        }
    }

    /// Bytes of a size and alignment, valid for reads and writes as long as the arena is neither
    /// reset nor dropped. Their content is arbitrary. A size of 0 takes no bytes.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] where the capacity is used up, and what
    /// [`MapOptions::anonymous`] fails with: ENOMEM, say.
    pub fn alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>> {
        if layout.size() == 0 {
            return Ok(dangling(layout));
        }
        let base = self.address();
        let mut used = self.used.load(Acquire);
        loop {
            let start = round_up(base + used, layout.align()).map(|address| address - base);
            let end = start.and_then(|start| start.checked_add(layout.size()));
            let (Some(start), Some(end)) = (start, end) else { return Err(self.full(layout)) };
            self.commit(end, layout)?;
            match self.used.compare_exchange_weak(used, end, AcqRel, Acquire) {
                Ok(_) => return Ok(self.pointer(start)),
                Err(now) => used = now,
            }
        }
    }

    /// Gives all memory back to the kernel; the address space stays reserved. Whatever was
    /// allocated is gone, which the borrow checker sees to.
    ///
    /// # Errors
    /// What mmap(2) fails with: ENOMEM at the limit of mappings (vm.max_map_count). The arena can be
    /// reset again.
    pub fn reset(&mut self) -> Result<()> {
        *self.used.get_mut() = 0;
        let steps = self.steps.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        while let Some(step) = steps.pop() {
            let len = step.len();
            if let Err(refused) = step.close() {
                let (step, error) = refused.into_parts();
                steps.push(step);
                return Err(error);
            }
            *self.committed.get_mut() -= len;
        }
        Ok(())
    }

    /// Makes sure that bytes up to `end` are mapped.
    fn commit(&self, end: usize, layout: Layout) -> Result<()> {
        if end <= self.committed.load(Acquire) { Ok(()) } else { self.commit_step(end, layout) }
    }

    #[cold]
    fn commit_step(&self, end: usize, layout: Layout) -> Result<()> {
        if end > self.capacity() {
            return Err(self.full(layout));
        }
        let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let committed = self.committed.load(Relaxed);
        if end <= committed {
            return Ok(());
        }
        let left = self.capacity() - committed;
        let whole = |len| round_up(len, self.page).map_or(left, |len| len.min(left));
        let least = whole(end - committed);
        let len = whole(committed.clamp(*STEPS.start(), *STEPS.end())).max(least);
        let map = |len| self.options.clone().inside(&self.space, committed).anonymous(len);
        let step = map(len).or_else(|error| match error.raw_os_error() {
            // Near a limit a small step may do where a large one does not.
            Some(libc::ENOMEM) if least < len => map(least),
            _ => Err(error),
        })?;
        let len = step.len();
        steps.push(step);
        self.committed.store(committed + len, Release);
        Ok(())
    }

    #[cold]
    fn full(&self, layout: Layout) -> Error {
        let reason = format!(
            "{} bytes exceed its capacity of {}, of which {} are used",
            layout.size(),
            self.capacity(),
            self.used()
        );
        Error::kind_of(ALLOCATE, &Backing::ANONYMOUS, ErrorKind::OutOfRange, reason)
            .hint("make it with a larger one: address space costs nothing")
    }

    fn pointer(&self, at: usize) -> NonNull<u8> {
        // The reservation's addresses were exposed when it was mapped, and are never null.
        let pointer = ptr::with_exposed_provenance_mut(self.address() + at);
        NonNull::new(pointer).expect("a reservation does not begin at address 0")
    }
}

fn dangling(layout: Layout) -> NonNull<u8> {
    // An alignment is never 0.
    NonNull::new(ptr::without_provenance_mut(layout.align())).expect("an alignment is not 0")
}

impl MapOptions {
    /// An [`Arena`] with room for `capacity` bytes, whose steps are mapped with these options: huge
    /// pages from the pool or transparent ones, populated, locked, named.
    ///
    /// ```
    /// let arena = folio::MapOptions::new().transparent_huge_pages().arena(64 << 30)?;
    /// arena.alloc(7)?;
    /// assert!(arena.committed() < 64 << 20);
    /// # Ok::<(), folio::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Arena::new`]; [`ErrorKind::Invalid`] for options that place the memory, for shared or
    /// droppable memory or another protection than reading and writing, and for huge pages that are
    /// not reserved.
    pub fn arena(&self, capacity: usize) -> Result<Arena> {
        let both = Protection::READ | Protection::WRITE;
        let reason = if !matches!(self.placement, Placement::Anywhere) {
            Some("an arena is placed by its reservation")
        } else if self.sharing == Some(Sharing::Shared)
            || self.protection.is_some_and(|protection| protection != both)
            || self.droppable
        {
            Some("the memory of an arena is private, readable and writable")
        } else if self.huge.is_some() && self.no_reserve {
            Some("an arena cannot do without huge pages that turn out to be missing")
        } else {
            None
        };
        if let Some(reason) = reason {
            let none = &Backing::ANONYMOUS;
            return Err(Error::kind_of("make an arena of", none, ErrorKind::Invalid, reason));
        }
        let base = rustix::param::page_size();
        let transparent = if self.transparent { crate::HugePage::Mib2.bytes() } else { base };
        let page = self.huge.map_or(transparent, crate::HugePage::bytes);
        let capacity = round_up(capacity, page).unwrap_or(usize::MAX);
        Ok(Arena {
            space: Reservation::aligned(capacity, page)?,
            options: self.clone().private().write(),
            page,
            used: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            steps: Mutex::default(),
        })
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, committed) = (self.used(), self.committed());
        write!(f, "Arena({used} used, {committed} committed of {:?})", self.space)
    }
}

#[cfg(feature = "allocator-api2")]
mod allocator {
    use allocator_api2::alloc::{AllocError, Allocator};

    use super::{AcqRel, Acquire, Arena, Layout, NonNull, Relaxed, dangling, ptr};

    impl Arena {
        fn offset(&self, pointer: NonNull<u8>) -> usize {
            pointer.addr().get() - self.address()
        }

        /// Moves the end of the last allocation. False if `start..old_end` is not the last.
        fn move_end(&self, old_end: usize, new_end: usize) -> bool {
            self.used.compare_exchange(old_end, new_end, AcqRel, Relaxed).is_ok()
        }

        fn piece(pointer: NonNull<u8>, layout: Layout) -> NonNull<[u8]> {
            NonNull::slice_from_raw_parts(pointer, layout.size())
        }

        /// # Safety
        /// As [`Allocator::grow`] and [`Allocator::shrink`].
        unsafe fn move_to(
            &self,
            from: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let to = self.allocate(new)?;
            let count = old.size().min(new.size());
            // SAFETY: `from` is valid for `old.size()` bytes (caller), `to` for `new.size()`, and
            // they do not overlap, as both belong to somebody.
            unsafe {
                ptr::copy_nonoverlapping(from.as_ptr(), to.cast::<u8>().as_ptr(), count);
                self.deallocate(from, old);
            }
            Ok(to)
        }
    }

    // SAFETY: (Allocator's contract) a block stays valid until it is deallocated or the arena is
    // reset or dropped, and every `&Arena` that a block's owner holds forbids the latter two. A
    // copy of `&Arena` is the same arena. No two blocks overlap (module invariant): a block is
    // either the bytes that one compare-exchange moved `used` across, or of size 0.
    unsafe impl Allocator for &Arena {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            let start = self.alloc_layout(layout).map_err(|_| AllocError)?;
            Ok(Arena::piece(start, layout))
        }

        unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
            if layout.size() > 0 {
                let start = self.offset(pointer);
                self.move_end(start + layout.size(), start);
            }
        }

        unsafe fn grow(
            &self,
            pointer: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let aligned = pointer.addr().get().is_multiple_of(new.align());
            if old.size() > 0 && aligned {
                let start = self.offset(pointer);
                let (old_end, new_end) = (start + old.size(), start.checked_add(new.size()));
                // Not the last any more, or no room: `move_to` finds out which.
                if let Some(new_end) = new_end
                    && self.used.load(Acquire) == old_end
                    && self.commit(new_end, new).is_ok()
                    && self.move_end(old_end, new_end)
                {
                    return Ok(Arena::piece(pointer, new));
                }
            }
            // SAFETY: forwarded to the caller.
            unsafe { self.move_to(pointer, old, new) }
        }

        unsafe fn shrink(
            &self,
            pointer: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            if new.size() == 0 {
                // SAFETY: forwarded to the caller.
                unsafe { self.deallocate(pointer, old) };
                return Ok(Arena::piece(dangling(new), new));
            }
            if !pointer.addr().get().is_multiple_of(new.align()) {
                // SAFETY: forwarded to the caller.
                return unsafe { self.move_to(pointer, old, new) };
            }
            let start = self.offset(pointer);
            self.move_end(start + old.size(), start + new.size());
            Ok(Arena::piece(pointer, new))
        }
    }
}
