//! A long-lived mapping and others who read, write, cut and remove its file.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Scratch, guarded, in_child, memfd, page, pattern};
use folio::{BackingKind, FaultKind, MapOptions, Mapping};

#[test]
fn a_long_lived_mapping_agrees_with_read_write_and_truncate_by_others() {
    let file = Scratch::new(&pattern(16 * page()));
    let map = Mapping::options().write().open(file.path()).unwrap();
    let mut model = pattern(16 * page());
    let opened = file.file();
    for round in 0..200usize {
        let at = round * 7919 % (15 * page());
        let bytes: Vec<u8> = (0..round % 300 + 1).map(|i| (i * round) as u8).collect();
        match round % 4 {
            0 => opened.write_all_at(&bytes, at as u64).unwrap(),
            1 => map.write_at(at, &bytes).unwrap(),
            2 => in_child(|| file.file().write_all_at(&bytes, at as u64).unwrap()),
            _ => in_child(|| map.write_at(at, &bytes).unwrap()),
        }
        model[at..at + bytes.len()].copy_from_slice(&bytes);
        if round % 10 == 9 {
            let len = (round * 331 % (15 * page())) & !7;
            opened.set_len(len as u64).unwrap();
            let fault = map.read_at(len.next_multiple_of(page()), &mut [0]);
            let fault = fault.unwrap_err().into_fault().unwrap();
            assert_eq!(fault.kind(), FaultKind::Truncated);
            opened.set_len(16 * page() as u64).unwrap();
            model[len..].fill(0);
        }
        assert_eq!(map.to_vec().unwrap(), model, "round {round}");
        let mut read = vec![0; 16 * page()];
        opened.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, model, "round {round}");
    }
    map.check().unwrap();
}

#[test]
fn a_mapping_outlives_its_descriptor_and_the_files_name() {
    let bytes = pattern(4 * page());
    let file = Scratch::new(&bytes);
    let (by_path, by_fd) = {
        let opened = file.file();
        let by_fd = Mapping::options().write().map(&opened).unwrap();
        (Mapping::options().write().open(file.path()).unwrap(), by_fd)
    };
    fs::remove_file(file.path()).unwrap();
    for map in [&by_path, &by_fd] {
        assert_eq!(map.to_vec().unwrap(), bytes);
        map.flush(..).unwrap();
        assert!(map.file().is_none());
    }
    by_path.write_at(3, b"!").unwrap();
    let mut byte = [0];
    by_fd.read_at(3, &mut byte).unwrap();
    assert_eq!(&byte, b"!");
    // Another file of the same name is another file.
    fs::write(file.path(), vec![9; 4 * page()]).unwrap();
    assert_eq!(by_path.to_vec().unwrap()[4..], bytes[4..]);
}

/// A file without a name, cut through a descriptor that is closed before the fault is explained.
fn nameless(options: MapOptions, cut: u64) -> (Mapping, Scratch) {
    let file = Scratch::new(&pattern(4 * page()));
    let map = options.open(file.path()).unwrap();
    let opened = file.file();
    fs::remove_file(file.path()).unwrap();
    opened.set_len(cut).unwrap();
    (map, file)
}

#[test]
fn a_kept_descriptor_explains_faults_of_a_file_that_lost_its_name() {
    let (mut map, _file) = nameless(MapOptions::new().write().keep_file(), page() as u64);
    let fault = map.read_at(page(), &mut [0]).unwrap_err().into_fault().unwrap();
    assert_eq!(fault.kind(), FaultKind::Truncated);
    let fault = guarded(&map, |bytes| bytes[2 * page()]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Truncated);
    map.file().unwrap().write_all_at(&pattern(4 * page()), 0).unwrap();
    assert_eq!(map.restore().unwrap(), Some(fault));
    assert_eq!(map.to_vec().unwrap(), pattern(4 * page()));
    map.close().unwrap();
}

#[test]
fn without_one_the_fault_is_still_an_error_that_says_the_file_is_gone() {
    let (mut map, file) = nameless(MapOptions::new(), page() as u64);
    let error = map.read_at(page() - 1, &mut [0; 2]).unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind(), fault.transferred()), (FaultKind::Unexplained, 1));
    let message = error.to_string();
    assert!(message.contains("the file is gone"), "{message}");
    assert!(message.contains(&file.path().display().to_string()), "{message}");
    let fault = guarded(&map, |bytes| bytes[2 * page()]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unexplained);
    let error = map.restore().unwrap_err();
    assert!(error.to_string().contains("keep_file"), "{error}");
    assert_eq!(map.check().unwrap_err(), fault, "it stays");
    let refused = map.close().unwrap_err();
    drop(refused.into_value());
}

#[test]
fn a_stranger_under_the_old_name_explains_nothing() {
    let (map, file) = nameless(MapOptions::new(), page() as u64);
    fs::write(file.path(), pattern(4 * page())).unwrap();
    let fault = map.read_at(page(), &mut [0]).unwrap_err().into_fault().unwrap();
    assert_eq!(fault.kind(), FaultKind::Unexplained);
}

#[test]
fn an_open_descriptor_of_the_process_explains_too() {
    let file = memfd(&pattern(4 * page()));
    let map = Mapping::of(&file).unwrap();
    file.set_len(0).unwrap();
    let fault = map.read_at(0, &mut [0]).unwrap_err().into_fault().unwrap();
    assert_eq!(fault.kind(), FaultKind::Truncated);
}

#[test]
fn a_memory_file_lives_as_long_as_its_mappings() {
    let map = {
        let file = memfd(&pattern(2 * page()));
        Mapping::options().write().map(&file).unwrap()
    };
    assert_eq!(map.backing().kind(), BackingKind::SharedMemory);
    map.write_at(page(), b"still here").unwrap();
    assert_eq!(&map.to_vec().unwrap()[page()..page() + 10], b"still here");
}

#[test]
fn a_character_device_maps_where_it_has_memory() {
    let error = Mapping::open("/dev/zero").unwrap_err();
    assert!(error.to_string().contains("no length of its own"), "{error}");
    let map = Mapping::options().private().write().len(3 * page()).open("/dev/zero").unwrap();
    assert_eq!(map.backing().kind(), BackingKind::CharacterDevice);
    assert_eq!(map.to_vec().unwrap(), vec![0; 3 * page()]);
    map.write_at(page(), b"x").unwrap();
    let shared = Mapping::options().write().len(page()).open("/dev/zero").unwrap();
    in_child(|| shared.write_at(0, b"child").unwrap());
    assert_eq!(&shared.to_vec().unwrap()[..5], b"child");
}

#[test]
fn anything_with_a_descriptor_maps() {
    use std::os::fd::{AsFd, OwnedFd};
    let file = Scratch::new(&pattern(100));
    let opened: File = file.file();
    let owned = OwnedFd::from(file.file());
    let maps = [
        Mapping::of(&opened).unwrap(),
        Mapping::of(opened.as_fd()).unwrap(),
        Mapping::of(&owned).unwrap(),
        Mapping::of(owned).unwrap(),
        Mapping::of(std::sync::Arc::new(opened)).unwrap(),
        Mapping::options().keep_file().open(file.path()).unwrap(),
    ];
    for map in &maps {
        assert_eq!(map.to_vec().unwrap(), pattern(100));
    }
    assert_eq!(Mapping::of(maps[5].file().unwrap()).unwrap().to_vec().unwrap(), pattern(100));
}

#[test]
fn words_are_never_torn_between_threads_and_processes() {
    let file = Scratch::new(&vec![0; page()]);
    let map = Mapping::options().write().open(file.path()).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let word = map.view().atomic_u64(64).unwrap();
            while !stop.load(Ordering::Relaxed) {
                word.store(0).unwrap();
                word.store(u64::MAX).unwrap();
            }
        });
        let other = Mapping::options().write().open(file.path()).unwrap();
        let word = other.view().atomic_u64(64).unwrap();
        for _ in 0..50_000 {
            let seen = word.load().unwrap();
            assert!(seen == 0 || seen == u64::MAX, "{seen:x}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let counter = map.view().atomic_u32(128).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                (0..10_000).for_each(|_| assert!(counter.fetch_add(1).unwrap() < 40_000))
            });
        }
        in_child(|| (0..10_000).for_each(|_| assert!(counter.fetch_add(1).unwrap() < 40_000)));
    });
    assert_eq!(counter.load().unwrap(), 40_000);
    assert_eq!(file.read_at(128, 4), 40_000u32.to_ne_bytes());
}
