//! Mutex, condition and once, as they are, among processes that are killed: `shuttle` runs each scenario in many orders at
//! random, and in each another step of a process is its last. See `model`; tests/locks_model.rs is about every order.

mod checker {
    pub(crate) use shuttle::lazy_static;
    pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, fence};
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
}
mod model;

pub(crate) use model::*;

use std::sync::atomic::Ordering::Relaxed;

use kernel::{dies_after, lives, run};
use locks::{Guarded, Locks};
use model::random::{check, up_to};

#[test]
fn whoever_dies_with_the_mutex_the_next_gets_it_and_is_told() {
    check(30, |steps| {
        let locks = Locks::new();
        let adds = || {
            let locks = locks.clone();
            move || (0..2).for_each(|_| locks.add())
        };
        run([dies_after(steps, adds()), lives(adds()), lives(adds())]);
        // It may have been the last, and left something half done.
        run([lives(adds())]);
        let Guarded { one, other, .. } = &*locks.guarded;
        assert_eq!(one.load(Relaxed), other.load(Relaxed));
        assert!((6..=8).contains(&one.load(Relaxed)), "{one:?}");
    });
}

#[test]
fn two_may_die_with_the_mutex_one_after_the_other() {
    check(20, |steps| {
        let locks = Locks::new();
        let adds = || {
            let locks = locks.clone();
            move || (0..2).for_each(|_| locks.add())
        };
        let tries = {
            let locks = locks.clone();
            move || (0..3).for_each(|_| locks.try_add())
        };
        let other = up_to(20);
        run([dies_after(steps, adds()), dies_after(other, adds()), lives(adds()), lives(tries)]);
        // Nobody is left who has it.
        run([lives(adds())]);
        let Guarded { one, other, .. } = &*locks.guarded;
        assert_eq!(one.load(Relaxed), other.load(Relaxed));
    });
}

#[test]
fn what_an_heir_does_not_put_right_the_next_is_told_of() {
    check(20, |steps| {
        let locks = Locks::new();
        let adds = || {
            let locks = locks.clone();
            move || locks.add()
        };
        let passes_on = {
            let locks = locks.clone();
            move || locks.pass_on()
        };
        run([dies_after(steps, adds()), lives(passes_on), lives(adds())]);
    });
}

#[test]
fn it_is_done_once_whoever_dies_at_it() {
    check(16, |steps| {
        let locks = Locks::new();
        let calls = || {
            let locks = locks.clone();
            move || locks.call_once()
        };
        run([dies_after(steps, calls()), lives(calls()), lives(calls())]);
        assert_eq!(locks.guarded.other.load(Relaxed), 1);
    });
}

/// A number that is taken down to 0 by those who wait, and raised by one who may die at it.
#[test]
fn who_waits_for_a_condition_is_woken_or_told_of_a_death() {
    check(30, |steps| {
        let locks = Locks::new();
        let brings = {
            let locks = locks.clone();
            move || {
                for _ in 0..2 {
                    let (mutex, condition) = (locks.mutex(), locks.condition());
                    let guard = mutex.lock().or_else(mutex::LockError::into_guard).unwrap();
                    locks.guarded.one.fetch_add(1, Relaxed);
                    drop(guard);
                    condition.notify_one();
                }
            }
        };
        let next = {
            let brings = brings.clone();
            move || {
                kernel::wait_for_the_end_of(1);
                brings();
            }
        };
        let takes = || {
            let locks = locks.clone();
            lives(move || {
                let (mutex, condition) = (locks.mutex(), locks.condition());
                let mut guard = mutex.lock().or_else(mutex::LockError::into_guard).unwrap();
                while locks.guarded.one.load(Relaxed) == 0 {
                    guard = condition.wait(guard).or_else(mutex::LockError::into_guard).unwrap();
                }
                locks.guarded.one.fetch_sub(1, Relaxed);
                drop(guard);
            })
        };
        run([dies_after(steps, brings), takes(), takes(), lives(next)]);
    });
}
