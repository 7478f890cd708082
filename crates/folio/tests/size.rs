//! Grow and shrink, split and join, close: what becomes of bytes, addresses and values.

mod common;

use common::{Scratch, guarded, memfd, mincore, page, pattern, peek, vma_at};
use folio::{ErrorKind, FaultKind, MapOptions, Mapping, Memory, Protection};

#[test]
fn growing_shows_more_of_the_file_and_shrinking_less() {
    let bytes = pattern(10 * page() + 77);
    let file = Scratch::new(&bytes);
    let offset = page() + 13;
    let mut map =
        Mapping::options().write().offset(offset as u64).len(10).open(file.path()).unwrap();
    for len in [11, page(), 2 * page(), 1, 5 * page() + 3, 9 * page() + 64, page(), 9 * page()] {
        map.resize(len, true).unwrap();
        assert_eq!(map.len(), len);
        assert_eq!(map.to_vec().unwrap(), bytes[offset..offset + len], "{len}");
        let pages = (offset % page() + len).div_ceil(page()) * page();
        let start = map.address() - offset % page();
        assert!(mincore(start, pages).is_some());
        map.read_at(len, &mut [0]).unwrap_err();
    }
    map.write_at(9 * page() - 1, b"!").unwrap();
    assert_eq!(file.read_at((offset + 9 * page() - 1) as u64, 1), b"!");
}

#[test]
fn a_shrunk_mapping_gives_its_pages_back_at_once() {
    let options = MapOptions::new().private().write().exactly_at(0x2a00_0000_0000);
    let mut map = options.anonymous(8 * page()).unwrap();
    let address = map.address();
    map.resize(3 * page() + 1, false).unwrap();
    assert!(vma_at(address + 4 * page()).is_none());
    assert!(vma_at(address + 4 * page() - 1).is_some());
    map.resize(8 * page(), false).unwrap();
    assert_eq!(map.address(), address, "nothing lies behind it, so it need not move");
    drop(map);
    assert!(vma_at(address).is_none());
}

#[test]
fn growth_that_may_not_move_fails_where_something_lies_behind_and_changes_nothing() {
    let at = 0x2b00_0000_0000;
    let options = || MapOptions::new().private().write();
    let mut map = options().exactly_at(at).anonymous(2 * page()).unwrap();
    let wall = options().protection(Protection::READ).exactly_at(at + 2 * page());
    let wall = wall.anonymous(page()).unwrap();
    map.fill(.., 7).unwrap();
    let error = map.resize(3 * page(), false).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    assert!(error.to_string().contains("let it move"), "{error}");
    assert_eq!((map.address(), map.len()), (at, 2 * page()));
    map.resize(3 * page(), true).unwrap();
    assert_ne!(map.address(), at);
    let mut expected = vec![7; 3 * page()];
    expected[2 * page()..].fill(0);
    assert_eq!(map.to_vec().unwrap(), expected);
    assert_eq!(wall.to_vec().unwrap(), vec![0; page()]);
    assert!(vma_at(at).is_none());
}

#[test]
fn growing_past_the_end_of_a_file_faults_until_the_file_grows() {
    let file = Scratch::new(&pattern(page()));
    let mut map = Mapping::options().write().open(file.path()).unwrap();
    map.resize(3 * page(), true).unwrap();
    let fault = map.read_at(page(), &mut [0]).unwrap_err().into_fault().unwrap();
    assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, page() as u64));
    file.set_len(3 * page() as u64);
    map.write_at(3 * page() - 1, b"!").unwrap();
    assert_eq!(file.read_at(3 * page() as u64 - 1, 1), b"!");
}

#[test]
fn memory_that_shrinks_and_grows_again_has_gained_zeros() {
    for (less, more) in [
        (2 * page() + 100, 3 * page()),
        (page(), 3 * page()),
        (1, 2),
        (page() + 1, 2 * page()),
        (2 * page() - 1, 2 * page() + 1),
    ] {
        let mut memory = Memory::new(3 * page()).unwrap();
        memory.fill(7);
        memory.resize(less).unwrap();
        memory.resize(more).unwrap();
        assert!(memory[..less].iter().all(|&b| b == 7));
        assert!(memory[less..].iter().all(|&b| b == 0), "{less} to {more}");

        let mut map = MapOptions::new().private().write().anonymous(3 * page()).unwrap();
        map.fill(.., 7).unwrap();
        map.protect(.., Protection::READ).unwrap();
        if !less.is_multiple_of(page()) {
            let fault = map.resize(less, true).unwrap_err().into_fault().unwrap();
            assert_eq!(fault.kind(), FaultKind::Protection, "it could not be cleared");
            assert_eq!(map.to_vec().unwrap(), vec![7; 3 * page()]);
            map.protect(.., Protection::READ | Protection::WRITE).unwrap();
        }
        map.resize(less, true).unwrap();
        map.resize(more, true).unwrap();
        let bytes = map.to_vec().unwrap();
        assert!(bytes[..less].iter().all(|&b| b == 7));
        assert!(bytes[less..].iter().all(|&b| b == 0), "{less} to {more}");
    }
}

#[test]
fn shared_memory_without_a_file_has_the_size_it_was_made_with() {
    let mut map = MapOptions::new().write().anonymous(2 * page()).unwrap();
    map.fill(.., 7).unwrap();
    let error = map.resize(5 * page(), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("memfd"), "{error}");
    assert_eq!(map.to_vec().unwrap(), vec![7; 2 * page()]);
    map.resize(page(), true).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![7; page()]);
}

#[test]
fn resizing_by_absurd_lengths_is_an_error_and_changes_nothing() {
    let file = Scratch::new(&pattern(3 * page()));
    let mut maps = [
        Mapping::options().offset(5).open(file.path()).unwrap(),
        Mapping::options().private().write().open(file.path()).unwrap(),
        MapOptions::new().private().write().anonymous(3 * page()).unwrap(),
    ];
    for map in &mut maps {
        let (address, len, bytes) = (map.address(), map.len(), map.to_vec().unwrap());
        for absurd in [0, usize::MAX, usize::MAX - page(), isize::MAX as usize, 1 << 60] {
            map.resize(absurd, true).unwrap_err();
            assert_eq!((map.address(), map.len()), (address, len));
            assert_eq!(map.to_vec().unwrap(), bytes);
        }
    }
}

#[test]
fn a_mapping_split_by_its_protections_still_shrinks() {
    let mut map = MapOptions::new().private().write().anonymous(6 * page()).unwrap();
    map.fill(.., 7).unwrap();
    map.protect(2 * page()..3 * page(), Protection::READ).unwrap();
    map.resize(4 * page(), true).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![7; 4 * page()]);
    match map.resize(8 * page(), true) {
        Ok(()) => assert_eq!(map.to_vec().unwrap()[..4 * page()], vec![7; 4 * page()]),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
            assert!(error.to_string().contains("split by protecting"), "{error}");
            assert_eq!(map.to_vec().unwrap(), vec![7; 4 * page()]);
        }
    }
}

#[test]
fn halves_of_a_split_are_whole_mappings_of_their_own() {
    let bytes = pattern(5 * page());
    let file = Scratch::new(&bytes);
    let offset = 100;
    let address = 0x2d00_0000_0000 + 100;
    let options = Mapping::options().write().keep_file().offset(offset).exactly_at(address);
    let map = options.open(file.path()).unwrap();
    let at = 2 * page() - offset as usize;
    let (left, right) = map.split_at(at).unwrap();
    assert_eq!((left.address(), left.len(), left.offset()), (address, at, 100));
    let rest = (address + at, bytes.len() - 100 - at, 2 * page() as u64);
    assert_eq!((right.address(), right.len(), right.offset()), rest);
    assert_eq!(left.to_vec().unwrap(), bytes[100..100 + at]);
    assert_eq!(right.to_vec().unwrap(), bytes[2 * page()..]);
    assert!(left.file().is_some() && right.file().is_some());
    left.read_at(at, &mut [0]).unwrap_err();
    let mut right = right;
    right.protect(.., Protection::READ).unwrap();
    left.write_at(at - 1, b"L").unwrap();
    right.write_at(0, b"R").unwrap_err();
    drop(left);
    assert!(vma_at(address).is_none());
    assert_eq!(right.to_vec().unwrap(), bytes[2 * page()..]);
    right.close().unwrap();
}

#[test]
fn a_split_anywhere_else_gives_the_mapping_back() {
    let bytes = pattern(3 * page());
    let file = Scratch::new(&bytes);
    let mut map = Mapping::options().offset(7).open(file.path()).unwrap();
    for (at, kind) in [
        (0, ErrorKind::OutOfRange),
        (3 * page() - 7, ErrorKind::OutOfRange),
        (usize::MAX, ErrorKind::OutOfRange),
        (usize::MAX - 6, ErrorKind::OutOfRange),
        (1, ErrorKind::Misaligned),
        (page(), ErrorKind::Misaligned),
    ] {
        let refused = map.split_at(at).unwrap_err();
        assert_eq!(refused.error().kind(), kind, "{at}");
        map = refused.into_value();
        assert_eq!(map.to_vec().unwrap(), bytes[7..]);
    }
}

#[test]
fn what_was_split_joins_again_and_nothing_else_does() {
    let bytes = pattern(6 * page());
    let file = Scratch::new(&bytes);
    let address = 0x2c00_0000_0000 + 50;
    let options = Mapping::options().write().offset(50).exactly_at(address);
    let map = options.open(file.path()).unwrap();
    let (left, rest) = map.split_at(2 * page() - 50).unwrap();
    let (middle, right) = rest.split_at(2 * page()).unwrap();

    let (left, right) = left.join(right).unwrap_err().into_value();
    let (right, middle) = right.join(middle).unwrap_err().into_value();
    let other = Mapping::options().write().open(file.path()).unwrap();
    let (left, other) = left.join(other).unwrap_err().into_value();
    let mut middle = middle;
    middle.protect(.., Protection::READ).unwrap();
    let refused = left.join(middle).unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Invalid);
    let (left, mut middle) = refused.into_value();
    middle.protect(.., Protection::READ | Protection::WRITE).unwrap();
    assert_eq!(other.to_vec().unwrap(), bytes);

    let whole = left.join(middle).unwrap().join(right).unwrap();
    assert_eq!((whole.address(), whole.len()), (address, 6 * page() - 50));
    assert_eq!(whole.to_vec().unwrap(), bytes[50..]);
    let (start, len) = (whole.address() - 50, 6 * page());
    whole.close().unwrap();
    assert!((start..start + len).step_by(page()).all(|at| vma_at(at).is_none()));
}

#[test]
fn a_fault_refuses_close_split_join_and_resize_until_it_is_taken() {
    let bytes = pattern(4 * page());
    let file = Scratch::new(&bytes);
    let map = Mapping::open(file.path()).unwrap();
    file.set_len(page() as u64);
    let fault = guarded(&map, |bytes| bytes.iter().filter(|&&b| b == 0).count()).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Truncated);
    let refused = map.close().unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Fault);
    let refused = refused.into_value().split_at(page()).unwrap_err();
    assert_eq!(refused.error().fault(), Some(&fault));
    let mut map = refused.into_value();
    assert_eq!(map.resize(page(), true).unwrap_err().fault(), Some(&fault));
    file.write_at(0, &bytes);
    assert_eq!(map.restore().unwrap(), Some(fault));
    assert_eq!(map.to_vec().unwrap(), bytes);
    map.resize(2 * page(), true).unwrap();
    map.close().unwrap();
}

#[test]
fn a_resized_guarded_mapping_is_still_guarded() {
    let file = memfd(&pattern(8 * page()));
    let mut map = Mapping::options().map(&file).unwrap();
    guarded(&map, |bytes| assert_eq!(bytes[0], 1)).unwrap();
    map.resize(4 * page(), true).unwrap();
    map.resize(64 * page(), true).unwrap();
    let fault = guarded(&map, |bytes| bytes[20 * page()]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Truncated);
    assert_eq!(fault.offset() / page() as u64, 20);
    assert_eq!(peek(map.address()), 1);
}
