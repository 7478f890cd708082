//! Every kind of error, provoked, and its text as a user reads it.
#![allow(unsafe_code)]

#[path = "common/mod.rs"]
mod common;

use std::error::Error as _;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use common::{Ram, pager, pattern};
use folio::Advice;
use folio_pager::{Budget, ErrorKind, Paged, PagedMut, Pager, Result};
use folio_store::testing::{Fail, Operation};
use folio_store::{Capabilities, Cost, ErrorKind as StoreErrorKind, MemoryStore, Store};

const MIB: usize = 1 << 20;

#[track_caller]
fn says<T: Debug>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    assert_eq!(format!("{error:?}"), format!("Error({kind:?}: {text})"));
}

#[track_caller]
fn becomes<T: Debug>(result: Result<T>, kind: io::ErrorKind) {
    let error = result.unwrap_err();
    let text = error.to_string();
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.to_string()), (kind, text));
}

/// Mapped for reading, a megabyte that does not change.
fn fixed() -> (Paged, Ram) {
    let store = Ram::fixed(pattern(MIB));
    (pager(256 << 10).options().granule(4096).map(store.clone()).unwrap(), store)
}

fn shared() -> (PagedMut, Ram) {
    let store = Ram::new(pattern(MIB));
    (pager(256 << 10).options().granule(4096).shared(store.clone()).unwrap(), store)
}

/// A store that has nothing but a length.
struct Long(u64);

impl Store for Long {
    fn name(&self) -> String {
        "a long one".into()
    }
    fn len(&self) -> folio_store::Result<u64> {
        Ok(self.0)
    }
    fn read_at(&self, buf: &mut [u8], _: u64) -> folio_store::Result<usize> {
        Ok(buf.len())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Memory)
    }
}

#[test]
fn a_pager_of_less_than_two_pages() {
    says(
        Pager::new(Budget::bytes(8191)),
        ErrorKind::Budget,
        "cannot make a pager: a budget of 8191 bytes holds no two pages: allow at least 8192 bytes",
    );
    becomes(Pager::new(Budget::bytes(0)), io::ErrorKind::OutOfMemory);
}

#[test]
fn a_range_outside_the_store() {
    let pager = pager(MIB as u64);
    let ram = || Ram::fixed(pattern(10_000));
    says(
        pager.options().offset(10_001).map(ram()),
        ErrorKind::OutOfRange,
        "cannot map ram: offset 10001 does not lie within its 10000 bytes",
    );
    says(
        pager.options().offset(9_000).length(1_001).map(ram()),
        ErrorKind::OutOfRange,
        "cannot map ram: 1001 bytes from 9000 on do not lie within its 10000 bytes",
    );
    says(
        pager.options().offset(u64::MAX).length(2).snapshot(ram()),
        ErrorKind::OutOfRange,
        "cannot map ram: 2 bytes from 18446744073709551615 on do not lie within its 10000 bytes",
    );
    assert!(pager.options().offset(10_000).map(ram()).unwrap().is_empty());
}

#[test]
fn a_granule_that_is_none() {
    for granule in [0, 2048, 12288, 4 << 20] {
        let text = format!(
            "cannot map ram: a granule of {granule} bytes is no power of two, 4096 to 2097152"
        );
        let pager = pager(64 << 20);
        let map = pager.options().granule(granule).map(Ram::fixed(pattern(10)));
        says(map, ErrorKind::Invalid, &text);
    }
}

#[test]
fn a_granule_of_which_the_budget_holds_no_two() {
    says(
        pager(100_000).options().granule(65536).private(Ram::fixed(pattern(MIB))),
        ErrorKind::Budget,
        "cannot map ram: a budget of 100000 bytes holds no two granules of 65536: raise the \
         budget, or take smaller granules",
    );
}

#[test]
fn a_store_that_has_no_length() {
    let store = || Fail::new(MemoryStore::zeros(10), StoreErrorKind::Denied).on(Operation::Length);
    let name = store().name();
    let text = format!("cannot map: cannot ask for the length of {name}: a test made it fail");
    let pager = pager(MIB as u64);
    says(pager.map(store()), ErrorKind::Fault, &text);
    says(pager.options().private(store()), ErrorKind::Fault, &text);
    becomes(pager.options().shared(store()), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_store_that_is_longer_than_addresses_reach() {
    let pager = pager(64 << 20);
    let options = || pager.options().granule(2 << 20);
    says(
        options().map(Long(u64::MAX)),
        ErrorKind::Unsupported,
        "cannot map a long one: it is longer than addresses reach",
    );
    // Programs have 47 bits of addresses.
    let error = options().map(Long(1 << 47)).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Os, Some(libc::ENOMEM)));
    assert_eq!(error.to_string(), "cannot map a long one: Cannot allocate memory");
}

#[test]
fn a_store_that_can_only_be_read() {
    let (pager, store) = (pager(MIB as u64), Ram::fixed(pattern(10)));
    says(
        pager.options().shared(store.clone()),
        ErrorKind::ReadOnly,
        "cannot map ram: its store can only be read: map it private, or for reading",
    );
    becomes(pager.options().shared(store), io::ErrorKind::PermissionDenied);
}

#[test]
fn bytes_of_which_there_is_a_slice() {
    let store = Ram(Ram::new(pattern(10)).0, Ram::fixed(Vec::new()).1.writable(true));
    let pager = pager(MIB as u64);
    let reader = pager.map(store.clone()).unwrap();
    assert_eq!(reader.as_slice().unwrap().len(), 10);
    says(
        pager.options().shared(store.clone()),
        ErrorKind::NotStable,
        "cannot map ram: slices of it may be in use: map it for writing before a slice of it is \
         asked for",
    );
    drop(reader);
    let _writer = pager.options().shared(store.clone()).unwrap();
    says(
        pager.map(store).unwrap().as_slice(),
        ErrorKind::NotStable,
        "cannot show ram: it is mapped for writing too",
    );
}

#[test]
fn a_slice_of_bytes_that_may_change() {
    let map = pager(MIB as u64).map(Ram::new(pattern(10))).unwrap();
    let text = "cannot show ram: its bytes may change: pin a range, or map a snapshot of it";
    says(map.as_slice(), ErrorKind::NotStable, text);
    says(map.guarded(<[u8]>::len), ErrorKind::NotStable, text);
    becomes(map.as_slice(), io::ErrorKind::Unsupported);
}

#[test]
fn no_temporary_file() {
    let pager = pager(MIB as u64);
    let options = || pager.options().spill_directory("/nowhere");
    let text = "cannot map: cannot make a temporary file in /nowhere: No such file or directory: \
                name another directory with spill_directory";
    says(options().private(Ram::fixed(pattern(10))), ErrorKind::Fault, text);
    says(options().snapshot(Ram::fixed(pattern(10))), ErrorKind::Fault, text);
    let error = options().snapshot(Ram::fixed(pattern(10))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_range_outside_the_mapping() {
    let text = |operation: &str, range: &str| {
        format!(
            "cannot {operation} ram: {range} does not lie within the 1048576 bytes of the mapping"
        )
    };
    let (reader, _) = fixed();
    let (writer, _) = shared();
    let kind = ErrorKind::OutOfRange;
    says(reader.read_at(MIB, &mut [0]), kind, &text("read", "1048576..1048577"));
    says(
        reader.read_at(usize::MAX, &mut [0; 2]),
        kind,
        &text("read", &format!("{0}..{0}", u64::MAX)),
    );
    says(reader.pin(..=MIB), kind, &text("pin", "0..1048577"));
    says(reader.evict(MIB + 1..), kind, &text("evict", "1048577..1048576"));
    says(reader.residency(..MIB + 1), kind, &text("ask about", "0..1048577"));
    says(reader.advise(..MIB + 1, Advice::WillNeed), kind, &text("advise", "0..1048577"));
    #[expect(clippy::reversed_empty_ranges)]
    let reversed = 2..1;
    says(writer.pin(reversed), kind, &text("pin", "2..1"));
    says(writer.write_at(MIB - 1, b"12"), kind, &text("write", "1048575..1048577"));
    says(writer.flush(..MIB + 1), kind, &text("flush", "0..1048577"));
    becomes(writer.flush(..MIB + 1), io::ErrorKind::InvalidInput);
    assert_eq!(reader.prefetch(MIB - 4096..MIB + 1).wait().unwrap(), MIB - 4096..MIB);
}

#[test]
fn a_store_that_fails_when_it_is_read() {
    let (map, store) = fixed();
    store.0.failing.store(true, SeqCst);
    let kind = ErrorKind::Fault;
    says(map.read_at(5000, &mut [0; 10]), kind, "cannot read ram: told to");
    says(map.pin(9000..9001), kind, "cannot pin: cannot read ram: told to");
    says(map.prefetch(20_000..20_001).wait(), kind, "cannot prefetch: cannot read ram: told to");
    says(map.guarded(|bytes| bytes[30_000]), kind, "cannot read ram: told to");
    says(map.check(), kind, "cannot read ram: told to");
    let error = map.check().unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.offset(), fault.kind()), (28672, StoreErrorKind::Io));
    assert_eq!(fault.to_string(), "cannot read ram: told to");
    assert_eq!(error.source().unwrap().to_string(), "cannot read ram: told to");
    assert_eq!((error.operation(), error.raw_os_error()), ("read", None));
}

#[test]
fn a_store_that_ends_before() {
    let (map, store) = fixed();
    store.0.bytes.lock().unwrap().truncate(10_000);
    says(
        map.read_at(9_000, &mut [0; 5000]),
        ErrorKind::Fault,
        "cannot read ram, bytes 8192..12288: it ends at 10000, and had 1048576 bytes when it was \
         mapped",
    );
    becomes(map.read_at(9_000, &mut [0; 5000]), io::ErrorKind::UnexpectedEof);
    map.read_at(8_000, &mut [0; 192]).unwrap();
}

#[test]
fn a_store_that_fails_when_it_is_written() {
    let (map, store) = shared();
    map.write_at(5000, b"hello").unwrap();
    store.0.write_failing.store(true, SeqCst);
    let kind = ErrorKind::Fault;
    says(map.flush(..), kind, "cannot flush: cannot write ram: told to");
    says(map.evict(..), kind, "cannot evict: cannot write ram: told to");
    says(map.advise(.., Advice::PageOut), kind, "cannot evict: cannot write ram: told to");
    assert_eq!(map.flush(..).unwrap_err().fault().unwrap().offset(), 4096);
    store.0.write_failing.store(false, SeqCst);
    map.flush(..).unwrap();
    // What is around the bytes cannot be had.
    store.0.failing.store(true, SeqCst);
    says(map.write_at(100_000, b"hello"), kind, "cannot write: cannot read ram: told to");
}

#[test]
fn a_store_that_cannot_make_it_last() {
    let base = Arc::new(MemoryStore::zeros(10_000));
    let store = Fail::new(base, StoreErrorKind::NoSpace).on(Operation::Sync);
    let name = store.name();
    let map = pager(MIB as u64).options().shared(store).unwrap();
    let text = format!("cannot flush: cannot sync {name}: a test made it fail");
    says(map.flush(..), ErrorKind::Fault, &text);
    becomes(map.flush(..), io::ErrorKind::StorageFull);
}

#[test]
fn zeros_that_stand_in_are_not_flushed() {
    let (map, store) = shared();
    store.0.failing.store(true, SeqCst);
    // SAFETY: the mapping has that byte.
    assert_eq!(unsafe { map.as_ptr().add(5000).read_volatile() }, 0);
    says(map.flush(..), ErrorKind::Fault, "cannot flush: cannot read ram: told to");
    map.flush(8192..).unwrap();
}

#[test]
fn zeros_that_stand_in_leave_room_for_others() {
    let pager = pager(64 * 4096);
    let store = Ram::new(pattern(1 << 20));
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    let other = pager.options().granule(4096).map(Ram::fixed(pattern(1 << 20))).unwrap();
    store.0.failing.store(true, SeqCst);
    for at in (0..1 << 20).step_by(4096) {
        // SAFETY: the mapping has that byte.
        assert_eq!(unsafe { map.as_ptr().add(at).read_volatile() }, 0);
    }
    other.read_at(5000, &mut [0]).unwrap();
    assert_eq!(other.pin(..200_000).unwrap_err().kind(), ErrorKind::Budget);
    drop(map);
    other.pin(..200_000).unwrap();
}

#[test]
fn more_is_pinned_than_the_budget_holds() {
    let (map, _) = fixed();
    let _pin = map.pin(..100_000).unwrap();
    let error = map.pin(4096..200_000).unwrap_err();
    let text = "cannot pin ram, bytes 4096..200000: 102400 of 262144 bytes are pinned already, and \
                16384 stay free for loads: raise the budget, or pin less";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Budget, text));
}

#[test]
fn bytes_that_are_pinned_are_not_written() {
    let (map, _) = shared();
    let pin = map.pin(4096..8192).unwrap();
    says(
        map.write_at(4000, &[0; 200]),
        ErrorKind::Pinned,
        "cannot write ram, bytes 4096..4097: somebody has pinned them",
    );
    becomes(map.write_at(4000, &[0; 200]), io::ErrorKind::ResourceBusy);
    drop(pin);
    map.write_at(4000, &[0; 200]).unwrap();
}

#[test]
fn advice_that_means_nothing() {
    let (map, _) = fixed();
    says(
        map.advise(.., Advice::HugePages),
        ErrorKind::Unsupported,
        "cannot advise ram: HugePages means nothing for paged mappings",
    );
}

#[test]
fn a_granule_for_which_too_much_is_pinned() {
    let pager = pager(64 << 10);
    let map = pager.options().granule(4096).map(Ram::fixed(pattern(MIB))).unwrap();
    let _pin = map.pin(..40 << 10).unwrap();
    says(
        pager.options().granule(32 << 10).map(Long(MIB as u64)),
        ErrorKind::Budget,
        "cannot map a long one: 40960 of 65536 bytes are pinned, which leaves too few for granules \
         of 32768: raise the budget, or take smaller granules",
    );
}

#[test]
fn mappings_in_a_forked_child() {
    let (reader, _) = fixed();
    let (writer, store) = shared();
    let pager = pager(MIB as u64);
    let child = || {
        let text = |operation: &str| {
            format!(
                "cannot {operation} ram: a forked child does not have its parent's paged mappings"
            )
        };
        let is = |result: Result<()>, operation: &str| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let found = error.to_string();
            assert!(found.starts_with(&text(operation)), "{found}");
        };
        is(reader.read_at(0, &mut [0]), "read");
        is(reader.as_slice().map(drop), "show");
        is(reader.pin(..1).map(drop), "pin");
        is(reader.evict(..).map(drop), "evict");
        is(reader.residency(..).map(drop), "ask about");
        is(reader.advise(.., Advice::Normal), "advise");
        is(writer.write_at(0, b"x"), "write");
        is(writer.flush(..), "flush");
        is(pager.map(store.clone()).map(drop), "map");
    };
    // SAFETY: the child makes no threads, and leaves by _exit(2); the alarm ends it if it hangs.
    let status = unsafe {
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            libc::alarm(20);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            libc::_exit(i32::from(done.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
        status
    };
    assert_eq!(status, 0, "the child ended with {status:#x}");
}
