//! Letters on a terminal: which of a text's may reach it, and how many columns they take.
//!
//! ```
//! use folio_cli::letters;
//! // A name that would show as "gpj.exe" does not.
//! assert_eq!(letters::printable("\u{202e}exe.jpg"), "\\u{202e}exe.jpg");
//! assert_eq!(letters::printable("名前\n"), "名前\\n");
//! assert_eq!(letters::columns("名前"), 4);
//! assert_eq!(letters::columns("e\u{301}"), 1, "an e with an accent");
//! assert_eq!(letters::beginning("名前", 3), "名");
//! assert_eq!(letters::end("cafe\u{301}", 1), "e\u{301}");
//! ```
//!
//! Invariants: what [`printable`] returns shows where it stands, in the order in which it is read, and ends no
//! line; a text is cut between what its readers take for letters, never inside of one.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A text without characters that would move the cursor, end the line, show nothing or turn round what is
/// beside them: these are escaped as in Rust. It is for people; programs get names as they are.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(shows) {
        return text.into();
    }
    let mut printable = String::with_capacity(text.len() + 16);
    text.chars().for_each(|letter| push_printable(&mut printable, letter));
    printable.into()
}

/// Adds a character as [`printable`] has it.
pub(crate) fn push_printable(text: &mut String, letter: char) {
    match shows(letter) {
        true => text.push(letter),
        false => text.extend(letter.escape_default()),
    }
}

/// Whether it is none of Unicode's control and format characters (Cc, Cf) and separators of lines and
/// paragraphs (Zl, Zp).
fn shows(letter: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    matches!(letter, ' '..='~')
        || !matches!(
            letter.general_category(),
            Control | Format | LineSeparator | ParagraphSeparator
        )
}

/// Columns that a printable text takes: two for a wide letter of East Asia, none for an accent.
pub fn columns(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.graphemes(true).map(UnicodeWidthStr::width).sum(),
    }
}

/// As much of the beginning as so many columns have room for.
pub fn beginning(text: &str, most: usize) -> &str {
    let taken: usize = fitting(text.graphemes(true), most);
    &text[..taken]
}

/// As much of the end as so many columns have room for.
pub fn end(text: &str, most: usize) -> &str {
    let taken: usize = fitting(text.graphemes(true).rev(), most);
    &text[text.len() - taken..]
}

/// A text, made printable, in no more than so many columns: of what has slashes its end, of all else its beginning.
///
/// ```
/// use folio_cli::letters::shortened;
/// assert_eq!(shortened("/usr/lib/libc.so", 8, true), "…libc.so");
/// assert_eq!(shortened("postgres: writer", 8, true), "postgre…");
/// ```
pub fn shortened(text: &str, width: usize, unicode: bool) -> String {
    let text = printable(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let mark = if unicode { "…" } else { "~" };
    let left = width.saturating_sub(1);
    match text.contains('/') {
        true => mark.to_owned() + end(&text, left),
        false => beginning(&text, left).to_owned() + mark,
    }
}

/// The bytes of the first letters that fit.
fn fitting<'a>(letters: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let mut left = most;
    let fits = |letter: &&str| {
        let width = letter.width();
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    letters.take_while(fits).map(str::len).sum()
}

/// A printable text with spaces behind it, or before it where it is a number, so that it takes so many columns.
pub(crate) fn padded(text: &str, width: usize, is_number: bool) -> String {
    let spaces = " ".repeat(width.saturating_sub(columns(text)));
    if is_number { spaces + text } else { text.to_owned() + &spaces }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_and_format_characters_are_escaped_and_nothing_else() {
        for plain in ["", "plain µ", "名前", "e\u{301}", "no\u{a0}break", "\u{3000}", "👍"] {
            assert_eq!(printable(plain), plain);
        }
        assert_eq!(printable("a\nb\x1b[31m\x7f\u{9b}"), "a\\nb\\u{1b}[31m\\u{7f}\\u{9b}");
        // Bidirectional marks, embeddings, overrides and isolates.
        for mark in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain([
            '\u{61c}',
            '\u{200e}',
            '\u{200f}', // Without a width.
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{ad}',
            // Separators of lines and paragraphs, and tags.
            '\u{2028}',
            '\u{2029}',
            '\u{e0041}',
            '\u{fff9}',
            '\u{180e}',
        ]) {
            let expected = format!("a\\u{{{:x}}}b", u32::from(mark));
            assert_eq!(printable(&format!("a{mark}b")), expected);
        }
    }

    #[test]
    fn numbers_end_and_words_begin_in_line_whatever_their_letters() {
        assert_eq!(padded("名", 4, false), "名  ");
        assert_eq!(padded("1", 3, true), "  1");
        assert_eq!(padded("e\u{301}", 2, false), "e\u{301} ");
        assert_eq!(padded("longer", 2, false), "longer");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_cut_fits_and_is_a_whole_part(text in "\\PC{0,12}", most in 0..12usize) {
            let text = printable(&text);
            prop_assert_eq!(printable(&text), text.as_ref());
            let (beginning, end) = (beginning(&text, most), end(&text, most));
            prop_assert!(columns(beginning) <= most && columns(end) <= most);
            let (rest, start) = (&text[beginning.len()..], &text[..text.len() - end.len()]);
            prop_assert_eq!(columns(beginning) + columns(rest), columns(&text));
            prop_assert_eq!(columns(start) + columns(end), columns(&text));
            let is_too_wide = |letter: Option<&str>, cut: &str| letter.is_none_or(|letter| columns(cut) + letter.width() > most);
            prop_assert!(is_too_wide(rest.graphemes(true).next(), beginning));
            prop_assert!(is_too_wide(start.graphemes(true).next_back(), end));
        }
    }
}
