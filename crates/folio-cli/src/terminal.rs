//! What the terminal can show: colours, letters, width. And styles, few of them.
//!
//! Everything is written with styles; the stream takes them out again where they are not wanted.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::AutoStream;
use anstream::adapter::StripBytes;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use ratatui::text::Span;

/// What stands out: the name of the thing.
pub const STRONG: Style = Style::new().bold();
/// What stands back: labels, offsets, zeros.
pub const WEAK: Style = Style::new().dimmed();
/// Pages in memory.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Text among bytes.
pub const LETTER: Style = AnsiColor::Cyan.on_default();
/// A fault.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Standard output, buffered, coloured where that is wanted.
pub type Out = BufWriter<Styled>;

/// A file that is written with styles, and gets them where they are wanted.
#[derive(Debug)]
pub struct Styled {
    file: File,
    /// What takes the styles out again. An [`AutoStream`] would write what is between two of them with a
    /// call each.
    plain: Option<StripBytes>,
}

impl Write for Styled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(plain) = &mut self.plain else { return self.file.write(bytes) };
        let mut text = Vec::with_capacity(bytes.len());
        plain.strip_next(bytes).for_each(|part| text.extend_from_slice(part));
        self.file.write_all(&text)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Standard output as a file, unbuffered.
///
/// # Errors
/// EMFILE where no descriptor is left.
pub fn standard_output_file() -> io::Result<File> {
    Ok(File::from(rustix::stdio::stdout().try_clone_to_owned()?))
}

/// Standard input as a file, unbuffered.
///
/// # Errors
/// As [`standard_output_file`].
pub fn standard_input_file() -> io::Result<File> {
    Ok(File::from(rustix::stdio::stdin().try_clone_to_owned()?))
}

/// Standard output for text.
///
/// # Errors
/// As [`standard_output_file`].
pub fn standard_output(color: ColorChoice) -> io::Result<Out> {
    let file = standard_output_file()?;
    let is_plain = match choice(color) {
        anstream::ColorChoice::Auto => AutoStream::choice(&file) == anstream::ColorChoice::Never,
        choice => choice == anstream::ColorChoice::Never,
    };
    let plain = is_plain.then(StripBytes::new);
    Ok(BufWriter::with_capacity(64 << 10, Styled { file, plain }))
}

/// Standard error for a line.
pub fn standard_error(color: ColorChoice) -> AutoStream<io::Stderr> {
    AutoStream::new(io::stderr(), choice(color))
}

fn choice(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}

/// Columns of the terminal; 80 where there is none.
pub fn width() -> usize {
    known_width().unwrap_or(80).clamp(20, 200)
}

/// Columns of the terminal, or what COLUMNS says where there is none.
pub fn known_width() -> Option<usize> {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let stdout = io::stdout();
    let asked = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    asked.map(|size| usize::from(size.ws_col)).filter(|&width| width > 0).or_else(columns)
}

/// Columns and lines of the terminal that standard output is; 80 and 24 where it does not say.
pub fn size() -> (usize, usize) {
    let asked = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let (columns, lines) = asked.map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let or = |count: u16, usual| if count == 0 { usual } else { usize::from(count) };
    (or(columns, 80), or(lines, 24))
}

/// Whether the terminal can move its cursor.
pub fn can_move() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether the locale's letters are those of Unicode (setlocale(3), LC_CTYPE).
pub fn is_unicode() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// A text without characters that would move the cursor, end the line, or turn round what stands beside
/// them.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(misleads) {
        return text.into();
    }
    let escaped = |c: char| match misleads(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect::<String>().into()
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => Span::raw(text).width(),
    }
}

/// A text in no more than so many columns: of what has slashes its end, of all else its beginning.
///
/// ```
/// use folio_cli::terminal::shortened;
/// assert_eq!(shortened("/usr/lib/libc.so", 8, true), "…libc.so");
/// assert_eq!(shortened("postgres: writer", 8, true), "postgre…");
/// ```
pub fn shortened(text: &str, width: usize, unicode: bool) -> String {
    let text = printable(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let mark = if unicode { "…" } else { "~" };
    let mut left = width.saturating_sub(1);
    let mut fits = |letter: &char| {
        let wide = columns(letter.encode_utf8(&mut [0; 4]));
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    match text.contains('/') {
        true => {
            let end: Vec<char> = text.chars().rev().take_while(&mut fits).collect();
            mark.chars().chain(end.into_iter().rev()).collect()
        }
        false => text.chars().take_while(&mut fits).chain(mark.chars()).collect(),
    }
}

/// Whether a character acts on others: controls, ends of lines and paragraphs, and the marks of bidirectional
/// text (Unicode Standard Annex 9).
fn misleads(c: char) -> bool {
    let is_mark = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control() || is_mark || matches!(c, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_mislead_are_escaped_and_nothing_else() {
        assert_eq!(printable("plain µ 漢字 עברית"), "plain µ 漢字 עברית");
        assert_eq!(printable("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(printable("a\u{202e}fdp.\u{2069}"), "a\\u{202e}fdp.\\u{2069}");
    }
}
