//! Answers on their way from the runtime to the thread that waits for them.
//!
//! Nothing here needs a runtime or thread-local storage on the waiting side.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::lock;

struct Inbox<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    sender_lives: bool,
}

pub(crate) struct Sender<T>(Arc<Inbox<T>>);
pub(crate) struct Receiver<T>(Arc<Inbox<T>>);

/// What waiting came to.
pub(crate) enum Received<T> {
    Answer(T),
    /// Nothing will come any more.
    Closed,
    TimedOut,
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let inbox = Arc::new(Inbox {
        state: Mutex::new(State { waiting: VecDeque::new(), sender_lives: true }),
        arrived: Condvar::new(),
    });
    (Sender(Arc::clone(&inbox)), Receiver(inbox))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, answer: T) {
        lock(&self.0.state).waiting.push_back(answer);
        self.0.arrived.notify_one();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        lock(&self.0.state).sender_lives = false;
        self.0.arrived.notify_one();
    }
}

impl<T> Receiver<T> {
    pub(crate) fn receive(&self, patience: Duration) -> Received<T> {
        let end = Instant::now() + patience;
        let mut state = lock(&self.0.state);
        loop {
            if let Some(answer) = state.waiting.pop_front() {
                return Received::Answer(answer);
            }
            if !state.sender_lives {
                return Received::Closed;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Received::TimedOut;
            }
            let woken = self.0.arrived.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
