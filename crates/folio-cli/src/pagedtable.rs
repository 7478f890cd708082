//! The report on a paged mapping for people: what it is, its first bytes, what it costs.

use std::io::{self, Write};

use anstyle::Style;

use crate::letters;
use crate::pagedreport::{PagedReport, Stalls};
use crate::size::{exact, grouped, grouped_in, rounded};
use crate::strip;
use crate::table::{LABEL, Page, head, label, row, wrap};
use crate::terminal::{BAD, GOOD, WEAK};

/// Writes a report.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, report: &PagedReport, page: Page) -> io::Result<()> {
    let source = match report.source.as_str() {
        "-" => "standard input".into(),
        source => letters::printable(source),
    };
    let at = (report.length_bytes as u64, report.address);
    head(out, &source, at, (&report.bytes, report.offset_bytes), page)?;
    identity(out, report, page)?;
    if report.length_bytes > 0 {
        writeln!(out)?;
        costs(out, report, page)?;
        stalls(out, report, page)?;
    }
    if let Some(fault) = &report.fault {
        let lines = wrap(&grouped_in(&fault.reason), page.beside());
        row(out, "fault", BAD, &lines)?;
    }
    Ok(())
}

fn identity(out: &mut impl Write, report: &PagedReport, page: Page) -> io::Result<()> {
    let packing = report.packing.map(|packing| format!(", unpacked from {packing}"));
    let backing = match report.backing {
        "process" => "memory of a process",
        backing => backing,
    };
    let offset = match report.offset_bytes {
        0 => String::new(),
        offset if report.backing == "process" => format!(", from address {offset:#x}"),
        offset => format!(", from offset {}", exact(offset)),
    };
    let text = format!("{backing}, paged, r--{}{offset}", packing.unwrap_or_default());
    row(out, "mapping", Style::new(), &wrap(&text, page.beside()))?;
    if let Some(words) = &report.guarantee_words {
        row(out, "version", Style::new(), &wrap(words, page.beside()))?;
    }
    let granule = exact(report.granule_bytes as u64);
    let size = exact(report.page_size_bytes as u64);
    let text = format!("{} of {size}, in granules of {granule}", grouped(report.pages));
    row(out, "pages", Style::new(), &wrap(&text, page.beside()))?;
    if report.mechanism != "userfaultfd" {
        let text = format!("filled by way of {}", report.mechanism);
        row(out, "", Style::new(), &wrap(&text, page.beside()))?;
    }
    Ok(())
}

fn costs(out: &mut impl Write, report: &PagedReport, page: Page) -> io::Result<()> {
    let text = format!(
        "{} of {}, given up by {}",
        rounded(report.memory_used_bytes),
        rounded(report.memory_bytes),
        report.policy
    );
    row(out, "memory", Style::new(), &wrap(&text, page.beside()))?;
    let pages = report.resident_bytes / report.page_size_bytes as u64;
    let count = format!("{} of {}", grouped(pages.min(report.pages)), grouped(report.pages));
    let cells = page.width.saturating_sub(2 + LABEL + count.len() + 2).clamp(8, 64);
    label(out, "resident")?;
    let strip = strip::text(&fold(&report.residency, cells), page.unicode);
    writeln!(out, "{count}  {GOOD}{strip}{GOOD:#}")?;

    let mut text = format!("{} read, ", rounded(report.read_bytes));
    text.push_str(&granules(report.loaded_granules));
    if report.prefetched_granules > 0 {
        text.push_str(&format!(", {} loaded ahead", grouped(report.prefetched_granules)));
    }
    if report.evicted_granules > 0 {
        text.push_str(&format!(", {} evicted", grouped(report.evicted_granules)));
    }
    row(out, "loaded", Style::new(), &wrap(&text, page.beside()))?;
    let done = match report.touched_pages {
        0 => "nothing touched".to_owned(),
        1 => "1 page touched".to_owned(),
        pages => format!("{} pages touched", grouped(pages)),
    };
    let hits = match report.hits {
        0 => String::new(),
        hits => format!(", {} of pages in memory", grouped(hits)),
    };
    let text = format!("{}{hits}, {done}", grouped(report.page_faults));
    row(out, "faults", Style::new(), &wrap(&text, page.beside()))
}

fn granules(count: u64) -> String {
    match count {
        1 => "1 granule".into(),
        count => format!("{} granules", grouped(count)),
    }
}

/// As many equal parts, or fewer.
fn fold(cells: &[f64], most: usize) -> Vec<f64> {
    if cells.len() <= most {
        return cells.to_vec();
    }
    let bound = |cell: usize| cells.len() * cell / most;
    let part = |cell: usize| &cells[bound(cell)..bound(cell + 1)];
    (0..most).map(|cell| part(cell).iter().sum::<f64>() / part(cell).len() as f64).collect()
}

/// A bar for each length that there was, as long as they were many.
fn stalls(out: &mut impl Write, report: &PagedReport, page: Page) -> io::Result<()> {
    let Some(most) = report.stalls.iter().map(|stalls| stalls.count).max() else { return Ok(()) };
    let all: u64 = report.stalls.iter().map(|stalls| stalls.count).sum();
    let digits = grouped(most).len();
    let room = page.beside().saturating_sub(STALL + 2 + digits + 2).clamp(4, 40);
    let bar = if page.unicode { "█" } else { "#" };
    for (index, Stalls { below_nanoseconds, count }) in report.stalls.iter().enumerate() {
        label(out, if index == 0 { "stalls" } else { "" })?;
        let time = format!("< {}", time(*below_nanoseconds));
        let cells = (u128::from(*count) * room as u128).div_ceil(u128::from(most)) as usize;
        let count = grouped(*count);
        writeln!(out, "{time:<STALL$}  {count:>digits$}  {GOOD}{}{GOOD:#}", bar.repeat(cells))?;
    }
    if let (Some(median), Some(p99), 2..) =
        (report.stall_median_nanoseconds, report.stall_p99_nanoseconds, all)
    {
        let text = format!("half below {}, 99 % below {}", time(median), time(p99));
        row(out, "", WEAK, &wrap(&text, page.beside()))?;
    }
    Ok(())
}

const STALL: usize = 8;

/// A power of two of nanoseconds, in a unit that leaves few digits.
fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{} µs", nanoseconds / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanoseconds / 1_000_000),
        _ => format!("{} s", nanoseconds / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (nanoseconds, text) in [
            (512, "512 ns"),
            (1024, "1 µs"),
            (1 << 20, "1 ms"),
            (1 << 30, "1 s"),
            (1 << 36, "68 s"),
        ] {
            assert_eq!(time(nanoseconds), text);
        }
    }

    #[test]
    fn cells_are_folded_into_fewer() {
        assert_eq!(fold(&[1.0, 0.0], 8), [1.0, 0.0]);
        assert_eq!(fold(&[1.0, 0.0, 1.0, 1.0], 2), [0.5, 1.0]);
        assert_eq!(fold(&[1.0; 64], 10), [1.0; 10]);
    }
}
