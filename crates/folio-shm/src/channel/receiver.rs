//! The receiver: the other end of a channel.
//!
//! Alone, it keeps the head of each lane to itself. One of several claims a lane for as long as it has a message
//! of it, and goes on where the one before it stopped. Where senders drop the oldest, it copies each message.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::channel::buffer::Buffer;
use crate::channel::lane::{Head, Slot};
use crate::channel::link::{Link, RECEIVE};
use crate::channel::message::{Bytes, Message};
use crate::channel::place::Place;
use crate::channel::readiness::Readiness;
use crate::channel::wait::{Peer, Wait, Waiting, look_some_times};
use crate::error::Result;

/// A receiving side of a channel. Dropped, it is closed: senders learn of it when there is no more room, and
/// no other receiver.
#[derive(Debug)]
pub struct Receiver {
    lanes: Lanes,
    place: Place,
    wait: Wait,
    /// Who sends.
    peer: Peer,
    readiness: Option<Readiness>,
}

/// The lanes, as a receiver has them.
#[derive(Debug)]
struct Lanes {
    links: Vec<Link>,
    heads: Vec<Head>,
    taking: Taking,
    /// The lane to look at first: messages of all senders have their turn.
    next: usize,
}

/// How it takes messages.
#[derive(Debug)]
pub(crate) enum Taking {
    /// No other receiver can be there.
    Alone,
    /// Others may be there; whoever has a message of a lane has the lane.
    Claiming,
    /// The sender may give a message up while it is copied to this memory.
    Copying(Buffer),
}

/// A message that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Slot(usize, Slot),
    /// A copy of so many bytes.
    Copy(usize, usize),
}

impl Receiver {
    /// A receiver in a place that it has.
    pub(crate) fn new(links: Vec<Link>, place: Place, peer: Peer, taking: Taking) -> Result<Self> {
        let heads = links.iter().map(Link::start).collect::<Result<_>>()?;
        let lanes = Lanes { links, heads, taking, next: 0 };
        lanes.ring();
        Ok(Self { lanes, place, wait: Wait::default(), peer, readiness: None })
    }

    /// How to wait for messages; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Whether to wait for the next sender where the last has left or died, instead of failing with
    /// [`Closed`](crate::ErrorKind::Closed) or [`PeerDied`](crate::ErrorKind::PeerDied); not by default.
    pub fn set_following(&mut self, is_following: bool) {
        self.wait.is_following = is_following;
    }

    /// The next message; waits for it.
    ///
    /// # Errors
    /// If there is no message, [`Closed`](crate::ErrorKind::Closed) or
    /// [`PeerDied`](crate::ErrorKind::PeerDied) if there is no sender at this time, even if another is about to come
    /// ([`set_following`](Self::set_following) waits for it); one that there never was is waited for. [`Scribbled`](crate::ErrorKind::Scribbled), [`Truncated`](crate::ErrorKind::Truncated) where
    /// somebody spoilt the channel; [`Invalid`](crate::ErrorKind::Invalid) in a forked child.
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_>> {
        self.receive(None)
    }

    /// The next message, if it comes before the deadline.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`TimedOut`](crate::ErrorKind::TimedOut).
    pub fn recv_until(&mut self, deadline: Instant) -> Result<Message<'_>> {
        self.receive(Some(deadline))
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for those of waiting.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Message<'_>>> {
        self.place.is_ours(RECEIVE)?;
        let found = self.lanes.find()?;
        if found.is_none() {
            self.lanes.ring();
        }
        Ok(found.map(|found| self.lanes.message(&self.place, found)))
    }

    /// A descriptor to poll(2), for those who wait for other things too. It is readable when there may be a
    /// message, or no sender any more ([unless that is waited through](Self::set_following)), since the last call of this: so one that found nothing is followed by
    /// this, and this by the wait. The first call starts a thread, which makes it so.
    ///
    /// ```
    /// use std::time::Instant;
    /// use folio_shm::{ErrorKind, Queue};
    ///
    /// # use rustix::event::{PollFd, PollFlags, poll};
    /// let queue = Queue::options().create().memfd("polled")?;
    /// let (mut sender, mut receiver) = (queue.sender()?, queue.receiver()?);
    /// sender.send(b"a message")?;
    /// drop(sender);
    /// let end = loop {
    ///     let error = match receiver.recv_until(Instant::now()) {
    ///         Ok(message) => {
    ///             assert_eq!(message.to_vec()?, b"a message");
    ///             continue;
    ///         }
    ///         Err(error) => error.kind(),
    ///     };
    ///     if error != ErrorKind::TimedOut {
    ///         break error;
    ///     }
    ///     let fd = receiver.ready_fd()?;
    ///     poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap();
    /// };
    /// assert_eq!(end, ErrorKind::Closed);
    /// # Ok::<(), folio_shm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) in a forked child; EMFILE, ENFILE, EAGAIN: see eventfd(2) and
    /// pthread_create(3).
    pub fn ready_fd(&mut self) -> Result<BorrowedFd<'_>> {
        self.place.is_ours(RECEIVE)?;
        let readiness = match self.readiness.take() {
            Some(readiness) => readiness,
            None => {
                let links = self.lanes.links.clone();
                let memory = &self.lanes.links[0].circle.memory;
                Readiness::new(memory, self.peer, move |_| links.iter().any(Link::is_filled))?
            }
        };
        readiness.arm(0, self.wait.is_following);
        Ok(self.readiness.insert(readiness).fd())
    }

    /// What there is now, without waiting; an error if there is nothing, and no sender any more.
    #[cfg(feature = "tokio")]
    pub(crate) fn find_now(&mut self) -> Result<Option<Found>> {
        self.place.is_ours(RECEIVE)?;
        let Self { lanes, place, wait, peer, .. } = self;
        if let Some(found) = lanes.find()? {
            return Ok(Some(found));
        }
        crate::channel::wait::unless_late(lanes.wait(wait, place, *peer, Some(Instant::now())))
    }

    /// The message that was found.
    #[cfg(feature = "tokio")]
    pub(crate) fn found(&mut self, found: Found) -> Message<'_> {
        self.lanes.message(&self.place, found)
    }

    #[inline]
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Message<'_>> {
        self.place.is_ours(RECEIVE)?;
        let Self { lanes, wait, peer, place, .. } = self;
        let found = match lanes.find_or_look(wait)? {
            Some(found) => found,
            None => lanes.wait(wait, place, *peer, deadline)?,
        };
        Ok(lanes.message(place, found))
    }
}

impl Lanes {
    /// A message, and its lane, which is claimed where it has to be.
    #[inline(always)]
    fn find(&mut self) -> Result<Option<Found>> {
        for step in 0..self.links.len() {
            let mut index = self.next + step;
            if index >= self.links.len() {
                index -= self.links.len();
            }
            if let Some(found) = self.look(index)? {
                self.next = if index + 1 == self.links.len() { 0 } else { index + 1 };
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The same; where that is how waits go, looks some times before this is a wait. What is found stays in
    /// registers here: to hand it through [`Wait::until`] takes as long as half the way of a short message.
    #[inline(always)]
    fn find_or_look(&mut self, wait: &mut Wait) -> Result<Option<Found>> {
        let found = self.find()?;
        if found.is_some() || !wait.looks() {
            return Ok(found);
        }
        let found = look_some_times(&mut || self.find())?;
        if found.is_some() {
            wait.remember(Duration::ZERO);
        }
        Ok(found)
    }

    #[inline(always)]
    fn look(&mut self, index: usize) -> Result<Option<Found>> {
        let link = &self.links[index];
        let slot = match &mut self.taking {
            Taking::Alone => link.peek(&self.heads[index])?,
            Taking::Claiming => self.claim(index)?,
            Taking::Copying(buffer) => {
                let taken = link.take_oldest(buffer.as_mut_slice())?;
                return Ok(taken.map(|len| Found::Copy(index, len)));
            }
        };
        Ok(slot.map(|slot| Found::Slot(index, slot)))
    }

    fn claim(&mut self, index: usize) -> Result<Option<Slot>> {
        let link = &self.links[index];
        if !link.is_filled() || !link.claim() {
            return Ok(None);
        }
        let found = link.start().and_then(|head| {
            self.heads[index] = head;
            link.peek(&self.heads[index])
        });
        if !matches!(found, Ok(Some(_))) {
            link.unclaim();
        }
        found
    }

    #[inline]
    fn message<'a>(&'a mut self, place: &'a Place, found: Found) -> Message<'a> {
        match found {
            Found::Slot(index, slot) => {
                let is_claimed = !matches!(self.taking, Taking::Alone);
                let (link, head) = (&self.links[index], &mut self.heads[index]);
                Message { link, bytes: Bytes::InSegment { slot, head, place, is_claimed } }
            }
            Found::Copy(index, len) => {
                let Taking::Copying(buffer) = &self.taking else { unreachable!("it was copied") };
                Message { link: &self.links[index], bytes: Bytes::Copied(buffer.view(len)) }
            }
        }
    }

    #[cold]
    fn wait(
        &mut self,
        wait: &mut Wait,
        place: &Place,
        peer: Peer,
        deadline: Option<Instant>,
    ) -> Result<Found> {
        self.ring();
        wait.until(RECEIVE, place.memory(), peer, deadline, || self.find())
    }

    /// Wakes senders that went to sleep as the last message was dropped, and were not seen then, perhaps.
    fn ring(&self) {
        self.links.iter().for_each(|link| link.drained().ring());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.place.leave();
        self.lanes.ring();
    }
}
