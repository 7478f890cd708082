//! Typed access: values of types whose every byte pattern is a value, by the traits of the crate
//! [`zerocopy`]. Feature `zerocopy`.
//!
//! ```
//! use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//! # use zerocopy::byteorder::little_endian::U32;
//! #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! struct Record {
//!     id: U32,
//!     name: [u8; 12],
//! }
//! let mut memory = folio::Memory::new(4096)?;
//! let record = memory.value_mut::<Record>(16)?;
//! record.id = 7.into();
//! record.name = *b"the seventh ";
//!
//! let map = memory.into_mapping();
//! let copy: Record = map.read_value(16)?;
//! assert_eq!((copy.id.get(), &copy.name), (7, b"the seventh "));
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Copies go to and from any position. References need aligned ones, and bytes that hold still:
//! those of [`Memory`] and [`Stable`].
#![allow(unsafe_code)]

use core::mem::MaybeUninit;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::error::{Error, ErrorKind, Result};
use crate::range::fits;
use crate::{Mapping, Memory, Sealed, Stable, View};

impl View<'_> {
    /// A copy of the value whose bytes begin at position `at`, which need not be aligned.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read_value<T: FromBytes>(&self, at: usize) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `value` has room for one `T`. Zeroing it in place initialises each of its bytes,
        // padding included, for the slice of as many bytes that follows, which is gone before
        // `value` is touched again.
        let bytes = unsafe {
            value.as_mut_ptr().write_bytes(0, 1);
            core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>())
        };
        self.read_at(at, bytes)?;
        // SAFETY: all bytes are initialised, and any are a `T` (`FromBytes`).
        Ok(unsafe { value.assume_init() })
    }

    /// Copies a value to position `at`, which need not be aligned.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn write_value<T: IntoBytes + Immutable + ?Sized>(
        &self,
        at: usize,
        value: &T,
    ) -> Result<()> {
        self.write_at(at, value.as_bytes())
    }
}

macro_rules! copies {
    ($type:ty) => {
        impl $type {
            /// A copy of the value whose bytes begin at position `at`, which need not be aligned.
            ///
            /// # Errors
            /// As [`View::read_at`].
            pub fn read_value<T: FromBytes>(&self, at: usize) -> Result<T> {
                self.view().read_value(at)
            }

            /// Copies a value to position `at`, which need not be aligned.
            ///
            /// # Errors
            /// As [`View::write_at`].
            pub fn write_value<T: IntoBytes + Immutable + ?Sized>(
                &self,
                at: usize,
                value: &T,
            ) -> Result<()> {
                self.view().write_value(at, value)
            }
        }
    };
}
copies!(Mapping);
copies!(Sealed);

/// The `count` values of type `T` at position `at`, as bytes; or why not.
fn locate<T>(backing: &crate::Backing, bytes: &[u8], at: usize, count: usize) -> Result<usize> {
    const REACH: &str = "reach a value in";
    let size = size_of::<T>().saturating_mul(count);
    if !fits(at, size, bytes.len()) {
        let asked = at..at.saturating_add(size);
        return Err(Error::out_of_range(REACH, backing, &asked, bytes.len()));
    }
    if !bytes.as_ptr().wrapping_add(at).addr().is_multiple_of(align_of::<T>()) {
        let align = align_of::<T>();
        let reason = format!("position {at} is not aligned to {align} bytes in memory");
        return Err(Error::kind_of(REACH, backing, ErrorKind::Misaligned, reason));
    }
    Ok(at + size)
}

/// What `locate` has checked.
const FITS: &str = "bytes of the right number and alignment";

macro_rules! references {
    ($type:ty) => {
        impl $type {
            /// The value whose bytes begin at position `at`.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`] if they do not all lie within,
            /// [`ErrorKind::Misaligned`] if their address is not a multiple of the alignment of
            /// `T`.
            pub fn value<T: FromBytes + KnownLayout + Immutable>(&self, at: usize) -> Result<&T> {
                let end = locate::<T>(self.backing(), self, at, 1)?;
                Ok(T::ref_from_bytes(&self[at..end]).expect(FITS))
            }

            /// The `count` values whose bytes begin at position `at`.
            ///
            /// # Errors
            /// As [`value`](Self::value).
            pub fn values<T: FromBytes + Immutable>(
                &self,
                at: usize,
                count: usize,
            ) -> Result<&[T]> {
                let end = locate::<T>(self.backing(), self, at, count)?;
                let bytes = &self[at..end];
                Ok(<[T]>::ref_from_bytes_with_elems(bytes, count).expect(FITS))
            }
        }
    };
}
references!(Memory);
references!(Stable);

impl Memory {
    /// The value whose bytes begin at position `at`, to be changed.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_mut<T: FromBytes + IntoBytes + KnownLayout>(
        &mut self,
        at: usize,
    ) -> Result<&mut T> {
        let end = locate::<T>(self.backing(), self, at, 1)?;
        Ok(T::mut_from_bytes(&mut self[at..end]).expect(FITS))
    }

    /// The `count` values whose bytes begin at position `at`, to be changed.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn values_mut<T: FromBytes + IntoBytes + Immutable>(
        &mut self,
        at: usize,
        count: usize,
    ) -> Result<&mut [T]> {
        let end = locate::<T>(self.backing(), self, at, count)?;
        let bytes = &mut self[at..end];
        Ok(<[T]>::mut_from_bytes_with_elems(bytes, count).expect(FITS))
    }
}
