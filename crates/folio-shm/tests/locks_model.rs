//! Mutex, condition and once, as they are, in a model checker: `loom` runs each scenario in every order of its processes,
//! and with every value that the memory model lets a load see, up to a number of preemptions. See `model`;
//! tests/locks_deaths_model.rs is about those who are killed in more orders than these.

mod checker {
    pub(crate) use loom::lazy_static;
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread;
}
mod model;

pub(crate) use model::*;

use std::sync::atomic::Ordering::Relaxed;

use kernel::{dies_after, lives, run, times_out};
use locks::Locks;
use model::every_order::check;
use model::mutex::LockError;

#[test]
fn one_at_a_time_has_the_mutex_and_sees_what_the_last_did() {
    check(3, || {
        let locks = Locks::new();
        // In memory that loom watches: relaxed, so that nothing but the lock orders it.
        let number = std::sync::Arc::new(checker::AtomicU64::new(0));
        let adds = || {
            let (locks, number) = (locks.clone(), number.clone());
            lives(move || {
                let mutex = locks.mutex();
                let _guard = mutex.lock().unwrap();
                locks.own();
                number.store(number.load(Relaxed) + 1, Relaxed);
                locks.disown();
            })
        };
        run([adds(), adds()]);
        assert_eq!(number.load(Relaxed), 2);
        assert_eq!(times_out(), 0, "nobody was woken");
    });
}

#[test]
fn whoever_dies_with_the_mutex_the_next_gets_it_and_is_told() {
    for steps in 0..8 {
        check(2, move || {
            let locks = Locks::new();
            let adds = || {
                let locks = locks.clone();
                move || locks.add()
            };
            run([dies_after(steps, adds()), lives(adds())]);
        });
    }
}

#[test]
fn who_waits_for_a_condition_is_woken() {
    check(2, || {
        let locks = Locks::new();
        let waits = {
            let locks = locks.clone();
            lives(move || {
                let (mutex, condition) = (locks.mutex(), locks.condition());
                let mut guard = mutex.lock().unwrap();
                while locks.guarded.one.load(Relaxed) == 0 {
                    guard = condition.wait(guard).unwrap();
                }
            })
        };
        let brings = {
            let locks = locks.clone();
            lives(move || {
                let (mutex, condition) = (locks.mutex(), locks.condition());
                let guard = mutex.lock().unwrap();
                locks.guarded.one.store(1, Relaxed);
                drop(guard);
                condition.notify_one();
            })
        };
        run([waits, brings]);
        assert_eq!(times_out(), 0, "nobody was woken");
    });
}

#[test]
fn who_waits_for_a_condition_is_told_that_somebody_died_with_the_mutex() {
    check(2, || {
        let locks = Locks::new();
        let waits = {
            let locks = locks.clone();
            lives(move || {
                let (mutex, condition) = (locks.mutex(), locks.condition());
                let told = mutex.lock().and_then(|guard| condition.wait(guard));
                assert!(matches!(told, Err(LockError::OwnerDied(_))), "{told:?}");
            })
        };
        let dies = {
            let locks = locks.clone();
            lives(move || std::mem::forget(locks.mutex().lock().unwrap()))
        };
        run([waits, dies]);
    });
}
