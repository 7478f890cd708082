//! A channel that somebody cuts while others sleep in it.

mod common;

use std::fs::File;
use std::time::Instant;

use common::{Name, lines, say, soon, started};
use folio_shm::{ErrorKind, Queue};

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    let queue = Queue::options().open(&name).unwrap();
    match part.as_str() {
        "idle" => {
            let _sender = queue.sender().unwrap();
            say("ready");
            common::hear();
        }
        "receive" => {
            let mut receiver = queue.receiver().unwrap();
            say("ready");
            let error = receiver.recv().unwrap_err();
            let kinds = [ErrorKind::Truncated, ErrorKind::PeerDied];
            assert!(kinds.contains(&error.kind()), "{error}");
            say("told");
        }
        _ => panic!("{part}"),
    }
}

/// Waits until a receiver sleeps.
fn falls_asleep(queue: &Queue) {
    let end = soon();
    while !queue.traffic().receivers_asleep {
        assert!(Instant::now() < end, "it does not go to sleep");
        std::thread::yield_now();
    }
}

fn cut(name: &Name) {
    let file = File::options().write(true).open(name.path()).unwrap();
    file.set_len(0).unwrap();
}

#[test]
fn a_death_in_a_channel_that_was_cut_does_not_end_who_sleeps_in_it() {
    let name = Name::new();
    let queue = Queue::options().create_new().open(&name.0).unwrap();
    let sender = started("idle", &name.0);
    let mut receiver = common::start("receive", &name.0);
    let mut said = lines(&mut receiver);
    assert_eq!(said.next().as_deref(), Some("ready"));
    falls_asleep(&queue);
    cut(&name);
    common::kill(sender);
    assert_eq!(said.next().as_deref(), Some("told"));
    let status = receiver.wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn who_sleeps_in_a_channel_that_is_cut_is_told_though_nobody_can_wake_it() {
    let name = Name::new();
    let queue = Queue::options().create_new().open(&name.0).unwrap();
    let _sender = queue.sender().unwrap();
    let mut receiver = common::start("receive", &name.0);
    let mut said = lines(&mut receiver);
    assert_eq!(said.next().as_deref(), Some("ready"));
    falls_asleep(&queue);
    cut(&name);
    assert_eq!(said.next().as_deref(), Some("told"));
    assert!(receiver.wait().unwrap().success());
}
