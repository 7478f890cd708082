//! The mapping that is open, as far as it has been read.
//!
//! Three things are read of it, each at its own [`Pace`]: what it is (PROCMAP_QUERY, in a moment), where its
//! pages are (pagemap), and what it costs (smaps, which has to be read up to it).
//!
//! It is known by the address it had when it was opened. It may become longer and shorter; a stack grows
//! downwards.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use folio_stat::{Costs, Error, Mapping, Process};

use crate::top::heat::Heat;
use crate::top::history::History;
use crate::top::pace::Pace;
use crate::top::snapshot::{Id, Pages};

/// The mapping that is open.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// Its addresses when it was opened.
    range: Range<usize>,
    /// As it was when there was one.
    mapping: Option<Mapping>,
    is_gone: bool,
    pace: Pace,
    heat: Arc<Heat>,
    resident: History,
    pages_at: Instant,
    pages_pace: Pace,
    costs: Option<Arc<Costs>>,
    costs_at: Instant,
    costs_pace: Pace,
    error: Option<String>,
}

impl Mapped {
    /// Of which nothing has been read.
    pub(crate) fn new(range: &Range<usize>) -> Self {
        let now = Instant::now();
        Self {
            range: range.clone(),
            mapping: None,
            is_gone: false,
            pace: Pace::default(),
            heat: Arc::default(),
            resident: History::default(),
            pages_at: now,
            pages_pace: Pace::default(),
            costs: None,
            costs_at: now,
            costs_pace: Pace::default(),
            error: None,
        }
    }

    /// Whether it is the one that was opened with these addresses.
    pub(crate) fn is_at(&self, range: &Range<usize>) -> bool {
        self.range.start == range.start
    }

    /// Reads what is due: at a tick, or at once what was never read.
    pub(crate) fn read(&mut self, process: &Process, is_tick: bool) {
        let is_due = |pace: &Pace| pace.due().is_none() || is_tick && pace.is_due();
        let paces = [self.pace, self.pages_pace, self.costs_pace];
        if paces.iter().any(is_due) {
            let read = self.read_those(process, paces.map(|pace| is_due(&pace)));
            self.error = read.err().map(|error| error.to_string());
        }
    }

    fn read_those(
        &mut self,
        process: &Process,
        [mapping, pages, costs]: [bool; 3],
    ) -> Result<(), Error> {
        if mapping {
            let now = self.pace.time(|| process.mapping_at(self.range.start))?;
            self.is_gone = now.is_none();
            self.mapping = now.or_else(|| self.mapping.take());
        }
        let range = self.mapping.as_ref().map(Mapping::range);
        let Some(range) = range.filter(|_| !self.is_gone) else { return Ok(()) };
        if pages {
            let residency = self.pages_pace.time(|| process.residency(range.clone()))?;
            self.heat = Arc::new(Heat::of(&residency, Some(&self.heat)));
            self.resident.push(residency.resident_bytes() as f64);
            self.pages_at = Instant::now();
        }
        if costs {
            let costs = self.costs_pace.time(|| process.costs(range))?;
            // It may have gone since.
            if !costs.mappings.is_empty() {
                (self.costs, self.costs_at) = (Some(Arc::new(costs)), Instant::now());
            }
        }
        Ok(())
    }

    /// Notes why there will be no more: the figures are the last ones.
    pub(crate) fn fail(&mut self, error: String) {
        self.error = Some(error);
    }

    /// What there is to show of it.
    pub(crate) fn pages(&self, id: Id) -> Pages {
        let gone = || format!("nothing is mapped at {:#x} any more", self.range.start);
        Pages {
            id,
            range: self.range.clone(),
            mapping: self.mapping.clone(),
            heat: self.heat.clone(),
            resident: self.resident.clone(),
            age: self.pages_at.elapsed(),
            costs: self.costs.clone(),
            costs_age: self.costs_at.elapsed(),
            error: self.error.clone().or_else(|| self.is_gone.then(gone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use folio::{Mapping, Protection};

    #[test]
    fn a_mapping_that_becomes_longer_is_read_to_its_end() {
        let page = rustix::param::page_size();
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * page as u64).unwrap();
        let mut mapping = Mapping::options().write().map(&file).unwrap();
        // What may be done with the rest is something else.
        mapping.protect(2 * page.., Protection::READ).unwrap();
        let start = mapping.address();
        let process = Process::current().unwrap();
        let mut mapped = Mapped::new(&(start..start + 2 * page));
        let mut pages_until = |pages: usize| {
            let is_read = |shown: &Pages| {
                let range = shown.mapping.as_ref().map(folio_stat::Mapping::range);
                range == Some(start..start + pages * page) && shown.heat.pages == pages as u64
            };
            let deadline = Instant::now() + std::time::Duration::from_secs(20);
            loop {
                mapped.read(&process, true);
                let shown = mapped.pages(Id { pid: 1, started_ticks: 1 });
                if is_read(&shown) {
                    return shown;
                }
                assert!(Instant::now() < deadline, "{shown:?}");
            }
        };
        pages_until(2);
        mapping.protect(.., Protection::READ | Protection::WRITE).unwrap();
        let shown = pages_until(4);
        assert_eq!((shown.error, shown.range), (None, start..start + 2 * page));
    }
}
