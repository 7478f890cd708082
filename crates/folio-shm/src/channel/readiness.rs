//! Readiness: a descriptor that can be polled for messages, along with all else that a program waits for.
//!
//! A futex cannot be polled. So a thread of this process sleeps on it, and tells an eventfd(2):
//!
//! 1. A receiver that has found nothing arms the thread ([`Readiness::arm`]).
//! 2. The thread waits as a receiver does, until there may be a message, or no sender any more; it makes the
//!    descriptor readable, and rests until it is armed again.
//!
//! To wake twice costs more than to wake once: who waits for messages alone is better off with a blocking
//! receive.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use crate::channel::link::{Link, RECEIVE};
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sleep::LONG;

/// A descriptor, and the thread that makes it readable.
#[derive(Debug)]
pub(crate) struct Readiness {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Debug)]
struct State {
    event: OwnedFd,
    is_armed: AtomicBool,
    is_over: AtomicBool,
}

impl Readiness {
    /// For messages of these lanes, from this peer.
    pub(crate) fn new(links: Vec<Link>, peer: Peer) -> Result<Self> {
        let what = || links[0].memory().segment().show();
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let event = eventfd(0, flags).map_err(|errno| Error::os("poll", what(), errno))?;
        let (is_armed, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        let state = Arc::new(State { event, is_armed, is_over });
        let what = what();
        let thread = thread::Builder::new().name("folio-shm-ready".into());
        let thread = thread
            .spawn({
                let state = state.clone();
                move || state.work(&links, peer)
            })
            .map_err(|error| {
                let errno = rustix::io::Errno::from_io_error(&error);
                Error::os("poll", what, errno.unwrap_or(rustix::io::Errno::AGAIN))
            })?;
        let this = Self { state, thread: thread.thread().clone() };
        this.arm();
        Ok(this)
    }

    /// From now on a message makes the descriptor readable, as does one that is there already.
    pub(crate) fn arm(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.state.event, &mut count);
        self.state.is_armed.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.state.event.as_fd()
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl State {
    fn work(&self, links: &[Link], peer: Peer) {
        let mut wait = Wait::default();
        wait.waiting = Waiting::Sleep;
        while !self.is_over.load(Ordering::Acquire) {
            if !self.is_armed.load(Ordering::Acquire) {
                thread::park();
                continue;
            }
            let is_filled = || Ok(links.iter().any(Link::is_filled).then_some(()));
            // Not for ever: the receiver may be gone.
            let end = Instant::now() + LONG;
            let waited = wait.until(RECEIVE, &links[0].circle.memory, peer, Some(end), is_filled);
            if waited.is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
                continue;
            }
            // Before the descriptor is readable: who reads may arm it at once.
            self.is_armed.store(false, Ordering::Release);
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}
