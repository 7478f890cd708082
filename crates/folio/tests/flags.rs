//! The flags of mmap(2), seen in /proc/self/smaps, in the file, in another mapping or in memory.

mod common;

use common::{End, Scratch, fork, in_child, memfd, mincore, page, pattern, peek, vma_at};
use folio::{ErrorKind, Lock, MapOptions, Mapping, Reservation, Sharing};

#[test]
fn shared_writes_are_in_the_file_and_in_every_mapping_at_once() {
    let file = Scratch::new(&pattern(2 * page()));
    let one = Mapping::options().write().open(file.path()).unwrap();
    let two = Mapping::options().shared().open(file.path()).unwrap();
    let private = Mapping::options().private().open(file.path()).unwrap();
    assert_eq!(one.sharing(), Sharing::Shared);
    one.write_at(page() + 3, b"shared").unwrap();
    assert_eq!(file.read_at(page() as u64 + 3, 6), b"shared");
    for other in [&two, &private] {
        assert_eq!(&other.to_vec().unwrap()[page() + 3..page() + 9], b"shared");
    }
    let vma = vma_at(one.address()).unwrap();
    assert_eq!(vma.access, "rw-s");
    assert!(vma.has("sh") && vma.has("wr"));
}

#[test]
fn private_writes_stay_in_the_mapping_and_cost_private_pages() {
    let bytes = pattern(4 * page());
    let file = Scratch::new(&bytes);
    let map = Mapping::options().private().write().open(file.path()).unwrap();
    let other = Mapping::options().private().open(file.path()).unwrap();
    map.write_at(page(), b"mine").unwrap();
    map.flush(..).unwrap();
    assert_eq!(file.bytes(), bytes);
    assert_eq!(other.to_vec().unwrap(), bytes);
    assert_eq!(&map.to_vec().unwrap()[page()..page() + 4], b"mine");
    let vma = vma_at(map.address()).unwrap();
    assert_eq!(vma.access, "rw-p");
    // Anonymous, not Private_Dirty: another test may fork meanwhile, and its child shares them then.
    assert_eq!(vma.kib("Anonymous"), page() as u64 / 1024, "one page copied");

    file.write_at(0, b"theirs");
    file.write_at(page() as u64, b"theirs");
    let seen = map.to_vec().unwrap();
    assert_eq!(&seen[..6], b"theirs", "a page not yet written follows the file");
    assert_eq!(&seen[page()..page() + 5], [b"mine", &bytes[page() + 4..page() + 5]].concat());
}

#[test]
fn private_anonymous_memory_is_zeros_and_of_this_process_alone() {
    let map = Mapping::options().private().write().anonymous(3 * page() + 5).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![0; 3 * page() + 5]);
    in_child(|| map.fill(.., 7).unwrap());
    assert_eq!(map.to_vec().unwrap(), vec![0; 3 * page() + 5]);
    let vma = vma_at(map.address()).unwrap();
    assert_eq!((vma.access.as_str(), vma.inode), ("rw-p", 0));
}

#[test]
fn shared_anonymous_memory_is_zeros_and_of_children_too() {
    let map = Mapping::options().write().anonymous(3 * page() + 5).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![0; 3 * page() + 5]);
    in_child(|| map.write_at(3 * page(), b"child").unwrap());
    assert_eq!(&map.to_vec().unwrap()[3 * page()..], b"child");
    assert_eq!(vma_at(map.address()).unwrap().access, "rw-s");
}

#[test]
fn no_reserve_is_nr_in_smaps_and_lets_more_be_mapped_than_there_is() {
    let map = MapOptions::new().private().write().no_reserve().anonymous(page()).unwrap();
    assert!(vma_at(map.address()).unwrap().has("nr"));
    let plain = MapOptions::new().private().write().anonymous(page()).unwrap();
    assert!(!vma_at(plain.address()).unwrap().has("nr"));
    if std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap().trim() != "0" {
        return common::skip("vm.overcommit_memory = 0");
    }
    let huge = 1 << 45;
    let error = MapOptions::new().private().write().anonymous(huge).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    assert!(error.to_string().contains("vm.overcommit_memory"), "{error}");
    let map = MapOptions::new().private().write().no_reserve().anonymous(huge).unwrap();
    map.write_at(huge - 1, b"!").unwrap();
    assert_eq!(peek(map.address() + huge - 1), b'!');
}

#[test]
fn populated_pages_are_in_memory_before_anybody_touches_them() {
    let file = Scratch::new(&pattern(16 * page()));
    let all = |address, len| mincore(address, len).unwrap().iter().all(|&page| page);
    let map = MapOptions::new().populate().open(file.path()).unwrap();
    assert_eq!(vma_at(map.address()).unwrap().kib("Rss"), 16 * page() as u64 / 1024);
    let memory = MapOptions::new().private().write().populate().anonymous(16 * page()).unwrap();
    assert!(all(memory.address(), 16 * page()));
    assert!(vma_at(memory.address()).unwrap().kib("Anonymous") >= 16 * page() as u64 / 1024);
    let copied = MapOptions::new().private().write().populate().open(file.path()).unwrap();
    let anonymous = vma_at(copied.address()).unwrap().kib("Anonymous");
    assert_eq!(anonymous, 16 * page() as u64 / 1024, "a private page is copied ahead of the write");
    let lazy = MapOptions::new().private().write().anonymous(16 * page()).unwrap();
    assert!(!all(lazy.address(), 16 * page()));
}

#[test]
fn populating_past_the_end_is_the_fault_and_leaves_nothing_mapped() {
    let file = Scratch::new(&pattern(page() + 1));
    let at = 0x2789_0000_0000;
    let options = MapOptions::new().beyond_end().len(4 * page()).near(at);
    let error = options.clone().populate().open(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fault);
    let fault = error.fault().unwrap();
    assert_eq!(fault.kind(), folio::FaultKind::Truncated);
    assert_eq!(fault.offset(), 2 * page() as u64);
    assert!(vma_at(at).is_none());
    let map = options.open(file.path()).unwrap();
    let fault = map.populate(..).unwrap_err().into_fault().unwrap();
    assert_eq!(fault.offset(), 2 * page() as u64);
    assert_eq!(map.populate(..2 * page()).unwrap(), 0..2 * page());
}

#[test]
fn locked_is_lo_in_smaps_and_resident() {
    let memory = MapOptions::new().private().write().lock(Lock::Now).anonymous(4 * page());
    let memory = memory.unwrap();
    let vma = vma_at(memory.address()).unwrap();
    assert!(vma.has("lo"));
    // Locked is proportional: a child that another test forks just now has its share.
    assert_eq!(vma.kib("Rss"), 4 * page() as u64 / 1024);
    assert!(vma.kib("Locked") > 0);
    assert_eq!(mincore(memory.address(), 4 * page()).unwrap(), [true; 4]);
}

#[test]
fn locked_on_fault_is_lf_in_smaps_and_resident_once_touched() {
    let memory = MapOptions::new().private().write().lock(Lock::OnFault).anonymous(4 * page());
    let memory = memory.unwrap();
    let vma = vma_at(memory.address()).unwrap();
    assert!(vma.has("lo") && vma.has("lf"), "{vma:?}");
    assert_eq!(mincore(memory.address(), 4 * page()).unwrap(), [false; 4]);
    memory.write_at(page(), b"x").unwrap();
    assert_eq!(mincore(memory.address(), 4 * page()).unwrap(), [false, true, false, false]);
}

#[test]
fn stack_memory_is_memory() {
    let map = MapOptions::new().private().write().stack().anonymous(4 * page()).unwrap();
    map.fill(.., 1).unwrap();
    assert!(!vma_at(map.address()).unwrap().has("gd"), "it does not grow by itself");
}

#[test]
fn droppable_memory_is_dp_in_smaps_private_and_never_counted_as_stable() {
    let map = match MapOptions::new().write().droppable().anonymous(4 * page()) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return common::skip("Linux 6.11 for MAP_DROPPABLE");
        }
        result => result.unwrap(),
    };
    let vma = vma_at(map.address()).unwrap();
    assert!(vma.has("dp"), "{vma:?}");
    assert_eq!(vma.access, "rw-p");
    assert_eq!(map.sharing(), Sharing::Private);
    map.fill(.., 7).unwrap();
    in_child(|| assert_eq!(peek(map.address()), 0, "wiped in a child"));
    let mut map = map.into_stable().unwrap_err().into_value();
    assert_eq!(map.len(), 4 * page());
    let error = map.set_fork(folio::Fork::Inherit).unwrap_err();
    assert!(error.to_string().contains("always wiped"), "{error}");
    for contradiction in [
        MapOptions::new().droppable().shared().anonymous(page()).unwrap_err(),
        MapOptions::new().droppable().memory(page()).unwrap_err(),
        MapOptions::new().droppable().map(memfd(b"x")).unwrap_err(),
    ] {
        assert_eq!(contradiction.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn sync_without_persistent_memory_is_refused_by_name() {
    let file = Scratch::new(&pattern(page()));
    let error = MapOptions::new().write().sync().open(file.path()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
    let message = error.to_string();
    assert!(message.contains("EOPNOTSUPP") && message.contains("DAX"), "{message}");
    assert!(message.contains(&*file.path().to_string_lossy()), "{message}");
    let error = MapOptions::new().private().sync().open(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(MapOptions::new().sync().anonymous(1).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn transparent_huge_pages_are_hg_in_smaps() {
    let options = MapOptions::new().private().write().transparent_huge_pages();
    let map = match options.anonymous(8 << 20) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return common::skip("a kernel with transparent huge pages");
        }
        result => result.unwrap(),
    };
    assert!(vma_at(map.address()).unwrap().has("hg"));
    map.fill(.., 1).unwrap();
    let setting = "/sys/kernel/mm/transparent_hugepage/enabled";
    if std::fs::read_to_string(setting).unwrap().contains("[never]") {
        return common::skip("transparent huge pages that are enabled");
    }
    assert!(vma_at(map.address()).unwrap().kib("AnonHugePages") >= 2048, "at least one of three");
    assert_eq!(map.page_size(), page());
}

#[test]
fn a_name_is_in_the_kernels_list_of_mappings() {
    let map = MapOptions::new().private().write().name("folio test").anonymous(page()).unwrap();
    let name = vma_at(map.address()).unwrap().name;
    if name.is_empty() {
        return common::skip("a kernel with CONFIG_ANON_VMA_NAME");
    }
    assert_eq!(name, "[anon:folio test]");
}

#[test]
fn contradictory_options_are_invalid_and_map_nothing() {
    let file = Scratch::new(&pattern(page()));
    let invalid = [
        MapOptions::new().offset(1).anonymous(page()).err(),
        MapOptions::new().len(5).anonymous(6).err(),
        MapOptions::new().huge_pages(folio::HugePage::Mib2).open(file.path()).err(),
        MapOptions::new().shared().memory(page()).err(),
        MapOptions::new().protection(folio::Protection::READ).memory(page()).err(),
    ];
    for error in invalid {
        assert_eq!(error.unwrap().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn what_a_forked_child_finds_is_settable_per_mapping() {
    use folio::Fork;
    let make = || {
        let map = MapOptions::new().private().write().anonymous(2 * page()).unwrap();
        map.fill(.., 7).unwrap();
        map
    };
    let mut map = make();
    in_child(|| assert_eq!(peek(map.address() + page()), 7));
    map.set_fork(Fork::Exclude).unwrap();
    assert!(vma_at(map.address()).unwrap().has("dc"));
    assert_eq!(fork(|| assert_eq!(peek(map.address()), 7)), End::Signal(libc::SIGSEGV));
    in_child(|| {
        let fault = map.read_at(0, &mut [0]).unwrap_err().into_fault().unwrap();
        assert_eq!(fault.kind(), folio::FaultKind::Protection, "through folio an error");
    });
    map.set_fork(Fork::Wipe).unwrap();
    assert!(vma_at(map.address()).unwrap().has("wf"));
    in_child(|| assert_eq!(map.to_vec().unwrap(), vec![0; 2 * page()]));
    map.set_fork(Fork::Exclude).unwrap();
    map.set_fork(Fork::Inherit).unwrap();
    in_child(|| assert_eq!(map.to_vec().unwrap(), vec![7; 2 * page()]));
    assert_eq!(map.to_vec().unwrap(), vec![7; 2 * page()]);

    let made_so = MapOptions::new().private().write().fork(Fork::Wipe).anonymous(page()).unwrap();
    made_so.fill(.., 7).unwrap();
    in_child(|| assert_eq!(peek(made_so.address()), 0));

    let file = Scratch::new(&pattern(page()));
    let mut shared = Mapping::options().write().open(file.path()).unwrap();
    let error = shared.set_fork(Fork::Wipe).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert!(error.to_string().contains("private anonymous memory"), "{error}");
    shared.set_fork(Fork::Inherit).unwrap();
    in_child(|| shared.write_at(0, b"child").unwrap());
    assert_eq!(file.read_at(0, 5), b"child");
    shared.set_fork(Fork::Exclude).unwrap();
    assert_eq!(fork(|| assert_eq!(peek(shared.address()), 7)), End::Signal(libc::SIGSEGV));
    let error = MapOptions::new().fork(Fork::Wipe).open(file.path()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_child_unmaps_nothing_at_the_addresses_of_a_mapping_it_has_not_got() {
    use folio::Fork;
    let file = Scratch::new(&pattern(2 * page()));
    let map = Mapping::options().write().fork(Fork::Exclude).open(file.path()).unwrap();
    let (left, right) = map.split_at(page()).unwrap();
    let mut halves = Some((left, right));
    in_child(|| {
        let (left, right) = halves.take().unwrap();
        for half in [left, right] {
            let address = half.address();
            let own = MapOptions::new().exactly_at(address).anonymous(page()).unwrap();
            drop(half);
            assert!(vma_at(address).is_some(), "it was the child's own mapping");
            drop(own);
        }
    });
    let (mut left, right) = halves.unwrap();
    left.set_fork(Fork::Inherit).unwrap();
    let (mut left, right) = left.join(right).unwrap_err().into_value();
    left.set_fork(Fork::Exclude).unwrap();
    let mut map = left.join(right).unwrap();
    map.set_fork(Fork::Wipe).unwrap_err();
    assert!(vma_at(map.address()).unwrap().has("dc"), "a refusal has changed nothing");
    map.set_fork(Fork::Inherit).unwrap();
    let mut map = Some(map);
    in_child(|| {
        let map = map.take().unwrap();
        let address = map.address();
        drop(map);
        assert!(vma_at(address).is_none());
    });
}

#[test]
fn a_forked_child_sees_shared_changes_and_its_own_private_ones() {
    let file = Scratch::new(&pattern(2 * page()));
    let shared = Mapping::options().write().open(file.path()).unwrap();
    let private = Mapping::options().write().private().open(file.path()).unwrap();
    private.write_at(0, b"parent").unwrap();
    in_child(|| {
        assert_eq!(&private.to_vec().unwrap()[..6], b"parent");
        private.write_at(0, b"child ").unwrap();
        shared.write_at(page(), b"child ").unwrap();
    });
    assert_eq!(&private.to_vec().unwrap()[..6], b"parent");
    assert_eq!(&shared.to_vec().unwrap()[page()..page() + 6], b"child ");
    assert_eq!(file.read_at(0, 6), pattern(6));
}

#[test]
fn a_child_that_drops_a_reservation_it_inherited_in_part_unmaps_nothing_of_its_own() {
    let space = Reservation::new(4 * page()).unwrap();
    let mut map = space.commit(page(), page()).unwrap();
    map.set_fork(folio::Fork::Exclude).unwrap();
    let address = map.address();
    let mut parents = Some((space, map));
    in_child(|| {
        let own = Mapping::options().private().write().exactly_at(address).anonymous(page());
        let own = own.unwrap();
        drop(parents.take());
        assert!(vma_at(address).is_some(), "the child's own mapping is gone");
        own.write_at(0, b"here").unwrap();
    });
}
