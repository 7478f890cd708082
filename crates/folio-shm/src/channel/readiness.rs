//! Readiness: a descriptor that can be polled for messages, or for room, along with all else that a program
//! waits for.
//!
//! A futex cannot be polled. So a thread of this process sleeps on it, and tells an eventfd(2):
//!
//! 1. One side of a channel that has not found what it wants arms the thread ([`Readiness::arm`]), with the position
//!    that the other side must have reached, if it is one.
//! 2. The thread waits as that side would, until it is there, or nobody is who would bring it; it makes the
//!    descriptor readable, and rests until it is armed again.
//! 3. It ends before the side does: the segment is not in use any longer, and has no name any longer if that goes with
//!    its last user.
//!
//! To wake twice costs more than to wake once: who waits for one channel alone is better off without.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use crate::channel::memory::Memory;
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::mark::Mark;
use crate::sleep::LONG;
use crate::thread;

const POLL: &str = "poll";

/// A descriptor, and the thread that makes it readable.
#[derive(Debug)]
pub(crate) struct Readiness {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread.
    home: Mark,
}

struct State {
    memory: Arc<Memory>,
    /// Who brings what is waited for.
    peer: Peer,
    is_ready: Box<dyn Fn(u64) -> bool + Send + Sync>,
    event: OwnedFd,
    goal: AtomicU64,
    is_following: AtomicBool,
    is_armed: AtomicBool,
    is_over: AtomicBool,
}

impl Readiness {
    /// For what a peer brings. Whether it is there for a goal is told by `is_ready`; not armed yet.
    pub(crate) fn new(
        memory: &Arc<Memory>,
        peer: Peer,
        is_ready: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let fail = |errno| Error::os(POLL, memory.segment().show(), errno);
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(fail)?;
        let state = Arc::new(State {
            memory: memory.clone(),
            peer,
            is_ready: Box::new(is_ready),
            event,
            goal: AtomicU64::new(0),
            is_following: AtomicBool::new(false),
            is_armed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let thread = thread::start("folio-shm-ready", {
            let state = state.clone();
            move || state.work()
        });
        let thread = thread.map_err(|error| {
            fail(rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::AGAIN))
        })?;
        Ok(Self { state, thread: Some(thread), home: Mark::this_process() })
    }

    /// Whether this is the process that has the thread, and not a forked child of that one, which has a descriptor of
    /// its parent's.
    pub(crate) fn is_here(&self) -> bool {
        self.home == Mark::this_process()
    }

    /// From now on the descriptor gets readable when what is waited for is there, or is already. Where an end of the
    /// other side is waited through, that alone does not make it so.
    pub(crate) fn arm(&self, goal: u64, is_following: bool) {
        let state = &self.state;
        let mut count = [0; 8];
        let _ = rustix::io::read(&state.event, &mut count);
        state.goal.store(goal, Ordering::Relaxed);
        state.is_following.store(is_following, Ordering::Relaxed);
        // The thread may be asleep with another goal.
        if (state.is_ready)(goal) {
            return state.tell();
        }
        state.is_armed.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.state.event.as_fd()
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if !self.is_here() {
            // Not to be detached either: its memory may be another thread's in a child.
            return std::mem::forget(thread);
        }
        self.state.is_over.store(true, Ordering::Release);
        thread.thread().unpark();
        let State { memory, peer, .. } = &*self.state;
        if !memory.is_read_only() {
            memory.bell(peer.bell).wake_all();
        }
        let _ = thread.join();
    }
}

impl State {
    fn work(&self) {
        let mut wait = Wait::default();
        wait.waiting = Waiting::Sleep;
        while !self.is_over.load(Ordering::Acquire) {
            if !self.is_armed.load(Ordering::Acquire) {
                std::thread::park();
                continue;
            }
            let is_ready = || {
                let goal = self.goal.load(Ordering::Relaxed);
                let is_over = self.is_over.load(Ordering::Acquire);
                Ok((is_over || (self.is_ready)(goal)).then_some(()))
            };
            wait.is_following = self.is_following.load(Ordering::Relaxed);
            // Not for ever: whom it is for may wait through an end from now on.
            let end = Instant::now() + LONG;
            let waited = wait.until(POLL, &self.memory, self.peer, Some(end), is_ready);
            if waited.is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
                continue;
            }
            // Before the descriptor is readable: who reads may arm it at once.
            self.is_armed.store(false, Ordering::Release);
            self.tell();
        }
    }

    fn tell(&self) {
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("peer", &self.peer).finish_non_exhaustive()
    }
}
