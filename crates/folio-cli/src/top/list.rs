//! A list: the rows that a state shows of a snapshot, in their order.
//!
//! ```
//! use folio_cli::top::list;
//! assert!(list::has("PostgreSQL", "gres") && list::has("PostgreSQL", "GRESQL"));
//! assert!(list::has("anything", "") && !list::has("a", "b"));
//! ```

use std::ops::Range;

use crate::top::snapshot::{GroupId, Line, Pages, Row, Snapshot};
use crate::top::state::{Level, State, Thing};

/// The processes that are shown.
pub fn processes<'a>(snapshot: &'a Snapshot, state: &State) -> Vec<&'a Row> {
    let is_shown = |row: &&Row| has(&process_name(row), state.filter());
    let mut rows: Vec<_> = snapshot.processes.iter().filter(is_shown).collect();
    rows.sort_by(|a, b| state.process_sort.compare(a, b));
    rows
}

/// The groups or mappings that are shown.
pub fn lines<'a>(snapshot: &'a Snapshot, state: &State) -> Vec<&'a Line> {
    let opened = snapshot.opened.as_ref().filter(|opened| Some(opened.id) == state.process);
    let Some(opened) = opened else { return Vec::new() };
    let all = if state.level == Level::Groups { &opened.groups } else { &opened.each };
    let group = state.group.as_ref().filter(|_| state.level != Level::Groups);
    let is_shown = |line: &&Line| {
        group.is_none_or(|group| line.is_of(group)) && has(&line.name, state.filter())
    };
    let mut lines: Vec<_> = all.iter().filter(is_shown).collect();
    lines.sort_by(|a, b| state.line_sort.compare(a, b));
    lines
}

/// What the rows are about.
pub fn things(snapshot: &Snapshot, state: &State) -> Vec<Thing> {
    match state.level {
        Level::Processes => {
            processes(snapshot, state).into_iter().map(|row| Thing::Process(row.id)).collect()
        }
        Level::Groups => {
            let group = |line: &Line| Thing::Group(line.group());
            lines(snapshot, state).into_iter().map(group).collect()
        }
        Level::Mappings | Level::Mapping => {
            let mapping = |line: &Line| Thing::Mapping(line.range.clone());
            lines(snapshot, state).into_iter().map(mapping).collect()
        }
    }
}

/// What is searched for in each row.
pub fn names(snapshot: &Snapshot, state: &State) -> Vec<String> {
    match state.level {
        Level::Processes => processes(snapshot, state).into_iter().map(process_name).collect(),
        _ => lines(snapshot, state).into_iter().map(|line| line.name.clone()).collect(),
    }
}

fn process_name(row: &Row) -> String {
    format!("{} {}", row.id.pid, row.name)
}

/// The mappings of a group.
pub fn members(snapshot: &Snapshot, group: &GroupId) -> Vec<Range<usize>> {
    let each = snapshot.opened.iter().flat_map(|opened| opened.each.iter());
    each.filter(|line| line.is_of(group)).map(|line| line.range.clone()).collect()
}

/// The mapping that is open.
pub fn open_pages<'a>(snapshot: &'a Snapshot, state: &State) -> Option<&'a Pages> {
    let pages = snapshot.pages.as_ref().filter(|pages| Some(pages.id) == state.process)?;
    let start = state.mapping.as_ref()?.start;
    Some(pages).filter(|pages| pages.range.start == start)
}

/// The process that is open.
pub fn open_row<'a>(snapshot: &'a Snapshot, state: &State) -> Option<&'a Row> {
    snapshot.processes.iter().find(|row| Some(row.id) == state.process)
}

/// Whether a name has this in it, in small letters or large ones.
pub fn has(name: &str, part: &str) -> bool {
    part.is_empty() || name.to_lowercase().contains(&part.to_lowercase())
}
