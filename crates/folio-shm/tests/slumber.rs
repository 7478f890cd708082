//! Who sleeps in a channel that nobody can cut sets no timer, and is woken all the same: by what the other side does, by
//! its end, and whatever somebody writes over the bell.

mod common;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{Random, kill, lines, say, soon, start, started};
use folio::Mapping;
use folio_shm::{Error, ErrorKind, Queue, Waiting};
use rustix::process::{Pid, Signal, kill_process};

const MOST: Duration = Duration::from_secs(20);

/// Where a segment has the bell that senders ring.
const BELL: usize = 4096 + 64;

#[test]
fn child() {
    let Some((_, at)) = common::part() else { return };
    let file = File::options().read(true).write(true).open(at).unwrap();
    let mut sender = Queue::options().fd(file.into()).unwrap().sender().unwrap();
    say("ready");
    loop {
        match common::hear().as_str() {
            "send" => sender.send(b"a message").unwrap(),
            _ => return,
        }
    }
}

fn queue() -> Queue {
    Queue::options().create().longest(100).memfd("folio-test-slumber").unwrap()
}

fn at(queue: &Queue) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), queue.as_fd().as_raw_fd())
}

/// What a receiver gets, which sleeps by now.
fn slumbers(queue: &Queue) -> Receiver<Result<Vec<u8>, Error>> {
    let mut receiver = queue.receiver().unwrap();
    receiver.set_waiting(Waiting::Sleep);
    let (tells, told) = channel();
    std::thread::spawn(move || {
        let got = receiver.recv().and_then(|message| message.to_vec());
        drop(receiver);
        tells.send(got)
    });
    let end = soon();
    while !queue.traffic().receivers_asleep {
        assert!(Instant::now() < end, "it does not go to sleep");
        std::thread::yield_now();
    }
    told
}

/// The segment, for somebody who is not to write to it.
fn enemy(queue: &Queue) -> Mapping {
    let file = File::from(queue.as_fd().try_clone_to_owned().unwrap());
    Mapping::options().shared().write().map(&file).unwrap()
}

#[test]
fn a_message_is_got_though_somebody_writes_over_the_bell() {
    let queue = queue();
    let mut sender = queue.sender().unwrap();
    let told = slumbers(&queue);
    enemy(&queue).write_at(BELL, &[0; 8]).unwrap();
    sender.send(b"a message").unwrap();
    let got = told.recv_timeout(MOST).expect("it sleeps on").unwrap();
    assert_eq!(got, b"a message");
}

#[test]
fn messages_and_a_death_are_told_while_somebody_writes_over_the_bell_again_and_again() {
    let queue = queue();
    let child = started("send", &at(&queue));
    let (enemy, is_over) = (enemy(&queue), AtomicBool::new(false));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(1);
            while !is_over.load(Ordering::Relaxed) {
                // Often that nobody sleeps, and a number that there has been.
                let [number, asleep] = [random.below(3) as u32, random.below(2) as u32];
                enemy.write_at(BELL, &number.to_le_bytes()).unwrap();
                enemy.write_at(BELL + 4, &asleep.to_le_bytes()).unwrap();
                std::thread::yield_now();
            }
        });
        let mut told = Vec::new();
        for _ in 0..3 {
            let message = slumbers(&queue);
            writeln!(child.stdin.as_ref().unwrap(), "send").unwrap();
            told.push(message.recv_timeout(MOST));
        }
        let end = slumbers(&queue);
        kill(child);
        told.push(end.recv_timeout(MOST));
        is_over.store(true, Ordering::Relaxed);
        told
    });
    let told = told.into_iter().map(|told| told.expect("it sleeps on"));
    let told: Vec<_> = told.map(|told| told.map_err(|error| error.kind())).collect();
    let message = || Ok(b"a message".to_vec());
    assert_eq!(told, [message(), message(), message(), Err(ErrorKind::PeerDied)]);
}

#[test]
fn the_death_of_a_sender_that_stands_still_is_told() {
    let queue = queue();
    let child = started("send", &at(&queue));
    let told = slumbers(&queue);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    // Longer than from one round to the next but one.
    let early = told.recv_timeout(Duration::from_millis(2500));
    assert!(early.is_err(), "it was told of something: {early:?}");
    kill(child);
    let end = told.recv_timeout(MOST).expect("it sleeps on").unwrap_err();
    assert_eq!(end.kind(), ErrorKind::PeerDied);
}

#[test]
fn the_end_of_a_sender_is_told_after_its_message() {
    let queue = queue();
    let mut child = start("send", &at(&queue));
    let mut said = lines(&mut child);
    assert_eq!(said.next().as_deref(), Some("ready"));
    for (word, expected) in [("send", Ok(b"a message".to_vec())), ("go", Err(ErrorKind::Closed))] {
        let told = slumbers(&queue);
        writeln!(child.stdin.as_ref().unwrap(), "{word}").unwrap();
        let got = told.recv_timeout(MOST).expect("it sleeps on");
        assert_eq!(got.map_err(|error| error.kind()), expected);
    }
    assert!(child.wait().unwrap().success());
}
