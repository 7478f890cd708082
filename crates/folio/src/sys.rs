//! The kernel's calls on address ranges: every `mmap`-family system call that folio makes, in one
//! place, with errors as [`Errno`] and no policy.
//!
//! Invariant: nothing here rounds, checks or remembers; callers pass page-aligned ranges that they
//! own. `rustix` serves what it has; the rest goes through `libc`.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::AtomicU32;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::mm::{MapFlags, MlockFlags, MprotectFlags, MremapFlags, MsyncFlags, ProtFlags};

pub(crate) use rustix::io::Errno;

pub(crate) const MADV_COLLAPSE: i32 = 25;
pub(crate) const MADV_GUARD_INSTALL: i32 = 102;
pub(crate) const MADV_GUARD_REMOVE: i32 = 103;
pub(crate) const FS_HUGETLB: i64 = 0x9584_58f6;
pub(crate) const FS_TMPFS: i64 = 0x0102_1994;
pub(crate) const FS_SECRETMEM: i64 = 0x5345_434d;

fn ptr(addr: usize) -> *mut c_void {
    core::ptr::with_exposed_provenance_mut(addr)
}

fn cvt(result: c_int) -> Result<(), Errno> {
    if result == -1 { Err(last_errno()) } else { Ok(()) }
}

fn last_errno() -> Errno {
    // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// mmap(2). Returns the address, its provenance exposed.
///
/// # Safety
/// With `MapFlags::FIXED`, the caller must own `addr..addr + len` and nothing may hold references
/// into it. Without it the call touches no existing mapping (mmap(2)).
pub(crate) unsafe fn map(
    addr: usize,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
    file: Option<(BorrowedFd<'_>, u64)>,
) -> Result<usize, Errno> {
    // SAFETY: forwarded to the caller; a new mapping aliases no Rust object.
    let start = unsafe {
        match file {
            Some((fd, offset)) => rustix::mm::mmap(ptr(addr), len, prot, flags, fd, offset),
            None => rustix::mm::mmap_anonymous(ptr(addr), len, prot, flags),
        }
    }?;
    Ok(start.expose_provenance())
}

/// munmap(2).
///
/// # Safety
/// The caller owns the range, and nothing refers into it any more.
pub(crate) unsafe fn unmap(addr: usize, len: usize) -> Result<(), Errno> {
    // SAFETY: forwarded to the caller.
    unsafe { rustix::mm::munmap(ptr(addr), len) }
}

/// mprotect(2).
///
/// # Safety
/// The caller owns the range, and no reference into it needs an access that `prot` takes away.
pub(crate) unsafe fn protect(addr: usize, len: usize, prot: ProtFlags) -> Result<(), Errno> {
    // SAFETY: forwarded to the caller. The bits of PROT_READ, WRITE and EXEC are the same in both.
    unsafe { rustix::mm::mprotect(ptr(addr), len, MprotectFlags::from_bits_retain(prot.bits())) }
}

/// mremap(2), without MREMAP_FIXED.
///
/// # Safety
/// The caller owns the old range, and nothing refers into it.
pub(crate) unsafe fn remap(
    addr: usize,
    old_len: usize,
    new_len: usize,
    flags: MremapFlags,
) -> Result<usize, Errno> {
    // For huge pages the kernel looks at the fifth argument even without MREMAP_FIXED and refuses
    // what is not aligned; rustix leaves whatever the register held.
    let nowhere = 0usize;
    // SAFETY: forwarded to the caller.
    let start = unsafe {
        libc::syscall(libc::SYS_mremap, addr, old_len, new_len, flags.bits() as usize, nowhere)
    };
    if start == -1 {
        return Err(last_errno());
    }
    Ok(ptr(start as usize).expose_provenance())
}

/// A mapping that takes the place of what lies at `to`. A MAP_FIXED that fails may have unmapped what
/// was there already (mmap(2), NOTES: the old mapping goes before the file's or the pool's part is
/// done), and a stranger could move into the gap. So the mapping is made elsewhere and then moved;
/// mremap(2) checks limits before it unmaps anything.
///
/// # Safety
/// The caller owns `to..to + len`, and nothing refers into it.
pub(crate) unsafe fn map_over(
    to: usize,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
    file: Option<(BorrowedFd<'_>, u64)>,
) -> Result<usize, Errno> {
    debug_assert!(!flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE));
    // SAFETY: without MAP_FIXED no existing mapping is touched, and the new one is known to nobody.
    // The target is the caller's.
    unsafe {
        let made = map(0, len, prot, flags, file)?;
        match rustix::mm::mremap_fixed(ptr(made), len, len, MremapFlags::MAYMOVE, ptr(to)) {
            Ok(start) => Ok(start.expose_provenance()),
            Err(errno) => {
                let _ = unmap(made, len);
                Err(errno)
            }
        }
    }
}

/// msync(2). Safe: it changes no byte of the range.
pub(crate) fn sync(addr: usize, len: usize, flags: MsyncFlags) -> Result<(), Errno> {
    // SAFETY: msync only writes pages back; on a range not mapped it fails with ENOMEM.
    unsafe { rustix::mm::msync(ptr(addr), len, flags) }
}

/// madvise(2).
///
/// # Safety
/// For advice that changes what the bytes read as (DONTNEED, FREE, REMOVE, WIPEONFORK, HWPOISON,
/// GUARD_INSTALL, ...), the caller owns the range and nothing refers into it.
pub(crate) unsafe fn advise(addr: usize, len: usize, advice: c_int) -> Result<(), Errno> {
    // SAFETY: forwarded to the caller.
    cvt(unsafe { libc::madvise(ptr(addr), len, advice) })
}

/// mlock(2), or mlock2(2) with MLOCK_ONFAULT.
pub(crate) fn lock(addr: usize, len: usize, on_fault: bool) -> Result<(), Errno> {
    // SAFETY: locking changes no byte; on a range not mapped it fails with ENOMEM.
    unsafe {
        if on_fault {
            rustix::mm::mlock_with(ptr(addr), len, MlockFlags::ONFAULT)
        } else {
            rustix::mm::mlock(ptr(addr), len)
        }
    }
}

/// munlock(2).
pub(crate) fn unlock(addr: usize, len: usize) -> Result<(), Errno> {
    // SAFETY: unlocking changes no byte; on a range not mapped it fails with ENOMEM.
    unsafe { rustix::mm::munlock(ptr(addr), len) }
}

/// mincore(2): one byte a page, bit 0 set where the page is resident.
pub(crate) fn residency(addr: usize, len: usize, pages: &mut [u8]) -> Result<(), Errno> {
    assert!(pages.len() >= len.div_ceil(rustix::param::page_size()));
    // SAFETY: mincore writes one byte a page of `len`, and `pages` has room (asserted above).
    cvt(unsafe { libc::mincore(ptr(addr), len, pages.as_mut_ptr()) })
}

/// mseal(2).
///
/// # Safety
/// The caller owns the range and will never unmap, move or protect it again.
pub(crate) unsafe fn seal(addr: usize, len: usize) -> Result<(), Errno> {
    // SAFETY: forwarded to the caller; the call reads no memory.
    cvt(unsafe { libc::syscall(libc::SYS_mseal, addr, len, 0usize) } as c_int)
}

/// futex(2), FUTEX_WAIT: sleeps while the word holds `value`, at most `limit`. Safe to call from a
/// signal handler that preserves errno.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, limit: &libc::timespec) {
    let op = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: futex(2) reads the word and the limit, both of which live through the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, value, core::ptr::from_ref(limit)) };
}

/// futex(2), FUTEX_WAKE of everybody who waits. Safe to call from a signal handler that preserves errno.
pub(crate) fn futex_wake(word: &AtomicU32) {
    let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: futex(2) takes the word's address as a name only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, i32::MAX) };
}

/// memfd_secret(2), with FD_CLOEXEC.
pub(crate) fn memfd_secret() -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes flags only and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) } as c_int;
    cvt(fd)?;
    // SAFETY: `fd` was just created and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The size of a block device in bytes (ioctl BLKGETSIZE64).
pub(crate) fn block_device_len(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    const BLKGETSIZE64: libc::Ioctl = 0x8008_1272_u32 as libc::Ioctl;
    let mut len = 0u64;
    // SAFETY: BLKGETSIZE64 writes one u64 through the pointer, which points to `len`.
    cvt(unsafe { libc::ioctl(fd.as_raw_fd(), BLKGETSIZE64, &raw mut len) })?;
    Ok(len)
}

/// The length in bytes beyond which this process may make no file (RLIMIT_FSIZE in getrlimit(2)).
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: getrlimit writes one rlimit through the pointer, which points to `limit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
    if result == 0 { limit.rlim_cur } else { u64::MAX }
}

/// Whether fs-verity is enabled on the file (ioctl FS_IOC_GETFLAGS, FS_VERITY_FL), and the kernel
/// itself enforces it: the server of a FUSE or network file system can claim what it likes, and
/// overlayfs may show one file and map another.
pub(crate) fn is_verity(fd: BorrowedFd<'_>) -> bool {
    const FS_VERITY_FL: u32 = 0x0010_0000;
    // ext4, f2fs, btrfs (Documentation/filesystems/fsverity.rst).
    const WITH_VERITY: [i64; 3] = [0xef53, 0xf2f5_2010, 0x9123_683e];
    rustix::fs::fstatfs(fd).is_ok_and(|fs| WITH_VERITY.contains(&fs.f_type))
        && rustix::fs::ioctl_getflags(fd).is_ok_and(|flags| flags.bits() & FS_VERITY_FL != 0)
}

/// Names an anonymous range in /proc/PID/maps (prctl PR_SET_VMA_ANON_NAME). A kernel without the
/// feature answers EINVAL.
pub(crate) fn name(addr: usize, len: usize, name: &CStr) -> Result<(), Errno> {
    const PR_SET_VMA: c_int = 0x5356_4d41;
    const PR_SET_VMA_ANON_NAME: usize = 0;
    // SAFETY: the kernel copies the string, which is NUL-terminated and lives through the call.
    cvt(unsafe { libc::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, len, name.as_ptr()) })
}

/// Whether the kernel can read every byte's page of `addr..addr + len` on our behalf without a
/// signal (madvise MADV_POPULATE_READ); `write` asks for MADV_POPULATE_WRITE. Safe to call from a
/// signal handler that preserves errno. Changes no byte.
pub(crate) fn populate(addr: usize, len: usize, write: bool) -> Result<(), Errno> {
    let advice = if write { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    // SAFETY: populating changes no byte (madvise(2)); a range not mapped fails with ENOMEM.
    cvt(unsafe { libc::madvise(ptr(addr), len, advice) })
}

/// Whether these bytes can be read, and are zeros. Fails where process_vm_readv(2) may not be used.
pub(crate) fn has_zeros(addr: usize, len: usize) -> bool {
    let mut bytes = [0u8; 1024];
    // SAFETY: getpid(2) has no preconditions.
    let process = unsafe { libc::getpid() };
    (addr..addr + len).step_by(bytes.len()).all(|at| {
        let count = bytes.len().min(addr + len - at);
        let to = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: count };
        let from = libc::iovec { iov_base: ptr(at), iov_len: count };
        // SAFETY: the kernel writes `count` bytes to `bytes`, which has room; what cannot be read is
        // an error (process_vm_readv(2)).
        let read =
            unsafe { libc::process_vm_readv(process, &raw const to, 1, &raw const from, 1, 0) };
        read == count as isize && bytes[..count].iter().all(|&byte| byte == 0)
    })
}

/// Takes SIGPIPE and SIGXFSZ away that a write(2) of this thread has just caused, both of which it has
/// blocked. Safe to call from a signal handler that preserves errno.
pub(crate) fn drop_write_signals() {
    let set = 1u64 << (libc::SIGPIPE - 1) | 1 << (libc::SIGXFSZ - 1);
    let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel reads a set of eight bytes and a time, and writes no siginfo to null
    // (rt_sigtimedwait in sigwaitinfo(2)).
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            core::ptr::null_mut::<libc::siginfo_t>(),
            &raw const none,
            size_of::<u64>(),
        );
    }
}

/// Sets which signals this thread has blocked, and returns which it had (rt_sigprocmask in
/// sigprocmask(2)). By the kernel itself: programs put functions in front of the C library's.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: the kernel reads one mask of eight bytes and writes another.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<u64>(),
        );
    }
    before
}
