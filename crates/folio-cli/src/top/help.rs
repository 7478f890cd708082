//! The keys, explained.

use ratatui::style::Style;

use crate::top::pen::Pen;
use crate::top::state::State;

/// Keys and what they do.
pub const KEYS: [(&str, &str); 18] = [
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
    ("age", "since proportional, private, shared and huge were read"),
    ("growth/s", "what came to memory, or went"),
    ("minor/s", "page faults a second that found their page in memory"),
    ("major/s", "page faults a second that waited for a read"),
    ("?", "not read yet, or not ours to read"),
];

/// Draws them over all else, from one of their lines on.
pub fn draw(pen: &mut Pen<'_>, state: &State, first: u16) {
    let area = pen.area();
    let blank = " ".repeat(area.width.into());
    for y in 0..area.height {
        pen.write(0, y, u16::MAX, &blank, Style::reset());
    }
    let first = first.min(most(area.width, area.height));
    for (y, line) in (0..area.height).zip(lines(area.width).iter().skip(first.into())) {
        pen.write(0, y, u16::MAX, line.key, state.look.strong());
        pen.write(line.x, y, u16::MAX, &line.meaning, Style::new());
    }
}

/// How far it can be moved, where so many columns and lines are too few for it.
pub fn most(columns: u16, lines: u16) -> u16 {
    u16::try_from(self::lines(columns).len()).unwrap_or(u16::MAX).saturating_sub(lines)
}

/// A key, and a line of its meaning, or one of them.
struct HelpLine {
    key: &'static str,
    x: u16,
    meaning: String,
}

fn lines(width: u16) -> Vec<HelpLine> {
    // Where it is narrow, a meaning is below its key.
    let is_narrow = width < 50;
    let x = if is_narrow { 2 } else { 14 };
    let mut lines = Vec::new();
    for (key, meaning) in KEYS {
        let mut key = key;
        if is_narrow {
            lines.push(HelpLine { key, x, meaning: String::new() });
            key = "";
        }
        for meaning in crate::table::wrap(meaning, width.saturating_sub(x).max(10).into()) {
            if !is_narrow || !meaning.is_empty() {
                lines.push(HelpLine { key, x, meaning });
                key = "";
            }
        }
    }
    lines
}
