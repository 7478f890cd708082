//! The pages of a mapping as a heat map: which of them are in memory, and which come and go.
//!
//! Cells go from left to right and from line to line, each for an equal part of the pages. How much of it is in
//! memory is its letter, as in every [`strip`]; that it has just come or gone its colour, or,
//! without colours, bold or underlined.

use ratatui::style::{Modifier, Style};

use crate::size::rounded;
use crate::strip;
use crate::top::heat::{Cell, Heat};
use crate::top::list;
use crate::top::pen::{self, Pen};
use crate::top::rows::wrapped;
use crate::top::snapshot::Snapshot;
use crate::top::state::{Look, State};

/// Draws it, with a legend in the last line if there are three; or, there, why it is not of now.
pub fn draw(pen: &mut Pen<'_>, snapshot: &Snapshot, state: &State) {
    let look = state.look;
    let Some(pages) = list::open_pages(snapshot, state) else {
        return wrapped(pen, "its pages are being read", look.weak());
    };
    if let Some(error) = pages.error.as_ref().filter(|_| pages.heat.pages == 0) {
        return wrapped(pen, error, look.bad());
    }
    let area = pen.area();
    let legend = u16::from(area.height >= 3);
    let (columns, lines) = (usize::from(area.width), usize::from(area.height - legend));
    let cells = pages.heat.cells(columns * lines);
    for (index, cell) in cells.iter().enumerate() {
        let (x, y) = (index % columns, index / columns);
        let letter = strip::text(&[cell.resident.into()], look.unicode);
        pen.write(x as u16, y as u16, 1, &letter, style(cell, look));
    }
    let y = area.height.saturating_sub(1);
    match &pages.error {
        _ if legend == 0 => {}
        Some(error) => drop(pen.write(0, y, u16::MAX, error, look.bad())),
        None => describe(pen, y, &per_cell(&pages.heat, cells.len()), look),
    }
}

/// What a cell stands for.
fn per_cell(heat: &Heat, cells: usize) -> String {
    let bytes = heat.pages as f64 * heat.page_size_bytes as f64 / cells.max(1) as f64;
    format!("a cell is {}", rounded(bytes as u64))
}

fn describe(pen: &mut Pen<'_>, y: u16, per_cell: &str, look: Look) {
    let sample = |fraction: f64| strip::text(&[fraction], look.unicode);
    let (all, some, none) = (sample(1.0), sample(0.5), sample(0.0));
    let moved = |change: f32| style(&Cell { resident: 1.0, change }, look);
    let parts: [(&str, Style, &str); 5] = [
        (&all, look.good(), "in memory"),
        (&some, look.good(), "some"),
        (&none, look.weak(), "none"),
        (&all, moved(1.0), "came"),
        (&none, moved(-1.0), "went"),
    ];
    let mut x = pen.write(0, y, u16::MAX, per_cell, Style::new()) + 2;
    for (letter, style, meaning) in parts {
        if x + 3 + pen::columns(meaning) > pen.area().width {
            return;
        }
        x = pen.write(x, y, 1, letter, style) + 1;
        x = pen.write(x, y, u16::MAX, meaning, look.weak()) + 2;
    }
}

fn style(cell: &Cell, look: Look) -> Style {
    let brightness = match cell.change.abs() {
        // Cooling down.
        ..0.15 => Modifier::DIM,
        _ => Modifier::empty(),
    };
    match cell.change {
        0.0 if cell.resident == 0.0 => look.weak(),
        0.0 => look.good(),
        0.0.. => look.came().add_modifier(brightness),
        _ => look.bad().add_modifier(Modifier::UNDERLINED | brightness),
    }
}
