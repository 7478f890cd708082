//! What happens at awkward moments: while something is evicted, saved or made last, and a store is at it.

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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{Ram, pattern};
use folio::Advice;
use folio_pager::{Budget, ErrorKind, Paged, PagedMut, Pager};
use folio_store::{MemoryStore, Store};
use gate::Gate;
use hostile::{Hostile, MIB, Method, fixed, watched};

const PAGE: usize = 4096;
const MOMENT: Duration = Duration::from_millis(300);

/// So many pages, of which none is saved before room is needed.
fn lazy(pages: usize) -> Pager {
    Pager::new(Budget::bytes((pages * PAGE) as u64).dirty_bytes(1 << 40)).unwrap()
}

fn writable(pager: &Pager, store: impl Store + 'static) -> PagedMut {
    pager.options().granule(PAGE).advice(Advice::Random).shared(store).unwrap()
}

/// A store whose writes wait at a gate.
fn slow_to_write() -> (Hostile, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let wait = move |method| {
        if method == Method::Write {
            closed.pass();
        }
    };
    (Hostile::new(wait), gate)
}

/// Half of what a pager of 128 pages has, in one granule.
fn large(pager: &Pager) -> Paged {
    pager.options().granule(64 * PAGE).map(MemoryStore::fixed(pattern(MIB))).unwrap()
}

#[test]
fn a_slice_of_what_is_being_evicted_does_not_change_when_the_store_fails() {
    let _watchdog = watched("a slice of what is being evicted");
    let pager = lazy(128);
    let store = Ram::fixed(pattern(MIB));
    let map = pager.options().granule(PAGE).advice(Advice::Random).map(store.clone()).unwrap();
    let (other, gate) = slow_to_write();
    let (other, large) = (writable(&pager, other), large(&pager));
    for page in 0..55 {
        map.read_at(page * PAGE, &mut [0]).unwrap();
        other.write_at(page * PAGE, &[1]).unwrap();
    }
    std::thread::scope(|scope| {
        // Takes half of each: those of the first wait to be dropped until those of the other are written.
        let touch = scope.spawn(|| large.read_at(0, &mut [0]));
        gate.wait_for(1);
        let (seen, early) = channel();
        let (map, touched) = (&map, Arc::new(Gate::default()));
        let dropped = touched.clone();
        let reader = scope.spawn(move || {
            let slice = map.as_slice().unwrap();
            let before = slice[5];
            seen.send(()).unwrap();
            dropped.pass();
            (before, std::hint::black_box(slice)[5])
        });
        // It may wait for what is evicted.
        let _ = early.recv_timeout(MOMENT);
        store.0.failing.store(true, SeqCst);
        gate.open();
        touch.join().unwrap().unwrap();
        touched.open();
        let (before, after) = reader.join().unwrap();
        assert_eq!(before, after);
    });
}

#[test]
fn what_is_written_after_slices_are_gone_is_in_the_store_or_refused() {
    let pager = lazy(128);
    let store = Hostile::new(|_| ());
    let mut map = pager.options().granule(PAGE).map(store.clone()).unwrap();
    assert_eq!(map.as_slice().unwrap()[PAGE], pattern(MIB)[PAGE]);
    assert!(map.retry());
    match pager.options().shared(store.clone()) {
        Ok(written) => {
            written.write_at(PAGE, b"hello").unwrap();
            written.flush(..).unwrap();
            let mut found = [0; 5];
            store.inner.read_full_at(&mut found, PAGE as u64).unwrap();
            assert_eq!(&found, b"hello");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotStable),
    }
}

#[test]
fn what_is_evicted_while_a_sync_fails_is_told_for_ever() {
    let _watchdog = watched("evicted while a sync fails");
    let pager = lazy(128);
    let (sync, fails) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(true)));
    let store = {
        let (sync, fails) = (sync.clone(), fails.clone());
        Hostile::new(move |method| {
            if method == Method::Sync {
                sync.pass();
                assert!(!fails.load(SeqCst), "told to");
            }
        })
    };
    let map = writable(&pager, store);
    let (other, write) = slow_to_write();
    let (other, large) = (writable(&pager, other), large(&pager));
    for page in 0..55 {
        map.write_at(page * PAGE, &[1]).unwrap();
        other.write_at(page * PAGE, &[1]).unwrap();
    }
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| map.flush(..));
        sync.wait_for(1);
        let touch = scope.spawn(|| large.read_at(0, &mut [0]));
        write.wait_for(1);
        sync.open();
        // The flush goes on until it waits for what is evicted.
        std::thread::sleep(MOMENT);
        write.open();
        touch.join().unwrap().unwrap();
        assert!(flush.join().unwrap().is_err());
    });
    fails.store(false, SeqCst);
    let error = map.flush(..).unwrap_err().to_string();
    assert!(error.contains("an earlier sync failed"), "{error}");
}

#[test]
fn threads_that_save_for_each_other_and_need_room_for_it_go_on() {
    let _watchdog = watched("need room to save");
    let pager = lazy(63);
    let armed = Arc::new(AtomicBool::new(false));
    let read = {
        let (armed, map) = (armed.clone(), fixed(&pager));
        map.advise(.., Advice::Random).unwrap();
        let next = AtomicUsize::new(0);
        Hostile::new(move |method| {
            if method == Method::Write && armed.load(SeqCst) {
                // Each a page of its own.
                let page = next.fetch_add(1, SeqCst) % 256;
                let _ = map.read_at(page * PAGE, &mut [0]);
            }
        })
    };
    let map = writable(&pager, read);
    for _ in 0..10 {
        armed.store(false, SeqCst);
        for page in 0..63 {
            map.write_at(2 * page * PAGE, &[1]).unwrap();
        }
        armed.store(true, SeqCst);
        map.flush(..).unwrap();
    }
}

#[test]
fn who_writes_too_much_is_held_up_whatever_is_read() {
    let budget = Budget::bytes((256 * PAGE) as u64).dirty_bytes((16 * PAGE) as u64);
    let pager = Pager::new(budget).unwrap();
    let store = Hostile::new(|method| {
        if method == Method::Write {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let (map, other) = (writable(&pager, store), fixed(&pager));
    other.advise(.., Advice::Random).unwrap();
    let mut most = 0;
    for page in 0..128 {
        map.write_at(page * PAGE, &[1]).unwrap();
        other.read_at(page * PAGE, &mut [0]).unwrap();
        most = most.max(map.residency(..).unwrap().dirty_bytes);
    }
    assert!(most <= (48 * PAGE) as u64, "{} pages", most / PAGE as u64);
}
