//! The atomics that [`crate::channel::lane`] and [`crate::channel::bell`] are written in: replaced where a
//! model checker runs them (tests/lane_model.rs).

pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

pub(crate) use crate::sleep::wake;
