//! `folio run`: what it refuses, what it becomes, and where it keeps its library.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::programs::{How, compiled, fixed, installed};
use common::{Files, Ran, folio, is_root, skip, text};

fn run(files: &Files, words: &[&str]) -> Ran {
    Ran::of(folio(&[&["run"], words].concat()).env("XDG_CACHE_HOME", files.path("cache")))
}

fn refused(files: &Files, program: &str) -> String {
    let ran = run(files, &[program]);
    assert_eq!((ran.code, ran.text()), (126, ""), "{ran:?}");
    ran.line().to_owned()
}

fn executable(files: &Files, name: &str, content: &[u8]) -> String {
    let path = files.file(name, content);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn options_end_where_the_command_begins() {
    let files = Files::new();
    for words in
        [&["echo", "-n", "--on-fault", "--"][..], &["--", "echo", "-n", "--on-fault", "--"]]
    {
        let ran = run(&files, words);
        assert_eq!((ran.code, ran.text(), ran.stderr.as_str()), (0, "--on-fault --", ""));
    }
    assert_eq!(run(&files, &["--", "printf", "%s", "--color"]).text(), "--color");
    assert_eq!(run(&files, &[]).code, 2);
    assert_eq!(run(&files, &["--on-fault", "core", "echo"]).code, 2);
    assert_eq!(run(&files, &["--bogus", "echo"]).code, 2);
}

#[test]
fn a_program_that_is_not_there_is_not_found() {
    let files = Files::new();
    let missing = text(&files.path("missing"));
    let under = format!("{}/x", files.file("file", b""));
    for (program, words) in [
        ("no-such-program", "cannot run no-such-program: there is no such program in PATH"),
        ("", "cannot run '': there is no such program in PATH"),
        (&missing, &format!("cannot run {missing}: there is no such file: check the path")),
        (&under, &format!("cannot run {under}: there is no such file: check the path")),
    ] {
        let ran = run(&files, &["--", program]);
        assert_eq!(ran.code, 127, "{ran:?}");
        assert!(ran.line().starts_with(words), "{ran:?}");
    }
    let script = executable(&files, "script", b"#!/no/such/interpreter\n");
    let ran = run(&files, &[&script]);
    assert_eq!(ran.code, 127, "{ran:?}");
    assert!(ran.line().contains("its interpreter or dynamic linker is missing"), "{ran:?}");
}

#[test]
fn a_directory_that_may_not_be_searched_hides_no_program() {
    if is_root() {
        return skip("an ordinary user: root searches everything");
    }
    let files = Files::new();
    let closed = files.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let path = format!("{}:/usr/bin:/bin", text(&closed));
    let mut command = folio(&["run", "no-such-program"]);
    let ran = Ran::of(command.env("XDG_CACHE_HOME", files.path("cache")).env("PATH", path));
    assert_eq!(ran.code, 127, "{ran:?}");
}

#[test]
fn what_cannot_be_executed_is_refused() {
    let files = Files::new();
    let plain = files.file("plain", b"#!/bin/sh\n");
    assert!(
        refused(&files, &plain).ends_with("you may not execute it: check it with ls -l (chmod +x)")
    );
    let directory = text(&files.path(""));
    assert!(refused(&files, &directory).ends_with("it is a directory: name a file in it"));
    let fifo = text(&files.path("fifo"));
    assert!(Command::new("mkfifo").args(["-m", "755", &fifo]).status().unwrap().success());
    assert!(refused(&files, &fifo).contains("you may not execute it"));
    let noise = executable(&files, "noise", b"\x00\x01\x02");
    assert!(refused(&files, &noise).contains("it is neither a program nor a script"));
    // A file of the same name that may be executed is found behind one that may not.
    let path = format!("{directory}:/usr/bin:/bin");
    fs::write(files.path("true"), "").unwrap();
    let ran = Ran::of(
        folio(&["run", "true"]).env("PATH", &path).env("XDG_CACHE_HOME", files.path("cache")),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = Ran::of(folio(&["run", "plain"]).env("PATH", &path));
    assert_eq!(ran.code, 126, "{ran:?}");
}

#[test]
fn what_cannot_be_covered_is_said_before_it_starts() {
    let files = Files::new();
    let Some(fixed) = fixed(&files) else { return };
    let line = refused(&files, &fixed);
    assert_eq!(
        line,
        format!(
            "cannot cover {fixed}: it is statically linked: link it dynamically, or add --anyway to \
             run it as it is"
        )
    );
    let program = fs::read(compiled(&files, "loses.c")).unwrap();
    let changed = |name: &str, at: usize, byte: u8| {
        let mut program = program.clone();
        program[at] = byte;
        refused(&files, &executable(&files, name, &program))
    };
    // e_ident[EI_CLASS], e_machine (elf(5)).
    assert!(changed("narrow", 4, 1).contains("it is a 32-bit program: use a 64-bit one"));
    assert!(changed("other", 18, 183).contains("it is for another processor"));
    let linker = b"/lib64/ld-linux-x86-64.so.2";
    let at = program.windows(linker.len()).position(|part| part == linker).unwrap();
    let mut musl = program.clone();
    musl[at..at + linker.len()].copy_from_slice(b"/lib/ld-musl-x86_64.so.1\0\0\0");
    let line = refused(&files, &executable(&files, "musl", &musl));
    assert!(line.contains("a C library other than glibc (ld-musl-x86_64.so.1)"), "{line}");
}

#[test]
fn a_program_whose_sanitizer_has_to_be_first_is_refused() {
    let files = Files::new();
    let (source, program) = (files.file("main.c", b"int main(void) { return 0; }\n"), "sanitized");
    let program = text(&files.path(program));
    let built = Command::new("gcc").args(["-fsanitize=address", "-o", &program, &source]).output();
    if !built.is_ok_and(|built| built.status.success()) {
        return skip("gcc with AddressSanitizer");
    }
    let line = refused(&files, &program);
    assert!(line.contains("AddressSanitizer, whose library has to be the first"), "{line}");
    let mut command = folio(&["run", &program]);
    command.env("XDG_CACHE_HOME", files.path("cache"));
    let ran = Ran::of(command.env("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let ran = run(&files, &["--anyway", &program]);
    assert!(ran.code == 0 && ran.line().contains("AddressSanitizer"), "{ran:?}");
}

#[test]
fn a_script_is_what_interprets_it() {
    let files = Files::new();
    let Some(fixed) = fixed(&files) else { return };
    let script = executable(&files, "script", format!("#! {fixed} -x\n").as_bytes());
    assert!(refused(&files, &script).starts_with(&format!("cannot cover {fixed}: it is static")));
    let script = executable(&files, "nested", format!("#!{script}\n").as_bytes());
    assert!(refused(&files, &script).starts_with(&format!("cannot cover {fixed}: it is static")));
    let script = executable(&files, "through", format!("#!/usr/bin/env {fixed}\n").as_bytes());
    assert!(refused(&files, &script).starts_with(&format!("cannot cover {fixed}: it is static")));

    for start in ["#!/bin/sh\n", "#!/usr/bin/env sh\n", "#!/usr/bin/env -S sh -e\n", ""] {
        let script = executable(&files, "good", format!("{start}echo \"$1\"\n").as_bytes());
        let ran = run(&files, &[&script, "word"]);
        assert_eq!((ran.code, ran.text()), (0, "word\n"), "{start}: {ran:?}");
    }
}

#[test]
fn anyway_starts_what_cannot_be_covered_with_a_warning() {
    let files = Files::new();
    let Some(fixed) = fixed(&files) else { return };
    let mut command = folio(&["run", "--anyway", &fixed, &text(&files.path("lost"))]);
    let output = command.env("XDG_CACHE_HOME", files.path("cache")).output().unwrap();
    assert_eq!(output.status.signal(), Some(7));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "folio: warning: cannot cover {fixed}: it is statically linked: a fault will end it\n"
        )
    );
}

#[test]
fn a_program_that_gains_privileges_is_refused() {
    let files = Files::new();
    let program = compiled(&files, "loses.c");
    if !is_root() {
        // A program of one's own gains nothing by it.
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
        let ran = run(&files, &[&program, &text(&files.path("lost"))]);
        assert_eq!((ran.code, ran.text()), (0, "4096\n"), "{ran:?}");
        return skip("root");
    }
    std::os::unix::fs::chown(&program, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    assert!(refused(&files, &program).contains("it is set-user-ID, and the dynamic linker"));
    fs::set_permissions(&program, Permissions::from_mode(0o2755)).unwrap();
    assert!(refused(&files, &program).contains("it is set-group-ID, and the dynamic linker"));
}

#[test]
fn a_fault_is_told_of_in_one_line_whatever_the_file_is_called() {
    let files = Files::new();
    let program = compiled(&files, "loses.c");
    let ran = run(&files, &[&program, &text(&files.path("lo\nst\x1b[31m"))]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.line().contains("/lo\\nst\\x1b[31m: truncated at offset"), "{ran:?}");
    // Of a long name the end.
    let long = files.path(&"\n".repeat(250));
    fs::create_dir(&long).unwrap();
    let ran = run(&files, &[&program, &format!("{}/{}", text(&long), "\x01".repeat(120))]);
    assert!(ran.line().starts_with("...\\x01\\x01"), "{ran:?}");
    assert!(ran.line().contains("\\x01: truncated at offset"), "{ran:?}");
    assert!(ran.stderr.ends_with(")\n"), "{ran:?}");
}

#[test]
fn musl_programs_are_refused_and_start_anyway() {
    let Some(_) = installed("musl-gcc") else { return };
    let files = Files::new();
    let source = files.file("empty.c", b"int main(void) { return 7; }\n");
    let program = text(&files.path("musl"));
    assert!(Command::new("musl-gcc").args(["-o", &program, &source]).status().unwrap().success());
    assert!(refused(&files, &program).contains("glibc (ld-musl-x86_64.so.1): use one"));
    let ran = run(&files, &["--anyway", &program]);
    assert_eq!(ran.code, 7, "{ran:?}");
}

#[test]
fn go_programs_without_the_c_library_are_refused() {
    let Some(_) = installed("go") else { return };
    let files = Files::new();
    let source = files.file("empty.go", b"package main\nfunc main() {}\n");
    let program = text(&files.path("empty"));
    for (options, words) in [
        (&[][..], "it is statically linked"),
        (&["-buildmode=pie"], "it is a Go program that handles signals without the C library"),
    ] {
        let mut compiler = Command::new("go");
        compiler.arg("build").args(options).args(["-o", &program, &source]);
        compiler.env("CGO_ENABLED", "0").env("GOCACHE", files.path("go")).env("GOFLAGS", "");
        assert!(compiler.status().unwrap().success());
        let line = refused(&files, &program);
        assert!(line.contains(words), "{line}");
    }
}

#[test]
fn only_two_variables_are_added() {
    let files = Files::new();
    let lines = |how: How| {
        let output = how.command(&files, &["env"]).env("LD_BIND_NOW", "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect::<Vec<_>>()
    };
    let (plain, run) = (lines(How::Plain), lines(How::Run));
    let ours = |line: &str| line.starts_with("LD_PRELOAD=") || line.starts_with("FOLIO_ON_FAULT=");
    let new: Vec<_> = run.iter().filter(|line| !plain.contains(line)).collect();
    assert_eq!(new.len(), 2, "{new:?}");
    assert!(new[0].starts_with("LD_PRELOAD=/") && new[0].ends_with(".so"), "{new:?}");
    assert_eq!(new[1], "FOLIO_ON_FAULT=zeros");
    let gone = plain.iter().filter(|line| !run.contains(line) && !ours(line));
    let gone: Vec<_> = gone.filter(|line| !line.starts_with("_=")).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn what_is_preloaded_already_is_preloaded_too() {
    let files = Files::new();
    let source = files.file("other.c", b"int getpid(void) { return 42; }\n");
    let other = text(&files.path("other.so"));
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o", &other, &source]).status();
    assert!(compiled.unwrap().success());
    let mut command = How::Run.command(&files, &["python3", "-c", "import os; print(os.getpid())"]);
    if installed("python3").is_none() {
        return;
    }
    let output = command.env("LD_PRELOAD", &other).output().unwrap();
    assert_eq!(output.stdout, b"42\n", "{output:?}");
}

#[test]
fn the_program_takes_the_place_of_the_command() {
    let files = Files::new();
    let mut command = How::Run.command(&files, &["sh", "-c", "echo $$; exec sleep 100"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line.trim().parse(), Ok(child.id()));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn signals_and_streams_are_as_they_were_found() {
    let files = Files::new();
    let asks = "grep -E 'Sig(Ign|Blk)' /proc/self/status; for n in 0 1 2 3; do \
                test -e /proc/$$/fd/$n && echo $n; done";
    let folio = env!("CARGO_BIN_EXE_folio");
    for before in ["true", "trap '' PIPE", "trap '' HUP INT", "exec <&-", "exec 2>&-"] {
        let [plain, run] = ["", &format!("{folio} run ")].map(|prefix| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{before}; exec {prefix}sh -c \"$0\""), asks]);
            command.stdin(Stdio::null()).env("XDG_CACHE_HOME", files.path("cache"));
            command.output().unwrap()
        });
        assert!(!plain.stdout.is_empty(), "{plain:?}");
        let [plain, run] = [plain, run].map(|ran| String::from_utf8(ran.stdout).unwrap());
        assert_eq!(run, plain, "{before}");
    }
}

#[test]
fn the_library_is_written_once_and_again_when_it_was_changed() {
    let files = Files::new();
    let first = run(&files, &["sh", "-c", "echo $LD_PRELOAD"]).text().trim().to_owned();
    assert!(first.starts_with(&text(&files.path("cache/folio"))), "{first}");
    let content = fs::read(&first).unwrap();
    let modified = || fs::metadata(&first).unwrap().modified().unwrap();
    let before = modified();
    assert_eq!(run(&files, &["true"]).code, 0);
    assert_eq!(modified(), before);

    fs::write(&first, &content[1..]).unwrap();
    assert_eq!(run(&files, &["true"]).code, 0);
    assert!(fs::read(&first).unwrap() == content);
    let mut changed = content.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&first, &changed).unwrap();
    assert_eq!(run(&files, &["true"]).code, 0);
    assert!(fs::read(&first).unwrap() == content);
    fs::set_permissions(&first, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(run(&files, &["true"]).code, 0);
    assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o755);
    fs::remove_file(&first).unwrap();
    symlink(files.file("elsewhere", &content), &first).unwrap();
    assert_eq!(run(&files, &["true"]).code, 0);
    assert!(fs::symlink_metadata(&first).unwrap().is_file());
    assert_eq!(fs::read_dir(files.path("cache/folio")).unwrap().count(), 1);
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
    let files = Files::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; exec \"$0\" run true", env!("CARGO_BIN_EXE_folio")]);
    let ran = Ran::of(command.env("XDG_CACHE_HOME", files.path("cache")));
    // Where a cache of the machine's has the library already, that is used.
    assert!(ran.code == 0 || ran.code == 125 && ran.line().contains("File too large"), "{ran:?}");
    assert_eq!(fs::read_dir(files.path("cache/folio")).unwrap().count(), 0);
}

#[test]
fn a_cache_that_others_can_change_is_not_used() {
    let files = Files::new();
    let asks = ["sh", "-c", "echo $LD_PRELOAD"];
    let in_cache = |files: &Files| run(files, &asks).text().starts_with(&text(&files.path("")));
    fs::create_dir_all(files.path("cache/folio")).unwrap();
    assert!(in_cache(&files));
    fs::set_permissions(files.path("cache/folio"), Permissions::from_mode(0o777)).unwrap();
    assert!(!in_cache(&files));
    fs::remove_dir_all(files.path("cache/folio")).unwrap();
    fs::create_dir(files.path("elsewhere")).unwrap();
    symlink(files.path("elsewhere"), files.path("cache/folio")).unwrap();
    assert!(!in_cache(&files));

    // LD_PRELOAD is a list.
    let files = Files::new();
    let spaced = files.path("a cache");
    let mut command = folio(&[&["run"], &asks[..]].concat());
    let ran = Ran::of(command.env("XDG_CACHE_HOME", &spaced));
    assert!(ran.code == 0 && !ran.text().contains("a cache"), "{ran:?}");
}
