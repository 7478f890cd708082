//! `folio shm send`, `recv` and `tail`: messages from a shell to a shell.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdout;

use common::shm::{Name, fails, give, shm, start, with_input};
use common::{Ran, number, run};
use serde_json::Value;

fn queue() -> Name {
    let name = Name::new();
    shm(&["create", &name, "--queue", "--longest", "1000", "--bytes", "8K"]);
    name
}

fn broadcast() -> Name {
    let name = Name::new();
    shm(&["create", &name, "--broadcast", "--longest", "1000", "--bytes", "8K"]);
    name
}

/// Waits until so many are on the receiving side.
fn wait_for_receivers(name: &Name, count: usize) {
    loop {
        let stat = run(&["shm", "stat", name, "--output", "json"]).json();
        if stat["channel"]["receivers"].as_array().unwrap().len() == count {
            return;
        }
    }
}

#[test]
fn lines_that_are_sent_are_received_as_lines() {
    let name = queue();
    with_input(&["shm", "send", &name], "one\n\nthree\tµ\nlast".as_bytes());
    let ran = run(&["shm", "recv", &name]);
    assert_eq!((ran.code, ran.text(), ran.stderr.as_str()), (0, "one\n\nthree\tµ\nlast\n", ""));
}

#[test]
fn arguments_are_messages_and_boundaries_are_kept() {
    let name = queue();
    shm(&["send", &name, "two\nlines", "", "--", "--raw"]);
    with_input(&["shm", "send", "--whole", &name], b"a\xff\n\0");
    let ran = run(&["shm", "recv", &name, "--count", "2"]);
    assert_eq!(ran.text(), "two\\nlines\n\n");
    let ran = run(&["shm", "recv", &name, "--output", "json"]);
    let messages: Vec<Value> =
        ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!((&messages[0]["text"], number(&messages[0], "length_bytes")), (&"--raw".into(), 5));
    assert_eq!((&messages[1]["text"], &messages[1]["bytes"]), (&Value::Null, &"61ff0a00".into()));
    assert_eq!(number(&messages[1], "lost"), 0);
    let manual = include_str!("../../../docs/command.md");
    for key in messages[0].as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn raw_messages_have_nothing_between_them() {
    let name = queue();
    shm(&["send", &name, "a\n", "b", ""]);
    with_input(&["shm", "send", "--whole", &name], b"\x1b[31m\xff\0");
    assert_eq!(run(&["shm", "recv", "--raw", &name]).stdout, b"a\nb\x1b[31m\xff\0");
}

#[test]
fn more_than_a_queue_holds_goes_through_it_while_it_is_received() {
    let name = queue();
    let receiver = start(&["shm", "recv", &name]);
    let lines: String = (0..2000).map(|number| format!("message {number}\n")).collect();
    with_input(&["shm", "send", &name], lines.as_bytes());
    let output = receiver.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout == lines.as_bytes());
}

#[test]
fn who_follows_outlives_the_sender() {
    let name = queue();
    let mut receiver = start(&["shm", "recv", "--follow", &name, "-n", "3"]);
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    for message in ["one", "two", "three"] {
        shm(&["send", &name, message]);
        assert_eq!(lines.next().unwrap().unwrap(), message);
    }
    assert!(receiver.wait().unwrap().success());
}

#[test]
fn who_follows_outlives_a_sender_that_is_killed() {
    let name = queue();
    let mut receiver = start(&["shm", "recv", "--follow", &name, "-n", "2"]);
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let mut sender = start(&["shm", "send", &name]);
    sender.stdin.as_mut().unwrap().write_all(b"last words\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "last words");
    sender.kill().unwrap();
    sender.wait().unwrap();
    shm(&["send", &name, "of another"]);
    assert_eq!(lines.next().unwrap().unwrap(), "of another");
    let ran = Ran::from(receiver.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn who_follows_sleeps_while_there_is_no_sender() {
    let name = queue();
    shm(&["send", &name, "first"]);
    let mut receiver = start(&["shm", "recv", "--follow", &name]);
    let mut line = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // Times that it had the processor in half a second: some for each 50 ms, not for each millisecond.
    let status = format!("/proc/{}/status", receiver.id());
    let switches = || -> u64 {
        let status = std::fs::read_to_string(&status).unwrap();
        let field = |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
        status.lines().find_map(field).unwrap()
    };
    let before = switches();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(switches() - before < 30, "{}", switches() - before);
    receiver.kill().unwrap();
    receiver.wait().unwrap();
}

#[test]
fn what_was_not_written_because_nobody_reads_goes_to_the_next_receiver() {
    let name = queue();
    let mut receiver = start(&["shm", "recv", &name]);
    drop(receiver.stdout.take());
    shm(&["send", &name, "one", "two"]);
    let ran = Ran::from(receiver.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(run(&["shm", "recv", &name]).text(), "one\ntwo\n");
}

#[test]
fn what_was_received_is_written_even_if_the_receiver_is_killed_then() {
    let name = queue();
    let mut sender = start(&["shm", "send", &name]);
    let mut receiver = start(&["shm", "recv", &name]);
    let lines: String = (0..500).map(|number| format!("{number}\n")).collect();
    let input = sender.stdin.as_mut().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    loop {
        let stat = run(&["shm", "stat", &name, "--output", "json"]).json();
        if number(&stat["channel"], "received") > 0 {
            break;
        }
    }
    receiver.kill().unwrap();
    let mut text = String::new();
    receiver.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    receiver.wait().unwrap();
    drop(sender.stdin.take());
    // It may have seen the death; then it is over.
    sender.wait().unwrap();
    text.push_str(run(&["shm", "recv", &name]).text());
    // The one it was killed with may have been written, and come to the next as well.
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    numbers.dedup();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u32), "{numbers:?}");
}

#[test]
fn what_does_not_come_in_time_is_an_error() {
    let name = queue();
    fails(&["recv", &name, "--timeout", "20ms"], &["receive from", &name, "in time", "--timeout"]);
    shm(&["send", &name, "one"]);
    let ran = run(&["shm", "recv", "--follow", "-t", "20ms", &name]);
    assert_eq!((ran.code, ran.text()), (1, "one\n"));
    assert!(ran.line().contains("in time"), "{}", ran.line());
    // No receiver makes room.
    let lines = "x".repeat(900) + "\n";
    let left = give(&["shm", "send", &name], lines.repeat(20).as_bytes());
    assert_eq!(left.code, 1);
    for part in ["send to", &name, "its receiver has closed it: start another"] {
        assert!(left.line().contains(part), "{}", left.line());
    }
    let name = queue();
    let full = give(&["shm", "send", &name, "--timeout", "20ms"], lines.repeat(20).as_bytes());
    assert_eq!(full.code, 1);
    for part in ["send to", &name, "no room in time", "--timeout"] {
        assert!(full.line().contains(part), "{}", full.line());
    }
}

#[test]
fn a_sender_that_is_killed_is_told_after_its_last_message() {
    let name = queue();
    let mut sender = start(&["shm", "send", &name]);
    sender.stdin.as_mut().unwrap().write_all(b"last words\n").unwrap();
    let mut receiver = start(&["shm", "recv", &name]);
    let mut out = BufReader::new(receiver.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "last words\n");
    sender.kill().unwrap();
    sender.wait().unwrap();
    let ran = Ran::from(receiver.wait_with_output().unwrap());
    assert_eq!(ran.code, 1);
    for part in ["its sender, process", "has died: wait for another (--follow)"] {
        assert!(ran.line().contains(part), "{}", ran.line());
    }
}

#[test]
fn each_who_follows_a_broadcast_gets_each_message() {
    let name = broadcast();
    let tails = [(); 3].map(|()| start(&["shm", "tail", &name]));
    wait_for_receivers(&name, 3);
    with_input(&["shm", "send", &name], b"to\nall\n");
    for tail in tails {
        let ran = Ran::from(tail.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.text(), ran.stderr.as_str()), (0, "to\nall\n", ""));
    }
}

/// Sends a message until there is a line to be read, and reads that.
fn publish_until_read(name: &Name, message: &str, out: &mut BufReader<ChildStdout>) -> String {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    while out.buffer().is_empty() {
        shm(&["send", name, message]);
        let mut ready = [PollFd::new(out.get_ref(), PollFlags::IN)];
        let most = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if poll(&mut ready, Some(&most)).unwrap() > 0 {
            break;
        }
    }
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn who_is_too_slow_is_told_how_many_it_lost() {
    let name = broadcast();
    let mut tail = start(&["shm", "tail", "--follow", &name]);
    let mut out = BufReader::new(tail.stdout.take().unwrap());
    wait_for_receivers(&name, 1);
    // From the first that it got, it loses what it does not get.
    publish_until_read(&name, "first", &mut out);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&tail),
        rustix::process::Signal::STOP,
    )
    .unwrap();
    let lines: String = (0..1000).map(|number| format!("{number:0100}\n")).collect();
    with_input(&["shm", "send", &name], lines.as_bytes());
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&tail),
        rustix::process::Signal::CONT,
    )
    .unwrap();
    // Lost are those up to the next that is published.
    let mut got = 0;
    while publish_until_read(&name, "last", &mut out) != "last\n" {
        got += 1;
    }
    assert!(got < 1000, "{got}");
    tail.kill().unwrap();
    let mut errors = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    tail.wait().unwrap();
    assert!(errors.contains("messages were lost"), "{errors:?}");
}

#[test]
fn a_queue_is_not_followed_and_a_broadcast_not_drained() {
    fails(&["tail", &queue()], &["it is a queue", "folio shm recv"]);
    fails(&["recv", &broadcast()], &["it is a broadcast", "folio shm tail"]);
    let name = Name::new();
    shm(&["create", &name, "--size", "1"]);
    fails(&["send", &name, "x"], &[&name, "it is no channel", "--layout"]);
}

#[test]
fn a_message_that_is_too_long_and_a_place_that_is_taken_are_named() {
    let name = queue();
    fails(&["send", &name, &"x".repeat(1001)], &[&name, "1001 bytes, and 1000", "--longest"]);
    let mut sender = start(&["shm", "send", &name]);
    sender.stdin.as_mut().unwrap().write_all(b"here\n").unwrap();
    // It may not have taken the place yet that another has left.
    assert_eq!(run(&["shm", "recv", "--follow", &name, "-n", "1"]).text(), "here\n");
    let process = format!("process {} is its sender", sender.id());
    fails(&["send", &name, "x"], &[&process, "wait until it leaves", "folio shm create --help"]);
    drop(sender.stdin.take());
    assert!(sender.wait().unwrap().success());
}

#[test]
fn channels_with_layouts_of_their_own_are_opened_by_them() {
    for kind in ["--queue", "--broadcast"] {
        let name = Name::new();
        shm(&["create", &name, kind, "--layout", "0x2a"]);
        fails(&["send", &name, "x"], &["layout of its own", "--layout"]);
        fails(&["send", &name, "x", "--layout", "7"], &["its layout is"]);
        shm(&["send", &name, "x", "--layout", "42"]);
    }
}

#[test]
fn a_channel_that_more_may_reach_is_used_if_that_is_meant() {
    let name = Name::new();
    shm(&["create", &name, "--queue", "--mode", "666"]);
    fails(&["send", &name, "x"], &[&name, "0666", "--anybody"]);
    shm(&["send", "--anybody", &name, "x"]);
    fails(&["recv", &name], &[&name, "0666", "--anybody"]);
    assert_eq!(run(&["shm", "recv", "--anybody", &name]).text(), "x\n");
}
