//! The loan: a place for a message in the segment, which a sender or a publisher lends.
#![allow(unsafe_code)]

use folio::View;

use crate::channel::lane::Slot;
use crate::channel::link::Link;
use crate::channel::publisher::Publisher;
use crate::channel::sender::Sender;
use crate::error::Result;

/// A place for a message in the segment. Dropped without being sent, it never was.
#[derive(Debug)]
pub struct Loan<'a> {
    pub(crate) lender: Lender<'a>,
    pub(crate) slot: Slot,
}

/// Whose place it is.
#[derive(Debug)]
pub(crate) enum Lender<'a> {
    Sender(&'a mut Sender),
    Publisher(&'a mut Publisher),
}

impl Loan<'_> {
    /// Bytes of the message.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slot.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slot.len() == 0
    }

    /// The bytes, to be written by copying.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.link().view(self.slot)
    }

    /// Copies `bytes` to position `at` of the message.
    ///
    /// # Errors
    /// As [`Segment::write_at`](crate::Segment::write_at).
    #[inline]
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        self.link().write(self.slot, at, bytes)
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// No process that has the segment writes to them as long as the slice lives: the peers are trusted, which
    /// this crate otherwise does not ask for. Should one cut the segment, the bytes turn to zeros.
    #[inline]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        let (start, len) = (self.link().address(self.slot), self.len());
        // SAFETY: the bytes are mapped as long as the channel is, which `self` has; the mapping is guarded; any
        // bytes are valid `u8`. Nobody else writes to the slot until it is published, which takes `self`: that
        // peers keep to it is the caller's word. Who reads a message that was there before, and is overtaken, copies it by
        // the assembly of `folio`, and drops the copy.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Makes the message shorter: only its first `len` bytes are sent. Longer it does not get.
    pub fn shorten(&mut self, len: usize) {
        self.slot = self.slot.shortened(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Sends the message.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) in a forked child, where the place is its parent's still.
    #[inline]
    pub fn send(self) -> Result<()> {
        match self.lender {
            Lender::Sender(sender) => sender.publish(self.slot),
            Lender::Publisher(publisher) => publisher.publish(self.slot),
        }
    }

    #[inline]
    fn link(&self) -> &Link {
        match &self.lender {
            Lender::Sender(sender) => &sender.link,
            Lender::Publisher(publisher) => publisher.link(),
        }
    }
}
