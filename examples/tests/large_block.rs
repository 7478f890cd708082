//! `large_block` reserves much and takes little.

mod common;

use common::{example, lines, said};

#[test]
fn memory_is_taken_only_where_it_was_touched() {
    let lines = lines(&example("large_block").output().unwrap());
    assert!(said(&lines, "reserved").starts_with("64.0 GiB at 0x"));
    assert!(said(&lines, "committed").starts_with("64.0 MiB"));
    assert_eq!(said(&lines, "touched"), "16.0 MiB");
    assert!(said(&lines, "resident").starts_with("16.0 MiB, "), "{lines:?}");
    assert_eq!(said(&lines, "discarded"), "0 B resident");
}

#[test]
fn the_sizes_are_arguments() {
    let lines = lines(&example("large_block").args(["2", "8"]).output().unwrap());
    assert!(said(&lines, "reserved").starts_with("2.0 GiB"));
    assert_eq!(said(&lines, "touched"), "2.0 MiB");
    assert!(!example("large_block").args(["1", "2048"]).output().unwrap().status.success());
    assert!(!example("large_block").args(["much"]).output().unwrap().status.success());
}
