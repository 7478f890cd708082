//! The message: one that was received, in its place in the segment.
#![allow(unsafe_code)]

use folio::View;

use crate::channel::lane::{Head, Slot};
use crate::channel::link::{Link, RECEIVE};
use crate::channel::place::Place;
use crate::error::Result;
use crate::shared::{self, Shared};

/// A message in the segment. Dropped, its place is the sender's again.
///
/// Of a queue that [drops the oldest](crate::ChannelOptions::drop_oldest) it is a copy.
#[derive(Debug)]
pub struct Message<'a> {
    pub(crate) link: &'a Link,
    pub(crate) bytes: Bytes<'a>,
}

/// Where its bytes are.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    InSegment {
        slot: Slot,
        head: &'a mut Head,
        place: &'a Place,
        /// Whether others may read the lane when this one has been dropped.
        is_claimed: bool,
    },
    Copied(View<'a>),
}

impl Message<'_> {
    /// Bytes of the message.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.bytes {
            Bytes::InSegment { slot, .. } => slot.len() as usize,
            Bytes::Copied(view) => view.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, to be read by copying. The sender's process may change them still.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        match &self.bytes {
            Bytes::InSegment { slot, .. } => self.link.view(*slot),
            Bytes::Copied(view) => *view,
        }
    }

    /// Copies bytes from position `at` of the message into `buf`.
    ///
    /// # Errors
    /// As [`Segment::read_at`](crate::Segment::read_at).
    #[inline]
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        match &self.bytes {
            Bytes::InSegment { slot, .. } => self.link.read(*slot, at, buf),
            Bytes::Copied(view) => {
                view.read_at(at, buf).map_err(|error| self.link.lost(RECEIVE, error))
            }
        }
    }

    /// The message as a value: a copy.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorKind::Size) if it has not as many bytes as the value; otherwise as
    /// [`read_at`](Self::read_at).
    pub fn value<T: Shared>(&self) -> Result<T> {
        self.link.check_size(self.len(), size_of::<T>())?;
        shared::value_of(|bytes| self.read_at(0, bytes))
    }

    /// The message, copied.
    ///
    /// # Errors
    /// As [`Segment::read_at`](crate::Segment::read_at).
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        self.view().to_vec().map_err(|error| self.link.lost(RECEIVE, error))
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// As for [`Loan::as_mut_slice`](crate::Loan::as_mut_slice).
    #[inline]
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        let (start, len) = match &self.bytes {
            Bytes::InSegment { slot, .. } => (self.link.address(*slot).cast_const(), self.len()),
            Bytes::Copied(view) => (view.as_ptr(), view.len()),
        };
        // SAFETY: a copy nobody else has. Otherwise as in `Loan::as_mut_slice`; an honest sender writes to the slot only after it has been
        // released, which takes `self`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        let Bytes::InSegment { slot, head, place, is_claimed } = &mut self.bytes else { return };
        // A forked child has it, too; and it is its parent's to give back.
        if !place.is_here() {
            return;
        }
        head.release(self.link.head(), *slot);
        self.link.count_received();
        self.link.drained().ring_if_seen();
        if *is_claimed {
            self.link.unclaim();
        }
    }
}
