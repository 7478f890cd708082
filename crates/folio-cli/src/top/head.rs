//! The head of the picture: what all of it is about, with histories.

use std::time::Duration;

use folio_stat::{Costs, Mapping};
use ratatui::style::Style;

use crate::letters;
use crate::size::{grouped, rounded};
use crate::table::is_news;
use crate::top::history::History;
use crate::top::list;
use crate::top::pen::{self, Pen};
use crate::top::rows::{bytes, rate};
use crate::top::snapshot::{Activity, Pages, Row, Snapshot};
use crate::top::state::{Level, Look, State};

/// Columns of a label and its figure.
const LABELS: u16 = 32;

/// Draws it, in as many lines as there are.
pub fn draw(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    match state.level {
        Level::Processes => {
            machine(pen, snapshot, state);
            activity(pen, 1, &snapshot.total, state);
        }
        Level::Groups | Level::Mappings => {
            process(pen, snapshot, state);
            if let Some(row) = list::open_row(snapshot, state) {
                activity(pen, 1, &row.activity, state);
                figure(
                    pen,
                    3,
                    "resident",
                    &bytes(row.resident_bytes),
                    &row.activity.resident,
                    state,
                );
            }
        }
        Level::Mapping => mapping(pen, snapshot, state),
    }
}

/// So many processes.
pub(crate) fn processes(count: usize) -> String {
    match count {
        1 => "1 process".to_owned(),
        count => format!("{} processes", grouped(count as u64)),
    }
}

fn machine(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let (look, machine) = (state.look, snapshot.machine);
    let count = snapshot.processes.iter().filter(|row| !row.has_ended).count();
    let processes = processes(count);
    let used = machine.memory_bytes.saturating_sub(machine.available_bytes);
    let memory = format!("{} of {}", rounded(used), rounded(machine.memory_bytes));
    let mut x = pen.spans(0, &[("folio top", look.strong()), ("  ", Style::new())]);
    // What does not fit as a whole is left out.
    let swap = match machine.swapped_bytes {
        0 => None,
        bytes => Some(("swap", format!("{} of {}", rounded(bytes), rounded(machine.swap_bytes)))),
    };
    let left_out = match snapshot.left_out {
        0 => None,
        count => Some(("left out (ulimit -n)", grouped(count as u64))),
    };
    for (label, text) in
        [Some(("", processes)), left_out, Some(("memory", memory)), swap].into_iter().flatten()
    {
        let needs = pen::columns(label) + 1 + pen::columns(&text);
        if x + needs > pen.area().width {
            return;
        }
        if !label.is_empty() {
            x = pen.write(x, 0, u16::MAX, label, look.weak()) + 1;
        }
        x = pen.write(x, 0, u16::MAX, &text, Style::new()) + 3;
    }
}

/// Two lines: the faults.
fn activity(pen: &mut Pen<'_>, y: u16, activity: &Activity, state: &State) {
    let minor = rate(activity.minor_per_second);
    figure(pen, y, "minor/s", &minor, &activity.minor, state);
    let major = rate(activity.major_per_second);
    figure(pen, y + 1, "major/s", &major, &activity.major, state);
}

/// A line with a label, a figure and its history.
fn figure(pen: &mut Pen<'_>, y: u16, label: &str, text: &str, history: &History, state: &State) {
    let look = state.look;
    pen.write(0, y, u16::MAX, label, look.weak());
    // A narrow line has room for the figure alone.
    let width = pen.area().width.min(LABELS - 2);
    let x = (pen::columns(label) + 1).min(width);
    pen.write_to_end(x, y, width - x, text, Style::new());
    let bars = pen.area().width.saturating_sub(LABELS);
    let bars = history.bars(bars.into(), look.unicode);
    pen.write(LABELS, y, u16::MAX, &bars, look.history());
}

fn process(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let Some(row) = list::open_row(snapshot, state) else {
        let pid = state.process.map_or(0, |id| id.pid);
        pen.write(0, 0, u16::MAX, &format!("process {pid} has ended"), state.look.bad());
        return;
    };
    let mut x = title(pen, row, state);
    if let Some(group) = state.group.as_ref().filter(|_| state.level == Level::Mappings) {
        let left = pen.area().width.saturating_sub(x);
        let group = letters::shortened(&group.name, left.into(), state.look.unicode);
        x = pen.write(x, 0, u16::MAX, &group, state.look.strong()) + 2;
    }
    let costs = row.costs.filter(|_| state.level == Level::Groups);
    let proportional =
        costs.map(|costs| format!("{} proportional", bytes(costs.proportional_bytes)));
    let age = snapshot.opened.as_ref().and_then(|opened| ago(opened.age));
    for text in proportional.into_iter().chain(age) {
        if x + pen::columns(&text) <= pen.area().width {
            x = pen.write(x, 0, u16::MAX, &text, state.look.weak()) + 2;
        }
    }
}

/// When something was read that is not read at each tick.
fn ago(age: Duration) -> Option<String> {
    (age >= Duration::from_secs(3)).then(|| format!("read {} s ago", age.as_secs()))
}

/// Its number and name. Returns where more may be written.
fn title(pen: &mut Pen<'_>, row: &Row, state: &State) -> u16 {
    let look = state.look;
    let pid = row.id.pid.to_string();
    let x = pen.spans(0, &[(&pid, look.weak()), (" ", Style::new()), (&row.name, look.strong())]);
    match row.has_ended {
        true => pen.write(x + 1, 0, u16::MAX, "has ended", look.bad()) + 2,
        false => x + 2,
    }
}

fn mapping(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let look = state.look;
    if let Some(row) = list::open_row(snapshot, state) {
        let x = title(pen, row, state);
        let faults = format!(
            "{} minor, {} major faults/s",
            rate(row.activity.minor_per_second),
            rate(row.activity.major_per_second)
        );
        if x + pen::columns(&faults) <= pen.area().width {
            pen.write(x, 0, u16::MAX, &faults, look.weak());
        }
    } else {
        process(pen, snapshot, state);
    }
    let Some(pages) = list::open_pages(snapshot, state) else { return };
    if let Some(mapping) = &pages.mapping {
        let name = mapping.backing.to_string();
        let name = letters::shortened(&name, pen.area().width.into(), look.unicode);
        pen.write(0, 1, u16::MAX, &name, look.strong());
        pen.write(0, 2, u16::MAX, &identity(mapping, pages), Style::new());
    }
    let resident = pages.heat.resident_pages * pages.heat.page_size_bytes as u64;
    let all = rounded(pages.heat.pages * pages.heat.page_size_bytes as u64);
    let text = format!("{} of {all}", rounded(resident));
    figure(pen, 3, "resident", &text, &pages.resident, state);
    let age = ago(pages.age).map_or(String::new(), |age| format!(", {age}"));
    let text = format!(
        "{} pages came, {} went{age}",
        grouped(pages.heat.came_pages),
        grouped(pages.heat.went_pages)
    );
    let moves = pages.heat.came_pages + pages.heat.went_pages > 0;
    pen.write(0, 4, u16::MAX, &text, if moves { look.came() } else { look.weak() });
    costs(pen, ABOVE_COSTS, pages, look);
}

/// Where a mapping is, what may be done with it, and what the kernel has noted about it.
fn identity(mapping: &Mapping, pages: &Pages) -> String {
    let range = mapping.range();
    let mut text =
        format!("{:#x}..{:#x}, {} {}", range.start, range.end, mapping.sharing, mapping.protection);
    if mapping.backing.offset_bytes > 0 {
        text.push_str(&format!(", from offset {:#x}", mapping.backing.offset_bytes));
    }
    if mapping.page_size_bytes > rustix::param::page_size() {
        text.push_str(&format!(", in pages of {}", rounded(mapping.page_size_bytes as u64)));
    }
    let flags = pages.costs.as_ref().map(|costs| costs.flags()).unwrap_or_default();
    flags.iter().filter(|flag| is_news(*flag)).for_each(|flag| text.push_str(&format!(", {flag}")));
    text
}

/// Lines of a mapping's head above what it costs.
const ABOVE_COSTS: u16 = 5;

/// Columns of a figure with its label, and of the label.
const COST: (u16, u16) = (22, 14);

type Cost = (&'static str, fn(&Costs) -> usize);

const COSTS: [Cost; 10] = [
    ("proportional", |costs| costs.proportional_bytes),
    ("private dirty", |costs| costs.private_dirty_bytes),
    ("private clean", |costs| costs.private_clean_bytes),
    ("shared dirty", |costs| costs.shared_dirty_bytes),
    ("shared clean", |costs| costs.shared_clean_bytes),
    ("referenced", |costs| costs.referenced_bytes),
    ("anonymous", |costs| costs.anonymous_bytes),
    ("huge", |costs| costs.transparent_huge_bytes().saturating_add(costs.hugetlb_bytes)),
    ("locked", |costs| costs.locked_bytes),
    ("swapped", |costs| costs.swapped_bytes),
];

/// Lines that the head of a mapping wants.
pub(crate) fn lines_of_mapping(columns: u16) -> u16 {
    // Behind the last is how old they are.
    ABOVE_COSTS + (COSTS.len() as u16 + 1).div_ceil(costs_in_a_line(columns))
}

fn costs_in_a_line(columns: u16) -> u16 {
    ((columns + 2) / (COST.0 + 2)).max(1)
}

/// What it costs, as many figures in a line as fit.
fn costs(pen: &mut Pen<'_>, y: u16, pages: &Pages, look: Look) {
    let in_a_line = costs_in_a_line(pen.area().width);
    let place = |index: u16| (index % in_a_line * (COST.0 + 2), y + index / in_a_line);
    for (index, (label, of)) in (0..).zip(COSTS) {
        let (x, y) = place(index);
        let text = pages.costs.as_deref().map_or("?".to_owned(), |costs| bytes(of(costs)));
        pen.write(x, y, COST.1, label, look.weak());
        let width = COST.0.min(pen.area().width);
        let style = if matches!(text.as_str(), "-" | "?") { look.weak() } else { Style::new() };
        pen.write_to_end(x + COST.1, y, width.saturating_sub(COST.1), &text, style);
    }
    let age = pages.costs.as_ref().and_then(|_| ago(pages.costs_age));
    let (x, y) = place(COSTS.len() as u16);
    pen.write(x, y, u16::MAX, &age.unwrap_or_default(), look.weak());
}
