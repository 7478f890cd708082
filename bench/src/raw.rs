//! What there is without a library: mmap(2) and munmap(2) through libc. The floor of every row.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::ptr;

/// A mapping that is unmapped when dropped.
pub(crate) struct Raw {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
}

impl Raw {
    fn map(len: usize, prot: c_int, flags: c_int, fd: c_int) -> Self {
        // SAFETY: without MAP_FIXED no existing mapping is touched.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, fd, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: start.cast(), len }
    }

    pub(crate) fn of(file: &File, len: usize) -> Self {
        Self::map(len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd())
    }

    pub(crate) fn writable(file: &File, len: usize) -> Self {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        Self::map(len, prot, libc::MAP_SHARED, file.as_raw_fd())
    }

    pub(crate) fn anonymous(len: usize) -> Self {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        Self::map(len, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1)
    }

    /// Opens, asks for the length, maps, closes.
    pub(crate) fn open(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: the path ends with NUL and lives through the call.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: `fd` was just opened and has no other owner.
        let file = unsafe { File::from_raw_fd(fd) };
        Self::of(&file, len(&file))
    }

    /// mremap(2), which may move it.
    pub(crate) fn resize(&mut self, len: usize) {
        // SAFETY: the addresses are this mapping's; nothing borrowed from it is alive (`&mut`).
        let start = unsafe { libc::mremap(self.start.cast(), self.len, len, libc::MREMAP_MAYMOVE) };
        assert_ne!(start, libc::MAP_FAILED);
        (self.start, self.len) = (start.cast(), len);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped as long as `self` lives, of a file that is this process's
        // own, is not truncated, and is not written while such a slice is alive.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the addresses are this mapping's, and nothing borrowed from it is alive.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

/// A file's length by fstat(2).
pub(crate) fn len(file: &File) -> usize {
    // SAFETY: all zeros is a valid `stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: fstat(2) writes one `stat`.
    assert_eq!(unsafe { libc::fstat(file.as_raw_fd(), &raw mut stat) }, 0);
    stat.st_size as usize
}
