//! The process that is open, as far as it has been read: its mappings, or the one of them that is open.
//!
//! While a mapping is open, the others are not read.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use folio_stat::{Costs, Process};

use crate::ps::group::{self, Group};
use crate::top::mapped::Mapped;
use crate::top::pace::Pace;
use crate::top::snapshot::{Id, Line, Opened, Pages};

/// The process that is open.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) id: Id,
    groups: Arc<[Line]>,
    each: Arc<[Line]>,
    read_at: Instant,
    pace: Pace,
    error: Option<String>,
    mapped: Option<Mapped>,
}

impl Reading {
    /// Of which nothing has been read.
    pub(crate) fn new(id: Id) -> Self {
        Self {
            id,
            groups: Arc::default(),
            each: Arc::default(),
            read_at: Instant::now(),
            pace: Pace::default(),
            error: None,
            mapped: None,
        }
    }

    /// Reads the mapping, or all of them.
    pub(crate) fn read(
        &mut self,
        process: &Process,
        mapping: Option<&Range<usize>>,
        is_tick: bool,
    ) {
        let Some(range) = mapping else {
            self.mapped = None;
            return self.read_all(process);
        };
        let mapped = match self.mapped.take() {
            Some(mapped) if mapped.is_at(range) => mapped,
            _ => Mapped::new(range),
        };
        self.mapped.insert(mapped).read(process, is_tick);
    }

    fn read_all(&mut self, process: &Process) {
        if !self.pace.is_due() {
            return;
        }
        match self.pace.time(|| process.costs_by_mapping()) {
            Ok(all) => {
                self.groups = lines(&group::by_backing(&all));
                self.each = lines(&group::each(&all));
                (self.read_at, self.error) = (Instant::now(), None);
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    /// Notes that the process has ended: the figures are the last ones.
    pub(crate) fn end(&mut self) {
        let error = format!("process {} has ended", self.id.pid);
        if let Some(mapped) = &mut self.mapped {
            mapped.fail(error.clone());
        }
        self.error = Some(error);
    }

    /// What there is to show of it.
    pub(crate) fn opened(&self) -> Opened {
        Opened {
            id: self.id,
            groups: self.groups.clone(),
            each: self.each.clone(),
            age: self.read_at.elapsed(),
            error: self.error.clone(),
        }
    }

    /// What there is to show of the mapping that is open.
    pub(crate) fn pages(&self) -> Option<Pages> {
        self.mapped.as_ref().map(|mapped| mapped.pages(self.id))
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
