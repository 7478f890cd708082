//! The subscriber: a receiving end of a broadcast.
//!
//! One that has the segment read-only writes nothing: it has no place and rings no bell, cannot be seen by the
//! others, and looks around every millisecond instead of being woken.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::channel::cast::{Next, Reader, TURNS};
use crate::channel::lane::{Scribbled, Words};
use crate::channel::link::{Link, RECEIVE};
use crate::channel::place::Place;
use crate::channel::published::Published;
use crate::channel::readiness::Readiness;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;

/// A receiving side of a [`Broadcast`](crate::Broadcast). Dropped, it holds nobody back.
#[derive(Debug)]
pub struct Subscriber {
    lane: Lane,
    /// None for one that only looks on.
    place: Option<Place>,
    wait: Wait,
    /// Who publishes.
    peer: Peer,
    readiness: Option<Readiness>,
}

/// The lane, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) link: Link,
    reader: Reader,
    /// Where its head is, if it holds the publisher back.
    head: Option<usize>,
}

impl Subscriber {
    /// A subscriber in a place that it has, or in none.
    pub(crate) fn new(
        link: Link,
        place: Option<Place>,
        head: Option<usize>,
        peer: Peer,
    ) -> Result<Self> {
        let word = head.map(|at| link.memory().word64(at));
        let reader = Reader::begin(&link.shape, &link.circle, link.progress(), word);
        let reader = reader.map_err(|Scribbled| link.scribbled(RECEIVE))?;
        let lane = Lane { link, reader, head };
        Ok(Self { lane, place, wait: Wait::default(), peer, readiness: None })
    }

    /// How to wait for messages; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Whether to wait for the next publisher where the last has left or died, instead of failing with
    /// [`Closed`](crate::ErrorKind::Closed) or [`PeerDied`](crate::ErrorKind::PeerDied); not by default.
    pub fn set_following(&mut self, is_following: bool) {
        self.wait.is_following = is_following;
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
        self.is_ours()?;
        let found = self.lane.take(message)?;
        if found.is_none() {
            self.ring();
        }
        Ok(found)
    }

    /// The next message, where it is in the segment; waits for it.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_in_place(&mut self) -> Result<Published<'_>> {
        self.receive_in_place(None)
    }

    /// The same, if it comes before the deadline.
    ///
    /// # Errors
    /// As [`recv_until`](Self::recv_until).
    pub fn recv_in_place_until(&mut self, deadline: Instant) -> Result<Published<'_>> {
        self.receive_in_place(Some(deadline))
    }

    /// The same, if there is one now.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_in_place(&mut self) -> Result<Option<Published<'_>>> {
        self.is_ours()?;
        let found = self.lane.find()?;
        if found.is_none() {
            self.ring();
        }
        Ok(found.map(|next| self.in_place(next)))
    }

    /// A descriptor to poll(2), for those who wait for other things too: as
    /// [`Receiver::ready_fd`](crate::Receiver::ready_fd).
    ///
    /// # Errors
    /// As there.
    pub fn ready_fd(&mut self) -> Result<BorrowedFd<'_>> {
        self.is_ours()?;
        // Who only looks on in a forked child has a thread of its own there.
        let readiness = match self.readiness.take().filter(Readiness::is_here) {
            Some(readiness) => readiness,
            None => {
                let link = self.lane.link.clone();
                Readiness::new(&self.lane.link.circle.memory, self.peer, move |at| {
                    let tail = link.progress().tail.load(Ordering::Relaxed);
                    tail != at || link.circle.word(at).load(Ordering::Relaxed) != 0
                })?
            }
        };
        readiness.arm(self.lane.reader.position(), self.wait.is_following);
        Ok(self.readiness.insert(readiness).fd())
    }

    fn is_ours(&self) -> Result<()> {
        self.place.as_ref().map_or(Ok(()), |place| place.is_ours(RECEIVE))
    }

    /// Wakes a publisher that went to sleep as the last message was passed, and was not seen then, perhaps.
    fn ring(&self) {
        if self.place.is_some() {
            self.lane.link.drained().ring();
        }
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline: Option<Instant>) -> Result<u64> {
        if let Some(lost) = self.try_recv(message)? {
            return Ok(lost);
        }
        let Self { lane, wait, peer, .. } = self;
        let memory = lane.link.circle.memory.clone();
        wait.until(RECEIVE, &memory, *peer, deadline, || lane.take(message))
    }

    fn receive_in_place(&mut self, deadline: Option<Instant>) -> Result<Published<'_>> {
        let next = self.next(deadline)?;
        Ok(self.in_place(next))
    }

    fn next(&mut self, deadline: Option<Instant>) -> Result<Next> {
        self.is_ours()?;
        if let Some(next) = self.lane.find()? {
            return Ok(next);
        }
        self.ring();
        let Self { lane, wait, peer, .. } = self;
        let memory = lane.link.circle.memory.clone();
        wait.until(RECEIVE, &memory, *peer, deadline, || lane.find())
    }

    pub(crate) fn in_place(&mut self, next: Next) -> Published<'_> {
        Published { lane: &mut self.lane, place: self.place.as_ref(), next }
    }

    /// The message that is there now; an error if there is none, and no publisher any more.
    #[cfg(feature = "tokio")]
    pub(crate) fn next_now(&mut self) -> Result<Option<Next>> {
        crate::channel::wait::unless_late(self.next(Some(Instant::now())))
    }
}

impl Lane {
    /// The next message, if there is one.
    fn find(&mut self) -> Result<Option<Next>> {
        let Self { link, reader, .. } = self;
        let next = reader.peek(&link.shape, &link.circle, link.progress());
        next.map_err(|Scribbled| link.scribbled(RECEIVE))
    }

    /// Copies the next message, if there is one.
    fn take(&mut self, message: &mut Vec<u8>) -> Result<Option<u64>> {
        for _ in 0..TURNS {
            let Some(next) = self.find()? else { return Ok(None) };
            message.resize(next.slot.len() as usize, 0);
            self.link.read(next.slot, 0, message)?;
            if self.is_whole() {
                self.pass(next);
                return Ok(Some(next.lost));
            }
        }
        Ok(None)
    }

    /// Whether what was copied of the message at its position is what was published.
    pub(crate) fn is_whole(&self) -> bool {
        !self.reader.is_overtaken(&self.link.shape, self.link.progress())
    }

    /// Goes on behind a message.
    pub(crate) fn pass(&mut self, next: Next) {
        let head: Option<&AtomicU64> = self.head.map(|at| self.link.memory().word64(at));
        self.reader.pass(next, head);
        if head.is_some() {
            self.link.drained().ring_if_seen();
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(place) = &mut self.place {
            place.leave();
            self.ring();
        }
    }
}
