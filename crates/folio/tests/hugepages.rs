//! Huge pages from the kernel's pool (hugetlb). The pool is the machine's: whoever changes it here
//! holds a lock file meanwhile, and puts back what was there.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::{in_child, is_root, page, vma_at};
use folio::{ErrorKind, FaultKind, HugePage, MapOptions, Mapping, Reservation};

const MIB2: usize = 2 << 20;

/// A pool of huge pages of 2 MiB, for as long as the value lives.
struct Pool {
    _lock: File,
    dir: PathBuf,
    before: u64,
}

impl Pool {
    fn of(pages: u64) -> Option<Self> {
        let dir = PathBuf::from("/sys/kernel/mm/hugepages/hugepages-2048kB");
        if !is_root() {
            common::skip("root, to fill the pool of huge pages");
            return None;
        }
        let lock = File::create(std::env::temp_dir().join("folio-hugepages.lock")).unwrap();
        lock.lock().unwrap();
        let Ok(before) = number(&dir.join("nr_hugepages")) else {
            common::skip("a kernel with huge pages of 2 MiB");
            return None;
        };
        let pool = Self { _lock: lock, dir, before };
        pool.set(before + pages);
        let got = pool.free() >= pages;
        if !got {
            common::skip("free memory for huge pages");
        }
        got.then_some(pool)
    }

    fn set(&self, pages: u64) {
        fs::write(self.dir.join("nr_hugepages"), pages.to_string()).unwrap();
    }

    /// Pages that are neither used nor promised.
    fn free(&self) -> u64 {
        let read = |name| number(&self.dir.join(name)).unwrap();
        read("free_hugepages") - read("resv_hugepages")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.set(self.before);
    }
}

fn number(path: &Path) -> std::io::Result<u64> {
    Ok(fs::read_to_string(path)?.trim().parse().unwrap())
}

fn huge() -> MapOptions {
    MapOptions::new().private().write().huge_pages(HugePage::Mib2)
}

#[test]
fn a_mapping_of_huge_pages_has_them_and_gives_all_back_whatever_its_length() {
    let Some(pool) = Pool::of(8) else { return };
    let before = pool.free();
    for len in [1, 100, page(), MIB2 - 1, MIB2, MIB2 + 1, 3 * MIB2 + page() + 7] {
        for options in [huge(), huge().shared()] {
            let map = options.anonymous(len).unwrap();
            assert_eq!((map.len(), map.page_size()), (len, MIB2));
            map.fill(.., 7).unwrap();
            assert_eq!(map.to_vec().unwrap(), vec![7; len]);
            let vma = vma_at(map.address()).unwrap();
            assert_eq!((vma.kib("KernelPageSize"), vma.kib("MMUPageSize")), (2048, 2048));
            assert!(vma.has("ht"));
            assert_eq!(before - pool.free(), len.div_ceil(MIB2) as u64, "{len}");
            map.close().unwrap();
            assert_eq!(pool.free(), before, "{len}: all are back");
        }
    }
}

#[test]
fn splitting_shrinking_and_discarding_give_huge_pages_back() {
    let Some(pool) = Pool::of(8) else { return };
    let before = pool.free();
    let map = huge().anonymous(4 * MIB2 - 5).unwrap();
    map.fill(.., 7).unwrap();
    let refused = map.split_at(page()).unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Misaligned);
    assert!(refused.error().to_string().contains("2097152"), "{refused}");
    let (left, mut right) = refused.into_value().split_at(2 * MIB2).unwrap();
    drop(left);
    assert_eq!(pool.free(), before - 2);
    assert_eq!(right.to_vec().unwrap(), vec![7; 2 * MIB2 - 5]);
    right.resize(MIB2, true).unwrap();
    assert_eq!(pool.free(), before - 1);
    let error = right.resize(3 * MIB2, true).unwrap_err();
    assert!(error.to_string().contains("only shrink"), "{error}");
    assert_eq!(right.to_vec().unwrap(), vec![7; MIB2]);
    assert_eq!(right.flush(1..2).unwrap(), 0..MIB2);
    assert_eq!(right.protect(5..6, folio::Protection::READ).unwrap(), 0..MIB2);
    right.protect(.., folio::Protection::READ | folio::Protection::WRITE).unwrap();
    assert_eq!(right.residency(..).unwrap().resident_pages(), MIB2 / page());
    right.discard(.., folio::Discard::Now).unwrap();
    assert_eq!(right.to_vec().unwrap(), vec![0; MIB2]);
    right.close().unwrap();
    assert_eq!(pool.free(), before);
}

#[test]
fn inside_a_reservation_huge_pages_need_an_aligned_place() {
    let Some(pool) = Pool::of(4) else { return };
    let before = pool.free();
    let space = Reservation::aligned(8 << 20, MIB2).unwrap();
    let error = huge().inside(&space, page()).anonymous(MIB2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misaligned);
    let map = huge().inside(&space, MIB2).anonymous(MIB2 + 1).unwrap();
    assert_eq!(space.taken().concat_ranges(), [MIB2, 3 * MIB2]);
    map.fill(.., 3).unwrap();
    assert_eq!(pool.free(), before - 2);
    drop(map);
    assert_eq!(pool.free(), before);
    assert_eq!(vma_at(space.address() + 2 * MIB2).unwrap().access, "---p");
    let memory = space.commit(MIB2 + page(), page()).unwrap();
    memory.fill(.., 1).unwrap();
}

trait Concat {
    fn concat_ranges(&self) -> Vec<usize>;
}

impl Concat for Vec<std::ops::Range<usize>> {
    fn concat_ranges(&self) -> Vec<usize> {
        self.iter().flat_map(|range| [range.start, range.end]).collect()
    }
}

#[test]
fn an_empty_pool_is_an_error_or_base_pages_where_those_will_do() {
    // More than any pool has.
    let len = 1 << 40;
    let error = huge().anonymous(len).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("nr_hugepages") || error.raw_os_error() == Some(libc::EINVAL));
    for size in [HugePage::Mib2, HugePage::Gib1] {
        let options = MapOptions::new().private().write().no_reserve();
        let map = options.huge_pages_or_base(size).anonymous(size.bytes()).unwrap();
        assert!([page(), size.bytes()].contains(&map.page_size()));
        if map.page_size() == page() {
            map.write_at(size.bytes() - 1, b"!").unwrap();
            assert_eq!(vma_at(map.address()).unwrap().kib("KernelPageSize"), page() as u64 / 1024);
        }
    }
}

#[test]
fn a_pool_that_runs_dry_is_a_fault_and_not_a_signal() {
    let Some(pool) = Pool::of(2) else { return };
    let map = huge().no_reserve().anonymous(8 * MIB2).unwrap();
    let free = pool.free() as usize;
    if free >= 8 {
        return common::skip("a small pool");
    }
    let fault = map.fill(.., 1).unwrap_err().into_fault().unwrap();
    assert_eq!(fault.kind(), FaultKind::NoSpace);
    assert_eq!(fault.transferred(), free * MIB2);
    let mut memory = MapOptions::new().huge_pages(HugePage::Mib2).no_reserve();
    drop(map);
    memory = memory.name("dry");
    let mut memory = memory.memory(8 * MIB2).unwrap();
    let fault = memory.guarded(|bytes| bytes.fill(1)).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::NoSpace);
    memory.check().unwrap_err();
}

#[test]
fn a_file_on_hugetlbfs_has_huge_pages_by_itself() {
    let Some(pool) = Pool::of(4) else { return };
    let before = pool.free();
    let name = std::ffi::CString::new("folio-huge").unwrap();
    let flags = rustix::fs::MemfdFlags::HUGETLB | rustix::fs::MemfdFlags::HUGE_2MB;
    let file = File::from(rustix::fs::memfd_create(name, flags).unwrap());
    file.set_len(2 * MIB2 as u64).unwrap();
    let offset = 5000;
    let map = Mapping::options().write().offset(offset).map(&file).unwrap();
    assert_eq!((map.page_size(), map.len()), (MIB2, 2 * MIB2 - 5000));
    assert_eq!(map.address() % MIB2, 5000);
    map.fill(.., 9).unwrap();
    assert_eq!(vma_at(map.address()).unwrap().kib("KernelPageSize"), 2048);
    assert_eq!(before - pool.free(), 2);
    in_child(|| map.write_at(MIB2, b"child").unwrap());
    assert_eq!(&map.to_vec().unwrap()[MIB2..MIB2 + 5], b"child");
    drop(map);
    drop(file);
    assert_eq!(pool.free(), before);
}

#[test]
fn pages_of_a_gibibyte_are_those_or_an_error_that_names_the_pool() {
    let options = MapOptions::new().private().write().huge_pages(HugePage::Gib1);
    match options.anonymous(1 << 30) {
        Ok(map) => assert_eq!(vma_at(map.address()).unwrap().kib("KernelPageSize"), 1 << 20),
        Err(error) => {
            assert!([Some(libc::ENOMEM), Some(libc::EINVAL)].contains(&error.raw_os_error()));
            assert!(
                error.to_string().contains("nr_hugepages")
                    || error.raw_os_error() != Some(libc::ENOMEM)
            );
            common::skip("huge pages of 1 GiB");
        }
    }
}
