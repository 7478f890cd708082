//! What file systems are like, and opening directories however long their paths are.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::Result;

/// PATH_MAX of limits.h, with the zero at the end.
const PATH_BYTES: usize = 4096;

/// File systems whose files are made up when they are read, by their numbers in
/// include/uapi/linux/magic.h: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, devpts,
/// pstore, efivarfs, selinuxfs, binfmt_misc, fusectl.
const MADE_UP: [i64; 14] = [
    0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
    0x1cd1, 0x6165676c, 0xde5e81e4, 0xf97cff8c, 0x42494e4d, 0x65735543,
];
/// tmpfs and ramfs.
const IN_MEMORY: [i64; 2] = [0x01021994, 0x858458f6];

/// Whether a directory's files have no pages, whatever they say.
pub(super) fn is_made_up(directory: impl AsFd) -> bool {
    fstatfs(directory).is_ok_and(|system| MADE_UP.contains(&system.f_type))
}

/// Whether a file's pages are all there is of it.
pub(super) fn is_in_memory(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|system| IN_MEMORY.contains(&system.f_type))
}

/// Opens a file, through its directory where its path is too long for one call.
pub(super) fn open_file(path: &Path, flags: OFlags) -> Result<OwnedFd> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) if path.as_os_str().len() >= PATH_BYTES => {
            openat(open_directory(directory, flags, true)?, name, flags, Mode::empty())
        }
        _ => openat(CWD, path, flags, Mode::empty()),
    }
}

/// Opens a directory, part by part where its path is too long for one call.
pub(super) fn open_directory(path: &Path, flags: OFlags, follow: bool) -> Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY;
    let last = if follow { flags } else { flags | OFlags::NOFOLLOW };
    let mut bytes = path.as_os_str().as_bytes();
    let mut above: Option<OwnedFd> = None;
    while bytes.len() >= PATH_BYTES {
        // A name has 255 bytes at most.
        let Some(end) = bytes[..PATH_BYTES - 1].iter().rposition(|&byte| byte == b'/') else {
            break;
        };
        let from = above.as_ref().map_or(CWD, AsFd::as_fd);
        let part = OsStr::from_bytes(&bytes[..end.max(1)]);
        above = Some(openat(from, part, flags, Mode::empty())?);
        bytes = &bytes[end + 1..];
    }
    openat(above.as_ref().map_or(CWD, AsFd::as_fd), OsStr::from_bytes(bytes), last, Mode::empty())
}
