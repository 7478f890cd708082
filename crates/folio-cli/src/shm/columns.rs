//! Columns of a table: numbers end, and words begin, in line.

use std::io::{self, Write};

use anstyle::Style;

use crate::letters;
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
            let cells = rows.iter().map(|row| letters::columns(&row[column]));
            *width = cells.chain([*width]).max().unwrap_or(0);
        }
    }

    /// Lines are no wider than this.
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
                false if column == last => cell.clone(),
                is_number => letters::padded(cell, width, is_number),
            };
            let text = letters::beginning(&text, rest);
            write!(out, "{style}{text}{style:#}")?;
            rest -= letters::columns(text);
            if column < last {
                write!(out, "{:1$}", "", rest.min(2))?;
                rest -= rest.min(2);
            }
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_wide_as_their_letters_and_no_line_is_wider_than_it_may_be() {
        let rows =
            [["名前", "1", "end"], ["e\u{301}", "22", "end"]].map(|row| row.map(String::from));
        let mut columns = Columns::of(["a", "b", "c"], &[1], &rows);
        let text = |columns: &Columns<3>| {
            let mut out = Vec::new();
            rows.iter().for_each(|row| columns.row(&mut out, row, |_| Style::new()).unwrap());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(&columns), "名前   1  end\ne\u{301}     22  end\n");
        columns.limit(3);
        assert_eq!(text(&columns), "名 \ne\u{301}  \n");
    }
}
