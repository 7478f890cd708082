//! A progress bar on standard error, for work that takes longer than a second.
//!
//! The work only counts, in an atomic; another thread draws. So the faults of the working thread
//! are those of its work.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::size::{grouped, rounded};

const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// What progress is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Pages.
    Pages,
    /// Measurements.
    Measurements,
}

/// Runs `work`, which counts in the number it is given up to `total`, and shows how far it is if
/// standard error is a terminal.
pub fn watch<R>(
    label: &'static str,
    unit: Unit,
    total: u64,
    work: impl FnOnce(&AtomicU64) -> R,
) -> R {
    let done = AtomicU64::new(0);
    if !io::stderr().is_terminal() {
        return work(&done);
    }
    thread::scope(|scope| {
        let (finished, waiting) = mpsc::channel::<()>();
        let seen = &done;
        let draw = move || draw(label, unit, total, seen, &waiting);
        // Without a thread there is no bar.
        let _ = thread::Builder::new().spawn_scoped(scope, draw);
        let result = work(&done);
        drop(finished);
        result
    })
}

/// How fast it goes.
struct Rate {
    per_second: f64,
    left: Duration,
}

/// What stands behind the bar. Nothing is known of the rate before anything has moved.
fn counts(unit: Unit, done: u64, total: u64, rate: &Rate) -> String {
    let counts = match unit {
        Unit::Bytes => format!("{} of {}", rounded(done), rounded(total)),
        Unit::Pages => format!("{} of {} pages", grouped(done), grouped(total)),
        Unit::Measurements => format!("{} of {} measurements", grouped(done), grouped(total)),
    };
    if done == 0 {
        return counts;
    }
    let left = HumanDuration(rate.left);
    match unit {
        Unit::Bytes => format!("{counts}, {}/s, {left:#} left", rounded(rate.per_second as u64)),
        Unit::Pages | Unit::Measurements => format!("{counts}, {left:#} left"),
    }
}

fn draw(
    label: &'static str,
    unit: Unit,
    total: u64,
    done: &AtomicU64,
    finished: &mpsc::Receiver<()>,
) {
    if finished.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::new(total).with_message(label);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {counts}") {
        let counts = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let rate = Rate { per_second: state.per_sec(), left: state.eta() };
            // Without a place to write it there is nothing to be done.
            let _ = out.write_str(&counts(unit, state.pos(), total, &rate));
        };
        bar.set_style(style.with_key("counts", counts));
    }
    while finished.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(done.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_once_something_has_moved() {
        let rate = Rate { per_second: 1.5 * 1024.0 * 1024.0, left: Duration::from_secs(50) };
        assert_eq!(counts(Unit::Bytes, 0, 2 << 30, &rate), "0 bytes of 2 GiB");
        assert_eq!(counts(Unit::Pages, 0, 5000, &rate), "0 of 5,000 pages");
        let moved = counts(Unit::Bytes, 1 << 20, 2 << 30, &rate);
        assert_eq!(moved, "1 MiB of 2 GiB, 1.5 MiB/s, 50s left");
        assert_eq!(counts(Unit::Pages, 1234, 5000, &rate), "1,234 of 5,000 pages, 50s left");
        let counts = counts(Unit::Measurements, 12, 147, &rate);
        assert_eq!(counts, "12 of 147 measurements, 50s left");
    }
}
