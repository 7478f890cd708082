//! Channels: messages through a segment.
//!
//! - [`queue`]: from one or many senders to one or many receivers; one gets each message.
//!
//! It stands on these parts: the lane, in which messages lie, the bell, by which one side wakes the other,
//! the place that a process has in a channel, and the wait.

pub(crate) mod bell;
pub(crate) mod lane;
#[cfg(test)]
mod lane_tests;
pub(crate) mod link;
pub(crate) mod memory;
pub mod message;
pub(crate) mod place;
pub mod queue;
pub mod queueoptions;
pub mod receiver;
pub mod sender;
pub(crate) mod sync;
pub mod wait;
