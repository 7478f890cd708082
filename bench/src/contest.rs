//! The pager's rows: contenders that time their own turns, by the wall's clock or by this thread's
//! share of a processor, since their work sleeps, waits for disks, and runs on several threads.
//!
//! As in [`crate::harness`], contenders take turns, another one begins each round, and a ratio is the
//! median over the rounds of the ratio within a round. Aims are the most that a ratio may be; a row
//! that misses its own is printed like one that does not.
#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::time::Instant;

use crate::harness::{Spread, nanoseconds};

/// Runs a turn, and returns nanoseconds for one operation.
type Turn<'a> = Box<dyn FnMut() -> f64 + 'a>;

pub(crate) struct Measured {
    pub(crate) name: String,
    /// Nanoseconds for one operation.
    pub(crate) time: Spread,
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
    /// Whether a group has rows that were asked for: what it needs is made only then.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(group) || group.contains(only.as_str()))
    }

    pub(crate) fn row<'a>(&'a mut self, group: &'static str, name: impl Into<String>) -> Row<'a> {
        Row { contest: self, group, name: name.into(), contenders: Vec::new(), rounds: 31 }
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
    contenders: Vec<Contender<'a>>,
    rounds: usize,
}

impl<'a> Row<'a> {
    /// Adds one, folio first.
    pub(crate) fn by(mut self, name: impl Into<String>, turn: impl FnMut() -> f64 + 'a) -> Self {
        self.contenders.push(Contender { name: name.into(), aim: None, turn: Box::new(turn) });
        self
    }

    /// What folio's time over the last one's should not exceed.
    pub(crate) fn aim(mut self, ratio: f64) -> Self {
        if let Some(last) = self.contenders.last_mut() {
            last.aim = Some(ratio);
        }
        self
    }

    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    pub(crate) fn run(mut self) {
        let title = format!("{}: {}", self.group, self.name);
        if self.contest.only.as_ref().is_some_and(|only| !title.contains(only.as_str())) {
            return;
        }
        let rounds = if self.contest.quick { self.rounds.min(3) } else { self.rounds };
        let count = self.contenders.len();
        let mut times = vec![Vec::with_capacity(rounds); count];
        for contender in &mut self.contenders {
            (contender.turn)();
        }
        for round in 0..rounds {
            for place in 0..count {
                let place = (round + place) % count;
                times[place].push((self.contenders[place].turn)());
            }
        }
        let ratio = |others: &[f64]| {
            Spread::of(times[0].iter().zip(others).map(|(own, other)| own / other).collect())
        };
        let measured = self.contenders.iter().zip(&times).map(|(contender, own)| Measured {
            name: contender.name.clone(),
            time: Spread::of(own.clone()),
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
        let (group, name) = (self.group, self.name);
        self.contest.outcomes.push(Outcome { group, name, measured });
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
