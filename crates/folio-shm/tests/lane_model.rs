//! The lane and its bells in a model checker: `loom` runs each scenario in every order of its threads, and with
//! every value that the memory model lets a load see, up to a number of preemptions. A sender dies after
//! every one of its steps, too: what it stores from then on goes nowhere.
#![allow(unsafe_code)]
#![allow(clippy::arc_with_non_send_sync, reason = "loom's threads take turns on one")]

#[allow(dead_code)]
#[path = "../src/channel/bell.rs"]
mod bell;
#[allow(dead_code)]
#[path = "../src/channel/lane.rs"]
mod lane;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    /// Loom's own way to sleep stands in for the kernel's: the word is compared with the door closed.
    pub(crate) struct Kernel {
        pub(crate) door: loom::sync::Mutex<()>,
        pub(crate) bed: loom::sync::Condvar,
    }

    loom::lazy_static! {
        pub(crate) static ref KERNEL: Kernel = Kernel {
            door: loom::sync::Mutex::new(()),
            bed: loom::sync::Condvar::new(),
        };
    }

    pub(crate) fn wake(_word: &AtomicU32, _count: u32) {
        let _door = KERNEL.door.lock().unwrap();
        KERNEL.bed.notify_all();
    }

    pub(crate) fn sleep(word: &AtomicU32, seen: u32) {
        let door = KERNEL.door.lock().unwrap();
        if word.load(Ordering::SeqCst) == seen {
            drop(KERNEL.bed.wait(door).unwrap());
        }
    }
}

use std::cell::Cell;
use std::sync::Arc;

use bell::Bell;
use lane::{Head, Refusal, Shape, Slot, Tail, Words};
use loom::cell::UnsafeCell;
use loom::thread;
use sync::{AtomicU32, AtomicU64, Ordering, fence, sleep};

/// The smallest that has padding, and messages of different lengths.
const SHAPE: Shape = Shape { size: 64, longest: 16 };

struct Lane {
    words: Vec<AtomicU64>,
    /// What messages hold, beside their words: loom knows who may touch these at a time.
    cells: Vec<UnsafeCell<u64>>,
    head: AtomicU64,
    /// Who has claimed it.
    reader: AtomicU64,
    bells: [(AtomicU32, AtomicU32); 2],
}

const FILLED: usize = 0;
const DRAINED: usize = 1;

impl Lane {
    fn new() -> Arc<Self> {
        let bell = || (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self {
            words: (0..SHAPE.size / 8).map(|_| AtomicU64::new(0)).collect(),
            cells: (0..SHAPE.size / 8).map(|_| UnsafeCell::new(0)).collect(),
            head: AtomicU64::new(0),
            reader: AtomicU64::new(0),
            bells: [bell(), bell()],
        })
    }

    fn bell(&self, which: usize) -> Bell<'_> {
        Bell { number: &self.bells[which].0, asleep: &self.bells[which].1 }
    }

    /// A sender's end. Not in the sender's thread: loom minds a store less that comes after a load by the same
    /// thread.
    fn begin(&self) -> Tail {
        Tail::find(&SHAPE, self, &self.head).unwrap()
    }

    fn cell(&self, position: u64) -> &UnsafeCell<u64> {
        &self.cells[(position / 8) as usize % self.cells.len()]
    }

    fn try_receive(&self, end: &mut Head) -> Option<u64> {
        let slot = end.peek(&SHAPE, self).expect("nobody scribbles")?;
        let number = self.word(slot.start()).load(Ordering::Relaxed);
        for word in 0..u64::from(slot.len()) / 8 {
            let at = slot.start() + word * 8;
            assert_eq!(self.word(at).load(Ordering::Relaxed), number, "half a message");
            // SAFETY: loom stops the model if anybody writes it meanwhile.
            self.cell(at).with(|cell| assert_eq!(unsafe { *cell }, number, "half a message"));
        }
        end.release(&self.head, slot);
        Some(number)
    }

    /// Sleeps until there is a message.
    fn receive(&self, end: &mut Head) -> u64 {
        loop {
            let seen = self.bell(FILLED).prepare();
            if let Some(number) = self.try_receive(end) {
                self.bell(DRAINED).ring();
                return number;
            }
            sleep(self.bell(FILLED).number, seen);
        }
    }
}

impl Words for Lane {
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[(position / 8) as usize % self.words.len()]
    }
}

/// A lane as a sender sees it that dies after so many accesses.
struct Mortal<'a> {
    lane: &'a Lane,
    left: Cell<usize>,
    nowhere: AtomicU64,
}

impl Words for Mortal<'_> {
    fn word(&self, position: u64) -> &AtomicU64 {
        match self.left.get() {
            0 => &self.nowhere,
            left => {
                self.left.set(left - 1);
                self.lane.word(position)
            }
        }
    }
}

fn write(words: &impl Words, lane: &Lane, tail: &mut Tail, slot: Slot, number: u64) {
    for word in 0..u64::from(slot.len()) / 8 {
        let at = slot.start() + word * 8;
        words.word(at).store(number, Ordering::Relaxed);
        // SAFETY: loom stops the model if anybody else touches it meanwhile.
        lane.cell(at).with_mut(|cell| unsafe { *cell = number });
    }
    tail.publish(words, slot);
}

/// Bytes of the message of this number: the third does not fit before the circle's end.
fn len(number: u64) -> u32 {
    if number == 4 { 8 } else { 16 }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Messages go around the circle and over its end; both sides sleep, and none for ever.
#[test]
fn every_message_arrives_whole_and_in_order_and_nobody_sleeps_for_ever() {
    check(2, || {
        const LAST: u64 = 4;
        let lane = Lane::new();
        let sender = thread::spawn({
            let (lane, mut tail) = (lane.clone(), lane.begin());
            move || {
                for number in 1..=LAST {
                    let slot = loop {
                        let seen = lane.bell(DRAINED).prepare();
                        match tail.reserve(&SHAPE, &lane.head, len(number)) {
                            Ok(slot) => break slot,
                            Err(refusal) => assert_eq!(refusal, Refusal::Full),
                        }
                        sleep(lane.bell(DRAINED).number, seen);
                    };
                    write(&*lane, &lane, &mut tail, slot, number);
                    lane.bell(FILLED).ring();
                }
            }
        });
        let mut end = Head::at(0).unwrap();
        for number in 1..=LAST {
            assert_eq!(lane.receive(&mut end), number);
        }
        assert_eq!(lane.try_receive(&mut end), None);
        sender.join().unwrap();
    });
}

/// Whatever a sender was doing when it died, what it published arrives, nothing else, and the next
/// goes on behind it.
#[test]
fn a_sender_may_die_after_every_step() {
    // Two messages are 4 accesses each.
    for steps in 0..9 {
        check(3, move || {
            let lane = Lane::new();
            let sender = thread::spawn({
                let (lane, mut tail) = (lane.clone(), lane.begin());
                move || {
                    let nowhere = AtomicU64::new(0);
                    let mortal = Mortal { lane: &lane, left: Cell::new(steps), nowhere };
                    for number in 1..=2 {
                        let Ok(slot) = tail.reserve(&SHAPE, &lane.head, len(number)) else { break };
                        write(&mortal, &lane, &mut tail, slot, number);
                    }
                    // The next, which saw the first die.
                    let mut tail = Tail::find(&SHAPE, &*lane, &lane.head).unwrap();
                    if let Ok(slot) = tail.reserve(&SHAPE, &lane.head, 8) {
                        write(&*lane, &lane, &mut tail, slot, 9);
                    }
                }
            });
            let mut end = Head::at(0).unwrap();
            let mut received = Vec::new();
            received.extend(lane.try_receive(&mut end));
            received.extend(lane.try_receive(&mut end));
            sender.join().unwrap();
            while let Some(number) = lane.try_receive(&mut end) {
                received.push(number);
            }
            let whole: [&[u64]; 6] = [&[9], &[1, 9], &[1, 2, 9], &[], &[1], &[1, 2]];
            assert!(whole.contains(&&received[..]), "{received:?}");
            assert!(received.last() == Some(&9) || received == [1, 2], "{received:?}");
        });
    }
}

/// Padding appears with the message behind it.
#[test]
fn a_message_behind_padding_appears_whole() {
    check(3, || {
        let lane = Lane::new();
        lane.head.store(48, Ordering::Relaxed);
        let sender = thread::spawn({
            let (lane, mut tail) = (lane.clone(), lane.begin());
            move || {
                let slot = tail.reserve(&SHAPE, &lane.head, 16).unwrap();
                write(&*lane, &lane, &mut tail, slot, 1);
            }
        });
        let mut end = Head::at(48).unwrap();
        let early = lane.try_receive(&mut end);
        sender.join().unwrap();
        assert_eq!(early.or_else(|| lane.try_receive(&mut end)), Some(1));
    });
}

/// A receiver that takes over sees what the one before had not released, and no more.
#[test]
fn a_receiver_may_die_before_it_releases() {
    check(4, || {
        let lane = Lane::new();
        let sender = thread::spawn({
            let (lane, mut tail) = (lane.clone(), lane.begin());
            move || {
                for number in 1..=3 {
                    if let Ok(slot) = tail.reserve(&SHAPE, &lane.head, len(number)) {
                        write(&*lane, &lane, &mut tail, slot, number);
                    } else {
                        return number - 1;
                    }
                }
                3
            }
        });
        // Without bells, whose fences would hide that it reads before it releases.
        let mut first = Head::at(0).unwrap();
        let mut released = lane.try_receive(&mut first).unwrap_or(0);
        released = lane.try_receive(&mut first).unwrap_or(released);
        // It looks at the next, and dies.
        let _ = first.peek(&SHAPE, &*lane).unwrap();
        let sent = sender.join().unwrap();
        let mut second = Head::at(lane.head.load(Ordering::Acquire)).unwrap();
        for number in released + 1..=sent {
            assert_eq!(lane.try_receive(&mut second), Some(number));
        }
        assert_eq!(lane.try_receive(&mut second), None);
    });
}

/// Takes a message of a lane that others read too, as receivers of a queue do.
fn receive_shared(lane: &Lane) -> u64 {
    loop {
        let seen = lane.bell(FILLED).prepare();
        let is_filled = lane.word(lane.head.load(Ordering::Acquire)).load(Ordering::Acquire) != 0;
        let claim = |reader: &AtomicU64| {
            reader.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        if is_filled && claim(&lane.reader) {
            let mut head = Head::at(lane.head.load(Ordering::Acquire)).unwrap();
            let number = lane.try_receive(&mut head);
            lane.reader.store(0, Ordering::Release);
            fence(Ordering::SeqCst);
            if lane.word(lane.head.load(Ordering::Acquire)).load(Ordering::Acquire) != 0 {
                lane.bell(FILLED).ring();
            }
            match number {
                Some(number) => return number,
                None => continue,
            }
        }
        sleep(lane.bell(FILLED).number, seen);
    }
}

/// Two receivers share a lane: each message goes to one, and none is left while one of them sleeps.
#[test]
fn of_two_receivers_one_gets_each_message_and_none_sleeps_over_one() {
    check(2, || {
        let lane = Lane::new();
        let receiver = thread::spawn({
            let lane = lane.clone();
            move || receive_shared(&lane)
        });
        let sender = thread::spawn({
            let (lane, mut tail) = (lane.clone(), lane.begin());
            move || {
                for number in 1..=2 {
                    let slot = tail.reserve(&SHAPE, &lane.head, 8).unwrap();
                    write(&*lane, &lane, &mut tail, slot, number);
                    lane.bell(FILLED).ring();
                }
            }
        });
        let one = receive_shared(&lane);
        let other = receiver.join().unwrap();
        sender.join().unwrap();
        assert_eq!(one + other, 3);
        assert_ne!(one, other);
    });
}
