//! `folio cache`: what is counted, once, and what is left out.

mod common;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::cache::{PAGE, cache, counts, evict, is_on_disk, on_disk};
use common::{Ran, folio, is_root, noise, number, run, text};
use serde_json::Value;

fn paths<'a>(report: &'a Value, key: &str) -> Vec<&'a str> {
    report[key].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap()).collect()
}

/// `folio cache`, which leaves something out: what it prints, and its lines.
fn leaving_out(arguments: &[&str]) -> (Value, String) {
    let ran = run(&[&["cache", "--output", "json"], arguments].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    (ran.report(), ran.stderr)
}

#[test]
fn what_is_written_is_in_memory_and_dirty_until_it_is_synchronized() {
    let files = on_disk();
    let path = files.file("f", &noise(20 * PAGE));
    if !is_on_disk(&path) {
        return;
    }
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&noise(3 * PAGE), 4 * PAGE as u64).unwrap();
    let (count, pages, dirty) = counts(&cache(&[&path])["total"]);
    // All of a folio is dirty, which may be larger than what was written.
    assert!((count, pages) == (1, 20) && (3..=20).contains(&dirty), "{dirty}");
    let part = cache(&["--range", "20K..28K", &path]);
    assert_eq!(counts(&part["total"]), (1, 2, 2));
    assert_eq!(number(&part["total"], "length_bytes"), 2 * PAGE as u64);
    file.sync_all().unwrap();
    assert_eq!(counts(&cache(&[&path])["total"]), (1, 20, 0));
}

#[test]
fn looking_loads_nothing() {
    let files = on_disk();
    let path = files.file("f", &noise(20 * PAGE));
    if !is_on_disk(&path) {
        return;
    }
    evict(&path);
    for strip in [&[][..], &["--strip"]] {
        assert_eq!(counts(&cache(&[strip, &[&*path]].concat())["total"]), (1, 0, 0));
    }
}

#[test]
fn figures_are_those_of_fincore() {
    let files = on_disk();
    for (name, pages) in [("a", 1), ("b", 7), ("c", 300)] {
        let path = files.file(name, &noise(pages * PAGE - 5));
        evict(&path);
        let file = fs::File::open(&path).unwrap();
        file.read_at(&mut [0], (pages * PAGE / 2) as u64).unwrap();
        let fincore = ["--bytes", "--noheadings", "--output", "PAGES", &path];
        let Ok(known) = Command::new("fincore").args(fincore).output() else {
            return common::skip("no fincore (util-linux)");
        };
        let known: u64 = String::from_utf8(known.stdout).unwrap().trim().parse().unwrap();
        assert_eq!(counts(&cache(&[&path])["total"]).1, known, "{name}");
    }
}

#[test]
fn a_strip_says_which_pages() {
    let files = on_disk();
    let path = files.file("f", &noise(64 * PAGE));
    if !is_on_disk(&path) {
        return;
    }
    evict(&path);
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&noise(8 * PAGE), 0).unwrap();
    let report = cache(&["--strip", &path]);
    let ranges = report["paths"][0]["resident_ranges"].as_array().unwrap();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    assert_eq!(
        (number(&ranges[0], "offset_bytes"), number(&ranges[0], "length_bytes")),
        (0, 32768)
    );
    assert_eq!(cache(&[&path])["paths"][0]["resident_ranges"], Value::Null);
    let shown = Ran::of(folio(&["cache", "--strip", "f"]).current_dir(files.path(".")));
    assert!(shown.text().contains(&format!("{}··", "█".repeat(3))), "{}", shown.text());
    let plain = run(&["cache", &path]);
    assert!(!plain.text().contains('█'), "{}", plain.text());
}

#[test]
fn a_tree_has_a_row_for_each_directory_down_to_its_depth() {
    let files = on_disk();
    fs::create_dir_all(files.path("t/a/deep")).unwrap();
    fs::create_dir_all(files.path("t/b")).unwrap();
    for (name, pages) in [("t/f", 1), ("t/a/f", 2), ("t/a/deep/f", 4), ("t/b/f", 8)] {
        files.file(name, &noise(pages * PAGE));
    }
    let tree = text(&files.path("t"));
    let report = cache(&["--tree=1", &tree]);
    let root = &report["paths"][0];
    assert_eq!(counts(root).0, 4);
    assert_eq!((number(root, "directories"), number(root, "pages")), (4, 15));
    let mut below = paths(root, "directories_in_it");
    below.sort_unstable();
    assert_eq!(below, ["a", "b"]);
    let a = root["directories_in_it"].as_array().unwrap().iter().find(|row| row["path"] == "a");
    assert_eq!((number(a.unwrap(), "pages"), number(a.unwrap(), "directories")), (6, 2));
    assert!(paths(&cache(&[&tree])["paths"][0], "directories_in_it").is_empty());

    let report = cache(&["--each=2", &tree]);
    let each = paths(&report, "files");
    assert_eq!(each, [text(&files.path("t/b/f")), text(&files.path("t/a/deep/f"))]);
    let shown = run(&["cache", "--tree", &tree]);
    assert!(shown.text().contains("      deep/\n"), "{}", shown.text());
}

#[test]
fn what_is_reached_twice_counts_once() {
    let files = on_disk();
    fs::create_dir_all(files.path("t/sub")).unwrap();
    let first = files.file("t/first", &noise(2 * PAGE));
    let sub = files.file("t/sub/f", &noise(PAGE));
    fs::hard_link(&first, files.path("t/second")).unwrap();
    fs::hard_link(&first, files.path("t/sub/third")).unwrap();
    let tree = text(&files.path("t"));
    let below = text(&files.path("t/sub"));
    for arguments in [
        &[&*tree][..],
        &[&tree, &tree],
        &[&tree, &below],
        &[&below, &tree],
        &[&tree, &sub],
        &[&sub, &tree, &first],
    ] {
        let report = cache(arguments);
        let total = &report["total"];
        assert_eq!((number(total, "files"), number(total, "pages")), (2, 3), "{arguments:?}");
    }
}

#[test]
fn symbolic_links_lead_nowhere_unless_they_are_named() {
    let files = on_disk();
    fs::create_dir_all(files.path("t/sub")).unwrap();
    files.file("t/f", &noise(PAGE));
    let elsewhere = files.file("elsewhere", &noise(PAGE));
    symlink("..", files.path("t/sub/up")).unwrap();
    symlink("self", files.path("t/sub/self")).unwrap();
    symlink(&elsewhere, files.path("t/elsewhere")).unwrap();
    symlink("t", files.path("link")).unwrap();
    for name in ["t", "link"] {
        let report = cache(&[&text(&files.path(name))]);
        assert_eq!(
            (number(&report["total"], "files"), number(&report["total"], "directories")),
            (1, 2)
        );
    }
    assert_eq!(counts(&cache(&[&text(&files.path("t/elsewhere"))])["total"]).0, 1);
    let (report, lines) = leaving_out(&[&text(&files.path("t/sub/self")), &elsewhere]);
    assert_eq!(counts(&report["total"]).0, 1);
    assert!(lines.contains("symbolic links"), "{lines}");
}

#[test]
fn what_cannot_be_looked_at_has_a_line_each_and_the_rest_is_counted() {
    let files = on_disk();
    fs::create_dir(files.path("t")).unwrap();
    files.file("t/f", &noise(PAGE));
    let missing = text(&files.path("missing"));
    let (report, lines) = leaving_out(&[&text(&files.path("t")), "/dev/null", &missing]);
    assert_eq!(counts(&report["total"]).0, 1);
    assert_eq!((lines.lines().count(), report["omissions"].as_array().unwrap().len()), (2, 2));
    for reason in ["/dev/null: a char", "check the path"] {
        assert_eq!(lines.matches(reason).count(), 1, "{reason} in {lines}");
    }
    let ran = run(&["cache", &missing]);
    assert_eq!((ran.code, ran.text()), (1, ""));
    assert!(ran.line().contains(&missing));
    let number = Ran::of(folio(&["cache", "--tree", "1"]).current_dir(files.path("t")));
    assert!(number.line().contains("put an option's number behind = (--tree=1)"), "{number:?}");

    if is_root() {
        return common::skip("root reads everything");
    }
    let secret = files.file("t/secret", b"x");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let (_, lines) = leaving_out(&[&text(&files.path("t"))]);
    assert!(lines.contains("t/secret: Permission denied: run as its owner or as root"), "{lines}");
    let (_, lines) = leaving_out(&["/etc/passwd"]);
    assert!(lines.contains("only to who may write it"), "{lines}");
}

#[test]
fn sockets_and_pipes_are_counted_in_a_tree_and_an_error_where_they_are_named() {
    let files = on_disk();
    fs::create_dir(files.path("t")).unwrap();
    files.file("t/f", &noise(PAGE));
    let (socket, pipe) = (text(&files.path("t/socket")), text(&files.path("t/pipe")));
    let _socket = UnixListener::bind(&socket).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let tree = text(&files.path("t"));
    for action in [&[][..], &["--warm"], &["--evict"]] {
        let report = cache(&[action, &[&*tree]].concat());
        assert_eq!((counts(&report["total"]).0, number(&report, "special_files")), (1, 2));
        assert!(report["omissions"].as_array().unwrap().is_empty());
    }
    let shown = run(&["cache", &tree]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    assert!(shown.text().ends_with("\nleft out 2 sockets, pipes and devices\n"), "{shown:?}");
    for (path, what) in [(&*socket, "a socket"), (&pipe, "a pipe"), ("/dev/null", "a char")] {
        let ran = run(&["cache", path]);
        assert_eq!((ran.code, ran.text()), (1, ""));
        assert!(ran.line().contains(&format!("{path}: {what}")), "{ran:?}");
    }
}

#[test]
fn a_path_longer_than_the_kernel_takes_is_walked() {
    let files = on_disk();
    fs::create_dir(files.path("t")).unwrap();
    let name = "d".repeat(200);
    let script = format!(
        "cd '{}' && for i in $(seq 30); do mkdir {name} && cd -P {name} || exit 1; done; echo x > f",
        text(&files.path("t"))
    );
    assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
    let report = cache(&[&text(&files.path("t"))]);
    let total = &report["total"];
    assert_eq!((number(total, "files"), number(total, "directories")), (1, 31));
}

#[test]
fn a_file_with_a_path_longer_than_the_kernel_takes_is_warmed() {
    let files = on_disk();
    let tree = files.path("t");
    fs::create_dir(&tree).unwrap();
    let name = "d".repeat(200);
    // Pages that were never written are not in memory.
    let script = format!(
        "cd '{}' && for i in $(seq 30); do mkdir {name} && cd -P {name} || exit 1; done; truncate -s 8K f",
        text(&tree)
    );
    assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
    let report = cache(&["--warm", &text(&tree)]);
    assert_eq!((number(&report["total"], "files"), number(&report["total"], "pages")), (1, 2));
}

#[test]
fn files_that_come_and_go_meanwhile_are_no_failure() {
    let files = on_disk();
    fs::create_dir(files.path("t")).unwrap();
    let tree = files.path("t");
    let churn = |round: usize| {
        for number in 0..50 {
            let path = tree.join(format!("{}", number + round % 2 * 50));
            let _ = fs::write(&path, b"x");
            let _ = fs::remove_file(tree.join(format!("{}", number + (round + 1) % 2 * 50)));
        }
    };
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..)
                .take_while(|_| !is_done.load(std::sync::atomic::Ordering::Relaxed))
                .for_each(churn);
        });
        let looks: Vec<_> = (0..20).map(|_| run(&["cache", "--each", &text(&tree)])).collect();
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        for ran in looks {
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        }
    });
}

#[test]
fn a_directory_of_many_files_is_shared_among_threads_and_counted_exactly() {
    let files = on_disk();
    fs::create_dir(files.path("t")).unwrap();
    for number in 0..5000 {
        fs::write(files.path(&format!("t/a-name-that-takes-some-room-{number:08}")), b"x").unwrap();
    }
    let tree = text(&files.path("t"));
    let report = cache(&["--each=7", &tree]);
    assert_eq!((counts(&report["total"]).0, number(&report["total"], "pages")), (5000, 5000));
    assert_eq!(report["files"].as_array().unwrap().len(), 7);
}

#[test]
fn a_watch_goes_on_until_nobody_reads_it() {
    let files = on_disk();
    let path = files.file("f", &noise(PAGE));
    let missing = text(&files.path("missing"));
    let mut command = folio(&["cache", "--watch=0.05", "--output", "json", &path, &missing]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = common::cache::lines(&mut child);
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(counts(&first["total"]).0, 1);
    fs::write(&path, noise(3 * PAGE)).unwrap();
    let grown = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut grown = grown.filter(|report| number(&report["total"], "pages") == 3);
    assert!(grown.next().is_some());
    drop(grown);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(ran.line().contains(&missing), "once, however often it is looked for: {ran:?}");
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters_in_every_json() {
    let files = on_disk();
    let path = files.0.path().join(OsStr::from_bytes(b"a\xff\xfeb"));
    fs::write(&path, noise(PAGE)).unwrap();
    let shown = format!("{}/a\u{fffd}\u{fffd}b", text(files.0.path()));
    let json = |command: &str| {
        let mut folio = folio(&[command, "--output", "json"]);
        Ran::of(folio.arg(&path)).json()
    };
    assert_eq!(json("cache")["paths"][0]["path"], *shown);
    assert_eq!(json("map")["source"], *shown);
    let _map = folio::Mapping::open(&path).unwrap();
    let process = std::process::id().to_string();
    let report = run(&["ps", "--each", "--file", "*/a*b", "--output", "json", &process]).json();
    assert_eq!(report[0]["mappings"][0]["path"], *shown, "{report:#}");
}

#[test]
fn off_a_terminal_the_table_is_plain_and_adds_up() {
    let files = on_disk();
    let (a, b) = (files.file("a", &noise(PAGE)), files.file("b\nc", &noise(PAGE)));
    let ran: Ran = run(&["cache", &a, &b]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let lines: Vec<_> = ran.text().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("pages") && lines[0].ends_with("path"), "{lines:?}");
    assert!(lines[2].ends_with(r"b\nc") && lines[3].ends_with("total"), "{lines:?}");
    let directory = run(&["cache", files.path(".").to_str().unwrap()]);
    assert!(directory.text().contains("files  path") && directory.text().contains("    2  /"));
    assert!(Path::new(&a).exists());
}

#[test]
fn files_that_are_longer_together_than_a_number_can_say_are_counted() {
    // A file on tmpfs may be as long as an offset can say.
    let Ok(directory) = tempfile::Builder::new().prefix("folio-test-").tempdir_in("/dev/shm")
    else {
        return common::skip("no directory can be made in /dev/shm");
    };
    for name in ["a", "b", "c"] {
        let file = fs::File::create(directory.path().join(name)).unwrap();
        if let Err(error) = file.set_len(7 << 60) {
            return common::skip(format_args!("no file of 7 EiB can be made in /dev/shm: {error}"));
        }
    }
    let ran = run(&["cache", "--output", "json", directory.path().to_str().unwrap()]).json();
    assert_eq!(
        (number(&ran["total"], "files"), number(&ran["total"], "length_bytes")),
        (3, u64::MAX)
    );
}
