//! Threads that run jobs for others: as many as jobs at a time, and one that waits for the next.
//!
//! Invariant: only workers start workers, after the first. A caller may sit in a signal handler, and a
//! thread started there would inherit the signals blocked in it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::lock::lock;

/// Workers that stay though there is nothing to do.
const KEPT: usize = 4;
/// How long the others stay.
const STAY: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// Dropping it lets the workers end; it does not wait for them.
pub(super) struct Workers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Workers that wait for a job, or are about to.
    idle: usize,
    closed: bool,
}

impl Workers {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        lock(&shared.state).idle = 1;
        spawn(&shared)?;
        Ok(Self(shared))
    }

    /// `job` must not panic.
    pub(super) fn run(&self, job: Job) {
        lock(&self.0.state).jobs.push_back(job);
        self.0.work.notify_one();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
        self.0.work.notify_all();
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name("folio-deadline".into()).spawn(move || work(&shared))?;
    Ok(())
}

fn work(shared: &Arc<Shared>) {
    let mut state = lock(&shared.state);
    loop {
        if let Some(job) = state.jobs.pop_front() {
            state.idle -= 1;
            if state.idle == 0 && !state.closed {
                state.idle = 1;
                drop(state);
                if spawn(shared).is_err() {
                    lock(&shared.state).idle -= 1;
                }
            } else {
                drop(state);
            }
            job();
            state = lock(&shared.state);
            state.idle += 1;
        } else if state.closed {
            return;
        } else if state.idle > KEPT {
            let waited = shared.work.wait_timeout(state, STAY);
            let expiry;
            (state, expiry) = waited.unwrap_or_else(PoisonError::into_inner);
            if expiry.timed_out() && state.jobs.is_empty() && state.idle > KEPT {
                state.idle -= 1;
                return;
            }
        } else {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn workers_end_when_nobody_has_jobs_for_them() {
        let workers = Workers::start().unwrap();
        let shared = Arc::downgrade(&workers.0);
        let (done, all_done) = mpsc::channel();
        for _ in 0..10 {
            let done = done.clone();
            workers.run(Box::new(move || done.send(()).unwrap()));
        }
        for _ in 0..10 {
            all_done.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        // Until they wait for more.
        while lock(&workers.0.state).idle < 2 && Arc::strong_count(&workers.0) > 2 {
            thread::yield_now();
        }
        drop(workers);
        let start = std::time::Instant::now();
        while shared.strong_count() > 0 {
            assert!(start.elapsed() < STAY / 2, "{} are left", shared.strong_count());
            thread::yield_now();
        }
    }
}
