//! The keys, explained.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::top::pen::Pen;
use crate::top::state::State;

/// Keys and what they do.
pub const KEYS: [(&str, &str); 17] = [
    ("Up Down", "to another row; also k j, PgUp PgDn, Home End"),
    ("Enter", "open the row: a process, its mappings, a mapping's pages"),
    ("Esc", "back, or give up the filter"),
    ("e", "each mapping for itself, or in groups"),
    ("s S", "sort by the next or the last column; r turns it round"),
    ("f", "filter: only names with this"),
    ("/", "search: to the next name with this; n N go on"),
    ("space", "stand still, and go on"),
    ("q", "quit"),
    ("mouse", "a click chooses, another opens; at a title, sorts"),
    ("", ""),
    ("resident", "pages in memory"),
    ("proportional", "each page divided by how often it is mapped"),
    ("growth/s", "what came to memory, or went"),
    ("minor/s", "page faults a second that found their page in memory"),
    ("major/s", "page faults a second that waited for a read"),
    ("?", "not read yet, or not ours to read"),
];

/// Draws them over all else.
pub fn draw(pen: &mut Pen<'_>, state: &State) {
    let area = pen.area();
    let blank = " ".repeat(area.width.into());
    for y in 0..area.height {
        pen.write(0, y, u16::MAX, &blank, Style::reset());
    }
    // Where it is narrow, a meaning is below its key.
    let is_narrow = area.width < 50;
    let mut y = 0;
    for (key, meaning) in KEYS {
        pen.write(0, y, u16::MAX, key, state.look.strong());
        let (x, line) = if is_narrow { (2, y + 1) } else { (14, y) };
        let rest = Rect { x, y: line, width: area.width.saturating_sub(x), height: 0 };
        let lines = crate::table::wrap(meaning, rest.width.max(10).into());
        for (line, text) in (rest.y..).zip(&lines) {
            pen.write(rest.x, line, u16::MAX, text, Style::new());
        }
        y = line.saturating_add((lines.len() as u16).max(u16::from(!is_narrow)));
    }
}
