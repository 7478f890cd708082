//! The measures of a channel: what it is like, and where its parts are in the payload.
//!
//! | offset | |
//! | --- | --- |
//! | 0 | longest message, size of a circle, number of senders, of receivers, what is done without room |
//! | 64 | the bell that the senders ring |
//! | 128 | for each receiver, on a cache line of its own: its mark, its head |
//! | then | for each sender: the words of its link |
//! | on the next page, but for 56 bytes | for each sender: its circle |
//!
//! They are read once, when a channel is opened, and checked against each other and the segment's length.

use std::sync::Arc;

use crate::channel::lane::{self, Shape};
use crate::channel::link::{self, Link};
use crate::channel::memory::{Circle, Memory};
use crate::channel::place::Places;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;

/// Where the bell is that the senders ring.
pub(crate) const FILLED: usize = 64;
const RECEIVERS: usize = 128;
const LINE: usize = 64;

/// More places than this nobody needs, and a circle no more bytes.
const MOST_PLACES: u64 = 1024;
const LARGEST: u64 = 1 << 40;

/// The first numbers in a channel's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measures {
    pub(crate) longest: u64,
    pub(crate) size: u64,
    pub(crate) senders: u64,
    pub(crate) receivers: u64,
    /// 1 in a broadcast whose subscribers hold the publisher back, and in a queue that drops the oldest.
    pub(crate) choice: u64,
}

impl Measures {
    pub(crate) fn write(&self, segment: &Segment) -> Result<()> {
        let Self { longest, size, senders, receivers, choice } = *self;
        segment.put(0, &[longest, size, senders, receivers, choice])
    }

    /// Those of a segment, if they are sound, and its length is theirs for good.
    pub(crate) fn check(segment: &Segment) -> Result<(Self, Shape)> {
        let [longest, size, senders, receivers, choice] = segment.get(0)?;
        let this = Self { longest, size, senders, receivers, choice };
        let fits = || !segment.is_growable() && this.len() == segment.len() as u64;
        let shape = this.shape().filter(|_| fits());
        shape.map(|shape| (this, shape)).ok_or_else(|| {
            let reason = "the measures of the channel contradict each other";
            Error::new(ErrorKind::Scribbled, "open", segment.show(), reason)
                .advice("remove it, and have it made anew")
        })
    }

    /// The shape of its lanes, if it is one that can be.
    pub(crate) fn shape(&self) -> Option<Shape> {
        let longest = u32::try_from(self.longest).ok()?;
        let places = 1..=MOST_PLACES;
        let is_sound = self.size.is_power_of_two()
            && (Shape::smallest(longest)..=LARGEST).contains(&self.size)
            && places.contains(&self.senders)
            && places.contains(&self.receivers)
            && self.choice <= 1;
        is_sound.then_some(Shape { size: self.size, longest })
    }

    fn links(&self) -> usize {
        RECEIVERS + self.receivers as usize * LINE
    }

    /// Where the first circle begins: its first header ends with a cache line.
    fn circles(&self) -> usize {
        let page = (self.links() + self.senders as usize * link::BYTES).next_multiple_of(4096);
        page + LINE - lane::HEADER as usize
    }

    /// Bytes of payload. Of sound measures.
    pub(crate) fn len(&self) -> u64 {
        self.circles() as u64 + self.senders * self.size + lane::HEADER
    }

    /// The lane of a sender.
    pub(crate) fn link(&self, memory: &Arc<Memory>, shape: Shape, index: usize) -> Link {
        let start = self.circles() + index * shape.size as usize;
        let circle = Circle { memory: memory.clone(), start, size: shape.size };
        Link { circle, shape, base: self.links() + index * link::BYTES, filled: FILLED }
    }

    pub(crate) fn senders(&self) -> Places {
        Places { start: self.links(), stride: link::BYTES, count: self.senders as usize }
    }

    pub(crate) fn receivers(&self) -> Places {
        Places { start: RECEIVERS, stride: LINE, count: self.receivers as usize }
    }
}
