//! Stores that use the pager that they are mapped by, through mappings other than their own.

#[path = "common/again.rs"]
mod again;
#[path = "common/mod.rs"]
mod common;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/watchdog.rs"]
mod watchdog;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{pager, pattern};
use folio_pager::{Paged, Pager};
use folio_store::{
    Capabilities, Cost, Error, ErrorKind as StoreErrorKind, MemoryStore, Result, Store,
};
use hostile::{Hostile, MIB, Method, apart, fixed, read, watched};

type How = fn(&Paged, usize, &mut [u8]) -> folio_pager::Result<()>;

/// Its bytes are those of another mapping.
struct Another {
    map: Paged,
    cost: Cost,
    how: How,
    meeting: Option<Meeting>,
}

/// So many threads that wait for each other, for a moment at most.
struct Meeting {
    threads: usize,
    there: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    fn of(threads: usize) -> Self {
        Self { threads, there: Mutex::new(0), changed: Condvar::new() }
    }

    fn attend(&self) {
        let mut there = self.there.lock().unwrap();
        *there += 1;
        self.changed.notify_all();
        let all = |there: &mut usize| *there < self.threads;
        drop(self.changed.wait_timeout_while(there, Duration::from_secs(1), all).unwrap());
    }
}

impl Store for Another {
    fn name(&self) -> String {
        "another's".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(self.map.len() as u64)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.meeting.iter().for_each(Meeting::attend);
        let read = (self.how)(&self.map, offset as usize, buf);
        read.map_err(|error| {
            Error::new(StoreErrorKind::Io, "read", "another's").reason(error.to_string())
        })?;
        Ok(buf.len())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.cost).granule(4096).fixed_version(true)
    }
}

fn by_copying(map: &Paged, at: usize, buf: &mut [u8]) -> folio_pager::Result<()> {
    map.read_at(at, buf)
}

fn by_touching(map: &Paged, at: usize, buf: &mut [u8]) -> folio_pager::Result<()> {
    map.guarded(|bytes| buf.copy_from_slice(&bytes[at..][..buf.len()]))
}

fn by_everything(map: &Paged, at: usize, buf: &mut [u8]) -> folio_pager::Result<()> {
    let range = at..at + buf.len();
    map.evict(range.clone())?;
    map.residency(range.clone())?;
    map.advise(range.clone(), folio::Advice::WillNeed)?;
    map.prefetch(range.clone()).wait()?;
    match map.pin(range) {
        Ok(pin) => buf.copy_from_slice(&pin),
        Err(_) => map.read_at(at, buf)?,
    }
    Ok(())
}

/// Threads that touch a mapping whose store reads another, in a budget for both.
fn check_another(cost: Cost, how: How, threads: usize, budget: u64) {
    let bytes = pattern(MIB);
    let pager = pager(budget);
    let store = Another { map: fixed(&pager), cost, how, meeting: None };
    let map = pager.options().granule(4096).map(store).unwrap();
    std::thread::scope(|scope| {
        for first in 0..threads {
            let (map, bytes) = (&map, &bytes);
            scope.spawn(move || {
                for at in (first * 4096..MIB).step_by(4096 * 7) {
                    assert_eq!(read(map, at).unwrap(), bytes[at]);
                }
            });
        }
    });
}

#[test]
fn a_store_that_reads_another_mapping_of_its_pager() {
    let _watchdog = watched("reads another");
    for (cost, how) in [
        (Cost::Local, by_copying as How),
        (Cost::Local, by_touching),
        (Cost::Network, by_everything),
    ] {
        for budget in [12288, 16384, 24576, 65536] {
            check_another(cost, how, 1, budget);
        }
        check_another(cost, how, 4, 256 << 10);
    }
}

#[test]
fn a_store_that_reads_another_mapping_in_two_granules() {
    let _watchdog = watched("reads another in two granules");
    check_another(Cost::Local, by_copying, 1, 8192);
}

#[test]
fn a_store_that_reads_another_mapping_for_more_threads_than_the_budget_has_granules() {
    const TEST: &str =
        "a_store_that_reads_another_mapping_for_more_threads_than_the_budget_has_granules";
    apart(TEST, || {
        for (threads, budget) in [(2, 8192), (8, 65536)] {
            let bytes = pattern(MIB);
            let pager = pager(budget);
            let meeting = Some(Meeting::of(threads));
            let store = Another { map: fixed(&pager), cost: Cost::Local, how: by_copying, meeting };
            let map = pager.options().granule(4096).map(store).unwrap();
            std::thread::scope(|scope| {
                for at in (0..threads).map(|thread| thread * 20_000) {
                    let (map, bytes) = (&map, &bytes);
                    scope.spawn(move || match read(map, at) {
                        Ok(byte) => assert_eq!(byte, bytes[at]),
                        Err(error) => assert!(error.to_string().contains("wait for it themselves")),
                    });
                }
            });
        }
    });
}

#[test]
fn a_store_that_reads_another_mapping_and_says_it_is_memory() {
    apart("a_store_that_reads_another_mapping_and_says_it_is_memory", || {
        check_another(Cost::Memory, by_copying, 1, MIB as u64);
    });
}

/// A store that maps and reads another in some of its methods.
fn mapping_another(pager: &Pager, methods: &'static [Method]) -> Hostile {
    let pager = pager.clone();
    let object = Arc::new(MemoryStore::from(pattern(MIB)));
    Hostile::new(move |method| {
        if methods.contains(&method) {
            let map = pager.map(object.clone()).unwrap();
            assert_eq!(read(&map, 5000).unwrap(), pattern(MIB)[5000]);
        }
    })
}

fn check_mapping_another(methods: &'static [Method]) {
    let pager = pager(MIB as u64);
    let store = mapping_another(&pager, methods);
    let map = pager.map(store.clone()).unwrap();
    assert_eq!(read(&map, 7000).unwrap(), pattern(MIB)[7000]);
    drop(map);
    let map = pager.options().shared(store).unwrap();
    map.write_at(5000, b"hello").unwrap();
    map.flush(..).unwrap();
}

#[test]
fn a_store_that_maps_another_one_when_it_is_used() {
    let _watchdog = watched("maps another");
    check_mapping_another(&[
        Method::Len,
        Method::Identity,
        Method::Read,
        Method::Write,
        Method::Sync,
    ]);
}

#[test]
fn a_store_that_maps_another_one_when_it_is_asked_what_it_is() {
    apart("a_store_that_maps_another_one_when_it_is_asked_what_it_is", || {
        check_mapping_another(&[Method::Name, Method::Capabilities]);
    });
}
