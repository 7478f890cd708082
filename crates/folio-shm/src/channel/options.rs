//! The options of a channel, as a builder: see [`Queue::options`] and [`Broadcast::options`].

use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::channel::broadcast::Broadcast;
use crate::channel::lane::Shape;
use crate::channel::measures::Measures;
use crate::channel::queue::Queue;
use crate::error::{Error, ErrorKind, Result};
use crate::options::SegmentOptions;
use crate::segment::Segment;

/// Bytes of a circle unless they are asked for: as large as most second-level caches, or larger.
const USUAL_SIZE: u64 = 4 << 20;

/// The longest message unless it is asked for, in bytes.
const USUAL_LONGEST: usize = 64 << 10;

/// A kind of channel: [`Queue`] or [`Broadcast`].
pub trait Channel: Sized + sealed::Sealed {
    /// What the segment holds, unless its users say more.
    #[doc(hidden)]
    const LAYOUT: u64;

    /// The channel in a segment.
    #[doc(hidden)]
    fn in_segment(segment: Segment) -> Result<Self>;
}

pub(crate) mod sealed {
    /// Not for others to implement.
    pub trait Sealed {}
}

/// Makes a channel of a type that holds its memory, its measures and the shape of its circles.
macro_rules! is_channel {
    ($channel:ident, $layout:expr) => {
        impl $crate::channel::options::sealed::Sealed for $channel {}

        impl $crate::channel::options::Channel for $channel {
            const LAYOUT: u64 = $crate::header::hash($layout);

            fn in_segment(segment: $crate::Segment) -> $crate::Result<Self> {
                let (measures, shape) = Measures::check(&segment)?;
                Ok(Self { memory: Arc::new(Memory::new(segment)?), measures, shape })
            }
        }

        /// The descriptor of the segment, to be sent to another process.
        impl std::os::fd::AsFd for $channel {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.memory.segment().as_fd()
            }
        }

        impl std::fmt::Debug for $channel {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($channel))
                    .field("segment", self.memory.segment())
                    .field("measures", &self.measures)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use is_channel;

/// The parameters of a channel, to be set one by one; what it is made or found in comes last.
///
/// Those of its segment are set by [`segment`](Self::segment).
#[derive(Clone, Debug)]
pub struct ChannelOptions<C> {
    segment: SegmentOptions,
    longest: Option<usize>,
    bytes: Option<usize>,
    layout: u64,
    senders: Option<usize>,
    receivers: Option<usize>,
    /// Whether a broadcast holds back, or a queue drops the oldest.
    choice: bool,
    channel: PhantomData<fn() -> C>,
}

impl<C> Default for ChannelOptions<C> {
    fn default() -> Self {
        Self {
            segment: SegmentOptions::default(),
            longest: None,
            bytes: None,
            layout: 0,
            senders: None,
            receivers: None,
            choice: false,
            channel: PhantomData,
        }
    }
}

impl<C: Channel> ChannelOptions<C> {
    /// Opens the channel, or makes it where there is none. One that is there stays as it was made, with its
    /// measures and its number of places, until [`Segment::unlink`](crate::Segment::unlink) removes its name.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.segment = self.segment.create();
        self
    }

    /// Makes the channel; that there is one already is an error.
    #[must_use]
    pub fn create_new(mut self) -> Self {
        self.segment = self.segment.create_new();
        self
    }

    /// Bytes of the longest message that can be sent; 64 KiB by default. Counts for the one who makes it.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = Some(bytes);
        self
    }

    /// Bytes for each sender's messages that have not been received, with 8 for each; 4 MiB by default, or room for
    /// eight of the longest messages. Rounded up to a power of two, and to room for two of the longest. Counts for
    /// the one who makes it.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// What the messages are, as a number that both sides agree on: see [`SegmentOptions::layout`]. What
    /// [`Segment::layout`] and errors show has the number of the channel's kind mixed in.
    #[must_use]
    pub fn layout(mut self, hash: u64) -> Self {
        self.layout = hash;
        self
    }

    /// Sets options of the channel's segment: who may reach it, what becomes of its name. Its size, its layout
    /// and its first contents are the channel's to set.
    #[must_use]
    pub fn segment(mut self, set: impl FnOnce(SegmentOptions) -> SegmentOptions) -> Self {
        self.segment = set(self.segment);
        self
    }

    /// Opens or makes the channel of this name.
    ///
    /// # Errors
    /// As [`SegmentOptions::open`]; [`ErrorKind::Invalid`] for messages that no channel can hold,
    /// [`ErrorKind::Scribbled`] for a channel whose measures contradict each other.
    pub fn open(&self, name: &str) -> Result<C> {
        C::in_segment(self.prepare()?.open(name)?)
    }

    /// Opens or makes the channel in this file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn file(&self, path: impl AsRef<Path>) -> Result<C> {
        C::in_segment(self.prepare()?.file(path)?)
    }

    /// Makes a channel without a name, to be handed on by its descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::memfd`].
    pub fn memfd(&self, name: &str) -> Result<C> {
        C::in_segment(self.prepare()?.memfd(name)?)
    }

    /// The channel behind a descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::fd`].
    pub fn fd(&self, fd: OwnedFd) -> Result<C> {
        C::in_segment(self.prepare()?.fd(fd)?)
    }

    fn prepare(&self) -> Result<SegmentOptions> {
        let mut options = self.segment.clone().layout(C::LAYOUT ^ self.layout);
        if !options.makes() {
            return Ok(options);
        }
        let fail = |reason| Err(Error::new(ErrorKind::Invalid, "make", "a channel", reason));
        if options.capacity.is_some() {
            return fail("a channel does not grow: leave growable() out");
        }
        let Ok(longest) = u32::try_from(self.longest.unwrap_or(USUAL_LONGEST)) else {
            return fail("no message can have 4 GiB or more");
        };
        let size = match self.bytes {
            Some(bytes) => (bytes as u64).checked_next_power_of_two().unwrap_or(u64::MAX),
            None => Shape::usual(longest).max(USUAL_SIZE),
        };
        let measures = Measures {
            longest: longest.into(),
            size: Shape::smallest(longest).max(size),
            senders: self.senders.unwrap_or(1) as u64,
            receivers: self.receivers.unwrap_or(1) as u64,
            choice: self.choice.into(),
        };
        if measures.shape().is_none() {
            return fail(
                "a circle has 1 TiB at most, and there are 1 to 1024 places for each side",
            );
        }
        options = options.init(move |segment| measures.write(segment));
        options.usual_size = Some(measures.len() as usize);
        Ok(options)
    }
}

impl ChannelOptions<Queue> {
    /// How many senders there can be at a time; 1 by default. Each has a circle of its own. Counts for the one
    /// who makes it.
    #[must_use]
    pub fn senders(mut self, count: usize) -> Self {
        self.senders = Some(count);
        self
    }

    /// How many receivers there can be at a time; 1 by default, which costs less than to have a choice. Counts
    /// for the one who makes it.
    #[must_use]
    pub fn receivers(mut self, count: usize) -> Self {
        self.receivers = Some(count);
        self
    }

    /// Has senders give up the oldest messages where there is no room for the newest, and never wait; how many were
    /// lost is told by [`Queue::stat`]. Receivers copy each message out, and one that dies takes the message with it that it
    /// has just received. By default senders wait. Counts for the one who makes it.
    #[must_use]
    pub fn drop_oldest(mut self) -> Self {
        self.choice = true;
        self
    }
}

impl ChannelOptions<Broadcast> {
    /// How many subscribers there can be at a time; 1 by default. Counts for the one who makes it.
    #[must_use]
    pub fn subscribers(mut self, count: usize) -> Self {
        self.receivers = Some(count);
        self
    }

    /// Has the publisher wait for the slowest subscriber, so that none loses a message; by default it waits for
    /// nobody. Counts for the one who makes it.
    #[must_use]
    pub fn hold_back(mut self) -> Self {
        self.choice = true;
        self
    }
}
