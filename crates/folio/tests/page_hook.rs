//! The page hook, with a pager of two kinds: one that keeps missing pages PROT_NONE and moves
//! filled ones into their place, and one on userfaultfd(2) with signals.
#![allow(unsafe_code)]

mod signals_common;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use folio::Mapping;
use folio::pagehook::{FillPage, PageFault, PageHook, PageOutcome, attach};
use signals_common::*;

const PAGES: usize = 16;
/// A page that the store cannot deliver.
const FAILS: usize = 7;

fn map_anonymous(len: usize, protection: i32) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address that the kernel chooses.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    start.cast()
}

/// What a pager counts while it fills pages of [`pattern`].
#[derive(Default)]
struct Counts {
    filled: AtomicUsize,
    writes: AtomicUsize,
    signal: AtomicUsize,
}

impl Counts {
    fn page(&self, start: usize, fault: &PageFault) -> Option<usize> {
        let page = (fault.address - start) / PAGE;
        self.filled.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(usize::from(fault.write), Ordering::Relaxed);
        self.signal.store(fault.signal as usize, Ordering::Relaxed);
        (page != FAILS).then_some(page)
    }
}

/// Moves filled pages over PROT_NONE ones.
struct Mover {
    start: usize,
    bytes: Vec<u8>,
    counts: Arc<Counts>,
}

impl FillPage for Mover {
    fn fill_page(&self, fault: &PageFault) -> PageOutcome {
        let Some(page) = self.counts.page(self.start, fault) else { return PageOutcome::Failed };
        // As much stack as reading from a store may take, and some heap.
        let staging = std::hint::black_box([0xaa_u8; 64 << 10]);
        let mut bytes = staging[..PAGE].to_vec();
        bytes.copy_from_slice(&self.bytes[page * PAGE..][..PAGE]);
        let scratch = map_anonymous(PAGE, libc::PROT_READ | libc::PROT_WRITE);
        let target = ptr::with_exposed_provenance_mut(self.start + page * PAGE);
        // SAFETY: the scratch page is this call's own; the target page is the hook's, and another
        // thread that filled it meanwhile put the same bytes there.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), scratch, PAGE);
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            let moved = libc::mremap(scratch.cast(), PAGE, PAGE, flags, target);
            assert_eq!(moved, target);
        }
        PageOutcome::Filled
    }
}

/// A region whose pages are missing, and its hook.
struct Paged {
    hook: PageHook,
    start: *mut u8,
    counts: Arc<Counts>,
    _userfault: Option<Arc<OwnedFd>>,
}

fn paged_by_moving() -> Paged {
    let start = map_anonymous(PAGES * PAGE, libc::PROT_NONE);
    let counts = Arc::new(Counts::default());
    let fill = Mover {
        start: start.expose_provenance(),
        bytes: pattern(PAGES * PAGE),
        counts: Arc::clone(&counts),
    };
    // SAFETY: the region is this function's, holds no folio mapping and stays mapped for good.
    let hook = unsafe { attach(start.addr()..start.addr() + PAGES * PAGE, Box::new(fill)) };
    Paged { hook: hook.unwrap(), start, counts, _userfault: None }
}

/// Fills missing pages with UFFDIO_COPY.
struct Copier {
    start: usize,
    bytes: Vec<u8>,
    fd: Arc<OwnedFd>,
    counts: Arc<Counts>,
}

impl FillPage for Copier {
    fn fill_page(&self, fault: &PageFault) -> PageOutcome {
        const UFFDIO_COPY: libc::c_ulong = 0xc028_aa03;
        let Some(page) = self.counts.page(self.start, fault) else { return PageOutcome::Failed };
        let from = self.bytes[page * PAGE..].as_ptr().addr() as u64;
        // struct uffdio_copy: dst, src, len, mode, copy.
        let mut copy = [(self.start + page * PAGE) as u64, from, PAGE as u64, 0, 0];
        // SAFETY: the structure is the one UFFDIO_COPY takes (ioctl_userfaultfd(2)), and the page
        // at its source is readable.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), UFFDIO_COPY, copy.as_mut_ptr()) };
        let errno = std::io::Error::last_os_error().raw_os_error();
        // Another thread may have been faster.
        if result == 0 || errno == Some(libc::EEXIST) {
            PageOutcome::Filled
        } else {
            PageOutcome::Failed
        }
    }
}

fn paged_by_userfaultfd() -> Option<Paged> {
    const UFFD_USER_MODE_ONLY: libc::c_int = 1;
    const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
    const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
    const UFFD_FEATURE_SIGBUS: u64 = 1 << 7;
    let flags = libc::O_CLOEXEC | UFFD_USER_MODE_ONLY;
    // SAFETY: userfaultfd(2) takes flags.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) } as libc::c_int;
    if fd < 0 {
        note(&format!("skipped: userfaultfd(2), {}", std::io::Error::last_os_error()), &[]);
        return None;
    }
    // SAFETY: the descriptor is new and has no other owner.
    let fd = Arc::new(unsafe { OwnedFd::from_raw_fd(fd) });
    let start = map_anonymous(PAGES * PAGE, libc::PROT_READ | libc::PROT_WRITE);
    // struct uffdio_api: api, features, ioctls; struct uffdio_register: start, len, mode (missing),
    // ioctls.
    let mut api = [0xaa, UFFD_FEATURE_SIGBUS, 0];
    let mut register = [start.expose_provenance() as u64, (PAGES * PAGE) as u64, 1, 0];
    // SAFETY: the structures are those that the ioctls take (ioctl_userfaultfd(2)).
    unsafe {
        if libc::ioctl(fd.as_raw_fd(), UFFDIO_API, api.as_mut_ptr()) != 0 {
            let error = std::io::Error::last_os_error();
            note(&format!("skipped: UFFD_FEATURE_SIGBUS, {error}"), &[]);
            return None;
        }
        assert_eq!(libc::ioctl(fd.as_raw_fd(), UFFDIO_REGISTER, register.as_mut_ptr()), 0);
    }
    let counts = Arc::new(Counts::default());
    let fill = Copier {
        start: start.addr(),
        bytes: pattern(PAGES * PAGE),
        fd: Arc::clone(&fd),
        counts: Arc::clone(&counts),
    };
    // SAFETY: as in `paged_by_moving`.
    let hook = unsafe { attach(start.addr()..start.addr() + PAGES * PAGE, Box::new(fill)) };
    Some(Paged { hook: hook.unwrap(), start, counts, _userfault: Some(fd) })
}

impl Paged {
    fn at(&self, position: usize) -> *mut u8 {
        self.start.wrapping_add(position)
    }

    fn read(&self, position: usize) -> u8 {
        // SAFETY: the byte lies in the region, which stays mapped; the hook fills its page.
        unsafe { self.at(position).read_volatile() }
    }
}

/// Everything that can be done with a region but to touch the page that fails.
fn pages_come_when_touched(paged: Paged, signal: i32) {
    let bytes = pattern(PAGES * PAGE);
    assert_eq!(paged.hook.addresses(), paged.start.addr()..paged.start.addr() + PAGES * PAGE);
    assert_eq!(paged.read(5), bytes[5]);
    assert_eq!(paged.counts.filled.load(Ordering::Relaxed), 1);
    assert_eq!(paged.counts.signal.load(Ordering::Relaxed), signal as usize);
    assert_eq!(paged.read(6), bytes[6]);
    assert_eq!(paged.counts.filled.load(Ordering::Relaxed), 1);

    // SAFETY: as in `read`; nobody else touches the byte.
    unsafe { paged.at(PAGE + 9).write_volatile(200) };
    assert_eq!(paged.counts.writes.load(Ordering::Relaxed), 1);
    assert_eq!((paged.read(PAGE + 9), paged.read(PAGE + 10)), (200, bytes[PAGE + 10]));

    // The user's side of folio's copies: missing pages are filled, and the copy goes on.
    let map = Mapping::options().private().write().anonymous(PAGES * PAGE).unwrap();
    map.write_at(0, &bytes).unwrap();
    // SAFETY: two pages of the region that nobody else touches.
    let user = unsafe { std::slice::from_raw_parts_mut(paged.at(2 * PAGE - 100), PAGE + 200) };
    map.read_at(300, user).unwrap();
    assert_eq!(user, &bytes[300..300 + PAGE + 200]);
    assert_eq!(paged.read(3 * PAGE + 100), bytes[3 * PAGE + 100]);
    // SAFETY: as above.
    let user = unsafe { std::slice::from_raw_parts(paged.at(4 * PAGE), 2 * PAGE) };
    map.write_at(1, user).unwrap();
    assert_eq!(map.view().range(1..2 * PAGE + 1).unwrap().to_vec().unwrap(), user);
    assert_eq!(user, &bytes[4 * PAGE..6 * PAGE]);

    // All threads at once.
    let start = paged.start.expose_provenance();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (position, &want) in bytes.iter().enumerate().skip((FAILS + 1) * PAGE) {
                    let byte: *const u8 = ptr::with_exposed_provenance(start + position);
                    // SAFETY: as in `read`.
                    assert_eq!(unsafe { byte.read_volatile() }, want);
                }
            });
        }
    });
    // Faults of kernel mappings are handled beside it.
    folio_handles_a_fault();
}

#[test]
fn pages_that_are_moved_into_place_come_when_touched() {
    let ended = in_child("pages_that_are_moved_into_place_come_when_touched", || {
        pages_come_when_touched(paged_by_moving(), libc::SIGSEGV);
    });
    ended.unwrap().assert_success();
}

#[test]
fn pages_of_a_userfaultfd_come_when_touched() {
    let ended = in_child("pages_of_a_userfaultfd_come_when_touched", || {
        if let Some(paged) = paged_by_userfaultfd() {
            pages_come_when_touched(paged, libc::SIGBUS);
        }
    });
    let ended = ended.unwrap();
    ended.notes.iter().for_each(|note| println!("{note}"));
    ended.assert_success();
}

#[test]
fn a_page_that_fails_is_the_signal_it_would_be_without_folio() {
    let ended = in_child("a_page_that_fails_is_the_signal_it_would_be_without_folio", || {
        let paged = paged_by_moving();
        paged.read(0);
        paged.read(FAILS * PAGE);
    });
    let ended = ended.unwrap();
    assert!(ended.died_of(libc::SIGSEGV), "{ended:#?}");
}

#[test]
fn a_hook_that_was_dropped_fills_no_page() {
    let ended = in_child("a_hook_that_was_dropped_fills_no_page", || {
        let paged = paged_by_moving();
        let filled = paged.read(0);
        let (start, counts) = (paged.start, Arc::clone(&paged.counts));
        drop(paged);
        // SAFETY: the region is still mapped, this page readable.
        assert_eq!(unsafe { start.read_volatile() }, filled);
        assert_eq!(Arc::strong_count(&counts), 1);
        // SAFETY: it is not: the process dies.
        unsafe { start.wrapping_add(PAGE).read_volatile() };
    });
    let ended = ended.unwrap();
    assert!(ended.died_of(libc::SIGSEGV), "{ended:#?}");
}

#[test]
fn a_forked_child_has_no_hook() {
    let ended = in_child("a_forked_child_has_no_hook", || {
        let paged = paged_by_moving();
        let bytes = pattern(PAGES * PAGE);
        assert_eq!(paged.read(1), bytes[1]);
        // SAFETY: the child touches memory and ends.
        let status = unsafe {
            match libc::fork() {
                0 => {
                    assert_eq!(paged.read(2), bytes[2]);
                    paged.read(PAGE);
                    libc::_exit(0);
                }
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &raw mut status, 0);
                    status
                }
            }
        };
        assert_eq!(status & 0x7f, libc::SIGSEGV, "{status:#x}");
        assert_eq!(paged.read(PAGE), bytes[PAGE]);
    });
    ended.unwrap().assert_success();
}

#[test]
fn an_empty_range_takes_no_hook() {
    let fill = Mover { start: 0, bytes: Vec::new(), counts: Arc::default() };
    // SAFETY: there are no addresses.
    let error = unsafe { attach(4096..4096, Box::new(fill)) }.unwrap_err();
    assert_eq!(error.kind(), folio::ErrorKind::OutOfRange);
}
