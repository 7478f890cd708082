//! `folio shm watch`: counters as they change.

mod common;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStdout, Stdio};

use common::shm::{Name, fails, shm, start};
use common::{Ran, folio, number, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A watch, and its lines as they come.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(arguments: &[&str]) -> Self {
        // Half a minute, should it not end as it should.
        let watch = ["shm", "watch", "-i", "20ms", "-n", "1500"];
        let mut child = start(&[&watch, arguments].concat());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Lines of JSON, until one is as it should be.
    fn until(&mut self, mut is_good: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let line = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            if is_good(&line) {
                return line;
            }
        }
    }

    fn end(self) -> Ran {
        Ran::from(self.child.wait_with_output().unwrap())
    }
}

fn queue() -> Name {
    let name = Name::new();
    shm(&["create", &name, "--queue", "--longest", "1000", "--bytes", "8K"]);
    name
}

#[test]
fn what_is_sent_and_received_is_counted_in_the_interval_it_happens_in() {
    let name = queue();
    let mut watch = Watch::start(&[&name, "--output", "json"]);
    let line = watch.until(|_| true);
    assert_eq!((number(&line, "sent"), &line["sent_per_second"]), (0, &0.0.into()));
    assert_eq!(number(&line, "circles_bytes"), 8 << 10);
    shm(&["send", &name, "one", "two", "three"]);
    let mut sent = 0.0;
    let line = watch.until(|line| {
        let times = |key: &str| line[key].as_f64().unwrap();
        sent += times("sent_per_second") * times("interval_seconds");
        sent > 2.5
    });
    assert!((sent - 3.0).abs() < 1e-3, "{sent}");
    assert_eq!((number(&line, "waiting"), number(&line, "waiting_bytes")), (3, 48));
    assert_eq!(run(&["shm", "recv", &name, "-n", "2"]).text(), "one\ntwo\n");
    let line = watch.until(|line| number(line, "received") == 2);
    assert_eq!((number(&line, "waiting"), number(&line, "waiting_bytes")), (1, 16));
    drop(watch.lines);
    watch.child.kill().unwrap();
    watch.child.wait().unwrap();
}

#[test]
fn what_is_appended_to_a_journal_is_counted_until_it_is_gone() {
    let files = common::Files::new();
    let path = common::text(&files.path("log"));
    shm(&["create", &path, "--journal", "--file-size", "4K"]);
    shm(&["send", &path, "before"]);
    let mut watch = Watch::start(&[&path, "--output", "json"]);
    let line = watch.until(|_| true);
    assert_eq!((number(&line, "sent"), &line["kind"]), (1, &"journal".into()));
    let messages = "x".repeat(99) + "\n";
    let mut sender = start(&["shm", "send", &path]);
    sender.stdin.as_mut().unwrap().write_all(messages.repeat(100).as_bytes()).unwrap();
    let (mut sent, mut bytes) = (0.0, 0.0);
    let line = watch.until(|line| {
        let seconds = line["interval_seconds"].as_f64().unwrap();
        sent += line["sent_per_second"].as_f64().unwrap() * seconds;
        bytes += line["bytes_per_second"].as_f64().unwrap() * seconds;
        sent > 99.5
    });
    assert!((sent - 100.0).abs() < 0.1 && (bytes - 9900.0).abs() < 1.0, "{sent} {bytes}");
    assert_eq!(
        (&line["senders"], &line["received"]),
        (&serde_json::json!([sender.id()]), &Value::Null)
    );
    drop(sender.stdin.take());
    assert!(sender.wait().unwrap().success());
    std::fs::remove_dir_all(&path).unwrap();
    let rest = watch.lines.count();
    let ran = Ran::from(watch.child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.line()), (3, &*format!("{path} is gone: it was removed")), "{rest}");
}

#[test]
fn who_sleeps_and_who_died_is_shown() {
    let name = queue();
    let mut watch = Watch::start(&[&name, "--output", "json"]);
    // Nobody makes room.
    let mut sender = start(&["shm", "send", &name]);
    let lines = "x".repeat(900) + "\n";
    sender.stdin.as_mut().unwrap().write_all(lines.repeat(20).as_bytes()).unwrap();
    let line = watch.until(|line| line["senders_asleep"] == true);
    assert_eq!(line["senders"], serde_json::json!([sender.id()]));
    assert!(number(&line, "waiting_bytes") > 6 << 10, "{line}");
    sender.kill().unwrap();
    sender.wait().unwrap();
    let line = watch.until(|line| line["dead"] == serde_json::json!([sender.id()]));
    assert_eq!(line["senders"], serde_json::json!([]));
    assert_eq!(line["senders_asleep"], false);
    let mut receiver = start(&["shm", "recv", "--follow", &name]);
    let line = watch.until(|line| line["receivers_asleep"] == true);
    assert_eq!(line["receivers"], serde_json::json!([receiver.id()]));
    let text = run(&["shm", "watch", "-i", "20ms", "-n", "1", &name]);
    let row = text.text().lines().nth(1).unwrap();
    assert!(row.contains("1 dead") && row.contains("0%"), "{row}");
    for child in [&mut receiver, &mut watch.child] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn it_ends_when_what_it_watches_is_removed_and_says_so() {
    let name = queue();
    let mut watch = Watch::start(&[&name]);
    watch.lines.next().unwrap().unwrap();
    shm(&["rm", &name]);
    // Another of the same name is another.
    shm(&["create", &name, "--queue"]);
    let ran = watch.end();
    assert_eq!(ran.code, 3);
    assert_eq!(ran.line(), format!("/dev/shm/{} is gone: it was removed", &*name));
}

#[test]
fn ctrl_c_and_a_reader_that_leaves_are_good_ends() {
    let name = queue();
    let mut watch = Watch::start(&[&name]);
    watch.lines.next().unwrap().unwrap();
    kill_process(Pid::from_child(&watch.child), Signal::INT).unwrap();
    let ran = watch.end();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));

    // It does not wait for the next line to find out.
    let mut child = start(&["shm", "watch", "-i", "1h", &name]);
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn a_list_has_a_row_for_each_and_lines_are_in_line() {
    let (one, other) = (queue(), Name::new());
    shm(&["create", &other, "--size", "1K"]);
    let ran = run(&["shm", "watch", "-i", "20ms", "-n", "2"]);
    let text = ran.text();
    for name in [&one, &other] {
        assert_eq!(text.lines().filter(|line| line.starts_with(&**name)).count(), 2, "{text}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("name")).count(), 2, "{text}");
    let row = text.lines().find(|line| line.starts_with(&*other)).unwrap();
    assert!(row.ends_with("segment, 0 users"), "{row}");
    let named = run(&["shm", "watch", "-i", "20ms", "-n", "3", &one]);
    let lines: Vec<_> = named.text().lines().collect();
    assert!(
        lines.len() == 4 && lines[1..].iter().all(|line| line.len() == lines[0].len()),
        "{lines:?}"
    );
}

#[test]
fn every_key_is_documented() {
    let name = queue();
    let manual = include_str!("../../../docs/command.md");
    let line = run(&["shm", "watch", "-i", "20ms", "-n", "1", "--output", "json", &name]).json();
    for key in line.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn what_cannot_be_watched_is_named() {
    fails(&["watch", "no-such-channel"], &["no-such-channel", "folio shm create"]);
    for interval in ["9ms", "x", "1"] {
        assert_eq!(run(&["shm", "watch", "-i", interval]).code, 2);
    }
    let mut command = folio(&["shm", "watch", "-i", "20ms", "-n", "1"]);
    assert_eq!(Ran::of(command.stdin(Stdio::null())).code, 0);
}
