//! The broadcast: a channel from one publisher to many subscribers, each of whom gets each message.
//!
//! ```
//! use folio_shm::Broadcast;
//!
//! let broadcast = Broadcast::options().create().subscribers(8).memfd("prices")?;
//! let mut one = broadcast.subscriber()?;
//! let mut other = broadcast.subscriber()?;
//! let mut publisher = broadcast.publisher()?;
//! publisher.send(b"to all who are there")?;
//!
//! let mut message = Vec::new();
//! assert_eq!(one.recv(&mut message)?, 0); // how many it lost before this one
//! assert_eq!(message, b"to all who are there");
//! one.recv_until(&mut message, std::time::Instant::now()).unwrap_err();
//! other.recv(&mut message)?;
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! A subscriber gets what is published from when it came. By default the publisher waits for nobody, and a
//! subscriber that is more than a circle behind loses messages: it goes on with one that is there for some time to
//! come, and is told how many it has lost, up to 2³⁰. It always gets the last one, also of a publisher that has left,
//! unless that one borrowed a place for another and never sent it, in a circle for less than three of them. With [`hold_back`](crate::ChannelOptions::hold_back) the publisher waits for
//! the slowest, as long as that one lives.
//!
//! Messages are copied out, or looked at where they are ([`Published`](crate::Published)): unless it is held back, the publisher may
//! write the next over them, which is told. What a peer does to the channel's
//! own words is an error, kind [`Scribbled`](crate::ErrorKind::Scribbled), or a wrong or missing message.

use std::sync::Arc;

use crate::channel::lane::Shape;
use crate::channel::link::Link;
use crate::channel::measures::{FILLED, Measures};
use crate::channel::memory::Memory;
use crate::channel::options::{ChannelOptions, is_channel};
use crate::channel::publisher::Publisher;
use crate::channel::subscriber::Subscriber;
use crate::channel::traffic::Traffic;
use crate::channel::wait::Peer;
use crate::error::Result;

/// A channel whose every message each subscriber gets. See the [module](self) documentation.
#[derive(Clone)]
pub struct Broadcast {
    memory: Arc<Memory>,
    measures: Measures,
    shape: Shape,
}

impl Broadcast {
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

    /// Bytes of the circle: how far a subscriber may be behind.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.size as usize
    }

    /// Whether the publisher waits for the slowest subscriber.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.measures.choice != 0
    }

    /// Takes the publisher's place.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) while a process that lives has it, this one too;
    /// [`Scribbled`](crate::ErrorKind::Scribbled) if what is in the channel is no messages;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if it was made in another PID namespace.
    pub fn publisher(&self) -> Result<Publisher> {
        let (place, _) = self.measures.senders().take(&self.memory, "publisher")?;
        let slowest = self.holds_back().then(|| self.measures.receivers());
        Publisher::new(self.link(), place, slowest)
    }

    /// Takes a subscriber's place. It gets what is published from now on.
    ///
    /// One that has the segment read-only needs none, and there can be any number of them: nobody is woken for them,
    /// nor held back, nor can they be seen. They look around every millisecond, and lose what they are too slow for.
    ///
    /// ```
    /// use folio_shm::{Broadcast, Seals};
    ///
    /// // Those who get the descriptor cannot write to it, whatever they do: the kernel sees to that.
    /// let options = Broadcast::options().create().segment(|segment| segment.seals(Seals::FUTURE_WRITE));
    /// let broadcast = options.memfd("prices")?;
    /// let mut publisher = broadcast.publisher()?;
    ///
    /// # use std::os::fd::AsFd;
    /// # let fd = broadcast.as_fd().try_clone_to_owned().unwrap();
    /// let theirs = Broadcast::options().segment(|segment| segment.read_only()).fd(fd)?;
    /// let mut subscriber = theirs.subscriber()?;
    /// publisher.send(b"to all who look")?;
    /// assert_eq!(subscriber.recv_in_place()?.to_vec()?, b"to all who look");
    /// # Ok::<(), folio_shm::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`publisher`](Self::publisher).
    pub fn subscriber(&self) -> Result<Subscriber> {
        let places = self.measures.receivers();
        let publishers = self.measures.senders();
        let peer = Peer { places: publishers, bell: FILLED, side: "publisher", always_rings: true };
        if self.memory.is_read_only() {
            return Subscriber::new(self.link(), None, None, peer);
        }
        let (place, index) = places.take(&self.memory, "subscriber")?;
        let head = places.positions().nth(index).map(|mark| mark + size_of::<u64>());
        let head = head.filter(|_| self.holds_back());
        Subscriber::new(self.link(), Some(place), head, peer)
    }

    /// How many messages have been published since it was made, as the publisher says.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.link().sent()
    }

    /// What can be seen from outside. No side notices.
    #[must_use]
    pub fn stat(&self) -> BroadcastStat {
        let publisher = self.measures.senders().pids(&self.memory).next();
        let subscribers = self.measures.receivers().pids(&self.memory).collect();
        BroadcastStat { sent: self.sent(), publisher, subscribers }
    }

    /// What moves through it, and what stands in it. No side notices.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic::of_broadcast(&self.measures, &self.memory, self.shape)
    }

    fn link(&self) -> Link {
        self.measures.link(&self.memory, self.shape, 0)
    }
}

is_channel!(Broadcast, b"folio-shm broadcast 1");

/// A broadcast's counters, as they were when it was looked at. Each process writes its own, and may write
/// anything.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastStat {
    /// Messages that were published, since it was made.
    pub sent: u64,
    /// The process that is the publisher, dead or alive.
    pub publisher: Option<u32>,
    /// The processes that are subscribers, dead or alive.
    pub subscribers: Vec<u32>,
}
