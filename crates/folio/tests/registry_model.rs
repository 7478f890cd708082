//! The registry in a model checker: `loom` runs each scenario in every order of its threads, and
//! with every value that the memory model lets a load see, up to a number of preemptions.

#[allow(dead_code)]
#[path = "../src/registry.rs"]
mod registry;

mod sync {
    pub(crate) use loom::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    pub(crate) const FIRST: usize = 1;
    pub(crate) const BUCKETS: usize = 2;
}

use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use loom::thread;
use registry::{NO_SLOT, Registry, Slot};
use sync::{AtomicPtr, Ordering};

/// What travels with a slot's addresses: whose it is, and whether two think it theirs.
struct Payload {
    start: AtomicUsize,
    taken: AtomicBool,
}

impl Default for Payload {
    fn default() -> Self {
        Self { start: AtomicUsize::new(0), taken: AtomicBool::new(false) }
    }
}

type Model = &'static Registry<Payload>;

/// Leaked, as the program's own is: each run of a model has a new one.
fn registry() -> Model {
    Box::leak(Box::new(Registry::of(
        std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        AtomicUsize::new(0),
        AtomicU64::new(u64::from(NO_SLOT)),
    )))
}

fn insert(registry: Model, start: usize, end: usize) -> &'static Slot<Payload> {
    let prepare = |payload: &Payload| {
        assert!(!payload.taken.swap(true, Ordering::Relaxed), "one slot for two mappings");
        payload.start.store(start, Ordering::Relaxed);
    };
    let slot = registry.insert(start, end, prepare).expect("a slot");
    assert_eq!((slot.start(), slot.end()), (start, end));
    slot
}

fn remove(registry: Model, slot: &'static Slot<Payload>) {
    assert!(slot.payload.taken.swap(false, Ordering::Relaxed), "a slot removed twice");
    registry.remove(slot);
}

fn find(registry: Model, address: usize) -> Option<&'static Slot<Payload>> {
    registry.find(address, |_| true)
}

#[track_caller]
fn assert_found(registry: Model, start: usize, end: usize) {
    for address in [start, end - 1] {
        let slot = find(registry, address).expect("a slot that holds still");
        assert_eq!((slot.start(), slot.end()), (start, end));
        assert_eq!(slot.payload.start.load(Ordering::Relaxed), start);
    }
}

fn check(preemptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(scenario);
}

#[test]
fn a_slot_that_holds_still_is_found_while_others_come_and_go() {
    check(2, || {
        let registry = registry();
        let other = insert(registry, 30, 40);
        let _held = insert(registry, 10, 20);
        let busy = thread::spawn(move || {
            remove(registry, other);
            insert(registry, 50, 60);
            insert(registry, 70, 80);
        });
        assert_found(registry, 10, 20);
        busy.join().unwrap();
        assert_found(registry, 50, 60);
        assert_found(registry, 70, 80);
        assert!(find(registry, 35).is_none());
    });
}

#[test]
fn a_slot_is_never_found_for_an_address_that_was_in_no_mapping() {
    check(2, || {
        let registry = registry();
        let first = insert(registry, 30, 40);
        let busy = thread::spawn(move || {
            remove(registry, first);
            let second = insert(registry, 50, 60);
            remove(registry, second);
        });
        // Between the first mapping and the second: in a pair torn from both.
        assert!(find(registry, 45).is_none());
        // Before both: in a pair of nothing's start and a mapping's end.
        assert!(find(registry, 5).is_none());
        busy.join().unwrap();
        assert!(find(registry, 35).is_none() && find(registry, 55).is_none());
    });
}

#[test]
fn a_mapping_handed_to_another_thread_is_found_there() {
    check(2, || {
        let registry = registry();
        let ready: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let maker = thread::spawn(move || {
            insert(registry, 10, 20);
            ready.store(true, Ordering::Release);
        });
        let busy = thread::spawn(move || {
            let slot = insert(registry, 30, 40);
            remove(registry, slot);
        });
        if ready.load(Ordering::Acquire) {
            assert_found(registry, 10, 20);
        }
        maker.join().unwrap();
        busy.join().unwrap();
        assert_found(registry, 10, 20);
    });
}

#[test]
fn the_free_list_hands_no_slot_to_two_and_loses_none() {
    check(3, || {
        let registry = registry();
        let slots = [(1, 2), (3, 4), (5, 6)].map(|(start, end)| insert(registry, start, end));
        slots.into_iter().for_each(|slot| remove(registry, slot));
        let other = thread::spawn(move || {
            let first = insert(registry, 10, 20);
            let second = insert(registry, 20, 30);
            remove(registry, first);
            (second, insert(registry, 30, 40))
        });
        let slot = insert(registry, 50, 60);
        other.join().unwrap();
        assert_found(registry, 20, 30);
        assert_found(registry, 30, 40);
        assert_found(registry, 50, 60);
        remove(registry, slot);
        insert(registry, 60, 70);
        // All three are taken, and there is no fourth.
        assert!(registry.insert(80, 90, |_| ()).is_none());
    });
}

#[test]
fn two_threads_that_need_a_bucket_at_once_share_one() {
    check(3, || {
        let registry = registry();
        insert(registry, 10, 20);
        let other = thread::spawn(move || insert(registry, 30, 40));
        insert(registry, 50, 60);
        other.join().unwrap();
        assert_found(registry, 10, 20);
        assert_found(registry, 30, 40);
        assert_found(registry, 50, 60);
    });
}
