//! Pages that cannot be had: zeros, a record, and the way back. Each test runs where a SIGBUS would
//! end it in a child.
#![allow(unsafe_code)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::{Scratch, in_a_full_house, in_child, page, pattern, peek, poke};
use memmap2::folio::{self, FaultKind};
use memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw, RemapOptions};

fn map(scratch: &Scratch) -> Mmap {
    // SAFETY: these tests change their files between looks at them, not under one.
    unsafe { Mmap::map(&scratch.file()) }.unwrap()
}

fn map_mut(scratch: &Scratch) -> MmapMut {
    // SAFETY: as above.
    unsafe { MmapMut::map_mut(&scratch.file()) }.unwrap()
}

fn fault_of(error: &std::io::Error) -> Option<&folio::Fault> {
    error.get_ref()?.downcast_ref::<folio::Error>()?.fault()
}

#[test]
fn a_cut_file_reads_as_zeros_and_check_tells() {
    in_child(|| {
        let bytes = pattern(3 * page() + 5);
        let scratch = Scratch::new(&bytes);
        let map = map(&scratch);
        map.check().unwrap();
        scratch.set_len(page() as u64);
        assert!(map[..page()] == bytes[..page()]);
        map.check().unwrap();
        assert!(map[page()..].iter().all(|&byte| byte == 0));
        let fault = map.check().unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Truncated);
        assert_eq!((fault.offset() as usize) / page(), 1);
        assert_eq!(map.check().unwrap_err().offset(), fault.offset(), "it stays");
        assert!(map[..page()] == bytes[..page()], "what the file still has is there");
    });
}

#[test]
fn a_cut_file_ends_no_map_of_any_kind() {
    let bytes = pattern(2 * page());
    let scratch = Scratch::new(&bytes);
    let file = scratch.file();
    in_child(|| {
        // SAFETY: as in `map`.
        let maps: Vec<MmapRaw> = unsafe {
            vec![
                Mmap::map(&file).unwrap().into(),
                MmapMut::map_mut(&file).unwrap().into(),
                MmapOptions::new().map_copy(&file).unwrap().into(),
                MmapOptions::new().map_copy_read_only(&file).unwrap().into(),
                MmapOptions::new().map_exec(&file).unwrap().into(),
                MmapOptions::new().populate().map(&file).unwrap().into(),
                MmapOptions::new().no_reserve_swap().map(&file).unwrap().into(),
                MmapOptions::new().offset(7).map(&file).unwrap().into(),
                MmapRaw::map_raw(&file).unwrap(),
                MmapOptions::new().map_raw_read_only(&file).unwrap(),
            ]
        };
        scratch.set_len(100);
        for map in &maps {
            let last = map.as_ptr().addr() + map.len() - 1;
            assert_eq!(peek(last), 0, "{map:?}");
            assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated, "{map:?}");
        }
    });
}

#[test]
fn each_map_has_its_own_fault() {
    in_child(|| {
        let (cut, whole) = (Scratch::new(&pattern(2 * page())), Scratch::new(&pattern(page())));
        let (first, second, third) = (map(&cut), map(&cut), map(&whole));
        cut.set_len(0);
        assert_eq!(first[0], 0);
        first.check().unwrap_err();
        second.check().unwrap();
        third.check().unwrap();
        assert_eq!(second[page()], 0);
        second.check().unwrap_err();
        third.check().unwrap();
    });
}

#[test]
fn taking_the_fault_brings_the_file_back() {
    let bytes = pattern(4 * page() + 100);
    let scratch = Scratch::new(&bytes);
    let file = scratch.file();
    in_child(|| {
        // SAFETY: as in `map`.
        let mut map = unsafe { Mmap::map(&file) }.unwrap();
        assert!(map.take_fault().unwrap().is_none());
        scratch.set_len(page() as u64);
        assert_eq!((map[page()], map[3 * page()]), (0, 0));
        scratch.write_at(0, &bytes);
        assert_eq!(map[page()], 0, "zeros stay until the fault is taken");
        let fault = map.take_fault().unwrap().unwrap();
        assert_eq!(fault.kind(), FaultKind::Truncated);
        assert!(map[..] == bytes[..]);
        map.check().unwrap();
        assert!(map.take_fault().unwrap().is_none());
        // And once more, from the beginning.
        scratch.set_len(0);
        assert!(map.iter().all(|&byte| byte == 0));
        map.take_fault().unwrap().unwrap();
        assert_eq!(map[0], 0, "the file is still cut");
        map.check().unwrap_err();
    });
}

#[test]
fn a_closed_file_comes_back_too() {
    let bytes = pattern(2 * page());
    let scratch = Scratch::new(&bytes);
    in_child(|| {
        let mut map = map_mut(&scratch);
        scratch.set_len(0);
        assert_eq!((map[0], map[page()]), (0, 0));
        scratch.write_at(0, &bytes);
        map.take_fault().unwrap().unwrap();
        assert!(map[..] == bytes[..]);
        map[5] = 77;
        assert_eq!(scratch.read_at(5, 1), [77], "it is the file again, not a copy");
    });
}

#[test]
fn what_is_written_to_a_lost_page_is_lost_and_flush_says_so() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(3 * page()));
        let file = scratch.file();
        // SAFETY: as in `map`.
        let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
        map.flush().unwrap();
        scratch.set_len(page() as u64);
        map[2 * page()] = 1;
        assert_eq!(map[2 * page()], 1);
        for result in [
            map.flush(),
            map.flush_async(),
            map.flush_range(2 * page(), 1),
            map.flush_async_range(2 * page(), 1),
        ] {
            let error = result.unwrap_err();
            assert_eq!(fault_of(&error).unwrap().kind(), FaultKind::Truncated, "{error}");
        }
        map.flush_range(0, page()).unwrap();
        scratch.set_len(3 * page() as u64);
        map.flush().unwrap_err();
        map.take_fault().unwrap().unwrap();
        map.flush().unwrap();
        assert_eq!(map[2 * page()], 0);
    });
}

#[test]
fn a_full_file_system_ends_nothing() {
    in_a_full_house(|dir| {
        let scratch = Scratch::in_dir(dir, b"");
        let file = scratch.file();
        scratch.set_len(8 << 20);
        // SAFETY: as in `map`.
        let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
        map.fill(7);
        let fault = map.check().unwrap_err();
        assert_eq!(fault.kind(), FaultKind::NoSpace);
        let error = map.flush().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        assert_eq!((map[0], scratch.read_at(0, 1)), (7, vec![7]));
    });
}

#[test]
fn a_map_beyond_the_end_of_its_file_is_zeros() {
    in_child(|| {
        let scratch = Scratch::new(b"short");
        let file = scratch.file();
        // SAFETY: as in `map`.
        let mut map = unsafe { MmapOptions::new().len(3 * page()).map_mut(&file) }.unwrap();
        assert_eq!((&map[..6], map[2 * page()]), (&b"short\0"[..], 0));
        assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);
        scratch.set_len(3 * page() as u64);
        map.take_fault().unwrap().unwrap();
        map[2 * page()] = 9;
        map.flush().unwrap();
        assert_eq!(scratch.read_at(2 * page() as u64, 1), [9]);
    });
}

#[test]
fn lost_pages_have_the_protection_of_the_map() {
    in_child(|| {
        let bytes = pattern(2 * page());
        let scratch = Scratch::new(&bytes);
        let file = scratch.file();
        // SAFETY: as in `map`.
        let map = unsafe { Mmap::map(&file) }.unwrap();
        scratch.set_len(page() as u64);
        assert_eq!(map[page()], 0);
        let mut map = map.make_mut().unwrap();
        map[page()] = 1;
        let mut map = map.make_read_only().unwrap();
        scratch.write_at(0, &bytes);
        map.take_fault().unwrap().unwrap();
        assert!(map[..] == bytes[..]);
        let at = map.as_ptr().addr() + page();
        assert_eq!(common::vma_at(at).unwrap().access, "r--s");
        let mut map = map.make_mut().unwrap();
        map[page()] = 2;
        assert_eq!(scratch.read_at(page() as u64, 1), [2]);
        // A map that became writable before it met a fault.
        scratch.set_len(0);
        map[page()] = 3;
        assert_eq!(map.check().unwrap_err().access(), folio::Access::Write);
        scratch.write_at(0, &bytes);
        map.take_fault().unwrap().unwrap();
        map[page()] = 4;
        assert_eq!(scratch.read_at(page() as u64, 1), [4]);
    });
}

#[test]
fn a_map_that_moved_is_guarded_where_it_is() {
    in_child(|| {
        let bytes = pattern(64 * page());
        let scratch = Scratch::new(&bytes);
        let file = scratch.file();
        // SAFETY: as in `map`.
        let mut map = unsafe { MmapOptions::new().len(page()).map(&file) }.unwrap();
        let before = map.as_ptr();
        // Something right behind it, so that it has to move.
        // SAFETY: a new mapping touches no other.
        let _wall = unsafe {
            libc::mmap(
                before.wrapping_add(page()).cast_mut().cast(),
                page(),
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        // SAFETY: nobody holds a pointer into it.
        unsafe { map.remap(64 * page(), RemapOptions::new().may_move(true)) }.unwrap();
        assert_ne!(map.as_ptr(), before);
        assert!(map[..] == bytes[..]);
        scratch.set_len(0);
        assert!(map.iter().all(|&byte| byte == 0));
        map.check().unwrap_err();
        // SAFETY: as above.
        let error = unsafe { map.remap(page(), RemapOptions::new()) }.unwrap_err();
        assert!(fault_of(&error).is_some(), "{error}");
        assert_eq!(map.len(), 64 * page());
        scratch.write_at(0, &bytes);
        map.take_fault().unwrap().unwrap();
        // SAFETY: as above.
        unsafe { map.remap(2 * page(), RemapOptions::new()) }.unwrap();
        assert!(map[..] == bytes[..2 * page()]);
    });
}

#[test]
fn a_fault_is_gone_with_its_map() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(page()));
        let first = map(&scratch);
        scratch.set_len(0);
        assert_eq!(first[0], 0);
        first.check().unwrap_err();
        drop(first);
        scratch.write_at(0, &pattern(page()));
        // The kernel gives the same addresses again.
        for _ in 0..100 {
            let map = map(&scratch);
            assert_eq!(map[0], 1);
            map.check().unwrap();
        }
        let second = Scratch::new(&pattern(page()));
        let maps: Vec<Mmap> = (0..10).map(|_| map(&second)).collect();
        second.set_len(0);
        for map in &maps {
            assert_eq!(map[0], 0);
            assert_eq!(map.check().unwrap_err().backing().path(), Some(second.path()));
        }
    });
}

#[test]
fn more_faults_than_anybody_would_count() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(2 * page()));
        let maps: Vec<Mmap> = (0..300).map(|_| map(&scratch)).collect();
        scratch.set_len(page() as u64);
        for map in &maps {
            assert_eq!(map[page()], 0);
        }
        for map in &maps {
            assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);
        }
    });
}

#[test]
fn a_forked_child_has_the_guard_and_the_fault() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(2 * page()));
        let map = map(&scratch);
        scratch.set_len(page() as u64);
        in_child(|| {
            assert_eq!(map[page()], 0);
            map.check().unwrap_err();
        });
        map.check().unwrap();
        assert_eq!(map[page()], 0);
        map.check().unwrap_err();
        in_child(|| {
            map.check().unwrap_err();
        });
    });
}

#[test]
fn threads_read_on_while_the_file_is_cut_and_grows() {
    in_child(|| {
        const PAGES: usize = 64;
        let scratch = Scratch::new(&vec![1; PAGES * page()]);
        let map = map(&scratch);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (map, done) = (&map, &done);
                scope.spawn(move || {
                    let mut at = thread;
                    while !done.load(Ordering::Relaxed) {
                        at = (at * 7 + 13) % PAGES;
                        // One byte, by a raw pointer: the file changes meanwhile.
                        let byte = peek(map.as_ptr().addr() + at * page());
                        assert!(byte <= 1);
                    }
                });
            }
            for round in 0..200 {
                scratch.set_len((round % PAGES * page()) as u64);
                scratch.write_at(0, &vec![1; PAGES * page()]);
            }
            done.store(true, Ordering::Relaxed);
        });
        drop(map);
    });
}

#[test]
fn a_raw_map_is_read_and_written_by_pointer() {
    let scratch = Scratch::new(&pattern(page()));
    let map = MmapRaw::map_raw(&scratch.file()).unwrap();
    poke(map.as_mut_ptr().addr(), 200);
    map.flush().unwrap();
    assert_eq!(scratch.read_at(0, 1), [200]);
    scratch.write_at(1, &[201]);
    assert_eq!(peek(map.as_ptr().addr() + 1), 201);
    let map = MmapOptions::new().offset(3).map_raw_read_only(&scratch.file()).unwrap();
    assert_eq!((map.len(), peek(map.as_ptr().addr())), (page() - 3, 4));
}

#[test]
fn the_program_is_told_of_each_maps_first_fault() {
    in_child(|| {
        let (tell, told) = std::sync::mpsc::channel();
        folio::on_fault(move |fault| tell.send(fault.clone()).unwrap()).unwrap();
        let scratch = Scratch::new(&pattern(4 * page()));
        let file = scratch.file();
        // SAFETY: as in `map`.
        let mut first = unsafe { MmapOptions::new().offset(100).map(&file) }.unwrap();
        let second = map(&scratch);
        scratch.set_len(page() as u64);
        let within = std::time::Duration::from_secs(10);
        let next = || told.recv_timeout(within).unwrap();
        assert_eq!(first[3 * page()], 0);
        let fault = next();
        assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 3 * page() as u64 + 100));
        assert_eq!(fault.backing().path(), Some(scratch.path()));
        assert_eq!(first[page()], 0, "its second is not told of");
        assert_eq!(second[2 * page()], 0);
        assert_eq!(next().offset(), 2 * page() as u64);
        assert_eq!(first.check().unwrap_err().position(), 3 * page());
        first.take_fault().unwrap().unwrap();
        assert_eq!(first[2 * page()], 0);
        assert_eq!(next().offset(), 2 * page() as u64 + 100, "once more after it was taken");
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn a_child_without_the_map_has_no_fault_of_its_own() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(page()));
        let mut map = Some(map(&scratch));
        map.as_ref().unwrap().advise(memmap2::Advice::DontFork).unwrap();
        let start = map.as_ref().unwrap().as_ptr().addr();
        in_child(|| {
            // Something of the child's own comes to lie where the map was in its parent.
            // SAFETY: a new mapping touches no other.
            let there = unsafe {
                libc::mmap(
                    std::ptr::with_exposed_provenance_mut(start),
                    page(),
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                    -1,
                    0,
                )
            };
            assert_eq!(there.addr(), start);
            poke(start, 9);
            drop(map.take());
            assert_eq!(peek(start), 9, "the child's memory is still there");
        });
        assert_eq!(map.unwrap()[0], 1);
    });
}

#[test]
fn memory_of_huge_pages_that_the_pool_has_not_is_zeros() {
    in_child(|| {
        let len = 2 << 20;
        let unreserved = MmapOptions::new().huge(Some(21)).no_reserve_swap().len(len).map_anon();
        let Ok(mut map) = unreserved else { return common::skip("huge pages of 2 MiB") };
        if common::meminfo("HugePages_Free:") > 0 {
            return common::skip("an empty pool of huge pages");
        }
        assert_eq!(map[5], 0);
        map[len - 1] = 7;
        assert_eq!(map.check().unwrap_err().kind(), FaultKind::NoSpace);
        map.take_fault().unwrap().unwrap();
        assert_eq!(map[len - 1], 7, "it is memory, if of smaller pages");
        map.check().unwrap();
    });
}

#[test]
fn maps_come_and_go_on_many_threads_while_their_files_are_cut() {
    in_child(|| {
        const PAGES: usize = 8;
        let scratch = Scratch::new(&vec![1; PAGES * page()]);
        let path = scratch.path();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
                    for round in 0..500 {
                        // SAFETY: read by raw pointer only, below.
                        let map = unsafe { MmapOptions::new().len(PAGES * page()).map(&file) };
                        let mut map = map.unwrap();
                        file.set_len(((round + thread) % PAGES * page()) as u64).unwrap();
                        for at in 0..PAGES {
                            assert!(peek(map.as_ptr().addr() + at * page()) <= 1);
                        }
                        if round % 3 == 0 {
                            file.set_len((PAGES * page()) as u64).unwrap();
                            map.take_fault().unwrap();
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_process_with_as_many_mappings_as_it_may_have_lives_on() {
    for deleted in [false, true] {
        let end = common::fork(|| {
            let scratch = Scratch::new(&vec![1; 100 * page()]);
            let file = scratch.file();
            // SAFETY: as in `map`.
            let map = unsafe { Mmap::map(&file) }.unwrap();
            if deleted {
                // Its length cannot be asked for by name.
                std::fs::remove_file(scratch.path()).unwrap();
            }
            file.set_len(page() as u64).unwrap();
            let crowd = common::Crowd::new();
            for number in (1..100).rev().step_by(2) {
                assert_eq!(map[number * page()], 0);
            }
            drop(crowd);
            assert_eq!(map.check().unwrap_err().kind(), FaultKind::Truncated);
        });
        assert_eq!(end, common::End::Well, "deleted: {deleted}");
    }
}

#[test]
fn many_lost_pages_cost_no_more_than_some() {
    in_child(|| {
        const PAGES: usize = 1 << 16;
        let scratch = Scratch::new(b"");
        let file = scratch.file();
        scratch.set_len((PAGES * page()) as u64);
        // SAFETY: as in `map`.
        let mut map = unsafe { Mmap::map(&file) }.unwrap();
        scratch.set_len(page() as u64);
        scratch.write_at(0, b"kept");
        let begin = std::time::Instant::now();
        assert!(map[page()..].chunks(page()).all(|page| page[0] == 0));
        let taken = begin.elapsed();
        assert_eq!(&map[..4], b"kept");
        // Page by page it takes seconds.
        assert!(taken.as_secs() < 2, "{taken:?}");
        scratch.set_len((PAGES * page()) as u64);
        scratch.write_at((7000 * page()) as u64, b"back");
        map.take_fault().unwrap().unwrap();
        assert_eq!(&map[7000 * page()..][..4], b"back");
    });
}
