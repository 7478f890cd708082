//! The layout: which lines of the screen are for what, at any size.
//!
//! ```text
//! head      what all of it is about, in some lines; none on a low screen
//! titles    of the columns of a list
//! rows      or, of a mapping, the picture of its pages
//! foot      keys, or what is typed
//! ```
//!
//! ```
//! use folio_cli::top::layout::Layout;
//! let layout = Layout::of_list(80, 24, 2);
//! assert_eq!((layout.head.height, layout.titles.y, layout.rows.height, layout.foot.y), (2, 2, 20, 23));
//! assert_eq!(Layout::of_list(1, 1, 2).rows.height, 1);
//! let layout = Layout::of_picture(80, 24, 40);
//! assert_eq!((layout.head.height, layout.titles.height, layout.rows.height), (11, 0, 12));
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
    /// Of a screen with so many columns and lines, of a list, and a head that wants so many lines: a third at most.
    pub fn of_list(columns: u16, lines: u16, head: u16) -> Self {
        Self::of((columns, lines), u16::from(lines >= 4), head, 3)
    }

    /// Likewise of a picture, which has no titles and takes any size: its head has half at most.
    pub fn of_picture(columns: u16, lines: u16, head: u16) -> Self {
        Self::of((columns, lines), 0, head, 2)
    }

    fn of((columns, lines): (u16, u16), titles: u16, head: u16, part: u16) -> Self {
        let foot = u16::from(lines >= 3);
        let head = head.min((lines - foot - titles) / part);
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
