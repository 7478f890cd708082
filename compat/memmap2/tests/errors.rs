//! Errors are those that programs match on.
#![allow(unsafe_code)]

mod common;

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd;

use common::{Scratch, in_child, limit, page, pattern};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions, MmapRaw, RemapOptions};

fn read_only(scratch: &Scratch) -> File {
    File::open(scratch.path()).unwrap()
}

/// The errno that `raw_os_error` gives.
#[track_caller]
fn errno<T>(result: Result<T, Error>) -> Option<i32> {
    result.err().unwrap().raw_os_error()
}

#[test]
fn system_calls_that_fail_leave_their_errno() {
    let scratch = Scratch::new(&pattern(page()));
    let file = read_only(&scratch);
    let writing = File::options().write(true).open(scratch.path()).unwrap();
    let directory = File::open(std::env::temp_dir()).unwrap();
    // SAFETY: nobody changes the file.
    unsafe {
        assert_eq!(errno(MmapMut::map_mut(&file)), Some(libc::EACCES));
        assert_eq!(errno(Mmap::map(&writing)), Some(libc::EACCES));
        assert_eq!(errno(MmapOptions::new().len(0).map(&writing)), Some(libc::EACCES));
        assert_eq!(errno(Mmap::map(&directory)), Some(libc::ENODEV));
        assert_eq!(errno(Mmap::map(-1)), Some(libc::EBADF));
        assert_eq!(errno(MmapOptions::new().len(1).map(-1)), Some(libc::EBADF));
        assert_eq!(errno(Mmap::map(1 << 20)), Some(libc::EBADF));
        let map = Mmap::map(&file).unwrap();
        assert_eq!(errno(map.make_mut()), Some(libc::EACCES));
        let map = MmapOptions::new().len(2 * page()).map(&file).unwrap();
        assert_eq!(errno(map.advise(Advice::PopulateRead)), Some(libc::EFAULT));
        let mut map = Mmap::map(&file).unwrap();
        assert!(errno(map.remap(isize::MAX as usize, RemapOptions::new())).is_some());
        assert!(errno(map.remap(usize::MAX, RemapOptions::new().may_move(true))).is_some());
        assert_eq!(map[..], pattern(page()));
    }
    assert_eq!(errno(MmapRaw::map_raw(&file)), Some(libc::EACCES));
    assert_eq!(errno(MmapMut::map_anon(isize::MAX as usize)), Some(libc::ENOMEM));
    assert_eq!(errno(MmapOptions::new().huge(Some(17)).len(1).map_anon()), Some(libc::EINVAL));
}

#[test]
fn lengths_that_cannot_be_are_invalid_data() {
    let scratch = Scratch::new(b"0123456789");
    let file = read_only(&scratch);
    // SAFETY: nobody changes the file.
    let map = |options: &mut MmapOptions| unsafe { options.map(&file) };
    for error in [
        map(MmapOptions::new().offset(11)).unwrap_err(),
        map(MmapOptions::new().offset(u64::MAX)).unwrap_err(),
        map(MmapOptions::new().len(usize::MAX)).unwrap_err(),
        MmapMut::map_anon(usize::MAX).unwrap_err(),
        MmapMut::map_anon(isize::MAX as usize + 1).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    }
    assert!(map(MmapOptions::new().offset(10)).unwrap().is_empty());
    for offset in [i64::MAX as u64, u64::MAX, u64::MAX - 4095] {
        assert!(errno(map(MmapOptions::new().offset(offset).len(5000))).is_some());
    }
}

#[test]
fn a_device_is_mapped_by_length() {
    let zero = File::options().read(true).write(true).open("/dev/zero").unwrap();
    // SAFETY: nobody can change what /dev/zero gives.
    unsafe {
        assert!(Mmap::map(&zero).unwrap().is_empty(), "a device has no length");
        let mut map = MmapOptions::new().len(10_000).map_copy(&zero).unwrap();
        assert!(map.iter().all(|&byte| byte == 0));
        map[9_999] = 1;
        let map = MmapOptions::new().len(10_000).map_copy(&zero).unwrap();
        assert_eq!(map[9_999], 0);
    }
    let null = File::open("/dev/null").unwrap();
    // SAFETY: as above.
    assert_eq!(errno(unsafe { MmapOptions::new().len(1).map(&null) }), Some(libc::ENODEV));
}

#[test]
fn the_limit_of_locked_memory_is_an_error() {
    in_child(|| {
        limit(libc::RLIMIT_MEMLOCK, 0);
        common::become_nobody();
        let map = MmapMut::map_anon(page()).unwrap();
        let errno = errno(map.lock()).unwrap();
        assert!([libc::EPERM, libc::ENOMEM].contains(&errno));
        map.unlock().unwrap();
    });
}

#[test]
fn debug_shows_address_and_length() {
    let map = MmapMut::map_anon(5).unwrap();
    let want = format!("MmapMut {{ ptr: {:?}, len: 5 }}", map.as_ptr());
    assert_eq!(format!("{map:?}"), want);
    assert_eq!(
        format!("{:?}", MmapOptions::new().offset(3).len(4).huge(Some(21)).stack()),
        "MmapOptions { offset: 3, len: Some(4), huge: Some(21), stack: true, populate: false, \
         no_reserve_swap: false, no_probe_handle: false }"
    );
}

#[test]
fn only_a_file_nobody_can_change_is_mapped_without_unsafe() {
    let scratch = Scratch::new(b"changes");
    let refused = Mmap::map_if_safe(&scratch.file()).unwrap_err();
    assert!(refused.not_safe() && !refused.map_failed() && !refused.not_supported());
    assert_eq!(Error::from(refused).kind(), ErrorKind::InvalidInput);
    let failed = Mmap::map_if_safe(-1).unwrap_err();
    assert!(failed.map_failed() && !failed.not_safe());
    assert_eq!(Error::from(failed).raw_os_error(), Some(libc::EBADF));

    let file = common::memfd(b"sealed");
    let refused = Mmap::map_if_safe(&file).unwrap_err();
    assert!(refused.not_safe());
    assert!(refused.to_string().contains("F_SEAL_SHRINK, F_SEAL_WRITE"), "{refused}");
    common::seal(&file, libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE);
    let map = Mmap::map_if_safe(file.as_raw_fd()).unwrap();
    assert_eq!(&map[..], b"sealed");
    let longer = MmapOptions::new().len(7).map_if_safe(&file).unwrap_err();
    assert!(longer.not_safe());
    let overflow = MmapOptions::new().offset(u64::MAX).len(7).map_if_safe(&file).unwrap_err();
    assert!(overflow.map_failed());
    drop(fs::metadata(scratch.path()));
}
