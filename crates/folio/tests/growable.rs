//! The growable mapping: file, length and bytes change together, the address never.
#![allow(unsafe_code)]

mod common;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Scratch, memfd, page, pattern};
use folio::{Advice, ErrorKind, FaultKind, Growable, Lock};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

#[test]
fn the_address_stays_and_the_file_follows_while_it_grows_and_shrinks() {
    let scratch = Scratch::new(b"");
    let map = Growable::open(scratch.path(), 64 * MIB).unwrap();
    let address = map.address();
    assert!(map.is_empty() && map.capacity() == 64 * MIB);
    for len in [1, 4096, 4097, 3 * MIB, 64 * MIB] {
        map.grow(len).unwrap();
        assert_eq!((map.len(), map.address()), (len, address));
        map.write_at(len - 1, &[7]).unwrap();
        assert_eq!(scratch.file().metadata().unwrap().len(), len as u64);
        assert_eq!(scratch.read_at(len as u64 - 1, 1), [7]);
    }
    map.grow(5).unwrap();
    assert_eq!(map.len(), 64 * MIB, "growing never shrinks");
    for len in [3 * MIB, 4097, 5, 0] {
        map.shrink(len).unwrap();
        assert_eq!((map.len(), map.address()), (len, address));
        assert_eq!(scratch.file().metadata().unwrap().len(), len as u64);
    }
    map.shrink(9).unwrap();
    assert_eq!(map.len(), 0, "shrinking never grows");
}

#[test]
fn a_length_beyond_the_capacity_is_refused_and_changes_nothing() {
    let scratch = Scratch::new(b"0123456789");
    let error = Growable::open(scratch.path(), 9).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    assert!(error.to_string().contains("10 bytes exceed the capacity of 9"), "{error}");

    let map = Growable::open(scratch.path(), 5000).unwrap();
    for len in [5001, usize::MAX] {
        let error = map.grow(len).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
        assert!(error.to_string().contains("capacity of 5000"), "{error}");
    }
    assert_eq!(map.append(&[1; 4991]).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(map.to_vec().unwrap(), b"0123456789");
    assert_eq!(scratch.bytes(), b"0123456789");
    map.append(&[1; 4990]).unwrap();
    assert_eq!(map.len(), 5000);

    let empty = Scratch::new(b"");
    let none = Growable::open(empty.path(), 0).unwrap();
    assert_eq!(none.grow(1).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(none.append(b"").unwrap(), 0);
}

#[test]
fn bytes_behind_the_length_are_out_of_range_for_every_operation() {
    let map = Growable::of(memfd(&pattern(10_000)), MIB).unwrap();
    map.shrink(100).unwrap();
    let out = |kind| assert_eq!(kind, ErrorKind::OutOfRange);
    out(map.read_at(100, &mut [0]).unwrap_err().kind());
    out(map.write_at(99, &[0; 2]).unwrap_err().kind());
    out(map.fill(..101, 0).unwrap_err().kind());
    out(map.flush(..101).unwrap_err().kind());
    out(map.punch_hole(..101).unwrap_err().kind());
    out(map.allocate(..101).unwrap_err().kind());
    out(map.residency(..101).unwrap_err().kind());
    out(map.lock(..101, Lock::Now).unwrap_err().kind());
    out(map.unlock(..101).unwrap_err().kind());
    out(map.advise(..101, Advice::WillNeed).unwrap_err().kind());
    out(map.advise(..101, Advice::PopulateRead).unwrap_err().kind());
    out(map.advise(..=MIB, Advice::Random).unwrap_err().kind());
    assert_eq!(map.flush(..).unwrap(), 0..100);
    assert_eq!(map.advise(.., Advice::Random).unwrap(), 0..MIB);
    assert_eq!(map.advise(.., Advice::PopulateWrite).unwrap(), 0..100);
    assert_eq!(map.residency(..).unwrap().pages(), 1);
    map.lock(.., Lock::OnFault).unwrap();
    map.unlock(..).unwrap();
}

#[test]
fn a_view_from_before_a_cut_faults_and_one_from_before_growth_stays_short() {
    let map = Growable::of(memfd(&pattern(20_000)), MIB).unwrap();
    let long = map.view();
    map.shrink(5000).unwrap();
    let fault = long.read_at(0, &mut [0; 20_000]).unwrap_err().into_fault().unwrap();
    assert_eq!((fault.kind(), fault.transferred()), (FaultKind::Truncated, 8192));
    let short = map.view();
    map.grow(30_000).unwrap();
    assert_eq!(short.len(), 5000);
    assert_eq!(short.read_at(5000, &mut [0]).unwrap_err().kind(), ErrorKind::OutOfRange);
    long.read_at(19_999, &mut [0]).unwrap();
}

#[test]
fn bytes_that_grow_back_are_zeros_even_where_an_old_view_wrote_behind_the_end() {
    let scratch = Scratch::new(&pattern(8192));
    let in_memory = memfd(&pattern(8192));
    for options in [Growable::options(), Growable::options().sparse()] {
        for file in [scratch.file(), in_memory.try_clone().unwrap()] {
            let map = options.map(&file, MIB).unwrap();
            map.grow(8192).unwrap();
            let old = map.view();
            map.shrink(100).unwrap();
            old.write_at(200, b"written behind the end of the file").unwrap();
            map.grow(8192).unwrap();
            let mut bytes = vec![1; 8092];
            map.read_at(100, &mut bytes).unwrap();
            assert!(bytes.iter().all(|&byte| byte == 0));
            file.read_exact_at(&mut bytes, 100).unwrap();
            assert!(bytes.iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn what_another_changes_of_the_length_is_a_fault_until_refreshed() {
    let scratch = Scratch::new(&pattern(20_000));
    let map = Growable::options().or_create().open(scratch.path(), 40_000).unwrap();
    scratch.set_len(4096);
    assert_eq!(map.len(), 20_000);
    let fault = map.read_at(4000, &mut [0; 200]).unwrap_err().into_fault().unwrap();
    assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 4096));
    assert_eq!(map.refresh().unwrap(), 4096);
    assert_eq!(map.read_at(4000, &mut [0; 200]).unwrap_err().kind(), ErrorKind::OutOfRange);

    scratch.set_len(50_000);
    assert_eq!((map.len(), map.refresh().unwrap(), map.len()), (4096, 40_000, 40_000));
    map.write_at(39_999, b"x").unwrap();

    // Growth that the file has made already cuts nothing off.
    for options in [Growable::options(), Growable::options().sparse()] {
        scratch.set_len(0);
        let map = options.open(scratch.path(), 60_000).unwrap();
        scratch.write_at(0, &pattern(50_000));
        map.grow(10_000).unwrap();
        assert_eq!(scratch.bytes(), pattern(50_000));
        assert_eq!(map.to_vec().unwrap(), pattern(10_000));
    }
}

#[test]
fn a_reader_follows_a_file_that_a_writer_appends_to() {
    let scratch = Scratch::new(b"");
    let writer = Growable::open(scratch.path(), MIB).unwrap();
    let reader = Growable::options().read_only().open(scratch.path(), MIB).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        writer.append(line.as_bytes()).unwrap();
    }
    assert_eq!(reader.refresh().unwrap(), 14);
    assert_eq!(reader.to_vec().unwrap(), b"one\ntwo\nthree\n");
    for result in [
        reader.grow(100),
        reader.append(b"x").map(drop),
        reader.shrink(1),
        reader.punch_hole(..),
        reader.allocate(..),
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let fault = reader.write_at(0, b"x").unwrap_err().into_fault().unwrap();
    assert_eq!(fault.kind(), FaultKind::Protection);
}

#[test]
fn populated_growth_has_its_pages_in_memory() {
    let map = Growable::options().populate().map(memfd(b""), MIB).unwrap();
    map.grow(100 * page()).unwrap();
    assert_eq!(map.residency(..).unwrap().resident_pages(), 100);
}

#[test]
fn threads_append_and_read_while_it_grows() {
    const THREADS: u8 = 4;
    const RECORDS: usize = 2000;
    let scratch = Scratch::new(b"");
    let map = Growable::open(scratch.path(), THREADS as usize * RECORDS * 16).unwrap();
    let address = map.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let bytes = map.to_vec().unwrap();
                    assert_eq!(map.address(), address);
                    for record in bytes.chunks_exact(16) {
                        assert!(record[0] > 0, "a record that is not there yet is shown");
                        assert!(record.iter().all(|&byte| byte == record[0]));
                    }
                }
            });
        }
        let writers: Vec<_> = (1..=THREADS)
            .map(|mark| {
                let map = &map;
                scope.spawn(move || {
                    for _ in 0..RECORDS {
                        let at = map.append(&[mark; 16]).unwrap();
                        assert_eq!(at % 16, 0);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let bytes = scratch.bytes();
    for mark in 1..=THREADS {
        let count = bytes.chunks_exact(16).filter(|record| record[0] == mark).count();
        assert_eq!(count, RECORDS);
    }
}

#[test]
fn a_slice_stays_valid_while_another_thread_grows_it() {
    let bytes = pattern(100_000);
    let map = Growable::of(memfd(&bytes), 64 * MIB).unwrap();
    // SAFETY: growing changes none of the bytes that the slice covers, and nothing else does.
    let slice = unsafe { map.as_slice() };
    thread::scope(|scope| {
        scope.spawn(|| {
            for step in 1..=64 {
                map.grow(step * MIB).unwrap();
            }
        });
        for _ in 0..100 {
            assert!(slice == bytes);
        }
    });
    assert_eq!(map.len(), 64 * MIB);
    map.check().unwrap();
}

#[test]
fn a_slice_over_a_file_that_was_cut_reads_zeros_and_is_restored() {
    let scratch = Scratch::new(&pattern(20_000));
    let mut map = Growable::open(scratch.path(), MIB).unwrap();
    scratch.set_len(0);
    // SAFETY: the sum is of zeros that the test accepts.
    let fault = unsafe { map.guarded(|all| all.iter().map(|&b| u64::from(b)).sum::<u64>()) };
    assert_eq!(fault.unwrap_err().kind(), FaultKind::Truncated);
    scratch.write_at(0, &pattern(20_000));
    assert!(map.restore().unwrap().is_some());
    assert_eq!(map.to_vec().unwrap(), pattern(20_000));
    map.grow(30_000).unwrap();
    // SAFETY: nobody else reads or writes the bytes.
    unsafe { map.as_mut_slice()[29_999] = 9 };
    assert_eq!(scratch.read_at(29_999, 1), [9]);
    map.close().unwrap();
}

#[test]
fn it_grows_whatever_opened_it_and_refuses_what_cannot_grow() {
    let path = std::env::temp_dir().join(format!("folio-create-{}", std::process::id()));
    let missing = Growable::open(&path, 10).unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    let map = Growable::create(&path, 100).unwrap();
    map.append(b"there").unwrap();
    assert_eq!(Growable::of(&map, 100).unwrap().to_vec().unwrap(), b"there");
    assert_eq!(Growable::of(map.as_fd(), 100).unwrap().len(), 5);
    assert!(Growable::create(&path, 100).unwrap().is_empty());
    fs::remove_file(&path).unwrap();

    for device in ["/dev/zero", "/dev/null"] {
        assert!(Growable::open(device, 4096).is_err());
    }
    let scratch = Scratch::new(b"x");
    let read_only = File::open(scratch.path()).unwrap();
    let error = Growable::of(&read_only, 100).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    assert!(Growable::open(scratch.path(), usize::MAX).is_err());

    let sealed = memfd(b"sealed");
    let map = Growable::of(&sealed, 100).unwrap();
    common::seal(&sealed, libc::F_SEAL_GROW | libc::F_SEAL_SHRINK);
    for result in [map.grow(50), map.append(b"x").map(drop), map.shrink(1)] {
        let error = result.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert!(error.to_string().contains("seal"), "{error}");
    }
    assert_eq!(map.to_vec().unwrap(), b"sealed");
}

#[test]
fn readers_of_what_shrinks_and_grows_back_see_old_bytes_or_zeros_or_a_fault() {
    let map = Growable::of(memfd(&[]), MIB).unwrap();
    let long = {
        map.grow(100_000).unwrap();
        map.view()
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut bytes = vec![0; 100_000];
                while !done.load(Ordering::Relaxed) {
                    let read = match long.read_at(0, &mut bytes) {
                        Ok(()) => bytes.len(),
                        Err(error) => {
                            let fault = error.into_fault().unwrap();
                            assert_eq!(fault.kind(), FaultKind::Truncated);
                            fault.transferred()
                        }
                    };
                    assert!(bytes[..read].iter().all(|&byte| byte == 0 || byte == 7));
                    let now = map.view();
                    if let Err(error) = now.read_at(0, &mut bytes[..now.len()]) {
                        assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
                    }
                }
            });
        }
        for round in 0..3000 {
            map.shrink(round * 31 % 100_000).unwrap();
            map.grow(100_000).unwrap();
            map.fill(.., 7).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(map.to_vec().unwrap() == [7; 100_000]);
}

#[test]
fn it_can_be_shared_and_sent_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Growable>();
    check::<folio::Arena>();
    check::<folio::Stack>();
}

#[derive(Clone, Debug)]
enum Step {
    Grow(usize),
    Shrink(usize),
    Append(Vec<u8>),
    Write(usize, Vec<u8>),
    Punch(usize, usize),
    Flush,
    Refresh,
}

fn step() -> impl Strategy<Value = Step> {
    const CAPACITY: usize = 50_000;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..6000);
    prop_oneof![
        (0..CAPACITY + 2000).prop_map(Step::Grow),
        (0..CAPACITY).prop_map(Step::Shrink),
        bytes().prop_map(Step::Append),
        (0..CAPACITY, bytes()).prop_map(|(at, bytes)| Step::Write(at, bytes)),
        (0..CAPACITY, 0..CAPACITY).prop_map(|(from, to)| Step::Punch(from, to)),
        Just(Step::Flush),
        Just(Step::Refresh),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mapping_and_file_agree_with_a_vector(
        sparse in any::<bool>(),
        on_disk in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        const CAPACITY: usize = 50_000;
        let scratch = Scratch::new(b"");
        let file = if on_disk { scratch.file() } else { memfd(b"") };
        let options =
            if sparse { Growable::options().sparse() } else { Growable::options() };
        let map = options.map(&file, CAPACITY).unwrap();
        let address = map.address();
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Grow(len) => {
                    prop_assert_eq!(map.grow(len).is_ok(), len <= CAPACITY);
                    if len <= CAPACITY && len > model.len() {
                        model.resize(len, 0);
                    }
                }
                Step::Shrink(len) => {
                    map.shrink(len).unwrap();
                    model.truncate(len);
                }
                Step::Append(bytes) => {
                    let fits = model.len() + bytes.len() <= CAPACITY;
                    let at = map.append(&bytes);
                    prop_assert_eq!(at.is_ok(), fits);
                    if fits {
                        prop_assert_eq!(at.unwrap(), model.len());
                        model.extend(bytes);
                    }
                }
                Step::Write(at, bytes) => {
                    let fits = at + bytes.len() <= model.len();
                    prop_assert_eq!(map.write_at(at, &bytes).is_ok(), fits);
                    if fits {
                        model[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                }
                Step::Punch(from, to) => {
                    let fits = from <= to && to <= model.len();
                    prop_assert_eq!(map.punch_hole(from..to).is_ok(), fits);
                    if fits {
                        model[from..to].fill(0);
                    }
                }
                Step::Flush => prop_assert_eq!(map.flush(..).unwrap(), 0..model.len()),
                Step::Refresh => prop_assert_eq!(map.refresh().unwrap(), model.len()),
            }
            prop_assert_eq!(map.address(), address);
            prop_assert!(map.to_vec().unwrap() == model);
            let mut read = vec![0; model.len()];
            file.read_exact_at(&mut read, 0).unwrap();
            prop_assert!(read == model);
            prop_assert_eq!(file.metadata().unwrap().len(), model.len() as u64);
        }
    }
}
