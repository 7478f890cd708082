//! A lane whose sender gives up the oldest messages, in a model checker: `loom` runs each scenario in every order of
//! its threads. Since nobody waits, who dies is who stops: each scenario ends in the middle of things for one side.

#[allow(dead_code)]
#[path = "../src/channel/discard.rs"]
mod discard;
#[allow(dead_code)]
#[path = "../src/channel/lane.rs"]
mod lane;

mod channel {
    pub(crate) use super::lane;
}

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use std::sync::Arc;

use lane::{Shape, Tail, Words};
use loom::thread;
use sync::{AtomicU64, Ordering};

/// The smallest: it holds three messages.
const SHAPE: Shape = Shape { size: 64, longest: 16 };

struct Lane {
    words: Vec<AtomicU64>,
    head: AtomicU64,
    /// Bytes of the first message. With 8 some begin where others had their second word; with 16 there is padding.
    first: u32,
    /// Bytes of each of the others.
    others: u32,
}

impl Words for Lane {
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[(position / 8) as usize % self.words.len()]
    }
}

impl Lane {
    fn new(first: u32) -> Arc<Self> {
        let words = (0..SHAPE.size / 8).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { words, head: AtomicU64::new(0), first, others: 16 })
    }

    /// Sends the messages of these numbers; how many were given up for them.
    fn send(&self, tail: &mut Tail, numbers: impl Iterator<Item = u64>) -> u64 {
        let mut lost = 0;
        for number in numbers {
            let len = if number == 1 { self.first } else { self.others };
            let room = discard::make_room(tail, &SHAPE, self, &self.head, len);
            let (slot, given_up) = room.expect("there is always room");
            lost += given_up;
            for word in 0..u64::from(slot.len()) / 8 {
                self.word(slot.start() + word * 8).store(number, Ordering::Relaxed);
            }
            tail.publish(self, slot);
        }
        lost
    }

    /// Tries to take a message so many times.
    fn receive(&self, tries: usize) -> Vec<u64> {
        (0..tries).filter_map(|_| self.try_receive()).collect()
    }

    /// All that is left, when nobody sends.
    fn rest(&self) -> impl Iterator<Item = u64> {
        std::iter::from_fn(|| self.try_receive())
    }

    fn try_receive(&self) -> Option<u64> {
        let slot = discard::oldest(&SHAPE, self, &self.head).expect("nobody scribbles")?;
        let last = slot.start() + u64::from(slot.len()) - 8;
        let copy = [slot.start(), last].map(|at| self.word(at).load(Ordering::Relaxed));
        let is_taken = discard::take(&self.head, slot);
        if is_taken {
            assert_eq!(copy[0], copy[1], "half a message");
        }
        is_taken.then_some(copy[0])
    }
}

/// A lane, its sender's end, and a process that tries to take two messages.
fn with_a_receiver(first: u32) -> (Arc<Lane>, Tail, thread::JoinHandle<Vec<u64>>) {
    let lane = Lane::new(first);
    let receiver = thread::spawn({
        let lane = lane.clone();
        move || lane.receive(2)
    });
    let tail = Tail::find(&SHAPE, &*lane, &lane.head).unwrap();
    (lane, tail, receiver)
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Every message that was sent was received by one, or given up, or is there still; in order, and whole.
#[test]
fn nothing_is_lost_that_is_not_counted_and_nothing_comes_twice() {
    for first in [8, 16] {
        check(move || {
            let (lane, mut tail, receiver) = with_a_receiver(first);
            let lost = lane.send(&mut tail, 1..=4);
            let mut received = receiver.join().unwrap();
            received.extend(lane.rest());
            assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
            assert_eq!(received.last(), Some(&4), "{received:?}");
            assert_eq!(received.len() as u64 + lost, 4, "{received:?}");
        });
    }
}

#[test]
fn of_two_receivers_one_takes_each() {
    for first in [8, 16] {
        check(move || {
            let lane = Lane::new(first);
            let mut tail = Tail::find(&SHAPE, &*lane, &lane.head).unwrap();
            assert_eq!(lane.send(&mut tail, 1..=2), 0);
            let receivers = [(); 2].map(|()| {
                let lane = lane.clone();
                thread::spawn(move || lane.receive(1))
            });
            let lost = lane.send(&mut tail, 3..=3);
            let mut received: Vec<u64> =
                receivers.into_iter().flat_map(|one| one.join().unwrap()).collect();
            received.extend(lane.rest());
            received.sort_unstable();
            assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
            assert_eq!(received.len() as u64 + lost, 3, "{received:?}");
        });
    }
}

/// A sender that comes round leaves a lane as full as it was.
#[test]
fn there_is_a_message_in_a_lane_that_is_never_empty() {
    check(|| {
        // It holds three of these.
        let mut lane = Lane::new(8);
        Arc::get_mut(&mut lane).expect("nobody else has it yet").others = 8;
        let mut tail = Tail::find(&SHAPE, &*lane, &lane.head).unwrap();
        lane.send(&mut tail, 1..=3);
        let receiver = thread::spawn({
            let lane = lane.clone();
            move || discard::oldest(&SHAPE, &*lane, &lane.head).unwrap().is_some()
        });
        lane.send(&mut tail, 4..=5);
        assert!(receiver.join().unwrap());
    });
}

/// A sender that has made room and dies leaves what is there; the next one goes on behind it.
#[test]
fn a_sender_may_die_when_it_has_made_room() {
    for first in [8, 16] {
        check(move || {
            let (lane, mut tail, receiver) = with_a_receiver(first);
            let mut lost = lane.send(&mut tail, 1..=2);
            let room = discard::make_room(&mut tail, &SHAPE, &*lane, &lane.head, 16);
            let (slot, given_up) = room.unwrap();
            lost += given_up;
            // It dies with half the message written.
            lane.word(slot.start()).store(9, Ordering::Relaxed);
            let mut tail = Tail::find(&SHAPE, &*lane, &lane.head).unwrap();
            lost += lane.send(&mut tail, 3..=3);
            let mut received = receiver.join().unwrap();
            received.extend(lane.rest());
            assert!(received.is_sorted_by(|a, b| a < b), "{received:?}");
            assert_eq!((received.last(), received.len() as u64 + lost), (Some(&3), 3));
        });
    }
}
