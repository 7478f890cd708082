//! `folio run` with programs that were not made for it: they live where they died, and nothing else
//! about them changes.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use common::programs::{How, assert_died, assert_lives, compiled, cut_meanwhile, installed, told};
use common::{Files, noise, skip, text};

/// Lines of text, about half of which have a needle.
fn hay(bytes: usize) -> Vec<u8> {
    let mut hay = Vec::with_capacity(bytes + 100);
    for (number, word) in noise(bytes / 8).chunks(4).enumerate() {
        let what = if word[0] < 128 { "needle" } else { "straw" };
        writeln!(hay, "{number:08} {what} {word:02x?}").unwrap();
        if hay.len() > bytes {
            break;
        }
    }
    hay
}

fn ones(files: &Files, name: &str) -> String {
    files.file(name, &vec![1; 1 << 20])
}

#[test]
fn ripgrep_lives_through_a_truncation() {
    let Some(_) = installed("rg") else { return };
    let files = Files::new();
    for how in [How::Plain, How::Run, How::Stop] {
        let file = files.file("hay", &hay(16 << 20));
        let mut command = how.command(&files, &["rg", "--mmap", "needle", &file]);
        let output = cut_meanwhile(&mut command, Path::new(&file), 4096);
        match how {
            How::Plain => assert_died(&output),
            How::Run => assert_lives(&output, &file),
            How::Stop => {
                assert_lives(&output, &file);
                assert_eq!(output.status.code(), Some(1));
            }
        }
    }
}

#[test]
fn sqlite_lives_through_a_truncation() {
    let Some(_) = installed("sqlite3") else { return };
    let files = Files::new();
    let make = "PRAGMA page_size = 4096; CREATE TABLE t(n, text);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 60000)
        INSERT INTO t SELECT n, printf('%0100d', n) FROM c;";
    let ask = "PRAGMA mmap_size = 1073741824; PRAGMA cache_size = 10; SELECT * FROM t;";
    for how in [How::Plain, How::Run] {
        let file = text(&files.path(&format!("{how:?}.db")));
        assert!(How::Plain.output(&files, &["sqlite3", &file, make]).status.success());
        let mut command = how.command(&files, &["sqlite3", &file, ask]);
        let output = cut_meanwhile(&mut command, Path::new(&file), 8192);
        match how {
            How::Plain => assert_died(&output),
            _ => assert_lives(&output, &file),
        }
    }
}

#[test]
fn sqlite_reads_through_the_mapping_what_it_writes() {
    let Some(_) = installed("sqlite3") else { return };
    let work = "PRAGMA mmap_size = 1073741824; CREATE TABLE t(n, text); CREATE INDEX i ON t(text);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
        INSERT INTO t SELECT n, printf('%0100d', n * 7919 % 20011) FROM c;
        DELETE FROM t WHERE n % 3 = 0; VACUUM;
        PRAGMA integrity_check; SELECT count(*), min(text), max(text) FROM t;";
    let files = Files::new();
    let [plain, run] = [How::Plain, How::Run].map(|how| {
        let file = text(&files.path(&format!("{how:?}.db")));
        let output = how.output(&files, &["sqlite3", &file, work]);
        (told(output.status), output.stdout, output.stderr, fs::read(file).unwrap())
    });
    assert!(plain.1.windows(2).any(|word| word == b"ok"), "{plain:?}");
    assert!(plain == run, "{:?} {:?}", plain.2, run.2);
}

/// A database of LMDB's tools, in a directory; the file that is mapped.
fn lmdb(files: &Files, name: &str, how: How, entries: &[String]) -> String {
    let directory = files.path(name);
    fs::create_dir(&directory).unwrap();
    let dump = files.path(&format!("{name}.dump"));
    let mut file = File::create(&dump).unwrap();
    writeln!(file, "VERSION=3\nformat=print\ntype=btree\nmapsize=67108864\nHEADER=END").unwrap();
    for (number, entry) in entries.iter().enumerate() {
        writeln!(file, " {number:08}\n {entry}").unwrap();
    }
    writeln!(file, "DATA=END").unwrap();
    let directory = text(&directory);
    let output = how.output(files, &["mdb_load", "-f", &text(&dump), &directory]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    format!("{directory}/data.mdb")
}

#[test]
fn the_tools_of_lmdb_live_through_a_truncation() {
    let Some(_) = installed("mdb_dump") else { return };
    let files = Files::new();
    for how in [How::Plain, How::Run, How::Stop] {
        // One value behind the tree: where the tree is lost, LMDB ends itself, since it checks it.
        let file = lmdb(&files, &format!("{how:?}"), how, &["x".repeat(8 << 20)]);
        let directory = file.strip_suffix("/data.mdb").unwrap();
        let mut command = how.command(&files, &["mdb_dump", "-p", directory]);
        let output = cut_meanwhile(&mut command, Path::new(&file), 1 << 20);
        match how {
            How::Plain => assert_died(&output),
            _ => assert_lives(&output, &file),
        }
        assert!(how != How::Stop || output.status.code() == Some(1), "{output:?}");
    }
}

#[test]
fn the_tools_of_lmdb_do_what_they_do_without_folio() {
    let Some(_) = installed("mdb_dump") else { return };
    let files = Files::new();
    let [plain, run] = [How::Plain, How::Run].map(|how| {
        let file = lmdb(&files, &format!("{how:?}"), how, &vec!["x".repeat(100); 20_000]);
        let directory = file.strip_suffix("/data.mdb").unwrap();
        let dump = how.output(&files, &["mdb_dump", "-p", directory]);
        let stat = how.output(&files, &["mdb_stat", "-ef", directory]);
        let stat = String::from_utf8(stat.stdout).unwrap();
        let lines = stat.lines().filter(|line| !line.contains("Map address")).map(String::from);
        (told(dump.status), dump.stdout, dump.stderr, lines.collect::<Vec<_>>())
    });
    assert!(plain == run);
}

/// Its sum over what is left of a megabyte of ones, and what it did otherwise.
fn loses(how: How, files: &Files, words: &[&str]) -> Output {
    let file = ones(files, "ones");
    how.output(files, &[words, &[&file]].concat())
}

#[test]
fn python_lives_through_a_truncation() {
    let Some(python) = installed("python3") else { return };
    let files = Files::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/loses.py");
    let words = [&text(&python), script];
    assert_died(&loses(How::Plain, &files, &words));
    let output = loses(How::Run, &files, &words);
    assert_lives(&output, &text(&files.path("ones")));
    assert_eq!(output.stdout, b"0 4096\n");
}

#[test]
fn the_tests_of_python_s_mmap_pass() {
    let Some(python) = installed("python3") else { return };
    let files = Files::new();
    let python = text(&python);
    if !How::Plain.output(&files, &[&python, "-c", "import test.test_mmap"]).status.success() {
        return skip("Python's own tests");
    }
    let directory = files.path("");
    let tests = |how: How| {
        let mut command = how.command(&files, &[&python, "-m", "test", "-v", "test_mmap"]);
        let output = command.current_dir(&directory).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let results =
            text.lines().filter(|line| line.starts_with("test_") && line.contains(" ... "));
        (told(output.status), results.map(String::from).collect::<Vec<_>>())
    };
    let plain = tests(How::Plain);
    assert_eq!(plain.0, "exit status 0");
    assert!(plain.1.len() > 20, "{plain:?}");
    assert_eq!(tests(How::Run), plain);
}

#[test]
fn a_jvm_lives_through_a_truncation() {
    let (Some(_), Some(_)) = (installed("java"), installed("javac")) else { return };
    let files = Files::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/Loses.java");
    let directory = text(&files.path(""));
    let compiled = Command::new("javac").args(["-d", &directory, source]).output().unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let words = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", &directory, "Loses"];
    // It has a handler of its own, which ends the thread.
    let plain = loses(How::Plain, &files, &words);
    assert!(String::from_utf8_lossy(&plain.stderr).contains("InternalError"), "{plain:?}");
    let output = loses(How::Run, &files, &words);
    assert_lives(&output, &text(&files.path("ones")));
    assert_eq!(output.stdout, b"4096\n");
}

#[test]
fn a_go_program_with_the_c_library_lives_through_a_truncation() {
    let Some(_) = installed("go") else { return };
    let files = Files::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/loses.go");
    let program = text(&files.path("loses"));
    let mut compiler = Command::new("go");
    compiler.args(["build", "-o", &program, source]).env("GOCACHE", files.path("go"));
    let compiled = compiler.env("CGO_ENABLED", "1").env("GOFLAGS", "").output().unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let plain = loses(How::Plain, &files, &[&program]);
    assert!(String::from_utf8_lossy(&plain.stderr).contains("signal SIGBUS"), "{plain:?}");
    let output = loses(How::Run, &files, &[&program]);
    assert_lives(&output, &text(&files.path("ones")));
    assert_eq!(output.stdout, b"4096\n");
}

#[test]
fn a_program_lives_however_it_maps_and_whatever_it_does_about_signals() {
    let files = Files::new();
    let program = compiled(&files, "loses.c");
    let file = text(&files.path("lost"));
    for (way, expected) in [
        ("plain", "4096\n"),
        ("raw", "4096\n"),
        ("fork", "4096\n4096\n"),
        ("blocked", "4096\n4096\n"),
        ("masked", "4096\n"),
        ("handler", "handler 7 1\n4096\n"),
        ("writes", "4096\n8192\n"),
        ("syncs", "Success, Input/output error\n0 0 0\n4096\n"),
        ("grows", "4096\n4096\n"),
    ] {
        let output = How::Run.output(&files, &[&program, &file, way]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{way}: {errors}");
        assert_eq!(told(output.status), "exit status 0", "{way}: {errors}");
        let lines = errors.matches("truncated at offset 4096; zeros").count();
        let mappings = match way {
            "fork" | "blocked" => 2,
            "syncs" => 3,
            _ => 1,
        };
        assert_eq!(lines, mappings, "{way}: {errors}");

        let plain = How::Plain.output(&files, &[&program, &file, way]);
        match way {
            "handler" => assert_eq!(plain.status.code(), Some(6)),
            _ => assert_died(&plain),
        }
        let stopped = How::Stop.output(&files, &[&program, &file, way]);
        let errors = String::from_utf8_lossy(&stopped.stderr);
        assert!(errors.contains("truncated at offset 4096; stopped"), "{way}: {errors}");
        // In a child it is the child that stops.
        assert_eq!(stopped.status.code(), Some(1), "{way}");
    }
}

#[test]
fn the_functions_about_signals_say_what_they_say_without_folio() {
    let files = Files::new();
    let program = compiled(&files, "signals.c");
    let [plain, run] = [How::Plain, How::Run].map(|how| how.output(&files, &[&program]));
    assert_died(&plain);
    assert!(plain.stdout.len() > 1000);
    let [plain, run] = [plain, run]
        .map(|ran| (told(ran.status), String::from_utf8(ran.stdout).unwrap(), ran.stderr));
    for (plain, run) in plain.1.lines().zip(run.1.lines()) {
        assert_eq!(run, plain);
    }
    assert_eq!(run, plain);
}

#[test]
fn programs_under_load_live_while_their_file_is_cut_again_and_again() {
    let files = Files::new();
    let content = hay(8 << 20);
    let file = files.file("hay", &content);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let cut = File::options().write(true).open(&file).unwrap();
            let mut len = 4096;
            while !done.load(Ordering::Relaxed) {
                cut.set_len(len).unwrap();
                len = (len * 7 + 4096) % (8 << 20);
                fs::write(&file, &content).unwrap();
            }
        });
        for words in [
            &["rg", "--mmap", "-c", "needle"][..],
            &["grep", "-c", "needle"],
            &["sort", "--parallel=2"],
            &["tac"],
        ] {
            let Some(_) = installed(words[0]) else { continue };
            for _ in 0..8 {
                let mut command = How::Run.command(&files, &[words, &[&file]].concat());
                let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                assert!(status.code().is_some_and(|code| code <= 2), "{words:?}: {}", told(status));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_changes_where_nothing_goes_wrong() {
    let files = Files::new();
    let file = files.file("hay", &hay(1 << 20));
    let missing = text(&files.path("missing"));
    let binary = files.file("noise", &noise(100_000));
    for words in [
        &["grep", "-n", "needle", &file][..],
        &["grep", "needle", &missing],
        &["grep", "-c", "zzz", &file],
        &["tac", &file],
        &["sort", "-k3", &file],
        &["rg", "--mmap", "-n", "needle", &file],
        &["rg", "zzz", &file],
        &["rg", "needle", &missing],
        &["java", "--version"],
        &["sha256sum", &binary],
        &["cmp", &file, &binary],
        &["python3", "-c", "import mmap, sys; print(sys.argv); sys.exit(3)", "-x", "--"],
        &["sh", "-c", "echo out; echo err >&2; exit 7"],
        &["sh", "-c", "kill -TERM $$"],
        &["sh", "-c", "kill -BUS $$"],
        &["sh", "-c", "sh -c 'kill -BUS $$'; echo $?"],
        &["sh", "-c", "trap 'echo trapped' BUS; kill -BUS $$; echo on"],
        &["sh", "-c", "trap '' BUS; kill -BUS $$; echo on"],
        &["sh", "-c", "seq 100000 | head -1"],
        // Not SigQ: that counts signals of all the user's processes.
        &["grep", "-E", "Sig(Ign|Blk)|ShdPnd|NoNewPrivs|Seccomp|Umask", "/proc/self/status"],
        &["readlink", "/proc/self/fd/0", "/proc/self/fd/3"],
    ] {
        if installed(words[0]).is_none() {
            continue;
        }
        let [plain, run] = [How::Plain, How::Run].map(|how| how.output(&files, words));
        assert_eq!(told(run.status), told(plain.status), "{words:?}");
        assert!(run.stdout == plain.stdout, "{words:?}: {run:?} {plain:?}");
        assert!(run.stderr == plain.stderr, "{words:?}: {run:?} {plain:?}");
    }
}
