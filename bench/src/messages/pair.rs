//! A pair of processes at the ends of a way, which takes its turns.
//!
//! While others have theirs, the other process sleeps on its socket. Each turn begins with some messages there
//! and back that nobody measures, so that it is awake.

use std::fmt::Display;
use std::time::Instant;

use folio_cli::ipc::transport::Transport;

use super::payload::{Payload, circle_bytes};
use super::peer::{Order, Peer};
use super::way::Way;
use crate::contest::Figures;
use crate::harness::{Spread, runs_for};
use crate::machine;

/// Messages there and back at the beginning of a turn.
const WARM_UP: u64 = 16;

/// Messages in a turn at least, or in a part of one: finding out how many there should be may be disturbed.
const FEWEST: u64 = 16;

/// Parts of a turn one way.
const PARTS: usize = 10;

/// Where the two processes run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Each on a processor of its own, as far apart as can be.
    Two,
    /// Both on one.
    One,
    /// Where the scheduler puts them.
    Anywhere,
}

impl Place {
    /// The processors of this process and the other.
    fn cpus(self) -> Option<[usize; 2]> {
        let all = machine::processors();
        let (first, last) = (*all.first()?, *all.last()?);
        match self {
            Self::Two => Some([first, last]),
            Self::One => Some([first, first]),
            Self::Anywhere => None,
        }
    }
}

pub(crate) struct Pair {
    way: Way,
    transport: Box<dyn Transport>,
    peer: Peer,
    /// This process's processor.
    cpu: Option<usize>,
    /// Nanoseconds that a turn should take.
    turn: f64,
    /// Messages that fill a turn.
    count: Option<u64>,
}

impl Pair {
    /// Starts the other process. The error says what there is not.
    pub(crate) fn start(
        way: Way,
        payload: Payload,
        place: Place,
        turn: f64,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        let made = way.make(payload).map_err(failed)?;
        let cpus = place.cpus();
        let peer =
            Peer::start(way, payload, cpus.map(|[_, peers]| peers), &made).map_err(failed)?;
        let cpu = cpus.map(|[ours, _]| ours);
        let mut pair = Self { way, transport: made.transport, peer, cpu, turn, count: None };
        if way.is_circle() {
            pair.pinned(|pair| pair.lap(payload));
        }
        Ok(pair)
    }

    /// Messages there and back, one after the other: the median of a turn, and each.
    pub(crate) fn there_and_back(&mut self) -> Figures {
        let times = self.pinned(|pair| {
            let count = pair.count(|pair, count| pair.echo(count).iter().sum(), pair.turn);
            pair.echo(count)
        });
        Figures::of_each(times)
    }

    /// Messages one way, and one back after the last: nanoseconds for each, the median of some parts of a turn.
    pub(crate) fn one_way(&mut self) -> f64 {
        let parts = self.pinned(|pair| {
            let count = pair.count(Self::take, pair.turn / PARTS as f64);
            (0..PARTS).map(|_| pair.take(count) / count as f64).collect()
        });
        Spread::of(parts).median
    }

    fn pinned<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.cpu.map(machine::pin_to);
        let result = work(self);
        before.iter().for_each(machine::unpin);
        result
    }

    /// How many messages take about so long, where `run` says how long some take: found out once.
    fn count(&mut self, mut run: impl FnMut(&mut Self, u64) -> f64, turn: f64) -> u64 {
        let count = match self.count {
            Some(count) => count,
            None => runs_for(|count| run(self, count), turn).max(FEWEST),
        };
        *self.count.insert(count)
    }

    fn echo(&mut self, count: u64) -> Vec<f64> {
        self.order(Order { echo: WARM_UP + count, ..Order::default() });
        let mut times = Vec::with_capacity(count as usize);
        (0..WARM_UP).for_each(|number| self.back(number));
        let mut before = Instant::now();
        for number in 0..count {
            self.back(number);
            let now = Instant::now();
            times.push((now - before).as_nanos() as f64);
            before = now;
        }
        times
    }

    /// Nanoseconds for so many messages.
    fn take(&mut self, count: u64) -> f64 {
        self.order(Order { echo: WARM_UP, take: count, ..Order::default() });
        (0..WARM_UP).for_each(|number| self.back(number));
        let begin = Instant::now();
        (0..count).for_each(|number| self.send(number));
        self.recv();
        begin.elapsed().as_nanos() as f64
    }

    /// Goes around the circle once, so that no page is touched for the first time when it counts.
    fn lap(&mut self, payload: Payload) {
        let count = (circle_bytes(payload.size) / payload.size) as u64 + 1;
        self.order(Order { take: count, give: count, ..Order::default() });
        (0..count).for_each(|number| self.send(number));
        (0..=count).for_each(|_| self.recv());
    }

    fn send(&mut self, number: u64) {
        let sent = self.transport.send(number);
        self.expect(sent);
    }

    fn recv(&mut self) {
        let received = self.transport.recv();
        self.expect(received);
    }

    fn back(&mut self, number: u64) {
        self.send(number);
        self.recv();
    }

    fn order(&mut self, order: Order) {
        let given = self.peer.order(order);
        self.expect(given);
    }

    fn expect<T>(&self, result: Result<T, impl Display>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {error}", self.way.name()))
    }
}
