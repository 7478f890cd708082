//! `sort_numbers` sorts a file in less memory than it has bytes.

mod common;

use common::{example, lines, said, scratch};

#[test]
fn a_file_is_sorted_in_place_in_an_eighth_of_its_size() {
    let path = scratch("numbers");
    let mut numbers: Vec<u64> =
        (0..1 << 20).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let bytes = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<u8>>();
    std::fs::write(&path, bytes(&numbers)).unwrap();
    let output = example("sort_numbers").arg(&path).arg("1").output().unwrap();
    let sorted = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines = lines(&output);
    assert!(said(&lines, "sorted").starts_with("true, 1048576 numbers"));
    assert_eq!(said(&lines, "memory"), "1.0 MiB allowed");
    numbers.sort_unstable();
    assert!(sorted == bytes(&numbers));
}

#[test]
fn what_cannot_be_opened_is_one_line_and_exit_code_1() {
    let output = example("sort_numbers").arg("/no/such/file").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}
