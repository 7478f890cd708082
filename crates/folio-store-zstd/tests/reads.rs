//! What is read through a store of seekable zstd, how often, and by how many threads.

mod common;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{Shelf, noise, read_all, text};
use folio_store::{Capabilities, Cost, ErrorKind, ReadRequest, Store};
use folio_store_zstd::{FRAME_BYTES, LEVEL, ZstdStore, pack};
use proptest::prelude::*;

fn packed(bytes: &[u8], frame_bytes: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    let done = pack(bytes, &mut packed, frame_bytes, LEVEL, |_| ()).unwrap();
    assert_eq!(done.read_bytes, bytes.len() as u64);
    assert_eq!(done.written_bytes, packed.len() as u64);
    assert_eq!(u64::from(done.frames), done.read_bytes.div_ceil(u64::from(frame_bytes)));
    packed
}

fn store(bytes: &[u8], frame_bytes: u32) -> ZstdStore<Shelf> {
    ZstdStore::open(Shelf::new(packed(bytes, frame_bytes))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_range_reads_as_what_was_packed(
        content in prop::collection::vec(0..4_u8, 0..3000),
        frame_bytes in 1..700_u32,
        level in 1..6_i32,
        cache_bytes in prop_oneof![Just(0), 1..5000_usize],
        most in prop_oneof![Just(usize::MAX), 1..100_usize],
        reads in prop::collection::vec((0..3200_u64, 0..1500_usize), 1..20),
        together in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        pack(&content[..], &mut bytes, frame_bytes, level, |_| ()).unwrap();
        let mut shelf = Shelf::new(bytes);
        shelf.most = most;
        let store = ZstdStore::open_with_cache(shelf, cache_bytes).unwrap();
        prop_assert_eq!(store.len().unwrap(), content.len() as u64);
        let expected = |offset: u64, len: usize| {
            let rest = content.get(offset as usize..).unwrap_or_default();
            rest[..len.min(rest.len())].to_vec()
        };
        let mut bufs: Vec<_> = reads.iter().map(|&(_, len)| vec![0xee; len]).collect();
        if together {
            let offsets = reads.iter().map(|&(offset, _)| offset);
            let mut requests: Vec<_> = bufs
                .iter_mut()
                .zip(offsets)
                .map(|(buf, offset)| ReadRequest::new(buf, offset))
                .collect();
            store.read_many(&mut requests);
            let counts: Vec<_> = requests.into_iter().map(|r| r.outcome.unwrap()).collect();
            for (buf, count) in bufs.iter_mut().zip(counts) {
                buf.truncate(count);
            }
        } else {
            for (buf, &(offset, _)) in bufs.iter_mut().zip(&reads) {
                let count = store.read_full_at(buf, offset).unwrap();
                buf.truncate(count);
            }
        }
        for (buf, &(offset, len)) in bufs.iter().zip(&reads) {
            prop_assert_eq!(buf, &expected(offset, len));
        }
    }
}

#[test]
fn a_byte_costs_one_frame_and_the_next_one_beside_it_none() {
    let content = text(1 << 20);
    let store = store(&content, FRAME_BYTES);
    store.inner().reads();
    let mut byte = [0];
    for offset in [300_000, 300_001, 262_144] {
        store.read_full_at(&mut byte, offset).unwrap();
        assert_eq!(byte[0], content[offset as usize]);
    }
    assert_eq!((store.decoded_frames(), store.inner().reads()), (1, 1));
}

#[test]
fn frames_side_by_side_are_read_below_at_once() {
    let content = text(1 << 20);
    let store = store(&content, FRAME_BYTES);
    store.inner().reads();
    let mut bytes = vec![0; 512 << 10];
    assert_eq!(store.read_at(&mut bytes, 100_000).unwrap(), bytes.len());
    assert_eq!(bytes, content[100_000..100_000 + bytes.len()]);
    assert_eq!((store.decoded_frames(), store.inner().reads()), (9, 1));
}

#[test]
fn reads_that_are_asked_for_together_are_together_below() {
    let content = text(1 << 20);
    let store = store(&content, FRAME_BYTES);
    let mut bufs = vec![vec![0; FRAME_BYTES as usize]; 8];
    let offsets = (0..).step_by(2 * FRAME_BYTES as usize);
    let mut requests: Vec<_> =
        bufs.iter_mut().zip(offsets).map(|(buf, at)| ReadRequest::new(buf, at)).collect();
    store.read_many(&mut requests);
    for request in requests {
        assert_eq!(request.outcome.unwrap(), FRAME_BYTES as usize);
        let at = request.offset as usize;
        assert_eq!(*request.buf, content[at..at + FRAME_BYTES as usize]);
    }
    assert_eq!(store.inner().batches.load(Ordering::SeqCst), 1);
    assert_eq!(store.decoded_frames(), 8);
}

#[test]
fn threads_that_need_one_frame_decode_it_once() {
    for whole in [false, true] {
        let content = text(4 * FRAME_BYTES as usize);
        let mut shelf = Shelf::new(packed(&content, FRAME_BYTES));
        shelf.delay = Duration::from_millis(100);
        // Nothing is kept: they get it from each other.
        let store = ZstdStore::open_with_cache(shelf, 0).unwrap();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for index in 0..8 {
                let (store, barrier, content) = (&store, &barrier, &content);
                scope.spawn(move || {
                    let len = if whole { FRAME_BYTES as usize } else { 100 };
                    let at = FRAME_BYTES as usize + if whole { 0 } else { index };
                    let mut bytes = vec![0; len];
                    barrier.wait();
                    assert_eq!(store.read_full_at(&mut bytes, at as u64).unwrap(), len);
                    assert_eq!(bytes, content[at..at + len]);
                });
            }
        });
        assert_eq!(store.decoded_frames(), 1, "whole: {whole}");
    }
}

#[test]
fn threads_that_need_different_frames_do_not_wait_for_each_other() {
    let content = text(8 * FRAME_BYTES as usize);
    let mut shelf = Shelf::new(packed(&content, FRAME_BYTES));
    shelf.delay = Duration::from_millis(200);
    let store = ZstdStore::open(shelf).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        for index in 0..8 {
            let store = &store;
            let mut byte = [0];
            let at = index * u64::from(FRAME_BYTES);
            scope.spawn(move || store.read_full_at(&mut byte, at).unwrap());
        }
    });
    assert!(store.inner().most_under_way.load(Ordering::SeqCst) > 4);
    assert!(begun.elapsed() < Duration::from_millis(1200), "{:?}", begun.elapsed());
}

#[test]
fn readers_of_overlapping_runs_do_not_lock_each_other_out() {
    let content = text(1 << 20);
    let mut shelf = Shelf::new(packed(&content, 4096));
    shelf.delay = Duration::from_micros(50);
    let store = Arc::new(ZstdStore::open_with_cache(shelf, 64 << 10).unwrap());
    thread::scope(|scope| {
        for seed in 1..=4_u64 {
            let (store, content) = (&store, &content);
            scope.spawn(move || {
                let mut state = seed;
                for _ in 0..100 {
                    state =
                        state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let at = (state >> 33) as usize % content.len();
                    let len = (state >> 20) as usize % 50_000;
                    let mut bytes = vec![0; len];
                    let count = store.read_full_at(&mut bytes, at as u64).unwrap();
                    assert_eq!(bytes[..count], content[at..(at + len).min(content.len())]);
                }
            });
        }
    });
}

#[test]
fn a_store_that_fails_fails_every_reader_and_no_later_one() {
    let content = text(1 << 20);
    let mut shelf = Shelf::new(packed(&content, FRAME_BYTES));
    shelf.delay = Duration::from_millis(50);
    let store = ZstdStore::open(shelf).unwrap();
    store.inner().fails_from.store(0, Ordering::SeqCst);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = store.read_full_at(&mut [0; 10], 5).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable);
            });
        }
    });
    let mut bufs = [[0; 10]; 3];
    let mut requests: Vec<_> = bufs.iter_mut().map(|buf| ReadRequest::new(buf, 5)).collect();
    store.read_many(&mut requests);
    assert!(requests.iter().all(|request| request.outcome.is_err()));
    store.inner().fails_from.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(read_all(&store).unwrap(), content);
}

#[test]
fn what_is_before_a_failure_is_read() {
    let content = noise(10 * 4096);
    let store = store(&content, 4096);
    {
        let mut below = store.inner().bytes.write().unwrap();
        let middle = below.len() / 2;
        below[middle] ^= 1;
    }
    let mut bytes = vec![0; content.len()];
    let count = store.read_at(&mut bytes, 0).unwrap();
    assert!(count >= 4 * 4096 && count < content.len(), "{count}");
    assert_eq!(bytes[..count], content[..count]);
    let error = store.read_at(&mut bytes, count as u64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.bytes(), Some(count as u64..count as u64 + 4096));
    assert!(error.to_string().starts_with("cannot read shelf, bytes "), "{error}");
    let after = count as u64 + 4096;
    let rest = store.read_full_at(&mut bytes, after).unwrap();
    assert_eq!(bytes[..rest], content[after as usize..]);
}

#[test]
fn capabilities_follow_the_frames_and_the_store_below() {
    let content = text(1 << 20);
    for (frame_bytes, granule) in
        [(1 << 16, 1 << 16), (1000, 4096), (100_000, 1 << 17), (1 << 19, 1 << 19)]
    {
        let store = store(&content, frame_bytes);
        let capabilities = store.capabilities();
        assert_eq!(capabilities.granule_bytes(), granule, "{frame_bytes}");
        assert_eq!(capabilities.cost(), Cost::Local);
        assert!(capabilities.is_fixed_version());
        assert!(!capabilities.is_writable() && !capabilities.is_resizable());
        assert_eq!(store.frame_bytes(), Some(u64::from(frame_bytes)));
    }
    let huge = store(&vec![0; 9 << 20], 4 << 20);
    assert_eq!(huge.capabilities().granule_bytes(), 2 << 20);

    let mut far = Shelf::new(packed(&content, FRAME_BYTES));
    far.capabilities = Capabilities::new(Cost::Network).concurrency(40);
    let far = ZstdStore::open(far).unwrap();
    assert_eq!(far.capabilities().cost(), Cost::Network);
    assert_eq!(far.capabilities().granule_bytes(), 1 << 20);
    assert_eq!(far.capabilities().concurrency_or_default(), 40);
    assert!(!far.capabilities().is_fixed_version());
    assert_eq!(far.identity().as_deref(), Some(&*format!("zstd:shelf {}", far.inner().number)));
    let below = far.inner().version().unwrap();
    assert_eq!(far.version(), Some(format!("zstd:{below}")));
    assert_eq!(far.name(), "shelf");
    assert_eq!(far.write_at(b"x", 0).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(far.resize(0).unwrap_err().kind(), ErrorKind::Unsupported);
    far.sync().unwrap();
}

#[test]
fn ranges_at_the_end_of_everything_are_no_trouble() {
    let content = text(10_000);
    let store = store(&content, 4096);
    let mut bytes = [0; 100];
    assert_eq!(store.read_at(&mut bytes, 10_000).unwrap(), 0);
    assert_eq!(store.read_at(&mut bytes, u64::MAX).unwrap(), 0);
    assert_eq!(store.read_at(&mut bytes, 9_950).unwrap(), 50);
    assert_eq!(store.read_at(&mut [], 5).unwrap(), 0);
}

#[test]
fn nothing_packs_to_a_store_of_no_bytes() {
    let store = store(b"", FRAME_BYTES);
    assert!(store.is_empty().unwrap());
    assert_eq!((store.frames(), store.frame_bytes()), (0, None));
    assert_eq!(store.read_at(&mut [0; 10], 0).unwrap(), 0);
    store.capabilities();
}

#[test]
fn another_version_below_is_a_change_and_no_corruption() {
    let content = noise(100_000);
    let store = store(&content, 4096);
    store.inner().bytes.write().unwrap().truncate(5000);
    let at = 50_000;
    assert_eq!(common::kind(store.read_at(&mut [0; 10], at)), ErrorKind::Truncated);
    *store.inner().version.lock().unwrap() = Some("2".into());
    assert_eq!(common::kind(store.read_at(&mut [0; 10], at)), ErrorKind::Changed);
    *store.inner().bytes.write().unwrap() = packed(&text(3_000_000), 4096);
    assert_eq!(common::kind(store.read_at(&mut [0; 10], at)), ErrorKind::Changed);
}
