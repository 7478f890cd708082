//! Atomics, clock and waking, each store and each wake-up a step of the process.

use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::Duration;

pub use std::sync::atomic::Ordering;

use super::kernel;
use crate::checker;

pub const LOOKS: u32 = 1;

#[derive(Debug)]
pub struct AtomicU64(Arc<checker::AtomicU64>);

#[derive(Debug)]
pub struct AtomicU32 {
    own: checker::AtomicU32,
    whole: Option<Arc<checker::AtomicU64>>,
}

impl AtomicU64 {
    pub fn new(value: u64) -> Self {
        Self(Arc::new(checker::AtomicU64::new(value)))
    }

    fn own(&self) -> &checker::AtomicU64 {
        &self.0
    }

    pub fn load(&self, order: Ordering) -> u64 {
        if kernel::is_gone() { 0 } else { self.0.load(order) }
    }
}

impl AtomicU32 {
    pub fn new(value: u32) -> Self {
        Self { own: checker::AtomicU32::new(value), whole: None }
    }

    /// One to be slept on.
    pub fn low_half_of(whole: &AtomicU64) -> Self {
        Self { own: checker::AtomicU32::new(0), whole: Some(whole.0.clone()) }
    }

    fn own(&self) -> &checker::AtomicU32 {
        assert!(self.whole.is_none(), "half a word is stored to");
        &self.own
    }

    pub fn load(&self, order: Ordering) -> u32 {
        match &self.whole {
            _ if kernel::is_gone() => 0,
            Some(whole) => whole.load(order) as u32,
            None => self.own.load(order),
        }
    }
}

macro_rules! stores {
    ($atomic:ident, $value:ty) => {
        impl $atomic {
            pub fn store(&self, value: $value, order: Ordering) {
                if kernel::steps() {
                    self.own().store(value, order);
                }
            }

            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                if kernel::steps() { self.own().fetch_add(value, order) } else { 0 }
            }

            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                if kernel::steps() { self.own().fetch_sub(value, order) } else { 0 }
            }

            pub fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                done: Ordering,
                failed: Ordering,
            ) -> Result<$value, $value> {
                if !kernel::steps() {
                    return Err(0);
                }
                self.own().compare_exchange(from, to, done, failed)
            }
        }
    };
}

stores!(AtomicU32, u32);
stores!(AtomicU64, u64);

pub fn fence(order: Ordering) {
    if !kernel::is_gone() {
        checker::fence(order);
    }
}

pub fn wake(word: &AtomicU32, count: u32) {
    if kernel::steps() {
        kernel::wake(word, count);
    }
}

/// A time on the model's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Duration);

impl Instant {
    pub fn now() -> Self {
        Self(kernel::now())
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0 - earlier.0
    }
}
