//! A queue's ends, as they are, among processes that are killed: `shuttle` runs each scenario in many orders at random, and in
//! each another step of a process is its last. See `model`; tests/queue_model.rs is about every order of those who live.

mod checker {
    pub(crate) use shuttle::lazy_static;
    pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, fence};
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
}
mod model;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

pub(crate) use model::*;

use kernel::{dies_after, inherits, lives, run};
use model::random::{check, up_to};
use queue::Queue;

const GONE: &[ErrorKind] = &[ErrorKind::Closed, ErrorKind::PeerDied];

/// Sends these messages; whoever would make room may be gone.
fn sends(queue: &Queue, messages: RangeInclusive<u64>) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || {
        let mut sender = queue.sender().unwrap();
        if let Err(error) = queue.send(&mut sender, messages) {
            assert!(GONE.contains(&error.kind()), "{error}");
        }
    }
}

/// Receives all messages.
fn receives(queue: &Queue) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || {
        let end = queue.receive(&mut queue.receiver().unwrap());
        assert!(GONE.contains(&end), "{end:?}");
    }
}

#[test]
fn a_sender_may_die_after_every_step_and_the_next_goes_on() {
    check(60, |steps| {
        let queue = Queue::new(1, 1);
        run([
            dies_after(steps, sends(&queue, 1..=4)),
            inherits(sends(&queue, 5..=7)),
            lives(receives(&queue)),
        ]);
        run([lives(receives(&queue))]);
        queue.check(|_| 0);
    });
}

#[test]
fn a_receiver_that_is_alone_may_die_after_every_step_and_the_next_goes_on() {
    check(60, |steps| {
        let queue = Queue::new(1, 1);
        run([
            dies_after(steps, receives(&queue)),
            inherits(receives(&queue)),
            lives(sends(&queue, 1..=5)),
        ]);
        run([lives(receives(&queue))]);
        queue.check(|_| 0);
    });
}

#[test]
fn of_two_receivers_one_may_die_after_every_step_and_the_other_goes_on() {
    check(60, |steps| {
        let queue = Queue::new(1, 2);
        run([
            dies_after(steps, receives(&queue)),
            lives(receives(&queue)),
            lives(sends(&queue, 1..=5)),
        ]);
        run([lives(receives(&queue))]);
        queue.check(|_| 0);
    });
}

#[test]
fn of_two_receivers_both_may_die_after_every_step_and_the_next_goes_on() {
    check(40, |steps| {
        let queue = Queue::new(1, 2);
        let other = up_to(40);
        run([
            dies_after(steps, receives(&queue)),
            dies_after(other, receives(&queue)),
            inherits(receives(&queue)),
            lives(sends(&queue, 1..=4)),
        ]);
        run([lives(receives(&queue))]);
        queue.check(|_| 0);
    });
}

#[test]
fn of_two_senders_one_may_die_after_every_step_and_the_other_goes_on() {
    check(40, |steps| {
        let queue = Queue::new(2, 1);
        run([
            dies_after(steps, sends(&queue, 11..=14)),
            lives(sends(&queue, 1..=4)),
            lives(receives(&queue)),
        ]);
        run([lives(receives(&queue))]);
        queue.check(|message| message / 10);
    });
}

#[test]
fn a_place_that_a_dead_one_leaves_is_taken_by_one() {
    check(6, |steps| {
        let queue = Queue::new(1, 1);
        let holders = Arc::new(Mutex::new(0));
        let takes = || {
            let (queue, holders) = (queue.clone(), holders.clone());
            inherits(move || {
                let taken = queue.receiver();
                let count = |by: i32| {
                    let mut holders = holders.lock().unwrap();
                    *holders += by;
                    *holders
                };
                match &taken {
                    Ok(_) => assert_eq!(count(1), 1, "two have it"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
                }
                shuttle::thread::yield_now();
                taken.is_ok().then(|| count(-1));
            })
        };
        let leaves = {
            let queue = queue.clone();
            // What a killed process does, if it comes that far.
            move || std::mem::forget(queue.receiver().unwrap())
        };
        run([dies_after(steps, leaves), takes(), takes()]);
    });
}
