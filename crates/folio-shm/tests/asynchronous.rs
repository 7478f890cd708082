//! Messages that are awaited.

mod common;

use std::time::Duration;

use common::{Name, content, started};
use folio_shm::{ErrorKind, Queue};
use tokio::runtime::Builder;
use tokio::time::timeout;

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    let queue = Queue::options().open(&name).unwrap();
    let mut sender = queue.sender().unwrap();
    match part.as_str() {
        "send" => (0..3000).for_each(|number| sender.send(&content(number)).unwrap()),
        "idle" => {
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
