//! The atomics that [`crate::registry`] and [`crate::next`] are written in, and their sizes: replaced as
//! a whole where a model checker runs them (tests/registry_model.rs, tests/next_model.rs).

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// Slots in the registry's first bucket; each next bucket is twice as large.
pub(crate) const FIRST: usize = 64;
/// `FIRST << BUCKETS` slots are more than a process can have mappings.
pub(crate) const BUCKETS: usize = 26;
