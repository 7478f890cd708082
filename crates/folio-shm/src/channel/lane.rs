//! The lane: messages from one sender to one receiver, in a circle of words.
//!
//! Positions count bytes from the lane's beginning on, and never wrap; a position's place is its remainder
//! by the size of the circle, a power of two. A record is a header of 8 bytes and the message, rounded
//! up to 8, or to a cache line if it is long; it does not wrap either, so that a message is one slice: where it would, a record of
//! padding fills the circle's end.
//!
//! 1. The sender finds room: where its record and the header behind it fit before the receiver's
//!    *head* has come round ([`Tail::reserve`]). It reads the head only when what it saw last does not do.
//! 2. It writes the message, where nobody looks yet.
//! 3. It zeroes the header *behind* the record, and then writes its own: [`Tail::publish`]. With that word the
//!    whole message is there, and not before.
//! 4. The receiver looks at the header at its head ([`Head::peek`]): zero is nothing yet.
//! 5. When it has done with the message, it raises its head: [`Head::release`].
//!
//! Where the sender dies, whatever it was doing, the header behind the last published record is zero, and what
//! lies after it is free: the next sender begins there ([`Tail::find`]). Where the receiver dies, the next
//! begins at its head, with the message that was not released.
//!
//! Invariants:
//! - Each side's position is its own memory's. What it reads of the other's is checked before it is used:
//!   a length against the longest, a record against the end of the circle, a head against what was sent.
//! - The header at the sender's position is zero.
//! - From the head to the sender's position there are whole records.
//!
//! | bits of a header | |
//! | --- | --- |
//! | 0..32 | bytes of message, or of padding with this header |
//! | 32..34 | 1 message, 2 padding |
//! | 34..64 | zero |

use crate::sync::{AtomicU64, Ordering, fence};

pub(crate) const HEADER: u64 = 8;

/// Bytes of a cache line.
const LINE: u64 = 64;

/// Bytes from which on it matters where a message begins.
const LONG: u32 = 512;

pub(crate) const MESSAGE: u64 = 1 << 32;
pub(crate) const PADDING: u64 = 2 << 32;

/// The words of a circle. Others may write to them, too.
pub(crate) trait Words {
    /// The word at a position, which is a multiple of 8, taken modulo the circle's size.
    fn word(&self, position: u64) -> &AtomicU64;
}

/// Whether a number can be a position: they are multiples of 8, and nobody comes so far.
pub(crate) fn is_position(at: u64) -> bool {
    at.is_multiple_of(8) && at < 1 << 62
}

/// Loads a word that may be mapped read-only: relaxed, and a fence
/// ("Atomic accesses to read-only memory" in the documentation of `core::sync::atomic`).
#[inline]
pub(crate) fn load(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// The measures of a lane, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A power of two.
    pub(crate) size: u64,
    /// No message is longer.
    pub(crate) longest: u32,
}

impl Shape {
    /// The smallest circle for messages up to a length: two of the longest, as the first half of one may be
    /// padding, and a header.
    pub(crate) fn smallest(longest: u32) -> u64 {
        (2 * record(longest) + HEADER).next_power_of_two()
    }

    /// A circle in which the sides seldom wait for each other: one for eight of the longest messages.
    pub(crate) fn usual(longest: u32) -> u64 {
        (8 * record(longest) + HEADER).next_power_of_two()
    }

    /// Bytes from a position to where the circle begins again.
    pub(crate) fn rest(&self, position: u64) -> u64 {
        self.size - (position & (self.size - 1))
    }

    /// Whether there can be a message of this length behind a header at a position.
    pub(crate) fn has_room(&self, header: u64, len: u32) -> bool {
        len <= self.longest && record(len) <= self.rest(header)
    }
}

/// Bytes of a message's record. Long ones fill whole cache lines, so that in a circle whose headers end with
/// a line each of a row of long messages begins with one.
fn record(len: u32) -> u64 {
    let unit = if len < LONG { 8 } else { LINE };
    (HEADER + u64::from(len)).next_multiple_of(unit)
}

/// A message's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Where its padding begins, or its header if there is none.
    from: u64,
    /// Where its header is.
    header: u64,
    /// Where the next begins.
    to: u64,
    /// No `u32`: a processor that moves 8 bytes of which 4 have just been written waits for these.
    len: u64,
}

impl Slot {
    /// That of a message of this length, behind what ends at a position.
    pub(crate) fn new(shape: &Shape, from: u64, len: u32) -> Self {
        let needed = record(len);
        let rest = shape.rest(from);
        let header = if needed > rest { from + rest } else { from };
        Self { from, header, to: header + needed, len: len.into() }
    }

    /// That of a message that was found.
    pub(crate) fn found(from: u64, header: u64, len: u32) -> Self {
        Self { from, header, to: header + record(len), len: len.into() }
    }

    /// Where what is before it ends.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// Where its header is.
    pub(crate) fn header(&self) -> u64 {
        self.header
    }

    /// Bytes of padding before its header.
    pub(crate) fn padding(&self) -> u64 {
        self.header - self.from
    }

    /// Where the next begins.
    pub(crate) fn end(&self) -> u64 {
        self.to
    }

    /// The position of its first byte.
    pub(crate) fn start(&self) -> u64 {
        self.header + HEADER
    }

    /// Bytes of the message.
    pub(crate) fn len(&self) -> u32 {
        self.len as u32
    }

    /// The same with a shorter message.
    pub(crate) fn shortened(self, len: u32) -> Self {
        let len = len.min(self.len());
        Self { len: len.into(), to: self.header + record(len), ..self }
    }
}

/// Why there is no place for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The receiver has not come far enough yet.
    Full,
    /// A peer has written what cannot be.
    Scribbled,
}

/// The sender's end.
#[derive(Debug)]
pub(crate) struct Tail {
    at: u64,
    /// The receiver's head, as it was seen last.
    head: u64,
}

impl Tail {
    /// The end of what has been published: where a sender goes on that comes after another. None if there are
    /// no whole records from the head on. It only loads words, which may be mapped read-only.
    pub(crate) fn find(shape: &Shape, words: &impl Words, head: &AtomicU64) -> Option<Self> {
        let head = load(head);
        let mut end = Head::at(head)?;
        while let Some(slot) = end.peek(shape, words).ok()? {
            end.at = slot.to;
            if end.at - head > shape.size - HEADER {
                return None;
            }
        }
        Some(Self { at: end.at, head })
    }

    /// Where the next message begins.
    pub(crate) fn end(&self) -> u64 {
        self.at
    }

    /// A place for a message of at most the longest length.
    #[inline]
    pub(crate) fn reserve(
        &mut self,
        shape: &Shape,
        head: &AtomicU64,
        len: u32,
    ) -> Result<Slot, Refusal> {
        debug_assert!(len <= shape.longest);
        let slot = Slot::new(shape, self.at, len);
        let fits = |head: u64| slot.to + HEADER - head <= shape.size;
        if !fits(self.head) {
            // The receiver has read what is behind its head: what is written there comes after.
            let now = head.load(Ordering::Acquire);
            if now < self.head || now > self.at || !now.is_multiple_of(8) {
                return Err(Refusal::Scribbled);
            }
            self.head = now;
            if !fits(now) {
                return Err(Refusal::Full);
            }
        }
        Ok(slot)
    }

    /// The receiver's head, as it was seen last.
    pub(crate) fn seen(&self) -> u64 {
        self.head
    }

    /// Where the head must be for a message of this length to have room.
    pub(crate) fn goal(&self, shape: &Shape, len: u32) -> u64 {
        (Slot::new(shape, self.at, len).to + HEADER).saturating_sub(shape.size)
    }

    /// Makes a message visible, in one step. It has been written.
    #[inline]
    pub(crate) fn publish(&mut self, words: &impl Words, slot: Slot) {
        debug_assert_eq!(slot.from, self.at);
        words.word(slot.to).store(0, Ordering::Relaxed);
        let header = MESSAGE | slot.len;
        match slot.padding() {
            0 => words.word(slot.header).store(header, Ordering::Release),
            padding => {
                // Both appear with the padding's.
                words.word(slot.header).store(header, Ordering::Relaxed);
                words.word(slot.from).store(PADDING | padding, Ordering::Release);
            }
        }
        self.at = slot.to;
    }
}

/// A peer has written what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scribbled;

/// The receiver's end.
#[derive(Debug)]
pub(crate) struct Head {
    at: u64,
}

impl Head {
    /// The end of a receiver that begins, or goes on, at a position.
    pub(crate) fn at(at: u64) -> Option<Self> {
        // No lane gets further in a thousand years; what follows need not think of overflow.
        is_position(at).then_some(Self { at })
    }

    /// The next message, if there is one.
    #[inline(always)]
    pub(crate) fn peek(
        &self,
        shape: &Shape,
        words: &impl Words,
    ) -> Result<Option<Slot>, Scribbled> {
        let mut header = load(words.word(self.at));
        if header == 0 {
            return Ok(None);
        }
        let mut at = self.at;
        if header & !u64::from(u32::MAX) == PADDING {
            let rest = shape.rest(at);
            if header != PADDING | rest || rest == shape.size {
                return Err(Scribbled);
            }
            at += rest;
            // Written before the padding's.
            header = words.word(at).load(Ordering::Relaxed);
        }
        let len = header as u32;
        if header != MESSAGE | u64::from(len) || !shape.has_room(at, len) {
            return Err(Scribbled);
        }
        Ok(Some(Slot::found(self.at, at, len)))
    }

    /// Gives the place of the next message, and all before it, back to the sender.
    #[inline]
    pub(crate) fn release(&mut self, head: &AtomicU64, slot: Slot) {
        debug_assert_eq!(slot.from, self.at);
        self.at = slot.to;
        head.store(self.at, Ordering::Release);
    }
}
