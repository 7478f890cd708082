//! The atomics that [`crate::word`] is written in: replaced where a model checker runs it
//! (tests/word_model.rs).

pub(crate) use core::sync::atomic::{AtomicU32, Ordering};
