//! The harness: contenders for one row, run in turns, compared round by round.
//!
//! 1. Each contender runs once to warm up, then often enough to learn how many runs fill a turn.
//! 2. In every round each contender has one turn, and the one to begin changes from round to round.
//! 3. A row's time is the median over the rounds; a ratio is the median over the rounds of the
//!    ratio within a round, so that what disturbs a whole round cancels out. Quartiles show the rest.
//!
//! Time is CPU time of this thread (CLOCK_THREAD_CPUTIME_ID), the kernel's work for it included:
//! what else runs on the machine takes turns, not time. Nothing measured here sleeps.
#![allow(unsafe_code)]

use std::fmt::Write as _;

/// Who does a row's work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contender {
    Folio,
    /// libc's mmap and plain loads and stores: the floor.
    Raw,
    Memmap2,
    MmapRs,
    /// pread(2), pwrite(2).
    Call,
}

impl Contender {
    pub(crate) const PEERS: [Self; 4] = [Self::Raw, Self::Memmap2, Self::MmapRs, Self::Call];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Folio => "folio",
            Self::Raw => "raw mmap",
            Self::Memmap2 => "memmap2",
            Self::MmapRs => "mmap-rs",
            Self::Call => "pread/pwrite",
        }
    }
}

/// Median and quartiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

pub(crate) struct Measured {
    pub(crate) contender: Contender,
    /// Nanoseconds a run.
    pub(crate) time: Spread,
    /// folio's time over this one's.
    pub(crate) ratio: Spread,
}

pub(crate) struct Outcome {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// folio first.
    pub(crate) measured: Vec<Measured>,
}

impl Outcome {
    pub(crate) fn of(&self, contender: Contender) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.contender == contender)
    }
}

pub(crate) struct Harness {
    pub(crate) rounds: usize,
    /// Nanoseconds that a turn should take.
    pub(crate) turn: f64,
    pub(crate) only: Option<String>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Harness {
    /// A row to measure, unless another was asked for.
    pub(crate) fn row<'a>(&'a mut self, group: &'static str, name: impl Into<String>) -> Row<'a> {
        Row { harness: self, group, name: name.into(), contenders: Vec::new(), rounds: None }
    }
}

/// Does the work as often as it is told.
type Work<'a> = Box<dyn FnMut(u64) + 'a>;

pub(crate) struct Row<'a> {
    harness: &'a mut Harness,
    group: &'static str,
    name: String,
    contenders: Vec<(Contender, Work<'a>)>,
    rounds: Option<usize>,
}

impl<'a> Row<'a> {
    /// Adds one who runs `work` once a run.
    pub(crate) fn by(mut self, contender: Contender, mut work: impl FnMut() + 'a) -> Self {
        let often = move |runs| {
            for _ in 0..runs {
                work();
            }
        };
        self.contenders.push((contender, Box::new(often)));
        self
    }

    /// At most so many rounds: for work that takes long.
    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = Some(rounds);
        self
    }

    /// Measures.
    pub(crate) fn run(mut self) {
        let title = format!("{}: {}", self.group, self.name);
        if self.harness.only.as_ref().is_some_and(|only| !title.contains(only.as_str())) {
            return;
        }
        assert_eq!(self.contenders[0].0, Contender::Folio, "folio comes first");
        let rounds = self.rounds.map_or(self.harness.rounds, |most| most.min(self.harness.rounds));
        let turn = self.harness.turn;
        let count = self.contenders.len();
        let runs: Vec<u64> =
            self.contenders.iter_mut().map(|(_, work)| runs_for_work(work, turn)).collect();
        let mut times = vec![Vec::with_capacity(rounds); count];
        for round in 0..rounds {
            for place in 0..count {
                let place = (round + place) % count;
                let nanoseconds = time(&mut self.contenders[place].1, runs[place]);
                times[place].push(nanoseconds / runs[place] as f64);
            }
        }
        let ratio = |others: &[f64]| {
            Spread::of(times[0].iter().zip(others).map(|(own, other)| own / other).collect())
        };
        let measured = self.contenders.iter().zip(&times).map(|((contender, _), own)| Measured {
            contender: *contender,
            time: Spread::of(own.clone()),
            ratio: ratio(own),
        });
        let measured: Vec<_> = measured.collect();
        let mut line = format!("{title}:");
        for one in &measured {
            let _ = write!(line, " {} {}", one.contender.name(), nanoseconds(one.time.median));
        }
        eprintln!("{line}");
        let (group, name) = (self.group, self.name);
        self.harness.outcomes.push(Outcome { group, name, measured });
    }
}

fn runs_for_work(work: &mut Work<'_>, turn: f64) -> u64 {
    work(1);
    runs_for(|runs| time(work, runs), turn)
}

/// How many runs take about `turn` nanoseconds, where `time` says how long some take.
pub(crate) fn runs_for(mut time: impl FnMut(u64) -> f64, turn: f64) -> u64 {
    let mut runs = 1;
    loop {
        let taken = time(runs);
        if taken * 4.0 >= turn || runs >= 1 << 30 {
            return ((runs as f64 * turn / taken).round() as u64).max(1);
        }
        runs *= 4;
    }
}

fn time(work: &mut Work<'_>, runs: u64) -> f64 {
    let begin = cpu_time();
    work(runs);
    cpu_time() - begin
}

/// Nanoseconds that this thread has run for.
pub(crate) fn cpu_time() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes one timespec, which `now` is.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(done, 0, "CLOCK_THREAD_CPUTIME_ID");
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// A time with three digits and its unit.
pub(crate) fn nanoseconds(time: f64) -> String {
    let (value, unit) = match time {
        t if t < 1e3 => (t, "ns"),
        t if t < 1e6 => (t / 1e3, "µs"),
        t if t < 1e9 => (t / 1e6, "ms"),
        t => (t / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}
