//! Time, so that tests of what waits need not.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) trait Clock: Send + Sync + fmt::Debug {
    /// Time since some moment that stays the same.
    fn now(&self) -> Duration;

    /// Returns that much later.
    fn wait(&self, time: Duration);
}

/// The machine's.
#[derive(Debug)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    // Not `park_timeout`: a call on a thread that touched a page would eat the token with which
    // somebody else wakes that thread.
    fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
}
