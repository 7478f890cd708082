//! The sender: one end of a channel, and the places for messages that it lends.
#![allow(unsafe_code)]

use std::time::Instant;

use folio::View;

use crate::channel::lane::{Slot, Tail};
use crate::channel::link::{Link, SEND};
use crate::channel::place::Place;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;
use crate::shared::{self, Shared};

/// The sending side of a channel, which one process has at a time. Dropped, it is closed: the receiver learns of it after the last message.
#[derive(Debug)]
pub struct Sender {
    link: Link,
    place: Place,
    tail: Tail,
    wait: Wait,
    /// Who makes room.
    peer: Peer,
}

impl Sender {
    /// The sender of a link, in a place that it has.
    pub(crate) fn new(link: Link, place: Place, peer: Peer) -> Result<Self> {
        let tail = link.tail()?;
        // Whoever sleeps looks who is there now.
        link.filled().ring();
        Ok(Self { link, place, tail, wait: Wait::default(), peer })
    }

    /// How to wait for room; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Sends a message; waits for room.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if it is longer than the longest; if there is no room,
    /// [`Closed`](crate::ErrorKind::Closed) or [`PeerDied`](crate::ErrorKind::PeerDied) if there is no receiver any more who would make
    /// some; [`Scribbled`](crate::ErrorKind::Scribbled), [`Truncated`](crate::ErrorKind::Truncated) where somebody spoilt the channel;
    /// [`Invalid`](crate::ErrorKind::Invalid) in a forked child.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        let slot = self.reserve(message.len(), None)?;
        self.send_in(slot, message)
    }

    /// Sends a message if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn send_until(&mut self, message: &[u8], deadline: Instant) -> Result<()> {
        let slot = self.reserve(message.len(), Some(deadline))?;
        self.send_in(slot, message)
    }

    /// Sends a message if there is room now. False if there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send), but for those of waiting.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<bool> {
        match self.try_reserve(message.len())? {
            Some(slot) => self.send_in(slot, message).map(|()| true),
            None => Ok(false),
        }
    }

    /// Sends the bytes of a value; waits for room.
    ///
    /// ```
    /// use folio_shm::{Queue, Shared};
    ///
    /// let options = Queue::options().create().layout(<[u32; 3]>::LAYOUT);
    /// let queue = options.memfd("typed")?;
    /// queue.sender()?.send_value(&[1u32, 2, 3])?;
    /// assert_eq!(queue.receiver()?.recv()?.value::<[u32; 3]>()?, [1, 2, 3]);
    /// # Ok::<(), folio_shm::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_value<T: Shared>(&mut self, value: &T) -> Result<()> {
        self.send(shared::bytes_of(value))
    }

    /// A place for a message of so many bytes in the segment; waits for room. What is in it is left from
    /// earlier messages.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn loan(&mut self, len: usize) -> Result<Loan<'_>> {
        let slot = self.reserve(len, None)?;
        Ok(Loan { sender: self, slot })
    }

    /// The same, if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send_until`](Self::send_until).
    pub fn loan_until(&mut self, len: usize, deadline: Instant) -> Result<Loan<'_>> {
        let slot = self.reserve(len, Some(deadline))?;
        Ok(Loan { sender: self, slot })
    }

    /// The same, if there is room now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    #[inline]
    pub fn try_loan(&mut self, len: usize) -> Result<Option<Loan<'_>>> {
        let slot = self.try_reserve(len)?;
        Ok(slot.map(|slot| Loan { sender: self, slot }))
    }

    #[inline]
    fn send_in(&mut self, slot: Slot, message: &[u8]) -> Result<()> {
        self.link.write(slot, 0, message)?;
        self.publish(slot);
        Ok(())
    }

    #[inline]
    fn publish(&mut self, slot: Slot) {
        self.tail.publish(&self.link.circle, slot);
        self.link.count_sent();
        self.link.filled().ring();
    }

    #[inline]
    fn try_reserve(&mut self, len: usize) -> Result<Option<Slot>> {
        self.place.is_ours(SEND)?;
        let len = self.link.check_len(len)?;
        self.link.reserve(&mut self.tail, len)
    }

    #[inline]
    fn reserve(&mut self, len: usize, deadline: Option<Instant>) -> Result<Slot> {
        match self.try_reserve(len)? {
            Some(slot) => Ok(slot),
            None => self.wait_for_room(len, deadline),
        }
    }

    #[cold]
    fn wait_for_room(&mut self, len: usize, deadline: Option<Instant>) -> Result<Slot> {
        let Self { link, tail, wait, peer, .. } = self;
        let ready = || link.reserve(tail, len as u32);
        wait.until(SEND, &link.circle.memory, *peer, deadline, ready)
    }
}

/// A place for a message in the segment. Dropped without being sent, it never was.
#[derive(Debug)]
pub struct Loan<'a> {
    sender: &'a mut Sender,
    slot: Slot,
}

impl Loan<'_> {
    /// Bytes of the message.
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
        self.sender.link.view(self.slot)
    }

    /// Copies `bytes` to position `at` of the message.
    ///
    /// # Errors
    /// As [`Segment::write_at`](crate::Segment::write_at).
    #[inline]
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        self.sender.link.write(self.slot, at, bytes)
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// No process that has the segment writes to them as long as the slice lives: the peers are trusted, which
    /// this crate otherwise does not ask for. Should one cut the segment, the bytes turn to zeros.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        let view = self.view();
        let (start, len) = (view.as_ptr().cast_mut(), view.len());
        // SAFETY: the bytes are mapped as long as the channel is, which `self` has; the mapping is guarded; any
        // bytes are valid `u8`. The slot is this side's alone until it is published, which takes `self`;
        // that peers keep to it is the caller's word.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Makes the message shorter: only its first `len` bytes are sent. Longer it does not get.
    pub fn shorten(&mut self, len: usize) {
        self.slot = self.slot.shortened(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Sends the message.
    #[inline]
    pub fn send(self) {
        self.sender.publish(self.slot);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.place.leave();
        self.link.filled().ring();
    }
}
