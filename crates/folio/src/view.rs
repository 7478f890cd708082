//! The volatile view: a mapping's bytes, touched by copying, with faults as errors.
//!
//! No reference to the bytes ever exists, so others may change them at any time, other threads,
//! processes or machines among them, and the program stays sound. A copy is made by instructions
//! of folio's own (`src/arch/`); a page that cannot be had ends the copy, and the
//! [`Fault`] says how far it got.
//!
//! ```
//! let map = folio::Mapping::open("Cargo.toml")?;
//! let view = map.view();
//! let mut word = [0; 9];
//! view.read_at(0, &mut word)?;
//! assert_eq!(&word, b"[package]");
//! for chunk in view.chunks(1000) {
//!     let bytes = chunk.to_vec()?;
//!     assert!(bytes.len() <= 1000);
//! }
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! What a copy guarantees: each byte read was in the mapping at some time during the call. Bytes
//! that others change meanwhile may come from before or after the change. For words that must be
//! read whole there are [`View::atomic_u32`] and [`View::atomic_u64`].
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Range, RangeBounds};
use std::io;

use crate::arch::{self, Returned};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Ask, Explained, Fault, FaultKind, Sign};
use crate::range::{fits, resolve};
use crate::region::Region;
use crate::{Backing, Cursor};

/// How often an access is tried whose fault turns out to have passed.
const TRIES: usize = 64;

/// A range of a mapping's bytes, to be touched by copying. See the [module](self) documentation.
#[derive(Clone, Copy)]
pub struct View<'a> {
    region: &'a Region,
    start: usize,
    len: usize,
}

impl<'a> View<'a> {
    #[inline]
    pub(crate) fn new(region: &'a Region, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= region.len());
        Self { region, start: range.start, len: range.len() }
    }

    /// Bytes in the view.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first byte. What may be done with it is for the caller to argue.
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr().wrapping_add(self.start)
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &'a Backing {
        &self.region.backing
    }

    /// A part of the view.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if the range does not lie within the view.
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Self> {
        let range = self.resolve("view", range)?;
        Ok(Self { region: self.region, start: self.start + range.start, len: range.len() })
    }

    /// The view in pieces of `size` bytes; the last one may be shorter.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn chunks(&self, size: usize) -> Chunks<'a> {
        assert!(size > 0, "chunks of 0 bytes");
        Chunks { rest: *self, size }
    }

    /// A position in the view that reads, writes and seeks.
    pub fn cursor(&self) -> Cursor<'a> {
        Cursor::new(*self)
    }

    /// Copies bytes from position `at` on into `buf`, all of it or an error.
    ///
    /// The kernel faults by the page: behind the end of a file, the rest of its last page reads as
    /// zeros.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if they do not all lie within the view; [`ErrorKind::Fault`] where
    /// one cannot be had: [`Fault::transferred`] bytes are in `buf` then.
    #[inline]
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        let position = self.locate("read", at, buf.len())?;
        let (to, count) = (buf.as_mut_ptr(), buf.len());
        self.each(position, count, move |done| {
            // SAFETY: `buf` has `count - done` bytes left at `done`, and `locate` has checked that
            // as many lie in the region at `position + done`. The handler is installed: no region
            // is made without (`place::map`).
            unsafe { arch::copy_out(self.byte(position + done), to.add(done), count - done) }
        })
    }

    /// Copies `bytes` to position `at`, all of them or an error.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); a mapping that is not writable gives a fault of kind
    /// [`Protection`](FaultKind::Protection). Bytes written behind the end of a file, but on its last
    /// page, are lost without one; [`Mapping::flush`](crate::Mapping::flush) notices.
    #[inline]
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let position = self.locate("write", at, bytes.len())?;
        let (from, count) = (bytes.as_ptr(), bytes.len());
        self.each(position, count, move |done| {
            // SAFETY: as in `read_at`. No Rust reference covers the target: slices of a mapping
            // are given out only by unsafe functions whose contract forbids writes meanwhile, or
            // by types that give out no view.
            unsafe { arch::copy_in(from.add(done), self.byte(position + done), count - done) }
        })
    }

    /// Sets every byte of a range to `byte`.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    #[inline]
    pub fn fill(&self, range: impl RangeBounds<usize>, byte: u8) -> Result<()> {
        let range = self.resolve("fill", range)?;
        let (position, count) = (self.start + range.start, range.len());
        self.each(position, count, move |done| {
            // SAFETY: as in `write_at`.
            unsafe { arch::fill(self.byte(position + done), byte, count - done) }
        })
    }

    /// The bytes, copied into a new vector.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Copies the bytes into a writer through a buffer, and returns how many there were.
    ///
    /// # Errors
    /// The writer's errors, and faults as [`io::Error`]. What came before has been written.
    pub fn copy_to(&self, writer: &mut (impl io::Write + ?Sized)) -> io::Result<u64> {
        let mut buffer = vec![0; self.len.min(256 << 10)];
        let mut at = 0;
        while at < self.len {
            let count = buffer.len().min(self.len - at);
            match self.read_at(at, &mut buffer[..count]) {
                Ok(()) => writer.write_all(&buffer[..count])?,
                Err(error) => {
                    let done = error.fault().map_or(0, Fault::transferred);
                    writer.write_all(&buffer[..done])?;
                    return Err(error.into());
                }
            }
            at += count;
        }
        Ok(self.len as u64)
    }

    /// The region's position of `count` bytes at `at`.
    #[inline]
    pub(crate) fn locate(&self, operation: &'static str, at: usize, count: usize) -> Result<usize> {
        if fits(at, count, self.len) {
            Ok(self.start + at)
        } else {
            let asked = at..at.saturating_add(count);
            Err(Error::out_of_range(operation, &self.region.backing, &asked, self.len))
        }
    }

    #[inline]
    fn resolve(
        &self,
        operation: &'static str,
        range: impl RangeBounds<usize>,
    ) -> Result<Range<usize>> {
        resolve(&range, self.len)
            .ok_or_else(|| Error::out_of_range(operation, &self.region.backing, &range, self.len))
    }

    #[inline]
    pub(crate) fn byte(&self, position: usize) -> *mut u8 {
        self.region.as_ptr().wrapping_add(position)
    }

    /// Whether zeros stand in for no byte of the region.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.region.is_whole()
    }

    /// An error if zeros stand in for any of the bytes.
    #[cold]
    pub(crate) fn unpatched(&self, position: usize, count: usize) -> Result<()> {
        match self.region.sticky_in(&(position..position + count)) {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Runs `step(done)` for the bytes at `position`, again where a fault has passed.
    #[inline]
    pub(crate) fn each(
        &self,
        position: usize,
        count: usize,
        step: impl Fn(usize) -> Returned,
    ) -> Result<()> {
        let returned = step(0);
        // Whether zeros stand in for a byte is looked at last: a slice on another thread may have
        // met the fault first, and left zeros for this copy to find.
        if returned.sign == 0 && self.is_whole() {
            return Ok(());
        }
        self.each_slowly(position, count, returned, step)
    }

    /// The rest of [`each`](Self::each), where its first step met a fault, or zeros stand in for
    /// some bytes of the region.
    #[cold]
    fn each_slowly(
        &self,
        position: usize,
        count: usize,
        mut returned: Returned,
        step: impl Fn(usize) -> Returned,
    ) -> Result<()> {
        let mut tries = 0;
        while returned.sign != 0 {
            let done = count - returned.value as usize;
            self.ask(position + done, returned.sign, &mut tries).map_err(|mut fault| {
                fault.transferred = done;
                Error::from(fault)
            })?;
            returned = step(done);
        }
        self.unpatched(position, count)
    }

    /// Why the byte could not be reached; `Ok` if it can now.
    pub(crate) fn ask(&self, position: usize, sign: u64, tries: &mut usize) -> Result<(), Fault> {
        let sign = Sign(sign);
        let lasting = |kind, errno| fault::fault(self.region, position, sign, kind, errno);
        match fault::explain(self.region, position, sign, Ask::Region) {
            Explained::Lasting(kind, errno) => Err(lasting(kind, errno)),
            Explained::Passing if *tries < TRIES => {
                *tries += 1;
                Ok(())
            }
            // It comes and goes faster than it can be looked at.
            Explained::Passing => Err(lasting(FaultKind::Truncated, None)),
        }
    }

    pub(crate) fn misaligned(&self, operation: &'static str, at: usize, align: usize) -> Error {
        let reason = format!("position {at} is not aligned to {align} bytes in memory");
        Error::kind_of(operation, &self.region.backing, ErrorKind::Misaligned, reason)
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({}..{} of {:?})", self.start, self.start + self.len, self.region)
    }
}

/// The pieces of a view, in order. See [`View::chunks`].
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: View<'a>,
    size: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<View<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let len = self.size.min(self.rest.len);
        let chunk = View { len, ..self.rest };
        self.rest = View { start: self.rest.start + len, len: self.rest.len - len, ..self.rest };
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let chunks = self.rest.len.div_ceil(self.size);
        (chunks, Some(chunks))
    }
}

impl ExactSizeIterator for Chunks<'_> {}

/// Gives a type that has `fn view(&self) -> View<'_>` the view's methods as its own.
macro_rules! delegate_view {
    ($type:ty) => {
        impl $type {
            /// Copies bytes from position `at` on into `buf`, all of it or an error.
            ///
            /// # Errors
            /// As [`View::read_at`](crate::View::read_at).
            #[inline]
            pub fn read_at(&self, at: usize, buf: &mut [u8]) -> crate::Result<()> {
                self.view().read_at(at, buf)
            }

            /// Copies `bytes` to position `at`, all of them or an error.
            ///
            /// # Errors
            /// As [`View::write_at`](crate::View::write_at).
            #[inline]
            pub fn write_at(&self, at: usize, bytes: &[u8]) -> crate::Result<()> {
                self.view().write_at(at, bytes)
            }

            /// Sets every byte of a range to `byte`.
            ///
            /// # Errors
            /// As [`View::fill`](crate::View::fill).
            #[inline]
            pub fn fill(
                &self,
                range: impl core::ops::RangeBounds<usize>,
                byte: u8,
            ) -> crate::Result<()> {
                self.view().fill(range, byte)
            }

            /// The bytes, copied into a new vector.
            ///
            /// # Errors
            /// As [`View::to_vec`](crate::View::to_vec).
            pub fn to_vec(&self) -> crate::Result<Vec<u8>> {
                self.view().to_vec()
            }

            /// Copies the bytes into a writer, and returns how many there were.
            ///
            /// # Errors
            /// As [`View::copy_to`](crate::View::copy_to).
            pub fn copy_to(
                &self,
                writer: &mut (impl std::io::Write + ?Sized),
            ) -> std::io::Result<u64> {
                self.view().copy_to(writer)
            }

            /// The bytes in pieces of `size`; the last one may be shorter.
            ///
            /// # Panics
            /// If `size` is 0.
            pub fn chunks(&self, size: usize) -> crate::Chunks<'_> {
                self.view().chunks(size)
            }

            /// A position that reads, writes and seeks in the bytes.
            pub fn cursor(&self) -> crate::Cursor<'_> {
                self.view().cursor()
            }
        }
    };
}
pub(crate) use delegate_view;
