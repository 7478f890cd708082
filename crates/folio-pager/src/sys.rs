//! The system calls on paged addresses, without policy: reserving, userfaultfd's ioctls, dropping pages.
//!
//! All of them are safe to call with any numbers as far as the kernel goes; each function that changes
//! what lies at addresses is unsafe, and asks its caller to own them.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use linux_raw_sys::general as raw;
use linux_raw_sys::ioctl::UFFDIO_ZEROPAGE;
use linux_raw_sys::ioctl::{UFFDIO_API, UFFDIO_COPY, UFFDIO_REGISTER, UFFDIO_WRITEPROTECT};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, UserfaultfdFlags};

use crate::patience::Patience;

pub(crate) const PAGE: usize = 4096;
pub(crate) const HUGE: usize = 2 << 20;

/// `_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)` (asm-generic/ioctl.h), which linux-raw-sys lacks.
const UFFDIO_MOVE: u32 =
    3 << 30 | (size_of::<raw::uffdio_move>() as u32) << 16 | raw::UFFDIO << 8 | raw::_UFFDIO_MOVE;
const UFFDIO_WRITEPROTECT_MODE_WP: u64 = 1;
/// Addresses that nothing else uses, aligned to 2 MiB, with no memory behind them. Before them is room for a page.
///
/// They are left out of forked children: a child would find zeros there, or worse, somebody's pages.
pub(crate) fn reserve(len: usize, protection: ProtFlags) -> Result<Range<usize>, Errno> {
    let padded = len.checked_add(HUGE).ok_or(Errno::NOMEM)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing one.
    let start = unsafe {
        rustix::mm::mmap_anonymous(core::ptr::null_mut(), padded, ProtFlags::empty(), flags)
    }?;
    let start = start.expose_provenance();
    let aligned = (start + PAGE).next_multiple_of(HUGE);
    // SAFETY: what is cut off lies within the mapping that was just made, and nobody knows of it.
    unsafe {
        release(start..aligned);
        release(aligned + len..start + padded);
    }
    let range = aligned..aligned + len;
    // Where the process locks its future memory (mlockall(2)), what can be read is filled with zeros at
    // once: so it cannot be read until it is no longer locked.
    let flags = MprotectFlags::from_bits_retain(protection.bits());
    // SAFETY: as above.
    let ready = unsafe {
        let _ = rustix::mm::munlock(pointer(range.start), range.len());
        advise(&range, Advice::LinuxDontFork).and_then(|()| protect(&range, flags))
    };
    // SAFETY: as above.
    ready.inspect_err(|_| unsafe { release(range.clone()) })?;
    Ok(range)
}

/// Gives addresses back.
///
/// # Safety
/// They are the caller's, and nobody uses them any more.
pub(crate) unsafe fn release(addresses: Range<usize>) {
    if addresses.is_empty() {
        return;
    }
    // SAFETY: by the caller's contract. It fails only for misaligned ranges (munmap(2)), or where the
    // limit of mappings forbids a split: then the addresses stay reserved, which harms nobody.
    let _ = unsafe { rustix::mm::munmap(pointer(addresses.start), addresses.len()) };
}

/// Names addresses of memory in /proc/PID/maps, as `[anon:NAME]` (PR_SET_VMA(2const)). False with a kernel that
/// keeps no names.
pub(crate) fn name(addresses: &Range<usize>, name: &CStr) -> bool {
    // SAFETY: the kernel copies the string, which ends with a zero byte and lives through the call, and
    // writes nothing at the addresses.
    unsafe {
        let (start, len) = (addresses.start, addresses.len());
        libc::prctl(libc::PR_SET_VMA, libc::PR_SET_VMA_ANON_NAME, start, len, name.as_ptr()) == 0
    }
}

/// Maps a part of a file at an address where nothing is, so that nobody may touch it, and leaves it out of forked
/// children. EEXIST if something is there.
pub(crate) fn cover(address: usize, len: usize, file: impl AsFd, offset: u64) -> Result<(), Errno> {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
    let (wanted, nobody) = (pointer(address), ProtFlags::empty());
    // SAFETY: with MAP_FIXED_NOREPLACE no mapping is replaced (mmap(2)).
    let start = unsafe { rustix::mm::mmap(wanted, len, nobody, flags, file, offset) }?;
    let start = start.expose_provenance();
    let made = start..start + len;
    // SAFETY: the mapping was just made, and nobody knows of it.
    unsafe {
        // Before Linux 4.17 the address is a wish.
        if start != address {
            release(made);
            return Err(Errno::EXIST);
        }
        advise(&made, Advice::LinuxDontFork).inspect_err(|_| release(made))
    }
}

/// # Safety
/// The addresses are the caller's, and the advice changes no byte that somebody counts on.
pub(crate) unsafe fn advise(addresses: &Range<usize>, advice: Advice) -> Result<(), Errno> {
    // SAFETY: by the caller's contract.
    unsafe { rustix::mm::madvise(pointer(addresses.start), addresses.len(), advice) }
}

/// Drops pages, of memory that the process has locked too (Linux 5.18).
///
/// # Safety
/// The addresses are the caller's, and nobody counts on their bytes.
pub(crate) unsafe fn drop_pages(addresses: &Range<usize>) -> Result<(), Errno> {
    // SAFETY: by the caller's contract.
    match unsafe { advise(addresses, Advice::LinuxDontNeed) } {
        // SAFETY: by the caller's contract.
        Err(Errno::INVAL) => unsafe { advise(addresses, Advice::LinuxDontneedLocked) },
        result => result,
    }
}

/// Makes addresses as they were when they were reserved without access. Unlike pages that are dropped, pages
/// that were moved here leave no record of their own in the kernel then, of which a process has 65,530. Nor are
/// they locked where the process locks its future memory.
///
/// # Safety
/// The addresses are the caller's, and nobody counts on their bytes.
pub(crate) unsafe fn vacate(addresses: &Range<usize>) -> Result<(), Errno> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
    // SAFETY: by the caller's contract.
    unsafe {
        let start = pointer(addresses.start);
        rustix::mm::mmap_anonymous(start, addresses.len(), ProtFlags::empty(), flags)?;
        let _ = rustix::mm::munlock(start, addresses.len());
        advise(addresses, Advice::LinuxDontFork)
    }
}

/// # Safety
/// The addresses are the caller's.
pub(crate) unsafe fn protect(addresses: &Range<usize>, flags: MprotectFlags) -> Result<(), Errno> {
    // SAFETY: by the caller's contract.
    unsafe { rustix::mm::mprotect(pointer(addresses.start), addresses.len(), flags) }
}

/// Moves the pages at `from` to the address `to`; `from` stays mapped, without pages.
///
/// # Safety
/// Both ranges are the caller's and do not overlap.
pub(crate) unsafe fn remap(from: Range<usize>, to: usize) -> Result<(), Errno> {
    let flags = MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP;
    // SAFETY: by the caller's contract.
    unsafe {
        rustix::mm::mremap_fixed(pointer(from.start), from.len(), from.len(), flags, pointer(to))
    }
    .map(drop)
}

pub(crate) fn pointer(address: usize) -> *mut core::ffi::c_void {
    core::ptr::with_exposed_provenance_mut(address)
}

/// A userfaultfd whose faults are signals on the thread that touched the page (UFFD_FEATURE_SIGBUS).
#[derive(Debug)]
pub(crate) struct Userfault {
    fd: OwnedFd,
    /// Whether UFFDIO_MOVE works (Linux 6.8).
    pub(crate) moves: bool,
}

impl Userfault {
    /// Needs no privilege: only faults in user mode are handled (UFFD_USER_MODE_ONLY).
    pub(crate) fn open() -> Result<Self, Errno> {
        const WANTED: u32 = raw::UFFD_FEATURE_SIGBUS | raw::UFFD_FEATURE_PAGEFAULT_FLAG_WP;
        let moves = Self::with(WANTED | raw::UFFD_FEATURE_MOVE);
        moves
            .map(|fd| Self { fd, moves: true })
            .or_else(|_| Self::with(WANTED).map(|fd| Self { fd, moves: false }))
    }

    fn with(features: u32) -> Result<OwnedFd, Errno> {
        let flags = UserfaultfdFlags::CLOEXEC
            | UserfaultfdFlags::NONBLOCK
            | UserfaultfdFlags::from_bits_retain(raw::UFFD_USER_MODE_ONLY);
        // SAFETY: the descriptor is used by this type alone, whose unsafe methods say what it does.
        let fd = unsafe { rustix::mm::userfaultfd(flags) }?;
        let mut api =
            raw::uffdio_api { api: raw::UFFD_API.into(), features: features.into(), ioctls: 0 };
        ioctl(&fd, UFFDIO_API, &mut api)?;
        Ok(fd)
    }

    /// Missing pages of the addresses become SIGBUS, writes to protected ones too.
    pub(crate) fn register(&self, addresses: &Range<usize>) -> Result<(), Errno> {
        self.register_for(
            addresses,
            raw::UFFDIO_REGISTER_MODE_MISSING | raw::UFFDIO_REGISTER_MODE_WP,
        )
    }

    /// Pages can be moved to these addresses; missing ones appear as everywhere else.
    pub(crate) fn register_as_target(&self, addresses: &Range<usize>) -> Result<(), Errno> {
        self.register_for(addresses, raw::UFFDIO_REGISTER_MODE_WP)
    }

    fn register_for(&self, addresses: &Range<usize>, mode: u32) -> Result<(), Errno> {
        let mut register =
            raw::uffdio_register { range: range(addresses), mode: mode.into(), ioctls: 0 };
        ioctl(&self.fd, UFFDIO_REGISTER, &mut register)
    }

    /// Copies pages from `from` to where they are missing at `to`; write-protected if asked.
    ///
    /// # Safety
    /// `from` is readable, `to` registered and the caller's.
    pub(crate) unsafe fn copy(
        &self,
        from: Range<usize>,
        to: usize,
        protected: bool,
    ) -> Result<(), Errno> {
        let mode = if protected { raw::UFFDIO_COPY_MODE_WP } else { 0 };
        each_step(from.len(), |done| {
            let mut copy = raw::uffdio_copy {
                dst: (to + done) as u64,
                src: (from.start + done) as u64,
                len: (from.len() - done) as u64,
                mode: mode.into(),
                copy: 0,
            };
            let result = ioctl(&self.fd, UFFDIO_COPY, &mut copy);
            (result, copy.copy)
        })
    }

    /// Moves pages from `from` to where they are missing at `to`, in one step for each page or huge page;
    /// returns how many bytes, fewer where the kernel is still at one of the pages (EBUSY): direct I/O gives
    /// its pages back a moment after it has returned; or where anything fails midway. EINVAL where the process
    /// has locked only one of the two in memory.
    ///
    /// # Safety
    /// Both ranges are the caller's, private and anonymous, and `to` is registered.
    pub(crate) unsafe fn move_pages(&self, from: Range<usize>, to: usize) -> Result<usize, Errno> {
        const PATIENCE: usize = 100;
        let (mut moved, mut tries) = (0, 0);
        while moved < from.len() {
            let mut request = raw::uffdio_move {
                dst: (to + moved) as u64,
                src: (from.start + moved) as u64,
                len: (from.len() - moved) as u64,
                mode: 0,
                move_: 0,
            };
            let result = ioctl(&self.fd, UFFDIO_MOVE, &mut request);
            let progress = request.move_.max(0) as usize;
            match result {
                Ok(()) => return Ok(from.len()),
                Err(Errno::AGAIN | Errno::INTR) => moved += progress,
                Err(Errno::BUSY) => {
                    moved += progress;
                    tries += 1;
                    if tries > PATIENCE {
                        return Ok(moved);
                    }
                    std::thread::yield_now();
                }
                Err(_) if moved > 0 => return Ok(moved),
                Err(errno) => return Err(errno),
            }
        }
        Ok(moved)
    }

    /// Shows zeros where pages are missing.
    ///
    /// # Safety
    /// The addresses are the caller's and registered.
    pub(crate) unsafe fn zeros(&self, addresses: Range<usize>) -> Result<(), Errno> {
        each_step(addresses.len(), |done| {
            let mut zeros = raw::uffdio_zeropage {
                range: range(&(addresses.start + done..addresses.end)),
                mode: 0,
                zeropage: 0,
            };
            let result = ioctl(&self.fd, UFFDIO_ZEROPAGE, &mut zeros);
            (result, zeros.zeropage)
        })
    }

    /// Makes writes to the pages that are there faults, or no longer.
    ///
    /// # Safety
    /// The addresses are the caller's and registered.
    pub(crate) unsafe fn write_protect(
        &self,
        addresses: &Range<usize>,
        yes: bool,
    ) -> Result<(), Errno> {
        loop {
            let mut protect = raw::uffdio_writeprotect {
                range: range(addresses),
                mode: if yes { UFFDIO_WRITEPROTECT_MODE_WP } else { 0 },
            };
            match ioctl(&self.fd, UFFDIO_WRITEPROTECT, &mut protect) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }
}

fn range(addresses: &Range<usize>) -> raw::uffdio_range {
    raw::uffdio_range { start: addresses.start as u64, len: addresses.len() as u64 }
}

/// Repeats an operation that may stop midway (EAGAIN, with the bytes done in the structure) until all
/// `len` bytes are done. ENOMEM only if none are.
fn each_step(
    len: usize,
    mut step: impl FnMut(usize) -> (Result<(), Errno>, i64),
) -> Result<(), Errno> {
    let mut done = 0;
    let mut patience = Patience::default();
    while done < len {
        let (result, progress) = step(done);
        match result {
            Ok(()) => return Ok(()),
            Err(Errno::AGAIN | Errno::INTR) => done += progress.max(0) as usize,
            // What is done others may have seen.
            Err(Errno::NOMEM) if done > 0 => patience.pause(),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn ioctl<T>(fd: &OwnedFd, request: u32, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: each caller passes the structure that the request is defined for (ioctl_userfaultfd(2)),
    // borrowed for the call. What the request does to addresses is in the caller's contract.
    match unsafe {
        libc::ioctl(fd.as_fd().as_raw_fd(), request.into(), core::ptr::from_mut(argument))
    } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Drops the pages of many ranges at once, through a descriptor of this very process.
///
/// # Safety
/// The ranges are the caller's, and nobody counts on their bytes.
pub(crate) unsafe fn drop_many(itself: &OwnedFd, ranges: &[libc::iovec]) -> Result<(), Errno> {
    let mut rest = ranges;
    while !rest.is_empty() {
        let batch = &rest[..rest.len().min(libc::UIO_MAXIOV as usize)];
        // SAFETY: by the caller's contract; the list is readable for the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_process_madvise,
                itself.as_raw_fd(),
                batch.as_ptr(),
                batch.len(),
                libc::MADV_DONTNEED,
                0,
            )
        };
        let whole: usize = batch.iter().map(|range| range.iov_len).sum();
        match done {
            -1 => return Err(last_errno()),
            done if done as usize == whole => rest = &rest[batch.len()..],
            // It stopped midway, and says at which byte. What is done again is dropped again.
            done => {
                let mut left = done as usize;
                let whole = batch.iter().take_while(|range| {
                    let before = left;
                    left = left.saturating_sub(range.iov_len);
                    before >= range.iov_len
                });
                let passed = whole.count();
                if passed == 0 {
                    return Err(Errno::AGAIN);
                }
                rest = &rest[passed..];
            }
        }
    }
    Ok(())
}

/// Waits until `word` is no longer `seen`, or for no reason (futex(2)).
pub(crate) fn wait(word: &std::sync::atomic::AtomicU32, seen: u32) {
    let _ = rustix::thread::futex::wait(word, rustix::thread::futex::Flags::PRIVATE, seen, None);
}

/// The same, for less than a second.
pub(crate) fn wait_for(word: &std::sync::atomic::AtomicU32, seen: u32, most: Duration) {
    let most = rustix::fs::Timespec { tv_sec: 0, tv_nsec: most.subsec_nanos().into() };
    let flags = rustix::thread::futex::Flags::PRIVATE;
    let _ = rustix::thread::futex::wait(word, flags, seen, Some(&most));
}

/// A number that this thread has and no other that runs.
pub(crate) fn thread() -> usize {
    // SAFETY: pthread_self(3) is always safe to call.
    unsafe { libc::pthread_self() as usize }
}

/// Wakes all that wait for `word`.
pub(crate) fn wake(word: &std::sync::atomic::AtomicU32) {
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::PRIVATE, u32::MAX >> 1);
}

/// Runs `work`, which may touch mappings that fault, inside a page hook: with SIGBUS and SIGSEGV
/// unblocked, and their handler on the stack in use.
///
/// A hook runs with all signals blocked, where a second fault would end the process, and beside the
/// alternate stack, which holds the first signal's frame and would be written over from its top.
pub(crate) fn nested<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the sets are initialised by sigemptyset and pthread_sigmask; the calls change this thread's
    // mask only.
    let before_mask = unsafe {
        let mut set = core::mem::zeroed();
        let mut old = core::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGBUS);
        libc::sigaddset(&mut set, libc::SIGSEGV);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, &mut old);
        old
    };
    let restore_mask = || {
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before_mask, core::ptr::null_mut()) };
    };
    // SAFETY: the set is initialised.
    if unsafe { libc::sigismember(&before_mask, libc::SIGBUS) } != 1 {
        // An ordinary thread: no handler of ours runs.
        let result = work();
        // SAFETY: as above.
        if unsafe { libc::sigismember(&before_mask, libc::SIGSEGV) } == 1 {
            restore_mask();
        }
        return result;
    }
    let none =
        libc::stack_t { ss_sp: core::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let mut before = none;
    // SAFETY: both structures are valid. EPERM, where this code runs on the alternate stack itself: then
    // the kernel puts the second frame below, where it is free (sigaltstack(2)).
    let disabled = unsafe { libc::sigaltstack(&none, &mut before) } == 0;
    let result = work();
    restore_mask();
    if disabled && before.ss_flags & libc::SS_DISABLE == 0 {
        // What remains are flags that can be set, of SS_AUTODISARM.
        before.ss_flags &= !libc::SS_ONSTACK;
        // SAFETY: the stack was this thread's a moment ago, and nobody has been told that it is not.
        unsafe { libc::sigaltstack(&before, core::ptr::null_mut()) };
    }
    result
}
