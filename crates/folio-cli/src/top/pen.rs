//! A pen: it writes into the parts of a picture, and never beside them.
//!
//! ```
//! use folio_cli::top::pen::{self, Pen};
//! use ratatui::{buffer::Buffer, layout::Rect, style::Style};
//! let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
//! let mut pen = Pen::new(&mut buffer, Rect::new(1, 0, 4, 1));
//! pen.write(0, 0, 9, "longer than that", Style::new());
//! pen.write(0, 7, 9, "elsewhere", Style::new());
//! assert_eq!(buffer, Buffer::with_lines([" long "]));
//! assert_eq!(pen::shortened("/usr/lib/libc.so", 8, true), "…libc.so");
//! assert_eq!(pen::shortened("postgres: writer", 8, true), "postgre…");
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::terminal;

/// Writes into a part of a picture.
#[derive(Debug)]
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// For a part of a picture.
    pub fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(*buffer.area());
        Self { buffer, area }
    }

    /// Its part.
    pub fn area(&self) -> Rect {
        self.area
    }

    /// Writes into a line, from a column on, so many columns at most. Returns where the text ends.
    pub fn write(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let width = width.min(self.area.width - x);
        let text = terminal::printable(text);
        let (left, top) = (self.area.x + x, self.area.y + y);
        let (end, _) = self.buffer.set_stringn(left, top, text, width.into(), style);
        end - self.area.x
    }

    /// Writes so that the text ends where the columns do.
    pub fn write_to_end(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let free = width.saturating_sub(columns(text));
        self.write(x + free, y, width - free, text, style);
    }

    /// Writes texts in their styles, one behind the other, as far as there is room.
    pub fn spans(&mut self, y: u16, spans: &[(&str, Style)]) -> u16 {
        spans.iter().fold(0, |x, (text, style)| self.write(x, y, u16::MAX, text, *style))
    }

    /// Gives a line a style.
    pub fn style(&mut self, y: u16, style: Style) {
        let line = Rect { y: self.area.y.saturating_add(y), height: 1, ..self.area };
        self.buffer.set_style(line.intersection(self.area), style);
    }
}

/// Columns that a text takes.
pub fn columns(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// A text in no more than so many columns: of a path its end, of all else its beginning.
pub fn shortened(text: &str, width: u16, unicode: bool) -> String {
    let text = terminal::printable(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let mark = if unicode { "…" } else { "~" };
    let mut left = usize::from(width.saturating_sub(1));
    let mut fits = |letter: &char| {
        let wide = usize::from(columns(letter.encode_utf8(&mut [0; 4])));
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    match text.starts_with('/') {
        true => {
            let end: Vec<char> = text.chars().rev().take_while(&mut fits).collect();
            mark.chars().chain(end.into_iter().rev()).collect()
        }
        false => text.chars().take_while(&mut fits).chain(mark.chars()).collect(),
    }
}
