//! Data structures of real programs in a tenth of their memory: each is built in memory, mapped, and
//! asked the same questions. Where the store fails, the reader learns of it and goes on.

#[path = "common/mod.rs"]
mod common;
#[path = "common/watchdog.rs"]
mod watchdog;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::Random;
use folio_pager::{Budget, ErrorKind, Paged, PagedMut, Pager};
use folio_store::testing::{Fail, Operation, Switch};
use folio_store::{ErrorKind as StoreErrorKind, FileStore, MemoryStore};
use fst::{IntoStreamer, Streamer};
use object::{Object, ObjectSymbol};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use watchdog::Watchdog;

fn watched(what: &str) -> Watchdog {
    Watchdog::new(what, Duration::from_secs(120))
}

/// A pager with room for a tenth of so many bytes.
fn tenth(len: usize) -> Pager {
    assert!(len > 1 << 20, "{len} bytes are not many");
    Pager::new(Budget::bytes(len as u64 / 10)).unwrap()
}

fn mapped(pager: &Pager, bytes: &[u8]) -> Paged {
    pager.options().granule(4096).map(MemoryStore::fixed(bytes)).unwrap()
}

/// Mapped from a store that does not deliver what is behind the middle.
fn half_mapped(pager: &Pager, bytes: &[u8]) -> Paged {
    let len = bytes.len() as u64;
    let store = Fail::new(MemoryStore::fixed(bytes), StoreErrorKind::Unavailable)
        .on(Operation::Read)
        .within(len / 2..len);
    pager.options().granule(4096).map(store).unwrap()
}

#[track_caller]
fn assert_unavailable<T>(result: folio_pager::Result<T>) {
    let error = result.err().expect("an error");
    let kind = error.fault().map(folio_pager::Fault::kind);
    assert_eq!((error.kind(), kind), (ErrorKind::Fault, Some(StoreErrorKind::Unavailable)));
}

fn keys(count: usize) -> Vec<String> {
    let mut random = Random(11);
    let mut keys: Vec<_> =
        (0..count).map(|_| format!("{:012x}", random.next() & 0xffff_ffff_ffff)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// An index of search engines.
fn index(keys: &[String]) -> Vec<u8> {
    let mut builder = fst::MapBuilder::memory();
    for (number, key) in keys.iter().enumerate() {
        builder.insert(key, number as u64).unwrap();
    }
    builder.into_inner().unwrap()
}

fn lookups(bytes: &[u8], keys: &[String]) -> Option<usize> {
    let map = fst::Map::new(bytes).ok()?;
    let mut random = Random(3);
    let mut found = 0;
    for _ in 0..5000 {
        let number = random.below(keys.len());
        found += usize::from(map.get(&keys[number]) == Some(number as u64));
    }
    Some(found)
}

#[test]
fn an_fst_answers_as_it_does_in_memory() {
    let _watchdog = watched("fst");
    let keys = keys(150_000);
    let bytes = index(&keys);
    let pager = tenth(bytes.len());
    let map = mapped(&pager, &bytes);
    assert_eq!(map.guarded(|bytes| lookups(bytes, &keys)).unwrap(), Some(5000));
    let range = |bytes: &[u8]| {
        let map = fst::Map::new(bytes).unwrap();
        let mut stream = map.range().ge("4").lt("5").into_stream();
        let mut sum = (0_u64, 0_u64);
        while let Some((_, number)) = stream.next() {
            sum = (sum.0 + 1, sum.1 + number);
        }
        sum
    };
    assert_eq!(map.guarded(range).unwrap(), range(&bytes));
    assert!(pager.statistics().evictions > 0);
}

#[test]
fn an_fst_of_which_half_cannot_be_had_ends_in_an_error() {
    let _watchdog = watched("fst, failing");
    let keys = keys(150_000);
    let bytes = index(&keys);
    let pager = tenth(bytes.len());
    let map = half_mapped(&pager, &bytes);
    assert_unavailable(map.guarded(|bytes| lookups(bytes, &keys)));
}

#[derive(rkyv::Archive, rkyv::Serialize)]
struct Record {
    number: u64,
    name: String,
    tags: Vec<String>,
}

type Records = rkyv::Archived<Vec<Record>>;

fn records(count: u64) -> (Vec<Record>, rkyv::util::AlignedVec) {
    let record = |number: u64| Record {
        number,
        name: format!("the record {number}"),
        tags: (0..number % 5).map(|tag| format!("a tag with the number {tag}")).collect(),
    };
    let records: Vec<_> = (0..count).map(record).collect();
    let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&records).unwrap();
    (records, bytes)
}

#[test]
fn an_archive_of_rkyv_is_valid_and_the_same() {
    let _watchdog = watched("rkyv");
    let (records, bytes) = records(30_000);
    let pager = tenth(bytes.len());
    let map = mapped(&pager, &bytes);
    let same = map.guarded(|bytes| {
        let archive = rkyv::access::<Records, rkyv::rancor::Error>(bytes).unwrap();
        archive.len() == records.len()
            && archive.iter().zip(&records).all(|(archived, record)| {
                archived.number == record.number
                    && archived.name == record.name
                    && archived.tags.iter().eq(record.tags.iter())
            })
    });
    assert!(same.unwrap());
    assert!(pager.statistics().evictions > 0);
}

#[test]
fn an_archive_of_which_half_cannot_be_had_is_not_valid() {
    let _watchdog = watched("rkyv, failing");
    let (_, bytes) = records(30_000);
    let pager = tenth(bytes.len());
    let map = half_mapped(&pager, &bytes);
    assert_unavailable(map.guarded(|bytes| {
        rkyv::access::<Records, rkyv::rancor::Error>(bytes).map(|archive| archive.len()).ok()
    }));
}

#[test]
fn an_archive_that_was_found_valid_stays_so_when_its_store_fails() {
    let _watchdog = watched("rkyv, failing later");
    let (records, bytes) = records(30_000);
    let down = Switch::off();
    let store = Fail::new(MemoryStore::fixed(&*bytes), StoreErrorKind::Unavailable)
        .on(Operation::Read)
        .while_on(&down);
    let pager = tenth(bytes.len());
    let map = pager.options().granule(4096).map(store).unwrap();
    let same = map.guarded(|bytes| {
        let archive = rkyv::access::<Records, rkyv::rancor::Error>(bytes).unwrap();
        down.set(true);
        let same = |(archived, record): (&rkyv::Archived<Record>, &Record)| {
            archived.name == record.name && archived.tags.len() == record.tags.len()
        };
        archive.iter().zip(&records).all(same)
    });
    assert!(same.unwrap());
    assert!(pager.statistics().evictions > 0);
}

fn symbols(bytes: &[u8]) -> Result<(usize, u64), object::Error> {
    let file = object::File::parse(bytes)?;
    let mut sum = 0_u64;
    let mut count = 0;
    for symbol in file.symbols() {
        let name = symbol.name_bytes()?;
        count += 1;
        sum = sum.wrapping_mul(31).wrapping_add(symbol.address() ^ name.len() as u64);
    }
    Ok((count, sum))
}

#[test]
fn the_symbols_of_a_program_are_those_that_a_plain_read_finds() {
    let _watchdog = watched("object");
    let path = std::env::current_exe().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let pager = tenth(bytes.len());
    // Somebody may write to the file.
    let map = pager.options().granule(4096).snapshot(FileStore::open(&path).unwrap()).unwrap();
    let found = map.guarded(symbols).unwrap().unwrap();
    assert!(found.0 > 1000);
    assert_eq!(found, symbols(&bytes).unwrap());
    assert_unavailable(half_mapped(&pager, &bytes).guarded(symbols));
}

#[test]
fn a_search_finds_what_lies_across_pages() {
    let _watchdog = watched("memchr");
    let mut bytes = common::pattern(8 << 20);
    let needle = b"the needle in the pages";
    let places: Vec<_> = (1..2000).map(|page| page * 4096 - page % needle.len()).collect();
    for place in &places {
        bytes[*place..][..needle.len()].copy_from_slice(needle);
    }
    let pager = tenth(bytes.len());
    let map = mapped(&pager, &bytes);
    let search = |bytes: &[u8]| memchr::memmem::find_iter(bytes, needle).collect::<Vec<_>>();
    assert_eq!(map.guarded(search).unwrap(), places);
    assert_unavailable(half_mapped(&pager, &bytes).guarded(search));
}

/// A database's file: the beginning of a mapping that is written to.
#[derive(Clone, Debug)]
struct Pages {
    map: Arc<PagedMut>,
    len: Arc<AtomicU64>,
}

impl redb::StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(SeqCst))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        Ok(self.map.read_at(offset as usize, out)?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        assert!(len <= self.map.len() as u64, "the test needs a longer store");
        self.len.store(len, SeqCst);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(self.map.flush(..)?)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        Ok(self.map.write_at(offset as usize, data)?)
    }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("values");

fn value(number: u64) -> Vec<u8> {
    vec![number as u8; 100 + number as usize % 400]
}

fn open(pages: &Pages) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(64 << 10).create_with_backend(pages.clone())
}

fn fill(database: &Database, numbers: std::ops::Range<u64>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for number in numbers {
            table.insert(number, &*value(number))?;
        }
    }
    Ok(transaction.commit()?)
}

#[test]
fn a_database_keeps_what_it_has_committed() {
    let _watchdog = watched("redb");
    let store = Arc::new(MemoryStore::zeros(64 << 20));
    let len = Arc::new(AtomicU64::new(0));
    let pages = |budget| {
        let pager = Pager::new(Budget::bytes(budget)).unwrap();
        let map = pager.options().granule(4096).shared(store.clone()).unwrap();
        Pages { map: Arc::new(map), len: len.clone() }
    };
    {
        let database = open(&pages(1 << 20)).unwrap();
        for batch in 0..4 {
            fill(&database, batch * 5000..(batch + 1) * 5000).unwrap();
        }
    }
    assert!(len.load(SeqCst) > 5 << 20);
    // Only what was flushed to the store is left.
    let database = open(&pages(512 << 10)).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = transaction.open_table(TABLE).unwrap();
    assert_eq!(table.len().unwrap(), 20_000);
    for entry in table.iter().unwrap() {
        let (number, found) = entry.unwrap();
        assert!(found.value() == value(number.value()), "{}", number.value());
    }
}

#[test]
fn a_database_whose_store_fails_says_so() {
    let _watchdog = watched("redb, failing");
    let down = Switch::off();
    let base = Arc::new(MemoryStore::zeros(64 << 20));
    let store = Fail::new(base, StoreErrorKind::Unavailable)
        .on(Operation::Read)
        .on(Operation::Write)
        .while_on(&down);
    let pager = Pager::new(Budget::bytes(512 << 10)).unwrap();
    let map = pager.options().granule(4096).shared(store).unwrap();
    let pages = Pages { map: Arc::new(map), len: Arc::default() };
    let database = open(&pages).unwrap();
    fill(&database, 0..5000).unwrap();
    down.set(true);
    let error = fill(&database, 5000..10_000).unwrap_err();
    assert!(matches!(error, redb::Error::Io(_)), "{error:?}");
    drop(database);
    down.set(false);
    // A flush tells of failures in the background first.
    let _ = pages.map.flush(..);
    let database = open(&pages).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = transaction.open_table(TABLE).unwrap();
    assert_eq!(table.len().unwrap(), 5000);
}
