//! folio's queue against the bare ring, its peers among crates, and what the system has.
//!
//! A message is written by its sender and verified by its receiver, unless the row says untouched. Reading the
//! clock, some 20 ns, is a part of each time there and back.

use std::time::Duration;

use super::bytes;
use crate::contest::{Contest, cpu};
use crate::messages::pair::{Pair, Place};
use crate::messages::payload::Payload;
use crate::messages::way::*;
use crate::scratch::buffer;

const BUSY: &str = "there and back, busy";
const ASLEEP: &str = "there and back, asleep, two processors";
const ASLEEP_ON_ONE: &str = "there and back, asleep, one processor";
const DEFAULT: &str = "there and back, default waiting, wherever the scheduler puts them";
const ONE_WAY: &str = "one way";
const UNTOUCHED: &str = "hand-over, untouched, there and back, busy";
const ROBUST: &str = "send and receive, untouched, one thread";

const SIZES: [usize; 3] = [64, 4 << 10, 1 << 20];

/// Nanoseconds of a turn: of ways that do not sleep, one way, and of ways that sleep.
const TURN: f64 = 10e6;
const ONE_WAY_TURN: f64 = 20e6;
const SLEEPING_TURN: f64 = 25e6;

/// How long a row takes, where other work does not let it take less.
const LIMIT: Duration = Duration::from_secs(5);

/// What folio's time over that of a way should not exceed, if anything.
type Aim = Option<f64>;

/// A row of pairs.
struct Pairs {
    group: &'static str,
    name: String,
    payload: Payload,
    place: Place,
    turn: f64,
    is_one_way: bool,
}

impl Pairs {
    fn there_and_back(group: &'static str, size: usize, place: Place, turn: f64) -> Self {
        let payload = Payload { size, is_touched: true };
        Self { group, name: bytes(size), payload, place, turn, is_one_way: false }
    }

    /// The pairs of those ways that there are here.
    fn start(&self, contest: &mut Contest, ways: &[(Way, Aim)]) -> Vec<(Way, Aim, Pair)> {
        let turn = if contest.quick { self.turn / 5.0 } else { self.turn };
        let mut pairs = Vec::new();
        for (way, aim) in ways {
            match Pair::start(*way, self.payload, self.place, turn) {
                Ok(pair) => pairs.push((*way, *aim, pair)),
                Err(why) => {
                    let what = format!("{}: {}, {}", self.group, self.name, way.name());
                    contest.skip(&what, &why);
                }
            }
        }
        pairs
    }

    /// Measures folio, which comes first, and the others; `floor` is what a copy costs, if that is asked for.
    fn run(self, contest: &mut Contest, ways: &[(Way, Aim)], floor: bool) {
        if !contest.wants_row(self.group, &self.name) {
            return;
        }
        let pairs = self.start(contest, ways);
        if pairs.first().is_none_or(|(way, ..)| *way != ways[0].0) {
            return;
        }
        let size = self.payload.size;
        let mut row = contest.row(self.group, self.name).limit(LIMIT);
        for (way, aim, mut pair) in pairs {
            row = match self.is_one_way {
                true => row.by(way.name(), move || pair.one_way()),
                false => row.by(way.name(), move || pair.there_and_back()),
            };
            if let Some(aim) = aim {
                row = row.aim(aim);
            }
        }
        if self.is_one_way {
            row = row.bytes(size);
        }
        if floor {
            let (from, to) = (buffer(size), buffer(size));
            let count = (4 << 20) / size;
            row = row.by("memcpy, one process", move || {
                cpu(count, || {
                    for _ in 0..count {
                        to.copy_from_slice(std::hint::black_box(&*from));
                        std::hint::black_box(&*to);
                    }
                })
            });
        }
        row.run();
    }
}

pub(crate) fn rows(contest: &mut Contest) {
    busy(contest);
    for (group, place) in [(ASLEEP, Place::Two), (ASLEEP_ON_ONE, Place::One)] {
        asleep(contest, group, place);
    }
    by_default(contest);
    one_way(contest);
    untouched(contest);
    robust(contest);
}

fn busy(contest: &mut Contest) {
    for size in SIZES {
        let aim = |ratio| (size == 64).then_some(ratio);
        let ways = [(FOLIO_BUSY, None), (RING, aim(1.2)), (ICEORYX2, aim(0.5)), (SHMEM_IPC, None)];
        Pairs::there_and_back(BUSY, size, Place::Two, TURN).run(contest, &ways, false);
    }
}

fn asleep(contest: &mut Contest, group: &'static str, place: Place) {
    for size in SIZES {
        // Each at most, and so the fastest of them.
        let aim = (size == 64).then_some(1.0);
        let ways = [
            (FOLIO_SLEEPING, None),
            (RING_SLEEPING, None),
            (RING_EVENTFD, aim),
            (PIPE, aim),
            (STREAM, aim),
            (SEQPACKET, aim),
            (MESSAGE_QUEUE, None),
            (SYSV, None),
            (ICEORYX2_EVENT, None),
            (IPC_CHANNEL, None),
            (SHMEM_IPC_SLEEPING, None),
        ];
        Pairs::there_and_back(group, size, place, SLEEPING_TURN).run(contest, &ways, false);
    }
}

fn by_default(contest: &mut Contest) {
    for size in SIZES {
        let ways = [(FOLIO, None), (RING_BOTH, None), (PIPE, None), (STREAM, None)];
        Pairs::there_and_back(DEFAULT, size, Place::Anywhere, SLEEPING_TURN)
            .run(contest, &ways, false);
    }
}

fn one_way(contest: &mut Contest) {
    for size in SIZES {
        let aim = |of, ratio| (size == of).then_some(ratio);
        let ways = [
            (FOLIO_BUSY, None),
            (RING, None),
            // What can be woken has a fence in each message.
            (RING_BOTH, None),
            (ICEORYX2, aim(64, 0.1)),
            (SHMEM_IPC, None),
            (PIPE, aim(1 << 20, 0.2)),
            (STREAM, None),
            (SEQPACKET, None),
            (MESSAGE_QUEUE, None),
            (SYSV, None),
            (IPC_CHANNEL, None),
        ];
        let pairs = Pairs::there_and_back(ONE_WAY, size, Place::Two, ONE_WAY_TURN);
        Pairs { is_one_way: true, ..pairs }.run(contest, &ways, true);
    }
}

/// Large messages and small ones, of which nobody touches a byte.
fn untouched(contest: &mut Contest) {
    let large = "1 MiB";
    if !contest.wants_row(UNTOUCHED, large) {
        return;
    }
    let pairs = |size| Pairs {
        name: large.into(),
        payload: Payload { size, is_touched: false },
        ..Pairs::there_and_back(UNTOUCHED, size, Place::Two, TURN)
    };
    let mut own = pairs(1 << 20).start(contest, &[(FOLIO_BUSY, None)]);
    own.extend(pairs(64).start(contest, &[(FOLIO_BUSY, Some(1.25))]));
    own.extend(pairs(1 << 20).start(contest, &[(RING, None), (ICEORYX2, None)]));
    let mut row = contest.row(UNTOUCHED, large);
    for (way, aim, mut pair) in own {
        let name = if aim.is_some() { "folio, busy, 64 B" } else { way.name() };
        row = row.by(name, move || pair.there_and_back());
        row = aim.into_iter().fold(row, |row, aim| row.aim(aim));
    }
    row.run();
}

/// What death watch, marks of owners, checks and counters cost: both ends in one thread, so that no cache line
/// travels and nothing else is measured.
fn robust(contest: &mut Contest) {
    const COUNT: usize = 100_000;
    if !contest.wants_row(ROBUST, "64 B") {
        return;
    }
    let payload = Payload { size: 64, is_touched: false };
    let mut row = contest.row(ROBUST, "64 B");
    for way in [FOLIO_BUSY, RING, RING_BOTH] {
        let made = way.make(payload).expect("memory");
        let (mut ours, mut theirs) =
            (made.transport, way.join(payload, made.fds, &made.word).expect("memory"));
        row = row.by(way.name(), move || {
            cpu(COUNT, || {
                for number in 0..COUNT as u64 {
                    ours.send(number).expect("room");
                    theirs.recv().expect("a message");
                }
            })
        });
    }
    row.run();
}
