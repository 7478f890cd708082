//! The page cache holds what was written, gives it up when told, and is asked without touching.
#![allow(unsafe_code, clippy::single_range_in_vec_init)]

mod common;

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use common::*;
use folio_stat::{CacheCounts, ErrorKind, PageCache};

fn drop_pages(file: &File, offset: usize, length: usize) {
    // SAFETY: advice on a descriptor changes no memory.
    let status = unsafe {
        libc::posix_fadvise(
            file.as_raw_fd(),
            offset as i64,
            length as i64,
            libc::POSIX_FADV_DONTNEED,
        )
    };
    assert_eq!(status, 0);
}

fn runs(cache: &PageCache) -> Vec<std::ops::Range<u64>> {
    cache.residency.runs().collect()
}

/// Whether the file lies on a file system that writes back to a disk.
fn is_on_disk(file: &File) -> bool {
    let magic = rustix::fs::fstatfs(file).unwrap().f_type;
    let known = [0xef53, 0x58465342, 0x9123683e_u32 as i64].contains(&magic);
    if !known {
        common::skip("the target directory is on neither ext4, xfs nor btrfs");
    }
    known
}

#[test]
fn pages_are_dirty_when_written_and_clean_when_synchronized_and_gone_when_dropped() {
    let file = clean_file(20);
    let file = file.as_file();
    if !is_on_disk(file) {
        return;
    }
    let cache = PageCache::of(file, ..).unwrap();
    assert_eq!((cache.pages, cache.resident_pages), (20, 20));
    assert_eq!((cache.dirty_pages, cache.writeback_pages), (Some(0), Some(0)));
    file.write_all_at(&[9; 3 * PAGE], 4 * PAGE as u64).unwrap();
    assert_eq!(PageCache::of(file, ..).unwrap().dirty_pages, Some(3));
    assert_eq!(PageCache::of(file, ..5 * PAGE as u64).unwrap().dirty_pages, Some(1));
    file.sync_all().unwrap();
    assert_eq!(PageCache::of(file, ..).unwrap().dirty_pages, Some(0));
    drop_pages(file, 8 * PAGE, 8 * PAGE);
    let cache = PageCache::of(file, ..).unwrap();
    assert_eq!((cache.resident_pages, runs(&cache)), (12, vec![0..8, 16..20]));
    assert_eq!(cache.evicted_pages, Some(0));
    drop_pages(file, 0, 0);
    assert_eq!(PageCache::of(file, ..).unwrap().resident_pages, 0);
}

#[test]
fn asking_brings_nothing_into_the_page_cache() {
    let file = clean_file(20);
    drop_pages(file.as_file(), 0, 0);
    let before = PageCache::of(file.as_file(), ..).unwrap();
    assert_eq!(PageCache::of(file.as_file(), ..).unwrap(), before);
}

#[test]
fn a_range_is_cut_to_pages_and_to_the_end_of_the_file() {
    let file = clean_file(3);
    file.as_file().write_all_at(b"x", 3 * PAGE as u64).unwrap();
    let cache = PageCache::of(file.as_file(), PAGE as u64 + 1..=u64::MAX - 1).unwrap();
    assert_eq!((cache.offset_bytes, cache.length_bytes), (PAGE as u64, 2 * PAGE as u64 + 1));
    assert_eq!((cache.pages, cache.resident_pages), (3, 3));
    let behind = PageCache::of(file.as_file(), 1 << 40..).unwrap();
    assert_eq!((behind.pages, behind.length_bytes), (0, 0));
    assert!(behind.offset_bytes <= 3 * PAGE as u64 + 1);
    let error = PageCache::of(file.as_file(), ..=u64::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRange);
}

#[test]
fn an_empty_file_has_no_pages() {
    for file in [tempfile::tempfile().unwrap(), memfd(c"empty", 0, 0).unwrap()] {
        let cache = PageCache::of(&file, ..).unwrap();
        assert_eq!((cache.pages, cache.resident_pages), (0, 0));
        assert_eq!(cache.dirty_pages, Some(0));
    }
}

#[test]
fn shared_memory_is_resident_where_it_was_written() {
    let file = memfd(c"holes", 0, 100 * PAGE).unwrap();
    file.write_all_at(&[1; 10 * PAGE], 50 * PAGE as u64).unwrap();
    let cache = PageCache::of(&file, ..).unwrap();
    assert_eq!((cache.pages, runs(&cache)), (100, vec![50..60]));
}

#[test]
fn a_sparse_file_of_eight_exabytes_takes_neither_long_nor_much_memory() {
    let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    let file = file.as_file();
    let size = match PageCache::of(file, ..).unwrap().dirty_pages {
        Some(_) => 8 << 60,
        // Without cachestat(2) all of it is looked at.
        None => 8 << 40,
    };
    file.set_len(size - 1).unwrap();
    let offsets = [0, size / 2, size - (1 << 30)];
    for offset in offsets {
        file.write_all_at(&[1; PAGE], offset).unwrap();
    }
    let start = std::time::Instant::now();
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    let cache = PageCache::of(file, ..).unwrap();
    assert_eq!(cache.pages, size / PAGE as u64);
    assert_eq!(runs(&cache), offsets.map(|offset| offset / PAGE as u64).map(|at| at..at + 1));
    assert!(peak() - before < 100 << 10, "kB more: {}", peak() - before);
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn what_has_no_page_cache_is_named() {
    let (pipe, _) = std::io::pipe().unwrap();
    let error = PageCache::of(&pipe, ..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("a pipe"), "{error}");
    for (path, name) in [("/dev/zero", "a character device"), ("/", "a directory")] {
        let error = PageCache::of(File::open(path).unwrap(), ..).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_descriptor_that_is_not_open_for_reading_is_refused_with_the_way_out() {
    let file = clean_file(1);
    let file = OpenOptions::new().write(true).open(file.path()).unwrap();
    let error = PageCache::of(&file, ..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("open the file for reading"), "{error}");
}

#[test]
fn a_file_of_somebody_else_is_refused_rather_than_called_resident() {
    if is_root() {
        return again_as_nobody("a_file_of_somebody_else_is_refused_rather_than_called_resident");
    }
    let error = PageCache::of(File::open("/etc/passwd").unwrap(), ..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("as its owner or as root"), "{error}");
}

#[test]
fn a_block_device_has_a_page_cache() {
    let devices = std::fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let open = |name: &std::ffi::OsStr| File::open(std::path::Path::new("/dev").join(name)).ok();
    let Some(device) = devices.filter_map(|entry| open(&entry.file_name())).next() else {
        common::skip("no block device can be opened");
        return;
    };
    let cache = PageCache::of(&device, ..1 << 20).unwrap();
    assert!(cache.resident_pages <= cache.pages && cache.pages <= 256);
}

#[test]
fn counts_are_those_of_the_whole_answer() {
    let file = clean_file(20);
    file.as_file().write_all_at(b"x", 20 * PAGE as u64).unwrap();
    drop_pages(file.as_file(), 8 * PAGE, 8 * PAGE);
    for (start, end) in [(0, u64::MAX - 1), (PAGE as u64 + 1, 9 * PAGE as u64), (1 << 40, 1 << 41)]
    {
        let cache = PageCache::of(file.as_file(), start..end).unwrap();
        assert_eq!(CacheCounts::of(file.as_file(), start..end).unwrap(), CacheCounts::from(&cache));
    }
    assert_eq!(CacheCounts::of(tempfile::tempfile().unwrap(), ..).unwrap().pages, 0);
    let error = CacheCounts::of(File::open("/dev/zero").unwrap(), ..).unwrap_err();
    assert!(error.to_string().contains("a character device"), "{error}");
}

#[test]
fn counts_of_a_file_of_somebody_else_are_refused() {
    if is_root() {
        return again_as_nobody("counts_of_a_file_of_somebody_else_are_refused");
    }
    let error = CacheCounts::of(File::open("/etc/passwd").unwrap(), ..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("as its owner or as root"), "{error}");
}
