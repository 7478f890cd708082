//! Columns: cells in line, under titles.
//!
//! Numbers end in line, words begin in line, and no line ends in spaces. A column that may go goes if none of
//! its cells says anything, and, the highest rank first, where the page is too narrow; then names are shortened.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;

use crate::letters;
use crate::table::Page;
use crate::terminal::WEAK;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    is_number: bool,
    is_name: bool,
    goes_empty: bool,
    /// 0 for one that stays.
    rank: u8,
}

impl Column {
    /// One of numbers.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self { is_number: true, ..Self::words(title) }
    }

    /// One of words.
    pub(crate) const fn words(title: &'static str) -> Self {
        Self { title, is_number: false, is_name: false, goes_empty: false, rank: 0 }
    }

    /// One of names, which are shortened where the page is too narrow. There is one of them.
    pub(crate) const fn names(title: &'static str) -> Self {
        Self { is_name: true, ..Self::words(title) }
    }

    /// The same, which may go: if it says nothing, and before others, the higher its rank.
    pub(crate) const fn optional(self, rank: u8) -> Self {
        Self { rank, goes_empty: true, ..self }
    }

    /// The same, which goes for want of room only: of tables below each other.
    pub(crate) const fn steady(self, rank: u8) -> Self {
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

/// As much of a name, if it is as long, has room before columns that may go have.
const NAME: usize = 24;
/// As much of it stays in any case.
const LEAST_NAME: usize = 8;

/// Columns that titles and rows take where nothing is left out for want of room, each with the gap behind it.
pub(crate) fn width(columns: &[Column], rows: &[Vec<Cell>]) -> usize {
    let widths = widths(columns, rows);
    telling(columns, rows).map(|index| widths[index] + GAP).sum()
}

/// Those that stay, and those in which something is said.
fn telling(columns: &[Column], rows: &[Vec<Cell>]) -> impl Iterator<Item = usize> {
    (0..columns.len()).filter(|&index| {
        !columns[index].goes_empty || rows.iter().any(|row| row[index].says_something())
    })
}

fn widths(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
    let width = |(index, column): (usize, &Column)| {
        let cells = rows.iter().map(|row| letters::columns(&row[index].text));
        cells.chain([column.title.len()]).max().unwrap_or(0)
    };
    columns.iter().enumerate().map(width).collect()
}

/// Writes titles and rows; a row has a cell for each column.
pub(crate) fn write(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<Cell>],
    page: Page,
) -> io::Result<()> {
    let mut widths = widths(columns, rows);
    let mut kept: Vec<usize> = telling(columns, rows).collect();
    let least = |index: usize| match columns[index].is_name {
        true => widths[index].min(NAME),
        false => widths[index],
    };
    while kept.iter().map(|&index| least(index) + GAP).sum::<usize>() > page.width + GAP {
        let rank = |place: &usize| columns[kept[*place]].rank;
        let Some(place) = (0..kept.len()).max_by_key(rank).filter(|place| rank(place) > 0) else {
            break;
        };
        kept.remove(place);
    }
    if let Some(&name) = kept.iter().find(|&&index| columns[index].is_name) {
        let others = kept.iter().filter(|&&index| index != name);
        let taken = others.map(|&index| widths[index] + GAP).sum::<usize>();
        widths[name] = widths[name].min(page.width.saturating_sub(taken).max(LEAST_NAME));
    }
    let titles: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, WEAK)).collect();
    for row in std::iter::once(titles.as_slice()).chain(rows.iter().map(Vec::as_slice)) {
        let mut spaces = 0;
        for &index in &kept {
            let Cell { text, style } = &row[index];
            let text = match columns[index].is_name {
                true => name(text, widths[index], page.unicode),
                false => text.into(),
            };
            let rest = widths[index].saturating_sub(letters::columns(&text));
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

/// A name in so many columns, as far to the right as it stands.
fn name(text: &str, width: usize, unicode: bool) -> Cow<'_, str> {
    if letters::columns(text) <= width {
        return text.into();
    }
    let words = text.trim_start_matches(' ');
    let indent = text.len() - words.len();
    let words = letters::shortened(words, width.saturating_sub(indent).max(1), unicode);
    format!("{:indent$}{words}", "").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::number("size"),
        Column::words("kind"),
        Column::number("swap").optional(1),
        Column::names("name"),
    ];

    fn text(rows: &[[&str; 4]], page_width: usize) -> String {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|text| Cell::new(*text)).collect()).collect();
        let mut out = Vec::new();
        let page = Page { width: page_width, unicode: true };
        write(&mut out, &COLUMNS, &rows, page).unwrap();
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

    #[test]
    fn a_name_is_shortened_where_there_is_no_room_and_columns_that_may_go_do_not_go_for_all_of_it()
    {
        let path = "/a/long/path/of/a/file/漢字.txt";
        let rows = [["1 KiB", "file", "7", path], ["", "", "", "  a name in it"]];
        assert!(text(&rows, 80).contains(path));
        let narrow = text(&rows, 44);
        assert!(
            narrow.contains("7  …/path/of/a/file/漢字.txt\n") && narrow.contains("swap"),
            "{narrow}"
        );
        let narrow = text(&rows, 30);
        assert!(
            narrow.contains("file  …/a/file/漢字.txt\n") && narrow.contains("    a name in it"),
            "{narrow}"
        );
        assert!(narrow.lines().all(|line| letters::columns(line) <= 30), "{narrow}");
    }
}
