//! The frames decoded last, and those being decoded now.
//!
//! [`FrameCache::find`] answers with a frame's bytes, with the flight of another thread that is
//! decoding it, or with a claim: who gets that decodes the frame, outside of any lock, and the claim
//! tells the others, also where it is dropped without an outcome. Frames go by second chance: those
//! that were not read again since they came or were looked at go first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use folio_store::Result;

/// A frame's bytes.
pub(crate) type Bytes = Arc<Vec<u8>>;

/// What became of a flight: the bytes, why there are none, or nothing that is kept: ask again.
type Outcome = Option<Result<Bytes>>;

/// Decoded frames, up to so many bytes.
#[derive(Debug)]
pub(crate) struct FrameCache {
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<usize, Slot>,
    /// Those that are ready, the next to go first.
    order: VecDeque<usize>,
    ready_bytes: usize,
}

#[derive(Debug)]
enum Slot {
    Loading(Arc<Flight>),
    Ready { bytes: Bytes, visited: bool },
}

/// A frame that a thread is decoding.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    landed: Mutex<Option<Outcome>>,
    done: Condvar,
}

/// What is known of a frame.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// Its bytes.
    Ready(Bytes),
    /// Another thread is decoding it.
    Loading(Arc<Flight>),
    /// Nothing: whoever asked decodes it.
    Claimed(Claim<'a>),
}

/// The duty to decode a frame.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    cache: &'a FrameCache,
    index: usize,
    flight: Arc<Flight>,
}

/// A lock, whether or not a thread has panicked with it: what it guards is consistent at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    /// Waits for its end.
    pub(crate) fn wait(&self) -> Outcome {
        let mut landed = lock(&self.landed);
        loop {
            match &*landed {
                Some(outcome) => return outcome.clone(),
                None => landed = self.done.wait(landed).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn land(&self, outcome: Outcome) {
        *lock(&self.landed) = Some(outcome);
        self.done.notify_all();
    }
}

impl FrameCache {
    /// An empty cache.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, state: Mutex::default() }
    }

    /// Looks for a frame.
    pub(crate) fn find(&self, index: usize) -> Found<'_> {
        let mut state = lock(&self.state);
        match state.slots.get_mut(&index) {
            Some(Slot::Ready { bytes, visited }) => {
                *visited = true;
                Found::Ready(Arc::clone(bytes))
            }
            Some(Slot::Loading(flight)) => Found::Loading(Arc::clone(flight)),
            None => {
                let flight = Arc::<Flight>::default();
                state.slots.insert(index, Slot::Loading(Arc::clone(&flight)));
                Found::Claimed(Claim { cache: self, index, flight })
            }
        }
    }

    /// Claims a frame if nobody has it.
    pub(crate) fn claim(&self, index: usize) -> Option<Claim<'_>> {
        let mut state = lock(&self.state);
        if state.slots.contains_key(&index) {
            return None;
        }
        let flight = Arc::<Flight>::default();
        state.slots.insert(index, Slot::Loading(Arc::clone(&flight)));
        Some(Claim { cache: self, index, flight })
    }

    /// Bytes of the frames it keeps.
    #[cfg(test)]
    fn ready_bytes(&self) -> usize {
        lock(&self.state).ready_bytes
    }
}

impl State {
    fn keep(&mut self, index: usize, bytes: Bytes, limit_bytes: usize) {
        self.slots.remove(&index);
        if bytes.len() > limit_bytes {
            return;
        }
        while self.ready_bytes + bytes.len() > limit_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            match self.slots.get_mut(&oldest) {
                Some(Slot::Ready { visited: visited @ true, .. }) => {
                    *visited = false;
                    self.order.push_back(oldest);
                }
                Some(Slot::Ready { bytes, .. }) => {
                    self.ready_bytes -= bytes.len();
                    self.slots.remove(&oldest);
                }
                Some(Slot::Loading(_)) | None => {}
            }
        }
        self.ready_bytes += bytes.len();
        self.slots.insert(index, Slot::Ready { bytes, visited: false });
        self.order.push_back(index);
    }
}

impl Claim<'_> {
    /// The frame is decoded, and worth keeping.
    pub(crate) fn keep(self, bytes: Bytes) {
        lock(&self.cache.state).keep(self.index, Arc::clone(&bytes), self.cache.limit_bytes);
        self.flight.land(Some(Ok(bytes)));
    }

    /// The frame is decoded, and went as a whole to who asked for it. Others have it if they wait.
    pub(crate) fn hand_out(self, bytes: &[u8]) {
        let mut state = lock(&self.cache.state);
        state.slots.remove(&self.index);
        // One is the claim's own. Others are cloned under the lock, and in the slot only.
        let is_awaited = Arc::strong_count(&self.flight) > 1;
        drop(state);
        if is_awaited {
            self.flight.land(Some(Ok(Arc::new(bytes.to_vec()))));
        }
    }

    /// The frame cannot be had.
    pub(crate) fn fail(self, error: folio_store::Error) {
        lock(&self.cache.state).slots.remove(&self.index);
        self.flight.land(Some(Err(error)));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if lock(&self.flight.landed).is_some() {
            return;
        }
        let mut state = lock(&self.cache.state);
        let is_ours = match state.slots.get(&self.index) {
            Some(Slot::Loading(flight)) => Arc::ptr_eq(flight, &self.flight),
            _ => false,
        };
        if is_ours {
            state.slots.remove(&self.index);
        }
        drop(state);
        self.flight.land(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(cache: &FrameCache, index: usize) -> Claim<'_> {
        match cache.find(index) {
            Found::Claimed(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn is_ready(cache: &FrameCache, index: usize) -> bool {
        match cache.find(index) {
            Found::Ready(_) => true,
            Found::Loading(_) => panic!("nobody is loading"),
            Found::Claimed(_) => false,
        }
    }

    #[test]
    fn it_keeps_no_more_than_it_may_and_what_was_read_again_stays() {
        let cache = FrameCache::new(300);
        for index in 0..3 {
            claimed(&cache, index).keep(Arc::new(vec![0; 100]));
        }
        assert!(is_ready(&cache, 0));
        claimed(&cache, 3).keep(Arc::new(vec![0; 100]));
        assert!(is_ready(&cache, 0) && is_ready(&cache, 2) && is_ready(&cache, 3));
        assert!(!is_ready(&cache, 1));
        claimed(&cache, 4).keep(Arc::new(vec![0; 301]));
        assert!(!is_ready(&cache, 4), "larger than the cache");
        for index in 0..100 {
            if let Found::Claimed(claim) = cache.find(index) {
                claim.keep(Arc::new(vec![0; index]));
            }
            assert!(cache.ready_bytes() <= 300);
        }
    }

    #[test]
    fn a_claim_that_is_dropped_lets_the_next_one_try() {
        let cache = FrameCache::new(300);
        let claim = claimed(&cache, 7);
        let Found::Loading(flight) = cache.find(7) else { panic!() };
        assert!(cache.claim(7).is_none());
        drop(claim);
        assert!(flight.wait().is_none());
        assert!(cache.claim(7).is_some());
    }

    #[test]
    fn those_who_wait_get_the_bytes_or_the_error() {
        let cache = FrameCache::new(300);
        let claim = claimed(&cache, 1);
        let Found::Loading(flight) = cache.find(1) else { panic!() };
        claim.hand_out(b"bytes");
        assert_eq!(**flight.wait().unwrap().unwrap(), *b"bytes");
        assert!(!is_ready(&cache, 1), "handed out, not kept");

        let claim = claimed(&cache, 1);
        let Found::Loading(flight) = cache.find(1) else { panic!() };
        claim.fail(folio_store::Error::new(folio_store::ErrorKind::Corrupt, "read", "it"));
        assert!(flight.wait().unwrap().is_err());
        assert!(!is_ready(&cache, 1));
    }
}
