//! The backlog: records that have been read, and that a thread of its own takes in.
//!
//! 1. [`Backlog::new`] starts the thread, which makes a [`Profile`].
//! 2. [`Backlog::push`] gives it what one round found in the rings. Reading them goes on meanwhile, however
//!    long a record takes: a process may be asked what lies at an address, a child gets all that its parent
//!    has mapped.
//! 3. [`Backlog::finish`] waits until all is taken in.
//!
//! Where it falls far behind, [`Backlog::is_full`]: then records stay in the rings, and the kernel counts those
//! that find no room there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use crate::failure::Failure;
use crate::faults::order::Order;
use crate::faults::profile::Profile;
use crate::faults::record::Records;

/// Bytes that wait, at most, and what a round adds: a million page faults.
const MOST_BYTES: usize = 256 << 20;

/// Rounds that wait for their turn.
#[derive(Debug)]
pub(crate) struct Backlog {
    rounds: Sender<Vec<u8>>,
    waiting_bytes: Arc<AtomicUsize>,
    thread: JoinHandle<Result<Profile, Failure>>,
}

impl Backlog {
    /// A thread that adds rounds to a profile that it makes first.
    ///
    /// # Errors
    /// What a thread cannot be started for.
    pub(crate) fn new(
        profile: impl FnOnce() -> Result<Profile, Failure> + Send + 'static,
    ) -> io::Result<Self> {
        let (rounds, next) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&waiting_bytes);
        let take_in = move || Ok(take_in(profile()?, &next, &waiting));
        let thread = thread::Builder::new().name("folio faults".into()).spawn(take_in)?;
        Ok(Self { rounds, waiting_bytes, thread })
    }

    /// Whether no more should be added for now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting_bytes.load(Ordering::Relaxed) >= MOST_BYTES
    }

    /// Adds what a round found: records of one processor after another.
    pub(crate) fn push(&self, round: Vec<u8>) {
        self.waiting_bytes.fetch_add(round.len(), Ordering::Relaxed);
        // Where the thread has ended, `finish` says why.
        let _ = self.rounds.send(round);
    }

    /// Whether the thread takes in no more, as it could not make a profile.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// The profile, when all is in it.
    ///
    /// # Errors
    /// Why there was none.
    pub(crate) fn finish(self) -> Result<Profile, Failure> {
        drop(self.rounds);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn take_in(mut profile: Profile, rounds: &Receiver<Vec<u8>>, waiting: &AtomicUsize) -> Profile {
    let mut order = Order::default();
    for round in rounds {
        for record in Records::of(&round) {
            order.push(record);
        }
        profile.spaces.begin_round();
        order.finish_round(|stamped| profile.apply(stamped));
        waiting.fetch_sub(round.len(), Ordering::Relaxed);
    }
    profile.spaces.begin_round();
    order.finish(|stamped| profile.apply(stamped));
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record: so many were lost.
    fn lost(records: u64) -> Vec<u8> {
        let words = [2 | 48 << 48, 1, records, 0, 5, 1];
        words.into_iter().flat_map(u64::to_ne_bytes).collect()
    }

    #[test]
    fn rounds_are_added_while_none_can_be_taken_in() {
        let (go, wait) = mpsc::channel::<()>();
        let backlog = Backlog::new(move || {
            let _ = wait.recv();
            Ok(Profile::default())
        });
        let backlog = backlog.unwrap();
        for _ in 0..1000 {
            backlog.push(lost(3));
        }
        assert!(!backlog.is_full() && !backlog.has_ended());
        backlog.push(vec![0; MOST_BYTES]);
        assert!(backlog.is_full());
        drop(go);
        assert_eq!(backlog.finish().unwrap().lost, 3000);
    }

    #[test]
    fn why_there_is_no_profile_is_told_at_the_end() {
        let backlog = Backlog::new(|| Err(Failure::new("none"))).unwrap();
        while !backlog.has_ended() {
            thread::yield_now();
        }
        backlog.push(lost(1));
        assert_eq!(backlog.finish().unwrap_err().to_string(), "none");
    }
}
