//! The report for people: a table, and what was done.
//!
//! Quiet: columns that would say 0 in every row are left out.

use std::io::{self, Write};

use anstyle::Style;

use super::counts::Counts;
use super::ledger::{Kind, Row};
use super::report::{Done, Report, page_bytes};
use crate::size::{grouped, rounded};
use crate::strip;
use crate::table::{Page, wrap};
use crate::terminal::{self, GOOD, STRONG, WEAK};

/// Columns of a strip, at most and at least.
const STRIP: (usize, usize) = (48, 8);
/// Columns between two.
const GAP: usize = 2;

struct Line<'a> {
    name: String,
    depth: usize,
    counts: Counts,
    row: Option<&'a Row>,
}

/// A column: its title, and what it says of a row, nothing where that is 0.
type Column = (&'static str, fn(&Counts) -> String);

/// Writes a report.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let lines = lines(report);
    let columns: Vec<_> = COLUMNS
        .into_iter()
        .enumerate()
        .filter(|(index, (_, cell))| {
            *index < 4 || lines.iter().any(|line| cell(&line.counts) != "-")
        })
        .map(|(_, column)| column)
        .collect();
    let width = |(title, cell): &Column| {
        lines.iter().map(|line| cell(&line.counts).len()).chain([title.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().map(width).collect();
    for ((title, _), width) in columns.iter().zip(&widths) {
        write!(out, "{WEAK}{title:>width$}{WEAK:#}{:GAP$}", "")?;
    }
    let left = widths.iter().map(|width| width + GAP).sum::<usize>();
    let name = |line: &Line<'_>| GAP * line.depth + line.name.chars().count();
    let names = lines.iter().filter(|line| line.residency().is_some()).map(name).max();
    // A strip for files takes what their names leave.
    let cells =
        names.map(|names| page.width.saturating_sub(left + GAP + names).clamp(STRIP.1, STRIP.0));
    if let Some(cells) = cells {
        write!(out, "{WEAK}{:cells$}{WEAK:#}{:GAP$}", "which", "")?;
    }
    writeln!(out, "{WEAK}path{WEAK:#}")?;
    for line in &lines {
        for ((_, cell), width) in columns.iter().zip(&widths) {
            let text = cell(&line.counts);
            let style = if text == "-" { WEAK } else { Style::new() };
            write!(out, "{style}{text:>width$}{style:#}{:GAP$}", "")?;
        }
        if let Some(cells) = cells {
            let buckets = line.residency().map(|residency| residency.buckets(cells));
            let strip = strip::text(&buckets.unwrap_or_default(), page.unicode);
            write!(out, "{GOOD}{strip:cells$}{GOOD:#}{:GAP$}", "")?;
        }
        let style = if line.depth == 0 && line.row.is_some() { STRONG } else { Style::new() };
        let indent = GAP * line.depth;
        writeln!(out, "{:indent$}{style}{}{style:#}", "", line.name)?;
    }
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

const COLUMNS: [Column; 9] = [
    ("pages", |counts| grouped(counts.resident_pages)),
    ("in memory", |counts| size_of(Some(counts.resident_pages))),
    ("of", |counts| rounded(counts.length_bytes)),
    ("part", percentage),
    ("dirty", |counts| size_of(counts.dirty_pages)),
    ("writeback", |counts| size_of(counts.writeback_pages)),
    ("evicted", |counts| size_of(counts.evicted_pages)),
    ("recently", |counts| size_of(counts.recently_evicted_pages)),
    ("files", |counts| match counts.files {
        0 | 1 => "-".into(),
        files => grouped(files),
    }),
];

fn size_of(pages: Option<u64>) -> String {
    match pages {
        None => "?".into(),
        Some(0) => "-".into(),
        Some(pages) => rounded(pages * page_bytes()),
    }
}

/// Rounded down: what is not all is not 100 %.
fn percentage(counts: &Counts) -> String {
    match (counts.resident_pages, counts.pages) {
        (_, 0) | (0, _) => "-".into(),
        (resident, pages) => match u128::from(resident) * 100 / u128::from(pages) {
            0 => "<1 %".into(),
            part => format!("{part} %"),
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
    let mut name = terminal::printable(&row.path.to_string_lossy()).into_owned();
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
                let path = terminal::printable(&stayed.path);
                let bytes = rounded(stayed.resident_bytes);
                say(format!("{bytes} stayed of {path}: {}{by}", stayed.reason))
            })
        }
        Done::Locked => say("\nlocked until Ctrl-C or SIGTERM".into()),
    }
}
