//! Reading and writing past the page cache, whatever the alignment.
//!
//! Invariants:
//! - A transfer with O_DIRECT is aligned in offset, length and address.
//! - A write of part of a block goes through the page cache, on a descriptor without O_DIRECT, while this
//!   process has no direct write under way in the file: the kernel's page is then never older than
//!   what lies beneath it, and the file never longer than what was written.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use rustix::fs::{AtFlags, StatxFlags};

use crate::{Error, ErrorKind, Result};

/// The most that goes through one bounce buffer.
const BOUNCE_BYTES: usize = 1 << 20;
/// What is assumed where the kernel does not say (before Linux 6.1, and some file systems).
const USUAL_ALIGNMENT_BYTES: u32 = 4096;
/// tmpfs and ramfs (statfs(2)): they take the flag, or not, and have nothing but a page cache.
const WITHOUT_MEDIUM: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// One for each file, as good as: files that share one wait for each other for no reason.
static LOCKS: [RwLock<()>; 64] = [const { RwLock::new(()) }; 64];

/// Bytes at an aligned address.
struct Bounce {
    bytes: Vec<u8>,
    start: usize,
    count: usize,
}

impl Bounce {
    fn new(count: usize, alignment: usize) -> Self {
        let bytes = vec![0; count + alignment];
        let address = bytes.as_ptr().addr();
        let start = address.next_multiple_of(alignment) - address;
        Self { bytes, start, count }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.count]
    }
}

#[derive(Debug)]
pub(crate) struct Direct {
    offset_bytes: usize,
    address_bytes: usize,
    /// The file without O_DIRECT, if it is written.
    cached: Option<File>,
    lock: &'static RwLock<()>,
}

impl Direct {
    /// `None` if the file system takes the flag and ignores it.
    pub(crate) fn new(
        file: &File,
        metadata: &Metadata,
        writable: bool,
        name: &str,
    ) -> Result<Option<Self>> {
        let failed = |error: io::Error| Error::os("open", name, &error);
        let statfs = rustix::fs::fstatfs(file).map_err(|error| failed(error.into()))?;
        let is_device = metadata.file_type().is_block_device();
        if !is_device && WITHOUT_MEDIUM.contains(&(statfs.f_type as u64)) {
            return Ok(None);
        }
        let asked = StatxFlags::DIOALIGN;
        let (offset_bytes, address_bytes) =
            match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, asked) {
                Ok(stat) if stat.stx_mask & asked.bits() != 0 => {
                    (stat.stx_dio_offset_align, stat.stx_dio_mem_align)
                }
                _ => (USUAL_ALIGNMENT_BYTES, USUAL_ALIGNMENT_BYTES),
            };
        if !offset_bytes.is_power_of_two() || !address_bytes.is_power_of_two() {
            return Ok(None);
        }
        let cached = match writable {
            // The same file, even if another one has its path by now.
            true => Some(
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
                    .map_err(|_| {
                        Error::new(ErrorKind::Unsupported, "open", name)
                            .reason("it cannot be opened once more, through /proc/self/fd")
                            .advice("mount /proc, or open it without `direct`")
                    })?,
            ),
            false => None,
        };
        let number = if is_device { metadata.rdev() } else { metadata.ino() };
        Ok(Some(Self {
            offset_bytes: offset_bytes as usize,
            address_bytes: address_bytes as usize,
            cached,
            lock: &LOCKS[number as usize % LOCKS.len()],
        }))
    }

    pub(crate) fn unsupported(name: &str) -> Error {
        Error::new(ErrorKind::Unsupported, "open", name)
            .reason("its file system cannot leave out the page cache (O_DIRECT)")
            .advice("open it without `direct`, or with `direct_if_possible`")
    }

    /// The multiple that suits offsets, lengths and addresses.
    pub(crate) fn alignment_bytes(&self) -> u32 {
        self.offset_bytes.max(self.address_bytes) as u32
    }

    /// Holds off all direct writes, and is held off by them.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'static, ()> {
        self.lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// As pread(2); `buf` is not empty.
    pub(crate) fn read(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let block = self.offset_bytes;
        let before = (offset % block as u64) as usize;
        let whole = buf.len() - buf.len() % block;
        if before == 0 && whole > 0 && buf.as_ptr().addr().is_multiple_of(self.address_bytes) {
            return file.read_at(&mut buf[..whole], offset);
        }
        let count = buf.len().min(BOUNCE_BYTES - before);
        let mut bounce = Bounce::new((before + count).next_multiple_of(block), self.address_bytes);
        let start = offset - before as u64;
        let mut done = 0;
        // What comes short without being the end is a whole number of blocks.
        while done <= before && done.is_multiple_of(block) {
            match file.read_at(&mut bounce.bytes()[done..], start + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        let count = done.saturating_sub(before).min(count);
        buf[..count].copy_from_slice(&bounce.bytes()[before..before + count]);
        Ok(count)
    }

    /// As pwrite(2); `bytes` is not empty.
    pub(crate) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let block = self.offset_bytes;
        let before = (offset % block as u64) as usize;
        let whole = bytes.len() - bytes.len() % block;
        if before > 0 || whole == 0 {
            let count = bytes.len().min(block - before);
            let _alone = self.alone();
            let cached = self.cached.as_ref().ok_or(io::ErrorKind::ReadOnlyFilesystem)?;
            return cached.write_at(&bytes[..count], offset);
        }
        let _together = self.lock.read().unwrap_or_else(PoisonError::into_inner);
        if bytes.as_ptr().addr().is_multiple_of(self.address_bytes) {
            return file.write_at(&bytes[..whole], offset);
        }
        let count = whole.min(BOUNCE_BYTES);
        let mut bounce = Bounce::new(count, self.address_bytes);
        bounce.bytes().copy_from_slice(&bytes[..count]);
        file.write_at(bounce.bytes(), offset)
    }
}
