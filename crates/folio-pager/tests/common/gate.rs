//! A gate in a store: holds up whoever comes until it is opened.

use std::sync::{Condvar, Mutex};

#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(open, _)| !*open).unwrap());
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }

    /// Waits until so many have come.
    pub(crate) fn wait_for(&self, visitors: usize) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |(_, there)| *there < visitors).unwrap());
    }
}
