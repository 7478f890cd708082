//! What lies at some addresses, for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::Style;

use crate::columns::{self, Cell, Column};
use crate::letters::printable;
use crate::ps::detail::{self, Part, Run, words};
use crate::ps::group;
use crate::ps::span::AddressSpan;
use crate::size::{exact, grouped, rounded};
use crate::table::{Page, row, wrap};
use crate::terminal::{GOOD, WEAK};

/// Writes parts of mappings, with their pages.
///
/// # Errors
/// What the writer fails with.
pub fn parts(
    out: &mut impl Write,
    at: &AddressSpan,
    parts: &[Part],
    with_frames: bool,
    page: Page,
) -> io::Result<()> {
    for part in parts {
        writeln!(out)?;
        if at.is_one() {
            place(out, at.range().start, part, page)?;
        }
        identity(out, part, page)?;
        writeln!(out)?;
        runs(out, &part.runs, page)?;
        if with_frames {
            writeln!(out)?;
            layout(out, &part.runs, page)?;
        }
    }
    Ok(())
}

/// Where an address lies: in its mapping, and in the backing if that has offsets.
fn place(out: &mut impl Write, address: usize, part: &Part, page: Page) -> io::Result<()> {
    let mapping = &part.costs.mappings[0];
    let position = address - mapping.address;
    let offset = match detail::has_offsets(mapping) {
        true => {
            format!(", offset {:#x}", mapping.backing.offset_bytes.saturating_add(position as u64))
        }
        false => String::new(),
    };
    let text = format!("{address:x}, position {position:#x}{offset}");
    row(out, "address", Style::new(), &wrap(&text, page.beside()))
}

fn identity(out: &mut impl Write, part: &Part, page: Page) -> io::Result<()> {
    let group = &group::each([&part.costs])[0];
    let mapping = group.first();
    let range = mapping.range();
    let text = format!(
        "{:x}-{:x}, {}, {} {}",
        range.start,
        range.end,
        exact(range.len() as u64),
        mapping.protection,
        mapping.sharing
    );
    row(out, "mapping", Style::new(), &wrap(&text, page.beside()))?;
    let offset = match (&mapping.backing.path, mapping.backing.offset_bytes) {
        (Some(_), offset @ 1..) => format!(" from offset {offset:#x}"),
        _ => String::new(),
    };
    let text = format!("{}{offset}", group.name());
    row(out, "backing", Style::new(), &[printable(&text).into_owned()])?;
    let page_bytes = rustix::param::page_size();
    let number = |address: usize| grouped(((address - range.start) / page_bytes) as u64 + 1);
    let (first, end) = (part.runs.first(), part.runs.last());
    if let (Some(first), Some(last)) = (first, end) {
        let (first, last) = (number(first.address), number(last.range().end - page_bytes));
        let which = if first == last { first } else { format!("{first} to {last}") };
        let text = format!("{which} of {}", number(range.end - page_bytes));
        row(out, "pages", Style::new(), &[text])?;
    }
    let flags = mapping.flags.iter().map(ToString::to_string).collect::<String>();
    row(out, "flags", Style::new(), &wrap(&flags, page.beside()))
}

fn runs(out: &mut impl Write, runs: &[Run], page: Page) -> io::Result<()> {
    const COLUMNS: [Column; 11] = [
        Column::number("address"),
        Column::number("size"),
        Column::words("pages"),
        Column::words("whose").optional(4),
        Column::words("mapped").optional(3),
        Column::words("dirty").optional(2),
        Column::words("huge").optional(2),
        Column::number("offset").optional(1),
        Column::number("frame").optional(1),
        Column::words("notes").optional(5),
        Column::words("shared with").optional(1),
    ];
    let rows: Vec<Vec<Cell>> = runs.iter().map(cells).collect();
    columns::write(out, &COLUMNS, &rows, page)
}

fn cells(run: &Run) -> Vec<Cell> {
    let is_resident = run.state == "resident";
    let resident = |cell: Cell| if is_resident { cell } else { Cell::nothing() };
    let mapped = match (run.is_shared, run.mappers) {
        (true, Some(mappers)) => format!("{} times", grouped(mappers)),
        (true, None) => "elsewhere too".into(),
        (false, _) => "only here".into(),
    };
    let dirty = match run.is_dirty {
        Some(true) => Cell::new("dirty"),
        Some(false) => Cell::new("clean"),
        None => Cell::new("unknown"),
    };
    let huge = match run.is_huge {
        Some(true) => Cell::new("huge"),
        _ => Cell::nothing(),
    };
    let hex = |number: Option<u64>| {
        number.map_or_else(Cell::nothing, |number| Cell::styled(format!("{number:#x}"), WEAK))
    };
    let pids: Vec<u32> = run.shared_with.iter().flatten().copied().collect();
    vec![
        Cell::styled(format!("{:x}", run.address), WEAK),
        Cell::new(rounded(run.length_bytes as u64)),
        if is_resident { Cell::styled(run.state, GOOD) } else { Cell::new(run.state) },
        resident(Cell::new(if run.is_of_backing { "of the backing" } else { "its own" })),
        resident(Cell::new(mapped)),
        resident(dirty),
        huge,
        hex(run.offset_bytes),
        hex(run.frame),
        Cell::new(run.notes.as_ref().map(words).unwrap_or_default().join(" ")),
        Cell::new(some(&pids)),
    ]
}

/// The first few processes, and how many more there are.
fn some(pids: &[u32]) -> String {
    const SHOWN: usize = 4;
    let shown = &pids[..pids.len().min(SHOWN)];
    let mut text = shown.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    if pids.len() > SHOWN {
        text.push_str(&format!(" and {} more", pids.len() - SHOWN));
    }
    text
}

/// How contiguous the range is in physical memory.
fn layout(out: &mut impl Write, runs: &[Run], page: Page) -> io::Result<()> {
    let framed: Vec<_> = runs.iter().filter(|run| run.frame.is_some()).collect();
    let mut lengths: Vec<usize> = Vec::new();
    let mut last: Option<(usize, u64)> = None;
    let page_bytes = rustix::param::page_size();
    for run in &framed {
        let first = run.frame.unwrap_or_default();
        match (last, lengths.last_mut()) {
            // Cut because something else differs.
            (Some((end, frame)), Some(length)) if end == run.address && frame == first => {
                *length += run.length_bytes;
            }
            _ => lengths.push(run.length_bytes),
        }
        last = Some((run.range().end, first + (run.length_bytes / page_bytes) as u64));
    }
    let longest = lengths.iter().max().copied().unwrap_or(0);
    let huge: usize =
        framed.iter().filter(|run| run.is_huge == Some(true)).map(|run| run.length_bytes).sum();
    let text = format!(
        "{} in {} contiguous {}, the longest of {}; {} in huge frames",
        exact(lengths.iter().sum::<usize>() as u64),
        grouped(lengths.len() as u64),
        if lengths.len() == 1 { "run" } else { "runs" },
        exact(longest as u64),
        exact(huge as u64),
    );
    row(out, "frames", Style::new(), &wrap(&text, page.beside()))?;
    let pids: BTreeSet<u32> =
        framed.iter().flat_map(|run| run.shared_with.iter().flatten().copied()).collect();
    if !pids.is_empty() {
        let text = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        row(out, "shared with", Style::new(), &wrap(&text, page.beside()))?;
    }
    Ok(())
}
