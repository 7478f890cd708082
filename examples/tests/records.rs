//! `records` keeps records in a file that grows.

mod common;

use common::{example, lines, said, scratch};
use std::fs;

#[test]
fn records_are_read_back_from_a_file_that_is_removed_again() {
    let lines = lines(&example("records").output().unwrap());
    assert_eq!(said(&lines, "reopened"), "100000 records, 0 of them wrong");
    assert_eq!(said(&lines, "record"), "50000: account 50000, balance -1");
    let path = said(&lines, "file").split_once(',').unwrap().0;
    assert!(!fs::exists(path).unwrap(), "{path} is left");
}

#[test]
fn a_file_of_ones_own_grows_from_run_to_run() {
    let path = scratch("records");
    for total in [70_000usize, 140_000] {
        let lines = lines(&example("records").arg(&path).arg("70000").output().unwrap());
        assert_eq!(said(&lines, "reopened"), format!("{total} records, 0 of them wrong"));
        assert_eq!(fs::metadata(&path).unwrap().len(), total as u64 * 64);
    }
    let bytes = fs::read(&path).unwrap();
    for (index, record) in bytes.chunks_exact(64).enumerate() {
        assert_eq!(record[..8], (index as u64).to_le_bytes());
        let changed = [35_000, 70_000].contains(&index);
        let balance = if changed { -1 } else { index as i64 * 10 };
        assert_eq!(record[8..16], balance.to_le_bytes());
    }
    fs::write(&path, "no records").unwrap();
    let output = example("records").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a file of records"));
    fs::remove_file(&path).unwrap();
}
