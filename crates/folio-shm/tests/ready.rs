//! Descriptors that are polled, and the threads behind them.

mod common;

use std::time::Instant;

use common::{Name, gets_ready, soon};
use folio_shm::{Broadcast, ChannelOptions, Queue};

fn small() -> ChannelOptions<Queue> {
    Queue::options().create_new().longest(100).bytes(1024)
}

#[test]
fn who_waits_through_an_end_is_not_woken_by_it_again_and_again() {
    let queue = small().memfd("followed").unwrap();
    let mut receiver = queue.receiver().unwrap();
    drop(queue.sender().unwrap());
    assert!(gets_ready(receiver.ready_fd().unwrap(), 20_000), "there is no sender any more");
    receiver.set_following(true);
    // What was told before is told once more, perhaps.
    let rests = (0..100).any(|_| !gets_ready(receiver.ready_fd().unwrap(), 20));
    assert!(rests, "nothing has come");
    assert!(receiver.try_recv().unwrap().is_none());
    queue.sender().unwrap().send(b"a message").unwrap();
    assert!(gets_ready(receiver.ready_fd().unwrap(), 20_000));
    assert_eq!(receiver.try_recv().unwrap().unwrap().to_vec().unwrap(), b"a message");

    let broadcast = Broadcast::options().create_new().memfd("followed").unwrap();
    let mut subscriber = broadcast.subscriber().unwrap();
    subscriber.set_following(true);
    drop(broadcast.publisher().unwrap());
    let rests = (0..100).any(|_| !gets_ready(subscriber.ready_fd().unwrap(), 20));
    assert!(rests, "nothing has come");
    broadcast.publisher().unwrap().send(b"a message").unwrap();
    assert!(gets_ready(subscriber.ready_fd().unwrap(), 20_000));
}

#[test]
fn what_was_polled_is_in_use_no_longer_than_its_ends() {
    let open = |name: &Name| {
        small().segment(|segment| segment.unlink_on_last_close()).open(&name.0).unwrap()
    };
    for step in 0..20 {
        let name = Name::new();
        let queue = open(&name);
        let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
        sender.ready_fd(1).unwrap();
        receiver.ready_fd().unwrap();
        if step % 2 == 0 {
            sender.send(b"a message").unwrap();
            assert!(gets_ready(receiver.ready_fd().unwrap(), 20_000));
        }
        drop((queue, sender, receiver));
        assert!(!name.path().exists(), "a thread has it still");
    }
}

/// The signals that each thread of this name blocks, as bits.
fn blocked_by(name: &str) -> Vec<u64> {
    let blocked = |status: String| {
        let field = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.map(|value| value.trim().to_owned())
        };
        let is_meant = field("Name:").as_deref() == Some(name);
        is_meant.then(|| u64::from_str_radix(&field("SigBlk:").unwrap(), 16).unwrap())
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let statuses = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("status")));
    statuses.filter_map(blocked).collect()
}

#[test]
fn threads_behind_a_channel_leave_signals_to_the_program_and_no_fault_ends_it() {
    let queue = small().memfd("polled").unwrap();
    let (_sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    receiver.ready_fd().unwrap();
    for name in ["folio-shm-ready", "folio-shm-watch"] {
        let is_right = |blocked: &u64| {
            let has = |signal: libc::c_int| blocked & 1 << (signal - 1) != 0;
            [libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD].into_iter().all(has)
                && ![libc::SIGBUS, libc::SIGSEGV].into_iter().any(has)
        };
        let end = soon();
        // Those of other tests, which begin and end meanwhile, block all or nothing for a moment.
        loop {
            let blocked = blocked_by(name);
            if !blocked.is_empty() && blocked.iter().all(is_right) {
                break;
            }
            assert!(Instant::now() < end, "{name}: {blocked:x?}");
        }
    }
}
