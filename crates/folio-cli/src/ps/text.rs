//! Processes and mappings for people.

use std::io::{self, Write};

use anstyle::Style;
use folio_stat::{Residency, Sharing};

use crate::columns::{self, Cell, Column};
use crate::letters::{self, printable};
use crate::ps::figures::Figures;
use crate::ps::group::Group;
use crate::ps::overview::{Overview, State};
use crate::ps::snapshot::Snapshot;
use crate::size::{grouped, rounded};
use crate::strip;
use crate::table::{Page, row, wrap};
use crate::terminal::{BAD, GOOD, STRONG, WEAK};

/// Writes a row for each process, and their total.
///
/// # Errors
/// What the writer fails with.
pub fn list(out: &mut impl Write, all: &[Overview], page: Page) -> io::Result<()> {
    const COLUMNS: [Column; 12] = [
        Column::number("pid"),
        Column::number("proportional"),
        Column::number("resident"),
        Column::number("shared").optional(2),
        Column::number("private").optional(1),
        Column::number("dirty").optional(6),
        Column::number("swap").optional(3),
        Column::number("huge").optional(3),
        Column::number("mappings").optional(5),
        Column::number("minor").optional(7),
        Column::number("major").optional(4),
        Column::names("name"),
    ];
    let mut rows: Vec<_> = all.iter().map(process_cells).collect();
    if all.len() > 1 {
        let total = all.iter().filter_map(|overview| overview.costs).sum();
        let mut cells = vec![Cell::new("")];
        cells
            .extend(figure_cells(&total, all.iter().map(|overview| overview.resident_bytes).sum()));
        cells.extend([(); 3].map(|()| Cell::new("")));
        cells.push(Cell::styled(format!("{} processes", grouped(all.len() as u64)), WEAK));
        rows.push(cells);
    }
    columns::write(out, &COLUMNS, &rows, page)?;
    let refused = all.iter().filter(|overview| overview.state == State::Refused).count();
    if refused > 0 {
        let (whose, way_out) = match rustix::process::geteuid().is_root() {
            false => ("of other users", "run as root for the rest"),
            true => ("refused even to root", "run it outside of the container for the rest"),
        };
        let text = format!(
            "{} {whose}: resident and swap only, and no part of the total; {way_out}",
            grouped(refused as u64)
        );
        writeln!(out)?;
        for line in wrap(&text, page.width) {
            writeln!(out, "{WEAK}{line}{WEAK:#}")?;
        }
    }
    Ok(())
}

fn process_cells(overview: &Overview) -> Vec<Cell> {
    let mut cells = vec![Cell::new(overview.pid.to_string())];
    match &overview.costs {
        Some(costs) => cells.extend(figure_cells(costs, overview.resident_bytes)),
        None => {
            cells.extend([(); 7].map(|()| Cell::nothing()));
            cells[2] = size_cell(overview.resident_bytes);
            cells[6] = size_cell(overview.swapped_bytes);
        }
    }
    cells.push(count_cell(overview.mapping_count.unwrap_or(0) as u64));
    cells.push(count_cell(overview.minor_faults));
    cells.push(count_cell(overview.major_faults));
    let name = printable(overview.program());
    cells.push(match overview.state {
        State::Alive => Cell::styled(name, STRONG),
        State::Ended => Cell::styled(format!("{name} (ended)"), BAD),
        State::Refused => Cell::styled(format!("{name} (refused)"), WEAK),
        State::Failed => Cell::styled(format!("{name} (failed)"), BAD),
    });
    cells
}

/// Proportional, resident, shared, private, dirty, swap, huge.
fn figure_cells(figures: &Figures, resident_bytes: usize) -> [Cell; 7] {
    [
        figures.proportional_bytes,
        resident_bytes,
        figures.shared_bytes(),
        figures.private_bytes(),
        figures.dirty_bytes(),
        figures.swapped_bytes,
        figures.huge_bytes(),
    ]
    .map(size_cell)
}

pub(crate) fn size_cell(bytes: usize) -> Cell {
    if bytes == 0 { Cell::nothing() } else { Cell::new(rounded(bytes as u64)) }
}

fn count_cell(count: u64) -> Cell {
    if count == 0 { Cell::nothing() } else { Cell::new(grouped(count)) }
}

/// Writes who a process is, and why it could not be read, if so.
///
/// # Errors
/// What the writer fails with.
pub fn head(out: &mut impl Write, overview: &Overview, page: Page) -> io::Result<()> {
    let name = printable(overview.program());
    let start = format!("{name}  {}", overview.pid);
    let rest = start.strip_prefix(&*name).unwrap_or_default();
    write!(out, "{STRONG}{name}{STRONG:#}{rest}")?;
    if let Some(executable) = &overview.executable {
        let room = page.width.saturating_sub(letters::columns(&start) + 2);
        write!(out, "  {}", letters::shortened(executable, room, page.unicode))?;
    }
    writeln!(out)
}

/// Writes what is known of a process that could not be read.
///
/// # Errors
/// What the writer fails with.
pub fn refusal(out: &mut impl Write, overview: &Overview, page: Page) -> io::Result<()> {
    writeln!(out)?;
    let reason = overview.reason.as_deref().map(printable).unwrap_or_default();
    row(out, "not read", BAD, &wrap(&reason, page.beside()))?;
    if overview.state != State::Ended {
        row(out, "resident", Style::new(), &[rounded(overview.resident_bytes as u64)])?;
    }
    row(out, "faults", Style::new(), &[faults(overview)])
}

fn faults(overview: &Overview) -> String {
    format!("{} minor, {} major", grouped(overview.minor_faults), grouped(overview.major_faults))
}

/// Writes the mappings of a process, in these groups, each with a strip of its residency, if that is known.
///
/// # Errors
/// What the writer fails with.
pub fn mappings(
    out: &mut impl Write,
    snapshot: &Snapshot,
    groups: &[Group<'_>],
    residencies: &[Residency],
    each: bool,
    page: Page,
) -> io::Result<()> {
    const COLUMNS: [Column; 13] = [
        Column::number("address").optional(1),
        Column::number("size").optional(1),
        Column::number("proportional"),
        Column::number("resident"),
        Column::number("shared").optional(4),
        Column::number("private").optional(3),
        Column::number("dirty").optional(5),
        Column::number("swap").optional(1),
        Column::number("huge").optional(1),
        Column::number("mappings").optional(6),
        Column::words("access").optional(2),
        Column::words("residency").optional(7),
        Column::names("backing"),
    ];
    const CELLS: usize = 12;
    let mut rows = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let figures = &group.figures;
        let mut cells = match each {
            true => {
                let size = Cell::new(rounded(figures.mapped_bytes as u64));
                vec![Cell::styled(format!("{:x}", group.first().address), WEAK), size]
            }
            false => [(); 2].map(|()| Cell::nothing()).to_vec(),
        };
        cells.extend(figure_cells(figures, figures.resident_bytes));
        cells.push(if each { Cell::nothing() } else { count_cell(group.members.len() as u64) });
        cells.push(Cell::new(access(group)));
        let buckets = residencies.get(index).map(|residency| residency.buckets(CELLS));
        let strip = strip::text(&buckets.unwrap_or_default(), page.unicode);
        cells.push(Cell::styled(strip, GOOD));
        cells.push(Cell::new(printable(&backing(group, each))));
        rows.push(cells);
    }
    let total = |name: &str, figures: &Figures, count: usize| {
        let mut cells = [(); 2].map(|()| Cell::new("")).to_vec();
        cells.extend(figure_cells(figures, figures.resident_bytes));
        cells.push(if each { Cell::new("") } else { count_cell(count as u64) });
        cells.extend([(); 2].map(|()| Cell::new("")));
        cells.push(Cell::styled(name, WEAK));
        cells
    };
    let shown = groups.iter().map(|group| group.members.len()).sum();
    if shown < snapshot.mappings.len() {
        rows.push(total("shown", &groups.iter().map(|group| group.figures).sum(), shown));
    }
    let costs = snapshot.overview.costs.unwrap_or_default();
    rows.push(total("total", &costs, snapshot.mappings.len()));
    writeln!(out)?;
    columns::write(out, &COLUMNS, &rows, page)?;
    writeln!(out)?;
    let overview = &snapshot.overview;
    let mapped =
        format!("{} in {}", rounded(costs.mapped_bytes as u64), count_of(snapshot.mappings.len()));
    row(out, "mapped", Style::new(), &[mapped])?;
    row(out, "faults", Style::new(), &[faults(overview)])?;
    if snapshot.has_changed {
        let text = "while it was read: mappings and total are of slightly different times";
        row(out, "changed", BAD, &wrap(text, page.beside()))?;
    }
    Ok(())
}

fn count_of(mappings: usize) -> String {
    match mappings {
        1 => "1 mapping".into(),
        mappings => format!("{} mappings", grouped(mappings as u64)),
    }
}

/// Such as `rw-`, and `shared` where what is written is.
pub(crate) fn access(group: &Group<'_>) -> String {
    let is_shared = group.members.iter().any(|costs| costs.mappings[0].sharing == Sharing::Shared);
    let protection = group.protection().map_or("various".into(), |known| known.to_string());
    format!("{protection}{}", if is_shared { " shared" } else { "" })
}

fn backing(group: &Group<'_>, each: bool) -> String {
    let (name, offset) = (group.name(), group.backing().offset_bytes);
    match each && group.backing().path.is_some() && offset > 0 {
        true => format!("{name} from {offset:#x}"),
        false => name,
    }
}
