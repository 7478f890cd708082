//! Bytes as people read them: offset, hexadecimal, text; like `hexdump -C`.
//!
//! ```
//! let mut out = Vec::new();
//! folio_cli::hex::write(&mut out, b"[[package]]\nname = \"folio\"\0", 0x40, 80)?;
//! let text = anstream::adapter::strip_bytes(&out).into_vec();
//! assert_eq!(
//!     String::from_utf8(text).unwrap(),
//!     "  00000040  5b 5b 70 61 63 6b 61 67  65 5d 5d 0a 6e 61 6d 65  |[[package]].name|\n\
//!      \x20 00000050  20 3d 20 22 66 6f 6c 69  6f 22 00                 | = \"folio\".|\n",
//! );
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, Write};

use anstyle::Style;

use crate::terminal::{LETTER, WEAK};

/// Writes bytes in rows that fit into `width` columns. `offset` is that of the first.
///
/// Rows like the one before are left out, and a `*` stands for them. Offsets have eight digits, or
/// as many pairs as they need. The indentation goes where more bytes fit into a row without it.
///
/// # Errors
/// What the writer fails with.
pub fn write(out: &mut impl Write, bytes: &[u8], offset: u64, width: usize) -> io::Result<()> {
    let last = offset.saturating_add(bytes.len() as u64);
    let digits = (last.max(1).ilog2() as usize / 8 * 2 + 2).max(8);
    let mut layouts = [(16, 2), (16, 0), (8, 2), (8, 0), (4, 2)].into_iter();
    let fits = |&(row, indent): &(usize, usize)| indent + columns(row, digits) <= width;
    let (row, indent) = layouts.find(fits).unwrap_or((4, 2));
    let mut before: Option<&[u8]> = None;
    let mut starred = false;
    for (index, chunk) in bytes.chunks(row).enumerate() {
        let is_last = (index + 1) * row >= bytes.len();
        if before == Some(chunk) && !is_last {
            if !starred {
                writeln!(out, "{:indent$}{WEAK}*{WEAK:#}", "")?;
            }
            starred = true;
            continue;
        }
        starred = false;
        before = Some(chunk);
        let at = offset.wrapping_add((index * row) as u64);
        write!(out, "{:indent$}{WEAK}{at:0digits$x}{WEAK:#} ", "")?;
        write_row(out, chunk, row)?;
    }
    Ok(())
}

/// Columns of a row without its indentation: offset, three a byte and a gap for each eight, text between bars.
fn columns(row: usize, digits: usize) -> usize {
    digits + 1 + 3 * row + (row - 1) / 8 + 2 + row + 2
}

fn write_row(out: &mut impl Write, bytes: &[u8], row: usize) -> io::Result<()> {
    let mut pen = Pen::default();
    for index in 0..row {
        if index % 8 == 0 && index > 0 {
            out.write_all(b" ")?;
        }
        match bytes.get(index) {
            Some(&byte) => pen.write(out, style(byte), format_args!(" {byte:02x}"))?,
            None => out.write_all(b"   ")?,
        }
    }
    pen.end(out)?;
    write!(out, "  {WEAK}|{WEAK:#}")?;
    for &byte in bytes {
        let letter = if is_letter(byte) { char::from(byte) } else { '.' };
        pen.write(out, style(byte), format_args!("{letter}"))?;
    }
    pen.end(out)?;
    writeln!(out, "{WEAK}|{WEAK:#}")
}

fn is_letter(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn style(byte: u8) -> Style {
    match byte {
        0 => WEAK,
        byte if is_letter(byte) => LETTER,
        _ => Style::new(),
    }
}

/// Changes styles only where they change.
#[derive(Default)]
struct Pen(Style);

impl Pen {
    fn write(
        &mut self,
        out: &mut impl Write,
        style: Style,
        text: std::fmt::Arguments<'_>,
    ) -> io::Result<()> {
        if style != self.0 {
            write!(out, "{:#}{style}", self.0)?;
            self.0 = style;
        }
        out.write_fmt(text)
    }

    fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{:#}", self.0)?;
        self.0 = Style::new();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8], offset: u64, width: usize) -> String {
        let mut out = Vec::new();
        write(&mut out, bytes, offset, width).unwrap();
        String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).unwrap()
    }

    #[test]
    fn no_bytes_are_no_rows() {
        assert_eq!(plain(b"", 0, 80), "");
    }

    #[test]
    fn rows_fit_the_width_and_line_up() {
        for (width, longest) in
            [(200, 80), (80, 80), (79, 78), (78, 78), (77, 47), (46, 45), (44, 31), (1, 31)]
        {
            let text = plain(&[b'x'; 40], 0, width);
            assert_eq!(text.lines().map(str::len).max(), Some(longest), "{width}");
        }
        let text = plain(b"0123456789abcdefg", 0, 80);
        let bars: Vec<_> = text.lines().map(|line| line.find('|')).collect();
        assert_eq!(bars[0], bars[1]);
    }

    #[test]
    fn offsets_up_to_1_tib_leave_room_for_16_bytes_in_80_columns() {
        for (offset, longest) in [(1 << 32, 80), ((1 << 40) - 64, 80), (1 << 40, 51)] {
            let text = plain(&[b'x'; 40], offset, 80);
            assert_eq!(text.lines().map(str::len).max(), Some(longest), "{text}");
        }
    }

    #[test]
    fn rows_that_repeat_are_left_out_but_for_the_last() {
        let text = plain(&[0; 80], 0, 80);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[1], "  *");
        assert!(lines[2].starts_with("  00000040"));
    }

    #[test]
    fn offsets_behind_4_gib_are_written_whole() {
        assert!(plain(b"x", (1 << 32) - 2, 80).starts_with("  fffffffe "));
        assert!(plain(b"x", 1 << 32, 90).starts_with("  0100000000 "));
        assert!(plain(b"x", 1 << 40, 90).starts_with("  010000000000 "));
        assert!(plain(b"xy", u64::MAX, 80).starts_with("  ffffffffffffffff"));
    }
}
