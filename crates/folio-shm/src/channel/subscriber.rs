//! The subscriber: a receiving end of a broadcast.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::channel::cast::Reader;
use crate::channel::lane::Scribbled;
use crate::channel::link::{Link, RECEIVE};
use crate::channel::place::Place;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;

/// A receiving side of a [`Broadcast`](crate::Broadcast). Dropped, it holds nobody back.
#[derive(Debug)]
pub struct Subscriber {
    lane: Lane,
    place: Place,
    wait: Wait,
    /// Who publishes.
    peer: Peer,
}

/// The lane, and how far it has been read.
#[derive(Debug)]
struct Lane {
    link: Link,
    reader: Reader,
    /// Where its head is, if it holds the publisher back.
    head: Option<usize>,
}

impl Subscriber {
    /// A subscriber in a place that it has.
    pub(crate) fn new(link: Link, place: Place, head: Option<usize>, peer: Peer) -> Result<Self> {
        let word = head.map(|at| link.memory().word64(at));
        let reader = Reader::begin(link.progress(), word);
        let reader = reader.map_err(|Scribbled| link.scribbled(RECEIVE))?;
        let lane = Lane { link, reader, head };
        Ok(Self { lane, place, wait: Wait::default(), peer })
    }

    /// How to wait for messages; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Copies the next message into `message`, in the place of what it held, and returns how many were lost before
    /// it; waits for it.
    ///
    /// # Errors
    /// If there is no message, [`Closed`](crate::ErrorKind::Closed) or
    /// [`PeerDied`](crate::ErrorKind::PeerDied) if there is no publisher any more; one that there never was is
    /// waited for. [`Scribbled`](crate::ErrorKind::Scribbled), [`Truncated`](crate::ErrorKind::Truncated) where
    /// somebody spoilt the channel; [`Invalid`](crate::ErrorKind::Invalid) in a forked child.
    pub fn recv(&mut self, message: &mut Vec<u8>) -> Result<u64> {
        self.receive(message, None)
    }

    /// The same, if it comes before the deadline.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn recv_until(&mut self, message: &mut Vec<u8>, deadline: Instant) -> Result<u64> {
        self.receive(message, Some(deadline))
    }

    /// The same, if there is one now.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for those of waiting.
    pub fn try_recv(&mut self, message: &mut Vec<u8>) -> Result<Option<u64>> {
        self.place.is_ours(RECEIVE)?;
        let found = self.lane.take(message)?;
        if found.is_none() {
            self.lane.link.drained().ring();
        }
        Ok(found)
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline: Option<Instant>) -> Result<u64> {
        if let Some(lost) = self.try_recv(message)? {
            return Ok(lost);
        }
        let Self { lane, wait, peer, .. } = self;
        let memory = lane.link.circle.memory.clone();
        wait.until(RECEIVE, &memory, *peer, deadline, || lane.take(message))
    }
}

impl Lane {
    /// Copies the next message, if there is one.
    fn take(&mut self, message: &mut Vec<u8>) -> Result<Option<u64>> {
        let Self { link, reader, head } = self;
        loop {
            let next = reader.peek(&link.shape, &link.circle, link.progress());
            let next = next.map_err(|Scribbled| link.scribbled(RECEIVE))?;
            let Some(next) = next else { return Ok(None) };
            message.resize(next.slot.len() as usize, 0);
            link.read(next.slot, 0, message)?;
            if reader.is_overtaken(&link.shape, link.progress()) {
                continue;
            }
            let head: Option<&AtomicU64> = head.map(|at| link.memory().word64(at));
            reader.pass(next, head);
            if head.is_some() {
                link.drained().ring_if_seen();
            }
            return Ok(Some(next.lost));
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.place.leave();
        self.lane.link.drained().ring();
    }
}
