//! A queue with many senders and many receivers.

mod common;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{Name, content, number, rounds, soon, started};
use folio_shm::{ChannelOptions, ErrorKind, Queue};

/// What is said where all senders have gone.
const GONE: [ErrorKind; 2] = [ErrorKind::Closed, ErrorKind::PeerDied];

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
        "send for ever" => {
            let mut sender = queue.sender().unwrap();
            for number in 0.. {
                sender.send(&content(who << 32 | number)).unwrap();
            }
        }
        "receive for ever" => {
            let mut receiver = queue.receiver().unwrap();
            loop {
                match receiver.recv() {
                    Ok(message) => {
                        let bytes = message.to_vec().unwrap();
                        assert_eq!(bytes, content(number(&bytes)));
                        common::say(&format!("{}.", number(&bytes)));
                    }
                    Err(error) => assert!(GONE.contains(&error.kind()), "{error}"),
                }
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

/// What came of the messages of one sender.
#[derive(Default)]
struct Lane {
    /// All before it have been received.
    next: u64,
    ahead: BTreeSet<u64>,
}

/// What all receivers say that they have received.
#[derive(Default)]
struct Account {
    lanes: HashMap<u64, Lane>,
    /// Received once more than once.
    again: Vec<u64>,
    /// The last that a receiver said before it was killed, perhaps before it gave the place back.
    unfinished: HashSet<u64>,
}

impl Account {
    fn receive(&mut self, message: u64) {
        let lane = self.lanes.entry(message >> 32).or_default();
        let number = message & u64::from(u32::MAX);
        if number < lane.next || !lane.ahead.insert(number) {
            self.again.push(message);
        }
        while lane.ahead.remove(&lane.next) {
            lane.next += 1;
        }
    }
}

/// The order of what one receiver gets.
#[derive(Default)]
struct Order(HashMap<u64, u64>);

impl Order {
    fn check(&mut self, message: u64) {
        let last = self.0.insert(message >> 32, message);
        assert!(last.is_none_or(|last| last < message), "{message:x} after {last:x?}");
    }
}

#[test]
fn senders_and_receivers_that_are_killed_at_any_moment_lose_and_double_nothing() {
    let name = Name::new();
    let queue = small().senders(4).receivers(4).open(&name.0).unwrap();
    let bytes = common::bytes_of(&name);
    let account = Mutex::new(Account::default());
    let (stop, is_alone) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let account = &account;
        let send = |who: u64| common::start("send for ever", &format!("{} {who}", name.0));
        // A receiver, and the thread that hears what it says.
        let receive = || {
            let mut child = common::start("receive for ever", &name.0);
            let lines = common::lines(&mut child);
            let ear = scope.spawn(move || {
                let (mut order, mut last) = (Order::default(), None);
                // A line that is cut off was not said.
                for message in lines.map_while(|line| line.strip_suffix('.')?.parse().ok()) {
                    order.check(message);
                    account.lock().unwrap().receive(message);
                    last = Some(message);
                }
                account.lock().unwrap().unfinished.extend(last);
            });
            (child, ear)
        };
        // Two that live.
        let sender = scope.spawn(|| {
            let mut sender = queue.sender().unwrap();
            let mut sent = 0;
            while !stop.load(Relaxed) {
                let end = Instant::now() + Duration::from_millis(20);
                match sender.send_until(&content(sent), end) {
                    Ok(()) => sent += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
                }
            }
            sent
        });
        let receiver = scope.spawn(|| {
            let mut receiver = queue.receiver().unwrap();
            let mut order = Order::default();
            loop {
                match receiver.recv_until(Instant::now() + Duration::from_millis(100)) {
                    Ok(message) => {
                        let bytes = message.to_vec().unwrap();
                        assert_eq!(bytes, content(number(&bytes)));
                        order.check(number(&bytes));
                        account.lock().unwrap().receive(number(&bytes));
                    }
                    Err(error) if error.kind() == ErrorKind::TimedOut => {}
                    // All senders have gone, and no other receiver has anything that might be left.
                    Err(error) if is_alone.load(Relaxed) => {
                        assert!(GONE.contains(&error.kind()), "{error}");
                        break;
                    }
                    Err(error) => assert!(GONE.contains(&error.kind()), "{error}"),
                }
            }
        });
        let (mut senders, mut receivers) = (vec![send(1), send(2)], vec![receive(), receive()]);
        let rounds = rounds(20);
        for round in 0..rounds {
            std::thread::sleep(Duration::from_micros(2000 + round * 7919 % 5000));
            let victim = (round / 2 % 2) as usize;
            if round % 2 == 0 {
                common::kill(std::mem::replace(&mut senders[victim], send(round + 3)));
            } else {
                let (child, ear) = std::mem::replace(&mut receivers[victim], receive());
                common::kill(child);
                ear.join().unwrap();
            }
        }
        senders.into_iter().for_each(common::kill);
        stop.store(true, Relaxed);
        let sent = sender.join().unwrap();
        for (child, ear) in receivers {
            common::kill(child);
            ear.join().unwrap();
        }
        is_alone.store(true, Relaxed);
        receiver.join().unwrap();
        assert_eq!(account.lock().unwrap().lanes[&0].next, sent, "of the sender that lived");
    });
    let account = account.into_inner().unwrap();
    for (who, lane) in &account.lanes {
        assert!(lane.ahead.is_empty(), "of sender {who} message {} is lost", lane.next);
    }
    for message in &account.again {
        assert!(account.unfinished.contains(message), "{message:x} was received twice");
    }
    // All places are to be had, and there is no more memory than before.
    let _senders: Vec<_> = (0..4).map(|_| queue.sender().unwrap()).collect();
    let _receivers: Vec<_> = (0..4).map(|_| queue.receiver().unwrap()).collect();
    assert_eq!(common::bytes_of(&name), bytes);
    common::no_dead_are_watched();
}

#[test]
fn a_thread_that_leaves_its_place_does_not_leave_another_threads() {
    let queue = small().memfd("taken in turns").unwrap();
    let holders = AtomicU32::new(0);
    let take_turns = || {
        for _ in 0..rounds(20_000) {
            let Ok(sender) = queue.sender() else { continue };
            assert_eq!(holders.fetch_add(1, Relaxed), 0, "two have the one place");
            assert_eq!(queue.stat().senders, [std::process::id()], "it has been left for the next");
            holders.fetch_sub(1, Relaxed);
            drop(sender);
        }
    };
    std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(take_turns))));
}
