//! Stores that do what no store should: claim what is not so, panic, block, and call back. The trait is
//! safe, so nothing they do may end the process or hang a pager; what they do is told as an error.

#[path = "common/again.rs"]
mod again;
#[path = "common/mod.rs"]
mod common;
#[path = "common/gate.rs"]
mod gate;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/watchdog.rs"]
mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use common::{pager, pattern};
use folio_pager::{ErrorKind, Paged, PagedMut};
use folio_store::{
    Capabilities, Cost, Error, ErrorKind as StoreErrorKind, MemoryStore, Result, Store,
};
use gate::Gate;
use hostile::{Hostile, MIB, Method, apart, assert_fault, fixed, read, watched};

/// A store that answers as these functions do.
struct Liar {
    len: fn(u64) -> u64,
    read: fn(&mut [u8]) -> usize,
    read_full: Option<fn(&mut [u8]) -> usize>,
    write: fn(&[u8]) -> usize,
    calls: AtomicU64,
}

impl Liar {
    fn honest() -> Self {
        Self {
            len: |_| MIB as u64,
            read: |buf| {
                buf.fill(1);
                buf.len()
            },
            read_full: None,
            write: <[u8]>::len,
            calls: AtomicU64::new(0),
        }
    }
}

impl Store for Liar {
    fn name(&self) -> String {
        format!("a liar, {}", self.calls.fetch_add(1, SeqCst))
    }
    fn len(&self) -> Result<u64> {
        Ok((self.len)(self.calls.fetch_add(1, SeqCst)))
    }
    fn read_at(&self, buf: &mut [u8], _: u64) -> Result<usize> {
        Ok((self.read)(buf))
    }
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        match self.read_full {
            Some(read) => Ok(read(buf)),
            None => match self.read_at(buf, offset)? {
                count if count > buf.len() => {
                    Err(Error::new(StoreErrorKind::Invalid, "read", self.name()))
                }
                count => Ok(count),
            },
        }
    }
    fn write_at(&self, bytes: &[u8], _: u64) -> Result<usize> {
        Ok((self.write)(bytes))
    }
    /// Others each time.
    fn capabilities(&self) -> Capabilities {
        let number = self.calls.fetch_add(1, SeqCst);
        let cost = [Cost::Memory, Cost::Local, Cost::Network][number as usize % 3];
        let granule = 1 << (number * 7 % 32);
        Capabilities::new(cost)
            .granule(granule)
            .alignment(1 << (number * 5 % 32))
            .writable(number.is_multiple_of(2))
            .fixed_version(number.is_multiple_of(3))
    }
    fn identity(&self) -> Option<String> {
        Some(format!("a liar, {}", self.calls.fetch_add(1, SeqCst) / 4))
    }
}

/// Reads all of it, by copying, by pinning and ahead.
fn read_all(map: &Paged) -> folio_pager::Result<()> {
    map.read_at(0, &mut vec![0; map.len()])?;
    map.pin(5000..50_000)?;
    map.prefetch(100_000..).wait().map(drop)
}

const TOO_MANY: [fn(&mut [u8]) -> usize; 2] = [|buf| buf.len() + 1, |_| usize::MAX];

#[test]
fn a_store_that_claims_to_have_read_more_than_was_asked_for() {
    let _watchdog = watched("reads more");
    for read in TOO_MANY {
        let pager = pager(MIB as u64);
        let map = pager.map(Liar { read, ..Liar::honest() }).unwrap();
        assert_fault(read_all(&map), StoreErrorKind::Invalid);
        // Where it has a way of its own to read all, that says so.
        let _ = read_all(&pager.map(Liar { read_full: Some(read), ..Liar::honest() }).unwrap());
        assert!(pager.charged_bytes() <= MIB as u64);
    }
}

#[test]
fn a_store_that_claims_to_have_read_more_in_a_way_of_its_own() {
    for read in TOO_MANY {
        let pager = pager(MIB as u64);
        let map = pager.map(Liar { read_full: Some(read), ..Liar::honest() }).unwrap();
        assert_fault(read_all(&map), StoreErrorKind::Invalid);
        assert!(pager.statistics().read_bytes <= 4 * MIB as u64);
    }
}

#[test]
fn a_store_that_claims_to_have_written_more_than_was_asked_for() {
    let _watchdog = watched("writes more");
    let writes: [fn(&[u8]) -> usize; 3] = [|bytes| bytes.len() + 1, |_| usize::MAX, |_| 0];
    for write in writes {
        let store = Wrong { store: Hostile::new(|_| ()), write };
        let map = pager(MIB as u64).options().shared(store).unwrap();
        map.write_at(5000, b"hello").unwrap();
        assert_eq!(map.flush(..).unwrap_err().kind(), ErrorKind::Fault);
        assert!(map.evict(..).is_err());
    }
}

/// Writes are answered by a function.
struct Wrong {
    store: Hostile,
    write: fn(&[u8]) -> usize,
}

impl Store for Wrong {
    fn name(&self) -> String {
        self.store.name()
    }
    fn len(&self) -> Result<u64> {
        self.store.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.store.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], _: u64) -> Result<usize> {
        Ok((self.write)(bytes))
    }
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

#[test]
fn a_store_whose_length_and_capabilities_change_with_every_call() {
    let _watchdog = watched("changing");
    let lengths: [fn(u64) -> u64; 5] = [
        |call| if call.is_multiple_of(2) { 1 << 40 } else { 10 },
        |call| call * 4097,
        |call| (MIB as u64) >> (call % 21),
        |call| u64::MAX >> (call % 64),
        |call| u64::from(call > 3) << 46,
    ];
    for len in lengths {
        let store = Arc::new(Liar { len, ..Liar::honest() });
        let pager = pager(16 << 20);
        let mut kept = Vec::new();
        for _ in 0..60 {
            if let Ok(map) = pager.map(store.clone()) {
                let end = map.len();
                for at in [0, end / 2, end.saturating_sub(1)] {
                    if at < end {
                        assert_eq!(read(&map, at).unwrap(), 1);
                    }
                }
                let _ = map.as_slice().map(|bytes| bytes.iter().take(10_000).count());
                kept.push(map);
            }
            if let Ok(map) = pager.options().shared(store.clone())
                && !map.is_empty()
            {
                map.write_at(map.len() - 1, &[1]).unwrap();
                map.flush(..).unwrap();
            }
            let _ = pager.options().private(store.clone());
        }
        assert!(!kept.is_empty());
        assert!(pager.charged_bytes() <= 16 << 20);
    }
}

#[test]
fn a_store_that_fails_to_read_what_it_has_promised() {
    let _watchdog = watched("short");
    for read in [|_: &mut [u8]| 0, |buf: &mut [u8]| buf.len() / 2] {
        let map = pager(MIB as u64).map(Liar { read_full: Some(read), ..Liar::honest() });
        assert_fault(read_all(&map.unwrap()), StoreErrorKind::Truncated);
    }
}

/// Panics in one method, while it is told to.
fn panicking(method: Method) -> (Hostile, Arc<AtomicU64>) {
    let armed = Arc::new(AtomicU64::new(0));
    let told = armed.clone();
    let store = Hostile::new(move |called| {
        assert!(called != method || told.load(SeqCst) == 0, "on purpose");
    });
    (store, armed)
}

#[test]
fn a_store_that_panics_when_it_is_mapped() {
    let _watchdog = watched("panics when mapped");
    let pager = pager(MIB as u64);
    let other = fixed(&pager);
    for method in [Method::Name, Method::Len, Method::Capabilities, Method::Identity] {
        let (store, armed) = panicking(method);
        armed.store(1, SeqCst);
        for _ in 0..3 {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(pager.map(store.clone()))));
            let shared = || drop(pager.options().shared(store.clone()));
            let _ = catch_unwind(AssertUnwindSafe(shared));
            let private = || drop(pager.options().private(store.clone()));
            let _ = catch_unwind(AssertUnwindSafe(private));
        }
        armed.store(0, SeqCst);
        let map = pager.map(store).unwrap();
        assert_eq!(read(&map, 5000).unwrap(), pattern(MIB)[5000]);
    }
    assert_eq!(read(&other, 5000).unwrap(), pattern(MIB)[5000]);
    drop(other);
    assert!(pager.charged_bytes() < MIB as u64 / 4);
}

#[test]
fn a_store_that_panics_when_it_is_read() {
    let _watchdog = watched("panics when read");
    let (store, armed) = panicking(Method::Read);
    let pager = pager(64 << 10);
    let map = pager.map(store.clone()).unwrap();
    let snapshot = pager.options().granule(4096).snapshot(store.clone()).unwrap();
    armed.store(1, SeqCst);
    for map in [&map, &snapshot] {
        assert_fault(read(map, 5000), StoreErrorKind::Io);
        assert_eq!(
            read(map, 5000).unwrap_err().to_string().split(": ").last(),
            Some("the store panicked")
        );
        assert_fault(map.pin(10_000..20_000), StoreErrorKind::Io);
        assert_fault(map.prefetch(50_000..60_000).wait(), StoreErrorKind::Io);
        assert_fault(map.guarded(|bytes| bytes[30_000]), StoreErrorKind::Io);
    }
    armed.store(0, SeqCst);
    for mut map in [map, snapshot] {
        assert!(map.retry());
        map.take_fault();
        let bytes = pattern(MIB);
        assert!(map.guarded(|found| found == bytes).unwrap());
    }
}

#[test]
fn a_store_that_panics_when_it_is_written() {
    let _watchdog = watched("panics when written");
    for method in [Method::Write, Method::Sync] {
        let (store, armed) = panicking(method);
        let pager = pager(64 << 10);
        let map: PagedMut = pager.options().shared(store.clone()).unwrap();
        armed.store(1, SeqCst);
        for at in (0..MIB).step_by(5000) {
            // The budget is full of what cannot be written back, after a while.
            if let Err(error) = map.write_at(at, b"hello") {
                assert_eq!((method, error.kind()), (Method::Write, ErrorKind::Fault));
            }
        }
        assert_fault(map.flush(..), StoreErrorKind::Io);
        armed.store(0, SeqCst);
        let _ = map.flush(..);
        map.write_at(500_000, b"again").unwrap();
        match method {
            Method::Write => map.flush(..).unwrap(),
            // Some of what did not last is in memory no more.
            _ => assert_fault(map.flush(..), StoreErrorKind::Io),
        }
        let mut bytes = [0; 5];
        store.inner.read_full_at(&mut bytes, 500_000).unwrap();
        assert_eq!(&bytes, b"again");
    }
}

/// A panic whose payload panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_store_whose_panic_panics() {
    apart("a_store_whose_panic_panics", || {
        let store = Hostile::new(|method| {
            if method == Method::Read {
                std::panic::panic_any(Bomb);
            }
        });
        let map = pager(MIB as u64).map(store).unwrap();
        assert_fault(read(&map, 5000), StoreErrorKind::Io);
    });
}

/// Blocks in one method.
fn gated(method: Method) -> (Hostile, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let store = Hostile::new(move |called| {
        if called == method {
            closed.pass();
        }
    });
    (store, gate)
}

#[test]
fn a_store_that_blocks_holds_up_nobody_else() {
    let _watchdog = watched("blocks");
    let (store, gate) = gated(Method::Read);
    let pager = pager(64 << 10);
    let map = pager.options().granule(4096).map(store).unwrap();
    let other = fixed(&pager);
    let bytes = pattern(MIB);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(&map, 5000).unwrap());
        let second = scope.spawn(|| read(&map, 5001).unwrap());
        gate.wait_for(1);
        let prefetch = map.prefetch(100_000..100_001);
        gate.wait_for(2);
        assert!(other.guarded(|found| found == bytes).unwrap());
        map.evict(..).unwrap();
        other.evict(..).unwrap();
        assert_eq!(map.residency(..).unwrap().resident_bytes, 0);
        map.check().unwrap();
        let third = fixed(&pager);
        assert_eq!(third.pin(5000..9000).unwrap()[0], bytes[5000]);
        drop(third);
        assert!(!reader.is_finished() && !second.is_finished());
        gate.open();
        assert_eq!(reader.join().unwrap(), bytes[5000]);
        assert_eq!(second.join().unwrap(), bytes[5001]);
        prefetch.wait().unwrap();
    });
}

#[test]
fn a_store_that_blocks_a_write_holds_up_no_reader() {
    let _watchdog = watched("blocks writes");
    let (store, gate) = gated(Method::Write);
    let pager = pager(256 << 10);
    let map = pager.options().granule(4096).shared(store).unwrap();
    map.write_at(5000, b"hello").unwrap();
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| map.flush(..));
        gate.wait_for(1);
        let mut found = [0; 5];
        map.read_at(5000, &mut found).unwrap();
        assert_eq!(&found, b"hello");
        assert_eq!(&map.pin(5000..5005).unwrap()[..], b"hello");
        map.write_at(50_000, b"beside").unwrap();
        let again = scope.spawn(|| map.write_at(5000, b"again"));
        assert!(!flush.is_finished());
        gate.open();
        flush.join().unwrap().unwrap();
        again.join().unwrap().unwrap();
    });
    map.flush(..).unwrap();
}

/// Goes by the name of another, and holds other bytes.
#[derive(Clone)]
struct Impostor {
    bytes: Vec<u8>,
    identity: &'static str,
    writable: bool,
}

impl Store for Impostor {
    fn name(&self) -> String {
        "an impostor".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let rest = &self.bytes[(offset as usize).min(self.bytes.len())..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Local).writable(self.writable).fixed_version(!self.writable)
    }
    fn identity(&self) -> Option<String> {
        Some(self.identity.into())
    }
}

#[test]
fn stores_that_pass_for_each_other() {
    let _watchdog = watched("impostors");
    let store = |byte, len, writable| {
        let bytes = vec![byte; len];
        Impostor { bytes, identity: "the same", writable }
    };
    let pager = pager(16 << 20);
    let first = pager.map(store(1, MIB, false)).unwrap();
    assert_eq!(read(&first, 5000).unwrap(), 1);
    let second = pager.map(store(2, MIB, true)).unwrap();
    let longer = pager.map(store(3, 2 * MIB, false)).unwrap();
    assert_eq!(read(&longer, MIB + 5000).unwrap(), 3);
    for at in (0..MIB).step_by(1000) {
        assert!([1, 2].contains(&read(&second, at).unwrap()));
    }
    let writer = pager.options().shared(store(4, MIB, true)).unwrap();
    writer.write_at(5000, b"hello").unwrap();
    // None of them can be written, whatever they say.
    assert_fault(writer.flush(..), StoreErrorKind::ReadOnly);
    drop((first, second));
    for at in (0..MIB).step_by(1000) {
        let mut byte = [0];
        writer.read_at(at, &mut byte).unwrap();
        assert!(byte[0] <= 4 || at == 5000, "{byte:?}");
    }
}

/// Panics when it is dropped for the last time.
struct Clinging(MemoryStore);

impl Drop for Clinging {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "on purpose");
    }
}

impl Store for Clinging {
    fn name(&self) -> String {
        self.0.name()
    }
    fn len(&self) -> Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[test]
fn a_store_that_panics_when_it_is_dropped() {
    apart("a_store_that_panics_when_it_is_dropped", || {
        let pager = pager(16 << 20);
        for _ in 0..3000 {
            let map = pager.map(Clinging(MemoryStore::fixed([7; 10_000]))).unwrap();
            drop(map.prefetch(..));
            let _ = catch_unwind(AssertUnwindSafe(|| drop(map)));
        }
        let map = fixed(&pager);
        assert_eq!(map.prefetch(..).wait().unwrap(), 0..MIB);
    });
}
