//! Channels: messages through a segment.
//!
//! - [`queue`]: from one or many senders to one or many receivers; one gets each message.
//! - [`broadcast`]: from one publisher to many subscribers; each gets each message.
//!
//! They stand on these parts: the lane or the cast, in which messages lie, the bell, by which one side wakes the
//! other, the place that a process has in a channel, and the wait.

#[cfg(feature = "tokio")]
pub mod asynchronous;
pub(crate) mod bell;
pub mod broadcast;
pub(crate) mod buffer;
pub(crate) mod cast;
#[cfg(test)]
mod cast_tests;
pub(crate) mod discard;
pub(crate) mod lane;
#[cfg(test)]
mod lane_tests;
pub(crate) mod link;
pub mod loan;
pub(crate) mod measures;
pub(crate) mod memory;
pub mod message;
pub mod options;
pub(crate) mod place;
pub mod published;
pub mod publisher;
pub mod queue;
pub(crate) mod readiness;
pub mod receiver;
pub mod sender;
pub mod subscriber;
pub mod traffic;
pub mod wait;
