//! Edits a large text file in place: replaces each occurrence of a word by another, longer or
//! shorter, and the file and its mapping grow or shrink to fit.
//!
//! ```text
//! cargo run --example edit_text [FILE WORD REPLACEMENT]
//! ```
//! Without arguments a temporary file is made and edited. The edit is in place: if the machine stops
//! half-way, the file is half edited.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use folio::Growable;
use folio_examples::{about, finish, say, size};

/// Bytes copied at a time.
const BLOCK: usize = 256 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [file, word, replacement] => edit(Path::new(file), word, replacement),
        [] => demonstrate(),
        _ => Err("usage: edit_text [FILE WORD REPLACEMENT]".into()),
    };
    finish("edit_text", result)
}

fn demonstrate() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("folio-edit-text-{}", std::process::id()));
    let line = "The quick brown fox jumps over the lazy dog, foxglove and all.\n";
    about(path.display(), fs::write(&path, line.repeat(50_000)))?;
    let result = edit(&path, "fox", "wolverine").and_then(|()| {
        let text = fs::read_to_string(&path)?;
        say("first line", text.lines().next().unwrap_or_default());
        Ok(())
    });
    fs::remove_file(&path)?;
    result
}

fn edit(path: &Path, word: &str, replacement: &str) -> Result<(), Box<dyn Error>> {
    let (word, replacement) = (word.as_bytes(), replacement.as_bytes());
    if word.is_empty() || !word.iter().all(|&byte| is_word(byte)) {
        let word = String::from_utf8_lossy(word);
        return Err(format!("'{word}': a word has letters, digits and underscores only").into());
    }
    // What the file can become at most: each word is followed by something else.
    let old_len = usize::try_from(about(path.display(), fs::metadata(path))?.len())?;
    let most = old_len
        .checked_mul(replacement.len() + 1)
        .ok_or_else(|| format!("{}: it is too long", path.display()))?;
    let text = Growable::open(path, most.max(old_len))?;
    say("file", format_args!("{}, {}", path.display(), size(old_len)));

    let found = find(&text, word)?;
    let grown = found.len() * replacement.len();
    let new_len = old_len - found.len() * word.len() + grown;
    say("found", format_args!("{} times", found.len()));

    let address = text.address();
    if replacement.len() > word.len() {
        // The disk has room for the result, or this fails and nothing has changed.
        text.grow(new_len)?;
        // From the back: no byte is overwritten before it has been moved.
        let (mut from, mut to) = (old_len, new_len);
        for &at in found.iter().rev() {
            let after = at + word.len();
            to -= from - after;
            move_up(&text, after, to, from - after)?;
            to -= replacement.len();
            text.write_at(to, replacement)?;
            from = at;
        }
    } else {
        let (mut from, mut to) = (0, 0);
        for at in found.iter().copied().chain([old_len]) {
            move_down(&text, from, to, at - from)?;
            to += at - from;
            if at < old_len {
                text.write_at(to, replacement)?;
                to += replacement.len();
            }
            from = at + word.len();
        }
        text.shrink(new_len)?;
    }
    text.flush(..)?;
    assert_eq!(text.address(), address);
    say("replaced", format_args!("in place, flushed; now {}", size(text.len())));
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The positions of a word, where it is a word and not part of one.
fn find(text: &Growable, word: &[u8]) -> folio::Result<Vec<usize>> {
    let mut found = Vec::new();
    let mut run = Vec::new();
    let mut at = 0;
    for block in text.chunks(BLOCK) {
        for byte in block.to_vec()? {
            if !is_word(byte) {
                if run == word {
                    found.push(at - word.len());
                }
                run.clear();
            } else if run.len() <= word.len() {
                run.push(byte);
            }
            at += 1;
        }
    }
    if run == word {
        found.push(at - word.len());
    }
    Ok(found)
}

/// Moves bytes towards the end, the last ones first.
fn move_up(text: &Growable, from: usize, to: usize, count: usize) -> folio::Result<()> {
    let mut buffer = vec![0; BLOCK.min(count)];
    let mut left = count;
    while left > 0 {
        let block = &mut buffer[..BLOCK.min(left)];
        left -= block.len();
        text.read_at(from + left, block)?;
        text.write_at(to + left, block)?;
    }
    Ok(())
}

/// Moves bytes towards the beginning, the first ones first.
fn move_down(text: &Growable, from: usize, to: usize, count: usize) -> folio::Result<()> {
    let mut buffer = vec![0; BLOCK.min(count)];
    let mut done = 0;
    while done < count {
        let block = &mut buffer[..BLOCK.min(count - done)];
        text.read_at(from + done, block)?;
        text.write_at(to + done, block)?;
        done += block.len();
    }
    Ok(())
}
