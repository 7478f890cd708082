//! A rate: so many bytes in a second and no more, for several threads together.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A limit, and when the next bytes may go.
#[derive(Debug)]
pub struct Rate {
    bytes_per_second: u64,
    next: Mutex<Instant>,
}

impl Rate {
    /// From now on.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, next: Mutex::new(Instant::now()) }
    }

    /// Waits until these bytes may go.
    pub fn wait(&self, bytes: u64) {
        let until = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let from = (*next).max(Instant::now());
            let seconds = bytes as f64 / self.bytes_per_second as f64;
            // More than a century is for ever.
            *next = from + Duration::from_secs_f64(seconds.min(4e9));
            from
        };
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_share_a_rate() {
        let rate = Rate::new(1_000_000);
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| rate.wait(10_000)));
            }
        });
        // The first goes at once.
        assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
    }
}
