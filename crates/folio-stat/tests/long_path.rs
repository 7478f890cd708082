//! A mapping of a file whose path is longer than the kernel answers with.

mod common;

use std::os::fd::OwnedFd;

use common::*;
use folio_stat::{Process, Via};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

#[test]
fn a_mapping_whose_path_is_too_long_for_the_ioctl_is_found_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let name = "d".repeat(250);
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut inner: OwnedFd = openat(CWD, scratch.path(), directory, Mode::empty()).unwrap();
    for _ in 0..20 {
        mkdirat(&inner, &name, Mode::RWXU).unwrap();
        inner = openat(&inner, &name, directory, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(&inner, "file", flags, Mode::RWXU).unwrap());
    file.set_len(4096).unwrap();

    let area = Area::new(PAGE, libc::PROT_READ, libc::MAP_SHARED, Some((&file, 0)));
    for via in [Via::Ioctl, Via::Text] {
        let found = Process::current().unwrap().via(via).mapping_at(area.address).unwrap();
        assert_eq!(found.unwrap().length_bytes, PAGE);
    }
}
