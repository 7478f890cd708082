//! Atomic words of a segment, as references: for what has to be as fast as in one's own memory.
//!
//! The copying view has atomic words too, whose every operation reports a lost page. These report nothing:
//! the segment's mapping is guarded, so a word whose page was cut off is one of a page of zeros from then
//! on, which nobody else sees. Whoever is about to wait, or has read something strange, asks
//! [`Segment::whole`].
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::segment::Segment;

impl Segment {
    /// The 8 bytes at a position of the payload, which is a multiple of 8.
    pub(crate) fn word64(&self, at: usize) -> Result<&AtomicU64> {
        let at = self.word(at, size_of::<AtomicU64>())?;
        // SAFETY: the mapping has the bytes (`word`), aligned, as long as `self` lives; it is writable, and
        // guarded, so that they can be had at any time. Nobody has a reference to them that is not to an
        // atomic: segments give out no slices but by unsafe functions. Others write to them as the
        // processor does, whole or in parts; any value is valid.
        Ok(unsafe { AtomicU64::from_ptr(self.mapping().as_mut_ptr().add(at).cast()) })
    }

    /// The 4 bytes at a position of the payload, which is a multiple of 4.
    pub(crate) fn word32(&self, at: usize) -> Result<&AtomicU32> {
        let at = self.word(at, size_of::<AtomicU32>())?;
        // SAFETY: as in `word64`.
        Ok(unsafe { AtomicU32::from_ptr(self.mapping().as_mut_ptr().add(at).cast()) })
    }

    /// The position in the mapping of a word at a position of the payload.
    fn word(&self, at: usize, size: usize) -> Result<usize> {
        const REACH: &str = "reach a word in";
        let len = self.len();
        if at > len || size > len - at {
            let reason = format!("{size} bytes at {at} do not lie within its {len} bytes");
            return Err(Error::new(ErrorKind::OutOfRange, REACH, self.show(), reason));
        }
        if !at.is_multiple_of(size) {
            let reason = format!("position {at} is not a multiple of {size}");
            return Err(Error::new(ErrorKind::Invalid, REACH, self.show(), reason)
                .advice("choose one that is"));
        }
        if !self.mapping().protection().contains(folio::Protection::WRITE) {
            let reason = "it is mapped read-only";
            return Err(Error::new(ErrorKind::Denied, REACH, self.show(), reason)
                .advice("open it without read_only()"));
        }
        // The mapping begins on a page, and the payload on another.
        Ok(header::BYTES + at)
    }

    /// An error if a page that was touched through words could not be had.
    pub(crate) fn whole(&self, operation: &'static str) -> Result<()> {
        self.mapping().check().map_err(|fault| Error::mapping(operation, self.show(), fault.into()))
    }
}
