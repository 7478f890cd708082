//! Channels: messages through a segment.
//!
//! - [`ring`]: from one sender to one receiver.
//!
//! All stand on the same parts: the lane, in which messages lie, the bell, by which one side wakes
//! the other, the place that a process has in a channel, and the wait.

pub(crate) mod bell;
pub(crate) mod lane;
#[cfg(test)]
mod lane_tests;
pub(crate) mod memory;
pub(crate) mod place;
pub mod ring;
pub(crate) mod sync;
pub(crate) mod wait;
