//! The queue: a channel from one or many senders to one or many receivers, where one gets each message.
//!
//! ```
//! use folio_shm::Queue;
//!
//! # let name = format!("folio-doc-queue-{}", std::process::id());
//! // In one process:
//! let queue = Queue::options().create().longest(1000).open(&name)?;
//! let mut sender = queue.sender()?;
//! sender.send(b"a message")?;
//! let mut loan = sender.loan(6)?; // written where the receiver reads it
//! loan.write_at(0, b"second")?;
//! loan.send()?;
//!
//! // In another, of the same user:
//! let mut receiver = Queue::options().open(&name)?.receiver()?;
//! assert_eq!(receiver.recv()?.to_vec()?, b"a message");
//! let message = receiver.recv()?; // a place in the segment, until it is dropped
//! assert_eq!(message.len(), 6);
//! # folio_shm::Segment::unlink(&name)?;
//! # drop(message);
//! # drop(sender);
//! let end = receiver.recv().unwrap_err();
//! assert_eq!(end.kind(), folio_shm::ErrorKind::Closed);
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! Messages keep their boundaries; those of one sender keep their order; each arrives whole, once, at a
//! receiver that lives. Each sender has a lane of its own, so that no sender waits for another, and none that
//! dies leaves anything half done that others need.
//!
//! Whoever waits learns that the other side has left or died, after the last message. Another can take
//! the place: a sender goes on where the last message ends; what a receiver had not dropped when it died
//! goes to the next. That there is no sender is told whenever there is none, even if others are about to come: where
//! they come and go, a receiver that is to stay [follows](crate::Receiver::set_following), or whoever starts them has
//! a sender's place of its own until they have ended. Of several receivers one at a time has a message of each lane:
//! who works long on a message while others could do the next copies it, and drops it.
//!
//! A peer may write anything into the segment at any time, its messages included: so they are copied out, or
//! looked at through a [`folio::View`]. What it does to the channel's own words is an error, kind
//! [`Scribbled`](crate::ErrorKind::Scribbled), or a message that was never sent, or one that is not seen.

use std::sync::Arc;

use crate::channel::buffer::Buffer;
use crate::channel::lane::Shape;
use crate::channel::link::Link;
use crate::channel::measures::{FILLED, Measures};
use crate::channel::memory::Memory;
use crate::channel::options::{ChannelOptions, is_channel};
use crate::channel::place::Places;
use crate::channel::receiver::{Receiver, Taking};
use crate::channel::sender::Sender;
use crate::channel::traffic::Traffic;
use crate::channel::wait::Peer;
use crate::error::Result;

/// A channel whose every message one receiver gets. See the [module](self) documentation.
#[derive(Clone)]
pub struct Queue {
    memory: Arc<Memory>,
    measures: Measures,
    shape: Shape,
}

impl Queue {
    /// Options to open or make one with.
    #[must_use]
    pub fn options() -> ChannelOptions<Self> {
        ChannelOptions::default()
    }

    /// Bytes of the longest message that can be sent.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.shape.longest as usize
    }

    /// Bytes of each sender's circle.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.size as usize
    }

    /// Takes a sender's place.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) while processes that live have all of them, this one too;
    /// [`Scribbled`](crate::ErrorKind::Scribbled) if what is in the lane is no messages;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the queue was made in another PID namespace.
    pub fn sender(&self) -> Result<Sender> {
        let (place, index) = self.senders().take(&self.memory, "sender")?;
        let link = self.link(index);
        let (bell, side) = (link.drained_at(), "receiver");
        let peer = Peer { places: self.receivers(), bell, side, always_rings: false };
        Sender::new(link, place, peer, self.drops_oldest())
    }

    /// Whether senders give up the oldest messages where there is no room, and never wait.
    #[must_use]
    pub fn drops_oldest(&self) -> bool {
        self.measures.choice != 0
    }

    /// Takes a receiver's place.
    ///
    /// # Errors
    /// As [`sender`](Self::sender).
    pub fn receiver(&self) -> Result<Receiver> {
        let (place, _) = self.receivers().take(&self.memory, "receiver")?;
        let links = (0..self.measures.senders as usize).map(|index| self.link(index)).collect();
        let is_alone = self.measures.receivers == 1;
        // With others about, a message may be left over without anybody ringing.
        let always_rings = is_alone && self.measures.senders == 1;
        let peer = Peer { places: self.senders(), bell: FILLED, side: "sender", always_rings };
        let taking = match is_alone {
            _ if self.drops_oldest() => Taking::Copying(Buffer::new(self.longest())?),
            true => Taking::Alone,
            false => Taking::Claiming,
        };
        Receiver::new(links, place, peer, taking)
    }

    /// What can be seen from outside. No side notices.
    #[must_use]
    pub fn stat(&self) -> QueueStat {
        let links = (0..self.measures.senders as usize).map(|index| self.link(index));
        let (mut sent, mut received, mut dropped) = (0u64, 0u64, 0u64);
        for link in links {
            sent = sent.wrapping_add(link.sent());
            received = received.wrapping_add(link.received());
            dropped = dropped.wrapping_add(link.dropped());
        }
        let pids = |places: Places| places.pids(&self.memory).collect();
        let (senders, receivers) = (pids(self.senders()), pids(self.receivers()));
        QueueStat { sent, received, dropped, senders, receivers }
    }

    /// What moves through it, and what stands in it. No side notices; of a queue it takes as long as there are
    /// messages waiting.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic::of_queue(&self.measures, &self.memory, self.shape)
    }

    fn link(&self, index: usize) -> Link {
        self.measures.link(&self.memory, self.shape, index)
    }

    fn senders(&self) -> Places {
        self.measures.senders()
    }

    fn receivers(&self) -> Places {
        self.measures.receivers()
    }
}

is_channel!(Queue, b"folio-shm queue 1");

/// A queue's counters, as they were when it was looked at. Each process writes its own, and may write
/// anything.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStat {
    /// Messages that were sent, since it was made.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages that were given up for newer ones.
    pub dropped: u64,
    /// The processes that are senders, dead or alive.
    pub senders: Vec<u32>,
    /// The processes that are receivers, dead or alive.
    pub receivers: Vec<u32>,
}
