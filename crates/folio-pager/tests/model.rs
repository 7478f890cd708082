//! Random operations by several threads, against plain vectors.
//!
//! Each thread owns every n-th area of the object, a few thousand bytes that begin anywhere, so that
//! granules are shared and bytes are not: what a thread reads of its own areas is what it wrote last,
//! whatever the others do to the same granules, and whatever the store does.
//!
//! `FOLIO_MODEL_ROUNDS` says how many rounds there are (with other granules, budgets, policies, stores and
//! ways of mapping each), `FOLIO_MODEL_SEED` with which they begin.
#![allow(unsafe_code)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/watchdog.rs"]
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use common::Random;
use folio::Advice;
use folio_pager::{Budget, Error, ErrorKind, Paged, PagedMut, Pager, Replacement};
use folio_store::testing::{Delay, Fail, Operation, ShortRead, TornWrite};
use folio_store::{ErrorKind as StoreErrorKind, MemoryStore, Store};
use watchdog::Watchdog;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    Failing,
    Torn,
}

#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    granule: usize,
    budget: u64,
    replacement: Replacement,
    len: usize,
    threads: usize,
    steps: usize,
    slow: bool,
    trouble: Trouble,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| _ = random.next());
        let (granule, granules, steps) =
            [(4096, 60, 250), (4096, 200, 250), (65536, 30, 120), (1 << 20, 6, 25)]
                [random.below(4)];
        let held = [2, 2, 3, 5, 9, 20, 70][random.below(7)].min(granules);
        let policies = [Replacement::Clock, Replacement::Sieve, Replacement::S3Fifo];
        Self {
            seed,
            granule,
            budget: (held * granule) as u64,
            replacement: policies[random.below(3)],
            len: granules * granule - random.below(granule),
            threads: 1 + random.below(6),
            steps,
            slow: random.below(3) == 0,
            trouble: [Trouble::None, Trouble::Failing, Trouble::Torn][random.below(3)],
        }
    }

    fn pager(&self) -> Pager {
        let mut budget = Budget::bytes(self.budget).replacement(self.replacement);
        if self.seed.is_multiple_of(2) {
            budget = budget.dirty_bytes(self.budget / 2);
        }
        Pager::new(budget).unwrap()
    }

    /// The store, with the troubles of the plan on top.
    fn store(&self, base: &Arc<MemoryStore>) -> Arc<dyn Store> {
        let seed = self.seed;
        let short = ShortRead::new(base.clone(), seed);
        let time = Duration::from_micros(if self.slow { 200 } else { 0 });
        let slow = Delay::new(short, Duration::ZERO).jitter(time, seed);
        match self.trouble {
            Trouble::None => Arc::new(slow),
            Trouble::Failing => {
                let fail = Fail::new(slow, StoreErrorKind::Io);
                Arc::new(fail.on(Operation::Read).on(Operation::Write).every(7))
            }
            Trouble::Torn => Arc::new(TornWrite::new(slow).unwrap().every(5, seed)),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        (0..self.len).map(|at| (at as u64 * 31 / 7 + self.seed) as u8 | 1).collect()
    }

    fn run(&self, body: impl FnOnce()) {
        eprintln!("{self:?}");
        let _watchdog = Watchdog::new(format!("{self:?}"), Duration::from_secs(60));
        body();
    }
}

fn rounds() -> impl Iterator<Item = u64> {
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("FOLIO_MODEL_SEED", 1);
    first..first + number("FOLIO_MODEL_ROUNDS", 12)
}

/// What the test has made fail is all that may.
fn assert_expected(error: &Error, plan: &Plan) {
    let kind = error.fault().map(folio_pager::Fault::kind);
    let injected = plan.trouble != Trouble::None && kind == Some(StoreErrorKind::Io);
    assert!(injected, "{error:?} by {plan:?}");
}

/// The areas of a thread, and what is in them.
struct Areas {
    bytes: Vec<u8>,
    thread: usize,
    threads: usize,
}

const AREA: usize = 3001;

impl Areas {
    /// A range that is the thread's own.
    fn range(&self, random: &mut Random) -> std::ops::Range<usize> {
        let areas = self.bytes.len().div_ceil(AREA * self.threads);
        let start = ((random.below(areas) * self.threads + self.thread) * AREA)
            .min(self.bytes.len().saturating_sub(AREA));
        let (mut from, mut to) = (random.below(AREA), random.below(AREA));
        if from > to {
            (from, to) = (to, from);
        }
        // The last area may be another's: none of it is used.
        let own = |at: usize| at / AREA % self.threads == self.thread;
        match own(start) && start.is_multiple_of(AREA) {
            true => start + from..start + to,
            false => 0..0,
        }
    }

    fn all(&self) -> Vec<std::ops::Range<usize>> {
        let starts = (self.thread * AREA..self.bytes.len()).step_by(AREA * self.threads);
        starts.map(|start| start..(start + AREA).min(self.bytes.len())).collect()
    }
}

/// Any range of bytes, often short.
fn any(random: &mut Random, len: usize, most: usize) -> std::ops::Range<usize> {
    let start = random.below(len);
    start..(start + random.below(most)).min(len)
}

fn write(map: &PagedMut, at: usize, bytes: &[u8], plan: &Plan) {
    loop {
        match map.write_at(at, bytes) {
            Ok(()) => return,
            Err(error) if error.kind() == ErrorKind::Pinned => std::thread::yield_now(),
            Err(error) => assert_expected(&error, plan),
        }
    }
}

macro_rules! compare {
    ($map:expr, $areas:expr, $range:expr, $plan:expr) => {{
        let range = $range;
        let mut buf = vec![0; range.len()];
        match $map.read_at(range.start, &mut buf) {
            Ok(()) => {
                let wrong = buf.iter().zip(&$areas.bytes[range.clone()]).position(|(a, b)| a != b);
                let wrong =
                    wrong.map(|at| (range.start + at, buf[at], $areas.bytes[range.start + at]));
                assert_eq!(wrong, None, "read_at {range:?} by {} of {:?}", $areas.thread, $plan);
            }
            Err(error) => assert_expected(&error, $plan),
        }
    }};
}

/// Pins what may have bytes of others too: none of it changes, and the thread's own are as they were.
fn pinned(map: &PagedMut, areas: &Areas, random: &mut Random, plan: &Plan) {
    let own = areas.range(random);
    let most = 2 * plan.granule;
    let range = own.start.saturating_sub(random.below(most))
        ..(own.end + random.below(most)).min(areas.bytes.len());
    match map.pin(range.clone()) {
        Ok(page) => {
            let first = page.to_vec();
            assert!(
                page[own.start - range.start..own.end - range.start] == areas.bytes[own.clone()]
            );
            let mut file = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
            std::io::Write::write_all(&mut file, &page).unwrap();
            if random.below(2) == 0 {
                std::thread::sleep(Duration::from_micros(random.below(300) as u64));
            }
            assert!(first == *page, "pinned bytes {range:?} changed: {plan:?}");
        }
        Err(error) if error.kind() == ErrorKind::Budget => {}
        Err(error) => assert_expected(&error, plan),
    }
}

fn other_step(map: &PagedMut, step: usize, random: &mut Random, plan: &Plan) {
    let len = map.len();
    let result = match step {
        0 => map.evict(any(random, len, len)).map(drop),
        1 => map.evict(any(random, len, 2 * plan.granule)).map(drop),
        2 => map.prefetch(any(random, len, 4 * plan.granule)).wait().map(drop),
        3 => {
            drop(map.prefetch(any(random, len, 4 * plan.granule)));
            Ok(())
        }
        4 => {
            let advice = [Advice::Normal, Advice::Random, Advice::Sequential];
            map.advise(.., advice[random.below(3)])
        }
        _ => map.residency(..).map(|residency| {
            // Granules come and go while they are counted.
            assert!(residency.resident_bytes <= residency.total_bytes, "{residency:?} of {plan:?}");
        }),
    };
    if let Err(error) = result {
        assert_expected(&error, plan);
    }
}

/// Reads and writes own bytes where they are. Only while nothing fails: zeros that stand in lose writes.
fn by_pointer(map: &PagedMut, areas: &mut Areas, range: std::ops::Range<usize>, value: u8) {
    for at in range.step_by(97) {
        let byte = map.as_mut_ptr().wrapping_add(at);
        // SAFETY: the mapping has that byte, and this thread alone uses it.
        unsafe {
            assert_eq!(byte.read_volatile(), areas.bytes[at], "at {at}");
            byte.write_volatile(value);
        }
        areas.bytes[at] = value;
    }
}

#[test]
fn shared_mappings_show_what_was_written_and_store_what_was_flushed() {
    for plan in rounds().map(Plan::new) {
        plan.run(|| {
            let base = Arc::new(MemoryStore::new(&plan.bytes()));
            let store = plan.store(&base);
            let pager = plan.pager();
            std::thread::scope(|scope| {
                for thread in 0..plan.threads {
                    let (plan, pager, store, base) = (&plan, &pager, &store, &base);
                    scope.spawn(move || shared_thread(plan, pager, store, base, thread));
                }
            });
            let map = pager.options().granule(plan.granule).shared(store.clone()).unwrap();
            drop(map);
        });
    }
}

fn shared_thread(
    plan: &Plan,
    pager: &Pager,
    store: &Arc<dyn Store>,
    base: &MemoryStore,
    thread: usize,
) {
    let mut random = Random(plan.seed * 1000 + thread as u64 + 1);
    let mut areas = Areas { bytes: plan.bytes(), thread, threads: plan.threads };
    let options = || pager.options().granule(plan.granule);
    let mut map = options().shared(store.clone()).unwrap();
    for _ in 0..plan.steps {
        let range = areas.range(&mut random);
        match random.below(20) {
            0..5 => compare!(map, areas, range, plan),
            5..10 => {
                let bytes: Vec<u8> = range.clone().map(|_| random.next() as u8).collect();
                write(&map, range.start, &bytes, plan);
                areas.bytes[range].copy_from_slice(&bytes);
            }
            10 | 11 => match map.flush(range.clone()) {
                Ok(()) => {
                    let mut stored = vec![0; range.len()];
                    base.read_full_at(&mut stored, range.start as u64).unwrap();
                    assert!(stored == areas.bytes[range.clone()], "flushed {range:?} of {plan:?}");
                }
                Err(error) => assert_expected(&error, plan),
            },
            12 | 13 => pinned(&map, &areas, &mut random, plan),
            14 if plan.trouble == Trouble::None => {
                by_pointer(&map, &mut areas, range, random.next() as u8);
            }
            15 => {
                // Another mapping of the same bytes, at another offset.
                let offset = random.below(range.start + 1);
                let other = options().offset(offset as u64).map(store.clone()).unwrap();
                let mut buf = vec![0; range.len()];
                match other.read_at(range.start - offset, &mut buf) {
                    Ok(()) => assert!(buf == areas.bytes[range], "{plan:?}"),
                    Err(error) => assert_expected(&error, plan),
                }
            }
            16 if plan.trouble == Trouble::None => {
                // What was not flushed is saved by the last mapping.
                drop(map);
                map = options().shared(store.clone()).unwrap();
            }
            step => other_step(&map, step % 7, &mut random, plan),
        }
    }
    for range in areas.all() {
        let done = || -> Result<(), Error> {
            map.flush(range.clone())?;
            let mut buf = vec![0; range.len()];
            map.read_at(range.start, &mut buf)?;
            assert!(buf == areas.bytes[range.clone()], "at the end, {range:?} of {plan:?}");
            Ok(())
        };
        while let Err(error) = done() {
            assert_expected(&error, plan);
        }
        let mut stored = vec![0; range.len()];
        base.read_full_at(&mut stored, range.start as u64).unwrap();
        assert!(stored == areas.bytes[range.clone()], "stored, {range:?} of {plan:?}");
    }
}

#[test]
fn private_mappings_show_what_was_written_and_leave_the_store_alone() {
    for plan in rounds().map(|seed| Plan::new(seed + 1000)) {
        plan.run(|| {
            let base = Arc::new(MemoryStore::new(&plan.bytes()));
            let pager = plan.pager();
            let options = pager.options().granule(plan.granule);
            let map = options.private(plan.store(&base)).unwrap();
            std::thread::scope(|scope| {
                for thread in 0..plan.threads {
                    let (plan, map) = (&plan, &map);
                    scope.spawn(move || private_thread(plan, map, thread));
                }
            });
            drop(map);
            let mut stored = vec![0; plan.len];
            base.read_full_at(&mut stored, 0).unwrap();
            assert!(stored == plan.bytes());
        });
    }
}

fn private_thread(plan: &Plan, map: &PagedMut, thread: usize) {
    let mut random = Random(plan.seed * 1000 + thread as u64 + 1);
    let mut areas = Areas { bytes: plan.bytes(), thread, threads: plan.threads };
    for _ in 0..plan.steps {
        let range = areas.range(&mut random);
        match random.below(16) {
            0..5 => compare!(map, areas, range, plan),
            5..10 => {
                let bytes: Vec<u8> = range.clone().map(|_| random.next() as u8).collect();
                write(map, range.start, &bytes, plan);
                areas.bytes[range].copy_from_slice(&bytes);
            }
            10 => map.flush(range).unwrap(),
            11 => pinned(map, &areas, &mut random, plan),
            12 if plan.trouble == Trouble::None => {
                by_pointer(map, &mut areas, range, random.next() as u8);
            }
            step => other_step(map, step % 7, &mut random, plan),
        }
    }
    areas.all().into_iter().for_each(|range| compare!(map, areas, range, plan));
}

#[test]
fn a_snapshot_shows_of_each_byte_what_it_showed_first() {
    for plan in rounds().map(|seed| Plan::new(seed + 2000)) {
        plan.run(|| {
            let base = Arc::new(MemoryStore::new(&plan.bytes()));
            let pager = plan.pager();
            let options = pager.options().granule(plan.granule);
            let map = options.snapshot(plan.store(&base)).unwrap();
            // 0: not seen yet. No byte of the store is.
            let seen: Vec<AtomicU8> = (0..plan.len).map(|_| AtomicU8::new(0)).collect();
            std::thread::scope(|scope| {
                for thread in 0..plan.threads {
                    let (plan, map, seen, base) = (&plan, &map, &seen, &base);
                    scope.spawn(move || snapshot_thread(plan, map, base, seen, thread));
                }
            });
        });
    }
}

fn snapshot_thread(plan: &Plan, map: &Paged, base: &MemoryStore, seen: &[AtomicU8], thread: usize) {
    let mut random = Random(plan.seed * 1000 + thread as u64 + 1);
    let check = |bytes: &[u8], start: usize| {
        for (at, byte) in (start..).zip(bytes) {
            assert_ne!(*byte, 0, "at {at} of {plan:?}");
            if let Err(before) = seen[at].compare_exchange(0, *byte, SeqCst, SeqCst) {
                assert_eq!(before, *byte, "at {at} of {plan:?}");
            }
        }
    };
    for _ in 0..plan.steps {
        let range = any(&mut random, plan.len, 5000);
        let result = match random.below(8) {
            0..3 => {
                let mut buf = vec![0; range.len()];
                map.read_at(range.start, &mut buf).map(|()| check(&buf, range.start))
            }
            3 if plan.trouble == Trouble::None => {
                map.guarded(|slice| check(&slice[range.clone()], range.start))
            }
            4 => match map.pin(range.clone()) {
                Err(error) if error.kind() == ErrorKind::Budget => Ok(()),
                pinned => pinned.map(|page| check(&page, range.start)),
            },
            5 => {
                let new: Vec<u8> = range.clone().map(|_| random.next() as u8 | 1).collect();
                base.write_all_at(&new, range.start as u64).unwrap();
                Ok(())
            }
            6 => map.evict(range).map(drop),
            _ => map.prefetch(range).wait().map(drop),
        };
        if let Err(error) = result {
            assert_expected(&error, plan);
        }
    }
}

#[test]
fn a_mapping_for_reading_shows_the_store() {
    for mut plan in rounds().map(|seed| Plan::new(seed + 3000)) {
        if plan.trouble == Trouble::Torn {
            plan.trouble = Trouble::Failing;
        }
        plan.run(|| {
            let bytes = plan.bytes();
            let base = Arc::new(MemoryStore::new(&bytes));
            let store = plan.store(&base);
            let pager = plan.pager();
            std::thread::scope(|scope| {
                for thread in 0..plan.threads {
                    let (plan, pager, store, bytes) = (&plan, &pager, &store, &bytes);
                    scope.spawn(move || reading_thread(plan, pager, store, bytes, thread));
                }
            });
            assert!(pager.charged_bytes() <= plan.budget);
        });
    }
}

fn reading_thread(plan: &Plan, pager: &Pager, store: &Arc<dyn Store>, bytes: &[u8], thread: usize) {
    let mut random = Random(plan.seed * 1000 + thread as u64 + 1);
    let options = || pager.options().granule(plan.granule);
    let mut map = options().map(store.clone()).unwrap();
    for _ in 0..2 * plan.steps {
        let range = any(&mut random, plan.len, 5000);
        let result = match random.below(12) {
            0..4 => {
                let mut buf = vec![0; range.len()];
                map.read_at(range.start, &mut buf).map(|()| {
                    assert!(buf == bytes[range.clone()], "{range:?} of {plan:?}");
                })
            }
            4..6 if plan.trouble == Trouble::None => {
                for at in range.step_by(61) {
                    // SAFETY: the mapping has that byte.
                    let byte = unsafe { map.as_ptr().wrapping_add(at).read_volatile() };
                    assert_eq!(byte, bytes[at], "at {at} of {plan:?}");
                }
                map.check()
            }
            6 | 7 => match map.pin(range.clone()) {
                Err(error) if error.kind() == ErrorKind::Budget => Ok(()),
                pinned => pinned.map(|page| assert!(*page == bytes[range])),
            },
            8 => map.evict(range).map(drop),
            9 => map.prefetch(range).wait().map(drop),
            10 => map.advise(.., Advice::Sequential),
            _ => {
                drop(map);
                map = options().map(store.clone()).unwrap();
                Ok(())
            }
        };
        if let Err(error) = result {
            assert_expected(&error, plan);
        }
    }
}
