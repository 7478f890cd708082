//! What fails: the exit status, and one line that names the thing and the way out.

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use common::{Files, Ran, folio, is_root, noise, run, text};

/// Runs `folio map` and expects a failure whose line has all of `parts`.
#[track_caller]
fn fails(arguments: &[&str], parts: &[&str]) {
    let ran = run(&[&["map"], arguments].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    let line = ran.line();
    for part in parts {
        assert!(line.contains(part), "{part:?} is not in {line:?}");
    }
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

#[test]
fn a_source_that_cannot_be_opened_is_named() {
    let files = Files::new();
    let missing = text(&files.path("missing"));
    fails(&[&missing], &[&missing, "ENOENT", "check the path"]);
    fails(&["64M"], &["64M", "--anonymous"]);
    fails(&[&files.file("a\nb", b"")[..], "-o", "1"], &[r"a\nb"]);
    let directory = text(&files.path("."));
    fails(&[&directory], &[&directory, "directory", "name a file"]);
    let below_file = format!("{}/x", files.file("f", b"x"));
    fails(&[&below_file], &["ENOTDIR"]);
    if is_root() {
        println!("skipped: root reads everything");
    } else {
        let secret = files.file("secret", b"x");
        fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
        fails(&[&secret], &[&secret, "EACCES", "permission"]);
        let fixed = files.file("fixed", b"x");
        fs::set_permissions(&fixed, Permissions::from_mode(0o444)).unwrap();
        fails(&[&fixed, "-p", "rw"], &[&fixed, "EACCES", "private or read-only"]);
    }
}

#[test]
fn a_range_behind_the_end_is_refused_with_the_way_out() {
    let files = Files::new();
    let path = files.file("f", &noise(5000));
    fails(&["-o", "5001", &path], &[&path, "offset 5001", "5000 bytes", "--offset"]);
    fails(&["-o", "1", "-l", "5000", &path], &["bytes 1..5001", "5000 bytes", "--beyond-end"]);
    fails(&["-o", "18446744073709551615", "-l", "1", &path], &[&path, "EOVERFLOW"]);
    fails(&["-l", "0x7fffffffffffffff", "--beyond-end", &path], &[&path, "ENOMEM"]);
}

#[test]
fn more_bytes_than_memory_are_refused_and_not_died_of() {
    let files = Files::new();
    fails(&["--bytes", "64T", "-a", "64T", "-p", "r", "-t", "none"], &["64 TiB", "raw"]);
    let path = files.file("sparse", b"");
    // Not every file system has so large files.
    let _ = OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 40);
    if fs::metadata(&path).unwrap().len() > 0 {
        fails(&["--bytes", "64T", &path], &["64 TiB", "--output raw"]);
    }
}

#[test]
fn what_cannot_be_mapped_says_so() {
    let files = Files::new();
    fails(&["/dev/zero"], &["/dev/zero", "--length"]);
    fails(&["--length", "4K", "/dev/null"], &["/dev/null", "ENODEV", "read it instead"]);
    fails(&["/proc/self/maps"], &["/proc/self/maps", "ENODEV"]);
    let fifo = files.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    fails(&[&text(&fifo)], &["fifo", "ENODEV"]);
    fails(&["-a", "7E"], &["anonymous memory", "ENOMEM"]);
    fails(&["-a", "1P", "--huge"], &["huge pages", "nr_hugepages"]);
    let path = files.file("f", b"x");
    fails(&["--advise", "populate-write", &path], &[&path, "populate", "EINVAL"]);
}

#[test]
fn standard_input_that_is_no_file_says_so() {
    let ran = Ran::of(folio(&["map", "-"]).stdin(Stdio::piped()));
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("standard input: it is a pipe"), "{}", ran.line());
    assert!(ran.line().contains("< FILE"), "{}", ran.line());
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let files = Files::new();
    let path = files.file("f", &noise(100_000));
    for arguments in [
        &["map", &path][..],
        &["map", "--output", "json", &path],
        &["map", "--output", "raw", &path],
        &["man"],
        &["completions", "bash"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(folio(arguments).stdout(full));
        assert_eq!(ran.code, 1, "{arguments:?}");
        assert!(ran.line().contains("standard output: No space left"), "{}", ran.line());
    }
    let read_only = File::open(&path).unwrap();
    assert_eq!(Ran::of(folio(&["map", &path]).stdout(read_only)).code, 1);
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let cases: [(&[&str], &str); 14] = [
        (&[], "Usage: folio"),
        (&["mop"], "mop"),
        (&["map"], "SOURCE"),
        (&["map", "f", "g"], "'g'"),
        (&["map", "f", "--length", "much"], "4096, 4K, 2MiB"),
        (&["map", "f", "--length", "4X"], "KiB"),
        (&["map", "f", "--length", "99999999999999999999"], "64 bits"),
        (&["map", "f", "--touch", "some"], "random:N"),
        (&["map", "f", "--protection", "rq"], "rwx"),
        (&["map", "f", "--advise", "nothing"], "will-need"),
        (&["map", "f", "--huge"], "--anonymous"),
        (&["map", "-a", "f"], "is a size"),
        (&["map", "-a", "4M", "--huge=3M"], "2M or 1G"),
        (&["completions", "csh"], "bash"),
    ];
    for (arguments, part) in cases {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.len()), (2, 0), "{ran:?}");
        assert!(ran.stderr.contains(part), "{part:?} is not in {}", ran.stderr);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (arguments, part) in [
        (&["--help"][..], "Exit status"),
        (&["--version"], "folio 0."),
        (&["map", "--help"], "--beyond-end"),
        (&["help", "map"], "--beyond-end"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.text().contains(part), "{arguments:?}");
    }
}
