//! The link: one lane in a channel's memory, with the words that its two sides need.
//!
//! Layout of its words, each line on its own cache line:
//!
//! | offset | |
//! | --- | --- |
//! | 0 | sender: its mark, how many messages it sent; in a broadcast its tail and its intent; how many it dropped; in a broadcast its foothold |
//! | 64 | reader: its mark, the head, how many messages were received |
//! | 128 | the bell that the reader rings |
//!
//! The bell that the sender rings is the channel's: whoever receives sleeps for all lanes at once.

use folio::View;

use crate::channel::bell::Bell;
use crate::channel::cast::Progress;
use crate::channel::discard;
use crate::channel::lane::{Head, Refusal, Scribbled, Shape, Slot, Tail, Words};
use crate::channel::memory::{Circle, Memory};
use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::mark::Mark;
use crate::owner::Life;
use crate::sync::{AtomicU64, Ordering, fence};

pub(crate) const SEND: &str = "send to";
pub(crate) const RECEIVE: &str = "receive from";

/// Bytes of a link's words, without its circle.
pub(crate) const BYTES: usize = 192;

const SENT: usize = 8;
const TAIL: usize = 16;
const INTENT: usize = 24;
const DROPPED: usize = 32;
const FOOTHOLD: usize = 40;
const READER: usize = 64;
const HEAD: usize = 72;
const RECEIVED: usize = 80;
const DRAINED: usize = 128;

/// One lane of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) circle: Circle,
    pub(crate) shape: Shape,
    /// Where its words are in the payload.
    pub(crate) base: usize,
    /// Where the bell is that its sender rings.
    pub(crate) filled: usize,
}

impl Link {
    #[inline]
    pub(crate) fn memory(&self) -> &Memory {
        &self.circle.memory
    }

    /// Where the reader's mark is.
    pub(crate) fn reader(&self) -> usize {
        self.base + READER
    }

    #[inline]
    pub(crate) fn head(&self) -> &AtomicU64 {
        self.memory().word64(self.base + HEAD)
    }

    /// How far the sender of a broadcast has come.
    #[inline]
    pub(crate) fn progress(&self) -> Progress<'_> {
        let word = |at| self.memory().word64(self.base + at);
        Progress {
            intent: word(INTENT),
            tail: word(TAIL),
            sent: word(SENT),
            foothold: word(FOOTHOLD),
        }
    }

    pub(crate) fn drained_at(&self) -> usize {
        self.base + DRAINED
    }

    #[inline]
    pub(crate) fn drained(&self) -> Bell<'_> {
        self.memory().bell(self.drained_at())
    }

    #[inline]
    pub(crate) fn filled(&self) -> Bell<'_> {
        self.memory().bell(self.filled)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.memory().word64(self.base + SENT).load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.memory().word64(self.base + RECEIVED).load(Ordering::Relaxed)
    }

    /// Counts a message that was sent. By the sender.
    #[inline]
    pub(crate) fn count_sent(&self) {
        count(self.memory().word64(self.base + SENT));
    }

    /// Counts a message that was received. By the reader.
    #[inline]
    pub(crate) fn count_received(&self) {
        count(self.memory().word64(self.base + RECEIVED));
    }

    /// Messages that were given up for newer ones.
    pub(crate) fn dropped(&self) -> u64 {
        self.memory().word64(self.base + DROPPED).load(Ordering::Relaxed)
    }

    /// Where a new sender begins.
    pub(crate) fn tail(&self) -> Result<Tail> {
        let tail = Tail::find(&self.shape, &self.circle, self.head());
        tail.ok_or_else(|| self.scribbled(SEND))
    }

    /// Where a new reader begins.
    pub(crate) fn start(&self) -> Result<Head> {
        let head = Head::at(self.head().load(Ordering::Acquire));
        head.ok_or_else(|| self.scribbled(RECEIVE))
    }

    #[inline]
    pub(crate) fn reserve(&self, tail: &mut Tail, len: u32) -> Result<Option<Slot>> {
        match tail.reserve(&self.shape, self.head(), len) {
            Ok(slot) => Ok(Some(slot)),
            Err(Refusal::Full) => Ok(None),
            Err(Refusal::Scribbled) => Err(self.scribbled(SEND)),
        }
    }

    /// The same, where older messages are given up for it.
    #[cold]
    pub(crate) fn make_room(&self, tail: &mut Tail, len: u32) -> Result<Slot> {
        match discard::make_room(tail, &self.shape, &self.circle, self.head(), len) {
            Ok((slot, lost)) => {
                let dropped = self.memory().word64(self.base + DROPPED);
                dropped.store(self.dropped().wrapping_add(lost), Ordering::Relaxed);
                Ok(slot)
            }
            Err(_) => Err(self.scribbled(SEND)),
        }
    }

    /// Copies the oldest message to the front of `buffer`, which has room for any, and takes it; its length, if
    /// there is one.
    pub(crate) fn take_oldest(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        for _ in 0..discard::TRIES {
            let found = discard::oldest(&self.shape, &self.circle, self.head());
            let found = found.map_err(|Scribbled| self.scribbled(RECEIVE))?;
            let Some(slot) = found else { return Ok(None) };
            let len = slot.len() as usize;
            self.read(slot, 0, &mut buffer[..len])?;
            if discard::take(self.head(), slot) {
                let received = self.memory().word64(self.base + RECEIVED);
                received.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(len));
            }
        }
        Ok(None)
    }

    #[inline(always)]
    pub(crate) fn peek(&self, head: &Head) -> Result<Option<Slot>> {
        head.peek(&self.shape, &self.circle).map_err(|Scribbled| self.scribbled(RECEIVE))
    }

    /// Whether something may be there to be read, at a glance. What a peer writes may make it wrong.
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        let head = self.head().load(Ordering::Acquire) & !7;
        self.circle.word(head).load(Ordering::Acquire) != 0
    }

    /// Makes this process the reader, if there is none, or a dead one.
    pub(crate) fn claim(&self) -> bool {
        let reader = self.memory().word64(self.reader());
        let this = Mark::this_process().0;
        let take = |from| {
            reader.compare_exchange(from, this, Ordering::Acquire, Ordering::Relaxed).map_err(Mark)
        };
        match take(Mark::NOBODY.0) {
            Ok(_) => true,
            Err(other) if other.0 == this => false,
            Err(other) => other.life() == Life::Dead && take(other.0).is_ok(),
        }
    }

    /// Lets others read, and wakes them if there is something they were kept from.
    pub(crate) fn unclaim(&self) {
        let reader = self.memory().word64(self.reader());
        let (this, nobody) = (Mark::this_process().0, Mark::NOBODY.0);
        let _ = reader.compare_exchange(this, nobody, Ordering::Release, Ordering::Relaxed);
        // Who found it claimed went to sleep; the sender may have rung before that.
        fence(Ordering::SeqCst);
        if self.is_filled() {
            self.filled().ring();
        }
    }

    /// Copies bytes from a position of a message.
    #[inline]
    pub(crate) fn read(&self, slot: Slot, at: usize, buf: &mut [u8]) -> Result<()> {
        let read = match self.locate(slot, at, buf.len()) {
            Some(at) => self.memory().segment().mapping().view().read_at(at, buf),
            // Says what is wrong.
            None => self.view(slot).read_at(at, buf),
        };
        read.map_err(|error| self.lost(RECEIVE, error))
    }

    /// Copies bytes to a position of a message.
    #[inline]
    pub(crate) fn write(&self, slot: Slot, at: usize, bytes: &[u8]) -> Result<()> {
        let written = match self.locate(slot, at, bytes.len()) {
            Some(at) => self.memory().segment().mapping().view().write_at(at, bytes),
            None => self.view(slot).write_at(at, bytes),
        };
        written.map_err(|error| self.lost(SEND, error))
    }

    /// The position in the mapping of so many bytes of a message.
    #[inline]
    fn locate(&self, slot: Slot, at: usize, count: usize) -> Option<usize> {
        let len = slot.len() as usize;
        let start = header::BYTES + self.circle.place(slot.start());
        (at <= len && count <= len - at).then_some(start + at)
    }

    /// The address of a message's first byte.
    #[inline]
    pub(crate) fn address(&self, slot: Slot) -> *mut u8 {
        self.memory().address(self.circle.place(slot.start()))
    }

    /// The bytes of a message.
    pub(crate) fn view(&self, slot: Slot) -> View<'_> {
        let at = header::BYTES + self.circle.place(slot.start());
        let view = self.memory().segment().mapping().view();
        view.range(at..at + slot.len() as usize).expect("a slot lies in the circle")
    }

    #[cold]
    pub(crate) fn scribbled(&self, operation: &'static str) -> Error {
        let reason = "somebody has written over the channel's own words";
        Error::new(ErrorKind::Scribbled, operation, self.memory().segment().show(), reason)
            .advice("remove it, and have it made anew")
    }

    /// The length of a message, if it may be that long.
    #[inline]
    pub(crate) fn check_len(&self, len: usize) -> Result<u32> {
        let longest = self.shape.longest;
        u32::try_from(len).ok().filter(|&len| len <= longest).ok_or_else(|| self.too_long(len))
    }

    /// Whether a message of this length can be a value of that size.
    pub(crate) fn check_size(&self, len: usize, size: usize) -> Result<()> {
        if len == size {
            return Ok(());
        }
        let reason = format!("the message has {len} bytes, and the value {size}");
        Err(Error::new(ErrorKind::Size, RECEIVE, self.memory().segment().show(), reason)
            .advice("layout() tells channels of other types apart"))
    }

    #[cold]
    fn too_long(&self, len: usize) -> Error {
        let longest = self.shape.longest;
        let reason = format!("the message has {len} bytes, and {longest} are the most");
        Error::new(ErrorKind::OutOfRange, SEND, self.memory().segment().show(), reason)
            .advice("longest() says how many when the channel is made")
    }

    #[cold]
    pub(crate) fn lost(&self, operation: &'static str, error: folio::Error) -> Error {
        Error::mapping(operation, self.memory().segment().show(), error)
    }
}

/// Adds 1 to a word that one process writes.
#[inline]
fn count(word: &AtomicU64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
