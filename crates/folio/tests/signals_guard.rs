//! Slices over pages that cannot be had: which mapping a fault belongs to, what is recorded, and
//! that no thread, fork or view is misled.
#![allow(unsafe_code)]

mod signals_common;

use std::ffi::c_int;
use std::fs::{self, File};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use folio::{Discard, FaultKind, Fork, Mapping, Protection};
use signals_common::*;

/// Queues a SIGBUS to this thread that says memory is broken at an address.
fn break_memory(code: c_int, address: usize) {
    // SAFETY: all zeros is a valid siginfo; the address lies at byte 16 of it and the size of what
    // broke at byte 24 (sigaction(2)); a thread may queue any siginfo to itself.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        info.si_signo = libc::SIGBUS;
        info.si_code = code;
        (&raw mut info).cast::<usize>().add(2).write(address);
        (&raw mut info).cast::<i16>().add(12).write(12);
        let (process, thread) = (libc::getpid(), libc::gettid());
        let call = libc::SYS_rt_tgsigqueueinfo;
        assert_eq!(libc::syscall(call, process, thread, libc::SIGBUS, &raw const info), 0);
    }
}

#[test]
fn broken_memory_is_poison_even_where_the_page_can_be_had_again() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(4 * PAGE));
    let map = Mapping::open(&path).unwrap();
    // SAFETY: nobody changes the file.
    let fault = unsafe {
        map.guarded(|bytes| {
            break_memory(libc::BUS_MCEERR_AR, bytes.as_ptr().addr() + 2 * PAGE);
            bytes[2 * PAGE]
        })
    };
    let fault = fault.unwrap_err();
    assert_eq!((fault.kind(), fault.offset()), (FaultKind::Poison, 2 * PAGE as u64));
    assert_eq!(fault.raw_os_error(), Some(libc::EHWPOISON));
    let other = Mapping::open(&path).unwrap();
    other.check().unwrap();
}

#[test]
fn a_mapping_that_is_guarded_from_the_start_reads_zeros_through_raw_pointers_too() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(4 * PAGE));
    let options = || Mapping::options().guard();
    let open = File::open(&path).unwrap();
    for map in [
        options().open(&path).unwrap(),
        options().keep_file().open(&path).unwrap(),
        options().offset(100).map(&open).unwrap(),
        options().fork(Fork::Exclude).private().map(&open).unwrap(),
    ] {
        set_len(&path, PAGE as u64);
        // SAFETY: mapped, and nobody writes.
        assert_eq!(unsafe { map.as_ptr().add(2 * PAGE).read() }, 0);
        assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);
        set_len(&path, 4 * PAGE as u64);
    }
}

#[test]
fn news_of_broken_memory_that_nobody_touched_changes_nothing_in_a_guarded_mapping() {
    let name = "news_of_broken_memory_that_nobody_touched_changes_nothing_in_a_guarded_mapping";
    let ended = in_child(name, || {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        let path = child_dir().join("file");
        fs::write(&path, pattern(4 * PAGE)).unwrap();
        let map = Mapping::open(&path).unwrap();
        // SAFETY: nobody changes the file.
        let bytes = unsafe { map.as_slice() };
        break_memory(libc::BUS_MCEERR_AO, bytes.as_ptr().addr() + 2 * PAGE);
        assert_eq!(bytes, pattern(4 * PAGE));
        map.check().unwrap();
    });
    ended.unwrap().assert_success();
}

#[test]
fn zeros_can_be_written_where_protection_was_given_piece_by_piece() {
    let name = "zeros_can_be_written_where_protection_was_given_piece_by_piece";
    let ended = in_child(name, || {
        let path = child_dir().join("file");
        fs::write(&path, pattern(4 * PAGE)).unwrap();
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut map = Mapping::of(&file).unwrap();
        let both = Protection::READ | Protection::WRITE;
        map.protect(..2 * PAGE, both).unwrap();
        map.protect(2 * PAGE.., both).unwrap();
        set_len(&path, 0);
        // SAFETY: every page was made readable and writable; zeros are accepted.
        let bytes = unsafe { map.as_mut_slice() };
        assert_eq!(bytes[PAGE], 0);
        bytes[PAGE] = 1;
        bytes[3 * PAGE] = 2;
        assert_eq!((bytes[PAGE], bytes[3 * PAGE]), (1, 2));
        assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);

        let map = Mapping::options().write().open(&path).unwrap();
        assert!(map.is_empty());
    });
    ended.unwrap().assert_success();
}

/// Forks; the child runs `work` and ends with 0 unless it panics or dies.
fn fork(work: impl FnOnce()) -> c_int {
    // SAFETY: the children of these tests have one thread each before they fork.
    unsafe {
        match libc::fork() {
            0 => {
                let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                libc::_exit(i32::from(ran.is_err()))
            }
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                status
            }
        }
    }
}

/// A mapping that a forked child does not inherit, guarded, with its file's path.
fn excluded() -> Mapping {
    let path = child_dir().join("excluded");
    fs::write(&path, pattern(4 * PAGE)).unwrap();
    let map = Mapping::options().fork(Fork::Exclude).open(&path).unwrap();
    // SAFETY: nobody changes the file.
    assert_eq!(unsafe { map.as_slice() }, pattern(4 * PAGE));
    map
}

#[test]
fn a_childs_own_mapping_where_the_parents_was_excluded_gets_its_own_signal() {
    let name = "a_childs_own_mapping_where_the_parents_was_excluded_gets_its_own_signal";
    let ended = in_child(name, || {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        let map = excluded();
        let status = fork(|| {
            let lost = foreign_lost_pages();
            // SAFETY: nothing is mapped at the target in this process: the mapping was excluded.
            unsafe {
                let moved = libc::mremap(
                    lost.cast(),
                    2 * PAGE,
                    2 * PAGE,
                    libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                    map.as_mut_ptr(),
                );
                assert_eq!(moved, map.as_mut_ptr().cast());
                map.as_ptr().read_volatile();
            }
        });
        assert_eq!(status & 0x7f, libc::SIGBUS, "{status:#x}");
    });
    ended.unwrap().assert_success();
}

#[test]
fn a_childs_folio_mapping_where_the_parents_was_excluded_records_its_own_faults() {
    let name = "a_childs_folio_mapping_where_the_parents_was_excluded_records_its_own_faults";
    let ended = in_child(name, || {
        let map = excluded();
        let (address, path) = (map.address(), map.backing().path().unwrap().to_owned());
        let status = fork(|| {
            let own = Mapping::options().exactly_at(address).open(&path).unwrap();
            set_len(&path, PAGE as u64);
            // SAFETY: nobody changes the file any more.
            let fault = unsafe { own.guarded(|bytes| bytes[2 * PAGE]) }.unwrap_err();
            assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 2 * PAGE as u64));
        });
        assert_eq!(status, 0, "{status:#x}");
        map.check().unwrap();
    });
    ended.unwrap().assert_success();
}

#[test]
fn an_excluded_mapping_is_a_protection_fault_in_a_child_and_so_are_its_parts() {
    let name = "an_excluded_mapping_is_a_protection_fault_in_a_child_and_so_are_its_parts";
    let ended = in_child(name, || {
        let mut map = excluded();
        set_len(map.backing().path().unwrap(), 0);
        // SAFETY: nobody changes the file any more.
        unsafe { map.guarded(|bytes| bytes[0]) }.unwrap_err();
        fs::write(map.backing().path().unwrap(), pattern(4 * PAGE)).unwrap();
        map.restore().unwrap().unwrap();
        let (left, right) = map.split_at(2 * PAGE).unwrap();
        let address = right.address();
        let status = fork(|| {
            for part in [&left, &right] {
                let error = part.read_at(1, &mut [0; 9]).unwrap_err();
                assert_eq!(error.fault().unwrap().kind(), FaultKind::Protection);
            }
            // Something else may lie there now, and dropping the part leaves it alone.
            let own = Mapping::options().exactly_at(address).write().anonymous(PAGE).unwrap();
            drop(right);
            own.write_at(0, b"still here").unwrap();
        });
        assert_eq!(status, 0, "{status:#x}");
    });
    ended.unwrap().assert_success();
}

#[test]
fn a_child_has_faults_of_its_own_in_what_it_inherits() {
    let name = "a_child_has_faults_of_its_own_in_what_it_inherits";
    let ended = in_child(name, || {
        let path = child_dir().join("inherited");
        fs::write(&path, pattern(4 * PAGE)).unwrap();
        let map = Mapping::open(&path).unwrap();
        // SAFETY: nobody changes the file.
        assert_eq!(unsafe { map.as_slice() }, pattern(4 * PAGE));
        set_len(&path, 0);
        let status = fork(|| {
            // SAFETY: nobody changes the file any more.
            unsafe { map.guarded(|bytes| bytes[0]) }.unwrap_err();
        });
        assert_eq!(status, 0, "{status:#x}");
        map.check().unwrap();
        let error = map.read_at(0, &mut [0]).unwrap_err();
        assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
    });
    ended.unwrap().assert_success();
}

#[test]
fn a_child_that_was_spawned_and_shares_memory_until_it_executes_faults_as_usual() {
    let name = "a_child_that_was_spawned_and_shares_memory_until_it_executes_faults_as_usual";
    let ended = in_child(name, || {
        folio_handles_a_fault();
        let status = std::process::Command::new("true").status().unwrap();
        assert!(status.success());
    });
    ended.unwrap().assert_success();
}

const ROUNDS: usize = 300;

/// Runs `round` on two threads at once, many times, each on a fresh mapping of a file that has
/// been cut to one page of four.
fn on_two_threads(round: impl Fn(usize, &Mapping) + Sync) {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(4 * PAGE));
    for _ in 0..ROUNDS {
        set_len(&path, 4 * PAGE as u64);
        let map = Mapping::options().write().open(&path).unwrap();
        set_len(&path, PAGE as u64);
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (map, start, round) = (&map, &start, &round);
                scope.spawn(move || {
                    start.wait();
                    round(thread, map);
                });
            }
        });
    }
}

#[test]
fn threads_that_put_the_first_guard_up_at_once_both_hear_of_the_fault() {
    on_two_threads(|_, map| {
        // SAFETY: the page that is read is lost, for everybody and for good.
        let fault = unsafe { map.guarded(|bytes| bytes[2 * PAGE]) }.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Truncated);
    });
}

#[test]
fn a_view_never_takes_for_bytes_the_zeros_that_a_slice_left() {
    on_two_threads(|thread, map| {
        if thread == 0 {
            // SAFETY: the page that is read is lost, for everybody and for good.
            unsafe { map.guarded(|bytes| bytes[2 * PAGE]) }.unwrap_err();
        } else {
            let word = map.view().atomic_u64(2 * PAGE).unwrap();
            for _ in 0..20 {
                map.read_at(2 * PAGE, &mut [9; 100]).unwrap_err();
                map.write_at(2 * PAGE, &[9; 100]).unwrap_err();
                word.load().unwrap_err();
                word.fetch_add(1).unwrap_err();
            }
        }
    });
}

#[test]
fn threads_that_fault_on_one_page_at_once_lose_no_write() {
    const THREADS: usize = 4;
    let scratch = Scratch::new();
    let path = scratch.file("file", &[]);
    for _ in 0..4 * ROUNDS {
        set_len(&path, 2 * PAGE as u64);
        let map = Mapping::options().write().open(&path).unwrap();
        set_len(&path, 0);
        // SAFETY: threads write to different bytes, through the pointer alone.
        unsafe { map.as_slice() };
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (map, start) = (&map, &start);
                scope.spawn(move || {
                    start.wait();
                    for page in 0..2 {
                        let byte = map.as_mut_ptr().wrapping_add(page * PAGE + thread);
                        // SAFETY: the byte lies in the mapping, which is guarded, and no other
                        // thread touches it.
                        unsafe {
                            byte.write_volatile(thread as u8 + 1);
                            assert_eq!(byte.read_volatile(), thread as u8 + 1);
                        }
                    }
                });
            }
        });
        for (page, thread) in (0..2).flat_map(|page| (0..THREADS).map(move |at| (page, at))) {
            // SAFETY: as above; the threads have ended.
            let byte = unsafe { map.as_ptr().add(page * PAGE + thread).read_volatile() };
            assert_eq!(byte, thread as u8 + 1);
        }
        assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);
    }
}

#[test]
fn threads_fault_while_another_maps_unmaps_splits_grows_and_guards() {
    let scratch = Scratch::new();
    let stop = AtomicBool::new(false);
    let faults = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let path = scratch.file(&format!("faulting-{thread}"), &pattern(8 * PAGE));
            let (stop, faults) = (&stop, &faults);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    set_len(&path, 8 * PAGE as u64);
                    let map = Mapping::options().write().open(&path).unwrap();
                    set_len(&path, PAGE as u64 / 2);
                    // SAFETY: the byte that is read is lost for good.
                    let fault = unsafe { map.guarded(|bytes| bytes[5 * PAGE]) }.unwrap_err();
                    assert_eq!(fault.offset(), 5 * PAGE as u64);
                    let error = map.read_at(0, &mut [0; 2 * PAGE]).unwrap_err();
                    assert_eq!(error.fault().unwrap().transferred(), PAGE);
                    map.close().unwrap_err().into_value();
                    faults.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        let path = scratch.file("busy", &pattern(8 * PAGE));
        for round in 0..2000 {
            let mut map = Mapping::options().write().open(&path).unwrap();
            // SAFETY: nobody changes the file.
            assert_eq!(unsafe { map.as_slice() }[7], 8);
            map.resize((round % 16 + 2) * PAGE, true).unwrap();
            let (left, mut right) = map.split_at(PAGE).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { left.as_slice() }[7], 8);
            right.discard(.., Discard::Now).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { right.as_slice() }.len(), (round % 16 + 1) * PAGE);
            let map = left.join(right).unwrap();
            map.check().unwrap();
            map.close().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(faults.load(Ordering::Relaxed) > 0);
}
