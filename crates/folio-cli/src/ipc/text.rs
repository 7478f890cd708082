//! The comparison for people.

use std::io::{self, Write};

use anstyle::Style;

use crate::ipc::measure::SIZES;
use crate::ipc::report::{Figures, Properties, Report};
use crate::size::exact;
use crate::table::wrap;
use crate::terminal::{STRONG, WEAK};

/// Columns of a label, and of a figure.
const LABEL: usize = 20;
const FIGURE: usize = 11;

/// Columns of a kind in the last table, and of all.
const KIND: usize = 12;
const WIDTH: usize = LABEL + 5 * KIND;

/// Writes it.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for (index, size) in SIZES.into_iter().enumerate() {
        let size = exact(size as u64);
        write!(out, "{STRONG}{size:<LABEL$}{STRONG:#}")?;
        write!(out, "{WEAK}{:>width$}", "there and back", width = 3 * FIGURE)?;
        writeln!(out, "{:>width$}{WEAK:#}", "one way", width = 2 * FIGURE)?;
        write!(out, "{:LABEL$}{WEAK}", "")?;
        for title in ["median", "p99", "p99.9", "messages", "bytes"] {
            write!(out, "{title:>FIGURE$}")?;
        }
        writeln!(out, "{WEAK:#}")?;
        for row in &report.ways {
            write!(out, "{:<LABEL$}", row.way)?;
            match row.figures.get(index) {
                None => writeln!(out, "  {WEAK}{}{WEAK:#}", row.lacking.as_deref().unwrap_or("-"))?,
                Some(figures) => {
                    let Figures { messages_per_second, bytes_per_second, .. } = *figures;
                    let figures = [
                        figures.median_nanoseconds,
                        figures.p99_nanoseconds,
                        figures.p999_nanoseconds,
                    ];
                    for nanoseconds in figures {
                        write!(out, "{:>FIGURE$}", time(nanoseconds))?;
                    }
                    let rate = count(messages_per_second);
                    writeln!(out, "{rate:>FIGURE$}{:>FIGURE$}", bytes(bytes_per_second))?;
                }
            }
        }
        writeln!(out)?;
    }
    table(out, report)?;
    writeln!(out)?;
    wrap(&report.note(), WIDTH).iter().try_for_each(|line| writeln!(out, "{WEAK}{line}{WEAK:#}"))
}

/// What the kinds are like, with their figures.
fn table(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let figure = |size: usize, show: fn(&Figures) -> String| {
        report.properties.map(|kind| report.figures(kind.way, size).map_or("-".into(), show))
    };
    let words =
        |show: fn(&Properties) -> &str| report.properties.map(|kind| show(&kind).to_owned());
    let rows = [
        ("64 B there and back", figure(0, |figures| time(figures.median_nanoseconds))),
        ("  p99", figure(0, |figures| time(figures.p99_nanoseconds))),
        ("  p99.9", figure(0, |figures| time(figures.p999_nanoseconds))),
        ("64 B one way", figure(0, |figures| count(figures.messages_per_second))),
        ("4 KiB one way", figure(1, |figures| bytes(figures.bytes_per_second))),
        ("1 MiB one way", figure(2, |figures| bytes(figures.bytes_per_second))),
        ("copying", words(|kind| kind.copying)),
        ("sharing", words(|kind| kind.sharing)),
        ("message boundaries", words(|kind| kind.message_boundaries)),
        ("several receivers", words(|kind| kind.several_receivers)),
        ("death is told", words(|kind| kind.death_is_told)),
        ("file backing", words(|kind| kind.file_backing)),
        ("outlives", words(|kind| kind.outlives)),
    ];
    row(out, "", STRONG, &words(|kind| kind.kind))?;
    rows.iter().try_for_each(|(label, cells)| row(out, label, Style::new(), cells))
}

/// A label, and cells of as many lines as their words take.
fn row(out: &mut impl Write, label: &str, style: Style, cells: &[String]) -> io::Result<()> {
    let cells: Vec<_> = cells.iter().map(|cell| wrap(cell, KIND - 1)).collect();
    let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..lines {
        let label = if line == 0 { label } else { "" };
        write!(out, "{WEAK}{label:<LABEL$}{WEAK:#}{style}")?;
        // Without spaces at the end of a line.
        let last = cells.iter().rposition(|cell| cell.len() > line).unwrap_or(0);
        for cell in &cells[..=last] {
            write!(out, "{:>KIND$}", cell.get(line).map_or("", String::as_str))?;
        }
        writeln!(out, "{style:#}")?;
    }
    Ok(())
}

/// Three digits and a unit.
fn digits(number: f64, units: [&str; 4]) -> String {
    let power = units.len() - 1;
    let (number, unit) = (0..power).fold((number, units[0]), |(number, unit), step| {
        match number >= 999.5 && unit == units[step] {
            true => (number / 1000.0, units[step + 1]),
            false => (number, unit),
        }
    });
    match number {
        0.0..9.995 => format!("{number:.2}{unit}"),
        0.0..99.95 => format!("{number:.1}{unit}"),
        _ => format!("{number:.0}{unit}"),
    }
}

/// A time.
pub(crate) fn time(nanoseconds: f64) -> String {
    // Microseconds for all that is usual, so that rows compare at a glance.
    match nanoseconds {
        0.0..9_995_000.0 => {
            let microseconds = nanoseconds / 1000.0;
            match microseconds {
                0.0..9.995 => format!("{microseconds:.2} µs"),
                0.0..99.95 => format!("{microseconds:.1} µs"),
                _ => format!("{microseconds:.0} µs"),
            }
        }
        _ => digits(nanoseconds, [" ns", " µs", " ms", " s"]),
    }
}

/// Messages in a second.
pub(crate) fn count(per_second: f64) -> String {
    digits(per_second, ["/s", " k/s", " M/s", " G/s"])
}

/// Bytes in a second.
pub(crate) fn bytes(per_second: f64) -> String {
    digits(per_second, [" B/s", " kB/s", " MB/s", " GB/s"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(time(412.0), "0.41 µs");
        assert_eq!(time(37_123.0), "37.1 µs");
        assert_eq!(time(12_345_678.0), "12.3 ms");
        assert_eq!(count(360_000.0), "360 k/s");
        assert_eq!(count(21_960_000.0), "22.0 M/s");
        assert_eq!(count(999.9), "1.00 k/s");
        assert_eq!(bytes(17_234_000_000.0), "17.2 GB/s");
        assert_eq!(bytes(5.0), "5.00 B/s");
    }
}
