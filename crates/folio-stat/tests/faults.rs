//! The faults of a scope are those of the pages touched in it.

mod common;

use common::*;
use folio_stat::{FaultCount, FaultScope, Process};

#[test]
fn a_thread_counts_one_minor_fault_for_each_page_it_touches() {
    let touch = |area: &Area| {
        let scope = FaultScope::thread();
        area.write(0..64);
        (scope.so_far(), scope)
    };
    // The code that is run has pages too: they come in the first time.
    let _ = touch(&Area::anonymous(64));
    let area = Area::anonymous(64);
    let (faults, scope) = touch(&area);
    area.write(0..64);
    assert_eq!(scope.finish(), faults);
    assert_eq!((faults.minor, faults.major), (64, 0));
}

#[test]
fn a_thread_does_not_count_the_faults_of_another_and_the_process_does() {
    let area = Area::anonymous(64);
    let (thread, process) = (FaultScope::thread(), FaultScope::process());
    let before = Process::current().unwrap().faults().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| area.write(0..64)).join().unwrap();
    });
    assert!(thread.finish().minor < 64);
    assert!(process.finish().minor >= 64);
    let after = Process::current().unwrap().faults().unwrap();
    assert!((after - before).minor >= 64);
    assert!(FaultCount::of_process().minor >= FaultCount::of_thread().minor);
}

#[test]
fn the_faults_of_another_process_stand_still_while_it_sleeps() {
    let sleeper = Sleeper::new();
    let process = Process::of(sleeper.pid()).unwrap();
    let faults = process.faults().unwrap();
    assert!(faults.minor > 0);
    assert_eq!(process.faults().unwrap(), faults);
}

#[test]
fn a_page_that_must_be_read_is_a_major_fault() {
    let file = clean_file(1);
    // SAFETY: advice on a descriptor changes no memory.
    #[allow(unsafe_code)]
    let status = unsafe {
        use std::os::fd::AsRawFd;
        libc::posix_fadvise(file.as_file().as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED)
    };
    assert_eq!(status, 0);
    if folio_stat::PageCache::of(file.as_file(), ..).unwrap().resident_pages > 0 {
        common::skip("this file system keeps its pages");
        return;
    }
    let area = Area::new(PAGE, libc::PROT_READ, libc::MAP_SHARED, Some((file.as_file(), 0)));
    let scope = FaultScope::thread();
    area.read(0..1);
    assert_eq!(scope.finish().major, 1);
}
