//! The examples of the kinds of mapping, run as a reader would run them.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A path for this test's file, which is deleted when the value goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("folio-example-{name}-{}", std::process::id())))
    }

    fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let scratch = Self::new(name);
        fs::write(&scratch.0, bytes).unwrap();
        scratch
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn program(example: &str) -> Command {
    // target/debug/deps/this-test beside target/debug/examples/example.
    let test = std::env::current_exe().unwrap();
    Command::new(test.parent().and_then(Path::parent).unwrap().join("examples").join(example))
}

fn output(example: &str, arguments: &[&str]) -> Output {
    let output = program(example).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{example}: {error}"))
}

/// What the example printed, if it succeeded and complained about nothing.
fn printed(example: &str, arguments: &[&str]) -> String {
    let output = output(example, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn complaint(example: &str, arguments: &[&str]) -> String {
    let output = output(example, arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn first_bytes_prints_the_24_first_bytes_of_a_file_or_as_many_as_there_are() {
    let file = Scratch::with("first", b"abcdefghijklmnopqrstuvwxyz\n");
    let text = printed("first_bytes", &[file.text()]);
    assert!(text.starts_with(&format!("{}: 27 bytes, mapped at 0x", file.text())), "{text}");
    assert!(text.contains("61 62 63 64 65 66 67 68 69 6a 6b 6c  abcdefghijkl"), "{text}");
    assert!(text.ends_with("6d 6e 6f 70 71 72 73 74 75 76 77 78  mnopqrstuvwx\n"), "{text}");

    let short = Scratch::with("short", b"ab\n");
    let text = printed("first_bytes", &[short.text()]);
    assert!(text.ends_with("  ab.\n"), "{text}");
    let empty = Scratch::with("empty", b"");
    let text = printed("first_bytes", &[empty.text()]);
    assert_eq!(text, format!("{}: empty, so nothing is mapped\n", empty.text()));

    assert_eq!(printed("first_bytes", &[]).lines().count(), 3);
    assert!(complaint("first_bytes", &["no/such/file"]).contains("No such file"));
}

#[test]
fn read_write_edits_the_file_in_place() {
    let file = Scratch::with("edited", b"one two three");
    let text = printed("read_write", &[file.text(), "4", "2!!"]);
    assert!(text.contains("before  \"two\"") && text.contains("after   \"2!!\""), "{text}");
    assert_eq!(fs::read(&file.0).unwrap(), b"one 2!! three");

    let error = complaint("read_write", &[file.text(), "11", "too long"]);
    assert!(error.contains("does not lie within the 13 bytes"), "{error}");
    assert_eq!(fs::read(&file.0).unwrap(), b"one 2!! three");
    assert!(printed("read_write", &[]).contains("after   \"fast\""));
}

#[test]
fn counter_goes_on_where_the_last_run_stopped_and_loses_no_step() {
    let file = Scratch::new("counter");
    assert!(printed("counter", &[file.text()]).contains(": 0 -> 1\n"));
    assert!(printed("counter", &[file.text()]).contains(": 1 -> 2\n"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| printed("counter", &[file.text()]));
        }
    });
    assert_eq!(fs::read(&file.0).unwrap(), 10u64.to_ne_bytes());
}

#[test]
fn counter_has_a_file_of_its_own_for_each_user_and_says_which() {
    let temporary = Scratch::new("counter-home");
    fs::create_dir(&temporary.0).unwrap();
    for count in 1..3 {
        let output = program("counter").env("TMPDIR", &temporary.0).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let file = fs::read_dir(&temporary.0).unwrap().next().unwrap().unwrap();
        let user = file.metadata().unwrap().uid();
        assert_eq!(file.file_name().to_str().unwrap(), format!("folio-counter-{user}"));
        let said = format!("{}: {} -> {count}\n", file.path().display(), count - 1);
        assert!(text.starts_with(&said), "{text}");
    }
    fs::remove_dir_all(&temporary.0).unwrap();
}

#[test]
fn what_fails_is_one_line_that_names_the_thing() {
    for (example, arguments, part) in [
        ("first_bytes", &["no/such/file"][..], "cannot open no/such/file"),
        ("read_write", &["f", "four", "x"], "POSITION is a number, and 'four' is none"),
        ("read_write", &["one"], "usage: read_write"),
        ("counter", &["/nope/x"], "/nope/x: No such file"),
        ("device", &["/dev/zero", "much"], "LENGTH is a number, and 'much' is none"),
        ("edit_text", &["/nope", "a", "b"], "/nope: No such file"),
        ("records", &["/nope", "x"], "COUNT is a number, and 'x' is none"),
        ("large_block", &["x"], "GIB_RESERVED is a number, and 'x' is none"),
        ("load_elf", &["/dev/null"], "/dev/null"),
        ("heap", &["/nope"], "cannot open /nope"),
        ("read_versus_map", &["/nope"], "/nope: No such file"),
    ] {
        let line = complaint(example, arguments);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with(&format!("{example}: ")) && line.contains(part), "{line}");
    }
}

#[test]
fn device_maps_a_character_device_of_the_length_that_was_asked_for() {
    for (arguments, len) in [(&[][..], 8192), (&["/dev/zero", "100"], 100)] {
        let text = printed("device", arguments);
        assert!(text.contains(&format!("character device, {len} bytes as you said")), "{text}");
        assert!(text.contains("first bytes  [00, 00,"), "{text}");
        assert!(text.contains("overwritten  [ab, ab,"), "{text}");
    }
    let file = Scratch::with("plain", b"eleven byte");
    let text = printed("device", &[file.text()]);
    assert!(text.contains("11 bytes as the file says"), "{text}");
    let error = complaint("device", &["/dev/zero"]);
    assert!(error.contains("no length of its own: give one"), "{error}");
}

#[test]
fn device_finds_the_length_of_a_block_device() {
    let image = Scratch::with("image", vec![0x5a; 1 << 20]);
    let attached = Command::new("losetup").args(["--find", "--show", image.text()]).output();
    let device = match attached {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => {
            common::skip("a loop device (losetup, as root)");
            return;
        }
    };
    let output = output("device", &[device.trim()]);
    let detached = Command::new("losetup").args(["--detach", device.trim()]).status().unwrap();
    assert!(detached.success());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains("block device, 1048576 bytes as the device says"), "{output:?}");
    assert!(text.contains("first bytes  [5a, 5a,"), "{text}");
    assert_eq!(fs::read(&image.0).unwrap(), vec![0x5a; 1 << 20], "the device has changed");
}

#[test]
fn fork_shared_private_shows_that_only_the_shared_change_reaches_the_parent() {
    let text = printed("fork_shared_private", &[]);
    assert!(text.contains("shared   \"child!\"") && text.contains("private  \"parent\""), "{text}");
}

#[test]
fn fork_matrix_shows_who_sees_whose_writes_as_the_manual_says() {
    let text = printed("fork_matrix", &[]);
    assert!(include_str!("../../docs/fork.md").contains(text.trim_end()), "{text}");
    let (matrix, found) = text.split_once("\n\n").unwrap();
    for line in matrix.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [backing, sharing, mapped, ref seen @ ..] = words[..] else { panic!("{line}") };
        let (parents, childs) = match (backing, sharing, mapped) {
            (_, "private", _) | ("anonymous", _, "after") => ("nobody else", "nobody else"),
            ("anonymous", ..) => ("child", "parent"),
            _ => (&*format!("child, {backing}"), &*format!("parent, {backing}")),
        };
        assert_eq!(seen.join(" "), format!("{parents} {childs}"), "{line}");
    }
    assert_eq!(matrix.lines().count(), 1 + 4 * 2 * 2);
    assert_eq!(found.lines().count(), 1 + 3);
}

#[test]
fn load_elf_runs_a_program_whose_zeros_are_zeros() {
    let text = printed("load_elf", &[]);
    assert!(text.contains("hello from a program that was mapped by hand\n"), "{text}");
    assert!(text.ends_with("it ended with exit code 42\n"), "{text}");
    for protection in ["r--", "r-x", "rw-"] {
        assert!(text.lines().any(|line| line.ends_with(protection)), "{text}");
    }
}

#[test]
fn load_elf_runs_static_programs_of_a_c_compiler_movable_or_not() {
    let source = Scratch::with(
        "source",
        r#"#include <stdio.h>
        static char zeros[100000]; static int data = 40; static _Thread_local int local = 2;
        int main(int count, char **words) {
            int sum = data + local;
            for (int i = 0; i < sizeof zeros; i++) sum += zeros[i];
            printf("%d words, the last is %s\n", count, words[count - 1]);
            return sum;
        }"#,
    );
    for kind in ["-static", "-static-pie"] {
        let program = Scratch::new(kind);
        let compiled = Command::new("cc")
            .args([kind, "-x", "c", source.text(), "-o", program.text()])
            .output();
        if !compiled.is_ok_and(|output| output.status.success()) {
            common::skip(format_args!("a static C library ({kind})"));
            continue;
        }
        let text = printed("load_elf", &[program.text(), "an", "end"]);
        assert!(text.contains("3 words, the last is end\n"), "{text}");
        assert!(text.ends_with("it ended with exit code 42\n"), "{text}");
    }
}

#[test]
fn load_elf_refuses_what_it_cannot_run() {
    let text = Scratch::with("text", b"not a program at all");
    assert!(complaint("load_elf", &[text.text()]).contains("not an ELF for x86-64"));
    let test = std::env::current_exe().unwrap();
    assert!(complaint("load_elf", &[test.to_str().unwrap()]).contains("not static"));
}

#[test]
fn read_versus_map_times_five_ways_to_the_same_sum() {
    let file = Scratch::with("large", vec![7; (2 << 20) + 3]);
    let text = printed("read_versus_map", &[file.text()]);
    assert!(text.starts_with(&format!("{}: 2 MiB", file.text())), "{text}");
    let ratios =
        text.lines().filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok());
    let ratios: Vec<f64> = ratios.collect();
    assert_eq!((ratios.len(), ratios[0]), (5, 1.0), "{text}");
    assert!(ratios.iter().all(|&ratio| ratio > 0.0), "{text}");

    // Killed while it is at work, it leaves nothing behind.
    let temporary = Scratch::new("nothing");
    fs::create_dir(&temporary.0).unwrap();
    let mut command = program("read_versus_map");
    let mut child = command.env("TMPDIR", &temporary.0).stdout(Stdio::piped()).spawn().unwrap();
    let mut header = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut header).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(header.starts_with("a file without a name: "), "{header}");
    fs::remove_dir(&temporary.0).expect("it is empty");
}
