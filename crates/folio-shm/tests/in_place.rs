//! Messages of a broadcast that are written and read where they are, and subscribers that only look on.

mod common;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::{Name, content, number, soon, started};
use folio_shm::{Broadcast, ChannelOptions, ErrorKind, Queue, Seals, Subscriber, Waiting};
use rustix::event::{PollFd, PollFlags, poll};

fn small() -> ChannelOptions<Broadcast> {
    Broadcast::options().create_new().longest(100).bytes(1024).subscribers(4)
}

/// A broadcast that only its maker can write to, and one who looks on.
fn looked_at() -> (Broadcast, Broadcast) {
    let sealed = small().segment(|segment| segment.seals(Seals::FUTURE_WRITE));
    let broadcast = sealed.memfd("looked at").unwrap();
    let fd = broadcast.as_fd().try_clone_to_owned().unwrap();
    let onlooker = Broadcast::options().segment(|segment| segment.read_only()).fd(fd).unwrap();
    (broadcast, onlooker)
}

fn next_number(subscriber: &mut Subscriber) -> u64 {
    let message = subscriber.recv_in_place_until(soon()).unwrap().to_vec().unwrap();
    assert_eq!(message, content(number(&message)));
    number(&message)
}

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    assert_eq!(part, "publish one");
    let mut publisher = Broadcast::options().open(&name).unwrap().publisher().unwrap();
    publisher.send(&content(1)).unwrap();
    common::say("ready");
    common::hear();
}

#[test]
fn what_is_lent_and_not_sent_never_was() {
    for options in [small(), small().hold_back()] {
        let broadcast = options.memfd("lent").unwrap();
        let mut publisher = broadcast.publisher().unwrap();
        let mut subscriber = broadcast.subscriber().unwrap();
        for round in 0..100u64 {
            publisher.loan(100).unwrap().write_at(0, &[0xff; 100]).unwrap();
            assert!(subscriber.try_recv_in_place().unwrap().is_none());
            let message = content(round);
            let mut loan = publisher.try_loan(100).unwrap().expect("room");
            loan.write_at(0, &message).unwrap();
            loan.shorten(message.len());
            assert_eq!(loan.len(), message.len());
            loan.send().unwrap();
            assert_eq!(next_number(&mut subscriber), round);
        }
        publisher.send_value(&7u64).unwrap();
        assert_eq!(subscriber.recv_in_place().unwrap().value::<u64>().unwrap(), 7);
        publisher.send_value(&7u64).unwrap();
        let error = subscriber.recv_in_place().unwrap().value::<u32>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Size);
    }
}

#[test]
fn what_is_being_read_in_place_holds_the_publisher_back() {
    let broadcast = small().hold_back().memfd("held").unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let mut subscriber = broadcast.subscriber().unwrap();
    publisher.send(&content(0)).unwrap();
    let message = subscriber.recv_in_place().unwrap();
    let mut sent = 0;
    while publisher.try_send(&content(sent + 1)).unwrap() {
        sent += 1;
    }
    assert!(sent > 10 && message.is_whole());
    assert_eq!(message.to_vec().unwrap(), content(0));
    drop(message);
    assert!(publisher.try_send(&[]).unwrap(), "there is room again");
    for expected in 1..=sent {
        assert_eq!(next_number(&mut subscriber), expected);
    }
}

#[test]
fn what_was_overwritten_while_it_was_read_is_told() {
    let broadcast = small().memfd("overwritten").unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let mut subscriber = broadcast.subscriber().unwrap();
    publisher.send(&content(0)).unwrap();
    publisher.send(&content(1)).unwrap();
    let message = subscriber.recv_in_place().unwrap();
    assert!(message.is_whole());
    (2..100).for_each(|number| publisher.send(&content(number)).unwrap());
    assert!(!message.is_whole());
    assert_eq!(message.to_vec().unwrap_err().kind(), ErrorKind::Overwritten);
    assert_eq!(message.value::<u64>().unwrap_err().kind(), ErrorKind::Overwritten);
    drop(message);
    let message = subscriber.recv_in_place().unwrap();
    assert!(message.lost() > 10, "it goes on with one that is still there");
    assert_eq!(message.to_vec().unwrap(), content(message.lost() + 1));
}

#[test]
fn who_only_looks_on_gets_every_message_without_writing_a_byte() {
    let (broadcast, onlooker) = looked_at();
    let mut publisher = broadcast.publisher().unwrap();
    let mut subscribers: Vec<_> = (0..20).map(|_| onlooker.subscriber().unwrap()).collect();
    assert_eq!(broadcast.stat().subscribers, [], "they are not seen");
    for number in 0..200 {
        publisher.send(&content(number)).unwrap();
        for subscriber in &mut subscribers {
            assert_eq!(next_number(subscriber), number);
        }
    }
    assert_eq!(onlooker.stat(), broadcast.stat());
    assert_eq!(onlooker.stat().sent, 200);
    let mut message = Vec::new();
    for waiting in [Waiting::Adaptive, Waiting::Sleep, Waiting::Busy] {
        subscribers[0].set_waiting(waiting);
        let end = Instant::now() + Duration::from_millis(20);
        let error = subscribers[0].recv_until(&mut message, end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= end);
    }
    let mut late = subscribers.pop().unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(move || next_number(&mut late));
        publisher.send(&content(200)).unwrap();
        assert_eq!(late.join().unwrap(), 200);
    });
    let subscriber = &mut subscribers[0];
    assert_eq!(next_number(subscriber), 200);
    let fd = subscriber.ready_fd().unwrap();
    publisher.send(&content(201)).unwrap();
    assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap(), 1);
    assert_eq!(subscriber.try_recv(&mut message).unwrap(), Some(0));
    drop(publisher);
    assert_eq!(subscriber.recv(&mut message).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn who_only_looks_on_is_told_of_the_publishers_death() {
    let name = Name::new();
    let _broadcast = small().open(&name.0).unwrap();
    let read_only = Broadcast::options().segment(|segment| segment.read_only());
    let mut subscriber = read_only.open(&name.0).unwrap().subscriber().unwrap();
    let child = started("publish one", &name.0);
    assert_eq!(next_number(&mut subscriber), 1);
    common::kill(child);
    let error = subscriber.recv_in_place_until(soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerDied);
}

#[test]
fn who_only_looks_on_has_no_place() {
    let (broadcast, onlooker) = looked_at();
    assert_eq!(onlooker.publisher().unwrap_err().kind(), ErrorKind::Denied);
    drop(broadcast);
    let name = Name::new();
    let _queue = Queue::options().create_new().open(&name.0).unwrap();
    let queue = Queue::options().segment(|segment| segment.read_only()).open(&name.0).unwrap();
    assert_eq!(queue.sender().unwrap_err().kind(), ErrorKind::Denied);
    let error = queue.receiver().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().ends_with("it is mapped read-only: open it without read_only()"));
    assert_eq!((queue.stat().sent, queue.stat().receivers), (0, vec![]));
}
