//! What fails: the exit status, and one line that names the thing and the way out.

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
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
    fails(&[&below_file], &["ENOTDIR", "check the path"]);
    let circle = files.path("circle");
    symlink(&circle, &circle).unwrap();
    fails(&[&text(&circle)], &["circle", "ELOOP", "name the file itself"]);
    let socket = files.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    fails(&[&text(&socket)], &["socket", "ENXIO", "name another"]);
    // Root meets ETXTBSY, others EACCES.
    fails(&["-p", "rw", "/proc/self/exe"], &["/proc/self/exe", "add --private"]);
    if is_root() {
        common::skip("root reads everything");
    } else {
        let secret = files.file("secret", b"x");
        fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
        fails(&[&secret], &[&secret, "EACCES", "permission"]);
        let fixed = files.file("fixed", b"x");
        fs::set_permissions(&fixed, Permissions::from_mode(0o444)).unwrap();
        fails(&[&fixed, "-p", "rw"], &[&fixed, "EACCES", "add --private"]);
    }
}

#[test]
fn a_range_behind_the_end_is_refused_with_the_way_out() {
    let files = Files::new();
    let path = files.file("f", &noise(5000));
    fails(&["-o", "5001", &path], &[&path, "offset 5,001", "5,000 bytes", "--offset"]);
    fails(&["-o", "1", "-l", "5000", &path], &["bytes 1..5,001", "5,000 bytes", "--beyond-end"]);
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
    fails(&["/proc/version"], &["/proc/version", "(E", "read it instead"]);
    let fifo = files.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    fails(&[&text(&fifo)], &["fifo", "ENODEV"]);
    fails(&["-a", "7E"], &["anonymous memory", "ENOMEM"]);
    fails(&["-a", "1P", "--huge"], &["huge pages", "nr_hugepages", "or add --or-base"]);
    let path = files.file("f", b"x");
    fails(&["--advise", "populate-write", &path], &[&path, "populate", "EINVAL"]);
}

#[test]
fn numbers_are_grouped_but_not_those_of_a_name() {
    let files = Files::new();
    let path = files.file("12345678", b"x");
    fails(&["-o", "549755813888", &path], &["12345678", "offset 549,755,813,888"]);
}

#[test]
fn the_way_out_is_an_option_of_the_command() {
    // Memory that cannot be had is refused by the address space, or by vm.overcommit_memory.
    fails(&["-a", "1E"], &["ENOMEM", "map less, or add --no-reserve"]);
    fails(&["-a", "1E", "-p", "r"], &["is exhausted: map less"]);
    let without = run(&["map", "-a", "1E", "--no-reserve"]);
    assert!(without.line().ends_with("is exhausted: map less"), "{}", without.line());
    let files = Files::new();
    let path = files.file("f", b"x");
    fails(&["-l", "1E", "--beyond-end", &path], &["map less (--length)"]);
    fails(&["-l", "35T", &path], &["--beyond-end"]);

    let collapse = ["-a", "4M", "--advise", "no-huge-pages", "--advise", "collapse"];
    fails(&collapse, &["EINVAL", "no pages yet: add --populate"]);
    let populated = run(&[&["map", "--populate"], &collapse[..]].concat());
    assert!(!populated.stderr.contains("--populate"), "{}", populated.stderr);
}

#[test]
fn more_locked_memory_than_the_limit_permits_says_which_limit() {
    if is_root() {
        return common::skip("root locks what it likes");
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    let Some(limit) = limit else { return common::skip("locked memory has no limit") };
    let length = (limit + 4096).to_string();
    fails(&["-a", &length, "--lock"], &["raise it (ulimit -l), or lock less"]);
}

#[test]
fn standard_input_that_is_no_file_says_so() {
    let ran = Ran::of(folio(&["map", "-"]).stdin(Stdio::piped()));
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("standard input: it is a pipe"), "{}", ran.line());
    assert!(ran.line().contains("< FILE"), "{}", ran.line());
    let device = run(&["map", "-"]);
    assert!(device.line().starts_with("cannot map standard input: "), "{}", device.line());
    assert!(device.line().ends_with("give one with --length"), "{}", device.line());

    let files = Files::new();
    let path = files.file("f", b"x");
    let file = || Stdio::from(File::open(&path).unwrap());
    let writable = Ran::of(folio(&["map", "-p", "rw", "-"]).stdin(file()));
    assert!(writable.line().contains("standard input: "), "{}", writable.line());
    assert!(writable.line().ends_with("or add --private"), "{}", writable.line());
    let beyond = ["map", "-", "-l", "9K", "--beyond-end", "-t", "all"];
    let fault = Ran::of(folio(&beyond).stdin(file()));
    assert!(fault.line().contains("standard input: truncated"), "{}", fault.line());
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
    let cases: [(&[&str], &str); 19] = [
        (&[], "Usage: folio"),
        (&["mop"], "mop"),
        (&["map"], "SOURCE"),
        (&["map", "f", "g"], "'g'"),
        (&["map", "f", "--length", "much"], "4096, 4K, 2MiB"),
        (&["map", "f", "--length", "4X"], "KiB"),
        (&["map", "f", "--length", "99999999999999999999"], "64 bits"),
        (&["map", "f", "--touch", "some"], "random:N"),
        (&["map", "f", "--touch", "random:0"], "at least 1"),
        (&["map", "f", "--near", "123"], "higher address"),
        (&["map", "-a", "4K", "--beyond-end"], "--anonymous"),
        (&["map", "f", "--protection", "rq"], "rwx"),
        (&["map", "f", "--advise", "nothing"], "will-need"),
        (&["map", "f", "--huge"], "--anonymous"),
        (&["map", "-a", "f"], "is a size"),
        (&["map", "-a", "4M", "--huge=3M"], "2M or 1G"),
        (&["map", "-a", "--huge", "2M", "4M"], "write '--huge=2M'"),
        (&["map", "--lock", "on-fault", "f"], "write '--lock=on-fault'"),
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
