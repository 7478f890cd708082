//! Columns of a table: numbers end, and words begin, in line.

use std::io::{self, Write};

use anstyle::Style;

use crate::terminal::WEAK;

/// The columns of a table, and how wide they are.
#[derive(Debug)]
pub struct Columns<const N: usize> {
    titles: [&'static str; N],
    /// Of numbers.
    is_number: [bool; N],
    widths: [usize; N],
    /// Of a line.
    most: usize,
}

impl<const N: usize> Columns<N> {
    /// As wide as titles and rows need them; `numbers` are the columns of numbers.
    pub fn of(titles: [&'static str; N], numbers: &[usize], rows: &[[String; N]]) -> Self {
        let is_number = std::array::from_fn(|column| numbers.contains(&column));
        let mut this = Self { titles, is_number, widths: titles.map(str::len), most: usize::MAX };
        this.widen(rows);
        this
    }

    /// As wide as these rows need them, too. Columns do not become narrower again.
    pub fn widen(&mut self, rows: &[[String; N]]) {
        for (column, width) in self.widths.iter_mut().enumerate() {
            let cells = rows.iter().map(|row| row[column].chars().count());
            *width = cells.chain([*width]).max().unwrap_or(0);
        }
    }

    /// Lines have no more characters than this.
    pub fn limit(&mut self, width: usize) {
        self.most = width;
    }

    /// Writes the titles.
    ///
    /// # Errors
    /// What the writer fails with.
    pub fn head(&self, out: &mut impl Write) -> io::Result<()> {
        self.row(out, &self.titles.map(String::from), |_| WEAK)
    }

    /// Writes a row, each cell in a style.
    ///
    /// # Errors
    /// What the writer fails with.
    pub fn row(
        &self,
        out: &mut impl Write,
        cells: &[String; N],
        style: impl Fn(usize) -> Style,
    ) -> io::Result<()> {
        // No spaces at the end of a line.
        let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        let mut rest = self.most;
        for (column, cell) in cells.iter().enumerate().take(last + 1) {
            let (style, width) = (style(column), self.widths[column]);
            let text = match self.is_number[column] {
                true => format!("{cell:>width$}"),
                false if column == last => cell.clone(),
                false => format!("{cell:<width$}"),
            };
            let text: String = text.chars().take(rest).collect();
            write!(out, "{style}{text}{style:#}")?;
            rest -= text.chars().count();
            if column < last {
                write!(out, "{:1$}", "", rest.min(2))?;
                rest -= rest.min(2);
            }
        }
        writeln!(out)
    }
}
