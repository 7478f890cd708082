//! `folio pack`: what it writes, what it refuses, and what it leaves behind.

mod common;

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Files, Ran, folio, is_root, noise, number, run, text};

fn names(files: &Files) -> Vec<String> {
    let entries = fs::read_dir(files.path(".")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Lines that tell where they are.
fn log(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        let at = bytes.len();
        writeln!(bytes, "line at byte {at}").unwrap();
    }
    bytes.truncate(len);
    bytes
}

fn unpacked(path: &str) -> Option<Vec<u8>> {
    let output = Command::new("zstd").args(["-dc", path]).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout)
}

#[track_caller]
fn fails(arguments: &[&str], parts: &[&str]) {
    let ran = run(&[&["pack"], arguments].concat());
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{ran:?}");
    for part in parts {
        assert!(ran.line().contains(part), "{part:?} is not in {:?}", ran.line());
    }
}

#[test]
fn a_file_is_packed_beside_itself() {
    let files = Files::new();
    let content = log(1_000_000);
    let path = files.file("big.log", &content);
    let ran = run(&["pack", &path]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(names(&files), ["big.log", "big.log.zst"]);
    let line = ran.text().strip_suffix('\n').unwrap();
    assert!(line.starts_with(&format!("{path}.zst  ")), "{line}");
    assert!(line.contains("KiB of 976 KiB ("), "{line}");
    assert!(line.ends_with(" %), 16 frames of 64 KiB"), "{line}");
    match unpacked(&format!("{path}.zst")) {
        Some(bytes) => assert!(bytes == content),
        None => common::skip("no zstd"),
    }
}

#[test]
fn json_says_what_was_packed() {
    let files = Files::new();
    let path = files.file("f", &log(300_000));
    let out = text(&files.path("out"));
    let arguments =
        ["pack", &path, "-o", &out, "--frame", "16K", "--level", "19", "--output", "json"];
    let report = run(&arguments).json();
    assert_eq!((report["source"].as_str(), report["target"].as_str()), (Some(&*path), Some(&*out)));
    assert_eq!(number(&report, "length_bytes"), 300_000);
    assert_eq!(number(&report, "packed_bytes"), fs::metadata(&out).unwrap().len());
    assert_eq!(number(&report, "frame_bytes"), 16 << 10);
    assert_eq!(number(&report, "frames"), 19);
    assert_eq!(number(&report, "level"), 19);
    assert_eq!(report.as_object().unwrap().len(), 7);
    // Every key is documented.
    let manual = include_str!("../../../docs/command.md");
    for key in report.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn nothing_is_packed_as_well() {
    let files = Files::new();
    let path = files.file("empty", b"");
    let ran = run(&["pack", &path]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.text().ends_with("17 bytes of 0 bytes, 0 frames of 64 KiB\n"), "{}", ran.text());
    match unpacked(&format!("{path}.zst")) {
        Some(bytes) => assert!(bytes.is_empty()),
        None => common::skip("no zstd"),
    }
}

#[test]
fn a_file_that_is_there_is_replaced_with_force_only() {
    let files = Files::new();
    let path = files.file("f", &log(10_000));
    let there = files.file("f.zst", b"precious");
    fails(&[&path], &[&there, "there already", "--force", "--to"]);
    assert_eq!(fs::read(&there).unwrap(), b"precious");
    assert_eq!(run(&["pack", "--force", &path]).code, 0);
    assert_ne!(fs::read(&there).unwrap(), b"precious");
    assert_eq!(names(&files), ["f", "f.zst"]);
}

#[test]
fn what_is_no_regular_file_stays_what_it_is_even_with_force() {
    let files = Files::new();
    let path = files.file("a", b"bytes");
    let link = files.path("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fails(&["--force", &path, "-o", &text(&link)], &["no regular file", "--to"]);
    assert_eq!(fs::read_link(&link).unwrap(), files.path("a"));
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
}

#[test]
fn what_is_zstd_already_is_packed_with_force_only() {
    let files = Files::new();
    let path = files.file("f", &log(10_000));
    assert_eq!(run(&["pack", &path]).code, 0);
    let packed = format!("{path}.zst");
    fails(&[&packed], &[&packed, "zstd already", "folio pack - -o OUT", "--force"]);
    assert_eq!(run(&["pack", "-f", &packed]).code, 0);
}

#[test]
fn standard_input_is_packed_to_a_name() {
    let files = Files::new();
    let content = log(200_000);
    let out = text(&files.path("out.zst"));
    let mut command = folio(&["pack", "-", "-o", &out]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&content).unwrap();
    assert!(child.wait().unwrap().success());
    match unpacked(&out) {
        Some(bytes) => assert!(bytes == content),
        None => common::skip("no zstd"),
    }
    let nameless = run(&["pack", "-"]);
    assert_eq!(nameless.code, 2, "{nameless:?}");
    assert!(nameless.stderr.contains("--to <OUT>"), "{}", nameless.stderr);
}

#[test]
fn failures_are_one_line_and_leave_nothing_behind() {
    let files = Files::new();
    let path = files.file("f", &noise(100_000));
    let missing = text(&files.path("missing"));
    fails(&[&missing], &["cannot open", &missing, "check the path"]);
    fails(&[&text(&files.path("."))], &["is a directory", "archive"]);
    fails(&[&path, "-o", &text(&files.path("no/such/f"))], &["cannot write", "no/such/f", "--to"]);
    fails(&[&path, "-o", "/dev/null/f"], &["cannot write /dev/null/f"]);
    let file_of_proc = "/proc/self/mem";
    fails(&[file_of_proc, "-o", &text(&files.path("mem"))], &["cannot read /proc/self/mem"]);
    assert_eq!(names(&files), ["f"]);
    if is_root() {
        common::skip("root writes everywhere");
    } else {
        fs::set_permissions(files.path("."), Permissions::from_mode(0o500)).unwrap();
        fails(&[&path], &["cannot write", "Permission denied", "--to"]);
        fs::set_permissions(files.path("."), Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_full_disk_is_named() {
    let files = Files::new();
    let path = files.file("f", &noise(1 << 20));
    // A limit on the size of files is the disk that anybody can fill.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" pack \"$1\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_folio"), &path]);
    common::same_everywhere(&mut command);
    let Ok(output) = command.output() else { return common::skip("no bash") };
    let ran = Ran::from(output);
    assert_eq!(ran.code, 1);
    for part in ["cannot write", "f.zst: ", "File too large", "--to"] {
        assert!(ran.line().contains(part), "{}", ran.line());
    }
    assert_eq!(names(&files), ["f"]);
}

#[test]
fn a_kill_leaves_nothing_behind() {
    let files = Files::new();
    let out = text(&files.path("out.zst"));
    let mut child = folio(&["pack", "-", "-o", &out]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&noise(1 << 20)).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it waits for more");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let left = names(&files);
    if left != ["out.zst"; 0] {
        // The file system has no files without names.
        assert_eq!(left.len(), 1);
        assert!(left[0].starts_with('.'), "{left:?}");
        common::skip("O_TMPFILE is not supported here");
    }
}

#[test]
fn what_is_packed_is_no_more_public_than_the_file() {
    let files = Files::new();
    let path = files.file("f", &log(100));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run(&["pack", &path]).code, 0);
    let mode = fs::metadata(format!("{path}.zst")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let cases: [(&[&str], &str); 8] = [
        (&["pack"], "FILE"),
        (&["pack", "f", "--frame", "1000"], "power of two"),
        (&["pack", "f", "--frame", "4M"], "from 4K to 2M"),
        (&["pack", "f", "--frame", "x"], "4096, 4K, 2MiB"),
        (&["pack", "f", "--level", "0"], "1..=22"),
        (&["pack", "f", "--level", "23"], "1..=22"),
        (&["pack", "f", "--output", "raw"], "raw"),
        (&["pack", "f", "g"], "'g'"),
    ];
    for (arguments, part) in cases {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.len()), (2, 0), "{ran:?}");
        assert!(ran.stderr.contains(part), "{part:?} is not in {}", ran.stderr);
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure_and_the_file_is_there() {
    let files = Files::new();
    let path = files.file("f", &log(1000));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(folio(&["pack", &path]).stdout(full));
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("standard output"), "{}", ran.line());
    assert!(files.path("f.zst").exists());
}
