//! A broadcast between processes that are slow, die, and scribble.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{Name, content, number, rounds, soon, started};
use folio_shm::{Broadcast, ChannelOptions, ErrorKind, Kind, Subscriber, Waiting};

fn small() -> ChannelOptions<Broadcast> {
    Broadcast::options().create_new().longest(100).bytes(1024).subscribers(4)
}

/// The next message, which must be whole, and how many were lost before it.
fn next(subscriber: &mut Subscriber) -> (u64, u64) {
    let mut message = Vec::new();
    let lost = subscriber.recv_until(&mut message, soon()).unwrap();
    assert_eq!(message, content(number(&message)));
    (number(&message), lost)
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    let (name, who) = argument.split_once(' ').unwrap_or((&argument, "0"));
    let broadcast = Broadcast::options().open(name).unwrap();
    let who: u64 = who.parse().unwrap();
    match part.as_str() {
        "publish for ever" => {
            let mut publisher = broadcast.publisher().unwrap();
            for number in 0.. {
                publisher.send(&content(who << 32 | number)).unwrap();
            }
        }
        "subscribe for ever" => {
            let mut subscriber = broadcast.subscriber().unwrap();
            common::say("ready");
            let (mut message, mut last) = (Vec::new(), 0);
            loop {
                // That a publisher has died is said until the next comes.
                if subscriber.recv_until(&mut message, soon()).is_ok() {
                    assert_eq!(message, content(number(&message)));
                    assert!(number(&message) > last, "{} after {last}", number(&message));
                    last = number(&message);
                }
            }
        }
        "subscribe" => {
            let _subscriber = broadcast.subscriber().unwrap();
            common::say("ready");
            common::hear();
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn each_subscriber_gets_each_message_from_when_it_came() {
    for options in [small(), small().hold_back()] {
        let broadcast = options.memfd("broadcast").unwrap();
        let mut publisher = broadcast.publisher().unwrap();
        let mut first = broadcast.subscriber().unwrap();
        publisher.send(&content(0)).unwrap();
        let mut second = broadcast.subscriber().unwrap();
        for number in 1..500 {
            publisher.send(&content(number)).unwrap();
            assert_eq!(next(&mut first), (number - 1, 0));
            assert_eq!(next(&mut second), (number, 0));
        }
        assert_eq!(next(&mut first), (499, 0));
        assert_eq!(first.try_recv(&mut Vec::new()).unwrap(), None);
        assert_eq!(broadcast.sent(), 500);
        drop(publisher);
        let error = first.recv(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        // Another publisher goes on.
        let mut publisher = broadcast.publisher().unwrap();
        publisher.send(&content(7)).unwrap();
        assert_eq!((next(&mut first), next(&mut second)), ((7, 0), (7, 0)));
    }
}

#[test]
fn a_slow_subscriber_is_told_how_many_it_lost() {
    let broadcast = small().memfd("broadcast").unwrap();
    assert!(!broadcast.holds_back());
    let mut publisher = broadcast.publisher().unwrap();
    let mut subscriber = broadcast.subscriber().unwrap();
    publisher.send(&content(0)).unwrap();
    assert_eq!(next(&mut subscriber), (0, 0));
    let (mut expected, mut sent) = (1, 1);
    for burst in [1, 5, 100, 3, 1000, 50, 2] {
        for _ in 0..burst {
            assert!(publisher.try_send(&content(sent)).unwrap(), "it waits for nobody");
            sent += 1;
        }
        let mut message = Vec::new();
        while let Some(lost) = subscriber.try_recv(&mut message).unwrap() {
            assert_eq!(message, content(number(&message)));
            assert_eq!(number(&message), expected + lost);
            expected = number(&message) + 1;
        }
        assert_eq!(expected, sent, "the last is still there");
    }
}

#[test]
fn what_a_publisher_left_is_there_for_the_slowest_whatever_it_did_last() {
    for (count, loan) in (1..60).flat_map(|count| [0, 50, 100].map(|loan| (count, loan))) {
        let broadcast = small().bytes(512).memfd("broadcast").unwrap();
        let mut publisher = broadcast.publisher().unwrap();
        let mut subscriber = broadcast.subscriber().unwrap();
        (0..count).for_each(|number| publisher.send(&content(number)).unwrap());
        let _ = publisher.loan(loan).unwrap();
        drop(publisher);
        let (mut message, mut seen) = (Vec::new(), 0);
        let error = loop {
            match subscriber.recv(&mut message) {
                Ok(lost) => seen += lost + 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), seen), (ErrorKind::Closed, count), "{loan}");
    }
}

#[test]
fn what_is_lost_before_the_first_message_is_counted_too() {
    for before in [0, 1, 100] {
        let broadcast = small().memfd("broadcast").unwrap();
        let mut publisher = broadcast.publisher().unwrap();
        (0..before).for_each(|number| publisher.send(&content(number)).unwrap());
        let mut subscriber = broadcast.subscriber().unwrap();
        (before..before + 100).for_each(|number| publisher.send(&content(number)).unwrap());
        let (first, lost) = next(&mut subscriber);
        assert_eq!(first, before + lost);
        assert!(lost > 0, "it was overtaken");
        for number in first + 1..before + 100 {
            assert_eq!(next(&mut subscriber), (number, 0));
        }
    }
}

#[test]
fn a_fast_publisher_and_its_subscribers_agree_on_what_was_lost() {
    let broadcast = small().memfd("broadcast").unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let subscribers: Vec<_> = (0..3).map(|_| broadcast.subscriber().unwrap()).collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = subscribers
            .into_iter()
            .map(|mut subscriber| {
                scope.spawn(move || {
                    let mut message = Vec::new();
                    let mut expected = None;
                    loop {
                        let lost = match subscriber.recv(&mut message) {
                            Ok(lost) => lost,
                            Err(error) if error.kind() == ErrorKind::Closed => return expected,
                            Err(error) => panic!("{error}"),
                        };
                        let this = number(&message);
                        assert_eq!(message, content(this));
                        if let Some(expected) = expected {
                            assert_eq!(this, expected + lost);
                        }
                        expected = Some(this + 1);
                    }
                })
            })
            .collect();
        for number in 0..100_000 {
            publisher.send(&content(number)).unwrap();
        }
        drop(publisher);
        for worker in workers {
            assert_eq!(worker.join().unwrap(), Some(100_000), "each gets the last");
        }
    });
}

#[test]
fn a_publisher_that_is_held_back_waits_and_nobody_loses_anything() {
    let broadcast = small().hold_back().memfd("broadcast").unwrap();
    assert!(broadcast.holds_back());
    let mut publisher = broadcast.publisher().unwrap();
    // Nobody holds it back yet.
    for number in 0..100 {
        assert!(publisher.try_send(&content(number)).unwrap());
    }
    let subscribers: Vec<_> = (0..3).map(|_| broadcast.subscriber().unwrap()).collect();
    while publisher.try_send(&content(100)).unwrap() {}
    let end = Instant::now() + Duration::from_millis(10);
    let error = publisher.send_until(&content(100), end).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    std::thread::scope(|scope| {
        for (index, mut subscriber) in subscribers.into_iter().enumerate() {
            scope.spawn(move || {
                subscriber.set_waiting([Waiting::Adaptive, Waiting::Sleep, Waiting::Busy][index]);
                while next(&mut subscriber).0 == 100 {}
                for number in 1002..3000 {
                    if number % 500 == 0 && index == 1 {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    assert_eq!(next(&mut subscriber), (number, 0));
                }
            });
        }
        for number in 1001..3000 {
            publisher.send_until(&content(number), soon()).unwrap();
        }
    });
    // They have left.
    for number in 0..100 {
        publisher.send(&content(number)).unwrap();
    }
}

#[test]
fn a_subscriber_that_was_killed_holds_nobody_back() {
    let name = Name::new();
    let broadcast = small().hold_back().subscribers(1).open(&name.0).unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let child = started("subscribe", &name.0);
    assert_eq!(broadcast.subscriber().unwrap_err().kind(), ErrorKind::Busy);
    while publisher.try_send(&content(1)).unwrap() {}
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| publisher.send_until(&content(2), soon()));
        std::thread::sleep(Duration::from_millis(20));
        common::kill(child);
        sender.join().unwrap().unwrap();
    });
    let mut subscriber = broadcast.subscriber().unwrap();
    publisher.send(&content(3)).unwrap();
    assert_eq!(next(&mut subscriber), (3, 0));
}

#[test]
fn publishers_that_are_killed_at_any_moment_leave_whole_messages() {
    let rounds = rounds(20);
    for options in [small(), small().hold_back()] {
        let name = Name::new();
        let broadcast = options.open(&name.0).unwrap();
        let mut subscriber = broadcast.subscriber().unwrap();
        let mut message = Vec::new();
        let bytes = common::bytes_of(&name);
        for who in 1..=rounds {
            // Another who dies, and has a place that the next needs, now and then.
            let other = (who % 3 == 0).then(|| started("subscribe for ever", &name.0));
            let mut child = Some(common::start("publish for ever", &format!("{} {who}", name.0)));
            let end = Instant::now() + Duration::from_micros(3000 + who * 7919 % 5000);
            let mut expected = None;
            loop {
                match subscriber.recv_until(&mut message, soon()) {
                    Ok(lost) => {
                        let this = number(&message);
                        assert_eq!(message, content(this));
                        match expected {
                            Some(expected) => assert_eq!(this, expected + lost),
                            None => assert_eq!(this >> 32, who),
                        }
                        assert!(!broadcast.holds_back() || lost == 0);
                        expected = Some(this + 1);
                    }
                    Err(error) if error.kind() == ErrorKind::PeerDied && child.is_none() => break,
                    // The one before.
                    Err(error) if error.kind() == ErrorKind::PeerDied && expected.is_none() => {}
                    Err(error) => panic!("{error}"),
                }
                if expected.is_some()
                    && Instant::now() > end
                    && let Some(child) = child.take()
                {
                    common::kill(child);
                }
            }
            other.into_iter().for_each(common::kill);
        }
        assert_eq!(common::bytes_of(&name), bytes);
        let others: Vec<_> = (1..4).map(|_| broadcast.subscriber().unwrap()).collect();
        drop((subscriber, others));
    }
    common::no_dead_are_watched();
}

#[test]
fn a_peer_that_scribbles_over_everything_neither_crashes_nor_stops_the_others() {
    for options in [small(), small().hold_back()] {
        let name = Name::new();
        let broadcast = options.open(&name.0).unwrap();
        let stop = AtomicBool::new(false);
        let (broadcast, stop) = (&broadcast, &stop);
        std::thread::scope(|scope| {
            scope.spawn(|| common::scribble(&name, stop));
            let step = || Instant::now() + Duration::from_millis(2);
            let end = Instant::now() + Duration::from_millis(700);
            let listener = scope.spawn(move || {
                let mut message = Vec::new();
                while Instant::now() < end {
                    let _ = broadcast.subscriber().and_then(|mut subscriber| {
                        (0..50).try_for_each(|_| {
                            subscriber.recv_until(&mut message, step()).map(|_| ())?;
                            assert!(message.len() <= 100);
                            Ok(())
                        })
                    });
                }
            });
            while Instant::now() < end {
                let _ = broadcast.publisher().and_then(|mut publisher| {
                    (0..50).try_for_each(|number| publisher.send_until(&content(number), step()))
                });
            }
            listener.join().unwrap();
            stop.store(true, Relaxed);
        });
    }
}

#[test]
fn a_broadcast_is_no_queue() {
    let name = Name::new();
    let broadcast = small().open(&name.0).unwrap();
    assert_eq!((broadcast.longest(), broadcast.bytes()), (100, 1024));
    let error = folio_shm::Queue::options().open(&name.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Layout);
    let error = broadcast.publisher().unwrap().send(&[0; 101]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_broadcast_is_seen_from_outside() {
    let name = Name::new();
    let broadcast = small().open(&name.0).unwrap();
    let found = folio_shm::list().unwrap().into_iter().find(|found| found.name() == name.0);
    assert_eq!(found.unwrap().kind(), Kind::Broadcast);
    let stat = broadcast.stat();
    assert_eq!((stat.sent, stat.publisher, stat.subscribers.len()), (0, None, 0));
    let this = std::process::id();
    let _subscribers = [broadcast.subscriber().unwrap(), broadcast.subscriber().unwrap()];
    let mut publisher = broadcast.publisher().unwrap();
    publisher.send(b"one").unwrap();
    let stat = broadcast.stat();
    assert_eq!((stat.sent, stat.publisher, &*stat.subscribers), (1, Some(this), &[this; 2][..]));
    drop(publisher);
    assert_eq!(broadcast.stat().publisher, None);
}
