//! Mappings that folio did not make: guarding ranges, records, and putting files back.
#![allow(unsafe_code)]

mod signals_common;

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use folio::foreign::{self, Guarded};
use folio::{Access, FaultKind};
use signals_common::*;

#[test]
fn thousands_of_separate_pages_are_known_of_and_so_is_the_next_file() {
    const PAGES: usize = 4000;
    let scratch = Scratch::new();
    let path = scratch.file("many", b"");
    set_len(&path, (PAGES * PAGE) as u64);
    let many = Raw::shared(&path, PAGES * PAGE);
    many.guard();
    set_len(&path, 0);
    let lost = || (0..PAGES).rev().step_by(2);
    lost().for_each(|page| assert_eq!(many.read(page * PAGE), 0));
    let next = scratch.file("next", &pattern(PAGE));
    let other = Raw::shared(&next, PAGE);
    other.guard();
    set_len(&next, 0);
    assert_eq!(other.read(0), 0);

    let start = many.addresses().start;
    let known = |page: usize| foreign::check(start + page * PAGE..start + page * PAGE + 1).is_err();
    assert!(lost().all(known));
    assert!(!lost().any(|page| page > 0 && known(page - 1)));
    assert_eq!(other.check().unwrap().backing().path(), Some(next.as_path()));
    drop(many);
    assert!(other.check().is_some());
    drop(other);
}

#[test]
fn a_guarded_range_reads_as_zeros_where_the_file_was_cut_and_says_so() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(8 * PAGE));
    let raw = Raw::shared(&path, 8 * PAGE);
    raw.guard();
    assert!(raw.check().is_none());
    set_len(&path, 2 * PAGE as u64);
    assert_eq!((raw.read(5), raw.read(5 * PAGE + 7)), (6, 0));
    let fault = raw.check().unwrap();
    assert_eq!((fault.kind(), fault.access()), (FaultKind::Truncated, Access::Read));
    assert_eq!(fault.offset(), (5 * PAGE + 7) as u64);
    assert_eq!(fault.address(), raw.addresses().start + 5 * PAGE + 7);
    assert_eq!(fault.backing().path(), Some(path.as_path()));
    // A part of it that met none has none.
    let start = raw.addresses().start;
    foreign::check(start..start + 5 * PAGE).unwrap();
    let at = foreign::check(start + 5 * PAGE + 100..start + 6 * PAGE).unwrap_err();
    assert_eq!(at.offset(), (5 * PAGE + 100) as u64);
    // A page that nobody touched is still the file's.
    set_len(&path, 8 * PAGE as u64);
    File::options().write(true).open(&path).unwrap().write_at(&[9], 6 * PAGE as u64).unwrap();
    assert_eq!((raw.read(6 * PAGE), raw.read(5 * PAGE + 7)), (9, 0));
}

#[test]
fn a_private_mapping_and_a_write_are_covered_too() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(4 * PAGE));
    let write = libc::PROT_READ | libc::PROT_WRITE;
    for flags in [libc::MAP_PRIVATE, libc::MAP_SHARED] {
        set_len(&path, 4 * PAGE as u64);
        let raw = Raw::of(&path, 4 * PAGE, write, flags);
        raw.guard();
        raw.write(0, 77);
        set_len(&path, PAGE as u64);
        raw.write(3 * PAGE, 5);
        assert_eq!((raw.read(3 * PAGE), raw.read(0)), (5, 77));
        let fault = raw.check().unwrap();
        assert_eq!((fault.kind(), fault.access()), (FaultKind::Truncated, Access::Write));
    }
}

#[test]
fn neighbouring_pages_are_one_record_and_what_lies_between_two_others_is_none() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(4000 * PAGE));
    let raw = Raw::shared(&path, 4000 * PAGE);
    raw.guard();
    set_len(&path, 0);
    let start = raw.addresses().start;
    let met = |page: usize| foreign::check(start + page * PAGE..start + (page + 1) * PAGE).is_err();
    for page in (2000..3000).chain((1000..1999).rev()) {
        assert_eq!(raw.read(page * PAGE + 1), 0);
    }
    assert!(met(1000) && met(1998) && !met(1999) && met(2000) && met(2999) && !met(999));
    assert!(!met(3000));
    // Far more than there is room for, one by one.
    for page in (0..1000).step_by(2) {
        assert_eq!(raw.read(page * PAGE), 0);
    }
    assert!(raw.check().is_some());
}

#[test]
fn after_more_faults_than_are_kept_nothing_is_said_to_be_whole() {
    let ended = in_child("after_more_faults_than_are_kept_nothing_is_said_to_be_whole", || {
        const PAGES: usize = 9000;
        let path = child_dir().join("file");
        fs::write(&path, b"").unwrap();
        set_len(&path, (PAGES * PAGE) as u64);
        let raw = Raw::shared(&path, PAGES * PAGE);
        raw.guard();
        set_len(&path, 0);
        assert!((0..PAGES).step_by(2).all(|page| raw.read(page * PAGE) == 0));
        let start = raw.addresses().start;
        let check = |page: usize| foreign::check(start + page * PAGE..start + (page + 1) * PAGE);
        assert_eq!(check(0).unwrap_err().kind(), FaultKind::Truncated);
        assert_eq!(check(PAGES - 2).unwrap_err().kind(), FaultKind::Unexplained);
        assert!(!foreign::is_quiet());
    });
    ended.unwrap().assert_success();
}

#[test]
fn what_is_restored_may_do_what_the_page_may_do_by_then() {
    let scratch = Scratch::new();
    let bytes = pattern(3 * PAGE);
    let path = scratch.file("file", &bytes);
    let raw = Raw::of(&path, 3 * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
    raw.guard();
    set_len(&path, 0);
    assert_eq!((raw.read(0), raw.read(PAGE), raw.read(2 * PAGE)), (0, 0, 0));
    // SAFETY: the page is the mapping's.
    let changed = unsafe { libc::mprotect(raw.start.add(PAGE).cast(), PAGE, libc::PROT_READ) };
    assert_eq!(changed, 0);
    fs::write(&path, &bytes).unwrap();
    // SAFETY: the mapping is still there, and nobody refers to it.
    assert!(unsafe { foreign::restore(raw.addresses()) }.unwrap().is_some());
    assert!((0..3).all(|page| raw.read(page * PAGE) == bytes[page * PAGE]));
    raw.write(2 * PAGE, 7);
    // SAFETY: no reference covers the page.
    let refused = unsafe { foreign::write(raw.start.add(PAGE), [1].as_ptr(), 1) }.unwrap_err();
    assert_eq!(refused.fault().unwrap().kind(), FaultKind::Protection);
}

#[test]
fn a_guard_can_be_taken_off_a_part_and_goes_with_its_mapping() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(9 * PAGE));
    let raw = Raw::shared(&path, 9 * PAGE);
    let start = raw.addresses().start;
    let page = |page: usize| start + page * PAGE..start + (page + 1) * PAGE;
    raw.guard();
    raw.guard();
    assert!(foreign::is_guarded(raw.addresses()));
    foreign::unguard(start + 3 * PAGE..start + 5 * PAGE);
    assert!(foreign::is_guarded(start..start + 3 * PAGE));
    assert!(!foreign::is_guarded(page(3)) && !foreign::is_guarded(page(4)));
    assert!(foreign::is_guarded(start + 5 * PAGE..start + 9 * PAGE));
    assert!(!foreign::is_guarded(raw.addresses()));
    // SAFETY: as in `Raw::guard`.
    unsafe { foreign::guard(start + 2 * PAGE..start + 6 * PAGE) }.unwrap();
    assert!(foreign::is_guarded(raw.addresses()));
    let addresses = raw.addresses();
    let failed = foreign::replace(addresses.clone(), || Err::<(), _>("refused"));
    assert_eq!(failed, Err("refused"));
    assert!(foreign::is_guarded(addresses.clone()));
    drop(raw);
    assert!(!foreign::is_guarded(page(0)) && !foreign::is_guarded(page(8)));
    assert!(addresses.step_by(PAGE).all(|at| !foreign::is_guarded(at..at + 1)));
}

#[test]
fn what_is_restored_is_the_files_again() {
    let scratch = Scratch::new();
    let bytes = pattern(6 * PAGE);
    let path = scratch.file("file", &bytes);
    let write = libc::PROT_READ | libc::PROT_WRITE;
    for (protection, flags) in [
        (libc::PROT_READ, libc::MAP_SHARED),
        (libc::PROT_READ, libc::MAP_PRIVATE),
        (write, libc::MAP_SHARED),
        (write, libc::MAP_PRIVATE),
    ] {
        fs::write(&path, &bytes).unwrap();
        let raw = Raw::of(&path, 6 * PAGE, protection, flags);
        raw.guard();
        set_len(&path, 0);
        let zeros: u8 = (0..6).map(|page| raw.read(page * PAGE)).sum();
        assert_eq!(zeros, 0);
        fs::write(&path, &bytes).unwrap();
        let start = raw.addresses().start;
        // SAFETY: the mapping is still there, and nobody refers to it.
        let restore = |range| unsafe { foreign::restore(range) }.unwrap();
        assert!(restore(start + 2 * PAGE..start + 3 * PAGE).is_some());
        assert_eq!(
            (raw.read(PAGE), raw.read(2 * PAGE), raw.read(3 * PAGE)),
            (0, bytes[2 * PAGE], 0)
        );
        assert!(restore(raw.addresses()).is_some());
        assert!((0..6).all(|page| raw.read(page * PAGE) == bytes[page * PAGE]));
        assert!(raw.check().is_none() && restore(raw.addresses()).is_none());
        if protection == write && flags == libc::MAP_SHARED {
            raw.write(5 * PAGE, 200);
            assert_eq!(fs::read(&path).unwrap()[5 * PAGE], 200);
        }
    }
}

#[test]
fn a_file_that_is_gone_cannot_be_restored_and_the_record_stays() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(2 * PAGE));
    let raw = Raw::shared(&path, 2 * PAGE);
    raw.guard();
    set_len(&path, 0);
    fs::remove_file(&path).unwrap();
    assert_eq!(raw.read(0), 0);
    // SAFETY: as above.
    let error = unsafe { foreign::restore(raw.addresses()) }.unwrap_err();
    assert_eq!(error.kind(), folio::ErrorKind::Unsupported);
    assert!(raw.check().is_some());
    foreign::forget(raw.addresses());
    assert!(raw.check().is_none());
}

#[test]
fn a_file_written_by_other_means_is_seen_again_through_a_read_only_mapping() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(8 * PAGE));
    let raw = Raw::shared(&path, 8 * PAGE);
    raw.guard();
    set_len(&path, 0);
    assert!((0..8).all(|page| raw.read(page * PAGE) == 0));
    let write_only = File::options().write(true).open(&path).unwrap();
    write_only.write_at(&[3; 100], 2 * PAGE as u64 + 50).unwrap();
    let range = 2 * PAGE as u64 + 50..2 * PAGE as u64 + 150;
    // SAFETY: `Raw` unmaps by `replace`.
    assert_eq!(unsafe { foreign::refresh(&write_only, range.clone()) }, 0);
    assert!(!foreign::is_whole(raw.addresses()));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // SAFETY: `Raw` unmaps by `replace`.
    let back = unsafe { foreign::refresh(&file, range) };
    assert_eq!(back, PAGE);
    assert_eq!((raw.read(2 * PAGE + 60), raw.read(2 * PAGE)), (3, 0));
    // Pages that are still missing are still zeros, and the rest of the record is still there.
    assert_eq!((raw.read(PAGE), raw.read(3 * PAGE)), (0, 0));
    let start = raw.addresses().start;
    assert!(foreign::check(start..start + PAGE).is_err());
    foreign::check(start + 2 * PAGE..start + 3 * PAGE).unwrap();
    assert!(foreign::check(start + 3 * PAGE..start + 4 * PAGE).is_err());
    file.set_len(8 * PAGE as u64).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { foreign::refresh(&file, 0..8 * PAGE as u64) }, 7 * PAGE);
    assert!(raw.check().is_none() && foreign::is_whole(raw.addresses()));
}

#[test]
fn zeros_that_may_have_been_written_to_are_not_taken_away_by_a_refresh() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(2 * PAGE));
    let raw = Raw::of(&path, 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    raw.guard();
    set_len(&path, 0);
    raw.write(0, 5);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(2 * PAGE as u64).unwrap();
    // SAFETY: `Raw` unmaps by `replace`.
    assert_eq!(unsafe { foreign::refresh(&file, 0..u64::MAX) }, 0);
    assert_eq!(raw.read(0), 5);
    assert!(raw.check().is_some());
}

#[test]
fn copies_from_anywhere_stop_at_the_very_byte_and_say_why() {
    let scratch = Scratch::new();
    let bytes = pattern(4 * PAGE);
    let path = scratch.file("file", &bytes);
    let raw = Raw::of(&path, 4 * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let mut buf = vec![0; 4 * PAGE];
    // SAFETY: no reference covers the mapping.
    unsafe { foreign::read(raw.start, buf.as_mut_ptr(), buf.len()) }.unwrap();
    assert_eq!(buf, bytes);
    set_len(&path, PAGE as u64 + 5);
    // SAFETY: as above.
    let error =
        unsafe { foreign::read(raw.start.add(100), buf.as_mut_ptr(), buf.len()) }.unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind(), fault.transferred()), (FaultKind::Truncated, 2 * PAGE - 100));
    assert_eq!((fault.offset(), fault.access()), (2 * PAGE as u64, Access::Read));
    assert_eq!(fault.backing().path(), Some(path.as_path()));
    // SAFETY: as above.
    let error = unsafe { foreign::write(raw.start.add(10), buf.as_ptr(), buf.len()) }.unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.access(), fault.transferred()), (Access::Write, 2 * PAGE - 10));
    assert!(raw.check().is_none(), "a copy leaves no zeros");

    let read_only = Raw::shared(&path, PAGE);
    // SAFETY: as above.
    let error = unsafe { foreign::write(read_only.start, buf.as_ptr(), 1) }.unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Protection);
    // SAFETY: nothing is there, and nothing is what is read.
    let error =
        unsafe { foreign::read(ptr::without_provenance(PAGE), buf.as_mut_ptr(), 1) }.unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Unmapped);
    let mut local = [1u8, 2, 3];
    // SAFETY: the bytes are the array's.
    unsafe { foreign::write(local.as_mut_ptr(), [7, 8].as_ptr(), 2) }.unwrap();
    assert_eq!(local, [7, 8, 3]);
}

#[test]
fn a_thousand_faults_while_others_cut_map_and_unmap_harm_nobody() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(16 * PAGE));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                set_len(&path, 0);
                fs::write(&path, pattern(16 * PAGE)).unwrap();
            }
        });
        let readers: Vec<_> = (0..3)
            .map(|seed| {
                let path = &path;
                scope.spawn(move || {
                    let mut zeros = 0;
                    for round in 0..400 {
                        let raw = Raw::shared(path, 16 * PAGE);
                        raw.guard();
                        for step in 0..16 {
                            let at = (step * 7 + round + seed) % 16 * PAGE + 99;
                            let byte = raw.read(at);
                            assert!(byte == 0 || byte == pattern(16 * PAGE)[at]);
                            zeros += u32::from(byte == 0);
                        }
                    }
                    zeros
                })
            })
            .collect();
        let zeros: u32 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        stop.store(true, Ordering::Relaxed);
        assert!(zeros > 0, "nothing was cut in time");
    });
}

#[test]
fn an_owners_guard_has_a_record_of_its_own_and_nobody_else_takes_it_away() {
    let name = "an_owners_guard_has_a_record_of_its_own_and_nobody_else_takes_it_away";
    let ended = in_child(name, || {
        let path = child_dir().join("owned");
        let bytes = pattern(4 * PAGE);
        fs::write(&path, &bytes).unwrap();
        let (raw, other) = (Raw::shared(&path, 4 * PAGE), Raw::shared(&path, 4 * PAGE));
        let own = |raw: &Raw, lead| {
            let Range { start, end } = raw.addresses();
            // SAFETY: the mapping was just made, and is this test's alone.
            unsafe { Guarded::new(start + lead..end, lead as u64) }.unwrap()
        };
        let (mut guard, second) = (own(&raw, 100), own(&other, 0));
        assert!(foreign::is_quiet() && !foreign::is_guarded(raw.addresses()));
        foreign::unguard(raw.addresses());
        let byte = |raw: &Raw, at| {
            // SAFETY: within the mapping.
            unsafe { raw.start.add(at).read_volatile() }
        };
        set_len(&path, PAGE as u64);
        guard.check().unwrap();
        assert_eq!(byte(&raw, 2 * PAGE + 5), 0);
        second.check().unwrap();
        let fault = guard.check().unwrap_err();
        assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 2 * PAGE as u64 + 5));
        assert_eq!(fault.position(), 2 * PAGE - 95);
        assert_eq!(fault.backing().path(), Some(&*path));
        let page = |number| {
            let start = raw.start.addr() + number * PAGE;
            guard.check_in(start + 7..start + 8).is_err()
        };
        assert_eq!([0, 1, 2, 3].map(page), [false, false, true, false]);
        foreign::forget(raw.addresses());
        assert_eq!(guard.check().unwrap_err().kind(), FaultKind::Truncated);

        fs::write(&path, &bytes).unwrap();
        // SAFETY: no reference to the bytes is alive; protection and sharing are the mapping's.
        let taken = unsafe { guard.restore(folio::Protection::READ, folio::Sharing::Shared) };
        assert_eq!(taken.unwrap().unwrap().offset(), fault.offset());
        guard.check().unwrap();
        assert!((0..4 * PAGE).all(|at| byte(&raw, at) == bytes[at]));
        drop(guard);
        assert_eq!(byte(&other, 0), bytes[0]);
        set_len(&path, 0);
        note("without a guard", &[]);
        byte(&raw, 0);
    });
    let ended = ended.unwrap();
    assert_eq!(ended.notes, ["without a guard"]);
    assert!(ended.died_of(libc::SIGBUS), "{ended:?}");
}
