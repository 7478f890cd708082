//! What the terminal can show: colours, letters, width. And styles, few of them.
//!
//! Everything is written with styles; the stream takes them out again where they are not wanted.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::AutoStream;
use anstream::adapter::StripBytes;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;

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
