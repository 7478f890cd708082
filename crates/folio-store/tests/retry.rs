//! What is tried again, what is not, and what an error says when trying ends.

use std::thread;
use std::time::Duration;

use folio_store::testing::{Fail, Operation, ShortRead, Switch, TornWrite};
use folio_store::{ErrorKind, MemoryStore, ReadRequest, Retry, Statistics, Store};

const SHORT: Duration = Duration::from_micros(10);

fn failing(kind: ErrorKind, operation: Operation) -> Fail<MemoryStore> {
    Fail::new(MemoryStore::from(vec![7; 1000]), kind).on(operation)
}

fn quick<S: Store>(store: S) -> Retry<S> {
    Retry::new(store).first_wait(SHORT).longest_wait(SHORT)
}

fn call(store: &impl Store, operation: Operation) -> folio_store::Result<()> {
    match operation {
        Operation::Length => store.len().map(drop),
        Operation::Read => store.read_at(&mut [0; 10], 5).map(drop),
        Operation::Write => store.write_at(&[0; 10], 5).map(drop),
        Operation::Resize => store.resize(2000),
        _ => store.sync(),
    }
}

const REPEATABLE: [Operation; 4] =
    [Operation::Length, Operation::Read, Operation::Write, Operation::Resize];

#[test]
fn what_passes_is_waited_out() {
    for operation in REPEATABLE {
        for kind in [ErrorKind::Timeout, ErrorKind::Unavailable, ErrorKind::Io] {
            let store = quick(failing(kind, operation).times(4));
            call(&store, operation).unwrap();
            assert_eq!(store.inner().met(), 5, "{operation:?}");
        }
    }
}

#[test]
fn what_does_not_pass_is_returned_at_once() {
    for operation in REPEATABLE {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::Denied,
            ErrorKind::Changed,
            ErrorKind::Truncated,
            ErrorKind::Corrupt,
            ErrorKind::NoSpace,
            ErrorKind::ReadOnly,
            ErrorKind::Unsupported,
            ErrorKind::Invalid,
        ] {
            let store = quick(failing(kind, operation));
            let error = call(&store, operation).unwrap_err();
            assert_eq!((error.kind(), store.inner().met()), (kind, 1));
            assert!(error.to_string().ends_with(": a test made it fail"), "{error}");
        }
    }
}

#[test]
fn a_sync_is_not_tried_again() {
    let store = quick(failing(ErrorKind::Io, Operation::Sync).nth(1));
    let error = store.sync().unwrap_err();
    assert_eq!((error.kind(), store.inner().met()), (ErrorKind::Io, 1));
    store.sync().unwrap();
}

#[test]
fn a_write_that_tore_is_done_to_the_last_byte() {
    let mut short = 0;
    for seed in 0..50 {
        let store = ShortRead::new(MemoryStore::from(vec![7; 5000]), seed);
        let store = quick(TornWrite::new(store).unwrap().every(2, seed));
        if seed % 2 == 0 {
            store.write_at(&[7; 1], 0).unwrap();
        }
        let count = store.write_at(&[9; 4000], 1000).unwrap();
        let mut bytes = [0; 5000];
        store.read_full_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes[1000..1000 + count], vec![9; count]);
        assert_eq!(bytes[1000 + count..], vec![7; 4000 - count]);
        short += usize::from(count < 4000);
    }
    assert!((1..50).contains(&short), "{short} writes of 50 stopped early");
}

#[test]
fn attempts_at_the_rest_of_a_write_are_counted_anew() {
    let short = ShortRead::new(MemoryStore::from(vec![7; 5000]), 3);
    let shaky = Fail::new(short, ErrorKind::Io).on(Operation::Read).on(Operation::Write).every(2);
    let store = quick(shaky).attempts(2);
    for _ in 0..20 {
        store.write_all_at(&[9; 5000], 0).unwrap();
    }
    assert!(store.inner().failed() > 20);
}

#[test]
fn an_error_says_how_often_it_was_tried() {
    for operation in REPEATABLE {
        let store = quick(failing(ErrorKind::Unavailable, operation)).attempts(3);
        let text = call(&store, operation).unwrap_err().to_string();
        assert!(text.contains("a test made it fail (tried 3 times in "), "{text}");
        assert_eq!(store.inner().met(), 3);
    }
    let once = quick(failing(ErrorKind::Unavailable, Operation::Read)).attempts(0);
    let text = call(&once, Operation::Read).unwrap_err().to_string();
    assert!(!text.contains("tried"), "{text}");
}

#[test]
fn of_a_batch_only_what_failed_is_asked_for_again() {
    let counted = Statistics::new(MemoryStore::from(vec![7; 1000]));
    let shaky = Fail::new(counted, ErrorKind::Unavailable).on(Operation::Read).within(300..400);
    let store = quick(shaky.times(3));
    let mut bytes = [[0; 100]; 5];
    let mut requests: Vec<_> =
        (0..).zip(&mut bytes).map(|(index, buf)| ReadRequest::new(buf, index * 100)).collect();
    store.read_many(&mut requests);
    assert!(requests.iter().all(|request| request.outcome.clone().unwrap() == 100));
    assert_eq!(bytes, [[7; 100]; 5]);
    let counts = store.inner().inner().snapshot().batch;
    assert_eq!((counts.bytes, counts.requests), (500, 5));
}

#[test]
fn of_a_batch_what_goes_on_failing_is_an_error_and_the_rest_is_there() {
    let store = Fail::new(MemoryStore::from(vec![7; 1000]), ErrorKind::Unavailable);
    let passing = quick(store.within(300..400)).attempts(3);
    let store = Fail::new(passing, ErrorKind::Corrupt).within(100..200);
    let store = quick(store);
    let mut bytes = [[0; 100]; 5];
    let mut requests: Vec<_> =
        (0..).zip(&mut bytes).map(|(index, buf)| ReadRequest::new(buf, index * 100)).collect();
    store.read_many(&mut requests);
    let kinds: Vec<_> = requests
        .iter()
        .map(|request| request.outcome.as_ref().map_err(|error| error.kind()))
        .collect();
    let expected =
        [Ok(&100), Err(ErrorKind::Corrupt), Ok(&100), Err(ErrorKind::Unavailable), Ok(&100)];
    assert_eq!(kinds, expected);
    assert_eq!(requests[3].outcome.as_ref().unwrap_err().bytes(), Some(300..400));
    assert_eq!(store.inner().met(), 1, "what is corrupt stays so");
}

#[test]
fn a_store_that_comes_back_is_read_by_all_who_wait() {
    let down = Switch::on();
    let store = failing(ErrorKind::Unavailable, Operation::Read).while_on(&down);
    let store = quick(store).attempts(u32::MAX).limit(Duration::from_secs(60));
    thread::scope(|scope| {
        let readers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| store.read_full_at(&mut [0; 100], 0))).collect();
        while store.inner().failed() < 20 {
            thread::yield_now();
        }
        down.set(false);
        for reader in readers {
            assert_eq!(reader.join().unwrap().unwrap(), 100);
        }
    });
}
