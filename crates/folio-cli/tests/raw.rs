//! `--output raw`: the bytes, and nothing else.

mod common;

use std::io::Read;
use std::process::Stdio;

use common::{Files, folio, noise, run};

#[test]
fn raw_output_is_the_file_for_any_offset_and_length() {
    let files = Files::new();
    let content = noise(100_003);
    let path = files.file("f", &content);
    for (offset, length) in [(0, 100_003), (1, 1), (4095, 2), (4097, 90_000), (99_999, 4)] {
        let (o, l) = (offset.to_string(), length.to_string());
        let ran = run(&["map", "--output", "raw", "-o", &o, "-l", &l, &path]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout == content[offset..offset + length], "{offset} {length}");
    }
}

#[test]
fn raw_output_of_more_than_its_buffer_is_the_file() {
    let files = Files::new();
    let content = noise((66 << 20) + 4321);
    let path = files.file("large", &content);
    let ran = run(&["map", "--output", "raw", "-o", "1234", "--populate", "--touch", "all", &path]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout == content[1234..]);
}

#[test]
fn raw_output_of_nothing_is_nothing() {
    let files = Files::new();
    let path = files.file("empty", b"");
    let ran = run(&["map", "--output", "raw", &path]);
    assert_eq!((ran.code, ran.stdout.len(), ran.stderr.as_str()), (0, 0, ""));
    let memory = run(&["map", "--output", "raw", "-a", "5000"]);
    assert_eq!((memory.code, memory.stdout), (0, vec![0; 5000]));
}

#[test]
fn bytes_before_a_fault_are_written() {
    let files = Files::new();
    let content = noise(10_000);
    let path = files.file("f", &content);
    let ran = run(&["map", "--output", "raw", "--length", "64K", "--beyond-end", &path]);
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("truncated at offset 12,288"), "{}", ran.line());
    assert_eq!(ran.stdout.len(), 12288, "the last page's rest reads as zeros");
    assert!(ran.stdout.starts_with(&content));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let files = Files::new();
    let path = files.file("f", &noise(1 << 20));
    for arguments in [
        &["map", "--output", "raw", &path][..],
        &["map", "--bytes", "1M", &path],
        &["map", "--output", "json", "--bytes", "1M", &path],
    ] {
        let mut child = folio(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}
