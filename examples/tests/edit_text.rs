//! `edit_text` changes words of a file, and nothing else.

mod common;

use common::{example, lines, said, scratch};
use std::fs;

#[test]
fn it_shows_an_edit_of_a_file_of_its_own() {
    let lines = lines(&example("edit_text").output().unwrap());
    assert_eq!(said(&lines, "found"), "50000 times");
    let first = "The quick brown wolverine jumps over the lazy dog, foxglove and all.";
    assert_eq!(said(&lines, "first line"), first);
}

#[test]
fn a_file_is_the_same_as_if_its_words_were_replaced_in_memory() {
    // Longer than several blocks, with the word at both ends, next to itself and within others.
    let middle = "one two, one-one done ones (one)\n".repeat(30_000);
    for text in [format!("one {middle} one"), middle, String::from("one"), String::new()] {
        for replacement in ["eleven", "1", "one", ""] {
            let path = scratch("edit");
            fs::write(&path, &text).unwrap();
            let output = example("edit_text").arg(&path).args(["one", replacement]).output();
            lines(&output.unwrap());
            assert!(fs::read_to_string(&path).unwrap() == replaced(&text, replacement));
            fs::remove_file(&path).unwrap();
        }
    }
}

fn replaced(text: &str, replacement: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let change = |word: &str| match word.strip_prefix("one") {
        Some(rest) if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            format!("{replacement}{rest}")
        }
        _ => word.to_owned(),
    };
    words.map(change).collect()
}

#[test]
fn what_it_cannot_do_is_one_line_and_exit_code_1() {
    for arguments in [&["missing"][..], &["/no/such/file", "a", "b"], &["/dev/null", "a b", "c"]] {
        let output = example("edit_text").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    }
}
