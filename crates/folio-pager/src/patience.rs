//! Patience: waiting for something that nothing announces, such as memory of the kernel's.

use std::time::Duration;

/// Waits a little at first, then longer, up to an eighth of a second.
#[derive(Debug, Default)]
pub(crate) struct Patience(u32);

impl Patience {
    pub(crate) fn pause(&mut self) {
        std::thread::sleep(Duration::from_millis(1 << self.0.min(7)));
        self.0 += 1;
    }
}
