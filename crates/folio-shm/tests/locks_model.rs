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
        // Who sleeps does so for the lock, and is woken for it.
        assert!(times_out() <= 1, "{}", times_out());
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
