//! The report for people: which files made the program wait, what would help, what is missing.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;

use crate::faults::report::{OfBacking, OfFunction, Report};
use crate::ipc::text::time;
use crate::letters;
use crate::shm::columns::Columns;
use crate::size::{exact, grouped};
use crate::table::{Page, row, wrap};
use crate::terminal::{BAD, STRONG, WEAK};

const TITLES: [&str; 6] = ["stall", "major", "minor", "signal", "of", "touched by"];
const NUMBERS: [usize; 4] = [0, 1, 2, 3];
const STALL: usize = 0;
const MAJOR: usize = 1;
const SIGNAL: usize = 3;
const NAME: usize = 4;
const TOUCHED: usize = 5;
/// Characters of a name in a line of text.
const NAME_WIDTH: usize = 40;
/// Columns of a name, and of a function, which have some anyway.
const LEAST_NAME: usize = 18;
const LEAST_FUNCTION: usize = 8;
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
        (Some(command), _) => command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        (None, Some(process)) => match report.processes.iter().find(|one| one.process == process) {
            Some(one) => format!("{} (process {process})", one.name),
            None => format!("process {process}"),
        },
        (None, None) => String::new(),
    };
    let name = short(&letters::printable(&name), 2 * NAME_WIDTH);
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
                    ", {} of it for {} major {}",
                    time(total.major_stall_nanoseconds as f64),
                    grouped(count),
                    if count == 1 { "one" } else { "ones" }
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
    let mut rows: Vec<[String; 6]> = Vec::new();
    let all = || report.backings.iter().filter(|backing| backing.counts.faults() > 0);
    for backing in all().take(most) {
        let counts = &backing.counts;
        rows.push([
            time(counts.stall_nanoseconds as f64),
            count(counts.major_faults),
            count(counts.minor_faults),
            count(counts.signalled_faults),
            letters::printable(&backing.name).into_owned(),
            String::new(),
        ]);
    }
    // Half of what the figures leave is for names; all of it, where that is too little for anything else.
    let room = page.width.saturating_sub(taken(&rows, NAME));
    let name_width = (room / 2).max(LEAST_NAME).min(room.max(LEAST_FUNCTION));
    rows.iter_mut().for_each(|row| row[NAME] = short(&row[NAME], name_width));
    let room = page.width.saturating_sub(taken(&rows, TOUCHED));
    for (row, backing) in rows.iter_mut().zip(&report.backings) {
        row[TOUCHED] = backing.functions.first().map(|one| function(one, room)).unwrap_or_default();
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

/// Columns of a line that those before this one take.
fn taken(rows: &[[String; 6]], column: usize) -> usize {
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| letters::columns(&row[column]));
        cells.chain([TITLES[column].len()]).max().unwrap_or(0)
    };
    (0..column).map(|column| wide(column) + 2).sum()
}

/// A function in at most so many columns, and, where there is room for it, its line; and for some of it, who called it.
fn function(function: &OfFunction, room: usize) -> String {
    const BETWEEN: &str = " < ";
    if room < LEAST_FUNCTION {
        return String::new();
    }
    let mut text = short(&letters::printable(&function.function), room);
    let rest = |text: &str| room.saturating_sub(letters::columns(text));
    if let (Some(file), Some(line)) = (&function.source_file, function.source_line) {
        let file = letters::printable(file.rsplit('/').next().unwrap_or_default());
        let line = format!(" ({file}:{line})");
        if letters::columns(&line) <= rest(&text) {
            text += &line;
        }
    }
    let room_of_caller = rest(&text).saturating_sub(BETWEEN.len());
    match &function.caller {
        Some(caller) if room_of_caller >= LEAST_FUNCTION.min(letters::columns(caller)) => {
            format!("{text}{BETWEEN}{}", short(&letters::printable(caller), room_of_caller))
        }
        _ => text,
    }
}

/// A word as one types it in a shell.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

/// The end of a text, which says most of a path and of a function.
fn short(text: &str, width: usize) -> String {
    match letters::columns(text) > width {
        true => format!("...{}", letters::end(text, width.saturating_sub(3))),
        false => text.to_owned(),
    }
}

/// Offsets down, time across.
fn map(out: &mut impl Write, file: &OfBacking, page: Page) -> io::Result<()> {
    let Some(heat) = &file.heat else { return Ok(()) };
    let name = letters::printable(&file.name);
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
    let gap = columns.saturating_sub(letters::columns(&start) + letters::columns(&end)).max(1);
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
        let name = short(&letters::printable(&advice.backing), NAME_WIDTH);
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
    fn a_caller_is_named_where_there_is_room_for_some_of_it() {
        let one = OfFunction {
            function: "decode".into(),
            caller: Some("/usr/lib/libc.so+0x1234".into()),
            source_file: None,
            source_line: None,
            counts: Default::default(),
        };
        assert_eq!(function(&one, 40), "decode < /usr/lib/libc.so+0x1234");
        assert_eq!(function(&one, 20), "decode < ...o+0x1234");
        assert_eq!(function(&one, 16), "decode");
        assert_eq!(function(&one, 5), "");
        let file = Some("/src/lib.rs".into());
        let one = OfFunction { source_file: file, source_line: Some(7), ..one };
        assert_eq!(function(&one, 32), "decode (lib.rs:7) < ...so+0x1234");
        assert_eq!(function(&one, 18), "decode (lib.rs:7)");
        assert_eq!(function(&one, 16), "decode");
    }

    #[test]
    fn words_that_a_shell_would_part_are_quoted() {
        let words = ["ls", "-l", "a b", "it's", "", "x=$1"].map(quoted);
        assert_eq!(words, ["ls", "-l", "'a b'", r"'it'\''s'", "''", "'x=$1'"]);
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
