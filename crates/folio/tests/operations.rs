//! Flush, advise, discard, lock, residency and populate, on all of a mapping or a range.

mod common;

use common::{End, Scratch, fork, is_root, memfd, mincore, page, pattern, peek, vma_at};
use folio::{Advice, Discard, ErrorKind, FaultKind, Lock, MapOptions, Mapping, Protection};

fn memory(pages: usize) -> Mapping {
    MapOptions::new().private().write().anonymous(pages * page()).unwrap()
}

/// Which pages of an open file are dirty in the page cache, if the kernel tells (cachestat(2)).
fn dirty_pages(file: &std::fs::File) -> Option<u64> {
    common::cachestat(file).map(|[_, dirty, writeback, ..]| dirty + writeback)
}

#[test]
fn a_flush_leaves_no_dirty_page_in_its_range() {
    let file = Scratch::new(&pattern(8 * page()));
    let opened = file.file();
    opened.sync_all().unwrap();
    let map = Mapping::options().write().open(file.path()).unwrap();
    map.fill(.., 5).unwrap();
    assert_eq!(map.flush(page() + 1..page() + 2).unwrap(), page()..2 * page());
    assert_eq!(map.flush(..).unwrap(), 0..8 * page());
    assert_eq!(file.bytes(), vec![5; 8 * page()]);
    match dirty_pages(&opened) {
        Some(dirty) if rustix::fs::statfs(file.path()).unwrap().f_type != 0x0102_1994 => {
            assert_eq!(dirty, 0);
        }
        _ => common::skip("cachestat(2) and a disk"),
    }
}

#[test]
fn every_kind_of_flush_takes_any_range_of_any_mapping() {
    let file = Scratch::new(&pattern(5 * page()));
    let offset = page() / 2;
    let at = |number: usize| number * page() - offset;
    let shared = Mapping::options().write().offset(offset as u64).open(file.path()).unwrap();
    let private = Mapping::options().private().write().offset(offset as u64);
    for map in [shared, private.open(file.path()).unwrap()] {
        type Flush = fn(&Mapping, std::ops::Range<usize>) -> folio::Result<std::ops::Range<usize>>;
        let kinds: [Flush; 3] =
            [Mapping::flush, Mapping::flush_async, Mapping::flush_and_invalidate];
        for flush in kinds {
            assert_eq!(flush(&map, 0..map.len()).unwrap(), 0..map.len());
            assert_eq!(flush(&map, 0..1).unwrap(), 0..at(1));
            assert_eq!(flush(&map, at(2)..at(3)).unwrap(), at(2)..at(3));
            assert_eq!(flush(&map, at(2) - 1..at(3) + 1).unwrap(), at(1)..at(4));
            assert_eq!(flush(&map, at(5) - 1..at(5)).unwrap(), at(4)..at(5));
        }
    }
    let memory = memory(1);
    assert_eq!(memory.flush(..).unwrap(), 0..page());
}

#[test]
fn invalidating_locked_pages_is_busy_and_says_so() {
    let file = Scratch::new(&pattern(page()));
    let map = Mapping::options().write().lock(Lock::Now).open(file.path()).unwrap();
    let error = map.flush_and_invalidate(..).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
    assert!(error.to_string().contains("unlock them"), "{error}");
    map.unlock(..).unwrap();
    map.flush_and_invalidate(..).unwrap();
}

#[test]
fn no_advice_changes_a_byte_of_any_kind_of_mapping() {
    let bytes = pattern(8 * page() + 100);
    let file = Scratch::new(&bytes);
    let memory_file = memfd(&bytes);
    let written = |map: Mapping| {
        map.write_at(0, &bytes[..map.len()]).unwrap();
        map
    };
    let maps = [
        Mapping::options().open(file.path()).unwrap(),
        Mapping::options().write().open(file.path()).unwrap(),
        Mapping::options().private().write().open(file.path()).unwrap(),
        Mapping::options().write().map(&memory_file).unwrap(),
        written(Mapping::options().write().anonymous(bytes.len()).unwrap()),
        written(Mapping::options().private().write().anonymous(bytes.len()).unwrap()),
    ];
    for map in &maps {
        for advice in Advice::ALL {
            for range in [0..bytes.len(), 0..1, page()..3 * page(), 8 * page()..bytes.len(), 7..7] {
                match map.advise(range.clone(), advice) {
                    Ok(touched) => {
                        assert!(
                            touched.start <= range.start && touched.end >= range.end
                                || range.is_empty()
                        );
                    }
                    Err(error) => {
                        let named =
                            [libc::EINVAL, libc::EPERM, libc::EBUSY, libc::ENOMEM, libc::EACCES];
                        let errno = error.raw_os_error();
                        assert!(
                            errno.is_some_and(|errno| named.contains(&errno)),
                            "{advice:?}: {error}"
                        );
                    }
                }
                assert_eq!(map.to_vec().unwrap(), bytes, "{advice:?} {map:?}");
            }
        }
    }
    assert_eq!(file.bytes(), bytes);
}

#[test]
fn advice_is_seen_in_smaps_on_the_pages_around_the_range_only() {
    let file = Scratch::new(&pattern(8 * page()));
    let cases = [
        (Advice::Random, Advice::Normal, "rr"),
        (Advice::Sequential, Advice::Normal, "sr"),
        (Advice::DontDump, Advice::DoDump, "dd"),
    ];
    for (set, undo, flag) in cases {
        let map = Mapping::open(file.path()).unwrap();
        let has = |at: usize| vma_at(map.address() + at).unwrap().has(flag);
        assert_eq!(map.advise(2 * page() + 1..4 * page(), set).unwrap(), 2 * page()..4 * page());
        assert_eq!(
            [page(), 2 * page(), 4 * page() - 1, 4 * page()].map(has),
            [false, true, true, false]
        );
        map.advise(.., undo).unwrap();
        assert!(!has(2 * page()));
    }
    let map = memory(1024);
    for (set, flag) in [(Advice::HugePages, "hg"), (Advice::NoHugePages, "nh")] {
        if map.advise(.., set).is_ok() {
            assert!(vma_at(map.address()).unwrap().has(flag));
        }
    }
    if map.advise(.., Advice::Mergeable).is_ok() {
        assert!(vma_at(map.address()).unwrap().has("mg"));
        map.advise(.., Advice::Unmergeable).unwrap();
        assert!(!vma_at(map.address()).unwrap().has("mg"));
    } else {
        common::skip("KSM");
    }
}

#[test]
fn will_need_and_populate_bring_pages_and_page_out_takes_them() {
    let file = Scratch::new(&pattern(8 * page()));
    let map = memory(8);
    let resident = |map: &Mapping| mincore(map.address(), map.len()).unwrap();
    map.advise(page()..2 * page(), Advice::PopulateRead).unwrap();
    map.advise(3 * page()..4 * page(), Advice::PopulateWrite).unwrap();
    let expected = [false, true, false, true, false, false, false, false];
    assert_eq!(resident(&map), expected);
    let dirty = vma_at(map.address()).unwrap();
    assert!(dirty.kib("Private_Dirty") >= 4);

    let opened = file.file();
    opened.sync_all().unwrap();
    let map = Mapping::open(file.path()).unwrap();
    map.populate(..).unwrap();
    assert_eq!(vma_at(map.address()).unwrap().kib("Rss"), 8 * page() as u64 / 1024);
    map.advise(.., Advice::PageOut).unwrap();
    if vma_at(map.address()).unwrap().kib("Rss") > 0 {
        common::skip("a kernel that pages out when asked");
    }
    map.advise(.., Advice::WillNeed).unwrap();
    assert_eq!(map.to_vec().unwrap(), pattern(8 * page()));
}

#[test]
fn collapse_makes_a_huge_page_now() {
    let map = memory(4096);
    map.fill(.., 3).unwrap();
    match map.advise(.., Advice::Collapse) {
        Ok(_) => {
            assert!(vma_at(map.address()).unwrap().kib("AnonHugePages") >= 2048);
            assert_eq!(map.to_vec().unwrap(), vec![3; map.len()]);
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap();
            assert!([libc::EINVAL, libc::ENOMEM, libc::EAGAIN, libc::EBUSY].contains(&errno));
            common::skip("MADV_COLLAPSE");
        }
    }
}

#[test]
fn discarding_now_forgets_private_memory_inside_the_range_only() {
    let mut map = memory(5);
    map.fill(.., 7).unwrap();
    assert!(map.discard(page() + 1..2 * page(), Discard::Now).unwrap().is_empty());
    assert_eq!(map.to_vec().unwrap(), vec![7; 5 * page()], "no whole page, no change");
    assert_eq!(map.discard(page() - 1..3 * page() + 1, Discard::Now).unwrap(), page()..3 * page());
    let mut expected = vec![7; 5 * page()];
    expected[page()..3 * page()].fill(0);
    assert_eq!(map.to_vec().unwrap(), expected);
}

#[test]
fn discarding_a_file_mapping_reads_the_file_anew() {
    let bytes = pattern(3 * page());
    let file = Scratch::new(&bytes);
    let mut private = Mapping::options().private().write().open(file.path()).unwrap();
    private.fill(.., 7).unwrap();
    assert_eq!(private.discard(page().., Discard::Now).unwrap(), page()..3 * page());
    let seen = private.to_vec().unwrap();
    assert_eq!(seen[..page()], vec![7; page()]);
    assert_eq!(seen[page()..], bytes[page()..]);
    let mut shared = Mapping::options().write().open(file.path()).unwrap();
    shared.fill(.., 9).unwrap();
    shared.discard(.., Discard::Now).unwrap();
    assert_eq!(shared.to_vec().unwrap(), vec![9; 3 * page()], "shared changes are the file's");
    assert_eq!(file.bytes(), vec![9; 3 * page()]);
}

#[test]
fn locked_pages_are_discarded_only_by_name() {
    let mut map = memory(2);
    map.fill(.., 7).unwrap();
    map.lock(.., Lock::Now).unwrap();
    let error = map.discard(.., Discard::Now).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert_eq!(map.to_vec().unwrap(), vec![7; 2 * page()]);
    map.discard(.., Discard::NowLocked).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![0; 2 * page()]);
}

#[test]
fn discarding_lazily_keeps_a_page_or_gives_zeros_and_never_less_than_a_page() {
    let mut map = memory(64);
    map.fill(.., 7).unwrap();
    map.discard(.., Discard::Lazily).unwrap();
    map.advise(.., Advice::PageOut).unwrap();
    let bytes = map.to_vec().unwrap();
    for whole in bytes.chunks(page()) {
        assert!(whole.iter().all(|&b| b == 7) || whole.iter().all(|&b| b == 0));
    }
    map.write_at(0, b"kept").unwrap();
    assert_eq!(peek(map.address()), b'k');
    map.into_stable().expect_err("its pages may turn to zeros");
    let file = Scratch::new(&pattern(page()));
    let mut map = Mapping::options().private().write().open(file.path()).unwrap();
    assert_eq!(map.discard(.., Discard::Lazily).unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_hole_gives_the_space_back_and_reads_as_zeros_for_everybody() {
    use std::os::unix::fs::MetadataExt;
    let bytes = pattern(8 * page() + 10);
    for file in [Scratch::new(&bytes).file(), memfd(&bytes)] {
        file.sync_all().unwrap();
        let blocks = file.metadata().unwrap().blocks();
        let mut map = Mapping::options().write().map(&file).unwrap();
        let other = Mapping::of(&file).unwrap();
        match map.discard(page() + 1..4 * page() + 1, Discard::Hole) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                common::skip("a file system with holes");
                continue;
            }
            touched => assert_eq!(touched.unwrap(), 2 * page()..4 * page()),
        }
        let mut expected = bytes.clone();
        expected[2 * page()..4 * page()].fill(0);
        assert_eq!(map.to_vec().unwrap(), expected);
        assert_eq!(other.to_vec().unwrap(), expected);
        assert_eq!(file.metadata().unwrap().len() as usize, bytes.len());
        let left = file.metadata().unwrap().blocks();
        // tmpfs may have one large folio here and keep it, zeroed in part.
        let exact = map.backing().kind() == folio::BackingKind::File;
        assert!(left < blocks || (left == blocks && !exact), "{left} of {blocks} blocks");
        map.discard(8 * page().., Discard::Hole).unwrap();
        assert_eq!(other.to_vec().unwrap(), expected, "the last page is partly somebody else's");
    }
    let file = Scratch::new(&bytes);
    let mut map = Mapping::options().open(file.path()).unwrap();
    let error = map.discard(.., Discard::Hole).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
}

#[test]
fn a_guard_faults_and_its_removal_brings_pages_back() {
    let mut map = memory(4);
    map.fill(.., 7).unwrap();
    match map.discard(page()..2 * page(), Discard::Guard) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return common::skip("Linux 6.13 for MADV_GUARD_INSTALL");
        }
        touched => assert_eq!(touched.unwrap(), page()..2 * page()),
    }
    let fault = map.read_at(page() - 5, &mut [0; 10]).unwrap_err().into_fault().unwrap();
    assert_eq!((fault.kind(), fault.position()), (FaultKind::Protection, page()));
    assert_eq!(fault.transferred(), 5);
    assert_eq!(fork(|| assert_eq!(peek(map.address() + page()), 0)), End::Signal(libc::SIGSEGV));
    map.discard(.., Discard::Unguard).unwrap();
    let mut expected = vec![7; 4 * page()];
    expected[page()..2 * page()].fill(0);
    assert_eq!(map.to_vec().unwrap(), expected);
}

#[test]
fn poison_needs_root_and_a_kernel_that_has_it() {
    let mut map = memory(1);
    map.fill(.., 7).unwrap();
    match map.discard(.., Discard::Poison) {
        Err(error) => {
            let errno = error.raw_os_error().unwrap();
            assert!([libc::EPERM, libc::EINVAL].contains(&errno), "{error}");
            assert_eq!(map.to_vec().unwrap(), vec![7; page()]);
            common::skip("root and CONFIG_MEMORY_FAILURE");
        }
        Ok(_) => {
            let fault = map.read_at(0, &mut [0]).unwrap_err().into_fault().unwrap();
            assert_eq!(fault.kind(), FaultKind::Poison);
        }
    }
}

#[test]
fn a_range_is_locked_and_unlocked_page_by_page() {
    let map = memory(8);
    let locked = |at: usize| vma_at(map.address() + at * page()).unwrap().has("lo");
    assert_eq!(
        map.lock(2 * page() + 5..4 * page() - 5, Lock::Now).unwrap(),
        2 * page()..4 * page()
    );
    assert_eq!([1, 2, 3, 4].map(locked), [false, true, true, false]);
    assert_eq!(mincore(map.address() + 2 * page(), 2 * page()).unwrap(), [true; 2]);
    map.lock(5 * page()..6 * page(), Lock::OnFault).unwrap();
    assert!(vma_at(map.address() + 5 * page()).unwrap().has("lf"));
    assert_eq!(mincore(map.address() + 5 * page(), page()).unwrap(), [false]);
    assert_eq!(map.unlock(3 * page()..3 * page() + 1).unwrap(), 3 * page()..4 * page());
    assert_eq!([1, 2, 3, 4, 5].map(locked), [false, true, false, false, true]);
    map.unlock(..).unwrap();
    assert_eq!([1, 2, 3, 4, 5].map(locked), [false; 5]);
}

#[test]
fn residency_is_what_mincore_says() {
    let bytes = pattern(8 * page());
    let file = Scratch::new(&bytes);
    let offset = page() / 2;
    let at = |number: usize| number * page() - offset;
    let map = MapOptions::new().private().write().anonymous(6 * page()).unwrap();
    for number in [0, 2, 3] {
        map.write_at(number * page(), b"x").unwrap();
    }
    let residency = map.residency(..).unwrap();
    let all: Vec<bool> = residency.iter().collect();
    assert_eq!(all, mincore(map.address(), map.len()).unwrap());
    assert_eq!(residency.runs().collect::<Vec<_>>(), [0..1, 2..4]);
    assert_eq!((residency.pages(), residency.resident_pages()), (6, 3));
    let part = map.residency(2 * page() + 1..3 * page()).unwrap();
    assert_eq!((part.pages(), part.resident_pages()), (1, 1));
    assert!(part.is_resident(2 * page()) && !part.is_resident(3 * page()) && !part.is_resident(0));

    let map = Mapping::options().offset(offset as u64).populate().open(file.path()).unwrap();
    let residency = map.residency(..).unwrap();
    assert_eq!((residency.pages(), residency.resident_pages()), (8, 8));
    assert!(residency.is_resident(0) && residency.is_resident(at(8) - 1));
    assert!(!residency.is_resident(at(8)));
    assert_eq!(map.residency(at(8) - 1..).unwrap().pages(), 1);
}

#[test]
fn populating_a_range_brings_its_pages_alone() {
    let map = memory(8);
    assert_eq!(map.populate(page() + 1..2 * page() + 1).unwrap(), page()..3 * page());
    let expected = [false, true, true, false, false, false, false, false];
    assert_eq!(mincore(map.address(), 8 * page()).unwrap(), expected);
    let mut map = map;
    map.protect(.., Protection::NONE).unwrap();
    let error = map.populate(..).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Os, Some(libc::EINVAL)));
    assert!(error.to_string().contains("protection"), "{error}");
    if is_root() {
        assert_eq!(map.len(), 8 * page());
    }
}
