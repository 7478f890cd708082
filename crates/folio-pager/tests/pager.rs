//! What a program sees of a pager: bytes, faults, memory.

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use common::{Ram, Random, pager, pattern};
use folio::Advice;
use folio_pager::{Budget, ErrorKind, Pager, Replacement};

#[test]
fn bytes_are_those_of_the_store_whatever_the_granule() {
    let bytes = pattern(3_000_001);
    for granule in [4096, 8192, 65536, 1 << 20, 2 << 20] {
        let pager = pager(8 << 20);
        let map = pager.options().granule(granule).map(Ram::fixed(bytes.clone())).unwrap();
        assert_eq!(map.len(), bytes.len());
        assert!(map.as_slice().unwrap() == bytes, "{granule}");
        let mut some = vec![0; 10_000];
        map.read_at(1_234_567, &mut some).unwrap();
        assert_eq!(some, bytes[1_234_567..1_244_567]);
        map.check().unwrap();
    }
}

#[test]
fn more_is_mapped_than_the_budget_holds() {
    let bytes = pattern(16 << 20);
    for replacement in [Replacement::Clock, Replacement::Sieve, Replacement::S3Fifo] {
        for (budget, granule) in [(8192, 4096), (12288, 4096), (1 << 20, 4096), (2 << 20, 65536)] {
            let pager = Pager::new(Budget::bytes(budget).replacement(replacement)).unwrap();
            let map = pager.options().granule(granule).map(Ram::fixed(bytes.clone())).unwrap();
            let slice = map.as_slice().unwrap();
            let mut random = Random(7);
            for _ in 0..5000 {
                let at = random.below(slice.len());
                assert_eq!(slice[at], bytes[at], "{at}");
            }
            assert!(pager.charged_bytes() <= budget);
            assert!(pager.statistics().evictions > 0);
        }
    }
}

#[test]
fn threads_see_the_same_bytes_under_pressure() {
    let bytes = pattern(8 << 20);
    for replacement in [Replacement::Clock, Replacement::Sieve, Replacement::S3Fifo] {
        let pager = Pager::new(Budget::bytes(1 << 20).replacement(replacement)).unwrap();
        let map = pager.options().granule(4096).map(Ram::fixed(bytes.clone())).unwrap();
        let slice = map.as_slice().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let bytes = &bytes;
                scope.spawn(move || {
                    let mut random = Random(thread + 1);
                    for _ in 0..5000 {
                        // Half of the touches are of a tenth of the bytes.
                        let end = if random.below(2) == 0 { slice.len() / 10 } else { slice.len() };
                        let at = random.below(end);
                        assert_eq!(slice[at], bytes[at], "{at}");
                    }
                });
            }
        });
    }
}

#[test]
fn what_is_written_is_in_the_store_after_a_flush() {
    for (budget, granule) in [(16384, 4096), (1 << 20, 4096), (4 << 20, 65536), (8 << 20, 1 << 20)]
    {
        let mut bytes = pattern(6_000_001);
        let store = Ram::new(bytes.clone());
        let pager = pager(budget);
        let map = pager.options().granule(granule).shared(store.clone()).unwrap();
        let mut random = Random(3);
        for round in 0..1000 {
            let at = random.below(bytes.len() - 5000);
            let new: Vec<u8> = (0..random.below(5000)).map(|_| random.next() as u8).collect();
            map.write_at(at, &new).unwrap();
            bytes[at..at + new.len()].copy_from_slice(&new);
            if round % 100 == 0 {
                map.flush(..).unwrap();
                assert!(store.content() == bytes, "{round}");
            }
        }
        let mut all = vec![0; bytes.len()];
        map.read_at(0, &mut all).unwrap();
        assert!(all == bytes);
        drop(map);
        assert!(store.content() == bytes);
        assert_eq!(pager.charged_bytes() & 0xffff, 0);
    }
}

#[test]
fn a_store_that_fails_is_an_error_and_zeros_and_can_recover() {
    let bytes = pattern(1 << 20);
    let store = Ram::fixed(bytes.clone());
    let pager = pager(1 << 20);
    let mut map = pager.options().granule(4096).map(store.clone()).unwrap();
    store.0.failing.store(true, SeqCst);
    let mut buf = [0; 10];
    let error = map.read_at(5000, &mut buf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fault);
    assert_eq!(error.fault().unwrap().offset(), 4096);
    assert_eq!(error.to_string(), "cannot read ram: told to");
    assert!(map.pin(0..10).is_err());
    map.check().unwrap();
    assert_eq!(map.as_slice().unwrap()[20_000], 0);
    assert_eq!(map.check().unwrap_err().fault().unwrap().offset(), 16384);
    store.0.failing.store(false, SeqCst);
    map.read_at(5000, &mut buf).unwrap();
    assert_eq!(buf, bytes[5000..5010]);
    // A slice may show the zeros.
    assert!(map.read_at(20_000, &mut buf).is_err());
    assert!(map.retry());
    map.read_at(20_000, &mut buf).unwrap();
    assert_eq!(buf, bytes[20_000..20_010]);
    assert_eq!(map.take_fault().unwrap().offset(), 16384);
    map.check().unwrap();
}

#[test]
fn what_could_not_be_written_back_is_told_by_the_next_flush_and_kept() {
    let store = Ram::new(pattern(1 << 20));
    let pager = pager(1 << 20);
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    map.write_at(10_000, b"hello").unwrap();
    store.0.write_failing.store(true, SeqCst);
    assert_eq!(map.flush(..).unwrap_err().kind(), ErrorKind::Fault);
    let mut buf = [0; 5];
    map.read_at(10_000, &mut buf).unwrap();
    assert_eq!(&buf, b"hello");
    store.0.write_failing.store(false, SeqCst);
    map.flush(..).unwrap();
    assert_eq!(&store.content()[10_000..10_005], b"hello");
}

#[test]
fn pinned_bytes_stay_as_they_are() {
    let store = Ram::new(pattern(1 << 20));
    let bytes = store.content();
    let pager = pager(256 << 10);
    let map = pager.options().granule(4096).shared(store).unwrap();
    map.write_at(5000, b"dirty").unwrap();
    let page = map.pin(4096..8192).unwrap();
    assert_eq!(&page[904..909], b"dirty");
    assert_eq!(map.write_at(5000, b"again").unwrap_err().kind(), ErrorKind::Pinned);
    map.evict(..).unwrap();
    for at in (0..bytes.len()).step_by(4096) {
        let mut byte = [0];
        map.read_at(at, &mut byte).unwrap();
        assert_eq!(byte[0], bytes[at]);
    }
    assert_eq!(&page[904..909], b"dirty");
    drop(page);
    map.write_at(5000, b"again").unwrap();
    assert_eq!(map.pin(..).unwrap_err().kind(), ErrorKind::Budget);
}

#[test]
fn a_prefetched_range_is_in_memory() {
    let bytes = pattern(4 << 20);
    let store = Ram::fixed(bytes.clone());
    let pager = pager(16 << 20);
    let map = pager.options().granule(4096).map(store.clone()).unwrap();
    assert_eq!(map.prefetch(1 << 20..2 << 20).wait().unwrap(), 1 << 20..2 << 20);
    let reads = store.0.reads.load(SeqCst);
    assert!(map.as_slice().unwrap()[1 << 20..2 << 20] == bytes[1 << 20..2 << 20]);
    assert_eq!(store.0.reads.load(SeqCst), reads);
    assert_eq!(map.residency(1 << 20..2 << 20).unwrap().resident_bytes, 1 << 20);
    store.0.failing.store(true, SeqCst);
    assert_eq!(map.prefetch(2 << 20..).wait().unwrap_err().kind(), ErrorKind::Fault);
}

/// Touches every `stride`-th page, with a pause after each. True if most were there before.
fn is_read_ahead(bytes: &[u8], stride: isize, pause: Duration) -> bool {
    let pager = pager(32 << 20);
    let map = pager.options().granule(4096).map(Ram::fixed(bytes.to_vec())).unwrap();
    let slice = map.as_slice().unwrap();
    let mut page = if stride > 0 { 0 } else { 1023 };
    while (0..1024).contains(&page) {
        assert_eq!(slice[page as usize * 4096], bytes[page as usize * 4096]);
        std::thread::sleep(pause);
        page += stride;
    }
    let statistics = map.statistics();
    let touched = 1024 / stride.unsigned_abs() as u64;
    statistics.loads < touched / 3 && statistics.prefetch_hits > 0
}

#[test]
fn a_prefetch_evicts_little_more_than_it_needs() {
    // So large that runs are huge pages, which are evicted as a whole.
    let pager = pager(64 << 20);
    if pager.mechanism().contains("without") {
        let test = "a_prefetch_evicts_little_more_than_it_needs";
        eprintln!("skipped: {test}: {}: buffers need room too", pager.mechanism());
        return;
    }
    let map = pager.options().granule(16384).map(Ram::fixed(vec![1; 128 << 20])).unwrap();
    map.prefetch(..20 << 20).wait().unwrap();
    let range = 64 << 20..112 << 20;
    assert_eq!(map.prefetch(range.clone()).wait().unwrap(), range);
    assert_eq!(map.residency(range).unwrap().resident_bytes, 48 << 20);
    let evicted = map.statistics().evictions * map.granule_bytes() as u64;
    assert!(evicted <= 16 << 20, "{evicted}");
}

#[test]
fn a_run_is_read_ahead_in_every_direction() {
    let bytes = pattern(4 << 20);
    for stride in [1, -1, 3, -5] {
        // On a busy machine the pager's threads need longer to be there first.
        let pauses = [50, 200, 1000, 5000].map(Duration::from_micros);
        assert!(pauses.into_iter().any(|pause| is_read_ahead(&bytes, stride, pause)), "{stride}");
    }
}

#[test]
fn read_ahead_stays_close_however_slow_the_store() {
    let bytes = pattern(4 << 20);
    let store = Ram::fixed(bytes.clone());
    store.0.delay_micros.store(3000, SeqCst);
    let pager = pager(256 << 10);
    let map = pager.options().granule(4096).map(store).unwrap();
    let slice = map.as_slice().unwrap();
    // An eighth of the budget is the longest window: 8 granules.
    for page in 0..100 {
        assert_eq!(slice[page * 4096], bytes[page * 4096]);
        let behind = map.residency((page + 20) * 4096..).unwrap();
        assert_eq!(behind.resident_bytes, 0, "{page}");
    }
}

#[test]
fn two_mappings_of_an_object_are_coherent() {
    let store = Ram::new(pattern(1 << 20));
    let pager = pager(1 << 20);
    let reader = pager.map(store.clone()).unwrap();
    let mut buf = [0; 4];
    reader.read_at(100, &mut buf).unwrap();
    let writer = pager.options().offset(50).shared(store.clone()).unwrap();
    writer.write_at(50, b"abcd").unwrap();
    reader.read_at(100, &mut buf).unwrap();
    assert_eq!(&buf, b"abcd");
    assert_eq!(reader.as_ptr() as usize + 50, writer.as_ptr() as usize);
    drop(writer);
    drop(reader);
    assert_eq!(&store.content()[100..104], b"abcd");
}

#[test]
fn private_changes_stay_with_the_mapping_however_small_the_budget() {
    let mut bytes = pattern(2_000_001);
    let store = Ram::new(bytes.clone());
    for granule in [4096, 65536] {
        let pager = pager(2 * granule as u64 + (granule as u64 * 10));
        let map = pager.options().granule(granule).private(store.clone()).unwrap();
        let mut random = Random(5);
        for _ in 0..1000 {
            let at = random.below(bytes.len() - 3000);
            let new: Vec<u8> = (0..random.below(3000)).map(|_| random.next() as u8).collect();
            map.write_at(at, &new).unwrap();
            bytes[at..at + new.len()].copy_from_slice(&new);
        }
        let mut all = vec![0; bytes.len()];
        map.read_at(0, &mut all).unwrap();
        assert!(all == bytes);
        assert!(pager.statistics().evictions > 0);
        bytes = store.content();
    }
    assert!(bytes == pattern(2_000_001));
}

#[test]
fn a_snapshot_does_not_change_whatever_becomes_of_the_store() {
    let bytes = pattern(1_000_001);
    let store = Ram::new(bytes.clone());
    let pager = pager(128 << 10);
    let map = pager.options().granule(4096).snapshot(store.clone()).unwrap();
    let slice = map.as_slice().unwrap();
    assert!(slice[..500_000] == bytes[..500_000]);
    store.0.bytes.lock().unwrap().fill(9);
    assert!(slice[..500_000] == bytes[..500_000]);
    let other = slice.iter().enumerate().skip(700_000).find(|(_, byte)| **byte != 9);
    assert_eq!(other, None);
    store.0.bytes.lock().unwrap().truncate(10);
    assert!(slice[..500_000] == bytes[..500_000]);
    map.check().unwrap();
    assert_eq!(pager.map(store).unwrap().as_slice().unwrap_err().kind(), ErrorKind::NotStable);
}

#[test]
fn granules_of_2_mib_are_huge_pages_where_the_kernel_has_some() {
    let enabled = "/sys/kernel/mm/transparent_hugepage/enabled";
    let enabled = std::fs::read_to_string(enabled).unwrap_or_default();
    let pager = pager(16 << 20);
    let map = pager.options().granule(2 << 20).map(Ram::fixed(pattern(8 << 20))).unwrap();
    if enabled.is_empty() || enabled.contains("[never]") || pager.mechanism() != "userfaultfd" {
        eprintln!(
            "skipped: granules_of_2_mib_are_huge_pages_where_the_kernel_has_some: {enabled:?}, {}",
            pager.mechanism()
        );
        return;
    }
    assert!(map.as_slice().unwrap().iter().step_by(4096).filter(|byte| **byte != 0).count() > 0);
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let start = format!("{:x}-", map.as_ptr().addr());
    let part = smaps.split_once(&start).unwrap().1;
    let huge = part.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap();
    assert_eq!(huge.trim(), "8192 kB");
}

/// Panics when it is read.
struct Panics;

impl folio_store::Store for Panics {
    fn name(&self) -> String {
        "a store with a bug".into()
    }
    fn len(&self) -> folio_store::Result<u64> {
        Ok(1 << 20)
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> folio_store::Result<usize> {
        panic!("a bug");
    }
    fn capabilities(&self) -> folio_store::Capabilities {
        folio_store::Capabilities::new(folio_store::Cost::Local).fixed_version(true)
    }
}

#[test]
fn a_store_that_panics_is_an_error_and_zeros() {
    let pager = pager(1 << 20);
    let map = pager.map(Panics).unwrap();
    let error = map.read_at(0, &mut [0]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read a store with a bug: the store panicked");
    assert!(map.prefetch(..).wait().is_err());
    assert_eq!(map.as_slice().unwrap()[100_000], 0);
    assert!(map.check().is_err());
}

#[test]
fn dirty_bytes_that_cannot_be_written_back_fill_the_budget_and_are_kept() {
    let store = Ram::new(pattern(1 << 20));
    let pager = pager(256 << 10);
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    // What is read ahead is clean, and makes room.
    map.advise(.., Advice::Random).unwrap();
    store.0.write_failing.store(true, SeqCst);
    let written =
        (0..256).take_while(|page| map.write_at(page * 4096, &[77; 4096]).is_ok()).count();
    assert!((8..=64).contains(&written), "{written}");
    let mut buf = [0; 4096];
    let error = map.read_at(900_000, &mut buf).unwrap_err();
    assert!(error.to_string().contains("told to"), "{error}");
    for page in 0..written {
        map.read_at(page * 4096, &mut buf).unwrap();
        assert_eq!(buf, [77; 4096]);
    }
    store.0.write_failing.store(false, SeqCst);
    assert!(map.flush(..).is_err());
    map.flush(..).unwrap();
    assert!(store.content()[..written * 4096].iter().all(|byte| *byte == 77));
}

#[test]
fn what_a_failed_sync_may_have_lost_is_written_again_or_told_for_ever() {
    let store = Ram::new(pattern(1 << 20));
    let pager = pager(1 << 20);
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    map.write_at(10_000, b"hello").unwrap();
    store.0.sync_failing.store(true, SeqCst);
    assert_eq!(map.flush(..).unwrap_err().to_string(), "cannot flush: cannot sync ram: told to");
    // The store has forgotten it, as a disk may.
    store.0.bytes.lock().unwrap()[10_000..10_005].fill(0);
    store.0.sync_failing.store(false, SeqCst);
    map.flush(..).unwrap();
    assert_eq!(&store.content()[10_000..10_005], b"hello");

    map.write_at(50_000, b"world").unwrap();
    map.evict(..).unwrap();
    store.0.sync_failing.store(true, SeqCst);
    assert!(map.flush(..).is_err());
    store.0.sync_failing.store(false, SeqCst);
    for _ in 0..2 {
        let error = map.flush(..).unwrap_err().to_string();
        assert!(error.contains("an earlier sync failed"), "{error}");
    }
    // What lasted before is not meant.
    drop(map);
    let map = pager.options().granule(4096).shared(store).unwrap();
    map.flush(..).unwrap();
}

#[test]
fn what_a_slice_has_shown_comes_again_when_the_store_is_gone() {
    let bytes = pattern(1 << 20);
    let store = Ram::fixed(bytes.clone());
    let pager = pager(64 << 10);
    let map = pager.options().granule(4096).map(store.clone()).unwrap();
    let mut byte = [0];
    map.read_at(5, &mut byte).unwrap();
    let slice = map.as_slice().unwrap();
    assert!(slice[..700_000] == bytes[..700_000]);
    store.0.failing.store(true, SeqCst);
    assert!(slice[..700_000] == bytes[..700_000]);
    map.check().unwrap();
    assert_eq!(slice[800_000], 0);
    assert_eq!(map.check().unwrap_err().fault().unwrap().offset(), 798_720);
}

#[test]
fn shared_mappings_in_little_memory_write_only_what_was_written() {
    let store = Ram::new(pattern(1 << 20));
    for budget in [8192, 16384, 100_000] {
        let pager = pager(budget);
        let map = pager.options().granule(4096).shared(store.clone()).unwrap();
        let mut all = vec![0; 1 << 20];
        map.read_at(0, &mut all).unwrap();
        map.write_at(5000, b"x").unwrap();
        map.read_at(0, &mut all).unwrap();
        map.flush(..).unwrap();
        assert_eq!(map.statistics().written_bytes, 4096, "{budget}");
    }
}

#[test]
fn whatever_is_pinned_the_rest_can_be_touched() {
    let bytes = pattern(1 << 20);
    let pager = pager(512 << 10);
    let small = pager.options().granule(4096).map(Ram::fixed(bytes.clone())).unwrap();
    let large = pager.options().granule(65536).map(Ram::fixed(bytes.clone())).unwrap();
    let mut pins = Vec::new();
    let error = loop {
        match small.pin(pins.len() * 4096..(pins.len() + 1) * 4096) {
            Ok(pin) => pins.push(pin),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(pins.len() > 32, "{}", pins.len());
    assert!(large.as_slice().unwrap() == bytes);
    assert!(small.as_slice().unwrap() == bytes);
    large.check().unwrap();
    small.check().unwrap();
    let error = pager.options().granule(256 << 10).map(Ram::fixed(bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
}

#[test]
fn advice_in_time_chooses_the_granule() {
    let pager = pager(16 << 20);
    let granule = |advice| {
        let store = Ram::fixed(pattern(16 << 20));
        pager.options().advice(advice).map(store).map(|map| map.granule_bytes())
    };
    assert_eq!(granule(Advice::Sequential).unwrap(), 2 << 20);
    assert_eq!(granule(Advice::Random).unwrap(), 4096);
    let error = granule(Advice::Collapse).unwrap_err();
    assert_eq!(error.to_string(), "cannot advise ram: Collapse means nothing for paged mappings");
}

/// Shows its bytes, and counts the reads of those who want a copy.
struct Shown(Vec<u8>, Arc<AtomicU64>);

impl folio_store::Store for Shown {
    fn name(&self) -> String {
        "shown".into()
    }
    fn len(&self) -> folio_store::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
        self.1.fetch_add(1, SeqCst);
        let rest = &self.0[(offset as usize).min(self.0.len())..];
        let count = buf.len().min(rest.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn capabilities(&self) -> folio_store::Capabilities {
        let capabilities = folio_store::Capabilities::new(folio_store::Cost::Memory);
        capabilities.fixed_version(true).infallible(true).touching_mappings(false)
    }
    fn bytes(&self, range: std::ops::Range<u64>) -> Option<&[u8]> {
        self.0.get(range.start as usize..range.end as usize)
    }
}

#[test]
fn a_store_that_shows_its_bytes_is_not_read() {
    let (bytes, reads) = (pattern((1 << 20) - 100), Arc::new(AtomicU64::new(0)));
    let pager = pager(256 << 10);
    let options = pager.options().granule(4096).advice(Advice::Random);
    let map = options.map(Shown(bytes.clone(), reads.clone())).unwrap();
    for _ in 0..2 {
        assert!(map.as_slice().unwrap() == bytes);
    }
    if pager.mechanism() != "page protection" {
        // The last granule, behind which there is nothing to be shown, is read.
        assert_eq!(reads.load(SeqCst), 2);
    }
}
