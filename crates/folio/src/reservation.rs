//! A reservation: address space without memory, in which mappings are placed at chosen addresses.
//!
//! It is the safe form of MAP_FIXED, which replaces whatever lies at an address: inside a
//! reservation only the reservation itself can be replaced.
//!
//! ```
//! use folio::{Mapping, Reservation};
//! let space = Reservation::new(1 << 30)?;
//! let map = Mapping::options().inside(&space, 8192).open("Cargo.toml")?;
//! assert_eq!(map.address(), space.address() + 8192);
//! drop(map); // the addresses belong to the reservation again
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Invariants:
//! - Every address of a reservation is mapped from `new` until the last of the reservation and the
//!   mappings in it is dropped: PROT_NONE, or one mapping that `taken` lists. So the kernel never
//!   gives any of it to somebody else.
//! - The mutex guards `taken`, and is held across the system call that changes what it lists.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Result};
use crate::range::{fits, round_up};
use crate::spare;
use crate::sys::{self, Errno};
use crate::{Backing, MapOptions, Mapping};

const RESERVE: &str = "reserve";

/// Address space without memory (PROT_NONE, mmap(2)), for mappings at chosen addresses.
///
/// Costs no memory. Limited by the address space (128 TiB on x86-64) and RLIMIT_AS.
#[derive(Clone)]
pub struct Reservation(Arc<Inner>);

struct Inner {
    start: usize,
    len: usize,
    /// Start and end, from the reservation's start, of each mapping placed in it.
    taken: Mutex<BTreeMap<usize, usize>>,
    /// The process that has all of it, once a forked child may lack a part; otherwise 0.
    only_in: AtomicU32,
}

impl Reservation {
    /// Reserves `len` bytes of address space, rounded up to whole pages.
    ///
    /// # Errors
    /// ENOMEM where no such range is free or RLIMIT_AS is reached (mmap(2)), and
    /// [`ErrorKind::OutOfRange`] for a length of 0 or one that overflows.
    pub fn new(len: usize) -> Result<Self> {
        Self::aligned(len, page_size())
    }

    /// Reserves `len` bytes whose address is a multiple of `align`, a power of two: 2 MiB, say, so
    /// that huge pages fit.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`ErrorKind::Misaligned`] if `align` is not a power of two.
    pub fn aligned(len: usize, align: usize) -> Result<Self> {
        let none = Backing::ANONYMOUS;
        if !align.is_power_of_two() {
            let reason = format!("an alignment of {align} is not a power of two");
            return Err(Error::kind_of(RESERVE, &none, ErrorKind::Misaligned, reason));
        }
        let slack = align.saturating_sub(page_size());
        let sizes = round_up(len, page_size()).filter(|&len| len > 0);
        let Some((len, whole)) = sizes.and_then(|len| Some((len, len.checked_add(slack)?))) else {
            let reason = format!("{len} bytes is no length of address space");
            return Err(Error::kind_of(RESERVE, &none, ErrorKind::OutOfRange, reason));
        };
        let os = |errno| {
            Error::os(RESERVE, &none, errno)
                .hint_for(libc::ENOMEM, "raise the limit (ulimit -v) or reserve less")
        };
        // SAFETY: without MAP_FIXED no existing mapping is touched.
        let got = unsafe { sys::map(0, whole, ProtFlags::empty(), flags(), None) }.map_err(os)?;
        let start = got.next_multiple_of(align);
        for (at, len) in [(got, start - got), (start + len, got + whole - start - len)] {
            if len > 0 {
                // SAFETY: the ends of the range that was mapped just now, unknown to anybody.
                let _ = unsafe { sys::unmap(at, len) };
            }
        }
        Ok(Self(Arc::new(Inner {
            start,
            len,
            taken: Mutex::default(),
            only_in: AtomicU32::new(0),
        })))
    }

    /// Address of its first byte, a multiple of the page size.
    pub fn address(&self) -> usize {
        self.0.start
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// The ranges that hold mappings now, in order, in bytes from the reservation's start.
    pub fn taken(&self) -> Vec<Range<usize>> {
        self.0.taken().iter().map(|(&start, &end)| start..end).collect()
    }

    /// Commits private memory, readable and writable, at `at` bytes from the start.
    ///
    /// # Errors
    /// As [`MapOptions::anonymous`] with [`MapOptions::inside`].
    pub fn commit(&self, at: usize, len: usize) -> Result<Mapping> {
        MapOptions::new().write().private().inside(self, at).anonymous(len)
    }

    /// Takes `len` bytes at `at` and has `map` put a mapping over them. If it fails, it has left
    /// what was there.
    pub(crate) fn place(
        &self,
        at: usize,
        len: usize,
        backing: &Backing,
        map: impl FnOnce(usize) -> Result<usize, Errno>,
    ) -> Result<Space, PlaceError> {
        let kind_of =
            |kind, reason| PlaceError::Refused(Error::kind_of("map", backing, kind, reason));
        if !fits(at, len, self.0.len) {
            let reason = format!("it does not fit into the {} reserved bytes", self.0.len);
            return Err(kind_of(ErrorKind::OutOfRange, reason));
        }
        let mut taken = self.0.taken();
        let before = taken.range(..at + len).next_back();
        if before.is_some_and(|(_, &end)| end > at) {
            let reason = format!("bytes {at}..{} of the reservation are taken", at + len);
            return Err(kind_of(ErrorKind::Occupied, reason));
        }
        map(self.0.start + at).map_err(PlaceError::Os)?;
        taken.insert(at, at + len);
        Ok(Space { inner: Arc::clone(&self.0), at, len })
    }
}

/// Why a mapping could not be placed.
pub(crate) enum PlaceError {
    Os(Errno),
    Refused(Error),
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, BTreeMap<usize, usize>> {
        self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let only_in = *self.only_in.get_mut();
        if only_in != 0 && only_in != std::process::id() {
            // Other things may have come to lie in the part that this process did not inherit.
            return;
        }
        // SAFETY: the reservation owns these addresses, and no mapping lies in them any more, as
        // each holds a reference to `self`.
        let _ = unsafe { sys::unmap(self.start, self.len) };
    }
}

fn flags() -> MapFlags {
    MapFlags::PRIVATE | MapFlags::NORESERVE
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { start, len, .. } = *self.0;
        write!(f, "Reservation({start:#x}..{:#x}, taken {:?})", start + len, self.taken())
    }
}

/// The part of a reservation that a mapping occupies.
pub(crate) struct Space {
    inner: Arc<Inner>,
    at: usize,
    len: usize,
}

impl Space {
    /// Says that a forked child of this process does not inherit the space.
    pub(crate) fn set_only_in(&self, process: u32) {
        self.inner.only_in.store(process, Ordering::Relaxed);
    }

    /// Makes the addresses plain reserved space again.
    pub(crate) fn give_back(&mut self) -> Result<(), Errno> {
        let mut taken = self.inner.taken();
        let start = self.inner.start + self.at;
        let (protection, flags) = (ProtFlags::empty(), flags() | MapFlags::FIXED);
        // SAFETY: the range lies in the reservation and `taken` lists it for this mapping only,
        // which is going away.
        spare::with_room(|| unsafe { sys::map(start, self.len, protection, flags, None) })?;
        taken.remove(&self.at);
        Ok(())
    }

    /// Divides the space `at` bytes from its start.
    pub(crate) fn split(self, at: usize) -> (Self, Self) {
        assert!(0 < at && at < self.len);
        let (start, end) = (self.at, self.at + self.len);
        let mut taken = self.inner.taken();
        taken.insert(start, start + at);
        taken.insert(start + at, end);
        drop(taken);
        let right = Self { inner: Arc::clone(&self.inner), at: start + at, len: end - start - at };
        (Self { len: at, ..self }, right)
    }

    /// Whether `other` begins where this ends, in the same reservation.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) && self.at + self.len == other.at
    }

    /// One space of two that meet.
    pub(crate) fn join(self, other: Self) -> Self {
        assert!(self.meets(&other));
        let len = self.len + other.len;
        let mut taken = self.inner.taken();
        taken.remove(&other.at);
        taken.insert(self.at, self.at + len);
        drop(taken);
        Self { len, ..self }
    }
}
