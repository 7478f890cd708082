//! Replacement policies: which granule gives up its memory.
//!
//! Nothing tells a pager that a page which is there was touched. A policy can find out: it asks to *rest*
//! a frame, which takes the pages out of their addresses and keeps them in memory, on standby. If they
//! are touched they come back without the store, and the policy hears of it; if not, they can go.
//!
//! So a policy decides twice: whom to rest, and whom to evict. It keeps frames, small numbers that stand
//! for loaded granules, in an order of its own, and knows of evicted ones only by their keys.
//!
//! Invariants: a policy names only frames that were inserted and not removed; when there are any,
//! [`Policy::next`] names one, and after a number of calls proportional to them it has named each for
//! eviction unless it was touched.

mod clock;
mod resting;
mod ring;
mod s3fifo;
mod sieve;

pub use clock::Clock;
pub use s3fifo::S3Fifo;
pub use sieve::Sieve;

/// A loaded granule, as a policy knows it: numbers that are used again.
pub type Frame = u32;

/// What a policy wants done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take its pages out of their addresses and keep them, to see whether they are touched.
    Rest(Frame),
    /// Give up its memory.
    Evict(Frame),
}

/// Decides which granule gives up its memory. See the [module](self).
pub trait Policy: Send {
    /// A granule was loaded into a frame. `key` names the granule for as long as its mapping exists.
    fn insert(&mut self, frame: Frame, key: u64);

    /// A frame that was resting was touched, and its pages are back.
    fn touched(&mut self, frame: Frame);

    /// A frame is gone, evicted or with its mapping.
    fn remove(&mut self, frame: Frame);

    /// Who is next. The verdict need not be carried out: then the frame stays, and is named again later.
    /// A frame that is to rest counts as resting until it is touched.
    fn next(&mut self) -> Option<Verdict>;

    /// A verdict could not be carried out: the frame is where it was, in use.
    fn kept(&mut self, frame: Frame) {
        self.touched(frame);
    }
}

/// The policies of this crate.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replacement {
    /// A hand goes round; what it meets rests, and goes if it is still resting the next time.
    Clock,
    /// As CLOCK, but what is new stands where the hand comes last (SIEVE, NSDI 2024).
    Sieve,
    /// What is new has a short queue of its own, and goes unless it comes again; what came again stays
    /// as by CLOCK (S3-FIFO, SOSP 2023).
    #[default]
    S3Fifo,
}

impl Replacement {
    /// A policy for about as many frames.
    #[must_use]
    pub fn policy(self, frames: usize) -> Box<dyn Policy> {
        match self {
            Self::Clock => Box::new(Clock::new()),
            Self::Sieve => Box::new(Sieve::new()),
            Self::S3Fifo => Box::new(S3Fifo::new(frames)),
        }
    }
}
