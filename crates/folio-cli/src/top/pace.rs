//! A pace: how often something may be read that takes long.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use folio_cli::top::pace::Pace;
//! let mut pace = Pace::default();
//! assert!(pace.is_due());
//! pace.time(|| std::thread::sleep(Duration::from_millis(20)));
//! assert!(!pace.is_due() && pace.due() > Some(Instant::now() + Duration::from_secs(1)));
//! ```

use std::time::{Duration, Instant};

/// How many times as long as it took to read something it is left alone, so that one thing takes less than
/// a hundredth of a processor.
const REST: u32 = 100;

/// What was never read is due.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    due: Option<Instant>,
    least: Duration,
}

impl Pace {
    /// For what is left alone for so long at the least, however quick it is.
    pub fn resting(least: Duration) -> Self {
        Self { due: None, least }
    }

    /// Whether it may be read.
    pub fn is_due(&self) -> bool {
        self.due.is_none_or(|due| due <= Instant::now())
    }

    /// From when on; `None` if it was never read.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reads, and takes the time.
    pub fn time<T>(&mut self, read: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = read();
        let end = Instant::now();
        // No longer than a minute: a machine may have been busy with others.
        let rest = ((end - start) * REST).min(Duration::from_secs(60)).max(self.least);
        self.due = Some(end + rest);
        done
    }
}
