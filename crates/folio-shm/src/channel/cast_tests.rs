//! What an enemy can do to a cast, on one thread. tests/cast_model.rs has the orders of honest ones.

use super::cast::{Progress, Reader};
use super::lane::{Shape, Words};
use crate::sync::{AtomicU64, Ordering};

/// A circle that somebody comes round in at each look.
struct Restless {
    word: AtomicU64,
    tail: AtomicU64,
}

impl Words for Restless {
    fn word(&self, _position: u64) -> &AtomicU64 {
        let looks = self.tail.fetch_add(8, Ordering::Relaxed) / 8;
        assert!(looks < 100_000, "it looks again and again");
        &self.word
    }
}

#[test]
fn a_reader_that_is_overtaken_at_every_look_gives_up_for_now() {
    let circle = Restless { word: AtomicU64::new(0), tail: AtomicU64::new(0) };
    let (intent, sent) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
    let foothold = AtomicU64::new(0);
    let progress =
        Progress { intent: &intent, tail: &circle.tail, sent: &sent, foothold: &foothold };
    let shape = Shape { size: 64, longest: 16 };
    let mut reader = Reader::begin(&shape, &circle, progress, None).unwrap();
    assert_eq!(reader.peek(&shape, &circle, progress), Ok(None));
    // When the enemy rests, there is nothing to be found.
    intent.store(0, Ordering::Relaxed);
    assert_eq!(reader.peek(&shape, &circle, progress), Ok(None));
}
