//! Locks of a model, and something that they guard.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex as Plain, PoisonError};

use super::condition::Condition;
use super::error::Error;
use super::kernel;
use super::mutex::{Guard, LockError, Mutex};
use super::once::Once;
use super::segment::Segment;

const MUTEX: usize = 0;
const CONDITION: usize = 16;
const ONCE: usize = 24;

/// Locks, and two numbers that are equal unless somebody died between them.
#[derive(Clone)]
pub struct Locks {
    segment: Arc<Segment>,
    pub guarded: Arc<Guarded>,
    /// Who has the lock, as far as those know who have it.
    owner: Arc<Plain<Option<u64>>>,
}

#[derive(Default)]
pub struct Guarded {
    pub one: AtomicU64,
    pub other: AtomicU64,
    /// Whether somebody was told that things may be half done.
    pub was_told: AtomicBool,
}

impl Locks {
    pub fn new() -> Self {
        // The mutex's second word, the condition, and the once's second and third.
        let halves = [MUTEX + 8, CONDITION, ONCE + 8, ONCE + 16];
        let segment = Arc::new(Segment::new(48, &halves));
        Self { segment, guarded: Arc::default(), owner: Arc::default() }
    }

    pub fn mutex(&self) -> Mutex<'_> {
        Mutex::at(&self.segment, MUTEX).unwrap()
    }

    pub fn condition(&self) -> Condition<'_> {
        Condition::at(&self.segment, CONDITION).unwrap()
    }

    pub fn once(&self) -> Once<'_> {
        Once::at(&self.segment, ONCE).unwrap()
    }

    /// That nobody who lives has the lock but this process, from now on.
    pub fn own(&self) {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let others = owner.filter(|&other| !kernel::is_dead(other));
        assert_eq!(others, None, "another has it");
        *owner = Some(kernel::this_process());
    }

    pub fn disown(&self) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Adds 1 to both numbers under the lock, and puts right what another died at.
    pub fn add(&self) {
        let mutex = self.mutex();
        let locked = mutex.lock();
        self.add_with(locked);
    }

    pub fn try_add(&self) {
        let mutex = self.mutex();
        if let Some(locked) = mutex.try_lock().transpose() {
            self.add_with(locked);
        }
    }

    /// Takes the lock and gives it back, and puts nothing right.
    pub fn pass_on(&self) {
        let mutex = self.mutex();
        let guard = mutex.lock().or_else(LockError::into_guard).unwrap();
        self.own();
        kernel::breathe();
        self.disown();
        drop(guard);
    }

    fn add_with(&self, locked: Result<Guard<'_>, LockError<'_>>) {
        self.own();
        let Guarded { one, other, was_told } = &*self.guarded;
        let guard = match locked {
            Ok(guard) => {
                assert_eq!(one.load(Relaxed), other.load(Relaxed), "half done, and nobody said so");
                guard
            }
            Err(LockError::OwnerDied(guard)) => {
                was_told.store(true, Relaxed);
                other.store(one.load(Relaxed), Relaxed);
                guard.mark_consistent();
                guard
            }
            Err(LockError::Failed(error)) => panic!("{error}"),
        };
        one.fetch_add(1, Relaxed);
        // Others get their turn, and this one its death, between the two.
        kernel::breathe();
        other.fetch_add(1, Relaxed);
        self.disown();
        drop(guard);
    }

    /// Does something once, unless it dies at it.
    pub fn call_once(&self) {
        let once = self.once();
        once.call(|attempt| {
            self.own();
            let Guarded { one, other, .. } = &*self.guarded;
            let is_begun = one.load(Relaxed) != 0 || other.load(Relaxed) != 0;
            assert!(attempt.was_left() || !is_begun, "begun, and nobody said so");
            other.store(0, Relaxed);
            one.store(1, Relaxed);
            kernel::breathe();
            other.store(1, Relaxed);
            self.disown();
            Ok::<(), Error>(())
        })
        .unwrap();
        assert!(once.is_done());
        assert_eq!(self.guarded.other.load(Relaxed), 1, "it was not done");
    }
}
