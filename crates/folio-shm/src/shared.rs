//! What may be shared: types of which any bytes are a value, and whose bytes tell nothing but it.
//!
#![cfg_attr(feature = "derive", doc = "```")]
#![cfg_attr(not(feature = "derive"), doc = "```ignore")]
//! use folio_shm::{Segment, Shared};
//!
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Price {
//!     nanos: u64,
//!     cents: i64,
//!     symbol: [u8; 8],
//! }
//!
//! let options = Segment::options().create().size(4096).layout(Price::LAYOUT);
//! let segment = options.memfd("prices")?;
//! segment.put(0, &Price { nanos: 1, cents: 9_95, symbol: *b"FOLIO   " })?;
//! let price: Price = segment.get(0)?;
//! assert_eq!((price.cents, &price.symbol), (995, b"FOLIO   "));
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! Values are copied in and out, so that they hold still while they are looked at. That they mean
//! something is for the reader to check: any bytes are a value, and a peer may write any.
//!
//! What a program's own traits cannot say it checks itself: [`Shared::LAYOUT`] changes with the
//! names, order, places and types of the fields, and two programs that agree on it agree on the bytes
//! (see [`SegmentOptions::layout`](crate::SegmentOptions::layout)).
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::segment::Segment;

/// Types that may be shared between processes. With the feature `derive` there is a derive of it, for
/// structures with `#[repr(C)]` or `#[repr(transparent)]` whose fields may be shared and leave no gaps.
///
/// # Safety
/// - Any bytes are a value: no `bool`, `char`, reference, enum, `NonZero`.
/// - All of its bytes are initialised: no padding, which would carry whatever lay there before to other
///   processes.
/// - It means the same in every process: no pointer, address or descriptor's ownership. Nor does it have
///   interior mutability, `Copy` sees to it that there is no destructor.
pub unsafe trait Shared: Copy + 'static {
    /// A number for its layout: equal for equal ones, and else most likely not.
    const LAYOUT: u64;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(
            // SAFETY: a number without padding, of which any bytes are a value.
            unsafe impl Shared for $type {
                const LAYOUT: u64 = header::hash(stringify!($type).as_bytes());
            }
        )*
    };
}
numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

// SAFETY: as for numbers: processes with this crate are all of 64 bits.
unsafe impl Shared for usize {
    const LAYOUT: u64 = header::hash(b"usize");
}

// SAFETY: as for `usize`.
unsafe impl Shared for isize {
    const LAYOUT: u64 = header::hash(b"isize");
}

// SAFETY: no bytes.
unsafe impl Shared for () {
    const LAYOUT: u64 = header::hash(b"()");
}

// SAFETY: elements follow each other without gaps (Rust reference, type layout).
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {
    const LAYOUT: u64 = layout_of("[]", size_of::<Self>(), &[("", N, T::LAYOUT)]);
}

/// A number for the layout of a structure, from its name, its size in bytes, and for each field its name,
/// place and layout. For the derive.
#[doc(hidden)]
pub const fn layout_of(name: &str, size: usize, fields: &[(&str, usize, u64)]) -> u64 {
    const fn mix(hash: u64, more: u64) -> u64 {
        let mut both = [0; 16];
        let (left, right) = (hash.to_le_bytes(), more.to_le_bytes());
        let mut at = 0;
        while at < 8 {
            both[at] = left[at];
            both[at + 8] = right[at];
            at += 1;
        }
        header::hash(&both)
    }
    let mut hash = mix(header::hash(name.as_bytes()), size as u64);
    let mut at = 0;
    while at < fields.len() {
        let (name, place, layout) = fields[at];
        hash = mix(mix(mix(hash, header::hash(name.as_bytes())), place as u64), layout);
        at += 1;
    }
    hash
}

/// The bytes of a value.
pub(crate) fn bytes_of<T: Shared>(value: &T) -> &[u8] {
    // SAFETY: a `T` has no bytes that are not initialised, and does not change while it is borrowed.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

/// A value whose bytes `fill` supplies.
pub(crate) fn value_of<T: Shared>(fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `value` has room for one `T`, all of whose bytes are initialised; nothing else refers to it as
    // long as the slice lives.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()) };
    fill(bytes)?;
    // SAFETY: any bytes are a `T`.
    Ok(unsafe { value.assume_init() })
}

impl Segment {
    /// A copy of the value whose bytes begin at position `at`, which need not be aligned.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn get<T: Shared>(&self, at: usize) -> Result<T> {
        value_of(|bytes| self.read_at(at, bytes))
    }

    /// Copies a value to position `at`, which need not be aligned.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn put<T: Shared>(&self, at: usize, value: &T) -> Result<()> {
        self.write_at(at, bytes_of(value))
    }
}

/// A pointer that means the same in every process: a place in a segment, counted from its start.
///
/// It is followed through the segment it belongs to, which checks it each time; a peer may write any
/// number. All zeros is null.
///
/// ```
/// use folio_shm::{RelPtr, Segment};
///
/// let segment = Segment::options().create().size(4096).memfd("linked")?;
/// let there = RelPtr::<u64>::at(1000);
/// there.put(&segment, &7)?;
/// segment.put(0, &there)?; // where others look for it
///
/// let found: RelPtr<u64> = segment.get(0)?;
/// assert_eq!(found.get(&segment)?, 7);
/// assert!(RelPtr::<u64>::at(4090).get(&segment).is_err());
/// # Ok::<(), folio_shm::Error>(())
/// ```
#[repr(transparent)]
pub struct RelPtr<T> {
    /// Bytes from the start of the header, which no pointer points to: 0 is null.
    offset: u64,
    target: PhantomData<fn() -> T>,
}

impl<T: Shared> RelPtr<T> {
    /// A pointer to nothing.
    pub const NULL: Self = Self::from_offset(0);

    const fn from_offset(offset: u64) -> Self {
        Self { offset, target: PhantomData }
    }

    /// A pointer to position `at` of the payload.
    #[must_use]
    pub const fn at(at: usize) -> Self {
        Self::from_offset((at as u64).saturating_add(header::BYTES as u64))
    }

    /// The position in the payload, if it points to one. It may lie behind the end.
    #[must_use]
    pub fn position(self) -> Option<usize> {
        self.offset.checked_sub(header::BYTES as u64).map(|at| at as usize)
    }

    /// Whether it points to nothing.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.offset == 0
    }

    /// A pointer to the value `count` values further on.
    #[must_use]
    pub fn nth(self, count: usize) -> Self {
        if self.is_null() {
            return self;
        }
        let step = (count as u64).saturating_mul(size_of::<T>() as u64);
        Self::from_offset(self.offset.saturating_add(step))
    }

    /// A copy of the value it points to.
    ///
    /// # Errors
    /// As [`Segment::get`]; [`ErrorKind::OutOfRange`] for null too.
    pub fn get(self, segment: &Segment) -> Result<T> {
        segment.get(self.follow("read", segment)?)
    }

    /// Copies a value to where it points.
    ///
    /// # Errors
    /// As [`Segment::put`]; [`ErrorKind::OutOfRange`] for null too.
    pub fn put(self, segment: &Segment, value: &T) -> Result<()> {
        segment.put(self.follow("write", segment)?, value)
    }

    fn follow(self, operation: &'static str, segment: &Segment) -> Result<usize> {
        self.position().ok_or_else(|| {
            let reason = match self.is_null() {
                true => "the pointer is null",
                false => "the pointer points into the header",
            };
            Error::new(ErrorKind::OutOfRange, operation, segment.show(), reason)
        })
    }
}

// SAFETY: transparent around a number, of which any bytes are a value; the rest has no bytes.
unsafe impl<T: Shared> Shared for RelPtr<T> {
    const LAYOUT: u64 = layout_of("RelPtr", size_of::<Self>(), &[("", 0, T::LAYOUT)]);
}

impl<T> Clone for RelPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RelPtr<T> {}

impl<T> PartialEq for RelPtr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset
    }
}

impl<T> Eq for RelPtr<T> {}

impl<T> fmt::Debug for RelPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset.checked_sub(header::BYTES as u64) {
            Some(at) => write!(f, "RelPtr({at})"),
            None => write!(f, "RelPtr(null)"),
        }
    }
}
