//! A queue with many senders and many receivers.

mod common;

use std::time::{Duration, Instant};

use common::{Name, content, number, soon, started};
use folio_shm::{ChannelOptions, ErrorKind, Queue};

fn small() -> ChannelOptions<Queue> {
    Queue::options().create_new().longest(100).bytes(1024)
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    let (name, who) = argument.split_once(' ').unwrap_or((&argument, "0"));
    let queue = Queue::options().open(name).unwrap();
    let who: u64 = who.parse().unwrap();
    match part.as_str() {
        "send one's own" => {
            let mut sender = queue.sender().unwrap();
            for number in 0..3000 {
                sender.send(&content(who << 32 | number)).unwrap();
            }
        }
        "hold" => {
            let mut receiver = queue.receiver().unwrap();
            let _message = receiver.recv().unwrap();
            common::say("ready");
            common::hear();
        }
        _ => panic!("{part}"),
    }
}

/// Several processes send, several threads receive; what each received comes back.
fn crowd(options: ChannelOptions<Queue>, senders: u64, receivers: usize) -> Vec<Vec<u64>> {
    let name = Name::new();
    let queue = options.senders(senders as usize).receivers(receivers).open(&name.0).unwrap();
    let ends: Vec<_> = (0..receivers).map(|_| queue.receiver().unwrap()).collect();
    assert_eq!(queue.receiver().unwrap_err().kind(), ErrorKind::Busy);
    let mut children: Vec<_> = (0..senders)
        .map(|who| common::start("send one's own", &format!("{} {who}", name.0)))
        .collect();
    // Until all have begun, a receiver may find that those who came have gone.
    let all = senders * 3000;
    let work = |mut end: folio_shm::Receiver| {
        let mut received = Vec::new();
        while queue.stat().received < all {
            match end.recv_until(Instant::now() + Duration::from_millis(50)) {
                Ok(message) => {
                    let bytes = message.to_vec().unwrap();
                    assert_eq!(bytes, content(number(&bytes)));
                    received.push(number(&bytes));
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) if error.kind() == ErrorKind::Closed => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        received
    };
    let received = std::thread::scope(|scope| {
        let workers: Vec<_> = ends.into_iter().map(|end| scope.spawn(|| work(end))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    received
}

#[test]
fn of_many_receivers_one_gets_each_message_and_each_senders_keep_their_order() {
    for (senders, receivers) in [(1, 1), (1, 3), (3, 1), (3, 3)] {
        let received = crowd(small(), senders, receivers);
        for each in &received {
            for who in 0..senders {
                let own: Vec<_> = each.iter().filter(|&&number| number >> 32 == who).collect();
                assert!(own.is_sorted(), "{own:?}");
            }
        }
        let mut all: Vec<u64> = received.concat();
        all.sort_unstable();
        let expected = (0..senders).flat_map(|who| (0..3000).map(move |at| who << 32 | at));
        assert!(all.into_iter().eq(expected), "lost or twice");
    }
}

#[test]
fn each_sender_has_a_lane_and_waits_for_no_other() {
    let queue = small().senders(2).memfd("queue").unwrap();
    let (mut one, mut other) = (queue.sender().unwrap(), queue.sender().unwrap());
    let error = queue.sender().unwrap_err();
    assert!(error.to_string().contains("it has 2 senders already"), "{error}");
    while one.try_send(&content(1)).unwrap() {}
    other.send(&content(2)).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(number(&receiver.recv().unwrap().to_vec().unwrap()));
    }
    assert_eq!(seen, [1, 2], "both have their turn");
    drop(other);
    // One has left, the other has not.
    while receiver.try_recv().unwrap().is_some() {}
    let end = Instant::now() + Duration::from_millis(20);
    assert_eq!(receiver.recv_until(end).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn what_one_receiver_died_with_another_gets() {
    let name = Name::new();
    let queue = small().receivers(3).open(&name.0).unwrap();
    let mut sender = queue.sender().unwrap();
    sender.send(&content(1)).unwrap();
    sender.send(&content(2)).unwrap();
    let child = started("hold", &name.0);
    let mut receiver = queue.receiver().unwrap();
    // The child has the lane, and with it the second message.
    assert!(receiver.try_recv().unwrap().is_none());
    common::kill(child);
    for number in [1, 2] {
        let message = receiver.recv_until(soon()).unwrap();
        assert_eq!(message.to_vec().unwrap(), content(number));
    }
    let mut other = queue.receiver().unwrap();
    sender.send(&content(3)).unwrap();
    sender.send(&content(4)).unwrap();
    let message = receiver.recv().unwrap();
    assert!(other.try_recv().unwrap().is_none());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.recv_until(soon()).unwrap().to_vec().unwrap());
        std::thread::sleep(Duration::from_millis(5));
        drop(message);
        assert_eq!(waiter.join().unwrap(), content(4));
    });
}
