//! The report for people: a table, and what was done.
//!
//! Quiet: columns that would say 0 in every row are left out, and those that matter least where the page is too
//! narrow.

use std::io::{self, Write};

use anstyle::Style;

use super::counts::Counts;
use super::ledger::{Kind, Row};
use super::report::{Done, Report, page_bytes};
use crate::columns::{self, Cell, Column};
use crate::letters;
use crate::size::{grouped, rounded};
use crate::strip;
use crate::table::{Page, wrap};
use crate::terminal::{GOOD, STRONG};

/// Columns of a strip, at most and at least.
const STRIP: (usize, usize) = (48, 8);

struct Line<'a> {
    name: String,
    depth: usize,
    counts: Counts,
    row: Option<&'a Row>,
}

/// Writes a report.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    const COLUMNS: [Column; 11] = [
        Column::number("pages").optional(5),
        Column::number("in memory"),
        Column::number("of"),
        Column::number("part").optional(3),
        Column::number("dirty").optional(1),
        Column::number("writeback").optional(6),
        Column::number("evicted").optional(7),
        Column::number("recently").optional(8),
        Column::number("files").optional(4),
        Column::words("which").optional(2),
        Column::names("path"),
    ];
    const WHICH: usize = 9;
    let lines = lines(report);
    let mut rows: Vec<Vec<Cell>> = lines.iter().map(cells).collect();
    if lines.iter().any(|line| line.residency().is_some()) {
        // Strips take what the rest leaves.
        let taken = columns::width(&COLUMNS, &rows);
        let strip = page.width.saturating_sub(taken).clamp(STRIP.1, STRIP.0);
        for (row, line) in rows.iter_mut().zip(&lines) {
            let buckets = line.residency().map(|residency| residency.buckets(strip));
            let strip = strip::text(&buckets.unwrap_or_default(), page.unicode);
            row[WHICH] = Cell::styled(strip, GOOD);
        }
    }
    columns::write(out, &COLUMNS, &rows, page)?;
    match report.special_files {
        0 => {}
        1 => writeln!(out, "\nleft out 1 socket, pipe or device")?,
        files => writeln!(out, "\nleft out {} sockets, pipes and devices", grouped(files))?,
    }
    done(out, &report.done, page)
}

impl Line<'_> {
    fn residency(&self) -> Option<&folio_stat::Residency> {
        self.row?.residency.as_ref()
    }
}

fn cells(line: &Line<'_>) -> Vec<Cell> {
    let counts = &line.counts;
    // What a file counts is itself.
    let is_file = line.row.is_some_and(|row| row.kind != Kind::Directory);
    let files = match (is_file, counts.files) {
        (true, _) | (_, 0) => Cell::nothing(),
        (false, files) => Cell::new(grouped(files)),
    };
    let style = if line.depth == 0 && line.row.is_some() { STRONG } else { Style::new() };
    let indent = 2 * line.depth;
    vec![
        Cell::new(grouped(counts.resident_pages)),
        size_of(Some(counts.resident_pages)),
        Cell::new(rounded(counts.length_bytes)),
        percentage(counts),
        size_of(counts.dirty_pages),
        size_of(counts.writeback_pages),
        size_of(counts.evicted_pages),
        size_of(counts.recently_evicted_pages),
        files,
        Cell::new(""),
        Cell::styled(format!("{:indent$}{}", "", line.name), style),
    ]
}

fn size_of(pages: Option<u64>) -> Cell {
    match pages {
        None => Cell::new("?"),
        Some(0) => Cell::nothing(),
        Some(pages) => Cell::new(rounded(pages * page_bytes())),
    }
}

/// Rounded down: what is not all is not 100 %.
fn percentage(counts: &Counts) -> Cell {
    match (counts.resident_pages, counts.pages) {
        (_, 0) | (0, _) => Cell::nothing(),
        (resident, pages) => match u128::from(resident) * 100 / u128::from(pages) {
            0 => Cell::new("<1 %"),
            part => Cell::new(format!("{part} %")),
        },
    }
}

fn lines(report: &Report) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    report.files.iter().for_each(|row| add(&mut lines, row, 0));
    report.rows.iter().for_each(|row| add(&mut lines, row, 0));
    let (counts, _) = report.total();
    if report.rows.len() != 1 {
        lines.push(Line { name: "total".into(), depth: 0, counts, row: None });
    }
    lines
}

fn add<'a>(lines: &mut Vec<Line<'a>>, row: &'a Row, depth: usize) {
    let mut name = letters::printable(&row.path.to_string_lossy()).into_owned();
    if row.kind == Kind::Directory && !name.ends_with('/') {
        name.push('/');
    }
    lines.push(Line { name, depth, counts: row.counts, row: Some(row) });
    row.rows.iter().for_each(|row| add(lines, row, depth + 1));
}

fn done(out: &mut impl Write, done: &Done, page: Page) -> io::Result<()> {
    let mut say = |text: String| {
        wrap(&text, page.width).into_iter().try_for_each(|line| writeln!(out, "{line}"))
    };
    match done {
        Done::Nothing => Ok(()),
        Done::Warmed(bytes, seconds) => {
            let rate = rounded((*bytes as f64 / seconds.max(1e-3)) as u64);
            say(format!("\nloaded {} in {seconds:.1} s, {rate} a second", rounded(*bytes)))
        }
        Done::Evicted(bytes, stayed) => {
            say(format!("\nevicted {}", rounded(*bytes)))?;
            stayed.iter().try_for_each(|stayed| {
                let processes: Vec<_> = stayed.processes.iter().map(u32::to_string).collect();
                let by = match processes.is_empty() {
                    true => String::new(),
                    false => format!(" by process {}", processes.join(", ")),
                };
                let path = letters::printable(&stayed.path);
                let bytes = rounded(stayed.resident_bytes);
                say(format!("{bytes} stayed of {path}: {}{by}", stayed.reason))
            })
        }
        Done::Locked => say("\nlocked until Ctrl-C or SIGTERM".into()),
    }
}
