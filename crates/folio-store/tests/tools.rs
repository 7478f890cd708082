//! The tools for tests do what they are told, and nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use folio_store::testing::{Delay, Fail, Operation, ShortRead, Switch, TornWrite};
use folio_store::{ErrorKind, MemoryStore, Overlay, ReadRequest, Statistics, Store};

fn memory() -> MemoryStore {
    MemoryStore::from(vec![7; 4096])
}

fn all(store: &impl Store) -> Vec<u8> {
    let mut bytes = vec![0; store.len().unwrap() as usize];
    assert_eq!(store.read_full_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn reads(store: &impl Store, count: usize) -> Vec<bool> {
    (0..count).map(|_| store.read_at(&mut [0; 10], 0).is_err()).collect()
}

#[test]
fn the_nth_call_fails() {
    let store = Fail::new(memory(), ErrorKind::Io).on(Operation::Read).nth(3);
    assert_eq!(reads(&store, 6), [false, false, true, false, false, false]);
    assert_eq!((store.met(), store.failed()), (6, 1));
}

#[test]
fn every_nth_call_fails() {
    let store = Fail::new(memory(), ErrorKind::Io).on(Operation::Read).every(3);
    store.write_at(&[0], 0).unwrap();
    assert_eq!(reads(&store, 7), [false, false, true, false, false, true, false]);
}

#[test]
fn no_more_calls_fail_than_told() {
    let store = Fail::new(memory(), ErrorKind::Io).every(2).times(2);
    assert_eq!(reads(&store, 8), [false, true, false, true, false, false, false, false]);
}

#[test]
fn calls_in_a_range_fail() {
    let store = Fail::new(memory(), ErrorKind::Corrupt).within(100..200);
    for (range, fails) in [(90..100, false), (90..101, true), (199..300, true), (200..300, false)] {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        assert_eq!(store.read_at(&mut bytes, range.start).is_err(), fails, "{range:?}");
        assert_eq!(store.write_at(&bytes, range.start).is_err(), fails, "{range:?}");
    }
    let error = store.read_at(&mut [0; 11], 90).unwrap_err();
    assert_eq!((error.kind(), error.bytes()), (ErrorKind::Corrupt, Some(90..101)));
}

#[test]
fn calls_fail_while_a_switch_is_on() {
    let down = Switch::off();
    let store = Fail::new(memory(), ErrorKind::Unavailable).while_on(&down);
    assert_eq!(reads(&store, 2), [false, false]);
    down.set(true);
    assert_eq!(reads(&store, 2), [true, true]);
    down.set(false);
    assert_eq!(reads(&store, 2), [false, false]);
    assert_eq!((store.met(), store.failed()), (2, 2));
}

#[test]
fn a_call_that_fails_does_not_reach_the_store_below() {
    let store = Fail::new(Statistics::new(memory()), ErrorKind::Io);
    store.write_at(&[1; 10], 0).unwrap_err();
    store.resize(1).unwrap_err();
    store.sync().unwrap_err();
    assert_eq!(store.len().unwrap(), 4096, "the length is not asked for unless that is said");
    let counts = store.inner().snapshot();
    assert_eq!((counts.write.calls, counts.resize.calls, counts.sync.calls), (0, 0, 0));
    assert_eq!(all(store.inner()), vec![7; 4096]);
}

#[test]
fn requests_of_a_batch_fail_one_by_one() {
    let store = Fail::new(Statistics::new(memory()), ErrorKind::Io).on(Operation::Read).every(2);
    let mut bytes = [[0; 10]; 5];
    let mut requests: Vec<_> =
        (0..).zip(&mut bytes).map(|(index, buf)| ReadRequest::new(buf, index * 10)).collect();
    store.read_many(&mut requests);
    let failed: Vec<_> = requests.iter().map(|request| request.outcome.is_err()).collect();
    assert_eq!(failed, [false, true, false, true, false]);
    let batch = store.inner().snapshot().batch;
    assert_eq!((batch.calls, batch.requests), (1, 3));
}

#[test]
fn a_delay_is_for_the_operations_named() {
    let time = Duration::from_millis(30);
    let store = Delay::new(memory(), time).on(Operation::Write).on(Operation::Length);
    let took = |call: &dyn Fn()| {
        let start = Instant::now();
        call();
        start.elapsed()
    };
    assert!(took(&|| assert!(store.write_at(&[0], 0).is_ok())) >= time);
    assert!(took(&|| assert!(store.len().is_ok())) >= time);
    // The fastest of some: the machine may be busy.
    let read =
        (0..20).map(|_| took(&|| assert!(store.read_at(&mut [0], 0).is_ok()))).min().unwrap();
    assert!(read < time);
}

#[test]
fn a_batch_is_delayed_once() {
    let time = Duration::from_millis(20);
    let store = Delay::new(memory(), time).jitter(Duration::from_millis(1), 1);
    let mut bytes = [[0; 10]; 50];
    let mut requests: Vec<_> = bytes.iter_mut().map(|buf| ReadRequest::new(buf, 0)).collect();
    let start = Instant::now();
    store.read_many(&mut requests);
    assert!((time..time * 50).contains(&start.elapsed()));
}

#[test]
fn short_reads_are_of_every_length_and_follow_the_seed() {
    let lengths = |seed| {
        let store = ShortRead::new(memory(), seed);
        let read = (0..2000).map(|_| store.read_at(&mut [0; 8], 0).unwrap());
        let written: Vec<_> = (0..2000).map(|_| store.write_at(&[0; 8], 0).unwrap()).collect();
        read.chain(written).collect::<Vec<_>>()
    };
    let one = lengths(1);
    assert_eq!(one.iter().copied().collect::<HashSet<_>>(), (1..=8).collect());
    assert_eq!(one, lengths(1));
    assert_ne!(one, lengths(2));
}

#[test]
fn a_torn_write_leaves_whole_sectors_from_its_start_and_fails() {
    let store = TornWrite::new(memory()).unwrap().every(2, 1);
    let mut lengths = HashSet::new();
    for _ in 0..100 {
        store.write_all_at(&[0; 2000], 100).unwrap();
        let error = store.write_at(&[1; 2000], 100).unwrap_err();
        assert_eq!((error.kind(), error.bytes()), (ErrorKind::Io, Some(100..2100)));
        let bytes = all(&store);
        let written = bytes[100..2100].iter().take_while(|byte| **byte == 1).count();
        assert_eq!(bytes[100 + written..2100], vec![0; 2000 - written]);
        lengths.insert(written);
    }
    assert_eq!(lengths, HashSet::from([0, 412, 924, 1436, 1948]));
}

#[test]
fn after_a_crash_what_was_synced_is_there() {
    let store = TornWrite::new(memory()).unwrap();
    store.write_all_at(&[1; 2000], 1000).unwrap();
    store.resize(8192).unwrap();
    store.sync().unwrap();
    assert_eq!(store.unsynced(), 0);
    for seed in 0..20 {
        assert_eq!(all(&store.crash(seed)), all(&store));
    }
}

#[test]
fn after_a_crash_each_later_write_is_there_or_not_or_torn_at_a_sector() {
    let store = TornWrite::new(memory()).unwrap();
    store.write_all_at(&[1; 2048], 0).unwrap();
    let mut seen = HashSet::new();
    for seed in 0..200 {
        let sectors: Vec<_> = all(&store.crash(seed))
            .chunks(512)
            .map(|sector| {
                assert!(sector == [1; 512] || sector == [7; 512]);
                sector[0] == 1
            })
            .collect();
        assert_eq!(sectors[4..], [false; 4]);
        seen.insert(sectors[..4].to_vec());
    }
    assert_eq!(seen.len(), 16, "every set of sectors");
    assert_eq!(all(&store)[..2048], [1; 2048], "the store itself goes on");
}

#[test]
fn after_a_crash_a_later_length_is_there_or_not() {
    let store = TornWrite::new(memory()).unwrap();
    store.resize(100).unwrap();
    let lengths: HashSet<_> = (0..50).map(|seed| store.crash(seed).len().unwrap()).collect();
    assert_eq!(lengths, HashSet::from([100, 4096]));
}

#[test]
fn a_crash_follows_its_seed() {
    let store = TornWrite::new(memory()).unwrap();
    for offset in 0..20 {
        store.write_all_at(&[offset as u8; 700], offset * 100).unwrap();
    }
    assert_eq!(all(&store.crash(5)), all(&store.crash(5)));
    assert_ne!(all(&store.crash(5)), all(&store.crash(6)));
}

#[test]
fn a_sync_that_fails_keeps_nothing_safe() {
    let store = Fail::new(memory(), ErrorKind::Io).on(Operation::Sync).nth(1);
    let store = TornWrite::new(store).unwrap();
    store.write_all_at(&[1; 100], 0).unwrap();
    store.sync().unwrap_err();
    assert_eq!(store.unsynced(), 1);
    store.sync().unwrap();
    assert_eq!(store.unsynced(), 0);
}

#[test]
fn a_store_too_long_to_copy_is_refused() {
    let overlay = Overlay::new(memory(), memory()).unwrap();
    overlay.resize(1 << 40).unwrap();
    assert_eq!(TornWrite::new(overlay).unwrap_err().kind(), ErrorKind::Unsupported);
    let store = TornWrite::new(Arc::new(memory())).unwrap();
    assert_eq!(store.write_at(&[1], 1 << 40).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.resize(1 << 40).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(all(&store), vec![7; 4096]);
}
