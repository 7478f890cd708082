//! The system calls that neither std nor rustix has: the only file with unsafe code.
//!
//! Structures follow `include/uapi/linux/fs.h` and `include/uapi/linux/mman.h` of Linux 6.18;
//! their sizes are asserted below. Every function here is safe to call with any argument.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// `struct procmap_query`, 104 bytes: the argument of the ioctl PROCMAP_QUERY.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct ProcmapQuery {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    pub(crate) vma_start: u64,
    pub(crate) vma_end: u64,
    pub(crate) vma_flags: u64,
    pub(crate) vma_page_size: u64,
    pub(crate) vma_offset: u64,
    pub(crate) inode: u64,
    pub(crate) dev_major: u32,
    pub(crate) dev_minor: u32,
    pub(crate) vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

impl ProcmapQuery {
    /// The question: the mapping at `address`, in the way that `flags` say.
    pub(crate) fn new(address: u64, flags: u64) -> Self {
        Self { query_addr: address, query_flags: flags, ..Self::default() }
    }
}

/// `struct page_region`, 24 bytes: one run of pages that PAGEMAP_SCAN found.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct PageRegion {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) categories: u64,
}

/// `struct pm_scan_arg`, 96 bytes: the argument of the ioctl PAGEMAP_SCAN.
#[repr(C)]
#[derive(Debug, Default)]
struct PmScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct cachestat`, 40 bytes: what cachestat(2) counts, in pages.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CacheStat {
    pub(crate) cache: u64,
    pub(crate) dirty: u64,
    pub(crate) writeback: u64,
    pub(crate) evicted: u64,
    pub(crate) recently_evicted: u64,
}

/// `struct cachestat_range`, 16 bytes.
#[repr(C)]
struct CacheStatRange {
    offset: u64,
    length: u64,
}

const _: () = assert!(size_of::<ProcmapQuery>() == 104);
const _: () = assert!(size_of::<PageRegion>() == 24);
const _: () = assert!(size_of::<PmScanArg>() == 96);
const _: () = assert!(size_of::<CacheStat>() == 40);
const _: () = assert!(size_of::<CacheStatRange>() == 16);

/// `_IOWR('f', 17, struct procmap_query)`
const PROCMAP_QUERY: u64 = read_write_ioctl(17, size_of::<ProcmapQuery>());
/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: u64 = read_write_ioctl(16, size_of::<PmScanArg>());
/// `_IOR(0x12, 114, size_t)`
const BLKGETSIZE64: u64 = 2 << 30 | (size_of::<usize>() as u64) << 16 | 0x12 << 8 | 114;
/// The number is the same on all architectures; libc does not have it on all of them.
const SYS_CACHESTAT: libc::c_long = 451;

/// `_IOWR('f', number, size)` as `asm-generic/ioctl.h` lays it out.
const fn read_write_ioctl(number: u64, size: usize) -> u64 {
    3 << 30 | (size as u64) << 16 | (b'f' as u64) << 8 | number
}

/// Asks `/proc/PID/maps` (`fd`) for a kernel mapping; the name goes to `name`.
///
/// `query.query_flags` and `query.query_addr` are the question, the rest is the answer.
pub(crate) fn procmap_query(
    fd: BorrowedFd<'_>,
    query: &mut ProcmapQuery,
    name: &mut [u8],
) -> io::Result<()> {
    query.size = size_of::<ProcmapQuery>() as u64;
    // Both are 0 or neither: the address of an empty slice would be EINVAL.
    query.vma_name_addr = if name.is_empty() { 0 } else { name.as_mut_ptr() as u64 };
    query.vma_name_size = u32::try_from(name.len()).unwrap_or(u32::MAX);
    query.build_id_addr = 0;
    query.build_id_size = 0;
    // SAFETY: `fd` is open for the call. The kernel reads and writes `size` bytes at `query`,
    // which is that long and exclusively borrowed, and at most `vma_name_size` bytes at
    // `vma_name_addr`, which is no more than `name` has, exclusively borrowed too
    // (include/uapi/linux/fs.h). A descriptor of another kind answers ENOTTY: the request's
    // number belongs to procfs ('f', 17).
    let status = unsafe { libc::ioctl(fd.as_raw_fd(), PROCMAP_QUERY as _, &raw mut *query) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lists runs of pages in `start..end` that have any of `categories`, each with those of
/// `reported` that it has. Returns how many runs were written to `regions`, and the address
/// where to go on.
pub(crate) fn pagemap_scan(
    pagemap: BorrowedFd<'_>,
    (start, end): (u64, u64),
    categories: u64,
    reported: u64,
    regions: &mut [PageRegion],
) -> io::Result<(usize, u64)> {
    let mut arg = PmScanArg {
        size: size_of::<PmScanArg>() as u64,
        start,
        end,
        vec: regions.as_mut_ptr() as u64,
        vec_len: regions.len() as u64,
        category_anyof_mask: categories,
        return_mask: reported,
        ..PmScanArg::default()
    };
    // SAFETY: `pagemap` is open for the call. The kernel reads and writes `size` bytes at `arg`,
    // a local of that size, and writes at most `vec_len` regions of 24 bytes at `vec`, which is
    // `regions`, exclusively borrowed (Documentation/admin-guide/mm/pagemap.rst). `flags` is 0:
    // nothing is write-protected, the scanned process is not changed.
    let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arg) };
    match usize::try_from(count) {
        Ok(count) => Ok((count.min(regions.len()), arg.walk_end)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// cachestat(2): the page cache of `offset..offset + length` of a file. A length of 0 means up
/// to the end.
pub(crate) fn cachestat(fd: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<CacheStat> {
    let range = CacheStatRange { offset, length };
    let mut stat = CacheStat::default();
    // SAFETY: cachestat(fd, range, stat, flags) reads 16 bytes at `range` and writes 40 bytes at
    // `stat`, both locals of these sizes (mm/filemap.c, include/uapi/linux/mman.h); flags must
    // be 0. A kernel without the call answers ENOSYS and touches nothing.
    let status = unsafe {
        libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut stat, 0u32)
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(stat) }
}

/// mincore(2) of `pages.len()` pages of a file from `offset`, which must be a multiple of the
/// page size: bit 0 of each byte says whether the page is in the page cache.
///
/// The file is mapped for the moment, with PROT_NONE, and never touched.
pub(crate) fn mincore_of_file(fd: BorrowedFd<'_>, offset: u64, pages: &mut [u8]) -> io::Result<()> {
    let invalid = || io::Error::from_raw_os_error(libc::EOVERFLOW);
    let length = pages.len().checked_mul(rustix::param::page_size()).ok_or_else(invalid)?;
    let offset = libc::off64_t::try_from(offset).map_err(|_| invalid())?;
    // SAFETY: a null address without MAP_FIXED lets the kernel choose a free range, so no memory
    // of this program changes (mmap(2)). Nobody but this function learns the address, and with
    // PROT_NONE no access could raise SIGBUS.
    let address = unsafe {
        libc::mmap64(
            ptr::null_mut(),
            length,
            libc::PROT_NONE,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
            fd.as_raw_fd(),
            offset,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: mincore(2) writes one byte for each base page of `length`, however large the
    // mapping's own are: `pages.len()` bytes, exclusively borrowed. The range is the mapping made
    // above.
    let status = unsafe { libc::mincore(address, length, pages.as_mut_ptr()) };
    let result = if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: address and length are exactly what mmap gave above, nobody else has seen them, and
    // no reference into the range exists.
    unsafe { libc::munmap(address, length) };
    result
}

/// Whose faults [`fault_counters`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Thread,
    Process,
}

/// getrusage(2): minor and major faults so far.
pub(crate) fn fault_counters(who: Who) -> (u64, u64) {
    let who = match who {
        Who::Thread => libc::RUSAGE_THREAD,
        Who::Process => libc::RUSAGE_SELF,
    };
    // SAFETY: `rusage` is plain integers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: getrusage(2) writes one `struct rusage` at the address of a local of that type. It
    // fails only for a bad address or an unknown `who`, and neither can be.
    unsafe { libc::getrusage(who, &raw mut usage) };
    (usage.ru_minflt.unsigned_abs(), usage.ru_majflt.unsigned_abs())
}

/// The size of a block device, in bytes.
pub(crate) fn block_device_bytes(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = 0u64;
    // SAFETY: BLKGETSIZE64 writes a u64 at the address, that of a local u64 (block/ioctl.c). A
    // descriptor of another kind answers ENOTTY.
    let status = unsafe { libc::ioctl(fd.as_raw_fd(), BLKGETSIZE64 as _, &raw mut bytes) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_of_the_kernel_headers() {
        assert_eq!(PROCMAP_QUERY, 0xc068_6611);
        assert_eq!(PAGEMAP_SCAN, 0xc060_6610);
        assert_eq!(BLKGETSIZE64, 0x8008_1272);
    }
}
