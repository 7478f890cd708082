//! Columns: cells in line, under titles.
//!
//! Numbers end in line, words begin in line, and no line ends in spaces. A column that may go goes if none of
//! its cells says anything, and, the highest rank first, where the page is too narrow.

use std::io::{self, Write};

use anstyle::Style;

use crate::terminal::WEAK;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    is_number: bool,
    /// 0 for one that stays.
    rank: u8,
}

impl Column {
    /// One of numbers.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, is_number: true, rank: 0 }
    }

    /// One of words.
    pub(crate) const fn words(title: &'static str) -> Self {
        Self { title, is_number: false, rank: 0 }
    }

    /// The same, which may go: before others, the higher its rank.
    pub(crate) const fn optional(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// What stands in a row of a column.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    /// A text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    /// What says nothing: 0, or what is not known.
    pub(crate) fn nothing() -> Self {
        Self::styled(NOTHING, WEAK)
    }

    fn says_something(&self) -> bool {
        !matches!(self.text.as_str(), "" | NOTHING)
    }
}

const NOTHING: &str = "-";
const GAP: usize = 2;

/// Writes titles and rows; a row has a cell for each column.
pub(crate) fn write(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<Cell>],
    page_width: usize,
) -> io::Result<()> {
    let width = |index: usize| {
        let cells = rows.iter().map(|row| row[index].text.chars().count());
        cells.chain([columns[index].title.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut kept: Vec<usize> = (0..columns.len())
        .filter(|&index| {
            columns[index].rank == 0 || rows.iter().any(|row| row[index].says_something())
        })
        .collect();
    while kept.iter().map(|&index| widths[index] + GAP).sum::<usize>() > page_width + GAP {
        let rank = |place: &usize| columns[kept[*place]].rank;
        let Some(place) = (0..kept.len()).max_by_key(rank).filter(|place| rank(place) > 0) else {
            break;
        };
        kept.remove(place);
    }
    let titles: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, WEAK)).collect();
    for row in std::iter::once(titles.as_slice()).chain(rows.iter().map(Vec::as_slice)) {
        let mut spaces = 0;
        for &index in &kept {
            let Cell { text, style } = &row[index];
            let rest = widths[index] - text.chars().count();
            let (before, behind) = if columns[index].is_number { (rest, 0) } else { (0, rest) };
            spaces += before;
            if !text.is_empty() {
                write!(out, "{:spaces$}{style}{text}{style:#}", "")?;
                spaces = 0;
            }
            spaces += behind + GAP;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::number("size"),
        Column::words("kind"),
        Column::number("swap").optional(1),
        Column::words("name"),
    ];

    fn text(rows: &[[&str; 4]], page_width: usize) -> String {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|text| Cell::new(*text)).collect()).collect();
        let mut out = Vec::new();
        write(&mut out, &COLUMNS, &rows, page_width).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn numbers_end_and_words_begin_in_line() {
        let rows = [["1 KiB", "file", "7", "a"], ["", "x", "1,000", ""], ["-", "", "-", "long"]];
        let expected = " size  kind   swap  name\n1 KiB  file      7  a\n       x     1,000\n    -            -  long\n";
        assert_eq!(text(&rows, 80), expected);
    }

    #[test]
    fn a_column_that_may_go_goes_when_it_says_nothing_or_there_is_no_room() {
        let rows = [["1 KiB", "file", "-", "a"]];
        assert_eq!(text(&rows, 80), " size  kind  name\n1 KiB  file  a\n");
        let rows = [["1 KiB", "file", "7", "a"]];
        assert!(text(&rows, 23).contains("swap"));
        assert!(!text(&rows, 22).contains("swap"));
    }
}
