//! The rows of the lists, and how figures are written.
//!
//! ```
//! use folio_cli::top::rows;
//! assert_eq!(rows::bytes(5 << 20), "5 MiB");
//! assert_eq!(rows::bytes(0), "-");
//! assert_eq!(rows::growth(Some(-4096.0)), "-4 KiB");
//! assert_eq!(rows::rate(Some(1234.5)), "1,235");
//! assert_eq!(rows::rate(None), "-");
//! assert_eq!(rows::age(Some(std::time::Duration::from_millis(9_800))), "9 s");
//! ```

use std::time::Duration;

use ratatui::style::{Modifier, Style};

use crate::letters;
use crate::size::{grouped, rounded};
use crate::top::columns::{self, Column, Columns, LineColumn, ProcessColumn};
use crate::top::list;
use crate::top::pen::Pen;
use crate::top::snapshot::{Line, Row, Snapshot};
use crate::top::state::{Level, Look, State};

/// A number of bytes; a dash for none.
pub fn bytes(bytes: usize) -> String {
    if bytes == 0 { "-".to_owned() } else { rounded(bytes as u64) }
}

/// Bytes that came, or went.
pub fn growth(bytes: Option<f64>) -> String {
    match bytes.map(f64::round) {
        Some(bytes) if bytes.abs() >= 1.0 => {
            let sign = if bytes < 0.0 { '-' } else { '+' };
            let bytes = bytes.abs() as u64;
            // In whole units, so that it takes few columns.
            let text = if bytes < 1024 { format!("{bytes} B") } else { rounded(bytes) };
            format!("{sign}{text}")
        }
        _ => "-".to_owned(),
    }
}

/// A number of events per second, rounded up, so that few are not none.
pub fn rate(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate > 0.0 => grouped(rate.ceil() as u64),
        _ => "-".to_owned(),
    }
}

/// How long ago something was read; a question mark for what was not.
pub fn age(age: Option<Duration>) -> String {
    match age.map(|age| age.as_secs()) {
        None => "?".to_owned(),
        Some(seconds @ ..600) => format!("{seconds} s"),
        Some(seconds) => format!("{} min", (seconds / 60).min(99)),
    }
}

/// Draws the titles of the columns; that of the order is underlined.
pub fn titles(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    match state.level {
        Level::Processes => {
            let by = state.process_sort.by;
            let columns = columns::of_processes(state, snapshot);
            title(
                pen,
                &columns,
                |column| column.sort() == Some(by) && column != ProcessColumn::Faults,
                state,
            );
        }
        _ => {
            let by = state.line_sort.by;
            let columns = columns::of_lines(state, snapshot);
            title(pen, &columns, |column| column.sort() == Some(by), state);
        }
    }
}

fn title<C: Column>(
    pen: &mut Pen<'_>,
    columns: &Columns<C>,
    is_order: impl Fn(C) -> bool,
    state: &State,
) {
    for placed in columns.iter() {
        let title = placed.column.title();
        let style = match is_order(placed.column) {
            true => state.look.strong().add_modifier(Modifier::UNDERLINED),
            false => state.look.weak(),
        };
        cell(pen, 0, placed, title, style);
    }
}

fn cell<C: Column>(
    pen: &mut Pen<'_>,
    y: u16,
    placed: columns::Placed<C>,
    text: &str,
    style: Style,
) {
    match placed.column.is_number() {
        true => pen.write_to_end(placed.x, y, placed.width, text, style),
        false => {
            pen.write(placed.x, y, placed.width, text, style);
        }
    }
}

/// Draws the rows in sight.
pub fn draw(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let first = state.cursor().first;
    let height = pen.area().height;
    let mut count = 0;
    match state.level {
        Level::Processes => {
            let columns = columns::of_processes(state, snapshot);
            let rows = list::processes(snapshot, state);
            for (y, row) in (0..height).zip(rows.into_iter().skip(first)) {
                for placed in columns.iter() {
                    let (text, style) = of_process(row, placed, state.look);
                    cell(pen, y, placed, &text, style);
                }
                count += 1;
            }
        }
        _ => {
            let columns = columns::of_lines(state, snapshot);
            let lines = list::lines(snapshot, state);
            for (y, line) in (0..height).zip(lines.into_iter().skip(first)) {
                for placed in columns.iter() {
                    let (text, style) = of_line(line, placed, state.look);
                    cell(pen, y, placed, &text, style);
                }
                count += 1;
            }
        }
    }
    match count {
        0 => nothing(pen, snapshot, state),
        _ => {
            let chosen = state.cursor().index.saturating_sub(first);
            pen.style(u16::try_from(chosen).unwrap_or(u16::MAX), state.look.chosen());
        }
    }
}

/// Says why there are no rows.
fn nothing(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let opened = snapshot.opened.as_ref().filter(|opened| Some(opened.id) == state.process);
    let error = opened.and_then(|opened| opened.error.as_ref());
    let (text, style) = match (state.level, error) {
        _ if !state.filter().is_empty() => ("nothing has this in its name", state.look.weak()),
        (Level::Processes, _) if snapshot.processes.is_empty() => {
            ("no process is to be seen", state.look.weak())
        }
        (_, Some(error)) => (error.as_str(), state.look.bad()),
        (_, None) => ("its mappings are being read", state.look.weak()),
    };
    wrapped(pen, text, style);
}

/// Writes a sentence into as many lines as it needs.
pub(crate) fn wrapped(pen: &mut Pen<'_>, text: &str, style: Style) {
    for (y, line) in (0..).zip(crate::table::wrap(text, pen.area().width.max(1).into())) {
        pen.write(0, y, u16::MAX, &line, style);
    }
}

fn of_process(row: &Row, placed: columns::Placed<ProcessColumn>, look: Look) -> (String, Style) {
    use ProcessColumn as C;
    let costs = |of: fn(&crate::ps::figures::Figures) -> usize| match &row.costs {
        Some(costs) => bytes(of(costs)),
        None => "?".to_owned(),
    };
    let text = match placed.column {
        C::Pid => row.id.pid.to_string(),
        C::User => row.user.to_string(),
        C::Threads => row.threads.to_string(),
        C::Resident => bytes(row.resident_bytes),
        C::Proportional => costs(|costs| costs.proportional_bytes),
        C::Shared => costs(|costs| costs.shared_bytes()),
        C::Private => costs(|costs| costs.private_bytes()),
        C::Huge => costs(|costs| costs.huge_bytes()),
        C::Age if row.has_ended => "-".to_owned(),
        C::Age => age(row.costs_age),
        C::Swapped => bytes(row.swapped_bytes),
        C::Growth => growth(row.activity.growth_per_second),
        C::Minor => rate(row.activity.minor_per_second),
        C::Major => rate(row.activity.major_per_second),
        C::Faults => row.activity.minor.bars(placed.width.into(), look.unicode),
        C::Name if row.has_ended => format!("has ended: {}", row.name),
        C::Name => letters::shortened(&row.name, placed.width.into(), look.unicode),
    };
    let style = match placed.column {
        _ if row.has_ended => look.weak(),
        _ if text == "-" || text == "?" => look.weak(),
        C::Age => look.weak(),
        C::Name => look.strong(),
        C::Major => look.bad(),
        C::Faults => look.history(),
        _ => Style::new(),
    };
    (text, style)
}

fn of_line(line: &Line, placed: columns::Placed<LineColumn>, look: Look) -> (String, Style) {
    use LineColumn as C;
    let figures = &line.figures;
    let text = match placed.column {
        C::Address => format!("{:#x}", line.range.start),
        C::Protection => line.protection.clone(),
        C::Mappings => grouped(line.mappings as u64),
        C::Mapped => bytes(figures.mapped_bytes),
        C::Resident => bytes(figures.resident_bytes),
        C::Proportional => bytes(figures.proportional_bytes),
        C::Dirty => bytes(figures.dirty_bytes()),
        C::Huge => bytes(figures.huge_bytes()),
        C::Swapped => bytes(figures.swapped_bytes),
        C::Name => letters::shortened(&line.name, placed.width.into(), look.unicode),
    };
    let style = match placed.column {
        _ if text == "-" => look.weak(),
        C::Name => look.strong(),
        C::Address | C::Protection => look.weak(),
        _ => Style::new(),
    };
    (text, style)
}
