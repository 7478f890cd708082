//! Atomic words in a mapping: read, written and exchanged whole, seen by every thread and process
//! that maps the same bytes.
//!
//! ```
//! let shared = folio::Mapping::options().write().anonymous(4096)?;
//! let counter = shared.view().atomic_u64(8)?;
//! counter.fetch_add(2)?;
//! assert_eq!(counter.compare_exchange(2, 40)?, Ok(2));
//! assert_eq!(counter.load()?, 40);
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Every operation is sequentially consistent among atomic operations on the same bytes, folio's,
//! Rust's ([`core::sync::atomic`] through other mappings) and C's alike.
#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

use crate::View;
use crate::arch::{Returned, Word};
use crate::error::{Error, Result};

/// A word of a mapping, `u32` or `u64`, in the machine's byte order. Made by
/// [`View::atomic_u32`] and [`View::atomic_u64`].
///
/// Each operation fails with [`ErrorKind::Fault`](crate::ErrorKind::Fault) where the word's page
/// cannot be had; it has not happened then, for anybody.
#[derive(Clone, Copy)]
pub struct Atomic<'a, T> {
    view: View<'a>,
    position: usize,
    word: PhantomData<T>,
}

impl<'a> View<'a> {
    /// The 4 bytes at position `at` as an atomic word.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::ErrorKind::OutOfRange), or
    /// [`ErrorKind::Misaligned`](crate::ErrorKind::Misaligned) if their address is not a multiple
    /// of 4.
    pub fn atomic_u32(&self, at: usize) -> Result<Atomic<'a, u32>> {
        Atomic::at(*self, at)
    }

    /// The 8 bytes at position `at` as an atomic word.
    ///
    /// # Errors
    /// As [`atomic_u32`](Self::atomic_u32), with 8 for 4.
    pub fn atomic_u64(&self, at: usize) -> Result<Atomic<'a, u64>> {
        Atomic::at(*self, at)
    }
}

impl<'a, T> Atomic<'a, T> {
    fn at(view: View<'a>, at: usize) -> Result<Self> {
        let position = view.locate("reach a word in", at, size_of::<T>())?;
        if !view.byte(position).addr().is_multiple_of(size_of::<T>()) {
            return Err(view.misaligned("reach a word in", at, size_of::<T>()));
        }
        Ok(Self { view, position, word: PhantomData })
    }

    #[inline]
    fn run(&self, operation: impl Fn(*mut u8) -> Returned) -> Result<u64> {
        let Returned { value, sign } = operation(self.view.byte(self.position));
        let value = if sign == 0 { value } else { self.run_again(sign, operation)? };
        // Looked at last, as in `View::each`.
        if !self.view.is_whole() {
            self.view.unpatched(self.position, size_of::<T>())?;
        }
        Ok(value)
    }

    #[cold]
    fn run_again(&self, mut sign: u64, operation: impl Fn(*mut u8) -> Returned) -> Result<u64> {
        let mut tries = 0;
        loop {
            self.view.ask(self.position, sign, &mut tries).map_err(Error::from)?;
            let returned = operation(self.view.byte(self.position));
            if returned.sign == 0 {
                return Ok(returned.value);
            }
            sign = returned.sign;
        }
    }
}

macro_rules! operations {
    ($type:ty) => {
        impl Atomic<'_, $type> {
            /// Reads the word.
            ///
            /// # Errors
            /// See [`Atomic`]; the same holds for every operation.
            #[inline]
            pub fn load(&self) -> Result<$type> {
                // SAFETY: `at` has checked that the word lies in the region and is aligned, for
                // every operation here.
                self.run(move |at| unsafe { <$type>::load(at) }).map(|word| word as $type)
            }

            /// Writes the word.
            ///
            /// # Errors
            /// See [`Atomic`].
            #[inline]
            pub fn store(&self, new: $type) -> Result<()> {
                self.swap(new).map(drop)
            }

            /// Writes the word and returns what it was.
            ///
            /// # Errors
            /// See [`Atomic`].
            #[inline]
            pub fn swap(&self, new: $type) -> Result<$type> {
                // SAFETY: as in `load`.
                self.run(move |at| unsafe { <$type>::swap(at, new) }).map(|word| word as $type)
            }

            /// Writes `new` if the word is `current`. `Ok(Ok(was))` if it was, `Ok(Err(was))` if
            /// it was something else.
            ///
            /// # Errors
            /// See [`Atomic`].
            #[inline]
            pub fn compare_exchange(
                &self,
                current: $type,
                new: $type,
            ) -> Result<core::result::Result<$type, $type>> {
                let exchange = move |at| {
                    // SAFETY: as in `load`.
                    unsafe { <$type>::exchange(at, current, new) }
                };
                let was = self.run(exchange)? as $type;
                Ok(if was == current { Ok(was) } else { Err(was) })
            }

            /// Adds, wrapping around, and returns what the word was.
            ///
            /// # Errors
            /// See [`Atomic`].
            #[inline]
            pub fn fetch_add(&self, value: $type) -> Result<$type> {
                // SAFETY: as in `load`.
                self.run(move |at| unsafe { <$type>::add(at, value) }).map(|word| word as $type)
            }

            /// Replaces the word by `change` of it, and returns what it was; `change` runs again
            /// where others were faster.
            ///
            /// # Errors
            /// See [`Atomic`].
            pub fn fetch_update(&self, change: impl Fn($type) -> $type) -> Result<$type> {
                let mut word = self.load()?;
                loop {
                    match self.compare_exchange(word, change(word))? {
                        Ok(was) => return Ok(was),
                        Err(now) => word = now,
                    }
                }
            }
        }
    };
}
operations!(u32);
operations!(u64);

impl<T> fmt::Debug for Atomic<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Atomic<{}>({} of {:?})", core::any::type_name::<T>(), self.position, self.view)
    }
}
