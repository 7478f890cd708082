//! The heat maps as a drawing: for each file, offsets down, time across.

use std::fmt::Write;

use crate::faults::report::{OfBacking, Report};
use crate::faults::text::{head, heated};
use crate::ipc::svg::{begin, text};
use crate::ipc::text::time;
use crate::letters::printable;
use crate::size::{exact, grouped};

/// Files that are drawn.
const FILES: usize = 6;
const WIDTH: f64 = 860.0;
/// Where a map begins, and how large it is.
const LEFT: f64 = 110.0;
const ACROSS: f64 = 720.0;
const DOWN: f64 = 160.0;
const COLUMNS: usize = 180;
const ROWS: usize = 40;
const HEAD: f64 = 60.0;
const TITLE: f64 = 46.0;
const FOOT: f64 = 34.0;
const INK: &str = "fill=\"#222222\"";
const WEAK: &str = "font-size=\"11\" fill=\"#777777\"";

/// Draws them, as SVG 1.1.
pub(crate) fn draw(report: &Report) -> String {
    let files: Vec<_> = heated(report).take(FILES).collect();
    let height = HEAD + files.len().max(1) as f64 * (TITLE + DOWN + FOOT);
    let mut svg = begin(WIDTH, height);
    let (name, rest) = head(report);
    text(&mut svg, 16.0, 28.0, "font-size=\"15\" fill=\"#222222\"", &name);
    text(&mut svg, 16.0, 48.0, INK, &rest);
    let mut top = HEAD;
    for file in &files {
        map(&mut svg, top, file, report.elapsed_nanoseconds);
        top += TITLE + DOWN + FOOT;
    }
    if files.is_empty() {
        text(&mut svg, 16.0, top + 30.0, WEAK, "No page faults in files.");
    }
    svg.push_str("</svg>\n");
    svg
}

fn map(svg: &mut String, top: f64, file: &OfBacking, elapsed: u64) {
    let Some(heat) = &file.heat else { return };
    let counts = &file.counts;
    text(svg, 16.0, top + 18.0, &format!("font-weight=\"bold\" {INK}"), &printable(&file.name));
    let figures = format!(
        "{} minor and {} major page faults; stall {}",
        grouped(counts.minor_faults),
        grouped(counts.major_faults),
        time(counts.stall_nanoseconds as f64)
    );
    text(svg, 16.0, top + 35.0, WEAK, &figures);

    let grid = heat.grid(ROWS, COLUMNS);
    let most = grid.counts.iter().flatten().copied().max().unwrap_or(0);
    let top = top + TITLE;
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{ACROSS}\" height=\"{DOWN}\" fill=\"#f3f4f6\"/>"
    );
    // Times as parts of the whole, so that maps can be compared.
    let across = |nanoseconds: u64| ACROSS * nanoseconds as f64 / elapsed.max(1) as f64;
    let from = across(grid.times.start).min(ACROSS);
    let span = across(grid.times.end).min(ACROSS) - from;
    let tall = DOWN / grid.counts.len() as f64;
    for (row, counts) in grid.counts.iter().enumerate() {
        let wide = span / counts.len() as f64;
        for (column, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (x, y) = (LEFT + from + column as f64 * wide, top + row as f64 * tall);
            let color = color(count, most);
            // No cell is so small that it cannot be seen.
            let wide = wide.max(1.5);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{wide:.2}\" height=\"{tall:.2}\" \
                 fill=\"{color}\"/>"
            );
        }
    }
    let end = format!("text-anchor=\"end\" {WEAK}");
    text(svg, LEFT - 8.0, top + 10.0, &end, &exact(grid.offsets.start));
    text(svg, LEFT - 8.0, top + DOWN, &end, &exact(grid.offsets.end));
    text(svg, LEFT, top + DOWN + 16.0, WEAK, "0 s");
    text(svg, LEFT + ACROSS, top + DOWN + 16.0, &end, &time(elapsed as f64));
}

/// From pale to dark, by the logarithm.
fn color(count: u64, most: u64) -> String {
    let part = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    let mix = |pale: f64, dark: f64| (pale + (dark - pale) * part).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(253.0, 140.0), mix(208.0, 10.0), mix(140.0, 40.0))
}
