//! A progress bar on standard error, for work that takes longer than a second.
//!
//! The work only counts, in an atomic; another thread draws. So the faults of the working thread
//! are those of its work.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// What progress is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Pages.
    Pages,
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
    let counts = match unit {
        Unit::Bytes => "{binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}",
        Unit::Pages => "{human_pos} of {human_len} pages",
    };
    let template = format!("{{msg}} {{wide_bar}} {counts}, {{eta}} left");
    let bar = ProgressBar::new(total).with_message(label);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    while finished.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(done.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}
