//! Many mappings: 65,000 alive at once, and the limit of them (vm.max_map_count).

mod common;

use std::fs;

use common::{Crowd, End, Scratch, fork, guarded, in_child, page, pattern};
use folio::{ErrorKind, FaultKind, MapOptions, Mapping, Protection, Reservation};

fn limit_of_mappings() -> usize {
    fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

/// One-page mappings that the kernel cannot merge: neighbours differ in protection.
fn many(file: &Scratch, count: usize) -> folio::Result<Vec<Mapping>> {
    let opened = file.file();
    let mut maps = Vec::with_capacity(count);
    for number in 0..count {
        let options = Mapping::options().offset((number % 2 * page()) as u64).len(page());
        let options = if number % 2 == 0 { options } else { options.write() };
        maps.push(options.map(&opened)?);
    }
    Ok(maps)
}

fn reachable() -> bool {
    let fits = limit_of_mappings() < 1 << 20;
    if !fits {
        common::skip("a limit of mappings (vm.max_map_count) that can be reached");
    }
    fits
}

#[test]
fn sixty_five_thousand_mappings_live_at_once_and_all_go_again() {
    if limit_of_mappings() < 65_400 {
        return common::skip("vm.max_map_count of 65,400");
    }
    let file = Scratch::new(&pattern(2 * page()));
    in_child(|| {
        drop(many(&file, 1).unwrap());
        let lines = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let before = lines();
        let maps = many(&file, 65_000).unwrap();
        assert!(lines() >= before + 65_000);
        let mut byte = [0];
        for (number, map) in maps.iter().enumerate() {
            map.read_at(7, &mut byte).unwrap();
            assert_eq!(byte[0], pattern(2 * page())[number % 2 * page() + 7]);
        }
        for (number, map) in maps.iter().enumerate().skip(1).step_by(4999) {
            assert_eq!(map.write_at(0, &[9]).is_ok(), number % 2 == 1);
        }
        for map in maps {
            map.close().unwrap();
        }
        assert!(lines() <= before + 1);
    });
}

#[test]
fn at_the_limit_creation_fails_and_all_that_is_there_works_and_goes() {
    if !reachable() {
        return;
    }
    let file = Scratch::new(&pattern(page()));
    in_child(|| {
        let mut memory = MapOptions::new().private().write().anonymous(9 * page()).unwrap();
        memory.fill(.., 7).unwrap();
        let crowd = Crowd::new();
        let error = Mapping::open(file.path()).unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Os, Some(libc::ENOMEM)));
        let message = error.to_string();
        assert!(message.contains("vm.max_map_count"), "{message}");

        let error = memory.protect(page()..2 * page(), Protection::READ).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        memory.write_at(page(), b"still writable").unwrap();
        Reservation::new(page()).unwrap_err();
        let error = memory.lock(page()..2 * page(), folio::Lock::Now).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));

        let (left, right) = memory.split_at(4 * page()).unwrap();
        assert_eq!(right.to_vec().unwrap(), vec![7; 5 * page()]);
        drop(crowd);
        left.close().unwrap();
        right.close().unwrap();
        Reservation::new(page()).unwrap();
    });
}

#[test]
fn guarded_reads_become_zeros_even_at_the_limit() {
    if !reachable() {
        return;
    }
    let file = Scratch::new(&pattern(64 * page()));
    in_child(|| {
        let mut map = Mapping::open(file.path()).unwrap();
        let space = Reservation::new(64 * page()).unwrap();
        let placed = Mapping::options().inside(&space, 0).open(file.path()).unwrap();
        guarded(&map, |bytes| assert_eq!(bytes[0], 1)).unwrap();
        let crowd = Crowd::new();
        file.set_len(10 * page() as u64);
        let fault = map.read_at(30 * page(), &mut [0]).unwrap_err().into_fault().unwrap();
        assert_eq!(fault.kind(), FaultKind::Truncated);
        for map in [&map, &placed] {
            let fault = guarded(map, |bytes| {
                assert_eq!(bytes[30 * page()], 0);
                // Far more separate pages than the spare has room for.
                for at in (12..64).step_by(2).chain((11..64).rev().step_by(2)) {
                    assert_eq!(bytes[at * page()], 0);
                }
                bytes[63 * page()]
            });
            assert_eq!(fault.unwrap_err().kind(), FaultKind::Truncated);
        }
        drop(crowd);
        file.set_len(64 * page() as u64);
        file.write_at(0, &pattern(64 * page()));
        map.restore().unwrap().unwrap();
        assert_eq!(map.to_vec().unwrap(), pattern(64 * page()));
    });
}

#[test]
fn a_reservation_gives_back_at_the_limit_too() {
    if !reachable() {
        return;
    }
    let end = fork(|| {
        let space = Reservation::new(16 * page()).unwrap();
        let inside = space.commit(4 * page(), 8 * page()).unwrap();
        inside.fill(.., 7).unwrap();
        let crowd = Crowd::new();
        space.commit(14 * page(), page()).unwrap_err();
        inside.close().unwrap();
        assert!(space.taken().is_empty());
        drop(crowd);
        assert_eq!(common::vma_at(space.address() + 5 * page()).unwrap().access, "---p");
    });
    assert_eq!(end, End::Well);
}

#[test]
fn memory_between_its_like_goes_at_the_limit_too() {
    if !reachable() {
        return;
    }
    in_child(|| {
        // The kernel merges these three; taking the middle one away makes two records of one.
        let block = MapOptions::new().private().write().anonymous(3 * page()).unwrap();
        let (left, rest) = block.split_at(page()).unwrap();
        let (middle, right) = rest.split_at(page()).unwrap();
        for map in [&left, &middle, &right] {
            map.fill(.., 7).unwrap();
        }
        let crowd = Crowd::new();
        let address = middle.address();
        middle.close().unwrap();
        drop(crowd);
        assert!(common::vma_at(address).is_none());
        assert_eq!(left.to_vec().unwrap(), vec![7; page()]);
        assert_eq!(right.to_vec().unwrap(), vec![7; page()]);
    });
}
