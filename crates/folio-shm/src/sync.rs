//! What protocols between processes are written in: replaced where a model checker runs them (tests/*_model.rs).

pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::time::Instant;

pub(crate) use crate::sleep::wake;

/// How often a word is looked at before one sleeps on it: takes less than a system call.
pub(crate) const LOOKS: u32 = 100;
