//! A channel's segment as words: those of its control lines, and those of its circles.
//!
//! Unlike [`Segment::word64`] these are for every message: the checks that cost more than a comparison are
//! made once.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use folio::Protection;

use crate::channel::bell::Bell;
use crate::channel::lane::Words;
use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::segment::Segment;

/// The payload of a segment.
#[derive(Debug)]
pub(crate) struct Memory {
    segment: Segment,
    /// Address of its first byte.
    start: NonNull<u8>,
    len: usize,
    is_read_only: bool,
    can_be_cut: bool,
}

// SAFETY: the pointer is to memory of the segment, which may go to other threads; through it there are
// references to atomics only.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes a segment that does not grow.
    pub(crate) fn new(segment: Segment) -> Result<Self> {
        if segment.len() < size_of::<u64>() {
            let reason = "it is too short for a channel";
            return Err(Error::new(ErrorKind::Size, "open", segment.show(), reason));
        }
        let start = segment.mapping().as_mut_ptr();
        // SAFETY: the mapping shows the header and the payload.
        let start = unsafe { NonNull::new_unchecked(start.add(header::BYTES)) };
        let len = segment.len();
        let is_read_only = !segment.mapping().protection().contains(Protection::WRITE);
        let can_be_cut = segment.can_be_cut();
        Ok(Self { segment, start, len, is_read_only, can_be_cut })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Whether words can be loaded and nothing else: not stored to, even where that would change nothing.
    #[inline]
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether its pages may be lost, to this process or another.
    #[inline]
    pub(crate) fn can_be_cut(&self) -> bool {
        self.can_be_cut
    }

    /// The address of a position in the payload.
    #[inline]
    pub(crate) fn address(&self, at: usize) -> *mut u8 {
        self.start.as_ptr().wrapping_add(at)
    }

    /// # Panics
    /// If the 8 bytes at `at` do not lie within, or `at` is not a multiple of 8.
    #[inline]
    pub(crate) fn word64(&self, at: usize) -> &AtomicU64 {
        assert!(at <= self.len - 8 && at.is_multiple_of(8), "no word at {at}");
        // SAFETY: within the payload and aligned, by the line above, as the payload begins on a page and
        // has 8 bytes at least (`new`). It stays mapped as long as `segment` lives, and the rest is as
        // in `Segment::word64`; but it may be mapped read-only. Then it is only loaded from: what stores has
        // a place, which is refused then (`Places::take`). Such loads are relaxed ones of a register's width, which may be, by
        // "Atomic accesses to read-only memory" in the documentation of `core::sync::atomic`.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// # Panics
    /// If the 4 bytes at `at` do not lie within, or `at` is not a multiple of 4.
    #[inline]
    pub(crate) fn word32(&self, at: usize) -> &AtomicU32 {
        assert!(at <= self.len - 4 && at.is_multiple_of(4), "no word at {at}");
        // SAFETY: as in `word64`.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// The bell at a multiple of 4.
    #[inline]
    pub(crate) fn bell(&self, at: usize) -> Bell<'_> {
        Bell { number: self.word32(at), asleep: self.word32(at + 4) }
    }
}

/// The words of a circle that lies at a place in a payload.
#[derive(Clone, Debug)]
pub(crate) struct Circle {
    pub(crate) memory: Arc<Memory>,
    pub(crate) start: usize,
    /// A power of two, in bytes.
    pub(crate) size: u64,
}

impl Circle {
    /// The position in the payload of a position of the lane.
    #[inline]
    pub(crate) fn place(&self, position: u64) -> usize {
        self.start + (position & (self.size - 1)) as usize
    }
}

impl Words for Circle {
    #[inline]
    fn word(&self, position: u64) -> &AtomicU64 {
        self.memory.word64(self.place(position))
    }
}
