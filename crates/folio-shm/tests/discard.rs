//! Queues whose senders give up the oldest messages for the newest.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{Name, content, number, rounds, soon, started};
use folio_shm::{ChannelOptions, ErrorKind, Queue, Receiver};
use rustix::event::{PollFd, PollFlags, poll};

fn small() -> ChannelOptions<Queue> {
    Queue::options().create_new().longest(100).bytes(1024).drop_oldest()
}

fn next(receiver: &mut Receiver) -> u64 {
    let message = receiver.recv_until(soon()).unwrap().to_vec().unwrap();
    assert_eq!(message, content(number(&message)), "half a message");
    number(&message)
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    let (name, who) = argument.split_once(' ').unwrap();
    let who: u64 = who.parse().unwrap();
    let queue = Queue::options().open(name).unwrap();
    assert!(queue.drops_oldest());
    match part.as_str() {
        "send for ever" => {
            let mut sender = queue.sender().unwrap();
            for number in 0.. {
                sender.send(&content(who << 32 | number)).unwrap();
                if number == 100 {
                    common::say("ready");
                }
            }
        }
        "receive for ever" => {
            let mut receiver = queue.receiver().unwrap();
            // Until it is killed, whatever becomes of senders.
            receiver.set_following(true);
            let mut last = None;
            for received in 0.. {
                let now = receiver.recv().unwrap().to_vec().unwrap();
                assert_eq!(now, content(number(&now)), "half a message");
                assert!(last < Some(number(&now)), "{last:?} {}", number(&now));
                last = Some(number(&now));
                if received == 100 {
                    common::say("ready");
                }
            }
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn the_newest_are_there_and_the_others_are_counted() {
    let queue = small().memfd("newest").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    let mut sent = 0;
    let mut received = 0;
    for burst in [0, 1, 5, 100, 3, 1000, 50, 2] {
        for _ in 0..burst {
            assert!(sender.try_send(&content(sent)).unwrap(), "there is always room");
            sent += 1;
        }
        let mut got = Vec::new();
        while let Some(message) = receiver.try_recv().unwrap() {
            assert_eq!(message.to_vec().unwrap(), content(number(&message.to_vec().unwrap())));
            got.push(number(&message.to_vec().unwrap()));
        }
        received += got.len() as u64;
        assert!(got.iter().copied().eq(sent - got.len() as u64..sent), "{got:?} of {sent}");
        let stat = queue.stat();
        assert_eq!((stat.sent, stat.received), (sent, received));
        assert_eq!(stat.dropped, sent - received);
    }
    assert!(received < sent);
    let mut value = [0u8; 8];
    sender.send_value(&7u64).unwrap();
    let message = receiver.recv().unwrap();
    message.read_at(0, &mut value).unwrap();
    assert_eq!((message.len(), message.value::<u64>().unwrap()), (8, u64::from_le_bytes(value)));
    assert_eq!(message.read_at(1, &mut value).unwrap_err().kind(), ErrorKind::OutOfRange);
    drop(message);
    drop(sender);
    assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_sender_never_waits_though_nobody_receives() {
    let queue = small().memfd("nobody").unwrap();
    let mut sender = queue.sender().unwrap();
    for number in 0..1000 {
        let mut loan = sender.loan(100).unwrap();
        let message = content(number);
        loan.write_at(0, &message).unwrap();
        loan.shorten(message.len());
        loan.send().unwrap();
    }
    let fd = sender.ready_fd(100).unwrap();
    assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap(), 1);
    let mut receiver = queue.receiver().unwrap();
    let dropped = queue.stat().dropped;
    assert!((dropped..1000).all(|number| next(&mut receiver) == number));
    assert!(receiver.try_recv().unwrap().is_none());
}

#[test]
fn each_message_is_received_once_at_most_in_order_and_the_rest_is_counted() {
    const EACH: u64 = 100_000;
    let queue = small().senders(2).receivers(2).memfd("crowd").unwrap();
    let receivers = [(); 2].map(|()| queue.receiver().unwrap());
    let got: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let senders = [1, 2].map(|who: u64| (who, queue.sender().unwrap()));
        let workers = receivers.map(|mut receiver| {
            scope.spawn(move || {
                let mut got = Vec::new();
                loop {
                    match receiver.recv_until(soon()) {
                        Ok(message) => {
                            let bytes = message.to_vec().unwrap();
                            assert_eq!(bytes, content(number(&bytes)), "half a message");
                            got.push(number(&bytes));
                        }
                        Err(error) if error.kind() == ErrorKind::Closed => return got,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        for (who, mut sender) in senders {
            scope.spawn(move || {
                (0..EACH).for_each(|number| sender.send(&content(who << 32 | number)).unwrap());
            });
        }
        workers.map(|worker| worker.join().unwrap()).into()
    });
    let mut all: Vec<u64> = got.concat();
    for one in &got {
        for who in [1, 2] {
            assert!(one.iter().filter(|&number| number >> 32 == who).is_sorted_by(|a, b| a < b));
        }
    }
    let received = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), received, "some came twice");
    let stat = queue.stat();
    assert_eq!((stat.sent, stat.received), (2 * EACH, received as u64));
    assert_eq!(stat.dropped, 2 * EACH - received as u64);
}

#[test]
fn senders_and_receivers_that_are_killed_at_any_moment_hold_nobody_up() {
    let name = Name::new();
    let queue = small().receivers(2).open(&name.0).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let mut last = 0;
    for who in 1..=rounds(10) {
        let argument = format!("{} {who}", name.0);
        let sender = started("send for ever", &argument);
        let other = started("receive for ever", &argument);
        let end = Instant::now() + Duration::from_micros(who * 7919 % 3000);
        let mut killed = false;
        let mut children = vec![sender, other];
        while !killed {
            killed = Instant::now() > end;
            if killed {
                let first = children.swap_remove((who % 2) as usize);
                common::kill(first);
            }
            match receiver.recv_until(soon()) {
                Ok(message) => {
                    let bytes = message.to_vec().unwrap();
                    assert_eq!(bytes, content(number(&bytes)), "half a message");
                    assert!(number(&bytes) > last, "{} after {last}", number(&bytes));
                    last = number(&bytes);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::PeerDied),
            }
        }
        children.into_iter().for_each(common::kill);
        // What is left of it.
        while let Some(message) = receiver.try_recv().unwrap() {
            let bytes = message.to_vec().unwrap();
            assert_eq!(bytes, content(number(&bytes)), "half a message");
            assert!(number(&bytes) > last, "{} after {last}", number(&bytes));
            last = number(&bytes);
        }
    }
    let stat = queue.stat();
    // Who is killed between doing a thing and counting it has done one more.
    let (counted, most) = (stat.received + stat.dropped, rounds(10) * 20);
    assert!(stat.sent.abs_diff(counted) <= most, "{stat:?}");
}

#[test]
fn a_peer_that_scribbles_over_everything_neither_crashes_nor_stops_the_other() {
    let name = Name::new();
    let queue = small().receivers(2).open(&name.0).unwrap();
    let stop = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(1);
    let step = || Instant::now() + Duration::from_millis(2);
    std::thread::scope(|scope| {
        scope.spawn(|| common::scribble(&name, &stop));
        let sender = scope.spawn(|| {
            while Instant::now() < end {
                let _ = queue.sender().and_then(|mut sender| {
                    (0..50).try_for_each(|number| sender.send_until(&content(number), step()))
                });
            }
        });
        while Instant::now() < end {
            let _ = queue.receiver().and_then(|mut receiver| {
                (0..50).try_for_each(|_| {
                    let bytes = receiver.recv_until(step())?.to_vec()?;
                    assert!(bytes.len() <= 100);
                    Ok(())
                })
            });
        }
        sender.join().unwrap();
        stop.store(true, Relaxed);
    });
}
