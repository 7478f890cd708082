//! A pen: it writes into the parts of a picture, and never beside them.
//!
//! ```
//! use folio_cli::top::pen::Pen;
//! use ratatui::{buffer::Buffer, layout::Rect, style::Style};
//! let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
//! let mut pen = Pen::new(&mut buffer, Rect::new(1, 0, 4, 1));
//! pen.write(0, 0, 9, "longer than that", Style::new());
//! pen.write(0, 7, 9, "elsewhere", Style::new());
//! assert_eq!(buffer, Buffer::with_lines([" long "]));
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::letters;

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
        let text = letters::printable(text);
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
    u16::try_from(letters::columns(text)).unwrap_or(u16::MAX)
}
