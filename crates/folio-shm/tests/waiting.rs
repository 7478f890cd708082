//! How the sides of a channel wait for each other: what that takes of a processor.

use std::time::Duration;

use folio_shm::{Queue, Receiver, Sender, Waiting};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: u32 = 2000;

/// How long the calling thread has run.
fn ran() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn keep_on(processor: usize) {
    let mut one = CpuSet::new();
    one.set(processor);
    sched_setaffinity(None, &one).unwrap();
}

fn ends() -> (Sender, Receiver) {
    let queue = Queue::options().create().longest(8).memfd("folio-test-waiting").unwrap();
    (queue.sender().unwrap(), queue.receiver().unwrap())
}

#[test]
fn sides_that_share_a_processor_stop_looking_for_what_the_other_cannot_bring() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor));
    let (Some(processor), Some(_)) = (processors.next(), processors.next()) else {
        eprintln!("skipped: with one processor nobody looks");
        return;
    };
    let ((mut there, mut from_here), (mut back, mut from_there)) = (ends(), ends());
    let ran = std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            keep_on(processor);
            let before = ran();
            for _ in 0..ROUNDS {
                let message = from_here.recv().unwrap().to_vec().unwrap();
                back.send(&message).unwrap();
            }
            ran() - before
        });
        let here = scope.spawn(move || {
            keep_on(processor);
            let before = ran();
            for number in 0..ROUNDS {
                there.send(&number.to_le_bytes()).unwrap();
                assert_eq!(from_there.recv().unwrap().value::<u32>().unwrap(), number);
            }
            ran() - before
        });
        here.join().unwrap() + other.join().unwrap()
    });
    // A look in vain takes 50 µs, and the rest some 10.
    assert!(ran < ROUNDS * Duration::from_micros(28), "{:?} a round", ran / ROUNDS);
}

#[test]
fn who_was_woken_for_a_message_is_not_woken_for_the_next_before_it_sleeps() {
    let queue = Queue::options().create().longest(8).memfd("folio-test-woken").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    receiver.set_waiting(Waiting::Sleep);
    for round in 0..50 {
        std::thread::scope(|scope| {
            scope.spawn(|| receiver.recv().map(drop).unwrap());
            while !queue.traffic().receivers_asleep {
                std::thread::yield_now();
            }
            sender.send(&[1]).unwrap();
        });
        assert!(!queue.traffic().receivers_asleep, "it says that it sleeps, in round {round}");
    }
}
