//! The rows of the pager and of messages: contenders that time their own turns, by the wall's clock or by
//! this thread's share of a processor, since their work sleeps, waits for disks, and runs on several threads.
//!
//! As in [`crate::harness`], contenders take turns, another one begins each round, and a ratio is the
//! median over the rounds of the ratio within a round. Aims are the most that a ratio may be; a row
//! that misses its own is printed like one that does not.
#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::harness::{Spread, nanoseconds};

/// Runs a turn.
type Turn<'a> = Box<dyn FnMut() -> Figures + 'a>;

/// What a turn finds.
pub(crate) struct Figures {
    /// Nanoseconds for one operation.
    time: f64,
    /// For each, where each was timed.
    each: Vec<f64>,
}

impl From<f64> for Figures {
    fn from(time: f64) -> Self {
        Self { time, each: Vec::new() }
    }
}

impl Figures {
    /// Their time is the median.
    pub(crate) fn of_each(mut each: Vec<f64>) -> Self {
        Self { time: quantile(&mut each, 0.5), each }
    }
}

/// Of what there is some of; reorders it.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    let at = (part * (values.len() - 1) as f64).ceil() as usize;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

pub(crate) struct Measured {
    pub(crate) name: String,
    /// Nanoseconds for one operation.
    pub(crate) time: Spread,
    /// How many nanoseconds 99 and 99.9 of a hundred do not exceed, of all rounds together.
    pub(crate) tail: Option<[f64; 2]>,
    /// folio's time over this one's.
    pub(crate) ratio: Spread,
    /// What the ratio should not exceed.
    pub(crate) aim: Option<f64>,
}

impl Measured {
    pub(crate) fn verdict(&self) -> &'static str {
        match self.aim {
            None => "",
            Some(aim) if self.ratio.median <= aim => "met",
            Some(_) => "missed",
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// Bytes that an operation moves, where that is what counts.
    pub(crate) bytes: Option<usize>,
    /// folio first.
    pub(crate) measured: Vec<Measured>,
}

/// The hit ratios of a trace, in percent, by policy.
pub(crate) struct Hits {
    pub(crate) trace: String,
    pub(crate) by: Vec<(&'static str, f64)>,
}

#[derive(Default)]
pub(crate) struct Contest {
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) hits: Vec<Hits>,
    pub(crate) skipped: Vec<String>,
}

impl Contest {
    pub(crate) fn new(quick: bool, only: Option<String>) -> Self {
        Self { quick, only, ..Self::default() }
    }

    /// Whether a group has rows that were asked for: what it needs is made only then.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(group) || group.contains(only.as_str()))
    }

    /// Whether a row was asked for.
    pub(crate) fn wants_row(&self, group: &str, name: &str) -> bool {
        let title = format!("{group}: {name}");
        self.only.as_ref().is_none_or(|only| title.contains(only.as_str()))
    }

    pub(crate) fn row<'a>(&'a mut self, group: &'static str, name: impl Into<String>) -> Row<'a> {
        let (name, contenders) = (name.into(), Vec::new());
        let limit = Duration::MAX;
        Row { contest: self, group, name, bytes: None, contenders, rounds: 31, limit }
    }

    /// Says that rows are left out, and why.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        let line = format!("skipped: {what}: {why}");
        eprintln!("{line}");
        self.skipped.push(line);
    }
}

struct Contender<'a> {
    name: String,
    aim: Option<f64>,
    turn: Turn<'a>,
}

pub(crate) struct Row<'a> {
    contest: &'a mut Contest,
    group: &'static str,
    name: String,
    bytes: Option<usize>,
    contenders: Vec<Contender<'a>>,
    rounds: usize,
    limit: Duration,
}

impl<'a> Row<'a> {
    /// Adds one, folio first.
    pub(crate) fn by<F: Into<Figures>>(
        mut self,
        name: impl Into<String>,
        mut turn: impl FnMut() -> F + 'a,
    ) -> Self {
        let turn = Box::new(move || turn().into());
        self.contenders.push(Contender { name: name.into(), aim: None, turn });
        self
    }

    /// What folio's time over the last one's should not exceed.
    pub(crate) fn aim(mut self, ratio: f64) -> Self {
        if let Some(last) = self.contenders.last_mut() {
            last.aim = Some(ratio);
        }
        self
    }

    /// Bytes that an operation moves.
    pub(crate) fn bytes(mut self, count: usize) -> Self {
        self.bytes = Some(count);
        self
    }

    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// For how long rounds begin, after the third: where the machine has other work, turns take longer than
    /// they should.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn run(mut self) {
        if !self.contest.wants_row(self.group, &self.name) {
            return;
        }
        let title = format!("{}: {}", self.group, self.name);
        let rounds = if self.contest.quick { self.rounds.min(3) } else { self.rounds };
        let count = self.contenders.len();
        let mut times = vec![Vec::with_capacity(rounds); count];
        let mut all = vec![Vec::new(); count];
        for contender in &mut self.contenders {
            (contender.turn)();
        }
        let begin = Instant::now();
        for round in 0..rounds {
            if round >= 3 && begin.elapsed() > self.limit {
                break;
            }
            for place in 0..count {
                let place = (round + place) % count;
                let Figures { time, each } = (self.contenders[place].turn)();
                times[place].push(time);
                all[place].extend(each);
            }
        }
        let ratio = |others: &[f64]| {
            Spread::of(times[0].iter().zip(others).map(|(own, other)| own / other).collect())
        };
        let tails = all.iter_mut().map(|all| {
            let is_timed = !all.is_empty();
            is_timed.then(|| [0.99, 0.999].map(|part| quantile(all, part)))
        });
        let measured = self.contenders.iter().zip(&times).zip(tails);
        let measured = measured.map(|((contender, own), tail)| Measured {
            name: contender.name.clone(),
            time: Spread::of(own.clone()),
            tail,
            ratio: ratio(own),
            aim: contender.aim,
        });
        let measured: Vec<_> = measured.collect();
        let mut line = format!("{title}:");
        for (at, one) in measured.iter().enumerate() {
            let _ = write!(line, "{} {}", one.name, nanoseconds(one.time.median));
            if at > 0 {
                let _ = write!(line, " ({:.2})", one.ratio.median);
            }
            line.push_str("; ");
        }
        eprintln!("{}", line.trim_end_matches("; "));
        let Self { group, name, bytes, .. } = self;
        self.contest.outcomes.push(Outcome { group, name, bytes, measured });
    }
}

/// Nanoseconds for one of `count` operations, by the wall's clock.
pub(crate) fn wall(count: usize, work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_nanos() as f64 / count as f64
}

/// The same by what this thread ran for: for work that sleeps nowhere.
pub(crate) fn cpu(count: usize, work: impl FnOnce()) -> f64 {
    let begin = crate::harness::cpu_time();
    work();
    (crate::harness::cpu_time() - begin) / count as f64
}
