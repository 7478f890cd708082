//! Populating with several threads, a callback and cancelling.

mod common;

use std::fs::{self, File};
use std::ops::ControlFlow;

use folio::{FaultKind, HugePage, Mapping, Memory, Progress};

const MIB: usize = 1 << 20;

#[test]
fn every_page_is_brought_in_by_any_number_of_threads_and_progress_ends_at_the_total() {
    for threads in [0, 1, 2, 7] {
        for range in [0..40 * MIB, 5 * MIB + 100..33 * MIB + 1, 17..18, 9..9] {
            let memory = Memory::new(40 * MIB).unwrap();
            let mut seen = Vec::new();
            let done = memory.populate_with(range.clone(), threads, |progress| {
                seen.push(progress);
                ControlFlow::Continue(())
            });
            let done = done.unwrap();
            let whole = (range.start & !4095)..range.end.next_multiple_of(4096);
            let whole = if range.is_empty() { 0..0 } else { whole };
            assert_eq!(done, whole, "{threads} threads, {range:?}");
            let resident = memory.residency(whole.clone()).unwrap();
            assert_eq!(resident.resident_pages(), whole.len() / 4096);
            assert!(seen.is_sorted_by_key(|progress| progress.done_bytes));
            assert!(seen.iter().all(|progress| progress.total_bytes == whole.len()));
            let last = seen.last().map_or(0, |progress: &Progress| progress.done_bytes);
            assert_eq!(last, whole.len());
        }
    }
}

#[test]
fn pages_outside_the_range_stay_out() {
    let memory = Memory::options().memory(64 * MIB).unwrap();
    memory.advise(.., folio::Advice::NoHugePages).unwrap();
    memory.populate_with(10 * MIB..30 * MIB, 2, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(memory.residency(..).unwrap().resident_pages(), 20 * MIB / 4096);
    assert_eq!(memory.populate(50 * MIB..51 * MIB).unwrap(), 50 * MIB..51 * MIB);
    assert_eq!(memory.residency(..).unwrap().resident_pages(), 21 * MIB / 4096);
}

#[test]
fn a_callback_that_breaks_stops_every_thread_and_the_rest_stays_out() {
    for threads in [1, 3] {
        let memory = Memory::new(200 * MIB).unwrap();
        let mut calls = 0;
        let done = memory.populate_with(.., threads, |_| {
            calls += 1;
            ControlFlow::Break(())
        });
        let done = done.unwrap();
        assert!(done.start == 0 && !done.is_empty(), "{done:?}");
        if threads == 1 {
            assert_eq!((calls, done.end < 10 * MIB), (1, true));
        }
        let resident = memory.residency(..).unwrap();
        assert!((0..done.end).step_by(4096).all(|at| resident.is_resident(at)));
        assert!(done.end == 200 * MIB || !resident.is_resident(done.end));
    }
}

#[test]
fn the_fault_with_the_lowest_offset_is_the_error() {
    let path = std::env::temp_dir().join(format!("folio-populate-{}", std::process::id()));
    fs::write(&path, b"").unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(64 * MIB as u64).unwrap();
    let map = Mapping::options().offset(1000).open(&path).unwrap();
    let cut = 21 * MIB as u64 + 8192;
    file.set_len(cut).unwrap();
    // Several threads meet a fault each, in any order: once shows little.
    for threads in [1, 2].into_iter().chain([5; 50]) {
        let error = map.populate_with(.., threads, |_| ControlFlow::Continue(())).unwrap_err();
        let fault = error.fault().expect("a fault");
        assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, cut));
        let done = map.populate_with(..10 * MIB, threads, |_| ControlFlow::Continue(()));
        // From the first byte shown to the end of the page of the last.
        assert_eq!(done.unwrap(), 0..10 * MIB + 4096 - 1000);
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn huge_pages_are_populated_whole() {
    let options = Mapping::options().huge_pages_or_base(HugePage::Mib2);
    let memory = options.memory(5 * MIB).unwrap();
    if memory.page_size() == 4096 {
        common::skip("huge pages in the pool");
    }
    let done = memory.populate_with(3 * MIB..3 * MIB + 1, 2, |_| ControlFlow::Continue(()));
    let page = memory.page_size();
    assert_eq!(done.unwrap(), 3 * MIB / page * page..(3 * MIB + 1).next_multiple_of(page));
}
