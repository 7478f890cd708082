//! Ends a test that hangs, and says which one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Aborts the process unless it is dropped in time.
pub(crate) struct Watchdog(Option<Sender<()>>, Option<JoinHandle<()>>);

impl Watchdog {
    pub(crate) fn new(what: impl Into<String>, time: Duration) -> Self {
        let (sender, receiver): (Sender<()>, Receiver<()>) = channel();
        let what = what.into();
        let thread = std::thread::spawn(move || {
            if receiver.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                use std::io::Write;
                let _ = writeln!(std::io::stderr(), "hangs after {time:?}: {what}");
                std::process::abort();
            }
        });
        Self(Some(sender), Some(thread))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.take());
        let _ = self.1.take().map(JoinHandle::join);
    }
}
