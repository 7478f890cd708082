//! Mappings that folio did not make.
#![allow(unsafe_code, dead_code, unreachable_pub)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;

use folio::foreign;

/// A file's pages, mapped by libc alone.
pub struct Raw {
    pub start: *mut u8,
    pub len: usize,
}

impl Raw {
    pub fn of(path: &Path, len: usize, protection: i32, flags: i32) -> Self {
        let write = protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0;
        let file = File::options().read(true).write(write).open(path).unwrap();
        // SAFETY: a new mapping touches no other.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, file.as_raw_fd(), 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: start.cast(), len }
    }

    pub fn shared(path: &Path, len: usize) -> Self {
        Self::of(path, len, libc::PROT_READ, libc::MAP_SHARED)
    }

    pub fn addresses(&self) -> std::ops::Range<usize> {
        self.start.addr()..self.start.addr() + self.len
    }

    pub fn read(&self, at: usize) -> u8 {
        assert!(at < self.len);
        // SAFETY: mapped, and read as others may change it.
        unsafe { self.start.add(at).read_volatile() }
    }

    pub fn write(&self, at: usize, byte: u8) {
        assert!(at < self.len);
        // SAFETY: mapped, and nobody has a reference.
        unsafe { self.start.add(at).write_volatile(byte) }
    }

    pub fn guard(&self) {
        // SAFETY: no soundness rests on the bytes; `drop` says that the mapping goes.
        unsafe { foreign::guard(self.addresses()) }.unwrap();
    }

    pub fn check(&self) -> Option<folio::Fault> {
        foreign::check(self.addresses()).err()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let (start, len) = (self.start.cast(), self.len);
        // SAFETY: nobody refers to it.
        let unmap = || if unsafe { libc::munmap(start, len) } == 0 { Ok(()) } else { Err(()) };
        foreign::replace(self.addresses(), unmap).unwrap();
    }
}
