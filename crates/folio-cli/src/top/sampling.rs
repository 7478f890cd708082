//! Sampling: a [`Sampler`] on a thread of its own, so that keys are answered while the kernel counts.
//!
//! 1. [`Sampling::start`]: a snapshot at once, and one at each interval from then on.
//! 2. [`Sampling::focus`]: another focus has a snapshot between two.
//! 3. [`Sampling::newest`], whenever [`Sampling::ready`] can be read.
//!
//! The thread ends when the value is dropped, as soon as it has read what it reads.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, words};
use crate::top::sampler::{Focus, Sampler};
use crate::top::snapshot::Snapshot;

/// What has been seen.
#[derive(Debug)]
pub struct Seen {
    /// It.
    pub snapshot: Snapshot,
    /// Whether an interval is over, and not only the focus another.
    pub is_tick: bool,
}

/// The near end of the thread.
#[derive(Debug)]
pub struct Sampling {
    focus: Focus,
    focuses: Sender<Focus>,
    seen: Receiver<Result<Seen, Failure>>,
    ready: UnixStream,
}

impl Sampling {
    /// Starts the thread.
    ///
    /// # Errors
    /// That no descriptor or thread is left.
    pub fn start(sampler: Sampler, interval: Duration) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot look at processes: {}: end some programs", words(&error)))
        };
        let (ready, mut bell) = UnixStream::pair().map_err(failed)?;
        ready.set_nonblocking(true).map_err(failed)?;
        bell.set_nonblocking(true).map_err(failed)?;
        let (focuses, foci) = channel();
        let (sender, seen) = channel();
        let tell = move |seen| {
            let is_heard = sender.send(seen).is_ok();
            // A pipe that is full rings, too.
            let _ = bell.write(&[1]);
            is_heard
        };
        let body = move || go_on(sampler, interval, &foci, tell);
        thread::Builder::new().name("sampler".into()).spawn(body).map_err(failed)?;
        Ok(Self { focus: Focus::default(), focuses, seen, ready })
    }

    /// What can be read when there is something new.
    pub fn ready(&self) -> &UnixStream {
        &self.ready
    }

    /// Has it look elsewhere.
    pub fn focus(&mut self, mut focus: Focus) {
        // In another order they are the same.
        focus.visible.sort_unstable();
        if focus != self.focus {
            self.focus.clone_from(&focus);
            // If the thread has ended, `newest` says so.
            let _ = self.focuses.send(focus);
        }
    }

    /// The newest that was seen, and how many intervals ended meanwhile; `None` if there is nothing new.
    ///
    /// # Errors
    /// What the sampler failed with.
    pub fn newest(&mut self) -> Result<Option<(Snapshot, u64)>, Failure> {
        let mut bytes = [0; 64];
        while matches!(self.ready.read(&mut bytes), Ok(64)) {}
        let (mut newest, mut ticks) = (None, 0);
        loop {
            match self.seen.try_recv() {
                Ok(seen) => {
                    let seen = seen?;
                    ticks += u64::from(seen.is_tick);
                    newest = Some(seen.snapshot);
                }
                Err(TryRecvError::Empty) => return Ok(newest.map(|newest| (newest, ticks))),
                Err(TryRecvError::Disconnected) => {
                    return Err(Failure::new("cannot look at processes: the sampler has ended"));
                }
            }
        }
    }
}

fn go_on(
    mut sampler: Sampler,
    interval: Duration,
    foci: &Receiver<Focus>,
    mut tell: impl FnMut(Result<Seen, Failure>) -> bool,
) {
    let mut next = Instant::now();
    loop {
        let seen = sampler.tick().map(|snapshot| Seen { snapshot, is_tick: true });
        if !tell(seen) {
            return;
        }
        // Who was stopped for a while does not catch up.
        next = (next + interval).max(Instant::now());
        loop {
            match foci.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(focus) => {
                    sampler.focus(foci.try_iter().last().unwrap_or(focus));
                    if !tell(Ok(Seen { snapshot: sampler.refresh(), is_tick: false })) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
