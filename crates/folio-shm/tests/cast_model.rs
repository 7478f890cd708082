//! The cast in a model checker: `loom` runs each scenario in every order of its threads, and with every value
//! that the memory model lets a load see, up to a number of preemptions.

#[allow(dead_code)]
#[path = "../src/channel/cast.rs"]
mod cast;
#[allow(dead_code)]
#[path = "../src/channel/lane.rs"]
mod lane;

mod channel {
    pub(crate) use crate::lane;
}

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use std::cell::Cell;
use std::sync::Arc;

use cast::{Progress, Reader, Writer};
use lane::{Refusal, Shape, Words};
use loom::thread;
use sync::{AtomicU64, Ordering, fence};

/// Two messages and a half.
const SMALL: Shape = Shape { size: 64, longest: 16 };

const LARGE: Shape = Shape { size: 128, longest: 16 };

struct Circle {
    shape: Shape,
    words: Vec<AtomicU64>,
    intent: AtomicU64,
    tail: AtomicU64,
    sent: AtomicU64,
    foothold: AtomicU64,
    /// Whether there is a reader that holds the writer back, and its head.
    is_there: AtomicU64,
    head: AtomicU64,
}

impl Circle {
    fn new(shape: Shape) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        Arc::new(Self {
            shape,
            words: (0..shape.size / 8).map(|_| zero()).collect(),
            intent: zero(),
            tail: zero(),
            sent: zero(),
            foothold: zero(),
            is_there: zero(),
            head: zero(),
        })
    }

    /// A writer's end. Not in the writer's thread: loom minds a store less that comes after a load by the same
    /// thread.
    fn begin(&self) -> Writer {
        Writer::find(&self.shape, self, self.progress()).unwrap()
    }

    fn progress(&self) -> Progress<'_> {
        Progress {
            intent: &self.intent,
            tail: &self.tail,
            sent: &self.sent,
            foothold: &self.foothold,
        }
    }

    /// The head of the reader, if it is there.
    fn last(&self) -> Option<u64> {
        let is_there = self.is_there.load(Ordering::Acquire) != 0;
        is_there.then(|| self.head.load(Ordering::Acquire))
    }

    fn write(&self, writer: &mut Writer, words: &impl Words, number: u64) -> bool {
        let slot = match writer.reserve(&self.shape, 16, |_| Ok(self.last())) {
            Ok(slot) => slot,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Full);
                return false;
            }
        };
        writer.announce(&self.shape, self.progress(), slot);
        for word in 0..2 {
            words.word(slot.start() + word * 8).store(number, Ordering::Relaxed);
        }
        writer.publish(&self.shape, words, self.progress(), slot);
        true
    }

    /// What is read, and how many were lost before it.
    fn read(&self, reader: &mut Reader, head: Option<&AtomicU64>) -> Option<(u64, u64)> {
        loop {
            let next =
                reader.peek(&self.shape, self, self.progress()).expect("nobody scribbles")?;
            let word = |at| self.word(next.slot.start() + at).load(Ordering::Relaxed);
            let (one, other) = (word(0), word(8));
            if reader.is_overtaken(&self.shape, self.progress()) {
                assert!(head.is_none(), "the writer is held back");
                continue;
            }
            assert_eq!(one, other, "half a message");
            reader.pass(next, head);
            return Some((one, next.lost));
        }
    }
}

impl Words for Circle {
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[(position / 8) as usize % self.words.len()]
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn a_reader_that_is_overtaken_gets_whole_messages_and_knows_what_it_lost() {
    check(|| {
        const LAST: u64 = 3;
        let circle = Circle::new(SMALL);
        let writer = thread::spawn({
            let (circle, mut writer) = (circle.clone(), circle.begin());
            move || {
                for number in 1..=LAST {
                    assert!(circle.write(&mut writer, &*circle, number), "nobody holds it back");
                }
            }
        });
        let mut reader = Reader::begin(&circle.shape, &*circle, circle.progress(), None).unwrap();
        let mut last = None;
        let mut read = |reader: &mut Reader| {
            let Some((number, lost)) = circle.read(reader, None) else { return false };
            match last {
                Some(last) => assert_eq!(number, last + 1 + lost),
                None => assert!(lost < number, "{lost} of the {number} from when it came"),
            }
            assert!((1..=LAST).contains(&number));
            last = Some(number);
            true
        };
        let came_late = reader.position() > 0;
        read(&mut reader);
        read(&mut reader);
        writer.join().unwrap();
        while read(&mut reader) {}
        assert!(last == Some(LAST) || came_late && last.is_none(), "the last is there: {last:?}");
    });
}

#[test]
fn a_reader_that_holds_the_writer_back_loses_nothing_from_when_it_came() {
    check(|| {
        let circle = Circle::new(SMALL);
        let writer = thread::spawn({
            let (circle, mut writer) = (circle.clone(), circle.begin());
            move || {
                (1..=4).find(|&number| !circle.write(&mut writer, &*circle, number)).unwrap_or(5)
            }
        });
        circle.is_there.store(1, Ordering::Release);
        let mut reader =
            Reader::begin(&circle.shape, &*circle, circle.progress(), Some(&circle.head)).unwrap();
        let mut last = None;
        let mut read = |reader: &mut Reader| {
            let (number, lost) = circle.read(reader, Some(&circle.head))?;
            assert_eq!(lost, 0);
            assert!(last.is_none_or(|last| number == last + 1), "{number} after {last:?}");
            last = Some(number);
            last
        };
        read(&mut reader);
        let refused = writer.join().unwrap();
        while read(&mut reader).is_some() {}
        assert!(last.is_none_or(|last| last == refused - 1));
    });
}

/// A circle as a writer sees it that dies after so many accesses.
struct Mortal<'a> {
    circle: &'a Circle,
    left: Cell<usize>,
    nowhere: AtomicU64,
}

impl Words for Mortal<'_> {
    fn word(&self, position: u64) -> &AtomicU64 {
        match self.left.get() {
            0 => &self.nowhere,
            left => {
                self.left.set(left - 1);
                self.circle.word(position)
            }
        }
    }
}

#[test]
fn a_writer_may_die_after_every_step_and_the_next_goes_on() {
    // Words of the circle, and then the two that say how far it came.
    for steps in 0..=6 {
        check(move || {
            let circle = Circle::new(LARGE);
            let writer = thread::spawn({
                let (circle, mut writer) = (circle.clone(), circle.begin());
                move || {
                    circle.write(&mut writer, &*circle, 1);
                    let slot = writer.reserve(&LARGE, 16, |_| Ok(None)).unwrap();
                    writer.announce(&circle.shape, circle.progress(), slot);
                    let nowhere = AtomicU64::new(0);
                    let left = Cell::new(steps.min(4));
                    let mortal = Mortal { circle: &circle, left, nowhere };
                    let (tail, sent) = (AtomicU64::new(0), AtomicU64::new(0));
                    let progress = Progress {
                        intent: &circle.intent,
                        tail: if steps > 5 { &circle.tail } else { &tail },
                        sent: if steps > 4 { &circle.sent } else { &sent },
                        foothold: &circle.foothold,
                    };
                    for word in 0..2 {
                        mortal.word(slot.start() + word * 8).store(2, Ordering::Relaxed);
                    }
                    writer.publish(&LARGE, &mortal, progress, slot);

                    let mut next = Writer::find(&LARGE, &*circle, circle.progress()).unwrap();
                    circle.write(&mut next, &*circle, if steps < 4 { 2 } else { 3 });
                }
            });
            let mut reader =
                Reader::begin(&circle.shape, &*circle, circle.progress(), None).unwrap();
            let mut read = Vec::new();
            read.extend(circle.read(&mut reader, None));
            writer.join().unwrap();
            while let Some(next) = circle.read(&mut reader, None) {
                read.push(next);
            }
            fence(Ordering::SeqCst);
            let last = if steps < 4 { 2 } else { 3 };
            assert!(read.iter().map(|&(number, _)| number).is_sorted());
            assert!(read.last().is_none_or(|&(number, _)| number == last), "{read:?}");
            assert!(read.iter().all(|&(_, lost)| lost == 0), "{read:?}");
        });
    }
}

/// A writer that dies has written over messages that a reader may be at, further than the next says that it will.
#[test]
fn a_reader_that_a_dead_writer_has_overtaken_gets_whole_messages() {
    const LONG: Shape = Shape { size: 128, longest: 40 };
    // Over the payload of the first message, the header and a half of the second.
    for words in 3..=5 {
        check(move || {
            let circle = Circle::new(LONG);
            let mut reader =
                Reader::begin(&circle.shape, &*circle, circle.progress(), None).unwrap();
            let mut writer = circle.begin();
            for number in 1..=4 {
                assert!(circle.write(&mut writer, &*circle, number));
            }
            assert_eq!(circle.read(&mut reader, None), Some((1, 0)));
            let writer = thread::spawn({
                let circle = circle.clone();
                move || {
                    let slot = writer.reserve(&LONG, 40, |_| Ok(None)).unwrap();
                    writer.announce(&circle.shape, circle.progress(), slot);
                    for word in 0..words {
                        circle.word(slot.start() + word * 8).store(9, Ordering::Relaxed);
                    }
                    let mut next = Writer::find(&LONG, &*circle, circle.progress()).unwrap();
                    assert!(circle.write(&mut next, &*circle, 5));
                }
            });
            let mut last = 1;
            let mut read = |reader: &mut Reader| {
                let Some((number, lost)) = circle.read(reader, None) else { return false };
                assert!((2..=5).contains(&number), "{number} was never published");
                assert_eq!(number, last + 1 + lost);
                last = number;
                true
            };
            read(&mut reader);
            writer.join().unwrap();
            while read(&mut reader) {}
        });
    }
}
