//! Discarding: a lane whose sender never waits, but gives up the oldest messages for the newest.
//!
//! The lane's records are as ever ([`crate::channel::lane`]); but its head belongs to all, and whoever moves it past a
//! message, by a compare-exchange, has it:
//!
//! 1. A receiver finds the record at the head ([`oldest`]), copies the message, and moves the head ([`take`]). If
//!    somebody else has moved it by then, what was copied may be anything, and is nobody's.
//! 2. A sender without room moves the head past the oldest message, which is lost, and past as many as it takes
//!    ([`make_room`]). Then the place is its own.
//!
//! Nobody waits for anybody, so it does not matter where one dies: a message whose receiver died with it is gone.
//!
//! Invariant: bytes between the head and the sender's position are not written to.

use crate::channel::lane::{Head, Refusal, Scribbled, Shape, Slot, Tail, Words};
use crate::sync::{AtomicU64, Ordering, fence};

/// How often a receiver tries before it is content with having found nothing: each time a sender, or
/// another receiver, was faster.
pub(crate) const TRIES: u32 = 100;

/// The oldest message. None if there is none, or it went away too often while it was looked at.
pub(crate) fn oldest(
    shape: &Shape,
    words: &impl Words,
    head: &AtomicU64,
) -> Result<Option<Slot>, Scribbled> {
    for _ in 0..TRIES {
        let at = head.load(Ordering::Acquire);
        let found = Head::at(at).ok_or(Scribbled)?.peek(shape, words);
        // Who has seen what was written over the header sees the head that was moved before that.
        fence(Ordering::Acquire);
        // Where there is nothing, it may have been taken, and there may be something further on.
        if matches!(found, Ok(Some(_))) || head.load(Ordering::Relaxed) == at {
            return found;
        }
    }
    Ok(None)
}

/// Takes the message that was found and has been copied. False if it was somebody else's by then.
pub(crate) fn take(head: &AtomicU64, slot: Slot) -> bool {
    // Who overwrites it has seen this, or its own move of the head, before that.
    let (from, to) = (slot.from(), slot.end());
    head.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// A place for a message of at most the longest length, and how many were given up for it.
pub(crate) fn make_room(
    tail: &mut Tail,
    shape: &Shape,
    words: &impl Words,
    head: &AtomicU64,
    len: u32,
) -> Result<(Slot, u64), Refusal> {
    let mut lost = 0;
    // A record has 8 bytes at least, and every turn somebody moves the head past one.
    for _ in 0..shape.size / 8 {
        match tail.reserve(shape, head, len) {
            Err(Refusal::Full) => {}
            found => return found.map(|slot| (slot, lost)),
        }
        let at = tail.seen();
        let oldest = Head::at(at).and_then(|head| head.peek(shape, words).ok().flatten());
        let to = oldest.ok_or(Refusal::Scribbled)?.end();
        // Who sees the new head sees that there is a record behind it, or none, and not what was there before.
        if head.compare_exchange(at, to, Ordering::Release, Ordering::Relaxed).is_ok() {
            lost += 1;
        }
        // Before anything is written there: see `oldest`.
        fence(Ordering::Release);
    }
    Err(Refusal::Scribbled)
}
