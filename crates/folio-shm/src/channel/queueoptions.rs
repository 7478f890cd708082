//! The options of a queue, as a builder: see [`Queue::options`].

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::channel::lane::Shape;
use crate::channel::queue::{Measures, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::options::SegmentOptions;

/// What a queue's segment holds, unless its users say more.
const LAYOUT: u64 = header::hash(b"folio-shm queue 1");

/// Bytes of a circle unless they are asked for: as large as most second-level caches, or larger.
const USUAL_SIZE: usize = 4 << 20;

/// The longest message unless it is asked for, in bytes.
const USUAL_LONGEST: usize = 64 << 10;

/// The parameters of a queue, to be set one by one; what it is made or found in comes last.
///
/// Those of its segment are set by [`segment`](Self::segment).
#[derive(Clone, Debug, Default)]
pub struct QueueOptions {
    segment: SegmentOptions,
    longest: Option<usize>,
    bytes: Option<usize>,
    layout: u64,
    senders: Option<usize>,
    receivers: Option<usize>,
}

impl QueueOptions {
    /// Opens the queue, or makes it where there is none.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.segment = self.segment.create();
        self
    }

    /// Makes the queue; that there is one already is an error.
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

    /// Bytes for each sender's messages that have not been received, with 8 for each; 4 MiB by default. Rounded up
    /// to a power of two, and to room for two of the longest messages. Counts for the one who makes it.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

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

    /// What the messages are, as a number that both sides agree on: see [`SegmentOptions::layout`].
    #[must_use]
    pub fn layout(mut self, hash: u64) -> Self {
        self.layout = hash;
        self
    }

    /// Sets options of the queue's segment: who may reach it, what becomes of its name. Its size, its layout
    /// and its first contents are the queue's to set.
    #[must_use]
    pub fn segment(mut self, set: impl FnOnce(SegmentOptions) -> SegmentOptions) -> Self {
        self.segment = set(self.segment);
        self
    }

    /// Opens or makes the queue of this name.
    ///
    /// # Errors
    /// As [`SegmentOptions::open`]; [`ErrorKind::Invalid`] for messages that no queue can hold,
    /// [`ErrorKind::Scribbled`] for a queue whose measures contradict each other.
    pub fn open(&self, name: &str) -> Result<Queue> {
        Queue::new(self.prepare()?.open(name)?)
    }

    /// Opens or makes the queue in this file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Queue> {
        Queue::new(self.prepare()?.file(path)?)
    }

    /// Makes a queue without a name, to be handed on by its descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::memfd`].
    pub fn memfd(&self, name: &str) -> Result<Queue> {
        Queue::new(self.prepare()?.memfd(name)?)
    }

    /// The queue behind a descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::fd`].
    pub fn fd(&self, fd: OwnedFd) -> Result<Queue> {
        Queue::new(self.prepare()?.fd(fd)?)
    }

    fn prepare(&self) -> Result<SegmentOptions> {
        let mut options = self.segment.clone().layout(LAYOUT ^ self.layout);
        if !options.makes() {
            return Ok(options);
        }
        let fail = |reason| Err(Error::new(ErrorKind::Invalid, "make", "a queue", reason));
        let Ok(longest) = u32::try_from(self.longest.unwrap_or(USUAL_LONGEST)) else {
            return fail("no message can have 4 GiB or more");
        };
        let bytes = self.bytes.unwrap_or(USUAL_SIZE).checked_next_power_of_two();
        let measures = Measures {
            longest: longest.into(),
            size: Shape::smallest(longest).max(bytes.map_or(u64::MAX, |bytes| bytes as u64)),
            senders: self.senders.unwrap_or(1) as u64,
            receivers: self.receivers.unwrap_or(1) as u64,
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
