//! The space a segment takes: memory or disk, all of it reserved before anybody can touch it, so that
//! a full /dev/shm is an error here and not a SIGBUS at some later store (fallocate(2)).

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::{Error, ErrorKind, Result};

/// HUGETLBFS_MAGIC in statfs(2).
const HUGETLBFS: i64 = 0x9584_58f6;

pub(crate) const PAGE: u64 = 4096;

const MORE: &str = "remove what nobody uses (gc), or have more: Docker's /dev/shm has 64 MB unless --shm-size says otherwise";

/// What the length of a file is a multiple of, in bytes: its page size.
pub(crate) fn unit(file: &File) -> u64 {
    match rustix::fs::fstatfs(file) {
        Ok(fs) if fs.f_type == HUGETLBFS => fs.f_bsize as u64,
        _ => PAGE,
    }
}

/// Makes a file `len` bytes long at least, with memory or blocks for every byte from `from` on.
pub(crate) fn reserve(
    operation: &'static str,
    what: &str,
    file: &File,
    from: u64,
    len: u64,
) -> Result<()> {
    // Beyond the limit the kernel sends SIGXFSZ besides failing (getrlimit(2)).
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| len > limit) {
        return Err(Error::os(operation, what, Errno::FBIG)
            .advice("the limit of file sizes is reached: ulimit -f"));
    }
    let count = len.saturating_sub(from);
    if count == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::empty();
    let taken = rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, from, count));
    let taken = match taken {
        Err(Errno::OPNOTSUPP) => write_zeros(file, len),
        other => other,
    };
    taken.map_err(|errno| {
        let free = rustix::fs::fstatvfs(file).ok().filter(|fs| fs.f_blocks > 0);
        let free = free.map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        let (reason, advice) = match free {
            _ if unit(file) > PAGE => (
                format!("it needs {count} bytes of huge pages, and the pool has too few"),
                "add some: vm.nr_hugepages in sysctl(8)",
            ),
            Some(free) => (format!("it needs {count} bytes, and {free} are free"), MORE),
            None => (format!("it needs {count} bytes, and there are too few"), MORE),
        };
        Error::os(operation, what, errno).explain(ErrorKind::NoSpace, reason, advice)
    })
}

/// For a file system without fallocate(2). Only bytes behind the end of the file are written.
fn write_zeros(file: &File, len: u64) -> Result<(), Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let zeros = vec![0; 256 << 10];
    let before = file.metadata().map_err(errno)?.len();
    let mut at = before;
    while at < len {
        let count = (len - at).min(zeros.len() as u64) as usize;
        if let Err(error) = file.write_all_at(&zeros[..count], at) {
            let _ = file.set_len(before);
            return Err(errno(error));
        }
        at += count as u64;
    }
    Ok(())
}
