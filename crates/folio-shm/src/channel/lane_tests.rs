//! The lane's arithmetic, on one thread. tests/lane_model.rs has its orders.

use super::lane::{Head, Refusal, Scribbled, Shape, Tail, Words};
use crate::sync::{AtomicU64, Ordering};

const MESSAGE: u64 = 1 << 32;
const PADDING: u64 = 2 << 32;

const SHAPE: Shape = Shape { size: 128, longest: 48 };

struct Circle(Vec<AtomicU64>);

impl Words for Circle {
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.0[(position / 8) as usize % self.0.len()]
    }
}

fn circle() -> Circle {
    Circle((0..SHAPE.size / 8).map(|_| AtomicU64::new(0)).collect())
}

/// Writes a message of so many words, each the number.
fn send(tail: &mut Tail, circle: &Circle, head: &AtomicU64, words: u32, number: u64) -> bool {
    let Ok(slot) = tail.reserve(&SHAPE, head, words * 8) else { return false };
    for word in 0..u64::from(words) {
        circle.word(slot.start() + word * 8).store(number, Ordering::Relaxed);
    }
    tail.publish(circle, slot);
    true
}

fn receive(end: &mut Head, circle: &Circle, head: &AtomicU64) -> Option<(u32, u64)> {
    let slot = end.peek(&SHAPE, circle).unwrap()?;
    let words = slot.len() / 8;
    let word = |at| circle.word(slot.start() + at * 8).load(Ordering::Relaxed);
    let number = if words == 0 { 0 } else { word(0) };
    assert!((0..u64::from(words)).all(|at| word(at) == number));
    end.release(head, slot);
    Some((words, number))
}

#[test]
fn the_smallest_circle_takes_the_longest_message_wherever_it_is() {
    assert_eq!(Shape::smallest(48), 128);
    assert_eq!(Shape::smallest(u32::MAX).count_ones(), 1);
    let (circle, head) = (circle(), AtomicU64::new(0));
    let mut tail = Tail::find(&SHAPE, &circle, &head).unwrap();
    let mut end = Head::at(0).unwrap();
    for number in 1..1000 {
        let words = (number % 7) as u32;
        assert!(send(&mut tail, &circle, &head, words, number), "{number}");
        let sent = if words == 0 { 0 } else { number };
        assert_eq!(receive(&mut end, &circle, &head), Some((words, sent)));
        assert_eq!(receive(&mut end, &circle, &head), None);
    }
}

#[test]
fn messages_come_in_order_until_there_is_no_room_and_a_new_sender_goes_on() {
    let (circle, head) = (circle(), AtomicU64::new(0));
    let mut end = Head::at(0).unwrap();
    let (mut sent, mut received) = (0u64, 0u64);
    for round in 0..500u64 {
        // Another sender each time, which knows nothing of the one before.
        let mut tail = Tail::find(&SHAPE, &circle, &head).unwrap();
        let words = (round % 5 + 1) as u32;
        while send(&mut tail, &circle, &head, words, sent + 1) {
            sent += 1;
        }
        for _ in 0..round % 4 + 1 {
            if let Some((_, number)) = receive(&mut end, &circle, &head) {
                received += 1;
                assert_eq!(number, received);
            }
        }
    }
    assert!(sent > 500 && sent - received < 16);
}

#[test]
fn what_a_peer_makes_up_is_noticed_and_never_followed_out_of_the_circle() {
    let circle = circle();
    let words = [
        1,
        48,
        3 << 32,
        1 << 34,
        MESSAGE | 49,
        MESSAGE | 0xffff_ffff,
        PADDING,
        PADDING | 128,
        PADDING | 8,
        u64::MAX,
        MESSAGE | PADDING | 8,
    ];
    for header in words {
        circle.word(0).store(header, Ordering::Relaxed);
        assert_eq!(Head::at(0).unwrap().peek(&SHAPE, &circle), Err(Scribbled), "{header:#x}");
        assert!(Tail::find(&SHAPE, &circle, &AtomicU64::new(0)).is_none());
    }
    // At the circle's end: a message that would wrap, padding with nothing behind it, or more of it.
    for (header, first) in [(MESSAGE | 9, 0), (PADDING | 16, 0), (PADDING | 16, PADDING | 8)] {
        circle.word(112).store(header, Ordering::Relaxed);
        circle.word(0).store(first, Ordering::Relaxed);
        assert_eq!(Head::at(112).unwrap().peek(&SHAPE, &circle), Err(Scribbled));
    }
    assert!(Head::at(4).is_none() && Head::at(1 << 63).is_none());

    // Records for ever.
    for at in 0..16 {
        circle.word(at * 8).store(MESSAGE, Ordering::Relaxed);
    }
    assert!(Tail::find(&SHAPE, &circle, &AtomicU64::new(0)).is_none());
}

#[test]
fn a_head_that_a_peer_makes_up_gives_no_room() {
    let (circle, head) = (circle(), AtomicU64::new(0));
    let mut tail = Tail::find(&SHAPE, &circle, &head).unwrap();
    let mut end = Head::at(0).unwrap();
    for number in 1..10 {
        while send(&mut tail, &circle, &head, 1, number) {}
        receive(&mut end, &circle, &head).unwrap();
    }
    while send(&mut tail, &circle, &head, 1, 10) {}
    let right = head.load(Ordering::Relaxed);
    for wrong in [0, right - 8, right + 1, right + SHAPE.size + 8, u64::MAX] {
        let refused = tail.reserve(&SHAPE, &AtomicU64::new(wrong), 48);
        assert_eq!(refused, Err(Refusal::Scribbled), "{wrong} for {right}");
    }
    assert_eq!(tail.reserve(&SHAPE, &head, 48), Err(Refusal::Full));
}
