//! Descriptors that are polled, and the threads behind them.

mod common;

use common::{Name, gets_ready};
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
