//! Every kind of backing, page size and flag is recognized.
#![allow(unsafe_code)]

mod common;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

use common::*;
use folio_stat::{BackingKind, Costs, Flag, Process, Sharing, Via};

const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const MADV_COLLAPSE: i32 = 25;
const MADV_GUARD_INSTALL: i32 = 102;
const MAP_DROPPABLE: i32 = 8;
const SYS_MSEAL: libc::c_long = 462;

/// Collapses the area's first 2 MiB into a huge page, or says why the test is skipped.
fn collapsed(area: &Area) -> bool {
    let result = area.advise(0..HUGE / PAGE, MADV_COLLAPSE);
    if let Err(error) = &result {
        common::skip(format_args!("MADV_COLLAPSE of a transparent huge page: {error}"));
    }
    result.is_ok()
}

#[test]
fn anonymous_huge_pages_are_counted_and_are_the_page_size_when_all_is_huge() {
    let area = Area::anonymous(2 * HUGE / PAGE);
    area.write(0..HUGE / PAGE);
    if !collapsed(&area) {
        return;
    }
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.anonymous_huge_bytes, HUGE, "{via:?}");
        assert_eq!((costs.resident_bytes, costs.page_size_bytes), (HUGE, HUGE));
        assert_eq!((costs.shmem_huge_bytes, costs.file_huge_bytes), (0, 0));
        let part = costs_of(&area, 100..120, via);
        assert_eq!((part.anonymous_huge_bytes, part.private_dirty_bytes), (20 * PAGE, 20 * PAGE));
    }
    area.write(HUGE / PAGE..HUGE / PAGE + 1);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.anonymous_huge_bytes, costs.page_size_bytes), (HUGE, PAGE));
        assert_eq!(costs.transparent_huge_bytes(), HUGE);
    }
    let pages = Process::current().unwrap().pages(area.range()).unwrap();
    assert_eq!(pages.huge_bytes, Some(HUGE));
}

#[test]
fn huge_pages_of_shared_memory_are_counted_apart() {
    let file = memfd(c"huge-shmem", 0, HUGE).unwrap();
    let area = Area::new(HUGE, RW, libc::MAP_SHARED, Some((&file, 0)));
    area.write(0..HUGE / PAGE);
    if !collapsed(&area) {
        return;
    }
    area.read(0..1);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.shmem_huge_bytes, HUGE, "{via:?}");
        assert_eq!((costs.anonymous_huge_bytes, costs.file_huge_bytes), (0, 0));
        assert_eq!((costs.resident_bytes, costs.page_size_bytes), (HUGE, HUGE));
    }
}

#[test]
fn huge_pages_of_a_file_are_counted_apart_from_copies() {
    let file = clean_file(2 * HUGE / PAGE);
    let area = Area::new(2 * HUGE, RW, libc::MAP_PRIVATE, Some((file.as_file(), 0)));
    area.advise(0..2 * HUGE / PAGE, libc::MADV_HUGEPAGE).unwrap();
    // SAFETY: advice on a descriptor changes no memory.
    unsafe { libc::posix_fadvise(file.as_file().as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    area.read(0..1);
    if area.costs(Via::Text).file_huge_bytes != HUGE {
        return common::skip("this file system reads no transparent huge pages");
    }
    area.write(HUGE / PAGE..HUGE / PAGE + 3);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.file_huge_bytes, costs.shmem_huge_bytes), (HUGE, 0), "{via:?}");
        assert_eq!(costs.anonymous_huge_bytes, 0);
        assert_eq!((costs.private_dirty_bytes, costs.page_size_bytes), (3 * PAGE, PAGE));
        let part = costs_of(&area, 100..120, via);
        assert_eq!(part.file_huge_bytes + part.anonymous_huge_bytes, part.file_huge_bytes);
    }
}

#[test]
fn a_huge_page_of_zeros_costs_nothing() {
    let area = Area::anonymous(HUGE / PAGE);
    area.advise(0..HUGE / PAGE, libc::MADV_HUGEPAGE).unwrap();
    area.read(0..1);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.resident_bytes, 0, "{via:?}");
        assert_eq!(costs_of(&area, 0..7, via).resident_bytes, 0, "{via:?}");
        assert!(costs.flags().contains(Flag::HugePageAdvised));
    }
    assert_eq!(Process::current().unwrap().residency(area.range()).unwrap().resident_pages(), 0);
}

/// A hugetlb mapping. If the pool is empty, root lets it grow for the moment of the call.
fn hugetlb(length: usize, flags: i32, file: Option<(&File, u64)>) -> Option<Area> {
    let kind = if file.is_some() { 0 } else { libc::MAP_HUGETLB | libc::MAP_ANONYMOUS };
    let try_it = || Area::try_new(length, RW, flags | kind, file);
    let error = match try_it() {
        Ok(area) => return Some(area),
        Err(error) => error,
    };
    static POOL: Mutex<()> = Mutex::new(());
    let _alone = POOL.lock();
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages";
    if let Ok(before) = std::fs::read_to_string(pool) {
        let more = before.trim().parse::<usize>().unwrap() + 8 + length / HUGE;
        if std::fs::write(pool, more.to_string()).is_ok() {
            let area = try_it();
            std::fs::write(pool, before).unwrap();
            if area.is_ok() {
                return area.ok();
            }
        }
    }
    common::skip(format_args!("no huge pages in the hugetlb pool (vm.nr_hugepages): {error}"));
    None
}

#[test]
fn hugetlb_pages_are_resident_private_and_dirty() {
    let Some(area) = hugetlb(2 * HUGE, libc::MAP_PRIVATE, None) else { return };
    area.write(0..1);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.hugetlb_bytes, costs.resident_bytes), (HUGE, HUGE), "{via:?}");
        assert_eq!((costs.private_dirty_bytes, costs.proportional_bytes), (HUGE, HUGE));
        assert_eq!((costs.page_size_bytes, costs.transparent_huge_bytes()), (HUGE, 0));
        assert_eq!(costs.backing().unwrap().kind, BackingKind::Hugetlb);
        assert_eq!(costs.mappings[0].page_size_bytes, HUGE);
        assert!(costs.flags().contains(Flag::Hugetlb));
        assert!(!costs.estimated);
        let part = costs_of(&area, 100..612, via);
        assert_eq!((part.hugetlb_bytes, part.private_dirty_bytes), (412 * PAGE, 412 * PAGE));
        let process = Process::current().unwrap().via(via);
        assert_eq!(process.residency(area.range()).unwrap().resident_bytes(), HUGE as u64);
        let mapping = process.mapping_at(area.address + 5).unwrap().unwrap();
        assert_eq!((mapping.page_size_bytes, mapping.range()), (HUGE, area.range()));
    }
}

#[test]
fn hugetlb_pages_mapped_twice_are_shared_and_their_share_is_estimated() {
    let file = match memfd(c"hugetlb", libc::MFD_HUGETLB, HUGE) {
        Ok(file) => file,
        Err(error) => {
            return common::skip(format_args!("memfd_create(2) with MFD_HUGETLB: {error}"));
        }
    };
    let Some(one) = hugetlb(HUGE, libc::MAP_SHARED, Some((&file, 0))) else { return };
    let other = Area::new(HUGE, RW, libc::MAP_SHARED, Some((&file, 0)));
    one.write(0..1);
    other.write(0..1);
    for via in VIAS {
        let costs = one.costs(via);
        assert_eq!((costs.shared_dirty_bytes, costs.private_dirty_bytes), (HUGE, 0), "{via:?}");
        assert_eq!((costs.hugetlb_bytes, costs.proportional_bytes), (HUGE, HUGE));
        assert!(costs.estimated);
        let part = costs_of(&one, 0..10, via);
        assert_eq!((part.shared_dirty_bytes, part.proportional_bytes), (10 * PAGE, 10 * PAGE));
        assert!(part.estimated);
    }
}

#[test]
fn pages_in_swap_are_counted_and_are_not_resident() {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() < 2 {
        return common::skip("no swap (swapon)");
    }
    let area = Area::anonymous(16);
    area.write(0..10);
    area.advise(2..8, libc::MADV_PAGEOUT).unwrap();
    let swapped = area.costs(Via::Text).swapped_bytes;
    if swapped == 0 {
        return common::skip("swap takes no pages");
    }
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.swapped_bytes, costs.resident_bytes), (swapped, 10 * PAGE - swapped));
        let part = costs_of(&area, 0..8, via);
        assert_eq!((part.swapped_bytes, part.resident_bytes), (swapped, 8 * PAGE - swapped));
    }
}

#[test]
fn guard_pages_are_counted_and_are_not_swapped() {
    let area = Area::anonymous(16);
    area.write(0..8);
    if let Err(error) = area.advise(2..5, MADV_GUARD_INSTALL) {
        common::skip(format_args!("MADV_GUARD_INSTALL (Linux 6.13): {error}"));
        return;
    }
    for via in VIAS {
        let costs = costs_of(&area, 0..10, via);
        assert_eq!((costs.resident_bytes, costs.swapped_bytes), (5 * PAGE, 0), "{via:?}");
        let pages = Process::current().unwrap().via(via).pages(area.range()).unwrap();
        assert_eq!((pages.resident_bytes, pages.swapped_bytes), (5 * PAGE, 0), "{via:?}");
    }
    let pages = Process::current().unwrap().pages(area.range()).unwrap();
    assert_eq!(pages.guard_bytes, Some(3 * PAGE));
}

fn costs_of(area: &Area, pages: std::ops::Range<usize>, via: Via) -> Costs {
    costs(area.pages(pages), via)
}

#[test]
fn each_kind_of_backing_is_recognized() {
    let shared = Area::new(PAGE, RW, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None);
    kind_is(&shared, BackingKind::SharedMemory, Some("/dev/zero"));
    let zero = std::fs::OpenOptions::new().read(true).write(true).open("/dev/zero").unwrap();
    let device = Area::new(PAGE, RW, libc::MAP_PRIVATE, Some((&zero, 0)));
    kind_is(&device, BackingKind::Device, Some("/dev/zero"));
    let file = memfd(c"some name", 0, PAGE).unwrap();
    let area = Area::new(PAGE, RW, libc::MAP_SHARED, Some((&file, 0)));
    kind_is(&area, BackingKind::SharedMemory, Some("/memfd:some name"));
    let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    file.as_file().set_len(PAGE as u64).unwrap();
    let area = Area::new(PAGE, RW, libc::MAP_SHARED, Some((file.as_file(), 0)));
    kind_is(&area, BackingKind::SharedMemory, file.path().to_str());
    // SAFETY: a new descriptor, or an error.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    if fd < 0 {
        common::skip(format_args!("memfd_secret(2): {}", std::io::Error::last_os_error()));
    } else {
        // SAFETY: the descriptor was just made.
        let file = unsafe { File::from_raw_fd(fd as i32) };
        file.set_len(PAGE as u64).unwrap();
        let area = Area::new(PAGE, RW, libc::MAP_SHARED, Some((&file, 0)));
        kind_is(&area, BackingKind::SharedMemory, Some("/secretmem"));
    }
}

fn kind_is(area: &Area, kind: BackingKind, path: Option<&str>) {
    area.write(0..1);
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let mapping = process.mapping_at(area.address).unwrap().unwrap();
        assert_eq!(mapping.backing.kind, kind, "{via:?} {mapping:?}");
        assert_eq!(mapping.backing.path.as_deref(), path.map(std::path::Path::new));
        let costs = area.costs(via);
        assert_eq!(costs.backing(), Some(&mapping.backing));
        assert_eq!(costs.resident_bytes, PAGE, "{via:?} {kind}");
    }
}

#[test]
fn the_memory_of_shmget_is_shared_memory() {
    // SAFETY: a segment of its own, attached where the kernel likes, gone with the process.
    let address = unsafe {
        let id = libc::shmget(libc::IPC_PRIVATE, PAGE, libc::IPC_CREAT | 0o600);
        check(id).unwrap();
        let address = libc::shmat(id, std::ptr::null(), 0);
        libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
        assert_ne!(address as isize, -1);
        *address.cast::<u8>() = 1;
        address as usize
    };
    for via in VIAS {
        let costs = costs(address..address + PAGE, via);
        assert_eq!(costs.backing().unwrap().kind, BackingKind::SharedMemory);
        assert_eq!((costs.resident_bytes, costs.sharing()), (PAGE, Some(Sharing::Shared)));
    }
}

#[test]
fn what_the_kernel_puts_into_a_process_is_recognized() {
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let all = process.mappings().unwrap();
        for (name, kind) in [
            ("[heap]", BackingKind::Heap),
            ("[stack]", BackingKind::Stack),
            ("[vdso]", BackingKind::Special),
            ("[vvar]", BackingKind::Special),
        ] {
            let found: Vec<_> =
                all.iter().filter(|m| m.backing.name.as_deref() == Some(name)).collect();
            assert_eq!(found.len(), 1, "{name} {via:?}");
            assert_eq!(found[0].backing.kind, kind);
            let mapping = process.mapping_at(found[0].address).unwrap().unwrap();
            assert_eq!(mapping.backing, found[0].backing);
            if kind == BackingKind::Special {
                let by_text = costs(mapping.range(), Via::Text);
                let by_ioctl = costs(mapping.range(), Via::Ioctl);
                assert_eq!(by_ioctl.resident_bytes, by_text.resident_bytes, "{name}");
            }
        }
        assert!(all.iter().all(|m| m.backing.name.as_deref() != Some("[vsyscall]")));
        assert_eq!(process.mapping_at(0).unwrap(), None);
        assert_eq!(process.mapping_at(usize::MAX).unwrap(), None);
    }
}

#[test]
fn a_path_that_is_not_utf_8_or_has_blanks_and_newlines_comes_through() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(OsStr::from_bytes(b" a\nb \xff "));
    std::fs::write(&path, [0; PAGE]).unwrap();
    let file = File::open(&path).unwrap();
    let area = Area::new(PAGE, libc::PROT_READ, libc::MAP_PRIVATE, Some((&file, 0)));
    let check = |deleted| {
        for via in VIAS {
            let process = Process::current().unwrap().via(via);
            let backing = process.mapping_at(area.address).unwrap().unwrap().backing;
            assert_eq!(backing.path.as_ref(), Some(&path), "{via:?}");
            assert_eq!(backing.deleted, deleted);
        }
    };
    check(false);
    std::fs::remove_file(&path).unwrap();
    check(true);
}

#[test]
fn advice_shows_as_flags() {
    for (advice, flag) in [
        (libc::MADV_DONTFORK, Flag::DoNotFork),
        (libc::MADV_WIPEONFORK, Flag::WipeOnFork),
        (libc::MADV_DONTDUMP, Flag::DoNotDump),
        (libc::MADV_SEQUENTIAL, Flag::SequentialAdvised),
        (libc::MADV_RANDOM, Flag::RandomAdvised),
        (libc::MADV_HUGEPAGE, Flag::HugePageAdvised),
        (libc::MADV_NOHUGEPAGE, Flag::NoHugePageAdvised),
        (libc::MADV_MERGEABLE, Flag::MergeAdvised),
    ] {
        let area = Area::anonymous(8);
        assert!(!area.costs(Via::Best).flags().contains(flag));
        if let Err(error) = area.advise(0..8, advice) {
            common::skip(format_args!("{flag}: {error}"));
            continue;
        }
        assert!(area.costs(Via::Best).flags().contains(flag), "{flag}");
    }
}

#[test]
fn how_a_mapping_was_made_shows_as_flags() {
    let flags = |area: &Area| area.costs(Via::Best).flags();
    assert!(flags(&Area::anonymous(1)).contains(Flag::Accountable));
    let area = Area::new(PAGE, RW, ANONYMOUS | libc::MAP_NORESERVE, None);
    assert!(flags(&area).contains(Flag::NoReserve));
    let area = Area::new(PAGE, RW, ANONYMOUS | libc::MAP_GROWSDOWN, None);
    assert!(flags(&area).contains(Flag::GrowsDown));
    match Area::try_new(PAGE, RW, libc::MAP_ANONYMOUS | MAP_DROPPABLE, None) {
        Ok(area) => assert!(flags(&area).contains(Flag::Droppable)),
        Err(error) => common::skip(format_args!("MAP_DROPPABLE (Linux 6.11): {error}")),
    }
    let area = Area::anonymous(1);
    // SAFETY: sealing changes no bytes; the page stays until the process ends.
    if unsafe { libc::syscall(SYS_MSEAL, area.address, PAGE, 0) } == 0 {
        assert!(flags(&area).contains(Flag::Sealed));
    } else {
        common::skip(format_args!("mseal (Linux 6.10): {}", std::io::Error::last_os_error()));
    }
    std::mem::forget(area);
}
