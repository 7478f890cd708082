//! A pace: how often something may be read that takes long; and an allowance, for how long many such things
//! together.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use folio_cli::top::pace::Pace;
//! let mut pace = Pace::default();
//! assert!(pace.is_due());
//! pace.time(|| std::thread::sleep(Duration::from_millis(20)));
//! assert!(!pace.is_due() && pace.due() > Some(Instant::now() + Duration::from_secs(1)));
//!
//! use folio_cli::top::pace::Allowance;
//! let mut allowance = Allowance::of(200, Duration::from_millis(1));
//! allowance.spend(Duration::from_millis(3));
//! assert!(!allowance.is_left(), "what was spent too much takes 200 times as long to come in again");
//! ```

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

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

/// What may be spent of a processor: a part of the time that goes by. Waiting for others costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    part: u32,
    most: Duration,
    /// It was used up then, or will be.
    from: Instant,
}

impl Allowance {
    /// One `part`-th of a processor. What is not spent is kept, but no more than `most`, which there is at first.
    pub fn of(part: u32, most: Duration) -> Self {
        let now = Instant::now();
        Self { part, most, from: now.checked_sub(most * part).unwrap_or(now) }
    }

    /// Whether something may be spent.
    pub fn is_left(&self) -> bool {
        self.from < Instant::now()
    }

    /// Does something, and spends the processor time that it takes this thread.
    pub fn time<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let spent = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let before = spent();
        let done = act();
        self.spend(spent().saturating_sub(before));
        done
    }

    /// Spends, maybe what comes in later only.
    pub fn spend(&mut self, time: Duration) {
        let kept = Instant::now().checked_sub(self.most * self.part);
        self.from = kept.map_or(self.from, |kept| kept.max(self.from)) + time * self.part;
    }
}
