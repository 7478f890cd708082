//! A granule's word in a model checker: `loom` runs each scenario in every order of its threads, and
//! with every value that the memory model lets a load see, up to a number of preemptions.
//!
//! What is checked in every order (what threads do is in `common/granule.rs`):
//! - nobody waits for ever: loom ends a run in which no thread can go on;
//! - no two threads own the granule: loom watches its bytes, its slot and its store;
//! - in particular, nothing is evicted while it is pinned, and nothing written while it is saved;
//! - no write is lost: what was written is read again, and is in the store after a flush.

#[path = "common/granule.rs"]
mod granule;
#[allow(dead_code)]
#[path = "../src/word.rs"]
mod word;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
}

use granule::{Granule, Manner, STORED};
use loom::thread;

/// Runs threads on a granule, the last one on this, after `before`; then looks at it `after`.
fn check<const THREADS: usize>(
    preemptions: usize,
    manner: Manner,
    before: fn(&Granule),
    threads: [fn(&Granule); THREADS],
    after: fn(&Granule),
) {
    let mut model = loom::model::Builder::new();
    // `LOOM_MAX_PREEMPTIONS` makes it quicker where it has been run in full.
    let most = model.preemption_bound.unwrap_or(preemptions);
    model.preemption_bound = Some(preemptions.min(most));
    model.check(move || {
        let granule = Granule::new(manner);
        before(&granule);
        let (last, others) = threads.split_last().expect("a thread");
        let others: Vec<_> = others
            .iter()
            .map(|&body| {
                let granule = granule.clone();
                thread::spawn(move || body(&granule))
            })
            .collect();
        last(&granule);
        others.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(granule.is_settled(), "{:?}", granule.word);
        after(&granule);
    });
}

const PLAIN: Manner = Manner { whole: false, failures: 0 };
const WHOLE: Manner = Manner { whole: true, failures: 0 };

fn nothing(_: &Granule) {}

fn reads_what_is_stored(granule: &Granule) {
    assert_eq!(granule.read(), STORED);
}

fn pins_what_is_stored(granule: &Granule) {
    let pin = granule.pin();
    assert_eq!((pin.read(), pin.read()), (STORED, STORED));
}

fn writes_and_reads(granule: &Granule) {
    granule.write(1);
    assert_eq!(granule.read(), 1);
}

fn is_written(granule: &Granule) {
    assert_eq!(granule.read(), 1);
    granule.flush();
    assert_eq!(granule.stored(), 1);
}

fn make_room(granule: &Granule) {
    granule.make_room();
}

fn rest(granule: &Granule) {
    granule.rest();
}

fn flush(granule: &Granule) {
    granule.flush();
}

#[test]
fn one_of_those_who_touch_an_absent_granule_loads_it() {
    check(2, PLAIN, nothing, [reads_what_is_stored; 3], |granule| {
        assert_eq!(granule.reads(), 1);
    });
}

#[test]
fn what_is_evicted_or_rested_is_there_when_it_is_touched() {
    check(3, PLAIN, reads_what_is_stored, [make_room, rest, reads_what_is_stored], nothing);
    check(2, PLAIN, rest, [reads_what_is_stored, make_room, reads_what_is_stored], nothing);
}

#[test]
fn a_write_that_races_with_a_flush_is_not_lost() {
    for manner in [PLAIN, WHOLE] {
        check(3, manner, nothing, [flush, writes_and_reads], is_written);
        check(2, manner, reads_what_is_stored, [flush, flush, writes_and_reads], is_written);
    }
}

#[test]
fn a_write_that_races_with_an_eviction_is_not_lost() {
    for manner in [PLAIN, WHOLE] {
        check(3, manner, reads_what_is_stored, [make_room, writes_and_reads], is_written);
        check(2, manner, nothing, [make_room, flush, writes_and_reads], is_written);
    }
}

#[test]
fn a_write_that_races_with_an_eviction_on_request_is_not_lost() {
    let evict: fn(&Granule) = Granule::evict_range;
    for manner in [PLAIN, WHOLE] {
        check(2, manner, nothing, [evict, writes_and_reads], is_written);
        check(2, manner, nothing, [evict, make_room, writes_and_reads], is_written);
    }
}

#[test]
fn a_write_that_races_with_a_rest_is_not_lost() {
    let dirty: fn(&Granule) = |granule| granule.write(5);
    check(2, PLAIN, dirty, [rest, flush, writes_and_reads], is_written);
    check(2, PLAIN, dirty, [rest, make_room, writes_and_reads], is_written);
}

#[test]
fn what_a_failed_sync_makes_dirty_again_is_saved_again() {
    let saved: fn(&Granule) = |granule| {
        granule.write(5);
        granule.flush();
    };
    let again: fn(&Granule) = Granule::soil_again;
    check(2, PLAIN, saved, [again, rest, writes_and_reads], is_written);
    check(2, PLAIN, saved, [again, make_room, writes_and_reads], is_written);
    check(2, PLAIN, saved, [again, flush, writes_and_reads], is_written);
    check(2, PLAIN, saved, [again, Granule::evict_range, rest], |granule| {
        assert_eq!(granule.read(), 5);
    });
}

#[test]
fn two_who_write_both_get_on() {
    let both = |granule: &Granule| {
        let value = granule.read();
        assert!(value == 1 || value == 2, "{value}");
        granule.flush();
        assert_eq!(granule.stored(), value);
    };
    for manner in [PLAIN, WHOLE] {
        check(2, manner, nothing, [|it| it.write(1), |it| it.write(2), flush], both);
        check(2, manner, nothing, [|it| it.write(1), |it| it.write(2), make_room], both);
    }
}

#[test]
fn what_is_pinned_is_neither_evicted_nor_rested() {
    check(3, PLAIN, nothing, [make_room, rest, pins_what_is_stored], nothing);
    check(2, PLAIN, pins_what_is_stored, [rest, pins_what_is_stored, make_room], nothing);
    let evict: fn(&Granule) = Granule::evict_range;
    check(2, PLAIN, pins_what_is_stored, [evict, pins_what_is_stored, rest], nothing);
}

#[test]
fn whoever_writes_to_what_is_pinned_waits_for_the_last_pin() {
    let pins: fn(&Granule) = |granule| {
        let pin = granule.pin();
        let value = pin.read();
        assert!(value == STORED || value == 1);
        assert_eq!(pin.read(), value);
    };
    for manner in [PLAIN, WHOLE] {
        check(3, manner, nothing, [pins, writes_and_reads], is_written);
        check(2, manner, reads_what_is_stored, [pins, pins, writes_and_reads], is_written);
        check(2, manner, reads_what_is_stored, [pins, flush, writes_and_reads], is_written);
        check(2, manner, reads_what_is_stored, [pins, make_room, writes_and_reads], is_written);
    }
}

#[test]
fn what_is_pinned_while_it_is_saved_stays() {
    let dirty: fn(&Granule) = |granule| granule.write(1);
    let pins: fn(&Granule) = |granule| {
        let pin = granule.pin();
        assert_eq!((pin.read(), pin.read()), (1, 1));
    };
    check(3, PLAIN, dirty, [make_room, pins], is_written);
    check(2, PLAIN, dirty, [make_room, flush, pins], is_written);
    check(2, PLAIN, dirty, [rest, make_room, pins], is_written);
}

#[test]
fn where_a_store_fails_nobody_waits_for_ever() {
    let once = Manner { failures: 1, ..PLAIN };
    let reads: fn(&Granule) = |granule| assert!([0, STORED].contains(&granule.read()));
    let copies: fn(&Granule) = |granule| {
        if let Ok(value) = granule.copy() {
            assert!([0, STORED].contains(&value));
        }
    };
    let recovers: fn(&Granule) = |granule| {
        granule.retry();
        assert_eq!(granule.read(), STORED);
    };
    check(3, once, nothing, [reads, reads], recovers);
    check(2, once, nothing, [reads, copies, reads], recovers);
    check(3, once, nothing, [pins_what_is_stored, reads], recovers);
    check(3, once, nothing, [pins_what_is_stored, copies], recovers);
    check(1, once, nothing, [copies, pins_what_is_stored, copies], recovers);
    check(1, once, nothing, [Granule::retry, pins_what_is_stored, reads], recovers);
}

#[test]
fn that_bytes_have_been_kept_is_not_forgotten() {
    let dirty: fn(&Granule) = |granule| granule.write(1);
    let pins = |granule: &Granule| drop(granule.pin());
    check(2, PLAIN, dirty, [flush, pins, |it| assert_eq!(it.read(), 1)], |granule| {
        granule.flush();
        assert!(granule.word.seen().is_kept());
        granule.make_room();
        assert!(granule.word.seen().is_kept());
    });
}

#[test]
fn what_is_pinned_is_not_written_even_if_its_memory_breaks() {
    let pins: fn(&Granule) = |granule| {
        let _pin = granule.pin();
        let value = granule.read();
        assert_eq!(granule.read(), value);
    };
    let broke: fn(&Granule) = Granule::broke;
    check(2, PLAIN, reads_what_is_stored, [broke, pins, |it| it.write(1)], nothing);
}
