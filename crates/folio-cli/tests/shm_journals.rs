//! `folio shm` on journals, which have paths.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;

use common::shm::{Name, fails, shm, start, with_input};
use common::{Files, Ran, number, run, text};
use serde_json::Value;

/// A journal with files of 4 KiB and these options, in a directory that goes away again.
fn journal(files: &Files, options: &[&str]) -> String {
    let path = text(&files.path("log"));
    shm(&[&["create", &path, "--journal", "--file-size", "4K"], options].concat());
    path
}

fn stat(path: &str) -> Value {
    run(&["shm", "stat", path, "--output", "json"]).json()
}

#[track_caller]
fn reads(arguments: &[&str], expected: &str) {
    let ran = run(&[&["shm"], arguments].concat());
    assert_eq!((ran.code, ran.text(), ran.stderr.as_str()), (0, expected, ""), "{arguments:?}");
}

#[test]
fn what_was_sent_is_read_from_wherever_one_begins_and_read_again() {
    let files = Files::new();
    let path = &journal(&files, &[]);
    reads(&["tail", path], "");
    shm(&["send", path, "zero", "one"]);
    with_input(&["shm", "send", path], b"two\nthree\n");
    with_input(&["shm", "send", path, "--whole"], b"four\n\xff");
    let all = "zero\none\ntwo\nthree\nfour\\n\\xff\n";
    for arguments in [&["tail", path][..], &["cat", path], &["tail", path, "--from", "oldest"]] {
        reads(arguments, all);
    }
    reads(&["tail", path, "--from", "3"], "three\nfour\\n\\xff\n");
    reads(&["cat", path, "--from", "-1"], "four\\n\\xff\n");
    reads(&["cat", path, "--from", "-99"], all);
    reads(&["tail", path, "--from", "99"], "");
    reads(&["tail", path, "--count", "2"], "zero\none\n");
    let ran = run(&["shm", "tail", path, "--raw", "--from", "4"]);
    assert_eq!(ran.stdout, b"four\n\xff");
    let line = run(&["shm", "tail", path, "--from", "4", "--output", "json"]).json();
    assert_eq!((number(&line, "sequence"), &line["bytes"]), (4, &"666f75720aff".into()));
    assert!(line["time_seconds"].as_f64().unwrap() > 1e9);
    let manual = include_str!("../../../docs/command.md");
    for key in line.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn who_follows_gets_what_is_appended_from_then_on() {
    let files = Files::new();
    let path = &journal(&files, &[]);
    shm(&["send", path, "before"]);
    for (from, first) in [(&[][..], "after"), (&["--from", "oldest"], "before")] {
        let mut tail = start(&[&["shm", "tail", path, "--follow"], from].concat());
        let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        let (known, done) = std::sync::mpsc::channel();
        let line = std::thread::spawn(move || {
            let line = lines.next().unwrap().unwrap();
            known.send(()).unwrap();
            line
        });
        // It may not be reading yet.
        let pause = std::time::Duration::from_millis(50);
        while done.recv_timeout(pause).is_err() {
            shm(&["send", path, "after"]);
        }
        assert_eq!(line.join().unwrap(), first);
        tail.kill().unwrap();
        tail.wait().unwrap();
    }
}

#[test]
fn old_messages_go_as_the_journal_was_made_and_readers_are_told() {
    let files = Files::new();
    let path = &journal(&files, &["--keep", "30K", "--keep-for", "36h"]);
    let lines: String = (0..2000).map(|number| format!("message {number}\n")).collect();
    with_input(&["shm", "send", path], lines.as_bytes());
    let stat = stat(path);
    let journal = &stat["journal"];
    assert_eq!(
        (number(journal, "keep_bytes"), number(journal, "keep_seconds")),
        (30 << 10, 129_600)
    );
    let (oldest, next) = (number(journal, "oldest"), number(journal, "next"));
    assert!(oldest > 0 && next == 2000 && number(&stat, "file_bytes") <= 30 << 10, "{stat:#}");
    assert_eq!(number(journal, "messages"), next - oldest);
    let ran = run(&["shm", "cat", path]);
    assert_eq!(ran.text().lines().count() as u64, next - oldest);
    assert_eq!(ran.text().lines().next(), Some(&*format!("message {oldest}")));
    let ran = run(&["shm", "tail", path, "--from", "0", "-n", "1"]);
    assert_eq!(ran.stderr.trim().replace(',', ""), format!("{oldest} messages were lost"));
    let text = run(&["shm", "stat", path]);
    let row = text.text().lines().find(|line| line.starts_with("  keeps")).unwrap();
    assert!(row.ends_with("30 KiB, 36 h"), "{row}");
}

#[test]
fn journals_are_listed_by_where_they_are() {
    let files = Files::new();
    let path = &journal(&files, &[]);
    let directory = text(&files.path(""));
    for place in [path, &directory] {
        let list = run(&["shm", "ls", place, "--output", "json"]).json();
        let [one] = &list.as_array().unwrap()[..] else { panic!("{list:#}") };
        assert_eq!(
            (&one["name"], &one["kind"], &one["state"]),
            (&path.as_str().into(), &"journal".into(), &"idle".into())
        );
    }
    let mut sender = start(&["shm", "send", path]);
    sender.stdin.as_mut().unwrap().write_all(b"line\n").unwrap();
    while stat(path)["journal"]["appender"] != sender.id() {
        assert!(sender.try_wait().unwrap().is_none());
    }
    fails(&["send", path, "x"], &["cannot append to", path, "somebody else appends to it"]);
    drop(sender.stdin.take());
    assert!(sender.wait().unwrap().success());
    assert_eq!(run(&["shm", "ls", path]).text().lines().count(), 2);
    let manual = include_str!("../../../docs/command.md");
    for key in stat(path)["journal"].as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn what_was_sent_is_on_the_disk_before_more_is_waited_for_and_outlives_the_sender() {
    let files = Files::new();
    let path = &journal(&files, &[]);
    let mut sender = start(&["shm", "send", path]);
    sender.stdin.as_mut().unwrap().write_all(b"last words\n").unwrap();
    while number(&stat(path)["journal"], "next") == 0 {
        assert!(sender.try_wait().unwrap().is_none());
    }
    sender.kill().unwrap();
    sender.wait().unwrap();
    shm(&["send", path, "and more"]);
    reads(&["tail", path], "last words\nand more\n");
}

#[test]
fn a_damaged_end_is_told_and_dropped_by_who_appends_next() {
    use std::os::unix::fs::FileExt;
    let files = Files::new();
    let path = &journal(&files, &[]);
    shm(&["send", path, "good", "to be damaged"]);
    let file = std::path::Path::new(path).join(format!("{:020}.journal", 0));
    let bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(13).position(|part| part == b"to be damaged").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .write_all_at(b"X", at as u64)
        .unwrap();
    assert_eq!(stat(path)["journal"]["is_torn"], true);
    let ran = run(&["shm", "tail", path]);
    assert_eq!((ran.code, ran.text()), (1, "good\n"));
    assert!(ran.line().contains("message 1 is damaged: whoever appends next"), "{}", ran.line());
    shm(&["send", path, "better"]);
    reads(&["tail", path], "good\nbetter\n");
}

#[test]
fn a_journal_that_more_may_reach_is_appended_to_if_that_is_meant() {
    let files = Files::new();
    let path = &journal(&files, &["--mode", "644"]);
    fails(&["send", path, "x"], &[path, "0644", "--anybody"]);
    shm(&["send", "--anybody", path, "x"]);
    let lines = "x".repeat(900) + "\n";
    with_input(&["shm", "send", "--anybody", path], lines.repeat(5).as_bytes());
    let made: Vec<_> = std::fs::read_dir(path).unwrap().map(|file| file.unwrap()).collect();
    assert!(made.len() > 1);
    for file in made {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    }
}

#[test]
fn what_a_journal_is_not_for_is_said_with_a_way_out() {
    let files = Files::new();
    let path = &journal(&files, &[]);
    let none = &text(&files.path("none"));
    for (arguments, parts) in [
        (&["create", path, "--journal"][..], &["already", "folio shm send", "rm -r"][..]),
        (&["create", "log", "--journal"], &["cannot make log", "./log"]),
        (&["create", none, "--journal", "--file-size", "9"], &["too small", "--file-size"]),
        (&["recv", path], &[path, "folio shm tail"]),
        (&["write", path], &[path, "leave slashes out"]),
        (&["rm", path], &[path, "rm -r"]),
        (&["send", none, "x"], &[none, "no journal", "folio shm create --journal"]),
        (&["tail", none], &[none, "no journal", "folio shm create --journal"]),
        (&["stat", none], &[none, "no journal", "folio shm create --journal"]),
        (&["ls", none], &[none, "No such file", "name a directory"]),
        (&["cat", path, "--offset", "1"], &[path, "--from"]),
        (&["tail", path, "--from", "newest"], &[path, "--follow"]),
        (&["tail", path, "-n", "1"], &[path, "ends 1 message before", "--follow"]),
        (&["tail", path, "--follow", "-t", "20ms"], &[path, "in time", "--timeout"]),
        (&["send", path, &"x".repeat(5000)], &["5000 bytes", "create --file-size"]),
    ] {
        fails(arguments, parts);
    }
    assert!(!std::path::Path::new(none).exists());
    let name = Name::new();
    shm(&["create", &name, "--broadcast"]);
    fails(&["tail", &name, "--from", "0"], &[&name, "leave out --from"]);
    fails(&["cat", &name, "--from", "0"], &[&name, "--offset"]);
    for wrong in [
        &["tail", path, "--from", "x"][..],
        &["create", "x", "--queue", "--keep", "1M"],
        &["create", path, "--journal", "--size", "1M"],
        &["create", path, "--journal", "--keep-for", "1y"],
    ] {
        assert_eq!(run(&[&["shm"], wrong].concat()).code, 2, "{wrong:?}");
    }
    let ran: Ran = run(&["shm", "create", "x", "--keep", "1M"]);
    assert_eq!(ran.code, 2);
}
