//! The cast: messages from one writer to many readers, each of whom gets each, in a circle of words.
//!
//! Positions, records and padding are a lane's ([`crate::channel::lane`]); a header has the message's number,
//! too, so that a reader knows what it has missed.
//!
//! 1. Before the writer touches a byte it says how far it will write: its *intent*. Then it zeroes the header
//!    behind the record, writes the message, and last the header ([`Writer::publish`]).
//! 2. A reader looks at the header at its own position, copies the message, and looks at the intent after that
//!    ([`Reader::is_overtaken`]): what it has copied is good, unless the writer may have come round by then.
//! 3. A reader that was overtaken goes on at the *foothold*, a message that is in the circle for some time to
//!    come: the writer keeps it a quarter to a half of the circle behind itself, and never overtakes it by what
//!    it has published. Where it has come round again meanwhile, the reader goes on at the *tail*, where the
//!    next message will be. By a message's number it knows how many it has lost.
//! 4. Where readers hold the writer back, each has its head in the segment, and the writer writes no further than
//!    a circle beyond the last of them ([`Writer::reserve`]). A reader that comes says so first, and
//!    begins at the tail as it is after that: a writer that has not seen it cannot overtake it, since what
//!    it was sure of is at most a circle beyond an earlier tail.
//!
//! Invariants: the intent is never less than what is being written; the header at the writer's position is zero.
//!
//! | bits of a header | |
//! | --- | --- |
//! | 0..32 | bytes of message, or of padding with this header |
//! | 32..34 | 1 message, 2 padding |
//! | 34..64 | the number of the message, or of the one behind the padding; its low bits |

use crate::channel::lane::{
    HEADER, MESSAGE, PADDING, Refusal, Scribbled, Shape, Slot, Words, is_position, load,
};
use crate::sync::{AtomicU64, Ordering, fence};

const NUMBER: u32 = 34;
const NUMBERS: u64 = 1 << (64 - NUMBER);

/// The words of a writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress<'a> {
    /// How far it may be writing.
    pub(crate) intent: &'a AtomicU64,
    /// Where what it has published ends.
    pub(crate) tail: &'a AtomicU64,
    /// How many messages it has published.
    pub(crate) sent: &'a AtomicU64,
    /// Where one who was overtaken finds a message.
    pub(crate) foothold: &'a AtomicU64,
}

/// How often a reader begins again that is overtaken, before it says that there is nothing: where an enemy
/// comes round and round, it must not stay for ever.
pub(crate) const TURNS: u32 = 100;

fn header(kind: u64, len: u64, number: u64) -> u64 {
    kind | len | number << NUMBER
}

/// A record at a position: the slot, and the low bits of its number. None if there is none yet.
fn record_at(
    shape: &Shape,
    words: &impl Words,
    from: u64,
) -> Result<Option<(Slot, u64)>, Scribbled> {
    let first = load(words.word(from));
    if first == 0 {
        return Ok(None);
    }
    let number = first >> NUMBER;
    let (mut at, mut word) = (from, first);
    let rest = shape.rest(from);
    if first == header(PADDING, rest, number) && rest != shape.size {
        at += rest;
        // Written before the padding's.
        word = words.word(at).load(Ordering::Relaxed);
    }
    let len = word as u32;
    let is_sound = word == header(MESSAGE, len.into(), number) && shape.has_room(at, len);
    if is_sound { Ok(Some((Slot::found(from, at, len), number))) } else { Err(Scribbled) }
}

/// The number of the message that is at a position, or will be: if that is the tail still.
fn number_at(shape: &Shape, words: &impl Words, progress: Progress<'_>, at: u64) -> Option<u64> {
    // It is that of the message there, or one more. Then the message is seen, as it came before.
    let sent = load(progress.sent);
    let record = record_at(shape, words, at).ok()?;
    let number =
        record.map_or(sent, |(_, low)| sent.wrapping_sub(sent.wrapping_sub(low) % NUMBERS));
    (load(progress.tail) == at).then_some(number)
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Writer {
    at: u64,
    number: u64,
    /// How far it may write without asking.
    limit: u64,
    /// What it has announced, or its predecessor that may have died writing.
    intent: u64,
    /// Where the last message begins, the first of the quarter of a circle that it is in, and that of the one before.
    last: u64,
    quarter: u64,
    previous: u64,
    foothold: u64,
}

impl Writer {
    /// Goes on where the last writer stopped, whatever it was doing. None if there are no whole records.
    pub(crate) fn find(shape: &Shape, words: &impl Words, progress: Progress<'_>) -> Option<Self> {
        let tail = progress.tail.load(Ordering::Acquire);
        let mut number = progress.sent.load(Ordering::Acquire);
        if !is_position(tail) {
            return None;
        }
        let mut at = tail;
        // What it published last it may not have said.
        if let Some((slot, low)) = record_at(shape, words, at).ok()? {
            at = slot.end();
            // The count is that of this message, or one more.
            let ahead = low.wrapping_sub(number) % NUMBERS;
            number = match ahead {
                0 => number.wrapping_add(1),
                behind if behind == NUMBERS - 1 => number,
                _ => return None,
            };
            if record_at(shape, words, at).ok()?.is_some() {
                return None;
            }
            // Who sees the count sees the message that it counts.
            progress.sent.store(number, Ordering::Release);
            progress.tail.store(at, Ordering::Release);
        }
        let intent = progress.intent.load(Ordering::Acquire);
        let foothold = progress.foothold.load(Ordering::Relaxed);
        let (last, quarter, previous) = (at, at, at);
        Some(Self { at, number, limit: at, intent, last, quarter, previous, foothold })
    }

    /// A place for a message of at most the longest length. `last` finds the head of the last of the
    /// readers that hold the writer back, if there is any.
    pub(crate) fn reserve(
        &mut self,
        shape: &Shape,
        len: u32,
        last: impl FnOnce(u64) -> Result<Option<u64>, Scribbled>,
    ) -> Result<Slot, Refusal> {
        let slot = Slot::new(shape, self.at, len);
        let needed = slot.end() + HEADER;
        if needed > self.limit {
            // The tail is out; a reader that does not see it is seen.
            fence(Ordering::SeqCst);
            let head = last(self.at).map_err(|Scribbled| Refusal::Scribbled)?;
            self.limit = head.unwrap_or(self.at) + shape.size;
            if needed > self.limit {
                return Err(Refusal::Full);
            }
        }
        Ok(slot)
    }

    /// Where the heads of those who hold it back must be for a message of this length to have room.
    pub(crate) fn goal(&self, shape: &Shape, len: u32) -> u64 {
        (Slot::new(shape, self.at, len).end() + HEADER).saturating_sub(shape.size)
    }

    /// Says that the place is going to be written. Before anything is.
    pub(crate) fn announce(&mut self, shape: &Shape, progress: Progress<'_>, slot: Slot) {
        self.intent = self.intent.max(slot.end() + HEADER);
        self.keep_foothold(shape, progress);
        // Who sees it sees the tail before it, too; who sees a byte that is written from here on sees it.
        progress.intent.store(self.intent, Ordering::Release);
        fence(Ordering::Release);
    }

    /// Makes a message visible, in one step. It has been announced and written.
    pub(crate) fn publish(
        &mut self,
        shape: &Shape,
        words: &impl Words,
        progress: Progress<'_>,
        slot: Slot,
    ) {
        words.word(slot.end()).store(0, Ordering::Relaxed);
        let message = header(MESSAGE, slot.len().into(), self.number);
        match slot.padding() {
            0 => words.word(slot.header()).store(message, Ordering::Release),
            padding => {
                words.word(slot.header()).store(message, Ordering::Relaxed);
                let padding = header(PADDING, padding, self.number);
                words.word(self.at).store(padding, Ordering::Release);
            }
        }
        self.last = self.at;
        if self.last - self.quarter >= shape.size / 4 {
            (self.previous, self.quarter) = (self.quarter, self.last);
        }
        self.at = slot.end();
        self.number = self.number.wrapping_add(1);
        // Who sees the tail sees a foothold that this message, if no earlier one, is good for.
        self.keep_foothold(shape, progress);
        progress.sent.store(self.number, Ordering::Release);
        progress.tail.store(self.at, Ordering::Release);
    }

    /// Moves the foothold on to the earliest message known that the intent does not reach.
    fn keep_foothold(&mut self, shape: &Shape, progress: Progress<'_>) {
        let is_safe = |at: &u64| at + shape.size >= self.intent;
        let foothold = [self.previous, self.quarter].into_iter().find(is_safe).unwrap_or(self.last);
        if foothold != self.foothold {
            self.foothold = foothold;
            // Who sees it sees the message.
            progress.foothold.store(foothold, Ordering::Release);
        }
    }
}

/// A reader's end.
#[derive(Debug)]
pub(crate) struct Reader {
    at: u64,
    /// The number of the next message, if it was seen in time.
    next: Option<u64>,
}

/// What a reader has lost when it gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) slot: Slot,
    pub(crate) lost: u64,
    number: u64,
}

impl Reader {
    /// One that begins at the tail. Where it holds the writer back, `head` is its own, in the segment; it has
    /// said that it is there.
    pub(crate) fn begin(
        shape: &Shape,
        words: &impl Words,
        progress: Progress<'_>,
        head: Option<&AtomicU64>,
    ) -> Result<Self, Scribbled> {
        let mut at = load(progress.tail);
        if let Some(head) = head {
            head.store(at, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            at = load(progress.tail);
            head.store(at, Ordering::Release);
        }
        if !is_position(at) {
            return Err(Scribbled);
        }
        Ok(Self { at, next: number_at(shape, words, progress, at) })
    }

    /// The next message, if there is one, and it can be got hold of in a few turns. What is copied of it counts
    /// only if the reader has not been overtaken after that.
    pub(crate) fn peek(
        &mut self,
        shape: &Shape,
        words: &impl Words,
        progress: Progress<'_>,
    ) -> Result<Option<Next>, Scribbled> {
        // Each turn is another time that the writer has come round.
        for _ in 0..TURNS {
            let record = record_at(shape, words, self.at);
            if !self.is_overtaken(shape, progress) {
                let Some((slot, low)) = record? else { return Ok(None) };
                let expected = self.next.unwrap_or(low);
                let lost = low.wrapping_sub(expected) % NUMBERS;
                return Ok(Some(Next { slot, lost, number: expected.wrapping_add(lost) }));
            }
            let tail = load(progress.tail);
            // Of what comes before that tail.
            let foothold = load(progress.foothold);
            let next = if foothold > self.at { foothold } else { tail };
            if next <= self.at || !is_position(next) {
                return Err(Scribbled);
            }
            self.at = next;
        }
        Ok(None)
    }

    /// Whether the writer may have written where the reader is, by now.
    pub(crate) fn is_overtaken(&self, shape: &Shape, progress: Progress<'_>) -> bool {
        fence(Ordering::Acquire);
        load(progress.intent) > self.at + shape.size
    }

    /// Where the next message is, or will be.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Goes on behind a message. `head` as in [`begin`](Self::begin).
    pub(crate) fn pass(&mut self, next: Next, head: Option<&AtomicU64>) {
        self.at = next.slot.end();
        self.next = Some(next.number.wrapping_add(1));
        if let Some(head) = head {
            head.store(self.at, Ordering::Release);
        }
    }
}
