//! Messages that are awaited.

mod common;

use std::time::Duration;

use common::{Name, content, started};
use folio_shm::{Broadcast, ErrorKind, Queue};
use tokio::runtime::Builder;
use tokio::time::timeout;

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    let queue = Queue::options().open(&name).unwrap();
    let sender = || queue.sender().unwrap();
    match part.as_str() {
        "send" => {
            let mut sender = sender();
            (0..3000).for_each(|number| sender.send(&content(number)).unwrap());
        }
        "idle" => {
            let _sender = sender();
            common::say("ready");
            common::hear();
        }
        "receive none" => {
            let _receiver = queue.receiver().unwrap();
            common::say("ready");
            common::hear();
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn tasks_await_messages_the_end_and_a_death() {
    let name = Name::new();
    let options = Queue::options().create_new().longest(100).bytes(1024);
    let queue = options.open(&name.0).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let second = Duration::from_secs(20);
    runtime.block_on(async {
        let mut receiver = queue.receiver().unwrap().into_async().unwrap();
        let early = timeout(Duration::from_millis(10), receiver.recv()).await.is_err();
        assert!(early, "nobody has sent anything");
        let mut child = common::start("send", &name.0);
        for number in 0..3000 {
            let message = timeout(second, receiver.recv()).await.unwrap().unwrap();
            assert_eq!(message.to_vec().unwrap(), content(number));
        }
        let end = timeout(second, receiver.recv()).await.unwrap().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::Closed);
        child.wait().unwrap();

        let child = started("idle", &name.0);
        let early = timeout(Duration::from_millis(10), receiver.recv()).await.is_err();
        assert!(early, "there is a sender, and it sends nothing");
        common::kill(child);
        let end = timeout(second, receiver.recv()).await.unwrap().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::PeerDied);

        let mut sender = queue.sender().unwrap();
        sender.send(&content(1)).unwrap();
        let mut receiver = receiver.into_inner();
        assert_eq!(receiver.recv().unwrap().to_vec().unwrap(), content(1));
    });
}

#[test]
fn two_tasks_answer_each_other() {
    let [there, back] =
        ["there", "back"].map(|name| Queue::options().create().memfd(name).unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut ask, mut hear) =
            (there.sender().unwrap(), back.receiver().unwrap().into_async().unwrap());
        let (mut answer, mut listen) =
            (back.sender().unwrap(), there.receiver().unwrap().into_async().unwrap());
        let echo = tokio::spawn(async move {
            while let Ok(message) = listen.recv().await {
                let bytes = message.to_vec().unwrap();
                drop(message);
                answer.send(&bytes).unwrap();
            }
        });
        for number in 0..500 {
            ask.send(&content(number)).unwrap();
            let message = hear.recv().await.unwrap();
            assert_eq!(message.to_vec().unwrap(), content(number));
        }
        drop(ask);
        echo.await.unwrap();
    });
}

#[test]
fn a_task_awaits_room_and_the_receivers_death() {
    let name = Name::new();
    let queue = Queue::options().create_new().longest(100).bytes(1024).open(&name.0).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let second = Duration::from_secs(20);
    let moment = Duration::from_millis(10);
    runtime.block_on(async {
        let mut receiver = queue.receiver().unwrap();
        let mut sender = queue.sender().unwrap().into_async().unwrap();
        let mut sent = 0;
        while timeout(moment, sender.send(&content(sent))).await.is_ok() {
            sent += 1;
        }
        assert!(sent > 5);
        assert!(timeout(moment, sender.loan(100)).await.is_err(), "there is no room");
        let worker = std::thread::spawn(move || {
            for number in 0..2000 {
                let message = receiver.recv_until(common::soon()).unwrap();
                assert_eq!(
                    message.to_vec().unwrap(),
                    content(number),
                    "what was given up is not sent"
                );
            }
        });
        for number in sent..2000 {
            let message = content(number);
            let sending = sender.send(&message);
            timeout(second, sending).await.unwrap().unwrap();
        }
        worker.join().unwrap();

        let child = started("receive none", &name.0);
        while timeout(moment, sender.send(&content(0))).await.is_ok() {}
        common::kill(child);
        let end = timeout(second, sender.send(&content(0))).await.unwrap().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::PeerDied);
        let _receiver = queue.receiver().unwrap();
        let mut sender = sender.into_inner();
        assert!(!sender.try_send(&[0; 100]).unwrap(), "another has come, and received nothing");
    });
}

#[test]
fn tasks_publish_subscribe_and_hold_back() {
    let options = Broadcast::options().create_new().longest(100).bytes(1024).subscribers(3);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let broadcast = options.hold_back().memfd("tasks").unwrap();
        let mut publisher = broadcast.publisher().unwrap().into_async().unwrap();
        let tasks: Vec<_> = (0..3)
            .map(|which| {
                let mut subscriber = broadcast.subscriber().unwrap().into_async().unwrap();
                tokio::spawn(async move {
                    let mut message = Vec::new();
                    for number in 0..1000 {
                        if which == 0 {
                            message = subscriber.recv_in_place().await?.to_vec()?;
                        } else {
                            assert_eq!(subscriber.recv(&mut message).await?, 0);
                        }
                        assert_eq!(message, content(number));
                    }
                    subscriber.recv(&mut message).await
                })
            })
            .collect();
        for number in 0..1000 {
            let message = content(number);
            let sending = publisher.send(&message);
            timeout(Duration::from_secs(20), sending).await.unwrap().unwrap();
        }
        drop(publisher);
        for task in tasks {
            let end = timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
            assert_eq!(end.unwrap_err().kind(), ErrorKind::Closed);
        }
    });
}
