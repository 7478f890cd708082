//! A process in a list: who it is, and what it costs altogether.
//!
//! ```
//! use folio_cli::ps::overview::{Overview, State};
//! let all = Overview::all().unwrap();
//! let own = all.iter().find(|overview| overview.pid == std::process::id()).unwrap();
//! assert_eq!(own.state, State::Alive);
//! assert!(own.costs.unwrap().resident_bytes > 0);
//! ```

use folio_stat::{Error, ErrorKind, Process, Status};
use serde::Serialize;

use crate::failure::Failure;
use crate::ps::figures::Figures;
use crate::ps::wanted;

/// A process, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Its number.
    pub pid: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The file it executes, as far as it may be known.
    pub executable: Option<String>,
    /// The user whose rights it has.
    pub user: u32,
    /// Whether all could be read.
    pub state: State,
    /// Why not.
    pub reason: Option<String>,
    /// Faults that found their page in memory, since it started.
    pub minor_faults: u64,
    /// Faults that waited for a read.
    pub major_faults: u64,
    /// Pages in memory. Where `costs` are missing, as the kernel counts them for everybody.
    pub resident_bytes: usize,
    /// Pages moved out to swap, likewise.
    pub swapped_bytes: usize,
    /// How many mappings it has.
    pub mapping_count: Option<usize>,
    /// What they cost together.
    pub costs: Option<Figures>,
}

/// What became of reading a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All was read.
    Alive,
    /// It has ended, maybe while it was read.
    Ended,
    /// It is not ours to look into.
    Refused,
    /// Something else failed.
    Failed,
}

impl Overview {
    /// All processes that have memory of their own, by pid. One that ends meanwhile stays in the list, and is
    /// said to have ended.
    ///
    /// # Errors
    /// Where /proc does not show processes.
    pub fn all() -> Result<Vec<Self>, Failure> {
        let of = |pid| {
            let process = Process::of(pid).ok()?;
            let status = process.status().ok()?;
            (!status.is_kernel_thread).then(|| Self::of(&process, &status))
        };
        Ok(Process::pids()?.into_iter().filter_map(of).collect())
    }

    /// One process.
    pub fn of(process: &Process, status: &Status) -> Self {
        let mut overview = Self::known(process, status);
        let costs = match status.has_ended {
            true => Ok(None),
            false => process.total_costs().map(Some),
        };
        match costs {
            Ok(costs) => {
                overview.costs = costs.as_ref().map(Figures::of);
                overview.mapping_count = process.mapping_count().ok();
            }
            Err(error) => overview.fail(&error),
        }
        overview.settle();
        overview
    }

    /// What everybody may know.
    pub(crate) fn known(process: &Process, status: &Status) -> Self {
        let (state, reason) = match status.has_ended {
            true => (State::Ended, Some("it has ended".to_owned())),
            false => (State::Alive, None),
        };
        Self {
            pid: status.pid,
            name: status.name.clone(),
            executable: process.executable().map(|path| path.to_string_lossy().into_owned()),
            user: status.user,
            state,
            reason,
            minor_faults: status.faults.minor,
            major_faults: status.faults.major,
            resident_bytes: status.resident_bytes,
            swapped_bytes: status.swapped_bytes,
            mapping_count: None,
            costs: None,
        }
    }

    /// Notes that it could not be read.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.state = match error.kind() {
            ErrorKind::ProcessGone => State::Ended,
            ErrorKind::PermissionDenied => State::Refused,
            _ => State::Failed,
        };
        self.reason = Some(error.to_string());
    }

    /// Takes over what the costs say better.
    pub(crate) fn settle(&mut self) {
        if let Some(costs) = &self.costs {
            self.resident_bytes = costs.resident_bytes;
            self.swapped_bytes = costs.swapped_bytes;
        }
    }

    /// The name of the file it executes, which is longer than the 15 bytes of the process's name; the
    /// latter where it has changed it, or where the file is not known.
    pub fn program(&self) -> &str {
        wanted::program(self.executable.as_deref(), &self.name)
    }
}
