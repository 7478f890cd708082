//! Memory to look at.
#![allow(unsafe_code, dead_code, unreachable_pub, missing_debug_implementations)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::ptr;

use folio_stat::{Costs, Process, Via};

pub const PAGE: usize = 4096;
pub const HUGE: usize = 2 << 20;
pub const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
pub const VIAS: [Via; 3] = [Via::Best, Via::Ioctl, Via::Text];

/// A mapping with an inaccessible page on either side, so that the kernel cannot join it with a
/// neighbour. It lies on a boundary of 2 MiB.
pub struct Area {
    pub address: usize,
    pub length: usize,
    reservation: Range<usize>,
}

impl Area {
    pub fn new(length: usize, protection: i32, flags: i32, file: Option<(&File, u64)>) -> Self {
        Self::try_new(length, protection, flags, file).unwrap()
    }

    pub fn anonymous(pages: usize) -> Self {
        Self::new(pages * PAGE, RW, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, None)
    }

    pub fn try_new(
        length: usize,
        protection: i32,
        flags: i32,
        file: Option<(&File, u64)>,
    ) -> io::Result<Self> {
        let around = if protection == libc::PROT_NONE { libc::PROT_READ } else { libc::PROT_NONE };
        let reserved = length.next_multiple_of(HUGE) + 2 * HUGE;
        // SAFETY: a new mapping at an address the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                reserved,
                around,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        let reservation = base as usize..base as usize + reserved;
        let address = (reservation.start + 1).next_multiple_of(HUGE);
        let (fd, offset) =
            file.map_or((-1, 0), |(file, offset)| (file.as_raw_fd(), offset as libc::off_t));
        // SAFETY: the range lies inside the reservation just made.
        let at = unsafe {
            libc::mmap(address as *mut _, length, protection, flags | libc::MAP_FIXED, fd, offset)
        };
        let area = Self { address, length, reservation };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(area) }
    }

    pub fn range(&self) -> Range<usize> {
        self.address..self.address + self.length
    }

    pub fn pages(&self, pages: Range<usize>) -> Range<usize> {
        self.address + pages.start * PAGE..self.address + pages.end * PAGE
    }

    pub fn write(&self, pages: Range<usize>) {
        for page in pages {
            // SAFETY: the test made this page writable, and no reference to it exists.
            unsafe { ((self.address + page * PAGE) as *mut u8).write_volatile(7) };
        }
    }

    pub fn read(&self, pages: Range<usize>) {
        for page in pages {
            // SAFETY: the test made this page readable, and no reference to it exists.
            unsafe { ((self.address + page * PAGE) as *const u8).read_volatile() };
        }
    }

    pub fn advise(&self, pages: Range<usize>, advice: i32) -> io::Result<()> {
        let range = self.pages(pages);
        // SAFETY: the range is this area's, and no reference to it exists.
        check(unsafe { libc::madvise(range.start as *mut _, range.len(), advice) })
    }

    pub fn lock(&self, pages: Range<usize>) -> io::Result<()> {
        let range = self.pages(pages);
        // SAFETY: locking changes no bytes.
        check(unsafe { libc::mlock(range.start as *const _, range.len()) })
    }

    pub fn protect(&self, pages: Range<usize>, protection: i32) -> io::Result<()> {
        let range = self.pages(pages);
        // SAFETY: the range is this area's, and no reference to it exists.
        check(unsafe { libc::mprotect(range.start as *mut _, range.len(), protection) })
    }

    pub fn unmap(&self, pages: Range<usize>) {
        let range = self.pages(pages);
        // SAFETY: the range is this area's, and no reference to it exists.
        check(unsafe { libc::munmap(range.start as *mut _, range.len()) }).unwrap();
    }

    pub fn costs(&self, via: Via) -> Costs {
        costs(self.range(), via)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: all of the reservation is this area's; sealed parts make it fail, harmlessly.
        unsafe { libc::munmap(self.reservation.start as *mut _, self.reservation.len()) };
    }
}

pub fn check(status: i32) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub fn costs(range: Range<usize>, via: Via) -> Costs {
    let costs = Process::current().unwrap().via(via).costs(range).unwrap();
    assert_eq!(costs.resident_bytes, costs.shared_bytes() + costs.private_bytes(), "{costs:?}");
    costs
}

pub fn memfd(name: &std::ffi::CStr, flags: u32, length: usize) -> io::Result<File> {
    // SAFETY: the name is a C string; the descriptor is new and nobody else's.
    let file = unsafe {
        let fd = libc::memfd_create(name.as_ptr(), flags | libc::MFD_CLOEXEC);
        check(fd)?;
        File::from_raw_fd(fd)
    };
    file.set_len(length as u64)?;
    Ok(file)
}

/// A file on disk, written a page at a time so that the page cache holds it page by page, and
/// synchronized.
pub fn clean_file(pages: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))
        .or_else(|_| tempfile::NamedTempFile::new())
        .unwrap();
    for page in 0..pages {
        file.as_file().write_all_at(&[page as u8; PAGE], (page * PAGE) as u64).unwrap();
    }
    file.as_file().sync_all().unwrap();
    file
}

pub fn is_root() -> bool {
    // SAFETY: geteuid(2) only returns a number.
    unsafe { libc::geteuid() == 0 }
}

/// Runs one test of this file again as the user nobody, and checks that it passes.
pub fn again_as_nobody(test: &str) {
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .output();
    match output {
        Ok(output) if !matches!(output.status.code(), Some(126 | 127)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        }
        other => skip(format_args!("setpriv cannot run the tests as nobody: {other:?}")),
    }
}

/// A child that sleeps until it is dropped.
pub struct Sleeper(pub std::process::Child);

impl Sleeper {
    pub fn new() -> Self {
        let child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let sleeper = Self(child);
        let stat = format!("/proc/{}/stat", sleeper.pid());
        let exe = format!("/proc/{}/exe", sleeper.pid());
        let is_asleep = || {
            std::fs::read_link(&exe).is_ok_and(|path| path != std::env::current_exe().unwrap())
                && std::fs::read_to_string(&stat).unwrap().contains(") S ")
        };
        for _ in 0..2000 {
            if is_asleep() {
                std::thread::sleep(std::time::Duration::from_millis(20));
                if is_asleep() {
                    return sleeper;
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("the child does not fall asleep");
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}
