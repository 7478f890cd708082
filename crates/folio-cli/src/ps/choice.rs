//! Which processes and which mappings are meant, and what comes first.

use std::cmp::{Ordering, Reverse};
use std::path::Path;

use folio_stat::{Costs, Process, Status};
use glob::{MatchOptions, Pattern};

use crate::failure::Failure;
use crate::ps::arguments::{Ps, SortKey};
use crate::ps::figures::Figures;
use crate::ps::group::Group;
use crate::ps::overview::Overview;

/// A glob's `*` matches slashes too, as that of find(1) -path.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

/// The processes that an argument means, by pid: those that there were.
///
/// # Errors
/// That there is none, and that the argument is no glob.
pub fn processes(argument: &str) -> Result<Vec<Process>, Failure> {
    if !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_digit()) {
        let none =
            || Failure::new(format!("no process {argument}: folio ps lists those there are"));
        let pid = argument.parse().map_err(|_| none())?;
        return Process::of(pid).map(|process| vec![process]).map_err(|error| match error.kind() {
            folio_stat::ErrorKind::ProcessGone => none(),
            _ => error.into(),
        });
    }
    let pattern = Pattern::new(argument)
        .map_err(|error| Failure::new(format!("'{argument}' is no name or glob: {}", error.msg)))?;
    let is_meant = |pid| {
        let process = Process::of(pid).ok()?;
        let status = process.status().ok()?;
        (!status.is_kernel_thread && is_called(&pattern, &process, &status)).then_some(process)
    };
    let found: Vec<Process> = Process::pids()?.into_iter().filter_map(is_meant).collect();
    match found.is_empty() {
        true => Err(Failure::new(format!(
            "no process is called {argument}: folio ps lists those there are, '*{argument}*' finds a part"
        ))),
        false => Ok(found),
    }
}

fn is_called(pattern: &Pattern, process: &Process, status: &Status) -> bool {
    let is_path = pattern.as_str().contains('/');
    let executable = process.executable();
    let name = executable
        .as_deref()
        .and_then(|path| if is_path { Some(path.as_os_str()) } else { path.file_name() });
    let name = name.map(|name| name.to_string_lossy());
    let matches = |name: &str| pattern.matches_with(name, MATCHING);
    name.is_some_and(|name| matches(name.strip_suffix(" (deleted)").unwrap_or(&name)))
        || !is_path && matches(&status.name)
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

fn matches_path(pattern: &Pattern, path: &Path) -> bool {
    let name = match pattern.as_str().contains('/') {
        true => path.as_os_str(),
        false => path.file_name().unwrap_or_default(),
    };
    pattern.matches_with(&name.to_string_lossy(), MATCHING)
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
