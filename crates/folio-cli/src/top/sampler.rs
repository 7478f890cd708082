//! The sampler: it looks at processes, and makes [`Snapshot`]s.
//!
//! 1. At each [`tick`](Sampler::tick) it reads what is cheap, of all processes: /proc/PID/stat; and
//!    /proc/PID/status of those in sight, and of the others in turns.
//! 2. What makes the kernel walk page tables is read of what is in sight only ([`Focus`]), and each thing
//!    no more often than its [`Pace`] allows: what took a millisecond is not read again for some time.
//!    So is smaps of the process that is open, and the pages of the mapping that is.
//! 3. [`refresh`](Sampler::refresh) looks at what has just been opened, between ticks.
//!
//! Invariants: a process that ended is in one more snapshot, with its last figures, and then gone; that
//! nothing is read of a later process with its number is folio-stat's.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use folio_stat::{Costs, Process, Pulse, Status};

use crate::failure::Failure;
use crate::ps::figures::Figures;
use crate::ps::group::{self, Group};
use crate::ps::wanted::{self, Wanted};
use crate::top::heat::Heat;
use crate::top::history::History;
use crate::top::machine::Machine;
use crate::top::pace::Pace;
use crate::top::snapshot::{Activity, Id, Line, Opened, Pages, Row, Snapshot};

/// At how many ticks a number that was a kernel thread's is looked at once.
const KERNEL_TICKS: u64 = 16;

/// At how many ticks the status of a process out of sight is read once.
const STATUS_TICKS: u64 = 8;

/// For how many ticks the costs of a process in the list are left alone.
const LIST_REST: u32 = 3;

/// What a tick may spend on costs of processes in the list, as a part of the interval.
const LIST_SHARE: u32 = 200;

/// What is looked at beyond the list of processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// The processes in sight.
    pub visible: Vec<Id>,
    /// The process that is open.
    pub opened: Option<Id>,
    /// The mapping of it that is open.
    pub mapping: Option<Range<usize>>,
}

/// What is known from the ticks before.
#[derive(Debug)]
pub struct Sampler {
    wanted: Vec<Wanted>,
    interval: Duration,
    focus: Focus,
    known: BTreeMap<u32, Known>,
    kernel: HashSet<u32>,
    ticks: u64,
    last: Option<Instant>,
    snapshot: Snapshot,
    opened: Option<Reading>,
}

/// A process.
#[derive(Debug)]
struct Known {
    process: Process,
    executable: Option<PathBuf>,
    /// Its own name, which may be shorter than that in its row.
    own_name: String,
    row: Row,
    /// Of hugetlb, which its pulse does not count.
    hugetlb_bytes: usize,
    pace: Pace,
}

/// The process that is open.
#[derive(Debug)]
struct Reading {
    id: Id,
    groups: Arc<[Line]>,
    each: Arc<[Line]>,
    read_at: Instant,
    pace: Pace,
    error: Option<String>,
    pages: Option<PagesReading>,
}

/// The mapping that is open.
#[derive(Debug)]
struct PagesReading {
    range: Range<usize>,
    heat: Arc<Heat>,
    resident: History,
    read_at: Instant,
    pace: Pace,
    error: Option<String>,
}

impl Sampler {
    /// Of the processes that are wanted, or of all; the interval is that of its ticks.
    pub fn new(wanted: Vec<Wanted>, interval: Duration) -> Self {
        Self {
            wanted,
            interval,
            focus: Focus::default(),
            known: BTreeMap::new(),
            kernel: HashSet::new(),
            ticks: 0,
            last: None,
            snapshot: Snapshot::default(),
            opened: None,
        }
    }

    /// Looks elsewhere from now on.
    pub fn focus(&mut self, focus: Focus) {
        self.focus = focus;
    }

    /// Looks at all processes.
    ///
    /// # Errors
    /// Where /proc does not show processes.
    pub fn tick(&mut self) -> Result<Snapshot, Failure> {
        let now = Instant::now();
        let since = self.last.replace(now).map(|last| now - last);
        let pids = Process::pids()?;
        self.known.retain(|_, known| !known.row.has_ended);
        for (pid, known) in &mut self.known {
            known.row.has_ended = pids.binary_search(pid).is_err();
        }
        for pid in pids {
            if self.kernel.contains(&pid)
                && !(u64::from(pid) + self.ticks).is_multiple_of(KERNEL_TICKS)
            {
                continue;
            }
            self.look(pid, since);
        }
        self.ticks += 1;
        self.cost_the_visible(Some(self.interval / LIST_SHARE));
        let snapshot = &mut self.snapshot;
        snapshot.machine = Machine::now();
        let wanted = |known: &&Known| self.wanted.is_empty() || known.is_one_of(&self.wanted);
        snapshot.processes =
            self.known.values().filter(wanted).map(|known| known.row.clone()).collect();
        total(snapshot, since.is_some());
        self.open(true);
        Ok(self.snapshot.clone())
    }

    /// Looks at what the focus has opened, and leaves the list as it is.
    pub fn refresh(&mut self) -> Snapshot {
        self.cost_the_visible(Some(self.interval / LIST_SHARE));
        self.note_costs();
        self.open(false);
        self.snapshot.clone()
    }

    /// Reads the costs of all that is in sight and due, however long that takes.
    pub fn complete(&mut self) -> Snapshot {
        self.cost_the_visible(None);
        self.note_costs();
        self.snapshot.clone()
    }

    fn note_costs(&mut self) {
        for row in &mut self.snapshot.processes {
            row.costs = self.known.get(&row.id.pid).and_then(|known| known.row.costs);
        }
    }

    /// Reads what is cheap of a process.
    fn look(&mut self, pid: u32, since: Option<Duration>) {
        if let Some(known) = self.known.get_mut(&pid) {
            let is_turn = (u64::from(pid) + self.ticks).is_multiple_of(STATUS_TICKS);
            if is_turn || self.focus.visible.contains(&known.row.id) {
                known.learn();
            }
            match known.process.pulse() {
                Ok(pulse) if !pulse.has_ended => known.see(&pulse, since),
                _ => known.row.has_ended = true,
            }
            return;
        }
        // Who has ended by now was never there.
        let Ok(process) = Process::of(pid) else { return };
        let Ok(status) = process.status() else { return };
        if status.is_kernel_thread {
            self.kernel.insert(pid);
            return;
        }
        self.kernel.remove(&pid);
        if !status.has_ended {
            // One that started since the last tick has had all its faults since.
            let pace = Pace::resting(self.interval * LIST_REST);
            self.known.insert(pid, Known::new(process, &status, pace));
        }
    }

    /// Reads the costs of processes in sight, the longest unread first, for so long at most.
    fn cost_the_visible(&mut self, most: Option<Duration>) {
        let start = Instant::now();
        let mut due: Vec<_> = self.focus.visible.iter().map(|id| id.pid).collect();
        let due_at = |pid: &u32| self.known.get(pid).map(|known| known.pace.due());
        due.sort_by_key(due_at);
        for pid in due {
            if most.is_some_and(|most| start.elapsed() >= most) {
                return;
            }
            let Some(known) = self.known.get_mut(&pid) else { continue };
            if !known.row.has_ended && known.pace.is_due() {
                let costs = known.pace.time(|| known.process.total_costs());
                known.row.costs = costs.ok().as_ref().map(Figures::of);
            }
        }
    }

    /// Reads the process and the mapping that are open.
    fn open(&mut self, is_tick: bool) {
        let Some(id) = self.focus.opened else {
            self.opened = None;
            (self.snapshot.opened, self.snapshot.pages) = (None, None);
            return;
        };
        let reading = match self.opened.take() {
            Some(reading) if reading.id == id => self.opened.insert(reading),
            _ => self.opened.insert(Reading::new(id)),
        };
        let process = self.known.get(&id.pid).filter(|known| known.row.id == id);
        match process {
            Some(known) if !known.row.has_ended => {
                reading.read(&known.process, self.focus.mapping.as_ref(), is_tick);
            }
            _ => reading.end(),
        }
        self.snapshot.opened = Some(reading.shown());
        self.snapshot.pages = reading.pages.as_ref().map(|pages| pages.shown(id));
    }
}

/// Adds up what all processes have done.
fn total(snapshot: &mut Snapshot, has_rates: bool) {
    let sum = |of: fn(&Activity) -> Option<f64>| {
        let rates = snapshot.processes.iter().filter_map(|row| of(&row.activity));
        has_rates.then(|| rates.sum::<f64>())
    };
    let minor_per_second = sum(|activity| activity.minor_per_second);
    let major_per_second = sum(|activity| activity.major_per_second);
    let growth_per_second = sum(|activity| activity.growth_per_second);
    let resident: usize = snapshot.processes.iter().map(|row| row.resident_bytes).sum();
    snapshot.total.note([minor_per_second, major_per_second, growth_per_second], resident);
}

impl Activity {
    fn note(&mut self, [minor, major, growth]: [Option<f64>; 3], resident_bytes: usize) {
        self.minor_per_second = minor;
        self.major_per_second = major;
        self.growth_per_second = growth;
        self.resident.push(resident_bytes as f64);
        if let (Some(minor), Some(major)) = (minor, major) {
            self.minor.push(minor);
            self.major.push(major);
        }
    }
}

impl Known {
    fn new(process: Process, status: &Status, pace: Pace) -> Self {
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
        };
        row.activity.note([None; 3], status.resident_bytes);
        let mut known = Self {
            process,
            executable: None,
            own_name: String::new(),
            row,
            hugetlb_bytes: status.hugetlb_bytes,
            pace,
        };
        known.recognize(&status.name);
        known
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

    fn is_one_of(&self, wanted: &[Wanted]) -> bool {
        let executable = self.executable.as_deref();
        wanted.iter().any(|wanted| wanted.is(self.row.id.pid, executable, &self.own_name))
    }

    /// Reads what its pulse does not tell.
    fn learn(&mut self) {
        if let Ok(status) = self.process.status() {
            self.row.user = status.user;
            self.row.swapped_bytes = status.swapped_bytes;
            self.hugetlb_bytes = status.hugetlb_bytes;
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
}

impl Reading {
    fn new(id: Id) -> Self {
        Self {
            id,
            groups: Arc::default(),
            each: Arc::default(),
            read_at: Instant::now(),
            pace: Pace::default(),
            error: None,
            pages: None,
        }
    }

    fn read(&mut self, process: &Process, mapping: Option<&Range<usize>>, is_tick: bool) {
        if self.pace.is_due() {
            match self.pace.time(|| process.costs_by_mapping()) {
                Ok(all) => {
                    self.groups = lines(&group::by_backing(&all));
                    self.each = lines(&group::each(&all));
                    (self.read_at, self.error) = (Instant::now(), None);
                }
                Err(error) => self.error = Some(error.to_string()),
            }
        }
        let Some(range) = mapping else {
            self.pages = None;
            return;
        };
        let pages = match self.pages.take() {
            Some(pages) if pages.range.start == range.start => self.pages.insert(pages),
            _ => self.pages.insert(PagesReading::new(range)),
        };
        // It may have become longer, or shorter.
        let whole = self.each.iter().find(|line| line.range.start == range.start);
        pages.range = whole.map_or(range, |line| &line.range).clone();
        pages.read(process, is_tick);
    }

    fn end(&mut self) {
        let error = || Some(format!("process {} has ended", self.id.pid));
        self.error = error();
        if let Some(pages) = &mut self.pages {
            pages.error = error();
        }
    }

    fn shown(&self) -> Opened {
        Opened {
            id: self.id,
            groups: self.groups.clone(),
            each: self.each.clone(),
            age: self.read_at.elapsed(),
            error: self.error.clone(),
        }
    }
}

fn lines(groups: &[Group<'_>]) -> Arc<[Line]> {
    groups.iter().map(line).collect()
}

fn line(group: &Group<'_>) -> Line {
    let mapping = group.first();
    let range = |costs: &&Costs| costs.range();
    Line {
        name: group.name(),
        range: group.members.first().map(range).unwrap_or_default(),
        mappings: group.members.len(),
        protection: group.protection().map_or("various".into(), |known| known.to_string()),
        sharing: mapping.sharing.to_string(),
        offset_bytes: mapping.backing.offset_bytes,
        file: (mapping.backing.device, mapping.backing.inode),
        figures: group.figures,
    }
}

impl PagesReading {
    fn new(range: &Range<usize>) -> Self {
        Self {
            range: range.clone(),
            heat: Arc::default(),
            resident: History::default(),
            read_at: Instant::now(),
            pace: Pace::default(),
            error: None,
        }
    }

    fn read(&mut self, process: &Process, is_tick: bool) {
        let is_first = self.heat.pages == 0;
        let is_due = is_first || is_tick && self.pace.is_due();
        if !is_due {
            return;
        }
        match self.pace.time(|| process.residency(self.range.clone())) {
            Ok(residency) => {
                self.heat = Arc::new(Heat::of(&residency, Some(&self.heat)));
                self.resident.push(residency.resident_bytes() as f64);
                (self.read_at, self.error) = (Instant::now(), None);
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    fn shown(&self, id: Id) -> Pages {
        Pages {
            id,
            range: self.range.clone(),
            heat: self.heat.clone(),
            resident: self.resident.clone(),
            age: self.read_at.elapsed(),
            error: self.error.clone(),
        }
    }
}
