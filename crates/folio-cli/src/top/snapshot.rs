//! A snapshot: all that `folio top` can show, as it was at one tick.
//!
//! The [`sampler`](super::sampler) makes it, and nothing in it is looked up later: what a picture shows
//! is in the snapshot or in the [`state`](super::state).
//!
//! Invariant: rates are missing (`None`) where there are no two samples to tell them from.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use folio_stat::{Costs, Mapping};

use crate::ps::figures::Figures;
use crate::top::heat::Heat;
use crate::top::history::History;
use crate::top::machine::Machine;

/// What tells a process from a later one with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub started_ticks: u64,
}

/// All processes, one of them with its mappings, and one of those with its pages.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The memory of the machine.
    pub machine: Machine,
    /// The processes that were asked for, by pid, kernel threads left out. Of one that has ended it is the last
    /// row; one that was asked for by its number, or is open, stays.
    pub processes: Vec<Row>,
    /// How many processes are not looked at, because a process may have no more open files.
    pub left_out: usize,
    /// What all of these have done.
    pub total: Activity,
    /// The process that is open.
    pub opened: Option<Opened>,
    /// The mapping that is open.
    pub pages: Option<Pages>,
}

/// What went on in memory since the tick before, and before that.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Faults that found their page in memory, per second.
    pub minor_per_second: Option<f64>,
    /// Faults that waited for a read, per second.
    pub major_per_second: Option<f64>,
    /// Resident bytes that came, or went, per second.
    pub growth_per_second: Option<f64>,
    /// Resident bytes, tick by tick.
    pub resident: History,
    /// Minor faults per second, tick by tick.
    pub minor: History,
    /// Major faults per second, tick by tick.
    pub major: History,
}

impl Activity {
    /// Adds a tick.
    pub(crate) fn note(&mut self, [minor, major, growth]: [Option<f64>; 3], resident_bytes: usize) {
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

/// A process in the list.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which it is.
    pub id: Id,
    /// The name of what it executes.
    pub name: String,
    /// The user whose rights it has.
    pub user: u32,
    /// Threads.
    pub threads: u32,
    /// It has ended: the figures are the last ones.
    pub has_ended: bool,
    /// Pages in memory, as the kernel counts them for everybody.
    pub resident_bytes: usize,
    /// Pages moved out to swap, likewise.
    pub swapped_bytes: usize,
    /// Faults that found their page in memory, since it started.
    pub minor_faults: u64,
    /// Faults that waited for a read, since it started.
    pub major_faults: u64,
    /// What went on.
    pub activity: Activity,
    /// What its mappings cost together, where that was read: not at every tick, and not of those out of sight.
    pub costs: Option<Figures>,
    /// How long ago that was.
    pub costs_age: Option<Duration>,
}

/// A process that is open: its mappings.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Which it is.
    pub id: Id,
    /// Its mappings in groups by backing.
    pub groups: Arc<[Line]>,
    /// Its mappings, by address.
    pub each: Arc<[Line]>,
    /// How long ago they were read.
    pub age: Duration,
    /// Why they could not be read. What there is then was read before.
    pub error: Option<String>,
}

/// A mapping, or some that show the same backing.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// A path, a name in the kernel's notation, or the kind of what has none.
    pub name: String,
    /// Its addresses; of a group, those of its first mapping.
    pub range: Range<usize>,
    /// How many mappings these are.
    pub mappings: usize,
    /// What may be done with its pages, such as `rw-`.
    pub protection: String,
    /// `shared` or `private`.
    pub sharing: String,
    /// Where in its backing it begins.
    pub offset_bytes: u64,
    /// The device and the inode of the backing: several may have one name.
    pub file: ((u32, u32), u64),
    /// What it costs.
    pub figures: Figures,
}

impl Line {
    /// What tells its group from others.
    pub fn group(&self) -> GroupId {
        GroupId { name: self.name.clone(), file: self.file }
    }

    /// Whether it is of this group.
    pub fn is_of(&self, group: &GroupId) -> bool {
        self.file == group.file && self.name == group.name
    }
}

/// A backing, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupId {
    /// As [`Line::name`].
    pub name: String,
    /// As [`Line::file`].
    pub file: ((u32, u32), u64),
}

/// The pages of the mapping that is open.
#[derive(Debug, Clone)]
pub struct Pages {
    /// Its process.
    pub id: Id,
    /// Its addresses when it was opened.
    pub range: Range<usize>,
    /// What it is now, or was when it was last there.
    pub mapping: Option<Mapping>,
    /// Where its pages are, and what moves.
    pub heat: Arc<Heat>,
    /// Resident bytes, tick by tick.
    pub resident: History,
    /// How long ago they were read.
    pub age: Duration,
    /// What it costs.
    pub costs: Option<Arc<Costs>>,
    /// How long ago that was read.
    pub costs_age: Duration,
    /// Why it could not be read. What there is then was read before.
    pub error: Option<String>,
}
