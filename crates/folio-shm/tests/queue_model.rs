//! A queue's ends, as they are, in a model checker: `loom` runs each scenario in every order of its processes, and with
//! every value that the memory model lets a load see, up to a number of preemptions. See `model`; tests/queue_deaths_model.rs
//! is about those who are killed.

mod checker {
    pub(crate) use loom::lazy_static;
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread;
}
mod model;

pub(crate) use model::*;

use kernel::{lives, run, times_out};
use model::every_order::check;
use queue::Queue;

/// Sends these messages from a process of its own.
fn sends(queue: &Queue, messages: std::ops::RangeInclusive<u64>) -> kernel::Life {
    let queue = queue.clone();
    lives(move || queue.send(&mut queue.sender().unwrap(), messages).unwrap())
}

/// Receives all messages.
fn receives(queue: &Queue) -> kernel::Life {
    let queue = queue.clone();
    lives(move || {
        let end = queue.receive(&mut queue.receiver().unwrap());
        assert_eq!(end, ErrorKind::Closed);
    })
}

/// Nobody counts on time: who sleeps is woken.
#[test]
fn a_receiver_that_is_alone_is_woken_for_each_message_and_for_the_end() {
    check(2, || {
        let queue = Queue::new(1, 1);
        run([sends(&queue, 1..=2), receives(&queue)]);
        assert_eq!((times_out(), queue.count_received()), (0, 2));
        queue.check(|_| 0);
    });
}

#[test]
fn one_of_two_receivers_gets_each_message_and_both_learn_of_the_end() {
    check(1, || {
        let queue = Queue::new(1, 2);
        run([sends(&queue, 1..=2), receives(&queue), receives(&queue)]);
        assert_eq!((times_out(), queue.count_received()), (0, 2), "{:?}", queue.events());
        queue.check(|_| 0);
    });
}

#[test]
fn a_receiver_gets_each_senders_messages_in_order() {
    check(1, || {
        let queue = Queue::new(2, 1);
        run([sends(&queue, 1..=2), sends(&queue, 11..=11), receives(&queue)]);
        // It may have come and gone before the second sender came.
        run([receives(&queue)]);
        queue.check(|message| message / 10);
    });
}

#[test]
fn a_sender_that_waits_for_room_gets_it() {
    check(2, || {
        let queue = Queue::new(1, 1);
        run([sends(&queue, 1..=4), receives(&queue)]);
        assert_eq!(times_out(), 0, "nobody was woken");
        queue.check(|_| 0);
    });
}
