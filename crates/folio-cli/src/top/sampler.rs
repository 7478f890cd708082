//! The sampler: it looks at processes, and makes [`Snapshot`]s.
//!
//! 1. At each [`tick`](Sampler::tick) it reads what is cheap, of all processes: /proc/PID/stat; and
//!    /proc/PID/status of those in sight, and of the others in turns.
//! 2. What makes the kernel walk page tables is read of what is in sight ([`Focus`]), and each thing
//!    no more often than its [`Pace`] allows: what took a millisecond is not read again for some time.
//!    So is smaps of the process that is open, and the pages of the mapping that is. What processes cost
//!    (smaps_rollup) has an [`Allowance`] for all of them together, too.
//! 3. [`refresh`](Sampler::refresh) looks at what has just been opened, between ticks.
//!
//! Invariants: a process that ended is in one more snapshot, with its last figures, and then gone, unless it was
//! asked for by its number or is open; that nothing is read of a later process with its number is folio-stat's.
//! Each known process is an open descriptor, and there are always some left for all else.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use folio_stat::{ErrorKind, Process};
use rustix::process::{Resource, getrlimit};

use crate::failure::Failure;
use crate::ps::wanted::Wanted;
use crate::top::known::Known;
use crate::top::machine::Machine;
use crate::top::pace::{Allowance, Pace};
use crate::top::reading::Reading;
use crate::top::snapshot::{Activity, Id, Row, Snapshot};

/// At how many ticks a number that was a kernel thread's is looked at once.
const KERNEL_TICKS: u64 = 16;

/// At how many ticks the status of a process out of sight is read once.
const STATUS_TICKS: u64 = 8;

/// For how many ticks the costs of a process in the list are left alone.
const LIST_REST: u32 = 3;

/// What may be spent on costs of processes in the list: a 200th of a processor, or so much at once.
const LIST_SHARE: (u32, Duration) = (200, Duration::from_millis(100));

/// Descriptors that are for all else than known processes.
const OWN_DESCRIPTORS: u64 = 64;

/// What is looked at beyond the list of processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// The processes in sight.
    pub visible: Vec<Id>,
    /// Which these are depends on what all of them cost.
    pub needs_costs: bool,
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
    /// How many there may be.
    most: usize,
    left_out: HashSet<u32>,
    /// Of those that have ended and stay.
    ended: Vec<Row>,
    kernel: HashSet<u32>,
    ticks: u64,
    last: Option<Instant>,
    allowance: Allowance,
    snapshot: Snapshot,
    opened: Option<Reading>,
}

impl Sampler {
    /// Of the processes that are wanted, or of all; the interval is that of its ticks.
    ///
    /// How many processes can be looked at is told by this one's limit of open files.
    pub fn new(wanted: Vec<Wanted>, interval: Duration) -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = limit.saturating_sub(OWN_DESCRIPTORS).max(limit / 4).max(1);
        let (part, at_once) = LIST_SHARE;
        Self {
            wanted,
            interval,
            focus: Focus::default(),
            known: BTreeMap::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            left_out: HashSet::new(),
            ended: Vec::new(),
            kernel: HashSet::new(),
            ticks: 0,
            last: None,
            allowance: Allowance::of(part, at_once),
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
        let mut pids = Process::pids()?;
        if !self.wanted.is_empty() && self.wanted.iter().all(|it| matches!(it, Wanted::Pid(_))) {
            pids.retain(|pid| is_named(&self.wanted, *pid));
        }
        self.forget_the_ended();
        for (pid, known) in &mut self.known {
            if pids.binary_search(pid).is_err() {
                known.end();
            }
        }
        self.left_out.retain(|pid| pids.binary_search(pid).is_ok());
        // Those that were asked for by their numbers are not left out for others.
        let (first, others): (Vec<u32>, Vec<u32>) =
            pids.into_iter().partition(|pid| is_named(&self.wanted, *pid));
        for pid in first.into_iter().chain(others) {
            let is_turn = |ticks| (u64::from(pid) + self.ticks).is_multiple_of(ticks);
            if !self.kernel.contains(&pid) || is_turn(KERNEL_TICKS) {
                self.look(pid, since);
            }
        }
        self.ticks += 1;
        self.cost_the_list();
        self.snapshot.machine = Machine::now();
        self.snapshot.left_out = self.left_out.len();
        self.list();
        total(&mut self.snapshot, since.is_some());
        self.open(true);
        Ok(self.snapshot.clone())
    }

    /// Looks at what the focus has opened, and leaves the list as it is but for costs.
    pub fn refresh(&mut self) -> Snapshot {
        self.cost_the_list();
        self.note_costs();
        self.open(false);
        self.snapshot.clone()
    }

    /// Reads the costs of all that is in sight and due, however long that takes.
    pub fn complete(&mut self) -> Snapshot {
        let visible: Vec<u32> = self.focus.visible.iter().map(|id| id.pid).collect();
        for pid in visible {
            self.cost(pid);
        }
        self.note_costs();
        self.snapshot.clone()
    }

    /// Forgets those that were seen to have ended, but for the rows that stay.
    fn forget_the_ended(&mut self) {
        let ended: Vec<Row> = self
            .known
            .extract_if(.., |_, known| known.has_ended())
            .map(|(_, known)| known.row())
            .collect();
        self.ended.extend(ended);
        let stays = |id: Id| is_named(&self.wanted, id.pid) || self.focus.opened == Some(id);
        self.ended.retain(|row| stays(row.id));
    }

    /// Makes the rows.
    fn list(&mut self) {
        let is_shown = |known: &&Known| {
            self.wanted.is_empty()
                || known.is_one_of(&self.wanted)
                || self.focus.opened == Some(known.id())
        };
        let alive = self.known.values().filter(is_shown).map(Known::row);
        self.snapshot.processes = alive.chain(self.ended.iter().cloned()).collect();
        self.snapshot.processes.sort_by_key(|row| row.id);
    }

    fn note_costs(&mut self) {
        for row in &mut self.snapshot.processes {
            let known = self.known.get(&row.id.pid).filter(|known| known.id() == row.id);
            if let Some(known) = known {
                (row.costs, row.costs_age) = (known.costs(), known.costs_age());
            }
        }
    }

    /// Reads what is cheap of a process.
    fn look(&mut self, pid: u32, since: Option<Duration>) {
        if let Some(known) = self.known.get_mut(&pid) {
            let is_turn = (u64::from(pid) + self.ticks).is_multiple_of(STATUS_TICKS);
            if is_turn || self.focus.visible.contains(&known.id()) {
                known.learn();
            }
            return known.look(since);
        }
        let is_full = self.known.len() >= self.most;
        if is_full && self.left_out.contains(&pid) {
            return;
        }
        let found = Process::of(pid).and_then(|process| Ok((process.status()?, process)));
        let (status, process) = match found {
            Ok(found) => found,
            // Who has ended by now was never there.
            Err(error) if error.kind() == ErrorKind::ProcessGone => return,
            // No descriptor was left.
            Err(_) => {
                self.left_out.insert(pid);
                return;
            }
        };
        if status.is_kernel_thread {
            self.kernel.insert(pid);
            return;
        }
        self.kernel.remove(&pid);
        if status.has_ended {
            return;
        }
        if is_full {
            self.left_out.insert(pid);
            return;
        }
        self.left_out.remove(&pid);
        // One that started since the last tick has had all its faults since.
        let pace = Pace::resting(self.interval * LIST_REST);
        self.known.insert(pid, Known::new(process, &status, pace));
    }

    /// Reads the costs of processes in sight and, if these are a matter of costs, then of the others, the
    /// longest unread first, as far as the allowance goes.
    fn cost_the_list(&mut self) {
        let is_visible = |known: &Known| self.focus.visible.contains(&known.id());
        let mut due: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| !known.has_ended() && known.pace.is_due())
            .map(|(&pid, known)| (!is_visible(known), known, pid))
            .filter(|&(is_other, ..)| self.focus.needs_costs || !is_other)
            .map(|(is_other, known, pid)| {
                let bytes = known.resident_bytes();
                // What is quickly read first, or what is most likely to come in sight.
                let size = if is_other { usize::MAX - bytes } else { bytes };
                ((is_other, known.pace.due(), size), pid)
            })
            .collect();
        due.sort_unstable();
        for (_, pid) in due {
            if !self.allowance.is_left() {
                return;
            }
            let mut allowance = self.allowance;
            allowance.time(|| self.cost(pid));
            self.allowance = allowance;
        }
    }

    /// Reads the costs of a process, if that is due.
    fn cost(&mut self, pid: u32) {
        let known = self.known.get_mut(&pid).filter(|known| !known.has_ended());
        if let Some(known) = known.filter(|known| known.pace.is_due()) {
            known.cost();
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
        let process = self.known.get(&id.pid).filter(|known| known.id() == id);
        match process {
            Some(known) if !known.has_ended() => {
                reading.read(&known.process, self.focus.mapping.as_ref(), is_tick);
            }
            _ => reading.end(),
        }
        self.snapshot.opened = Some(reading.opened());
        self.snapshot.pages = reading.pages();
    }
}

/// Whether a process was asked for by its number.
fn is_named(wanted: &[Wanted], pid: u32) -> bool {
    wanted.contains(&Wanted::Pid(pid))
}

/// Adds up what all processes have done.
fn total(snapshot: &mut Snapshot, has_rates: bool) {
    let alive = || snapshot.processes.iter().filter(|row| !row.has_ended);
    let sum = |of: fn(&Activity) -> Option<f64>| {
        let rates = alive().filter_map(|row| of(&row.activity));
        has_rates.then(|| rates.sum::<f64>())
    };
    let minor_per_second = sum(|activity| activity.minor_per_second);
    let major_per_second = sum(|activity| activity.major_per_second);
    let growth_per_second = sum(|activity| activity.growth_per_second);
    let resident: usize = alive().map(|row| row.resident_bytes).sum();
    snapshot.total.note([minor_per_second, major_per_second, growth_per_second], resident);
}
