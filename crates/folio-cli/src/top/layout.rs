//! The layout: which lines of the screen are for what, at any size.
//!
//! ```text
//! head      what all of it is about, in one to four lines; none on a low screen
//! titles    of the columns
//! rows      or, of a mapping, its pages
//! foot      keys, or what is typed
//! ```
//!
//! ```
//! use folio_cli::top::layout::Layout;
//! let layout = Layout::of(80, 24, 2);
//! assert_eq!((layout.head.height, layout.titles.y, layout.rows.height, layout.foot.y), (2, 2, 20, 23));
//! assert_eq!(Layout::of(1, 1, 2).rows.height, 1);
//! ```

use ratatui::layout::Rect;

/// The parts of the screen, none of them outside of it, some of them empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// What all of it is about.
    pub head: Rect,
    /// The titles of the columns.
    pub titles: Rect,
    /// The rows.
    pub rows: Rect,
    /// Keys, or what is typed.
    pub foot: Rect,
}

impl Layout {
    /// Of a screen with so many columns and lines, and a head that wants so many lines.
    pub fn of(columns: u16, lines: u16, head: u16) -> Self {
        let foot = u16::from(lines >= 3);
        let titles = u16::from(lines >= 4);
        // Half of the screen and more is for rows.
        let head = head.min((lines - foot - titles) / 3);
        let mut next = 0;
        let mut part = |height| {
            let part = Rect::new(0, next, columns, height);
            next += height;
            part
        };
        Self {
            head: part(head),
            titles: part(titles),
            rows: part(lines - head - titles - foot),
            foot: part(foot),
        }
    }
}
