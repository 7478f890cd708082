//! The report for people: what it is, its first bytes, what it costs.
//!
//! Quiet: rows that would say 0 or what is usual are left out.

use std::io::{self, Write};

use anstyle::Style;
use folio_stat::{Flag, Residency};

use crate::letters;
use crate::report::Report;
use crate::size::{exact, grouped, grouped_in, rounded};
use crate::terminal::{self, BAD, GOOD, STRONG, WEAK};
use crate::{hex, strip};

/// Columns of a label.
pub(crate) const LABEL: usize = 14;

/// What the page on which it is written can show.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
}

impl Page {
    /// The terminal, or what stands in for it.
    pub fn of_terminal() -> Self {
        Self { width: terminal::width(), unicode: terminal::is_unicode() }
    }

    /// For tables: the terminal, or what COLUMNS says; a pipe takes all.
    pub fn of_tables() -> Self {
        let width = terminal::known_width().unwrap_or(usize::MAX / 2);
        Self { width, ..Self::of_terminal() }
    }

    /// Columns beside a label.
    pub(crate) fn beside(self) -> usize {
        self.width.saturating_sub(LABEL + 2)
    }
}

/// Writes a report.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let source = match (report.backing, report.source.as_str()) {
        // SOURCE is its size.
        ("anonymous", _) => "anonymous memory".into(),
        (_, "-") => "standard input".into(),
        (_, source) => letters::printable(source),
    };
    let at = (report.length_bytes as u64, report.address);
    head(out, &source, at, (&report.bytes, report.offset_bytes), page)?;
    identity(out, report, page)?;
    if report.length_bytes > 0 {
        writeln!(out)?;
        costs(out, report, page)?;
        writeln!(out)?;
        residency(out, report, page)?;
        faults(out, report, page)?;
    }
    if let Some(fault) = &report.fault {
        let lines = wrap(&letters::printable(&grouped_in(&fault.reason)), page.beside());
        row(out, "fault", BAD, &lines)?;
    }
    Ok(())
}

/// What a report begins with: what is mapped, how long and where, and its first bytes with their offset.
pub(crate) fn head(
    out: &mut impl Write,
    source: &str,
    (length_bytes, address): (u64, usize),
    (bytes, offset_bytes): (&[u8], u64),
    page: Page,
) -> io::Result<()> {
    write!(out, "{STRONG}{source}{STRONG:#}  {}", exact(length_bytes))?;
    match length_bytes {
        0 => writeln!(out, ", an empty mapping")?,
        _ => writeln!(out, " at {address:#x}")?,
    }
    if !bytes.is_empty() {
        writeln!(out)?;
        hex::write(out, bytes, offset_bytes, page.width)?;
    }
    writeln!(out)
}

/// Writes the label of a row.
pub(crate) fn label(out: &mut impl Write, label: &str) -> io::Result<()> {
    write!(out, "  {WEAK}{label:<LABEL$}{WEAK:#}")
}

/// A label, and lines beside it.
pub(crate) fn row(
    out: &mut impl Write,
    name: &str,
    style: Style,
    lines: &[String],
) -> io::Result<()> {
    for (index, line) in lines.iter().enumerate() {
        label(out, if index == 0 { name } else { "" })?;
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

fn identity(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let backing = match report.backing {
        "anonymous" => "anonymous memory".to_owned(),
        backing => backing.replace('-', " "),
    };
    let offset = match report.offset_bytes {
        0 => String::new(),
        offset => format!(", from offset {}", exact(offset)),
    };
    let text = format!("{backing}, {}, {}{offset}", report.sharing, report.protection);
    row(out, "mapping", Style::new(), &wrap(&text, page.beside()))?;
    let size = exact(report.mapped_page_bytes as u64);
    let text = format!("{} of {size}", grouped(report.pages));
    row(out, "pages", Style::new(), &[text])?;
    let flags: Vec<_> = report.flags.iter().filter(|flag| is_news(**flag)).collect();
    if !flags.is_empty() {
        let text = flags.iter().map(|flag| flag.to_string()).collect::<Vec<_>>().join(", ");
        row(out, "flags", Style::new(), &wrap(&text, page.beside()))?;
    }
    Ok(())
}

/// Whether a flag says what protection, sharing and backing do not.
pub(crate) fn is_news(flag: Flag) -> bool {
    use Flag::{
        Accountable, Executable, Hugetlb, MayExecute, MayRead, MayShare, MayWrite, Readable,
        Shared, SoftDirty, Writable,
    };
    let usual = [
        Accountable,
        Executable,
        Hugetlb,
        MayExecute,
        MayRead,
        MayShare,
        MayWrite,
        Readable,
        Shared,
        SoftDirty,
        Writable,
    ];
    !usual.contains(&flag)
}

fn costs(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let figure = (page.width.saturating_sub(2 + LABEL) / 3).clamp(9, 11);
    label(out, "in memory")?;
    for title in ["clean", "dirty", "total"] {
        write!(out, "{WEAK}{title:>figure$}{WEAK:#}")?;
    }
    writeln!(out)?;
    let shared = [report.shared_clean_bytes, report.shared_dirty_bytes];
    let private = [report.private_clean_bytes, report.private_dirty_bytes];
    let both = [shared[0] + private[0], shared[1] + private[1]];
    let rows = [("elsewhere too", shared), ("only here", private), ("total", both)];
    for (name, [clean, dirty]) in rows {
        label(out, name)?;
        let total = if name == "total" { report.resident_bytes } else { clean + dirty };
        for bytes in [clean, dirty, total] {
            match bytes {
                0 => write!(out, "{WEAK}{:>figure$}{WEAK:#}", '-')?,
                bytes => write!(out, "{:>figure$}", rounded(bytes as u64))?,
            }
        }
        writeln!(out)?;
    }
    let is_divided = report.proportional_bytes != report.resident_bytes;
    for (name, bytes) in [
        ("proportional", if is_divided { report.proportional_bytes } else { 0 }),
        ("swapped", report.swapped_bytes),
        ("locked", report.locked_bytes),
        ("huge pages", report.transparent_huge_bytes + report.hugetlb_bytes),
    ] {
        if bytes > 0 {
            label(out, name)?;
            writeln!(out, "{:>width$}", rounded(bytes as u64), width = 3 * figure)?;
        }
    }
    Ok(())
}

fn residency(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let count = |residency: &Residency| {
        format!("{} of {}", grouped(residency.resident_pages()), grouped(residency.pages()))
    };
    let here = count(&report.residency);
    let cache = match &report.page_cache {
        Some(Ok(cache)) => Some(count(&cache.residency)),
        _ => None,
    };
    let width = here.len().max(cache.as_ref().map_or(0, String::len));
    let cells = page.width.saturating_sub(2 + LABEL + width + 2).clamp(8, 64);
    let mut line = |name: &str, count: &str, cells: &[f64]| {
        label(out, name)?;
        let strip = strip::text(cells, page.unicode);
        writeln!(out, "{count:<width$}  {GOOD}{strip}{GOOD:#}")
    };
    let strip = report.residency.buckets(cells);
    line("resident", &here, &strip)?;
    match &report.page_cache {
        Some(Ok(known)) => {
            // As long as its part of the mapping: the file may end before that does.
            let part = bytes_of(&known.residency) as f64 / bytes_of(&report.residency) as f64;
            let cells = (strip.len() as f64 * part).ceil() as usize;
            let cache = cache.unwrap_or_default();
            line("page cache", &cache, &known.residency.buckets(cells.clamp(1, strip.len())))?;
            if let Some(dirty @ 1..) = known.dirty_pages {
                row(out, "", Style::new(), &[format!("{} to be written back", grouped(dirty))])?;
            }
        }
        Some(Err(_)) => {
            let lines = wrap("known to the file's owner only", page.beside());
            row(out, "page cache", WEAK, &lines)?;
        }
        None => {}
    }
    Ok(())
}

fn bytes_of(residency: &Residency) -> u64 {
    residency.pages() * residency.page_size_bytes() as u64
}

fn faults(out: &mut impl Write, report: &Report, page: Page) -> io::Result<()> {
    let Report { minor_faults, major_faults, touched_pages, .. } = report;
    let done = match (touched_pages, report.bytes.len()) {
        (0, 0) => "nothing touched".to_owned(),
        (0, bytes) => format!("{} read", exact(bytes as u64)),
        (1, _) => "1 page touched".to_owned(),
        (pages, _) => format!("{} pages touched", grouped(*pages)),
    };
    let (minor, major) = (grouped(*minor_faults), grouped(*major_faults));
    let text = format!("{minor} minor, {major} major, {done}");
    row(out, "faults", Style::new(), &wrap(&text, page.beside()))
}

/// A text in lines of at most so many columns; a longer word has one of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if letters::columns(line) + 1 + letters::columns(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
