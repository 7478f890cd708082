//! What a forked child may do with its parent's segments, locks and channels, and what it may not.
//! The same for a queue's two ends is in queue.rs, for a segment's name in fd.rs.
#![allow(unsafe_code)]

mod common;
#[path = "common/forked.rs"]
mod forked;

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Name, content, gets_ready, soon, started};
use folio_shm::{
    Broadcast, Error, ErrorKind, Journal, LockError, Mutex, Queue, Segment, Start, Waiting,
};
use forked::{copy, fork, forked};

fn small() -> folio_shm::ChannelOptions<Queue> {
    Queue::options().create_new().longest(100).bytes(1024)
}

fn is<T>(result: Result<T, Error>, kind: ErrorKind) -> bool {
    result.is_err_and(|error| error.kind() == kind)
}

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    assert_eq!(part, "loan");
    let queue = Queue::options().open(&name).unwrap();
    let mut sender = queue.sender().unwrap();
    sender.send(&content(1)).unwrap();
    let _loan = sender.loan(50).unwrap();
    common::say("ready");
    common::hear();
}

#[test]
fn a_loan_and_a_message_stay_the_parents() {
    let queue = small().memfd("queue").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    sender.send(&content(1)).unwrap();
    let message = receiver.recv().unwrap();
    let mut loan = sender.loan(100).unwrap();
    loan.write_at(0, &content(2)).unwrap();
    assert!(forked(|| {
        // SAFETY: this is the child, which ends.
        let (mut loan, message) = unsafe { (copy(&loan), copy(&message)) };
        loan.shorten(1);
        assert_eq!(loan.send().unwrap_err().kind(), ErrorKind::Invalid);
        drop(message);
        true
    }));
    assert_eq!((queue.stat().sent, queue.stat().received), (1, 0));
    assert_eq!(message.to_vec().unwrap(), content(1));
    drop(message);
    assert!(receiver.try_recv().unwrap().is_none());
    loan.shorten(content(2).len());
    loan.send().unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(2));
}

#[test]
fn a_publisher_and_a_subscriber_stay_the_parents() {
    for options in [Broadcast::options(), Broadcast::options().hold_back()] {
        let options = options.create().longest(100).bytes(1024).subscribers(2);
        let broadcast = options.memfd("broadcast").unwrap();
        let mut publisher = broadcast.publisher().unwrap();
        let mut subscriber = broadcast.subscriber().unwrap();
        publisher.send(b"parent's").unwrap();
        assert!(forked(|| {
            // SAFETY: this is the child, which ends.
            let (mut publisher, mut subscriber) = unsafe { (copy(&publisher), copy(&subscriber)) };
            let mut message = Vec::new();
            let refused = is(publisher.send(b"child's"), ErrorKind::Invalid)
                && is(publisher.try_send(b"child's"), ErrorKind::Invalid)
                && is(subscriber.recv(&mut message), ErrorKind::Invalid)
                && is(broadcast.publisher(), ErrorKind::Busy);
            drop((publisher, subscriber));
            // In a place of its own it hears what comes from now on.
            let mut own = broadcast.subscriber().unwrap();
            refused && is(own.recv_until(&mut message, Instant::now()), ErrorKind::TimedOut)
        }));
        publisher.send(b"again").unwrap();
        let mut message = Vec::new();
        for expected in [&b"parent's"[..], b"again"] {
            subscriber.recv_until(&mut message, soon()).unwrap();
            assert_eq!(message, expected);
        }
    }
}

#[test]
fn a_descriptor_to_poll_and_its_thread_stay_the_parents() {
    let queue = small().memfd("polled").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    receiver.ready_fd().unwrap();
    assert!(forked(|| {
        // SAFETY: this is the child, which ends.
        let mut receiver = unsafe { copy(&receiver) };
        let refused = is(receiver.ready_fd().map(drop), ErrorKind::Invalid);
        drop(receiver);
        refused
    }));
    receiver.ready_fd().unwrap();
    sender.send(b"a message").unwrap();
    assert!(gets_ready(receiver.ready_fd().unwrap(), 20_000));
}

#[test]
fn a_child_that_looks_on_reads_and_polls_for_itself() {
    let options = Broadcast::options().create().longest(100).bytes(1024);
    let options = options.segment(|segment| segment.seals(folio_shm::Seals::FUTURE_WRITE));
    let broadcast = options.memfd("looked at").unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let fd = broadcast.as_fd().try_clone_to_owned().unwrap();
    let onlooker = Broadcast::options().segment(|segment| segment.read_only()).fd(fd).unwrap();
    let mut subscriber = onlooker.subscriber().unwrap();
    subscriber.ready_fd().unwrap();
    publisher.send(b"a message").unwrap();
    let ready = subscriber.ready_fd().unwrap().try_clone_to_owned().unwrap();
    assert!(gets_ready(ready.as_fd(), 20_000));
    let is_next = |subscriber: &mut folio_shm::Subscriber, expected: &[u8]| {
        let mut message = Vec::new();
        subscriber.try_recv(&mut message).unwrap() == Some(0) && message == expected
    };
    drop(publisher);
    assert!(forked(|| {
        // SAFETY: this is the child, which ends.
        let mut subscriber = unsafe { copy(&subscriber) };
        let mut publisher = broadcast.publisher().unwrap();
        let is_first = is_next(&mut subscriber, b"a message");
        let is_idle = !gets_ready(subscriber.ready_fd().unwrap(), 20);
        publisher.send(b"another").unwrap();
        let is_ready = gets_ready(subscriber.ready_fd().unwrap(), 20_000);
        let is_second = is_next(&mut subscriber, b"another");
        std::thread::scope(|scope| {
            let fd = subscriber.ready_fd().unwrap();
            let poll = scope.spawn(move || gets_ready(fd, 20_000));
            publisher.send(b"a third").unwrap();
            is_first && is_idle && is_ready && is_second && poll.join().unwrap()
        })
    }));
    // Nobody has taken from the parent what it was told.
    assert!(gets_ready(ready.as_fd(), 0));
    for expected in [&b"a message"[..], b"another", b"a third"] {
        assert!(is_next(&mut subscriber, expected));
    }
}

#[test]
fn a_child_watches_for_itself() {
    let name = Name::new();
    let queue = small().receivers(2).open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let sender = started("loan", &name.0);
    drop(receiver.recv().unwrap());
    // The parent has slept: it has a thread that watches the sender, and the child has none.
    receiver.set_waiting(Waiting::Sleep);
    assert!(is(
        receiver.recv_until(Instant::now() + Duration::from_millis(5)).map(drop),
        ErrorKind::TimedOut
    ));
    let child = fork(|| {
        let mut own = queue.receiver().unwrap();
        own.set_waiting(Waiting::Sleep);
        is(own.recv_until(soon()).map(drop), ErrorKind::PeerDied)
    });
    common::kill(sender);
    assert!(child.ends_well());
    assert!(is(receiver.recv_until(soon()).map(drop), ErrorKind::PeerDied));
}

#[test]
fn a_child_locks_for_itself_and_its_death_with_a_lock_is_told() {
    let segment = Segment::options().create().size(4096).memfd("locks").unwrap();
    let mutex = Mutex::at(&segment, 0).unwrap();
    let guard = mutex.lock().unwrap();
    let child = fork(|| {
        // The parent's guard is none here.
        // SAFETY: this is the child, which ends.
        drop(unsafe { copy(&guard) });
        let own = mutex.lock_until(soon()).unwrap();
        segment.write_at(64, b"child").unwrap();
        // It ends with it.
        std::mem::forget(own);
        true
    });
    drop(guard);
    assert!(child.ends_well());
    let Err(LockError::OwnerDied(guard)) = mutex.lock_until(soon()) else { panic!("not told") };
    let mut bytes = [0; 5];
    segment.read_at(64, &mut bytes).unwrap();
    assert_eq!(&bytes, b"child");
    guard.mark_consistent();
}

#[test]
fn an_appender_stays_the_parents_and_its_lock_goes_with_the_last_of_both() {
    let name = Name::new();
    let options = Journal::options().file_bytes(4096);
    let mut appender = options.append(name.path()).unwrap();
    appender.append(b"first").unwrap();
    let mut reader = options.read(name.path(), Start::Oldest).unwrap();
    let (go_on, wait) = std::io::pipe().map(|(wait, go_on)| (go_on, wait)).unwrap();
    let child = {
        let in_child = (&mut appender, &mut reader, wait, &go_on);
        fork(move || {
            let (appender, reader, mut wait, go_on) = in_child;
            // SAFETY: this is the child, which ends.
            drop(unsafe { copy(go_on) });
            let mut message = Vec::new();
            let refused = is(appender.append(b"child's"), ErrorKind::Invalid);
            // A reader is a position, of which the child has a copy.
            let read = reader.try_next(&mut message).unwrap().is_some() && message == b"first";
            let _ = std::io::Read::read(&mut wait, &mut [0]);
            refused && read
        })
    };
    let mut message = Vec::new();
    assert!(reader.try_next(&mut message).unwrap().is_some());
    appender.append(b"second").unwrap();
    drop(appender);
    assert!(is(options.append(name.path()).map(drop), ErrorKind::Busy), "the child has it open");
    drop(go_on);
    assert!(child.ends_well());
    assert_eq!(options.append(name.path()).unwrap().next_sequence(), 2);
    std::fs::remove_dir_all(name.path()).unwrap();
}

#[test]
fn what_is_cut_is_an_error_in_a_child_too() {
    let name = Name::new();
    let segment = Segment::options().create_new().size(1 << 20).open(&name.0).unwrap();
    let mutex = Mutex::at(&segment, 1 << 19).unwrap();
    let file = File::options().write(true).open(name.path()).unwrap();
    assert!(forked(|| {
        file.set_len(8192).unwrap();
        // Zeros stand in for it, which nobody else sees.
        let _guard = mutex.lock();
        is(segment.read_at(1 << 19, &mut [0]), ErrorKind::Truncated)
            && is(mutex.lock_until(soon()).map(drop).map_err(Error::from), ErrorKind::Truncated)
    }));
    assert!(is(segment.read_at(1 << 19, &mut [0]), ErrorKind::Truncated));
}

#[test]
fn a_program_that_is_executed_inherits_no_descriptor() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let directory = Name::new();
    let _appender = Journal::options().file_bytes(4096).append(directory.path()).unwrap();
    let _segment = Segment::options().create().size(100).memfd("executed").unwrap();
    // With what is there to watch, and to be polled.
    let sender = started("loan", &name.0);
    drop(receiver.recv().unwrap());
    drop(receiver.recv_until(Instant::now() + Duration::from_millis(5)));
    receiver.ready_fd().unwrap();
    let ls = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let theirs = String::from_utf8(ls.stdout).unwrap();
    assert!(theirs.contains(" -> "), "{theirs}");
    let ours = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    // What was made without a name is shown by a number.
    let ours = ours.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let ours: Vec<_> = ours.map(|target| target.display().to_string()).collect();
    for kind in ["/dev/shm/#", &directory.0, "memfd:executed", "eventpoll", "eventfd", "pidfd"] {
        let found: Vec<_> = ours.iter().filter(|target| target.contains(kind)).collect();
        assert!(!found.is_empty(), "{kind}: {ours:?}");
        assert!(found.iter().all(|target| !theirs.contains(&***target)), "{kind}: {theirs}");
    }
    common::kill(sender);
    std::fs::remove_dir_all(directory.path()).unwrap();
}
