//! `heap` counts words in an arena.

mod common;

use common::{example, lines, said, scratch};

#[test]
fn it_counts_a_text_of_its_own_and_gives_the_memory_back() {
    let lines = lines(&example("heap").output().unwrap());
    assert!(said(&lines, "words").starts_with("100000, "));
    assert!(lines.contains(&(String::new(), "   33333 × page".into())), "{lines:?}");
    assert!(said(&lines, "arena").contains("MiB used"));
    assert_eq!(said(&lines, "after reset"), "0 used, 0 committed");
}

#[test]
fn it_counts_the_words_of_a_file() {
    let path = scratch("heap");
    std::fs::write(&path, "to be, or not to be: that is the question").unwrap();
    let lines = lines(&example("heap").arg(&path).output().unwrap());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(said(&lines, "words"), "10, 8 of them different");
    assert_eq!(said(&lines, ""), "       2 × be");
}
