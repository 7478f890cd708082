//! A queue between processes that die, close, scribble and cut.
#![allow(unsafe_code)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{Name, content, layout, number, rounds, soon, started};
use folio_shm::{ChannelOptions, ErrorKind, Queue, Segment, Waiting};

type QueueOptions = ChannelOptions<Queue>;

fn small() -> QueueOptions {
    Queue::options().create_new().longest(100).bytes(1024)
}

fn open(name: &Name) -> Queue {
    Queue::options().open(&name.0).unwrap()
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    let (name, who) = argument.split_once(' ').unwrap_or((&argument, "0"));
    let queue = Queue::options().open(name).unwrap();
    let who: u64 = who.parse().unwrap();
    match part.as_str() {
        "send" => {
            let mut sender = queue.sender().unwrap();
            for number in 1..=2000 {
                sender.send(&content(number)).unwrap();
            }
        }
        "send for ever" => {
            let mut sender = queue.sender().unwrap();
            if who.is_multiple_of(3) {
                sender.set_waiting(Waiting::Sleep);
            }
            for number in 0.. {
                let message = content(who << 32 | number);
                let mut loan = sender.loan(message.len() + 5).unwrap();
                loan.write_at(0, &message).unwrap();
                loan.shorten(message.len());
                loan.send().unwrap();
            }
        }
        "receive for ever" => {
            let mut receiver = queue.receiver().unwrap();
            if who.is_multiple_of(3) {
                receiver.set_waiting(Waiting::Sleep);
            }
            loop {
                let message = receiver.recv().unwrap();
                let bytes = message.to_vec().unwrap();
                assert_eq!(bytes, content(number(&bytes)));
                common::say(&number(&bytes).to_string());
            }
        }
        "loan" => {
            let mut sender = queue.sender().unwrap();
            sender.send(&content(1)).unwrap();
            let loan = sender.loan(50).unwrap();
            loan.write_at(0, &[0xff; 50]).unwrap();
            common::say("ready");
            common::hear();
        }
        "hold" => {
            let mut receiver = queue.receiver().unwrap();
            let _message = receiver.recv().unwrap();
            common::say("ready");
            common::hear();
        }
        "wait" => {
            let mut receiver = queue.receiver().unwrap();
            common::say("ready");
            let _ = receiver.recv();
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn messages_of_all_lengths_arrive_in_order_with_their_boundaries() {
    let queue = small().memfd("queue").unwrap();
    assert_eq!((queue.longest(), queue.bytes()), (100, 1024));
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    assert!(receiver.try_recv().unwrap().is_none());
    for round in 0..1000usize {
        let message: Vec<u8> = (0..round % 101).map(|at| (round + at) as u8).collect();
        sender.send(&message).unwrap();
        sender.send(&[]).unwrap();
        let received = receiver.recv().unwrap();
        assert_eq!(received.len(), message.len());
        assert_eq!(received.to_vec().unwrap(), message);
        drop(received);
        let empty = receiver.try_recv().unwrap().unwrap();
        assert!(empty.is_empty() && empty.to_vec().unwrap().is_empty());
    }
    let stat = queue.stat();
    assert_eq!((stat.sent, stat.received), (2000, 2000));
    assert_eq!(
        (stat.senders, stat.receivers),
        (vec![std::process::id()], vec![std::process::id()])
    );
    let error = sender.send(&[0; 101]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange, "{error}");
}

#[test]
fn every_way_to_wait_brings_every_message_from_another_process() {
    for waiting in [Waiting::Adaptive, Waiting::Sleep, Waiting::Busy] {
        let name = Name::new();
        let queue = small().open(&name.0).unwrap();
        let mut receiver = queue.receiver().unwrap();
        receiver.set_waiting(waiting);
        let mut child = common::start("send", &name.0);
        for number in 1..=2000 {
            let message = receiver.recv_until(soon()).unwrap();
            assert_eq!(message.to_vec().unwrap(), content(number));
        }
        assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_loan_is_written_in_place_and_is_nothing_until_it_is_sent() {
    let queue = small().memfd("queue").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    let _ = sender.loan(80).unwrap();
    let mut loan = sender.try_loan(80).unwrap().unwrap();
    assert_eq!(loan.len(), 80);
    loan.write_at(0, b"written, and ").unwrap();
    // SAFETY: nobody else has the memory.
    let bytes = unsafe { loan.as_mut_slice() };
    bytes[13..18].copy_from_slice(b"again");
    assert_eq!(loan.write_at(80, b"x").unwrap_err().kind(), ErrorKind::OutOfRange);
    assert!(receiver.try_recv().unwrap().is_none());
    loan.shorten(18);
    loan.send().unwrap();
    let message = receiver.recv().unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { message.as_slice() }, b"written, and again");
    assert_eq!(message.read_at(17, &mut [0; 2]).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_value_is_a_message_of_its_size() {
    let queue = small().memfd("queue").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    sender.send_value(&[1.5f64, 2.5]).unwrap();
    let message = receiver.recv().unwrap();
    assert_eq!(message.value::<[f64; 2]>().unwrap(), [1.5, 2.5]);
    assert_eq!(message.value::<f64>().unwrap_err().kind(), ErrorKind::Size);
    assert_eq!(sender.send_value(&[0u64; 13]).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_full_queue_is_said_waited_for_or_given_up() {
    let queue = small().memfd("queue").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    let mut sent = 0;
    while sender.try_send(&content(sent)).unwrap() {
        sent += 1;
    }
    assert!(sent >= 9 && sender.try_loan(100).unwrap().is_none());
    let error = sender.send_until(&[0; 100], Instant::now() + Duration::from_millis(10));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..sent + 200 {
                let message = receiver.recv_until(soon()).unwrap();
                assert_eq!(message.to_vec().unwrap(), content(number));
            }
        });
        for number in sent..sent + 200 {
            sender.send_until(&content(number), soon()).unwrap();
        }
    });
    while sender.try_send(&[0; 100]).unwrap() {}
    drop(receiver);
    assert_eq!(sender.send(&[0; 100]).unwrap_err().kind(), ErrorKind::Closed);
    // Another may come.
    let mut receiver = queue.receiver().unwrap();
    drop(receiver.recv().unwrap());
    sender.send(&[0; 90]).unwrap();
}

#[test]
fn who_waits_learns_of_a_death_after_the_last_message_and_the_loan_is_free() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let child = started("loan", &name.0);
    let error = queue.sender().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains(&format!("process {} is its sender", child.id())));
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(1));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let error = receiver.recv().unwrap_err();
            (error, receiver, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(20));
        let killed = Instant::now();
        common::kill(child);
        let (error, mut receiver, noticed) = waiter.join().unwrap();
        eprintln!("noticed after {:?}", noticed - killed);
        assert_eq!(error.kind(), ErrorKind::PeerDied, "{error}");
        assert!(noticed < killed + Duration::from_secs(5));
        // The next sender goes on.
        let mut sender = queue.sender().unwrap();
        sender.send(&content(2)).unwrap();
        assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(2));
        drop(sender);
        assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn a_message_that_a_receiver_died_with_comes_to_the_next() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut sender = queue.sender().unwrap();
    sender.send(&content(1)).unwrap();
    let child = started("hold", &name.0);
    while sender.try_send(&content(2)).unwrap() {}
    common::kill(child);
    let error = loop {
        match sender.send(&content(2)) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::PeerDied, "{error}");
    let mut receiver = queue.receiver().unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(1));
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(2));
}

#[test]
fn senders_that_are_killed_at_any_moment_lose_and_double_nothing_they_sent() {
    let name = Name::new();
    let queue = Queue::options().create_new().longest(200).bytes(4096).open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let mut received = 0;
    for who in 1..=rounds(20) {
        let child = common::start("send for ever", &format!("{} {who}", name.0));
        let end = Instant::now() + Duration::from_micros(2000 + who * 7919 % 5000);
        let mut next = 0;
        let mut child = Some(child);
        loop {
            match receiver.recv_until(soon()) {
                Ok(message) => {
                    let bytes = message.to_vec().unwrap();
                    assert_eq!(number(&bytes), who << 32 | next, "after {next} of {who}");
                    assert_eq!(bytes, content(who << 32 | next));
                    next += 1;
                }
                Err(error) if error.kind() == ErrorKind::PeerDied && child.is_none() => break,
                // The one before.
                Err(error) if error.kind() == ErrorKind::PeerDied && next == 0 => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
            if next > 0
                && Instant::now() > end
                && let Some(child) = child.take()
            {
                common::kill(child);
            }
        }
        received += next;
    }
    let sent = queue.stat().sent;
    // Who is killed between sending and counting has sent one more.
    assert!(sent <= received && received - sent <= rounds(20), "{sent}, {received}");
}

#[test]
fn receivers_that_are_killed_at_any_moment_lose_nothing() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut sender = queue.sender().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Relaxed) {
                match sender.send_until(&content(number), Instant::now() + Duration::from_millis(5))
                {
                    Ok(()) => number += 1,
                    Err(error) if error.kind() == ErrorKind::TimedOut => {}
                    Err(error) if error.kind() == ErrorKind::PeerDied => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let mut next: u64 = 0;
        for who in 0..rounds(20) {
            let mut child = common::start("receive for ever", &format!("{} {who}", name.0));
            let mut lines = common::lines(&mut child);
            let first: u64 = lines.next().unwrap().parse().unwrap();
            // The one before may have died between saying so and dropping it, or before saying so.
            assert!(first <= next + 1 && first + 1 >= next, "{first} after {next}");
            next = first + 1;
            for _ in 0..who % 50 {
                let now: u64 = lines.next().unwrap().parse().unwrap();
                assert_eq!(now, next);
                next += 1;
            }
            child.kill().unwrap();
            for line in lines {
                // The last may be cut off.
                match line.parse::<u64>() {
                    Ok(now) if now == next => next += 1,
                    _ => break,
                }
            }
            child.wait().unwrap();
        }
        stop.store(true, Relaxed);
    });
}

#[test]
fn a_peer_that_scribbles_over_everything_neither_crashes_nor_stops_the_other() {
    scribble(small());
    scribble(small().senders(2).receivers(2));
}

fn scribble(options: QueueOptions) {
    let name = Name::new();
    let queue = options.open(&name.0).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| common::scribble(&name, &stop));
        let queue = &queue;
        let work = move |send: bool| {
            let mut kinds = std::collections::HashSet::new();
            let end = Instant::now() + Duration::from_millis(1000);
            let step = || Instant::now() + Duration::from_millis(2);
            while Instant::now() < end {
                let result = if send {
                    queue.sender().and_then(|mut sender| {
                        (0..50).try_for_each(|number| sender.send_until(&content(number), step()))
                    })
                } else {
                    queue.receiver().and_then(|mut receiver| {
                        (0..50).try_for_each(|_| {
                            receiver
                                .recv_until(step())?
                                .to_vec()
                                .map(|bytes| assert!(bytes.len() <= 100))
                        })
                    })
                };
                kinds.extend(result.err().map(|error| error.kind()));
            }
            kinds
        };
        let receiver = scope.spawn(move || work(false));
        let sent = work(true);
        let received = receiver.join().unwrap();
        assert!(sent.contains(&ErrorKind::Scribbled) && received.contains(&ErrorKind::Scribbled));
        stop.store(true, Relaxed);
    });
}

#[test]
fn a_queue_that_is_cut_is_an_error_and_no_wait() {
    let name = Name::new();
    let queue = Queue::options().create_new().open(&name.0).unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    sender.send(&[7; 5000]).unwrap();
    let file = std::fs::File::options().write(true).open(name.path()).unwrap();
    file.set_len(12_288).unwrap();
    let message = receiver.recv().unwrap();
    assert_eq!(message.to_vec().unwrap_err().kind(), ErrorKind::Truncated);
    drop(message);
    assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(sender.send(&[7; 5000]).unwrap_err().kind(), ErrorKind::Truncated);
}

#[test]
fn a_forked_child_has_no_place_of_its_parents() {
    let queue = small().memfd("queue").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    sender.send(b"parent").unwrap();
    // SAFETY: the child tries to use copies of both ends, drops them, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the child does not use the originals.
        let (mut sender, mut receiver) =
            unsafe { (std::ptr::read(&raw const sender), std::ptr::read(&raw const receiver)) };
        let refused = sender.send(b"child").is_err_and(|error| error.kind() == ErrorKind::Invalid)
            && receiver.recv().is_err_and(|error| error.kind() == ErrorKind::Invalid)
            && queue.sender().is_err_and(|error| error.kind() == ErrorKind::Busy);
        drop((sender, receiver));
        // SAFETY: ends the child.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), b"parent");
    sender.send(b"again").unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), b"again");
}

#[test]
fn a_forked_child_that_drops_its_copy_does_not_blind_its_parent() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let sender = started("loan", &name.0);
    drop(receiver.recv().unwrap());
    // It has slept, and so watches the sender.
    let end = Instant::now() + Duration::from_millis(5);
    assert_eq!(receiver.recv_until(end).unwrap_err().kind(), ErrorKind::TimedOut);
    // SAFETY: the child drops a copy of the receiver, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the child does not use the original.
        drop(unsafe { std::ptr::read(&raw const receiver) });
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    common::kill(sender);
    let error = receiver.recv_until(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerDied, "{error}");
}

#[test]
fn a_child_with_a_queue_of_its_own_opening_is_a_peer() {
    let queue = small().memfd("queue").unwrap();
    let mut receiver = queue.receiver().unwrap();
    // SAFETY: the child sends, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let sent = queue
            .sender()
            .and_then(|mut sender| (0..500).try_for_each(|number| sender.send(&content(number))));
        // SAFETY: ends the child.
        unsafe { libc::_exit(if sent.is_ok() { 0 } else { 1 }) };
    }
    for number in 0..500 {
        assert_eq!(receiver.recv_until(soon()).unwrap().to_vec().unwrap(), content(number));
    }
    let mut status = -1;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_receiver_waits_for_a_sender_that_is_yet_to_come() {
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut child = started("wait", &name.0);
    open(&name).sender().unwrap().send(b"at last").unwrap();
    child.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while queue.stat().received == 0 {
        assert!(Instant::now() < end);
    }
}

#[test]
fn what_is_no_queue_or_another_is_not_opened() {
    let name = Name::new();
    drop(Segment::options().create_new().size(4096).open(&name.0).unwrap());
    let kind = |options: QueueOptions| options.open(&name.0).unwrap_err().kind();
    assert_eq!(kind(Queue::options()), ErrorKind::Layout);
    Segment::unlink(&name.0).unwrap();
    assert_eq!(kind(Queue::options()), ErrorKind::NotFound);
    assert_eq!(kind(small().longest(1 << 32)), ErrorKind::Invalid);
    assert_eq!(kind(small().bytes(1 << 41)), ErrorKind::Invalid);
    assert_eq!(kind(small().bytes(usize::MAX)), ErrorKind::Invalid);
    assert_eq!(kind(small().senders(0)), ErrorKind::Invalid);
    assert_eq!(kind(small().receivers(1025)), ErrorKind::Invalid);

    let _ring = small().layout(5).open(&name.0).unwrap();
    assert_eq!(kind(Queue::options()), ErrorKind::Layout);
    // One that is there is taken as it is.
    let other = Queue::options().create().layout(5).longest(9).open(&name.0).unwrap();
    assert_eq!(other.longest(), 100);

    let enemy = Segment::options().layout(layout(&name)).open(&name.0).unwrap();
    for (at, value) in [
        (0, 1u64 << 32),
        (0, 1000),
        (8, 0),
        (8, 1000),
        (8, 2048),
        (8, u64::MAX),
        (16, 0),
        (16, 2),
        (24, u64::MAX),
    ] {
        let before: u64 = enemy.get(at).unwrap();
        enemy.put(at, &value).unwrap();
        assert_eq!(kind(Queue::options().layout(5)), ErrorKind::Scribbled, "{value} at {at}");
        enemy.put(at, &before).unwrap();
    }
    Queue::options().layout(5).open(&name.0).unwrap();
}

#[test]
fn a_queue_in_a_segment_that_grows_is_refused() {
    let growing = small().segment(|options| options.growable(1 << 20));
    assert_eq!(growing.memfd("growing").unwrap_err().kind(), ErrorKind::Invalid);

    // By an enemy, who has the length change between two looks.
    let name = Name::new();
    let honest = small().open(&name.0).unwrap();
    let layout = layout(&name);
    let mut bytes = vec![0; 64];
    let segment = Segment::options().layout(layout).open(&name.0).unwrap();
    segment.read_at(0, &mut bytes).unwrap();
    let options = Segment::options().create_new().layout(layout);
    let options = options.size(segment.len()).growable(1 << 20);
    let grows = options.init(move |segment| segment.write_at(0, &bytes)).memfd("enemy").unwrap();
    let fd = std::os::fd::AsFd::as_fd(&grows).try_clone_to_owned().unwrap();
    let error = Queue::options().fd(fd).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Scribbled, "{error}");
    drop(honest);
}

#[test]
fn a_receiver_is_polled_along_with_other_things() {
    use rustix::event::{PollFd, PollFlags, poll};
    let name = Name::new();
    let queue = small().open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let is_ready = |receiver: &mut folio_shm::Receiver, seconds: i64| {
        let fd = receiver.ready_fd().unwrap();
        let timeout = rustix::event::Timespec { tv_sec: seconds, tv_nsec: 10_000_000 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
    };
    assert!(!is_ready(&mut receiver, 0));
    let mut child = common::start("send", &name.0);
    let (end, mut next) = (soon(), 1);
    while next <= 2000 {
        while let Some(message) = receiver.try_recv().unwrap() {
            assert_eq!(message.to_vec().unwrap(), content(next));
            next += 1;
        }
        is_ready(&mut receiver, 20);
        assert!(Instant::now() < end);
    }
    child.wait().unwrap();
    // That the sender has left is something to be told, too.
    assert!(is_ready(&mut receiver, 20));
    let error = receiver.recv_until(Instant::now()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let child = started("loan", &name.0);
    drop(receiver.recv().unwrap());
    assert!(!is_ready(&mut receiver, 0));
    common::kill(child);
    assert!(is_ready(&mut receiver, 20));
    let error = receiver.recv_until(Instant::now()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerDied);
}
