//! The picture: a function of a snapshot and a state, and of nothing else.
//!
//! [`head`] is above the [`rows`] or the [`pages`]; below is a line
//! with keys, or with what is typed. [`help`] covers all of it.

use ratatui::Frame;
use ratatui::style::Style;

use crate::top::pen::{self, Pen};
use crate::top::snapshot::Snapshot;
use crate::top::state::{Level, Prompt, State};
use crate::top::{head, help, pages, rows};

/// Draws.
pub fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, state: &State) {
    let layout = state.layout();
    let buffer = frame.buffer_mut();
    head::draw(&mut Pen::new(buffer, layout.head), snapshot, state);
    match state.level {
        Level::Mapping => {
            pages::draw(&mut Pen::new(buffer, layout.rows), snapshot, state);
        }
        _ => {
            rows::titles(&mut Pen::new(buffer, layout.titles), snapshot, state);
            rows::draw(&mut Pen::new(buffer, layout.rows), snapshot, state);
        }
    }
    foot(&mut Pen::new(buffer, layout.foot), state);
    if let Some(first) = state.help {
        let area = *buffer.area();
        help::draw(&mut Pen::new(buffer, area), state, first);
    }
}

/// What is typed, or else the keys that matter most here, as many as fit.
fn foot(pen: &mut Pen<'_>, state: &State) {
    let look = state.look;
    let (label, text) = match &state.prompt {
        Some(Prompt::Filter(text)) => ("filter: ", text),
        Some(Prompt::Search(text)) => ("search: ", text),
        None => return keys(pen, state),
    };
    let cursor = Style::new().add_modifier(ratatui::style::Modifier::REVERSED);
    pen.spans(0, &[(label, look.strong()), (text, Style::new()), (" ", cursor)]);
}

fn keys(pen: &mut Pen<'_>, state: &State) {
    let look = state.look;
    let mut x = 0;
    if state.is_paused {
        x = pen.write(x, 0, u16::MAX, "paused  ", look.came());
    }
    if !state.filter().is_empty() {
        let text = format!("filter: {}  ", state.filter());
        x = pen.write(x, 0, u16::MAX, &text, look.came());
    }
    let list = [
        ("?", "help"),
        ("q", "quit"),
        ("Enter", "open"),
        ("f", "filter"),
        ("/", "search"),
        ("s", "sort"),
        ("r", "reverse"),
        ("space", "pause"),
    ];
    let inside = [
        ("?", "help"),
        ("q", "quit"),
        ("Esc", "back"),
        ("Enter", "open"),
        ("e", "each"),
        ("f", "filter"),
        ("/", "search"),
        ("s", "sort"),
        ("r", "reverse"),
        ("space", "pause"),
    ];
    let page = [("?", "help"), ("q", "quit"), ("Esc", "back"), ("space", "pause")];
    let keys: &[_] = match state.level {
        Level::Processes => &list,
        Level::Groups | Level::Mappings => &inside,
        Level::Mapping => &page,
    };
    for (key, meaning) in keys {
        let needs = pen::columns(key) + 1 + pen::columns(meaning);
        if x + needs > pen.area().width {
            break;
        }
        x = pen.write(x, 0, u16::MAX, key, look.strong());
        x = pen.write(x + 1, 0, u16::MAX, meaning, look.weak()) + 2;
    }
}
