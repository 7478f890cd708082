//! The sender: one end of a queue.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::channel::lane::{Slot, Tail};
use crate::channel::link::{Link, SEND};
use crate::channel::loan::{Lender, Loan};
use crate::channel::place::Place;
use crate::channel::readiness::Readiness;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::Result;
use crate::shared::{self, Shared};

/// The sending side of a channel, which one process has at a time. Dropped, it is closed: the receiver learns of it after the last message.
#[derive(Debug)]
pub struct Sender {
    pub(crate) link: Link,
    place: Place,
    tail: Tail,
    wait: Wait,
    /// Who makes room.
    peer: Peer,
    /// Whether there is always room, as older messages are given up for it.
    drops_oldest: bool,
    readiness: Option<Readiness>,
}

impl Sender {
    /// The sender of a link, in a place that it has.
    pub(crate) fn new(link: Link, place: Place, peer: Peer, drops_oldest: bool) -> Result<Self> {
        let tail = link.tail()?;
        // Whoever sleeps looks who is there now.
        link.filled().ring();
        let wait = Wait::default();
        Ok(Self { link, place, tail, wait, peer, drops_oldest, readiness: None })
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
    #[inline]
    pub fn try_loan(&mut self, len: usize) -> Result<Option<Loan<'_>>> {
        let slot = self.try_reserve(len)?;
        Ok(slot.map(|slot| self.lend(slot)))
    }

    /// A descriptor to poll(2), for those who wait for other things too. It is readable when there may be room for a
    /// message of so many bytes, or no receiver any more, since the last call of this: so one that found no room is
    /// followed by this, and this by the wait. The first call starts a thread, which makes it so.
    ///
    /// ```
    /// use std::time::Instant;
    /// use folio_shm::{ErrorKind, Queue};
    ///
    /// # use rustix::event::{PollFd, PollFlags, poll};
    /// let queue = Queue::options().create().longest(1000).bytes(4096).memfd("polled")?;
    /// let (mut sender, mut receiver) = (queue.sender()?, queue.receiver()?);
    /// let message = [1; 1000];
    /// while sender.try_send(&message)? {}
    /// assert_eq!(receiver.recv()?.len(), 1000); // makes room
    /// let fd = sender.ready_fd(1000)?;
    /// poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap();
    /// assert!(sender.try_send(&message)?);
    /// # Ok::<(), folio_shm::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send); EMFILE, ENFILE, EAGAIN: see eventfd(2) and pthread_create(3).
    pub fn ready_fd(&mut self, len: usize) -> Result<BorrowedFd<'_>> {
        self.place.is_ours(SEND)?;
        let goal = self.tail.goal(&self.link.shape, self.link.check_len(len)?);
        let readiness = match self.readiness.take() {
            Some(readiness) => readiness,
            None => {
                let (link, drops_oldest) = (self.link.clone(), self.drops_oldest);
                Readiness::new(&self.link.circle.memory, self.peer, move |goal| {
                    drops_oldest || link.head().load(Ordering::Acquire) >= goal
                })?
            }
        };
        readiness.arm(goal, self.wait.is_following);
        Ok(self.readiness.insert(readiness).fd())
    }

    /// A place if there is room now; an error if there is none, and no receiver any more.
    #[cfg(feature = "tokio")]
    pub(crate) fn reserve_now(&mut self, len: usize) -> Result<Option<Slot>> {
        crate::channel::wait::unless_late(self.reserve(len, Some(Instant::now())))
    }

    #[inline]
    pub(crate) fn send_in(&mut self, slot: Slot, message: &[u8]) -> Result<()> {
        self.link.write(slot, 0, message)?;
        self.publish(slot)
    }

    #[inline]
    pub(crate) fn publish(&mut self, slot: Slot) -> Result<()> {
        self.place.is_ours(SEND)?;
        self.tail.publish(&self.link.circle, slot);
        self.link.count_sent();
        self.link.filled().ring();
        Ok(())
    }

    #[inline]
    pub(crate) fn lend(&mut self, slot: Slot) -> Loan<'_> {
        Loan { lender: Lender::Sender(self), slot }
    }

    #[inline]
    fn try_reserve(&mut self, len: usize) -> Result<Option<Slot>> {
        self.place.is_ours(SEND)?;
        let len = self.link.check_len(len)?;
        match self.link.reserve(&mut self.tail, len)? {
            None if self.drops_oldest => self.link.make_room(&mut self.tail, len).map(Some),
            found => Ok(found),
        }
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

impl Drop for Sender {
    fn drop(&mut self) {
        self.place.leave();
        self.link.filled().ring();
    }
}
