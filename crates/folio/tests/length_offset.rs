//! Which bytes a mapping shows: any length from any offset, byte by byte, and what lies behind the
//! end of a file.

mod common;

use common::{Scratch, is_root, memfd, page, pattern, peek, poke, vma_at};
use folio::{ErrorKind, FaultKind, MapOptions, Mapping};

/// Bytes whose every page is different.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
}

#[test]
fn every_offset_shows_exactly_the_bytes_from_there_on() {
    let bytes = bytes(5 * page() + 321);
    let file = Scratch::new(&bytes);
    let near_ends =
        [0, 1, 2, 7, 8, 100, 511, 512, 4094, 4095, 4096, 4097, 8191, 8192, 8193, 12_345];
    let last = [bytes.len() - 1, bytes.len() - 321, bytes.len() - 322, bytes.len()];
    for offset in near_ends.into_iter().chain(last) {
        for private in [false, true] {
            let options = Mapping::options().offset(offset as u64);
            let options = if private { options.private() } else { options };
            let map = options.open(file.path()).unwrap();
            assert_eq!(map.len(), bytes.len() - offset, "{offset}");
            assert_eq!(map.offset(), offset as u64);
            assert_eq!(map.address() % page(), if map.is_empty() { 0 } else { offset % page() });
            assert_eq!(map.to_vec().unwrap(), bytes[offset..], "{offset}");
            let seen: Vec<u8> = (0..map.len()).map(|at| peek(map.address() + at)).collect();
            assert_eq!(seen, bytes[offset..], "{offset}, through raw addresses");
        }
    }
}

#[test]
fn every_length_shows_so_many_bytes_and_no_more() {
    let bytes = bytes(3 * page() + 10);
    let file = Scratch::new(&bytes);
    for offset in [0, 5, page() - 1, page(), page() + 1] {
        for len in [0, 1, 2, 3, page() - 1, page(), page() + 1, 2 * page() - 1, 2 * page()] {
            let map = Mapping::options().offset(offset as u64).len(len).open(file.path()).unwrap();
            assert_eq!(map.len(), len);
            assert_eq!(map.is_empty(), len == 0);
            assert_eq!(map.to_vec().unwrap(), bytes[offset..offset + len], "{offset} + {len}");
            let kind = map.read_at(len, &mut [0]).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::OutOfRange, "not the file's next byte");
            if len > 0 {
                let vma = vma_at(map.address()).unwrap();
                assert_eq!(vma.offset as usize, offset / page() * page());
                assert!(vma.end >= map.address() + len);
            }
        }
    }
}

#[test]
fn writes_at_an_odd_offset_reach_exactly_those_bytes_of_the_file() {
    let bytes = bytes(4 * page());
    let file = Scratch::new(&bytes);
    for (offset, len) in
        [(1, 1), (page() - 1, 2), (page() + 77, 2 * page() + 1), (3, 4 * page() - 3)]
    {
        file.write_at(0, &bytes);
        let options = Mapping::options().write().offset(offset as u64).len(len);
        let map = options.open(file.path()).unwrap();
        map.fill(.., 0xAB).unwrap();
        let mut expected = bytes.clone();
        expected[offset..offset + len].fill(0xAB);
        assert_eq!(file.bytes(), expected, "{offset} + {len}, before any flush");
    }
}

#[test]
fn an_empty_file_maps_to_an_empty_mapping_whose_every_operation_works() {
    let file = Scratch::new(b"");
    for options in [Mapping::options(), Mapping::options().write(), Mapping::options().private()] {
        let mut map = options.populate().open(file.path()).unwrap();
        assert!(map.is_empty());
        assert_eq!(map.to_vec().unwrap(), b"");
        assert_eq!(map.flush(..).unwrap(), 0..0);
        assert_eq!(map.protect(.., folio::Protection::NONE).unwrap(), 0..0);
        assert_eq!(map.lock(.., folio::Lock::Now).unwrap(), 0..0);
        assert_eq!(map.residency(..).unwrap().pages(), 0);
        assert_eq!(map.advise(.., folio::Advice::Random).unwrap(), 0..0);
        assert_eq!(map.discard(.., folio::Discard::Now).unwrap(), 0..0);
        map.set_fork(folio::Fork::Exclude).unwrap();
        assert_eq!(map.resize(10, true).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(map.chunks(3).count(), 0);
        map.check().unwrap();
        assert_eq!(map.restore().unwrap(), None);
        assert!(common::slice(&map).is_empty());
        map.write_at(0, b"").unwrap();
        map.write_at(0, b"x").unwrap_err();
        let map = map.split_at(0).unwrap_err().into_value();
        map.close().unwrap();
    }
    let memory = folio::Memory::new(0).unwrap();
    assert!(memory.is_empty());
}

#[test]
fn beyond_the_end_is_an_error_unless_a_tail_that_faults_was_asked_for() {
    let bytes = bytes(page() + 10);
    let file = Scratch::new(&bytes);
    let beyond = |len: usize| Mapping::options().len(len);
    let error = beyond(page() + 11).open(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BeyondEnd);
    let message = error.to_string();
    assert!(message.contains(&format!("it has {} bytes", page() + 10)), "{message}");
    assert!(message.contains("beyond_end"), "{message}");
    let offset = Mapping::options().offset(page() as u64 + 11);
    assert_eq!(offset.open(file.path()).unwrap_err().kind(), ErrorKind::BeyondEnd);

    let map = beyond(4 * page()).beyond_end().open(file.path()).unwrap();
    let mut tail = vec![1; page() - 10];
    map.read_at(page() + 10, &mut tail).unwrap();
    assert!(tail.iter().all(|&b| b == 0), "the rest of the last page reads as zeros");
    let fault = map.read_at(2 * page(), &mut [0]).unwrap_err().into_fault().unwrap();
    assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 2 * page() as u64));
    file.set_len(3 * page() as u64 + 1);
    map.read_at(2 * page(), &mut [0]).unwrap();
    file.write_at(3 * page() as u64, b"!");
    let mut byte = [0];
    map.read_at(3 * page(), &mut byte).unwrap();
    assert_eq!(&byte, b"!", "the mapping shows the file as it grows");
}

#[test]
fn lengths_and_offsets_that_overflow_are_errors() {
    let file = Scratch::new(&bytes(100));
    let attempts: [(u64, Option<usize>); 8] = [
        (0, Some(usize::MAX)),
        (1, Some(usize::MAX)),
        (99, Some(usize::MAX - 98)),
        (u64::MAX, Some(1)),
        (u64::MAX, None),
        (i64::MAX as u64, Some(1)),
        (i64::MAX as u64 - 4095, Some(4096)),
        (u64::MAX - 4095, Some(usize::MAX)),
    ];
    for (offset, len) in attempts {
        for beyond in [false, true] {
            let mut options = Mapping::options().offset(offset);
            if let Some(len) = len {
                options = options.len(len);
            }
            let options = if beyond { options.beyond_end() } else { options };
            let error = options.open(file.path()).unwrap_err();
            let known = error.kind() == ErrorKind::BeyondEnd
                || error.raw_os_error() == Some(libc::EOVERFLOW);
            assert!(known, "{offset} + {len:?}: {error}");
        }
    }
    for len in
        [usize::MAX, usize::MAX - 4094, isize::MAX as usize + 1, isize::MAX as usize, 1 << 60]
    {
        for options in
            [Mapping::options(), MapOptions::new().private(), MapOptions::new().no_reserve()]
        {
            let error = options.anonymous(len).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
        }
        assert_eq!(folio::Memory::new(len).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }
}

/// mmap(2): what becomes of the rest of the last page is unspecified. Linux shows it to every
/// mapping of the file until the page is written back or leaves memory, and never to read(2).
#[test]
fn the_dirty_tail_of_a_last_partial_page_never_reaches_the_file() {
    let bytes = bytes(page() + 100);
    let file = Scratch::new(&bytes);
    let map = Mapping::options().write().beyond_end().len(2 * page()).open(file.path()).unwrap();
    let exact = Mapping::options().write().open(file.path()).unwrap();
    map.fill(page() + 100.., 0xEE).unwrap();
    map.write_at(page() + 99, b"L").unwrap();
    let mut expected = bytes.clone();
    expected[page() + 99] = b'L';
    assert_eq!(file.bytes(), expected);
    map.flush(..).unwrap();
    exact.flush(..).unwrap();
    assert_eq!(file.bytes(), expected, "nor has it grown");
    file.set_len(2 * page() as u64);
    let on_disk = rustix::fs::statfs(file.path()).unwrap().f_type != 0x0102_1994;
    if on_disk {
        expected.resize(2 * page(), 0);
        assert_eq!(file.bytes(), expected, "growing over the tail clears it");
        assert_eq!(map.to_vec().unwrap(), expected);
    }
}

#[test]
fn every_mapping_of_memory_sees_the_tail_of_a_last_partial_page() {
    let bytes = bytes(page() + 100);
    let file = memfd(&bytes);
    let whole = || Mapping::options().write().beyond_end().len(2 * page()).map(&file).unwrap();
    let (map, second) = (whole(), whole());
    map.fill(page() + 100.., 0xEE).unwrap();
    let seen = second.to_vec().unwrap();
    assert_eq!(seen[..page() + 100], bytes);
    assert!(seen[page() + 100..].iter().all(|&b| b == 0xEE));
    assert_eq!(file.metadata().unwrap().len() as usize, page() + 100);
    let exact = Mapping::of(&file).unwrap();
    assert_eq!(exact.to_vec().unwrap(), bytes);
}

#[test]
fn the_dirty_tail_of_a_private_page_stays_in_this_mapping() {
    let bytes = bytes(page() + 100);
    let file = Scratch::new(&bytes);
    let options = || Mapping::options().write().private().beyond_end().len(2 * page());
    let mut map = options().open(file.path()).unwrap();
    map.fill(page() + 50.., 0xEE).unwrap();
    let second = options().open(file.path()).unwrap();
    let mut seen = vec![0; page() - 50];
    second.read_at(page() + 50, &mut seen).unwrap();
    assert_eq!(seen[..50], bytes[page() + 50..]);
    assert!(seen[50..].iter().all(|&b| b == 0));
    assert_eq!(file.bytes(), bytes);
    map.read_at(page() + 50, &mut seen).unwrap();
    assert!(seen.iter().all(|&b| b == 0xEE));
    map.discard(.., folio::Discard::Now).unwrap();
    map.read_at(page() + 50, &mut seen).unwrap();
    assert_eq!(seen[..50], bytes[page() + 50..], "the change is forgotten");
    assert!(seen[50..].iter().all(|&b| b == 0));

    let mut exact = Mapping::options().write().private().open(file.path()).unwrap();
    exact.fill(.., 0xEE).unwrap();
    assert_eq!(exact.discard(.., folio::Discard::Now).unwrap(), 0..page(), "whole pages only");
    let kept = exact.to_vec().unwrap();
    assert_eq!(kept[..page()], bytes[..page()]);
    assert!(kept[page()..].iter().all(|&b| b == 0xEE));
}

#[test]
fn evicting_a_shared_tail_forgets_it() {
    let bytes = bytes(100);
    let file = Scratch::new(&bytes);
    let map = Mapping::options().write().beyond_end().len(page()).open(file.path()).unwrap();
    map.fill(100.., 0xEE).unwrap();
    drop(map);
    let opened = file.file();
    opened.sync_all().unwrap();
    rustix::fs::fadvise(&opened, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let map = Mapping::options().beyond_end().len(page()).open(file.path()).unwrap();
    let tail = map.to_vec().unwrap();
    assert_eq!(tail[..100], bytes);
    if tail[100] == 0xEE {
        return common::skip("a file system that evicts a clean page when asked");
    }
    assert!(tail[100..].iter().all(|&b| b == 0));
}

#[test]
fn an_offset_past_four_gigabytes_of_a_sparse_file_is_exact() {
    let file = Scratch::new(b"");
    let at = (5u64 << 30) + 12_345;
    file.set_len(at + 100);
    file.write_at(at, &pattern(100));
    let map = Mapping::options().write().offset(at).open(file.path()).unwrap();
    assert_eq!(map.to_vec().unwrap(), pattern(100));
    map.write_at(99, b"z").unwrap();
    assert_eq!(file.read_at(at + 99, 1), b"z");
    let whole = Mapping::open(file.path()).unwrap();
    assert_eq!(whole.len() as u64, at + 100);
    let mut byte = [0];
    whole.read_at(at as usize + 99, &mut byte).unwrap();
    assert_eq!(&byte, b"z");
}

#[test]
fn a_file_larger_than_the_address_space_maps_in_part() {
    let file = memfd(b"");
    // memfd: up to 2^63 - 1 bytes, none of which cost anything.
    file.set_len(i64::MAX as u64 & !4095).unwrap();
    let error = Mapping::of(&file).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
    let at = (i64::MAX as u64 & !4095) - 8192 + 17;
    let map = Mapping::options().write().offset(at).len(1000).map(&file).unwrap();
    map.write_at(999, b"!").unwrap();
    assert_eq!(peek(map.address() + 999), b'!');
    poke(map.address(), b'?');
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_at(&file, &mut byte, at).unwrap();
    assert_eq!(&byte, b"?");
}

#[test]
fn a_block_device_has_its_own_length() {
    if !is_root() {
        return common::skip("root, for a loop device");
    }
    let bytes = bytes(16 * page());
    let file = Scratch::new(&bytes);
    let output =
        std::process::Command::new("losetup").arg("-f").arg("--show").arg(file.path()).output();
    let Ok(output) = output else { return common::skip("losetup") };
    let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    if device.is_empty() {
        return common::skip("a free loop device");
    }
    let result = std::panic::catch_unwind(|| {
        let map = Mapping::open(&device).unwrap();
        assert_eq!(map.len(), bytes.len());
        assert_eq!(map.backing().kind(), folio::BackingKind::BlockDevice);
        assert_eq!(map.to_vec().unwrap(), bytes);
        let part = Mapping::options().write().offset(5001).open(&device).unwrap();
        assert_eq!(part.to_vec().unwrap(), bytes[5001..]);
        part.write_at(0, b"device").unwrap();
        part.flush(..).unwrap();
        let mut seen = [0; 6];
        std::os::unix::fs::FileExt::read_exact_at(
            &std::fs::File::open(&device).unwrap(),
            &mut seen,
            5001,
        )
        .unwrap();
        assert_eq!(&seen, b"device");
        let error = Mapping::options().len(bytes.len() + 1).open(&device).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BeyondEnd);
    });
    std::process::Command::new("losetup").args(["-d", &device]).status().unwrap();
    result.unwrap();
}
