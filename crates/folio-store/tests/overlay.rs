//! What an overlay shows, what it asks the stores below for, and what happens when they fail.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use folio_store::testing::{Delay, Fail, Operation, ShortRead, Switch};
use folio_store::{
    Capabilities, Cost, ErrorKind, MemoryStore, Overlay, ReadRequest, Result, Statistics, Store,
};
use proptest::prelude::*;

type Counted = Arc<Statistics<MemoryStore>>;

fn counted(bytes: Vec<u8>) -> Counted {
    Arc::new(Statistics::new(MemoryStore::from(bytes)))
}

fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8 + 1).collect()
}

fn all(store: &impl Store) -> Vec<u8> {
    let mut bytes = vec![0xaa; store.len().unwrap() as usize + 1];
    let count = store.read_full_at(&mut bytes, 0).unwrap();
    bytes.truncate(count);
    bytes
}

fn over(len: usize) -> (Overlay<Counted, Counted>, Counted, Counted) {
    let (lower, upper) = (counted(ramp(len)), counted(Vec::new()));
    (Overlay::new(lower.clone(), upper.clone()).unwrap(), lower, upper)
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize, u8),
    Resize(u64),
    Read(u64, usize),
    ReadMany(Vec<(u64, usize)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..12_000, 0_usize..5000, 1_u8..).prop_map(|(at, len, byte)| Step::Write(at, len, byte)),
        1 => (0_u64..12_000).prop_map(Step::Resize),
        2 => (0_u64..12_000, 0_usize..9000).prop_map(|(at, len)| Step::Read(at, len)),
        1 => prop::collection::vec((0_u64..12_000, 0_usize..3000), 0..5).prop_map(Step::ReadMany),
    ]
}

proptest! {
    #[test]
    fn it_is_as_a_copy_of_the_lower_store(
        len in 0_usize..9000,
        block_shift in 9_u32..14,
        steps in prop::collection::vec(step(), 1..60),
        seed in any::<u64>(),
    ) {
        let lower = Arc::new(MemoryStore::from(ramp(len)));
        // Whatever the upper store held before is gone.
        let upper = ShortRead::new(MemoryStore::from(vec![0xbb; 20_000]), seed);
        let overlay = Overlay::new(lower.clone(), upper).unwrap().block_bytes(1 << block_shift);
        let mut model = ramp(len);
        for step in steps {
            match step {
                Step::Write(at, len, byte) => {
                    let bytes = vec![byte; len];
                    overlay.write_all_at(&bytes, at).unwrap();
                    let end = at as usize + len;
                    if len > 0 && model.len() < end {
                        model.resize(end, 0);
                    }
                    if len > 0 {
                        model[at as usize..end].copy_from_slice(&bytes);
                    }
                }
                Step::Resize(len) => {
                    overlay.resize(len).unwrap();
                    model.resize(len as usize, 0);
                }
                Step::Read(at, len) => {
                    let mut bytes = vec![0xaa; len];
                    let count = overlay.read_full_at(&mut bytes, at).unwrap();
                    let start = (at as usize).min(model.len());
                    prop_assert_eq!(&bytes[..count], &model[start..(start + len).min(model.len())]);
                }
                Step::ReadMany(ranges) => {
                    let mut buffers: Vec<_> = ranges.iter().map(|(_, len)| vec![0xaa; *len]).collect();
                    let mut requests: Vec<_> = buffers
                        .iter_mut()
                        .zip(&ranges)
                        .map(|(buffer, (at, _))| ReadRequest::new(buffer, *at))
                        .collect();
                    overlay.read_many(&mut requests);
                    for request in requests {
                        let count = request.outcome.unwrap();
                        let start = (request.offset as usize).min(model.len());
                        let end = (start + request.buf.len()).min(model.len());
                        prop_assert_eq!(&request.buf[..count], &model[start..end]);
                    }
                }
            }
            prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
        }
        prop_assert_eq!(all(&overlay), model);
        prop_assert_eq!(all(&lower), ramp(len));
    }
}

#[test]
fn what_the_upper_store_held_is_gone() {
    let upper = Arc::new(MemoryStore::from(vec![1; 9000]));
    let overlay = Overlay::new(MemoryStore::from(ramp(10_000)), upper.clone()).unwrap();
    assert_eq!(upper.len().unwrap(), 0);
    assert_eq!(all(&overlay), ramp(10_000));
}

#[test]
fn the_lower_store_is_never_written() {
    let (overlay, lower, _) = over(10_000);
    overlay.write_all_at(&[0; 20_000], 5).unwrap();
    overlay.resize(3).unwrap();
    overlay.resize(30_000).unwrap();
    overlay.sync().unwrap();
    let counts = lower.snapshot();
    assert_eq!((counts.write.calls, counts.resize.calls, counts.sync.calls), (0, 0, 0));
    assert_eq!(all(&lower), ramp(10_000));
}

#[test]
fn a_whole_block_is_written_without_reading_the_lower_store() {
    let (overlay, lower, upper) = over(1 << 20);
    let before = upper.snapshot().write.calls;
    overlay.write_all_at(&[9; 64 << 10], 8192).unwrap();
    assert_eq!(lower.snapshot().read.calls, 0);
    assert_eq!(upper.snapshot().write.calls - before, 1, "blocks side by side are one write");
    assert_eq!(overlay.upper_bytes(), 64 << 10);
}

#[test]
fn a_write_up_to_the_end_of_the_lower_store_does_not_read_it() {
    let (overlay, lower, _) = over(4096 + 100);
    overlay.write_all_at(&[9; 100], 4096).unwrap();
    assert_eq!(lower.snapshot().read.calls, 0);
    assert_eq!(all(&overlay)[4096..], [9; 100]);
}

#[test]
fn part_of_a_block_copies_the_rest_of_it_once() {
    let (overlay, lower, _) = over(1 << 20);
    overlay.write_all_at(&[9; 10], 5000).unwrap();
    assert_eq!(lower.snapshot().read.bytes, 4096 - 10);
    overlay.write_all_at(&[8; 10], 6000).unwrap();
    assert_eq!(lower.snapshot().read.bytes, 4096 - 10, "the block was there");
}

#[test]
fn blocks_that_are_there_are_one_read_of_the_upper_store() {
    let (overlay, lower, upper) = over(1 << 20);
    overlay.write_all_at(&[9; 64 << 10], 0).unwrap();
    overlay.read_full_at(&mut [0; 50_000], 77).unwrap();
    assert_eq!((upper.snapshot().read.calls, lower.snapshot().read.calls), (1, 0));
    overlay.read_full_at(&mut [0; 8192], (64 << 10) - 4096).unwrap();
    assert_eq!((upper.snapshot().read.calls, lower.snapshot().read.calls), (2, 1));
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let (overlay, ..) = over(10_000);
    overlay.write_all_at(&[9; 3000], 3000).unwrap();
    for cut in [9000, 5000, 4096, 3500, 1] {
        overlay.resize(cut).unwrap();
        overlay.resize(10_000).unwrap();
        assert_eq!(all(&overlay)[cut as usize..], vec![0; 10_000 - cut as usize]);
    }
    assert_eq!(all(&overlay)[..1], ramp(1));
}

#[test]
fn the_lower_store_growing_is_not_seen_and_shrinking_is_an_error() {
    let (overlay, lower, _) = over(10_000);
    lower.write_all_at(&[7; 100], 10_000).unwrap();
    assert_eq!(all(&overlay), ramp(10_000));
    lower.resize(5000).unwrap();
    let error = overlay.read_full_at(&mut [0; 100], 6000).unwrap_err();
    assert_eq!((error.kind(), error.bytes()), (ErrorKind::Truncated, Some(6000..6100)));
    assert!(error.store().starts_with("overlay of "), "{error}");
    let error = overlay.write_all_at(&[1; 10], 6000).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Truncated, "write"));
    overlay.write_all_at(&[1; 10], 10).unwrap();
}

#[test]
fn a_failed_copy_leaves_the_block_to_the_lower_store() {
    let lower =
        Fail::new(MemoryStore::from(ramp(9000)), ErrorKind::Unavailable).on(Operation::Read);
    let overlay = Overlay::new(lower.nth(1), MemoryStore::from(Vec::new())).unwrap();
    let error = overlay.write_all_at(&[9; 10], 5000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(all(&overlay), ramp(9000));
    overlay.write_all_at(&[9; 10], 5000).unwrap();
    assert_eq!(all(&overlay)[5000..5010], [9; 10]);
}

#[test]
fn a_full_upper_store_fails_the_write_and_no_read() {
    let full = Switch::off();
    let upper = Fail::new(MemoryStore::from(Vec::new()), ErrorKind::NoSpace)
        .on(Operation::Write)
        .while_on(&full);
    let overlay = Overlay::new(MemoryStore::from(ramp(9000)), upper).unwrap();
    overlay.write_all_at(&[9; 10], 0).unwrap();
    full.set(true);
    for offset in [0, 4090, 5000, 9000, 20_000] {
        let error = overlay.write_at(&[8; 10], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    }
    let mut expected = ramp(9000);
    expected[..10].fill(9);
    assert_eq!(all(&overlay), expected);
}

#[test]
fn a_write_that_fails_late_does_not_move_the_end() {
    let upper = Fail::new(MemoryStore::from(Vec::new()), ErrorKind::NoSpace).on(Operation::Write);
    let overlay = Overlay::new(MemoryStore::from(ramp(9000)), upper.nth(3)).unwrap();
    overlay.write_at(&[9; 9000], 8000).unwrap_err();
    assert_eq!(overlay.len().unwrap(), 9000);
    let bytes = all(&overlay);
    assert_eq!(bytes[..8000], ramp(8000));
    assert!(
        bytes[8000..].iter().zip(&ramp(9000)[8000..]).all(|(got, old)| [9, *old].contains(got))
    );
    overlay.resize(20_000).unwrap();
    assert_eq!(all(&overlay)[9000..], [0; 11_000]);
}

#[test]
fn a_tail_of_a_failed_write_is_not_seen_when_the_store_grows() {
    /// Writes only half, then fails.
    struct Half(MemoryStore, Switch);
    impl Store for Half {
        fn name(&self) -> String {
            "half".into()
        }
        fn len(&self) -> Result<u64> {
            self.0.len()
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
            self.0.read_at(buf, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
            if !self.1.is_on() {
                return self.0.write_at(bytes, offset);
            }
            self.0.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            let end = offset + bytes.len() as u64;
            Err(folio_store::Error::new(ErrorKind::Io, "write", "half").range(offset..end))
        }
        fn resize(&self, len: u64) -> Result<()> {
            self.0.resize(len)
        }
        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }
    }
    let broken = Switch::off();
    let upper = Half(MemoryStore::from(Vec::new()), broken.clone());
    let overlay = Overlay::new(MemoryStore::from(Vec::new()), upper).unwrap();
    overlay.write_all_at(&[1; 10], 0).unwrap();
    broken.set(true);
    overlay.write_all_at(&[2; 100], 10).unwrap_err();
    broken.set(false);
    overlay.resize(50).unwrap();
    assert_eq!(all(&overlay)[10..], [0; 40]);
    overlay.write_all_at(&[3; 10], 90).unwrap();
    assert_eq!(all(&overlay)[50..90], [0; 40]);
}

#[test]
fn an_upper_store_that_cannot_take_changes_is_refused() {
    struct Fixed;
    impl Store for Fixed {
        fn name(&self) -> String {
            "fixed".into()
        }
        fn len(&self) -> Result<u64> {
            Ok(10)
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
            Ok(0)
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities::new(Cost::Memory).writable(true)
        }
    }
    let error = Overlay::new(MemoryStore::from(Vec::new()), Fixed).unwrap_err();
    assert_eq!((error.kind(), error.store()), (ErrorKind::Invalid, "fixed"));
}

#[test]
#[should_panic(expected = "a block is a power of two")]
fn a_block_is_a_power_of_two() {
    let _ = over(1).0.block_bytes(3000);
}

#[test]
#[should_panic(expected = "blocks keep their length")]
fn a_block_keeps_its_length() {
    let (overlay, ..) = over(100);
    overlay.write_all_at(&[1], 1).unwrap();
    let _ = overlay.block_bytes(512);
}

/// 2^60 zeros, in no memory.
struct Huge;

impl Store for Huge {
    fn name(&self) -> String {
        "huge".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(1 << 60)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = (buf.len() as u64).min((1_u64 << 60).saturating_sub(offset)) as usize;
        buf[..count].fill(0);
        Ok(count)
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Memory)
    }
}

#[test]
fn a_huge_store_costs_what_is_written() {
    let overlay = Overlay::new(Huge, MemoryStore::from(Vec::new())).unwrap();
    overlay.write_all_at(&[9; 10], 1000).unwrap();
    assert_eq!(overlay.upper_bytes(), 4096);
    let mut bytes = [1; 5000];
    overlay.read_full_at(&mut bytes, (1 << 60) - 4000).unwrap();
    assert_eq!(bytes[..4000], [0; 4000]);
    overlay.resize(u64::MAX).unwrap();
    assert_eq!(overlay.read_full_at(&mut bytes, u64::MAX - 10).unwrap(), 10);
    let error = overlay.write_at(&[1; 10], u64::MAX - 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn halves_of_a_block_written_at_the_same_time_are_both_there() {
    const BLOCKS: u64 = 256;
    let lower = ramp(BLOCKS as usize * 512);
    for _ in 0..20 {
        let (overlay, ..) = over(BLOCKS as usize * 512);
        let overlay = overlay.block_bytes(512);
        thread::scope(|scope| {
            for part in 0..4_u64 {
                let (overlay, lower) = (&overlay, &lower);
                scope.spawn(move || {
                    for block in 0..BLOCKS {
                        let offset = block * 512 + part * 128;
                        // The last quarter is only read: it must show the lower store's bytes.
                        if part < 3 {
                            overlay.write_all_at(&[part as u8; 128], offset).unwrap();
                        }
                        let mut bytes = [0xaa; 128];
                        overlay.read_full_at(&mut bytes, offset).unwrap();
                        if part < 3 {
                            assert_eq!(bytes, [part as u8; 128]);
                        } else {
                            assert_eq!(bytes, lower[offset as usize..][..128]);
                        }
                    }
                });
            }
        });
        let mut expected = lower.clone();
        for block in expected.chunks_mut(512) {
            for part in 0..3 {
                block[part * 128..][..128].fill(part as u8);
            }
        }
        assert_eq!(all(&overlay), expected);
    }
}

#[test]
fn writes_behind_the_end_at_the_same_time_are_all_there() {
    for seed in 0..10 {
        let upper = jittery(MemoryStore::from(Vec::new()), seed);
        let overlay = Overlay::new(MemoryStore::from(ramp(100)), upper).unwrap();
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let overlay = &overlay;
                scope.spawn(move || {
                    for step in 0..20_u64 {
                        let offset = 100 + (step * 4 + thread) * 100;
                        overlay.write_all_at(&[thread as u8 + 1; 100], offset).unwrap();
                    }
                });
            }
        });
        let mut expected = ramp(100);
        expected.extend((0..80).flat_map(|piece| [piece as u8 % 4 + 1; 100]));
        assert_eq!(all(&overlay), expected);
    }
}

/// Takes a moment for each operation, now more and now less.
fn jittery(store: MemoryStore, seed: u64) -> Delay<MemoryStore> {
    Delay::new(store, Duration::ZERO).jitter(Duration::from_micros(200), seed)
}

#[test]
fn a_block_copied_up_does_not_undo_a_write_of_the_whole_block() {
    for seed in 0..100 {
        let lower = jittery(MemoryStore::from(ramp(4096)), seed);
        let upper = jittery(MemoryStore::from(Vec::new()), seed + 1);
        let overlay = Overlay::new(lower, upper).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| overlay.write_all_at(&[1; 4096], 0).unwrap());
            scope.spawn(|| overlay.write_all_at(&[2; 100], 1000).unwrap());
        });
        let bytes = all(&overlay);
        assert!(bytes[..1000].iter().chain(&bytes[1100..]).all(|byte| *byte == 1));
        assert!(bytes[1000..1100] == [1; 100] || bytes[1000..1100] == [2; 100]);
    }
}

#[test]
fn a_write_while_the_store_is_cut_off_is_before_or_after() {
    for seed in 0..100 {
        let lower = jittery(MemoryStore::from(ramp(10_000)), seed);
        let overlay = Overlay::new(lower, MemoryStore::from(Vec::new())).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| overlay.write_all_at(&[9; 100], 8000).unwrap());
            scope.spawn(|| overlay.resize(100).unwrap());
        });
        let len = overlay.len().unwrap();
        assert!([100, 8100].contains(&len), "{len}");
        overlay.resize(10_000).unwrap();
        let mut expected = ramp(100);
        expected.resize(10_000, 0);
        if len == 8100 {
            expected[8000..8100].fill(9);
        }
        assert!(all(&overlay) == expected);
    }
}

#[test]
fn a_read_while_the_store_is_cut_off_is_no_error() {
    /// Does something else before the next read.
    struct Hook(MemoryStore, Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Store for Hook {
        fn name(&self) -> String {
            "hook".into()
        }
        fn len(&self) -> Result<u64> {
            self.0.len()
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
            let hook = self.1.lock().unwrap().take();
            if let Some(hook) = hook {
                hook();
            }
            self.0.read_at(buf, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
            self.0.write_at(bytes, offset)
        }
        fn resize(&self, len: u64) -> Result<()> {
            self.0.resize(len)
        }
        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }
    }
    for (batch, to, expected) in
        [(false, 9000, 10), (true, 9000, 10), (false, 0, 0), (true, 0, 0), (true, 5005, 5)]
    {
        let upper = Arc::new(Hook(MemoryStore::from(Vec::new()), Mutex::default()));
        let overlay = Overlay::new(MemoryStore::from(ramp(9000)), upper.clone()).unwrap();
        let overlay = Arc::new(overlay);
        overlay.write_all_at(&[9; 9000], 0).unwrap();
        let cut = overlay.clone();
        *upper.1.lock().unwrap() = Some(Box::new(move || {
            cut.resize(if to == 9000 { 0 } else { to }).unwrap();
            cut.resize(to).unwrap();
        }));
        let mut bytes = [0xaa; 10];
        let count = if batch {
            let mut requests = [ReadRequest::new(&mut bytes, 5000)];
            overlay.read_many(&mut requests);
            requests[0].outcome.clone().unwrap()
        } else {
            overlay.read_full_at(&mut bytes, 5000).unwrap()
        };
        assert_eq!(count, expected);
        assert!(bytes[..count].iter().all(|byte| *byte == if to == 9000 { 0 } else { 9 }));
    }
}
