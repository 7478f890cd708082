//! What is counted, and what it looks like.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use folio_store::testing::{Delay, Fail, ShortRead, Switch};
use folio_store::{ErrorKind, MemoryStore, ReadRequest, Statistics, Store};

#[test]
fn each_operation_is_counted_with_its_bytes() {
    let store = Statistics::new(MemoryStore::from(vec![7; 1000]));
    store.len().unwrap();
    store.read_at(&mut [0; 100], 950).unwrap();
    store.write_at(&[0; 30], 0).unwrap();
    store.resize(500).unwrap();
    store.sync().unwrap();
    let mut bytes = [[0; 100]; 3];
    let mut requests: Vec<_> =
        (0..).zip(&mut bytes).map(|(index, buf)| ReadRequest::new(buf, index * 220)).collect();
    store.read_many(&mut requests);

    let counts = store.snapshot();
    let operations =
        [&counts.length, &counts.read, &counts.write, &counts.resize, &counts.sync, &counts.batch];
    let of = operations.map(|counts| (counts.calls, counts.requests, counts.bytes, counts.errors));
    let expected =
        [(1, 1, 0, 0), (1, 1, 50, 0), (1, 1, 30, 0), (1, 1, 0, 0), (1, 1, 0, 0), (1, 3, 260, 0)];
    assert_eq!(of, expected);
    for counts in operations {
        assert_eq!(counts.latency.buckets().iter().sum::<u64>(), 1);
    }
}

#[test]
fn what_failed_is_an_error_and_no_bytes() {
    let down = Switch::on();
    let store = Fail::new(MemoryStore::from(vec![7; 1000]), ErrorKind::Io).while_on(&down);
    let store = Statistics::new(store);
    store.read_at(&mut [0; 100], 0).unwrap_err();
    store.write_at(&[0; 100], 0).unwrap_err();
    store.resize(1).unwrap_err();
    store.sync().unwrap_err();
    let mut bytes = [0; 10];
    store.read_many(&mut [ReadRequest::new(&mut bytes, 0)]);
    let counts = store.snapshot();
    for counts in [counts.read, counts.write, counts.resize, counts.sync, counts.batch] {
        assert_eq!((counts.calls, counts.bytes, counts.errors), (1, 0, 1));
    }
}

#[test]
fn short_reads_are_calls_of_their_own() {
    let store = Statistics::new(ShortRead::new(MemoryStore::from(vec![7; 10_000]), 3));
    store.read_full_at(&mut [0; 10_000], 0).unwrap();
    let read = store.snapshot().read;
    assert!(read.calls > 1);
    assert_eq!(read.bytes, 10_000);
}

#[test]
fn the_time_of_a_call_is_in_its_bucket() {
    let time = Duration::from_millis(3);
    let store = Statistics::new(Delay::new(MemoryStore::from(vec![7; 10]), time));
    for _ in 0..5 {
        store.read_at(&mut [0; 10], 0).unwrap();
    }
    let read = store.snapshot().read;
    let fastest = read.latency.buckets().iter().position(|count| *count > 0).unwrap();
    // 3 ms is between 2^21 ns and 2^22 ns.
    assert!(fastest >= 21, "{read:?}");
    assert!(read.total_nanoseconds >= 15_000_000);
    assert!(read.latency.quantile(0.0).unwrap() >= time);
    assert!(read.latency.quantile(1.0) >= read.latency.quantile(0.5));
    assert_eq!(store.snapshot().write.latency.quantile(0.5), None);
}

#[test]
fn calls_on_many_threads_are_all_counted() {
    let store = Arc::new(Statistics::new(MemoryStore::from(vec![7; 1000])));
    thread::scope(|scope| {
        for _ in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for _ in 0..10_000 {
                    store.read_at(&mut [0; 10], 0).unwrap();
                }
            });
        }
    });
    let read = store.snapshot().read;
    assert_eq!((read.calls, read.bytes), (40_000, 400_000));
    assert_eq!(read.latency.buckets().iter().sum::<u64>(), 40_000);
}

#[test]
fn a_snapshot_is_plain_data() {
    let store = Statistics::new(MemoryStore::from(vec![7; 1000]));
    store.read_at(&mut [0; 10], 0).unwrap();
    let json = serde_json::to_value(store.snapshot()).unwrap();
    assert_eq!(json["read"]["bytes"], 10);
    assert_eq!(json["write"]["calls"], 0);
    let buckets = json["read"]["latency"].as_array().unwrap();
    assert_eq!(buckets.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 1);
}
