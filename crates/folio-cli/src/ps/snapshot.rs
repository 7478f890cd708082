//! A process and its mappings, read together.
//!
//! 1. The mappings and their costs, from smaps; then the total, from smaps_rollup.
//! 2. If the two do not say the same, to the page, the process changed meanwhile: the total is then that
//!    of the mappings shown, and [`Snapshot::has_changed`] says so.
//!
//! ```
//! use folio_cli::ps::snapshot::Snapshot;
//! use folio_stat::Process;
//! let snapshot = Snapshot::of(&Process::of(std::os::unix::process::parent_id()).unwrap()).unwrap();
//! assert_eq!(snapshot.overview.mapping_count, Some(snapshot.mappings.len()));
//! ```

use folio_stat::{Costs, Error, Process};

use crate::ps::figures::Figures;
use crate::ps::overview::Overview;

/// A process, as it was when it was read.
#[derive(Debug)]
pub struct Snapshot {
    /// Who it is, and its total. That is missing if the process could not be read.
    pub overview: Overview,
    /// Its mappings by address: each the costs of one.
    pub mappings: Vec<Costs>,
    /// It mapped, touched or gave up memory while it was read.
    pub has_changed: bool,
    /// Why it could not be read.
    pub error: Option<Error>,
}

impl Snapshot {
    /// Reads a process. If it may not be read, or ends meanwhile, what everybody may know is there, and
    /// [`Snapshot::error`].
    ///
    /// # Errors
    /// That it had ended before.
    pub fn of(process: &Process) -> Result<Self, Error> {
        let overview = Overview::known(process, &process.status()?);
        let mut snapshot = Self { overview, mappings: Vec::new(), has_changed: false, error: None };
        let read = || Ok::<_, Error>((process.costs_by_mapping()?, process.total_costs()?));
        match read() {
            Ok((mappings, total)) => snapshot.add(mappings, Figures::of(&total)),
            Err(error) => {
                snapshot.overview.fail(&error);
                snapshot.error = Some(error);
            }
        }
        Ok(snapshot)
    }

    fn add(&mut self, mappings: Vec<Costs>, total: Figures) {
        let sum: Figures = mappings.iter().map(Figures::of).sum();
        self.has_changed = sum.exact() != total.exact();
        self.overview.costs = Some(if self.has_changed { sum } else { total });
        self.overview.mapping_count = Some(mappings.len());
        self.overview.settle();
        self.mappings = mappings;
    }
}
