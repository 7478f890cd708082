//! The pager's peers, by hand: pages of an anonymous area that come by userfaultfd from a buffer, by
//! the thread that touched them (the floor), or by another one that reads the descriptor.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use linux_raw_sys::general as raw;
use linux_raw_sys::ioctl::{UFFDIO_API, UFFDIO_COPY, UFFDIO_REGISTER};

use crate::raw::Raw;

fn ioctl<T>(fd: c_int, request: u32, argument: &mut T) -> c_int {
    // SAFETY: each caller passes the structure that the request is defined for (ioctl_userfaultfd(2)).
    unsafe { libc::ioctl(fd, request.into(), ptr::from_mut(argument)) }
}

fn open(features: u32, area: &Raw) -> Option<OwnedFd> {
    let flags = libc::O_CLOEXEC | raw::UFFD_USER_MODE_ONLY as c_int;
    // SAFETY: userfaultfd(2) takes flags alone.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) } as c_int;
    if fd < 0 {
        return None;
    }
    // SAFETY: `fd` was just opened and has no other owner.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut api =
        raw::uffdio_api { api: raw::UFFD_API.into(), features: features.into(), ioctls: 0 };
    let mut register = raw::uffdio_register {
        range: raw::uffdio_range { start: area.start as u64, len: area.len as u64 },
        mode: raw::UFFDIO_REGISTER_MODE_MISSING.into(),
        ioctls: 0,
    };
    let ready = ioctl(fd.as_raw_fd(), UFFDIO_API, &mut api) == 0
        && ioctl(fd.as_raw_fd(), UFFDIO_REGISTER, &mut register) == 0;
    ready.then_some(fd)
}

fn copy(fd: c_int, from: usize, to: usize, len: usize) {
    let mut copy =
        raw::uffdio_copy { dst: to as u64, src: from as u64, len: len as u64, mode: 0, copy: 0 };
    ioctl(fd, UFFDIO_COPY, &mut copy);
}

/// What the signal handler reads. One floor at a time takes its turn.
static FD: AtomicI32 = AtomicI32::new(-1);
static BASE: AtomicUsize = AtomicUsize::new(0);
static SOURCE: AtomicUsize = AtomicUsize::new(0);
static ROOM: AtomicUsize = AtomicUsize::new(0);
static GRANULE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn fill(_: c_int, information: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a valid structure, and SIGBUS has an address.
    let address = unsafe { (*information).si_addr() }.addr();
    let granule = GRANULE.load(Ordering::Relaxed);
    let base = BASE.load(Ordering::Relaxed);
    let offset = (address - base) & !(granule - 1);
    let source = SOURCE.load(Ordering::Relaxed) + offset % ROOM.load(Ordering::Relaxed);
    copy(FD.load(Ordering::Relaxed), source, base + offset, granule);
}

/// UFFD_FEATURE_SIGBUS and UFFDIO_COPY, and nothing else.
pub(crate) struct Bare {
    fd: OwnedFd,
    pub(crate) area: Raw,
    source: &'static [u8],
    granule: usize,
}

impl Bare {
    /// An area of `len` bytes that repeats `source`, which is a whole number of granules.
    pub(crate) fn new(len: usize, source: &'static [u8], granule: usize) -> Option<Self> {
        let area = Raw::anonymous(len);
        let fd = open(raw::UFFD_FEATURE_SIGBUS, &area)?;
        Some(Self { fd, area, source, granule })
    }

    /// Runs `work`, whose touches of the area find pages, on this thread.
    pub(crate) fn turn<R>(&self, work: impl FnOnce() -> R) -> R {
        FD.store(self.fd.as_raw_fd(), Ordering::Relaxed);
        BASE.store(self.area.start.addr(), Ordering::Relaxed);
        SOURCE.store(self.source.as_ptr().addr(), Ordering::Relaxed);
        ROOM.store(self.source.len(), Ordering::Relaxed);
        GRANULE.store(self.granule, Ordering::Relaxed);
        // SAFETY: all zeros is a valid action; `fill` has the signature that SA_SIGINFO asks for.
        let before = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = fill as extern "C" fn(_, _, _) as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before), 0);
            before
        };
        let result = work();
        // SAFETY: what the kernel has told is put back.
        unsafe { libc::sigaction(libc::SIGBUS, &raw const before, ptr::null_mut()) };
        result
    }
}

/// Drops the pages of an area.
pub(crate) fn drop_pages(area: &Raw) {
    // SAFETY: the area is the caller's, private, and holds nothing.
    unsafe { libc::madvise(area.start.cast(), area.len, libc::MADV_DONTNEED) };
}

/// Drops scattered pages in one call, through a descriptor of this process.
pub(crate) struct Dropper(OwnedFd);

impl Dropper {
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: pidfd_open(2) of this process.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) } as c_int;
        // SAFETY: `fd` was just opened and has no other owner.
        (fd >= 0).then(|| Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn drop_pages(&self, pages: &[*mut u8]) {
        let list: Vec<_> =
            pages.iter().map(|page| libc::iovec { iov_base: page.cast(), iov_len: 4096 }).collect();
        let advice = libc::MADV_DONTNEED;
        // SAFETY: the pages are the caller's, and hold nothing.
        unsafe {
            let fd = self.0.as_raw_fd();
            libc::syscall(libc::SYS_process_madvise, fd, list.as_ptr(), list.len(), advice, 0)
        };
    }
}

/// A thread that reads userfaultfd and answers.
pub(crate) struct Handler {
    fd: Arc<OwnedFd>,
    pub(crate) area: Raw,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handler {
    /// On the processor given, or wherever the scheduler likes.
    pub(crate) fn new(
        len: usize,
        source: &'static [u8],
        granule: usize,
        processor: Option<usize>,
    ) -> Option<Self> {
        let area = Raw::anonymous(len);
        let fd = Arc::new(open(0, &area)?);
        let ended = Arc::<AtomicBool>::default();
        let base = area.start.addr();
        let (theirs, end) = (fd.clone(), ended.clone());
        let work = move || {
            if let Some(processor) = processor {
                crate::machine::pin_to(processor);
            }
            loop {
                // SAFETY: all zeros is a valid message; read(2) writes no more than its size.
                let message = unsafe {
                    let mut message: raw::uffd_msg = std::mem::zeroed();
                    let fd = theirs.as_raw_fd();
                    let size = size_of::<raw::uffd_msg>();
                    if libc::read(fd, (&raw mut message).cast(), size) != size as isize {
                        continue;
                    }
                    message
                };
                // SAFETY: no other event has been asked for.
                let address = unsafe { message.arg.pagefault.address } as usize;
                let offset = (address - base) & !(granule - 1);
                copy(
                    theirs.as_raw_fd(),
                    source.as_ptr().addr() + offset % source.len(),
                    base + offset,
                    granule,
                );
                // Told before the last fault.
                if end.load(Ordering::Acquire) {
                    return;
                }
            }
        };
        Some(Self { fd, area, ended, thread: Some(std::thread::spawn(work)) })
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        drop_pages(&self.area);
        // One more fault, so that it looks.
        // SAFETY: the area is mapped as long as `self` lives.
        unsafe { self.area.start.read_volatile() };
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = &self.fd;
    }
}
