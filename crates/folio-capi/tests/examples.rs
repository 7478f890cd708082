//! The examples in C, compiled and run as a reader would; and once more under AddressSanitizer, whose
//! handlers were there before folio's.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{C, Installed, has_asan, output, run, source};

const SANITIZED: [&str; 3] = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Runs `check` with the examples as they are, and with sanitizers where the compiler has them.
fn examples(name: &str, check: impl Fn(&Installed, &dyn Fn(&str) -> Command)) {
    let installed = Installed::new(name);
    let mut kinds = vec![C.to_vec()];
    if has_asan(&installed) {
        kinds.push([&C[..], &SANITIZED].concat());
    }
    for flags in kinds {
        let example = |example: &str| {
            Command::new(installed.program(source(&format!("examples/{example}.c")), &flags))
        };
        check(&installed, &example);
    }
}

fn complaint(command: &mut Command) -> String {
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn first_bytes_prints_the_24_first_bytes_of_a_file_or_as_many_as_there_are() {
    examples("first", |installed, example| {
        let path = installed.path("work/text");
        let path = path.to_str().unwrap();
        fs::write(path, "abcdefghijklmnopqrstuvwxyz\n").unwrap();
        let text = output(example("first_bytes").arg(path));
        assert!(text.starts_with(&format!("{path}: 27 bytes, mapped at 0x")), "{text}");
        assert!(
            text.contains("     0  61 62 63 64 65 66 67 68 69 6a 6b 6c  abcdefghijkl\n"),
            "{text}"
        );
        assert!(
            text.ends_with("    12  6d 6e 6f 70 71 72 73 74 75 76 77 78  mnopqrstuvwx\n"),
            "{text}"
        );
        fs::write(path, "ab\n").unwrap();
        assert!(output(example("first_bytes").arg(path)).ends_with("  ab.\n"));
        fs::write(path, "").unwrap();
        let text = output(example("first_bytes").arg(path));
        assert_eq!(text, format!("{path}: empty, so nothing is mapped\n"));
        assert_eq!(output(&mut example("first_bytes")).lines().count(), 3);
        let error = complaint(example("first_bytes").arg("no/such/file"));
        assert_eq!(error, "first_bytes: no/such/file: No such file or directory\n");
    });
}

#[test]
fn read_write_edits_the_file_in_place() {
    examples("edit", |installed, example| {
        let path = installed.path("work/edited");
        fs::write(&path, "one two three").unwrap();
        let text = output(example("read_write").arg(&path).args(["4", "2!!"]));
        assert!(text.contains("before  \"two\"") && text.contains("after   \"2!!\""), "{text}");
        assert_eq!(fs::read(&path).unwrap(), b"one 2!! three");
        let error = complaint(example("read_write").arg(&path).args(["11", "too long"]));
        assert!(error.contains("has 13 bytes, too few for 8 at 11"), "{error}");
        let error = complaint(example("read_write").args(["f", "four", "x"]));
        assert!(error.contains("POSITION is a number, and 'four' is none"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"one 2!! three");
        assert!(output(&mut example("read_write")).contains("after   \"fast\""));
    });
}

#[test]
fn counter_goes_on_where_the_last_run_stopped_and_loses_no_step() {
    examples("counter", |installed, example| {
        let path = installed.path("work/count");
        let _ = fs::remove_file(&path);
        let program = example("counter");
        let count = || output(Command::new(program.get_program()).arg(&path));
        assert!(count().contains(": 0 -> 1\n"));
        assert!(count().contains(": 1 -> 2\n"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(count);
            }
        });
        assert_eq!(fs::read(&path).unwrap(), 10u64.to_ne_bytes());
        let error = complaint(Command::new(program.get_program()).arg("/nope/x"));
        assert_eq!(error, "counter: /nope/x: No such file or directory\n");
    });
}

#[test]
fn fork_shared_private_shows_that_only_the_shared_change_reaches_the_parent() {
    examples("fork", |_, example| {
        let text = output(&mut example("fork_shared_private"));
        assert!(
            text.contains("shared   \"child!\"") && text.contains("private  \"parent\""),
            "{text}"
        );
    });
}

#[test]
fn two_programs_talk_through_shared_memory() {
    examples("shm", |_, example| {
        let name = format!("/folio-capi-{}", std::process::id());
        let reader = example("shm_reader").arg(&name).stdout(Stdio::piped()).spawn().unwrap();
        let sent = output(example("shm_writer").args([&name, "one", "two", "three"]));
        assert_eq!(sent, "3 sent\n");
        let read = reader.wait_with_output().unwrap();
        assert!(read.status.success());
        assert_eq!(String::from_utf8(read.stdout).unwrap(), "one\ntwo\nthree\n");
        assert!(!Path::new("/dev/shm").join(&name[1..]).exists());
    });
}

#[test]
fn survive_goes_on_over_zeros_and_says_so() {
    examples("survive", |_, example| {
        let text = output(&mut example("survive"));
        assert!(text.starts_with("524288 lines, but not of the whole file\n"), "{text}");
        assert!(
            text.ends_with(": truncated at offset 524288: the file ended before it\n"),
            "{text}"
        );
    });
}

#[test]
fn a_stray_access_is_reported_by_address_sanitizer_as_without_folio() {
    let installed = Installed::new("stray");
    if !has_asan(&installed) {
        return;
    }
    let file = installed.path("work/stray.c");
    fs::write(
        &file,
        r#"
        #include <folio.h>
        #include <stdlib.h>
        int main(void)
        {
            char byte, own = 7;
            char *map = folio_mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (folio_guard(map, 4096, FOLIO_ZEROS) != 0 || folio_read(&byte, &own, 1, NULL) != 1)
                return 3;
            return *(volatile char *)8;
        }
        "#,
    )
    .unwrap();
    let flags = [&C[..], &["-D_DEFAULT_SOURCE", "-g", "-fsanitize=address"]].concat();
    let error = complaint(&mut Command::new(installed.program(&file, &flags)));
    assert!(error.contains("AddressSanitizer: SEGV on unknown address 0x000000000008"), "{error}");
}
