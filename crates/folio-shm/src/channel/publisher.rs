//! The publisher: the sending end of a broadcast.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::channel::cast::Writer;
use crate::channel::lane::{Refusal, Scribbled, Slot};
use crate::channel::link::{Link, SEND};
use crate::channel::place::{Holder, Place, Places};
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;
use crate::owner::Life;

/// How often it is asked whether those who hold it back are alive.
const ROUNDS: Duration = Duration::from_millis(5);

/// The sending side of a [`Broadcast`](crate::Broadcast). Dropped, it is closed: subscribers learn of it after the
/// last message.
#[derive(Debug)]
pub struct Publisher {
    lane: Lane,
    place: Place,
    wait: Wait,
}

/// The lane, and who is waited for before it is written on.
#[derive(Debug)]
struct Lane {
    link: Link,
    writer: Writer,
    /// Where the subscribers are, if they hold it back.
    slowest: Option<Places>,
    asked: Option<Instant>,
}

impl Publisher {
    /// A publisher in a place that it has.
    pub(crate) fn new(link: Link, place: Place, slowest: Option<Places>) -> Result<Self> {
        let writer = Writer::find(&link.shape, &link.circle, link.progress());
        let Some(writer) = writer else { return Err(link.scribbled(SEND)) };
        // Whoever sleeps looks who is there now.
        link.filled().ring();
        let lane = Lane { link, writer, slowest, asked: None };
        Ok(Self { lane, place, wait: Wait::default() })
    }

    /// How to wait for subscribers that hold it back; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Publishes a message; where subscribers hold it back, waits for the slowest.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if it is longer than the longest;
    /// [`Scribbled`](crate::ErrorKind::Scribbled), [`Truncated`](crate::ErrorKind::Truncated) where somebody spoilt
    /// the channel; [`Invalid`](crate::ErrorKind::Invalid) in a forked child.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.send_by(message, None)
    }

    /// The same, if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn send_until(&mut self, message: &[u8], deadline: Instant) -> Result<()> {
        self.send_by(message, Some(deadline))
    }

    /// The same, if there is room now. False if there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send(&mut self, message: &[u8]) -> Result<bool> {
        self.place.is_ours(SEND)?;
        let len = self.lane.link.check_len(message.len())?;
        match self.lane.reserve(len)? {
            Some(slot) => self.lane.publish(slot, message).map(|()| true),
            None => Ok(false),
        }
    }

    fn send_by(&mut self, message: &[u8], deadline: Option<Instant>) -> Result<()> {
        self.place.is_ours(SEND)?;
        let Self { lane, wait, .. } = self;
        let len = lane.link.check_len(message.len())?;
        let slot = match lane.reserve(len)? {
            Some(slot) => slot,
            None => {
                // Nobody is missed: who has died holds nothing back any more.
                let nobody = Places { start: 0, stride: 0, count: 0 };
                let (bell, side) = (lane.link.drained_at(), "subscriber");
                let peer = Peer { places: nobody, bell, side, always_rings: false };
                let memory = lane.link.circle.memory.clone();
                wait.until(SEND, &memory, peer, deadline, || lane.reserve(len))?
            }
        };
        lane.publish(slot, message)
    }
}

impl Lane {
    fn reserve(&mut self, len: u32) -> Result<Option<Slot>> {
        let Self { link, writer, slowest, asked } = self;
        let last = |at| slowest.map_or(Ok(None), |places| last_head(link, places, at));
        match writer.reserve(&link.shape, len, last) {
            Ok(slot) => {
                *asked = None;
                return Ok(Some(slot));
            }
            Err(Refusal::Full) => {}
            Err(Refusal::Scribbled) => return Err(link.scribbled(SEND)),
        }
        let now = Instant::now();
        if asked.is_none_or(|asked| now >= asked + ROUNDS) {
            *asked = Some(now);
            if let Some(places) = slowest {
                bury_the_dead(link, *places);
            }
        }
        Ok(None)
    }

    fn publish(&mut self, slot: Slot, message: &[u8]) -> Result<()> {
        let Self { link, writer, .. } = self;
        writer.announce(link.progress(), slot);
        link.write(slot, 0, message)?;
        writer.publish(&link.circle, link.progress(), slot);
        link.filled().ring();
        Ok(())
    }
}

/// The head of the last of the subscribers.
fn last_head(link: &Link, places: Places, at: u64) -> Result<Option<u64>, Scribbled> {
    let memory = link.memory();
    let mut last = None;
    for (holder, place) in places.holders(memory).zip(places.positions()) {
        if matches!(holder, Holder::Process(_)) {
            let head = memory.word64(place + size_of::<u64>()).load(Ordering::Acquire);
            if head > at || !head.is_multiple_of(8) {
                return Err(Scribbled);
            }
            last = Some(last.map_or(head, |last: u64| last.min(head)));
        }
    }
    Ok(last)
}

fn bury_the_dead(link: &Link, places: Places) {
    let memory = link.memory();
    for (holder, place) in places.holders(memory).zip(places.positions()) {
        if let Holder::Process(mark) = holder
            && mark.life() == Life::Dead
        {
            Places::bury(memory, place, mark);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.place.leave();
        self.lane.link.filled().ring();
    }
}
