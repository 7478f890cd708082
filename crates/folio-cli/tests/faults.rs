//! Pages that cannot be had: reported, and never the end by a signal.

mod common;

use std::fs::OpenOptions;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Files, map_json, noise, number, run};
use serde_json::{Value, json};

#[test]
fn a_touch_beyond_the_end_is_a_fault_in_the_report() {
    let files = Files::new();
    let path = files.file("f", &noise(10_000));
    let arguments = ["--length", "64K", "--beyond-end", "--touch", "all", path.as_str()];
    let ran = map_json(&arguments);
    assert_eq!(ran.code, 1);
    let line = ran.line();
    assert!(line.contains(&path) && line.contains("truncated at offset 12,288"), "{line}");
    let report = ran.report();
    assert_eq!(report["fault"]["kind"], "truncated");
    assert_eq!(report["fault"]["offset"], json!(12288));
    assert_eq!(number(&report, "touched_pages"), 3);
    assert_eq!(number(&report, "length_bytes"), 64 << 10);
    assert_eq!(number(&report, "pages"), 16);
    assert_eq!(number(&report, "page_cache_resident_pages"), 3);

    let text = run(&[&["map"], &arguments[..]].concat());
    assert_eq!(text.code, 1);
    let row = "  fault         truncated at offset 12,288: the file ended before it\n";
    assert!(text.text().ends_with(row), "{}", text.text());
}

#[test]
fn bytes_are_shown_as_far_as_they_can_be_had() {
    let files = Files::new();
    let path = files.file("f", &noise(4096));
    let ran = map_json(&["-l", "64K", "--beyond-end", "-b", "8K", "-t", "none", &path]);
    assert_eq!(ran.code, 1);
    let report = ran.report();
    assert_eq!(report["bytes"].as_str().unwrap().len(), 2 * 4096);
    assert_eq!(report["fault"]["offset"], json!(4096));
}

#[test]
fn populating_and_advice_that_meet_a_fault_are_reported() {
    let files = Files::new();
    let path = files.file("f", &noise(4096));
    for option in [&["--populate"][..], &["--advise", "populate-read"]] {
        let ran = map_json(&[option, &["-l", "64K", "--beyond-end", &path]].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.line().contains("truncated at offset 4,096"), "{}", ran.line());
        let report = ran.report();
        assert_eq!(report["fault"]["kind"], "truncated");
        assert_eq!(report["fault"]["offset"], json!(4096));
    }
}

#[test]
fn a_device_that_lost_its_end_is_an_io_error() {
    const KEPT: u64 = 1 << 20;
    let files = Files::new();
    let image = files.file("image", &noise(4 * KEPT as usize));
    let losetup = |arguments: &[&str]| Command::new("losetup").args(arguments).output();
    let device = match losetup(&["--find", "--show", "--read-only", &image]) {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => return common::skip("no loop device (root, losetup)"),
    };
    let device = device.trim();
    OpenOptions::new().write(true).open(&image).unwrap().set_len(KEPT).unwrap();
    // No read-ahead, so that the first page lost is the first fault.
    let touched = map_json(&["--touch", "all", "--advise", "random", device]);
    let raw = run(&["map", "--output", "raw", device]);
    let _ = losetup(&["--detach", device]);
    for ran in [&touched, &raw] {
        assert_eq!(ran.code, 1);
        assert!(ran.line().contains("I/O error at offset 1,048,576"), "{}", ran.line());
        assert!(ran.line().contains("dmesg"), "{}", ran.line());
    }
    assert_eq!(touched.report()["fault"]["kind"], "io");
    assert_eq!(touched.report()["fault"]["offset"], json!(KEPT));
    assert!(raw.stdout == noise(KEPT as usize));
}

#[test]
fn a_protection_that_forbids_the_touch_is_a_fault() {
    let files = Files::new();
    let path = files.file("f", &noise(4096));
    let ran = map_json(&["-p", "none", "--touch", "first", &path]);
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("--protection r"), "{}", ran.line());
    assert_eq!(ran.report()["fault"]["kind"], "protection");
    assert_eq!(ran.report()["fault"]["offset"], json!(0));
}

#[test]
fn a_file_that_shrinks_and_grows_meanwhile_never_ends_the_command_by_a_signal() {
    const FULL: u64 = 8 << 20;
    let files = Files::new();
    let path = files.file("f", &noise(FULL as usize));
    let stop = AtomicBool::new(false);
    let mut outcomes = [0; 2];
    thread::scope(|scope| {
        scope.spawn(|| {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.set_len(FULL / 64).unwrap();
                file.set_len(FULL).unwrap();
            }
        });
        for round in 0..60 {
            if round % 3 == 2 {
                let ran = run(&["map", "--output", "raw", &path]);
                outcomes[ran.code as usize] += 1;
                assert!(ran.code == 0 || ran.line().contains("truncated"), "{}", ran.stderr);
                continue;
            }
            let touch = ["all", "random:500"][round % 3];
            let ran = map_json(&["--touch", touch, &path]);
            outcomes[ran.code as usize] += 1;
            let report = ran.report();
            if ran.code == 0 {
                assert_eq!(report["fault"], Value::Null);
            } else {
                assert!(ran.line().contains("truncated"), "{}", ran.line());
                assert_eq!(report["fault"]["kind"], "truncated");
                let offset = number(&report["fault"], "offset");
                assert!((FULL / 64..FULL).contains(&offset), "{offset}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(outcomes.iter().sum::<i32>(), 60);
    println!("{} without a fault, {} with one", outcomes[0], outcomes[1]);
}
