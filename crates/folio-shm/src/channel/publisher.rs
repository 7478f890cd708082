//! The publisher: the sending end of a broadcast.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::channel::cast::Writer;
use crate::channel::lane::{Refusal, Scribbled, Slot};
use crate::channel::link::{Link, SEND};
use crate::channel::loan::{Lender, Loan};
use crate::channel::place::{Holder, Place, Places};
use crate::channel::readiness::Readiness;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;
use crate::owner::Life;
use crate::shared::{self, Shared};

/// How often it is asked whether those who hold it back are alive.
const ROUNDS: Duration = Duration::from_millis(5);

/// The sending side of a [`Broadcast`](crate::Broadcast). Dropped, it is closed: subscribers learn of it after the
/// last message.
#[derive(Debug)]
pub struct Publisher {
    lane: Lane,
    place: Place,
    wait: Wait,
    readiness: Option<Readiness>,
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
        Ok(Self { lane, place, wait: Wait::default(), readiness: None })
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
        match self.try_reserve(message.len())? {
            Some(slot) => self.send_in(slot, message).map(|()| true),
            None => Ok(false),
        }
    }

    /// Publishes the bytes of a value; where subscribers hold it back, waits for the slowest.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_value<T: Shared>(&mut self, value: &T) -> Result<()> {
        self.send(shared::bytes_of(value))
    }

    /// A place for a message of so many bytes in the segment; where subscribers hold it back, waits for the slowest.
    /// What is in it is left from earlier messages.
    ///
    /// ```
    /// use folio_shm::Broadcast;
    ///
    /// let broadcast = Broadcast::options().create().memfd("prices")?;
    /// let (mut publisher, mut subscriber) = (broadcast.publisher()?, broadcast.subscriber()?);
    /// let mut loan = publisher.loan(100)?;
    /// loan.write_at(0, b"twelve bytes")?;
    /// loan.shorten(12);
    /// loan.send()?;
    /// assert_eq!(subscriber.recv_in_place()?.to_vec()?, b"twelve bytes");
    /// # Ok::<(), folio_shm::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn loan(&mut self, len: usize) -> Result<Loan<'_>> {
        let slot = self.reserve(len, None)?;
        Ok(self.lend(slot))
    }

    /// The same, if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send_until`](Self::send_until).
    pub fn loan_until(&mut self, len: usize, deadline: Instant) -> Result<Loan<'_>> {
        let slot = self.reserve(len, Some(deadline))?;
        Ok(self.lend(slot))
    }

    /// The same, if there is room now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_loan(&mut self, len: usize) -> Result<Option<Loan<'_>>> {
        let slot = self.try_reserve(len)?;
        Ok(slot.map(|slot| self.lend(slot)))
    }

    /// A descriptor to poll(2), for those who wait for other things too: as [`Sender::ready_fd`](crate::Sender::ready_fd),
    /// for room that subscribers make, or leave.
    ///
    /// # Errors
    /// As there.
    pub fn ready_fd(&mut self, len: usize) -> Result<BorrowedFd<'_>> {
        self.place.is_ours(SEND)?;
        let Lane { link, writer, slowest, .. } = &self.lane;
        let goal = writer.goal(&link.shape, link.check_len(len)?);
        let readiness = match self.readiness.take() {
            Some(readiness) => readiness,
            None => {
                let (link, slowest) = (link.clone(), *slowest);
                Readiness::new(&self.lane.link.circle.memory, self.lane.peer(), move |goal| {
                    slowest.is_none_or(|places| has_come_to(&link, places, goal))
                })?
            }
        };
        readiness.arm(goal, self.wait.is_following);
        Ok(self.readiness.insert(readiness).fd())
    }

    fn send_by(&mut self, message: &[u8], deadline: Option<Instant>) -> Result<()> {
        let slot = self.reserve(message.len(), deadline)?;
        self.send_in(slot, message)
    }

    fn send_in(&mut self, slot: Slot, message: &[u8]) -> Result<()> {
        let link = &self.lane.link;
        self.lane.writer.announce(&link.shape, link.progress(), slot);
        link.write(slot, 0, message)?;
        self.publish(slot)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.lane.link
    }

    pub(crate) fn publish(&mut self, slot: Slot) -> Result<()> {
        self.place.is_ours(SEND)?;
        let Lane { link, writer, .. } = &mut self.lane;
        writer.publish(&link.shape, &link.circle, link.progress(), slot);
        link.filled().ring();
        Ok(())
    }

    fn lend(&mut self, slot: Slot) -> Loan<'_> {
        let Lane { link, writer, .. } = &mut self.lane;
        writer.announce(&link.shape, link.progress(), slot);
        Loan { lender: Lender::Publisher(self), slot }
    }

    fn try_reserve(&mut self, len: usize) -> Result<Option<Slot>> {
        self.place.is_ours(SEND)?;
        let len = self.lane.link.check_len(len)?;
        self.lane.reserve(len)
    }

    fn reserve(&mut self, len: usize, deadline: Option<Instant>) -> Result<Slot> {
        if let Some(slot) = self.try_reserve(len)? {
            return Ok(slot);
        }
        let Self { lane, wait, .. } = self;
        let (memory, peer) = (lane.link.circle.memory.clone(), lane.peer());
        wait.until(SEND, &memory, peer, deadline, || lane.reserve(len as u32))
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

    /// Whom it waits for. Nobody is missed: who has died holds nothing back any more.
    fn peer(&self) -> Peer {
        let nobody = Places { start: 0, stride: 0, count: 0 };
        let (bell, side) = (self.link.drained_at(), "subscriber");
        Peer { places: nobody, bell, side, always_rings: false }
    }
}

/// Whether all have come as far who hold it back.
fn has_come_to(link: &Link, places: Places, goal: u64) -> bool {
    let has_come = || match last_head(link, places, u64::MAX) {
        Ok(head) => head.is_none_or(|head| head >= goal),
        // The publisher finds out what is wrong.
        Err(Scribbled) => true,
    };
    if has_come() {
        return true;
    }
    bury_the_dead(link, places);
    has_come()
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
