//! Which processes and which mappings are meant, and what comes first.

use std::cmp::{Ordering, Reverse};

use folio_stat::{Costs, Process, Status};
use glob::Pattern;

use crate::failure::Failure;
use crate::ps::arguments::{Ps, SortKey};
use crate::ps::figures::Figures;
use crate::ps::group::Group;
use crate::ps::overview::Overview;
use crate::ps::wanted::{Wanted, matches_path};

/// The processes that an argument means, by pid, and what was known of them when they were found: each may have
/// ended since.
///
/// # Errors
/// That there is none, and that the argument is no glob.
pub fn processes(argument: &str) -> Result<Vec<(Process, Status)>, Failure> {
    let wanted = Wanted::parse(argument)?;
    if let Wanted::Pid(pid) = wanted {
        let found = Process::of(pid).and_then(|process| {
            let status = process.status()?;
            Ok(vec![(process, status)])
        });
        return found.map_err(|error| match error.kind() {
            folio_stat::ErrorKind::ProcessGone => wanted.none(),
            _ => error.into(),
        });
    }
    let is_meant = |pid| {
        let process = Process::of(pid).ok()?;
        let status = process.status().ok()?;
        let is_called = || wanted.is(pid, process.executable().as_deref(), &status.name);
        let is_meant = !status.is_kernel_thread && is_called();
        is_meant.then_some((process, status))
    };
    let found: Vec<_> = Process::pids()?.into_iter().filter_map(is_meant).collect();
    match found.is_empty() {
        true => Err(wanted.none()),
        false => Ok(found),
    }
}

/// Whether a mapping is one of those asked for.
pub fn is_wanted(costs: &Costs, arguments: &Ps) -> bool {
    let mapping = &costs.mappings[0];
    let is_file = |pattern: &Pattern| {
        mapping.backing.path.as_deref().is_some_and(|path| matches_path(pattern, path))
    };
    let figures = Figures::of(costs);
    arguments.file.as_ref().is_none_or(is_file)
        && (!arguments.dirty || figures.dirty_bytes() > 0)
        && (!arguments.huge || figures.huge_bytes() > 0)
        && (!arguments.writable_exec || mapping.protection.write && mapping.protection.execute)
}

/// Sorts processes.
pub fn sort_processes(all: &mut [Overview], key: SortKey) {
    all.sort_by(|one, other| {
        let first = match key {
            SortKey::Pid => Ordering::Equal,
            SortKey::Name => one.program().cmp(other.program()),
            SortKey::Faults => {
                let faults =
                    |overview: &Overview| Reverse(overview.minor_faults + overview.major_faults);
                faults(one).cmp(&faults(other))
            }
            SortKey::Mappings => Reverse(one.mapping_count).cmp(&Reverse(other.mapping_count)),
            SortKey::Swap => Reverse(one.swapped_bytes).cmp(&Reverse(other.swapped_bytes)),
            SortKey::Resident => Reverse(one.resident_bytes).cmp(&Reverse(other.resident_bytes)),
            key => {
                // Those of which it is not known come last, the largest of them first.
                let bytes = |overview: &Overview| {
                    Reverse((
                        overview.costs.map(|costs| bytes(&costs, key)),
                        overview.resident_bytes,
                    ))
                };
                bytes(one).cmp(&bytes(other))
            }
        };
        first.then(one.pid.cmp(&other.pid))
    });
}

/// Sorts groups of mappings.
pub fn sort_groups(groups: &mut [Group<'_>], key: SortKey) {
    match key {
        SortKey::Name => groups.sort_by_cached_key(|group| (group.name(), group.first().address)),
        SortKey::Mappings => groups.sort_by_key(|group| Reverse(group.members.len())),
        SortKey::Address => groups.sort_by_key(|group| group.first().address),
        key => groups.sort_by_key(|group| {
            (Reverse(bytes(&group.figures, key)), Reverse(group.figures.mapped_bytes))
        }),
    }
}

/// What is sorted by, of the keys that are bytes.
fn bytes(figures: &Figures, key: SortKey) -> usize {
    match key {
        SortKey::Resident => figures.resident_bytes,
        SortKey::Shared => figures.shared_bytes(),
        SortKey::Private => figures.private_bytes(),
        SortKey::Dirty => figures.dirty_bytes(),
        SortKey::Swap => figures.swapped_bytes,
        SortKey::Huge => figures.huge_bytes(),
        SortKey::Size => figures.mapped_bytes,
        SortKey::Proportional => figures.proportional_bytes,
        SortKey::Mappings | SortKey::Faults | SortKey::Pid | SortKey::Name | SortKey::Address => 0,
    }
}
