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

use std::ops::RangeInclusive;

use kernel::{Life, dies_after, inherits, lives, run, times_out, wait_for_the_end_of};
use model::every_order::check;
use queue::Queue;

/// Sends these messages.
fn sending(queue: &Queue, messages: RangeInclusive<u64>) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || queue.send(&mut queue.sender().unwrap(), messages).unwrap()
}

/// Receives all messages.
fn receiving(queue: &Queue) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || {
        let end = queue.receive(&mut queue.receiver().unwrap());
        assert_eq!(end, ErrorKind::Closed);
    }
}

fn sends(queue: &Queue, messages: RangeInclusive<u64>) -> Life {
    lives(sending(queue, messages))
}

fn receives(queue: &Queue) -> Life {
    lives(receiving(queue))
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

/// Who gets the second message has got all there are.
const LAST: u64 = 2;

/// Receives until one has the last message, whoever sends it.
fn receiving_until_the_last(queue: &Queue) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || {
        let mut receiver = queue.receiver().unwrap();
        receiver.set_following(true);
        while !queue.has_received(LAST) {
            queue.receive_one(&mut receiver).unwrap();
        }
    }
}

/// Sends these messages, and stays until another process has ended: its own end would wake that one, too.
fn sending_and_staying(
    queue: &Queue,
    messages: RangeInclusive<u64>,
    other: u64,
) -> impl FnOnce() + Send + use<> {
    let queue = queue.clone();
    move || {
        let mut sender = queue.sender().unwrap();
        queue.send(&mut sender, messages).unwrap();
        wait_for_the_end_of(other);
    }
}

#[test]
fn a_sender_may_die_while_it_rings_and_the_next_wakes_the_receiver() {
    for steps in 1..=6 {
        check(2, move || {
            let queue = Queue::new(1, 1);
            let dies = dies_after(steps, sending(&queue, 1..=1));
            let heir = inherits(sending_and_staying(&queue, LAST..=LAST, 3));
            run([dies, heir, lives(receiving_until_the_last(&queue))]);
        });
    }
}
