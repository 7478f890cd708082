//! The report for people: which files made the program wait, what would help, what is missing.

use std::io::{self, Write};

use anstyle::Style;

use crate::faults::report::{OfBacking, OfFunction, Report};
use crate::ipc::text::time;
use crate::shm::columns::Columns;
use crate::size::{exact, grouped};
use crate::table::{Page, row, wrap};
use crate::terminal::{self, BAD, STRONG, WEAK};

const TITLES: [&str; 6] = ["stall", "major", "minor", "signal", "of", "touched by"];
const NUMBERS: [usize; 4] = [0, 1, 2, 3];
const STALL: usize = 0;
const MAJOR: usize = 1;
const SIGNAL: usize = 3;
const NAME: usize = 4;
const TOUCHED: usize = 5;
/// Characters of a name in a line of text.
const NAME_WIDTH: usize = 40;
/// Columns of the numbers of a line.
const FIGURES_WIDTH: usize = 38;
const HEAT_FILES: usize = 4;
const HEAT_ROWS: usize = 12;
/// Page faults of a file, of which fewer are no pattern.
const LEAST_HEATED: u64 = 16;

/// Writes a report.
///
/// # Errors
/// What the writer fails with.
pub(crate) fn write(
    out: &mut impl Write,
    report: &Report,
    most: usize,
    heat: bool,
    page: Page,
) -> io::Result<()> {
    let (name, rest) = head(report);
    writeln!(out, "{STRONG}{name}{STRONG:#}")?;
    for line in wrap(&rest, page.width) {
        writeln!(out, "{line}")?;
    }
    if report.total.faults() > 0 {
        writeln!(out)?;
        table(out, report, most, page)?;
    }
    if heat {
        for file in heated(report).take(HEAT_FILES) {
            writeln!(out)?;
            map(out, file, page)?;
        }
    }
    writeln!(out)?;
    advice(out, report, page)?;
    if report.total.failed_faults > 0 {
        let count = report.total.failed_faults;
        let calls =
            if count == 1 { "page fault of a system call" } else { "page faults of system calls" };
        let text = format!("{} {calls} that got no page, beside these (EFAULT)", grouped(count));
        row(out, "failed", WEAK, &wrap(&text, page.beside()))?;
    }
    for text in missing(report) {
        row(out, "missing", BAD, &wrap(&text, page.beside()))?;
    }
    Ok(())
}

/// What was watched, and its page faults in a line.
pub(crate) fn head(report: &Report) -> (String, String) {
    let name = match (&report.command, report.process) {
        (Some(command), _) => command.join(" "),
        (None, Some(process)) => match report.processes.iter().find(|one| one.process == process) {
            Some(one) => format!("{} (process {process})", one.name),
            None => format!("process {process}"),
        },
        (None, None) => String::new(),
    };
    let name = short(&terminal::printable(&name), 2 * NAME_WIDTH);
    let total = &report.total;
    let elapsed = time(report.elapsed_nanoseconds as f64);
    let rest = match total.faults() {
        0 => format!("{elapsed}, no page faults"),
        count => {
            let stall = time(total.stall_nanoseconds as f64);
            let faults = if count == 1 { "page fault" } else { "page faults" };
            let major = match total.major_faults {
                0 => String::new(),
                count => format!(
                    ", {} of it for {} major ones",
                    time(total.major_stall_nanoseconds as f64),
                    grouped(count)
                ),
            };
            format!("{elapsed}, {} {faults}, which stalled it for {stall}{major}", grouped(count))
        }
    };
    (name, rest)
}

/// Backings with a heat map that shows something of weight, as they stand in the report.
pub(crate) fn heated(report: &Report) -> impl Iterator<Item = &OfBacking> {
    let shows = |backing: &&OfBacking| {
        let counts = &backing.counts;
        let is_worth_it = 20 * counts.stall_nanoseconds >= report.total.stall_nanoseconds;
        counts.faults() >= LEAST_HEATED && is_worth_it
    };
    report.backings.iter().filter(|backing| backing.heat.is_some()).filter(shows)
}

fn table(out: &mut impl Write, report: &Report, most: usize, page: Page) -> io::Result<()> {
    let count = |count: u64| if count == 0 { "-".to_owned() } else { grouped(count) };
    let width = (page.width.saturating_sub(FIGURES_WIDTH) / 2).max(18);
    let mut rows: Vec<[String; 6]> = Vec::new();
    let all = || report.backings.iter().filter(|backing| backing.counts.faults() > 0);
    for backing in all().take(most) {
        let counts = &backing.counts;
        rows.push([
            time(counts.stall_nanoseconds as f64),
            count(counts.major_faults),
            count(counts.minor_faults),
            count(counts.signalled_faults),
            short(&terminal::printable(&backing.name), width),
            backing.functions.first().map(|one| function(one, width)).unwrap_or_default(),
        ]);
    }
    let mut columns = Columns::of(TITLES, &NUMBERS, &rows);
    columns.limit(page.width);
    columns.head(out)?;
    for (row, backing) in rows.iter().zip(all()) {
        let waits = 2 * backing.counts.stall_nanoseconds > report.total.stall_nanoseconds;
        columns.row(out, row, |column| match column {
            STALL | NAME if waits => STRONG,
            MAJOR | SIGNAL if row[column] != "-" => BAD,
            TOUCHED => WEAK,
            _ if row[column] == "-" => WEAK,
            _ => Style::new(),
        })?;
    }
    if all().count() > most {
        let rest = grouped((all().count() - most) as u64);
        writeln!(out, "{WEAK}and {rest} others (--top){WEAK:#}")?;
    }
    Ok(())
}

/// A function and who called it.
fn function(function: &OfFunction, width: usize) -> String {
    let OfFunction { function, caller, .. } = function;
    let caller = caller.as_ref().map(|caller| format!(" < {caller}")).unwrap_or_default();
    // A caller that there is no room for is cut off with the line.
    format!("{}{}", short(&terminal::printable(function), width), terminal::printable(&caller))
}

/// The end of a text, which says most of a path and of a function.
fn short(text: &str, width: usize) -> String {
    let count = text.chars().count();
    match count > width {
        true => format!("...{}", text.chars().skip(count - (width - 3)).collect::<String>()),
        false => text.to_owned(),
    }
}

/// Offsets down, time across.
fn map(out: &mut impl Write, file: &OfBacking, page: Page) -> io::Result<()> {
    let Some(heat) = &file.heat else { return Ok(()) };
    let name = terminal::printable(&file.name);
    writeln!(out, "{STRONG}{}{STRONG:#}", short(&name, page.width))?;
    let labels = |offset: u64| exact(offset);
    let grid = heat.grid(HEAT_ROWS, page.width.saturating_sub(16).clamp(8, 120));
    let most = grid.counts.iter().flatten().copied().max().unwrap_or(0);
    let (rows, span) = (grid.counts.len() as u64, grid.offsets.end - grid.offsets.start);
    let width = [grid.offsets.start, grid.offsets.end].map(labels).map(|label| label.len());
    let width = width.into_iter().max().unwrap_or(0).max(9);
    for (row, counts) in grid.counts.iter().enumerate() {
        let offset = grid.offsets.start + span / rows * row as u64;
        // A number at the ends, lest there are too many.
        let label = if row == 0 { labels(offset) } else { String::new() };
        let last = row + 1 == grid.counts.len() && row > 0;
        let label = if last { labels(grid.offsets.end) } else { label };
        let cells: String = counts.iter().map(|&count| cell(count, most, page.unicode)).collect();
        writeln!(out, "{WEAK}{label:>width$}{WEAK:#} {cells}")?;
    }
    let [start, end] = [grid.times.start, grid.times.end].map(|moment| match moment {
        0 => "0 s".to_owned(),
        moment => time(moment as f64),
    });
    let columns = grid.counts.first().map_or(0, Vec::len);
    let gap = columns.saturating_sub(start.chars().count() + end.chars().count()).max(1);
    writeln!(out, "{WEAK}{:width$} {start}{:gap$}{end}{WEAK:#}", "", "")
}

/// The cell for so many page faults, where `most` are in one.
fn cell(count: u64, most: u64, unicode: bool) -> char {
    let part = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    match (count, unicode) {
        (0, true) => '·',
        (0, false) => '.',
        (_, false) => match part {
            ..0.34 => '-',
            ..0.67 => '+',
            _ => '#',
        },
        _ => match part {
            ..0.26 => '░',
            ..0.51 => '▒',
            ..0.76 => '▓',
            _ => '█',
        },
    }
}

fn advice(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    for advice in &report.advice {
        let name = short(&terminal::printable(&advice.backing), NAME_WIDTH);
        let text = format!("{name}: {}", advice.text);
        row(out, "what helps", Style::new(), &wrap(&text, page.beside()))?;
    }
    if report.advice.is_empty() {
        let text = match report.total.faults() {
            0 => "nothing: there were no page faults",
            _ => "nothing that these figures support",
        };
        row(out, "what helps", WEAK, &wrap(text, page.beside()))?;
    }
    Ok(())
}

/// What the report does not show, and why.
fn missing(report: &Report) -> Vec<String> {
    let mut missing = Vec::new();
    if !report.sees_kernel_faults {
        missing.push(
            "page faults within system calls, such as read(2) into fresh memory: set \
             kernel.perf_event_paranoid to 1, or be root"
                .to_owned(),
        );
    }
    if report.missed_faults > 0 {
        let way_out = match report.rings_are_limited {
            true => format!(
                "only {} for each processor may be locked for them: raise the limit (ulimit -l) or \
                 kernel.perf_event_mlock_kb, or end other profilers",
                exact(report.ring_bytes)
            ),
            false => "take shorter call chains (--frames)".to_owned(),
        };
        missing.push(format!(
            "{} of {} page faults, which came faster than they could be read: {way_out}",
            grouped(report.missed_faults),
            grouped(report.counted_faults)
        ));
    }
    if 2 * report.short_chains > report.total.faults() {
        missing.push(format!(
            "the callers in {} of {} call chains: build with frame pointers \
             (-fno-omit-frame-pointer)",
            grouped(report.short_chains),
            grouped(report.total.faults())
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(short("/usr/lib/libc.so", 40), "/usr/lib/libc.so");
        assert_eq!(short("/usr/lib/libc.so", 10), "...libc.so");
    }

    #[test]
    fn a_cell_shows_any_page_fault_at_all() {
        assert_eq!(
            [0, 1, 100, 10_000].map(|count| cell(count, 10_000, true)),
            ['·', '░', '▒', '█']
        );
        assert_eq!(
            [0, 1, 100, 10_000].map(|count| cell(count, 10_000, false)),
            ['.', '-', '+', '#']
        );
    }
}
