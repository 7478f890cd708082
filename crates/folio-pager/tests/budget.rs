//! The budget as the kernel sees it: memory of the whole process, asked for all the while.

mod common;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use common::Random;
use folio_pager::{Budget, Pager};
use folio_store::{Capabilities, Cost, MemoryStore, Result, Store};

const BUDGET: u64 = 16 << 20;
/// What the process may have besides: stacks and heaps of its threads, and the pager's own records.
const BESIDES: u64 = 4 << 20;
const LEN: usize = 256 << 20;

/// Holds nothing, and takes all writes.
struct Sink;

impl Store for Sink {
    fn name(&self) -> String {
        "a sink".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(LEN as u64)
    }
    fn read_at(&self, buf: &mut [u8], _: u64) -> Result<usize> {
        buf.fill(7);
        Ok(buf.len())
    }
    fn write_at(&self, bytes: &[u8], _: u64) -> Result<usize> {
        Ok(bytes.len())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Local).writable(true)
    }
}

/// Bytes of anonymous memory that this process has. What smaps says counts pages twice that are moved
/// meanwhile.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

/// The most that the process has while `work` runs, above what it had before. `work` is handed a way to
/// have it looked at, too.
fn peak(work: impl FnOnce(&dyn Fn())) -> u64 {
    let before = resident();
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let look = || {
        most.fetch_max(resident(), SeqCst);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                look();
            }
        });
        work(&look);
        done.store(true, SeqCst);
    });
    most.into_inner().saturating_sub(before)
}

#[test]
fn the_process_never_has_more_than_the_budget() {
    for (granule, touches) in [(4 << 10, 3000), (64 << 10, 1000), (2 << 20, 100)] {
        let read = peak(|look| {
            let pager = Pager::new(Budget::bytes(BUDGET)).unwrap();
            let store = MemoryStore::zeros(LEN as u64);
            let map = pager.options().granule(granule).map(store).unwrap();
            std::thread::scope(|scope| {
                for seed in 1..5 {
                    let map = &map;
                    scope.spawn(move || {
                        let mut random = Random(seed);
                        let mut byte = [0];
                        for turn in 0..touches {
                            let at = match seed {
                                1 => turn * 70_000 % LEN,
                                _ => random.below(LEN),
                            };
                            map.read_at(at, &mut byte).unwrap();
                        }
                    });
                }
            });
            look();
            assert!(pager.statistics().evictions > 0);
        });
        assert!(read <= BUDGET + BESIDES, "{granule}: {read} read");
        assert!(read >= BUDGET / 2, "{granule}: {read} read");
        let written = peak(|look| {
            let pager = Pager::new(Budget::bytes(BUDGET)).unwrap();
            let map = pager.options().granule(granule).shared(Sink).unwrap();
            std::thread::scope(|scope| {
                for seed in 1..5 {
                    let map = &map;
                    scope.spawn(move || {
                        let mut random = Random(seed);
                        for _ in 0..touches {
                            map.write_at(random.below(LEN - 8), &[9; 8]).unwrap();
                        }
                    });
                }
            });
            look();
            map.flush(..).unwrap();
        });
        assert!(written <= BUDGET + BESIDES, "{granule}: {written} written");
    }
}
