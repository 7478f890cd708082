//! A process that is known from the ticks before: its row, and what is needed to go on with it.
//!
//! 1. [`Known::new`], when it is first seen.
//! 2. At each tick [`see`](Known::see), from its [`Pulse`], and now and then [`learn`](Known::learn) what that
//!    does not tell.
//! 3. [`cost`](Known::cost), which takes long, no more often than its [`Pace`] allows.
//! 4. [`end`](Known::end): the figures are the last ones.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use folio_stat::{ErrorKind, Process, Pulse, Status};

use crate::ps::figures::Figures;
use crate::ps::wanted::{self, Wanted};
use crate::top::pace::Pace;
use crate::top::snapshot::{Activity, Id, Row};

/// A process.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) process: Process,
    pub(crate) pace: Pace,
    executable: Option<PathBuf>,
    /// Its own name, which may be shorter than that in its row.
    own_name: String,
    row: Row,
    /// Of hugetlb, which its pulse does not count.
    hugetlb_bytes: usize,
    /// When its costs were read.
    costed_at: Option<Instant>,
}

impl Known {
    /// One that is seen for the first time.
    pub(crate) fn new(process: Process, status: &Status, pace: Pace) -> Self {
        let mut row = Row {
            id: Id { pid: status.pid, started_ticks: status.started_ticks },
            name: String::new(),
            user: status.user,
            threads: status.threads,
            has_ended: false,
            resident_bytes: status.resident_bytes,
            swapped_bytes: status.swapped_bytes,
            minor_faults: status.faults.minor,
            major_faults: status.faults.major,
            activity: Activity::default(),
            costs: None,
            costs_age: None,
        };
        row.activity.note([None; 3], status.resident_bytes);
        let mut known = Self {
            process,
            pace,
            executable: None,
            own_name: String::new(),
            row,
            hugetlb_bytes: status.hugetlb_bytes,
            costed_at: None,
        };
        known.recognize(&status.name);
        known
    }

    /// What is known, as of now.
    pub(crate) fn row(&self) -> Row {
        Row { costs_age: self.costs_age(), ..self.row.clone() }
    }

    /// Which it is.
    pub(crate) fn id(&self) -> Id {
        self.row.id
    }

    /// Whether it was asked for.
    pub(crate) fn is_one_of(&self, wanted: &[Wanted]) -> bool {
        let executable = self.executable.as_deref();
        wanted.iter().any(|wanted| wanted.is(self.row.id.pid, executable, &self.own_name))
    }

    /// Pages in memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.row.resident_bytes
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.row.has_ended
    }

    /// What it costs, where that was read.
    pub(crate) fn costs(&self) -> Option<Figures> {
        self.row.costs
    }

    /// How long ago that was; of one that has ended nothing is of now.
    pub(crate) fn costs_age(&self) -> Option<Duration> {
        self.costed_at.filter(|_| !self.row.has_ended).map(|at| at.elapsed())
    }

    /// Takes over its name, and what it executes, which changes with that.
    fn recognize(&mut self, name: &str) {
        if self.own_name == name {
            return;
        }
        name.clone_into(&mut self.own_name);
        self.executable = self.process.executable();
        let executable = self.executable.as_ref().map(|path| path.to_string_lossy());
        self.row.name = wanted::program(executable.as_deref(), name).to_owned();
    }

    /// Reads what its pulse does not tell.
    pub(crate) fn learn(&mut self) {
        if let Ok(status) = self.process.status() {
            self.row.user = status.user;
            self.row.swapped_bytes = status.swapped_bytes;
            self.hugetlb_bytes = status.hugetlb_bytes;
        }
    }

    /// Reads what is cheap, so long after the last time.
    pub(crate) fn look(&mut self, since: Option<Duration>) {
        match self.process.pulse() {
            Ok(pulse) if !pulse.has_ended => self.see(&pulse, since),
            Ok(_) => self.end(),
            Err(error) if error.kind() == ErrorKind::ProcessGone => self.end(),
            // It goes on: no descriptor was left to look at it.
            Err(_) => {}
        }
    }

    fn see(&mut self, pulse: &Pulse, since: Option<Duration>) {
        self.recognize(&pulse.name);
        let resident_bytes = pulse.resident_bytes.saturating_add(self.hugetlb_bytes);
        let row = &mut self.row;
        let per_second = |change: f64| since.map(|since| change / since.as_secs_f64().max(1e-3));
        let minor = pulse.faults.minor.saturating_sub(row.minor_faults) as f64;
        let major = pulse.faults.major.saturating_sub(row.major_faults) as f64;
        let growth = resident_bytes as f64 - row.resident_bytes as f64;
        let rates = [minor, major, growth].map(per_second);
        row.activity.note(rates, resident_bytes);
        row.threads = pulse.threads;
        row.resident_bytes = resident_bytes;
        row.minor_faults = pulse.faults.minor;
        row.major_faults = pulse.faults.major;
    }

    /// Reads what it costs.
    pub(crate) fn cost(&mut self) {
        let costs = self.pace.time(|| self.process.total_costs());
        self.row.costs = costs.ok().as_ref().map(Figures::of);
        self.costed_at = self.row.costs.map(|_| Instant::now());
    }

    /// Notes that it has ended: nothing goes on in it any more.
    pub(crate) fn end(&mut self) {
        let Activity { minor_per_second, major_per_second, growth_per_second, .. } =
            &mut self.row.activity;
        (*minor_per_second, *major_per_second, *growth_per_second) = (None, None, None);
        self.row.has_ended = true;
    }
}
