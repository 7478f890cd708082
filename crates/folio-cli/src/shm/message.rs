//! A message as it is written to standard output: a line, JSON, or its bytes.

use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::letters;
use crate::shm::arguments::MessageOutput;
use crate::shm::inlet::Origin;

/// A message, as `docs/command.md` documents it.
#[derive(Debug, Serialize)]
struct MessageReport<'a> {
    length_bytes: usize,
    /// If it is text.
    text: Option<&'a str>,
    /// Two hexadecimal digits each.
    bytes: String,
    /// Messages that were lost before this one.
    lost: u64,
    /// Its number, in a journal.
    sequence: Option<u64>,
    /// When it was appended to a journal, in seconds since 1970.
    time_seconds: Option<f64>,
}

/// Writes a message, and in JSON where it comes from.
///
/// # Errors
/// What the writer fails with.
pub fn write(
    out: &mut impl Write,
    message: &[u8],
    origin: Origin,
    output: MessageOutput,
) -> io::Result<()> {
    match output {
        MessageOutput::Raw => out.write_all(message),
        MessageOutput::Text => writeln!(out, "{}", line(message)),
        MessageOutput::Json => {
            let bytes = message.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = std::str::from_utf8(message).ok();
            let since_1970 = origin.time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let report = MessageReport {
                length_bytes: message.len(),
                text,
                bytes,
                lost: origin.lost,
                sequence: origin.sequence,
                time_seconds: since_1970.map(|time| time.as_secs_f64()),
            };
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)
        }
    }
}

/// A message on one line, whatever is in it: characters that would end the line or move the cursor, but
/// for tabs, and bytes that are no text are escaped.
fn line(message: &[u8]) -> String {
    let mut line = String::new();
    for chunk in message.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => line.push(c),
                c => letters::push_printable(&mut line, c),
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        for (message, expected) in [
            (&b"plain\ttext"[..], "plain\ttext"),
            (b"two\nlines\r", "two\\nlines\\r"),
            (b"\x1b[31m\xff\xfe", "\\u{1b}[31m\\xff\\xfe"),
            ("µ".as_bytes(), "µ"),
            ("a\u{202e}b\u{2028}".as_bytes(), "a\\u{202e}b\\u{2028}"),
            (b"", ""),
        ] {
            assert_eq!(line(message), expected);
        }
    }
}
