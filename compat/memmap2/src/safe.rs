//! Files that nobody can change, which can be mapped without `unsafe`.
//!
//! Two kinds: memory files (memfd_create(2)) sealed against shrinking and writing, and files with
//! fs-verity on a file system whose kernel code enforces it. The server of a FUSE or network file
//! system can claim what it likes.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::RawFd;

use crate::inner::file_len;

/// Why [`MmapOptions::map_if_safe`](crate::MmapOptions::map_if_safe) gave no map: this platform
/// cannot tell, the file can be changed, or mapping failed. Converts into [`std::io::Error`].
pub struct MapIfSafeError {
    inner: Reason,
}

#[derive(Debug)]
enum Reason {
    NotSafe(io::Error),
    MapFailed(io::Error),
}

impl MapIfSafeError {
    fn refused(why: impl Into<String>) -> Self {
        let error = io::Error::new(io::ErrorKind::InvalidInput, why.into());
        Self { inner: Reason::NotSafe(error) }
    }

    pub(crate) fn failed(error: io::Error) -> Self {
        Self { inner: Reason::MapFailed(error) }
    }

    /// Whether the platform has no way to tell. Never so on Linux.
    pub fn not_supported(&self) -> bool {
        false
    }

    /// Whether it was refused because the file can be changed, or is shorter than what was asked.
    pub fn not_safe(&self) -> bool {
        matches!(self.inner, Reason::NotSafe(_))
    }

    /// Whether mapping itself failed.
    pub fn map_failed(&self) -> bool {
        matches!(self.inner, Reason::MapFailed(_))
    }
}

impl std::error::Error for MapIfSafeError {}

impl fmt::Display for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Reason::NotSafe(error) | Reason::MapFailed(error)) = &self.inner;
        fmt::Display::fmt(error, f)
    }
}

impl fmt::Debug for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl From<MapIfSafeError> for io::Error {
    fn from(value: MapIfSafeError) -> Self {
        let (Reason::NotSafe(error) | Reason::MapFailed(error)) = value.inner;
        error
    }
}

/// Whether nobody can change the file, and it has the bytes from `offset` on.
pub(crate) fn check(fd: RawFd, offset: u64, len: usize) -> Result<(), MapIfSafeError> {
    check_file(fd)?;
    let file = file_len(fd).map_err(|error| {
        MapIfSafeError::refused(format!("not safe to map: its length is not known: {error}"))
    })?;
    let end = offset.checked_add(len as u64).ok_or_else(|| {
        let reason = "offset and length together overflow";
        MapIfSafeError::failed(io::Error::new(io::ErrorKind::InvalidInput, reason))
    })?;
    if end > file {
        let reason = format!("not safe to map: bytes up to {end} of a file of {file} bytes");
        return Err(MapIfSafeError::refused(reason));
    }
    Ok(())
}

fn check_file(fd: RawFd) -> Result<(), MapIfSafeError> {
    // SAFETY: F_GET_SEALS takes no argument and touches no memory (fcntl(2)).
    let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
    if seals < 0 {
        return if is_verity(fd) {
            Ok(())
        } else {
            Err(MapIfSafeError::refused(
                "not safe to map: neither a memory file with seals nor a file with fs-verity",
            ))
        };
    }
    let wanted = [(libc::F_SEAL_SHRINK, "F_SEAL_SHRINK"), (libc::F_SEAL_WRITE, "F_SEAL_WRITE")];
    let missing: Vec<&str> =
        wanted.iter().filter(|(seal, _)| seals & seal == 0).map(|&(_, name)| name).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        let reason = format!("not safe to map: the memory file lacks {}", missing.join(", "));
        Err(MapIfSafeError::refused(reason))
    }
}

/// Whether fs-verity is on (FS_IOC_MEASURE_VERITY), and ext4, f2fs or btrfs, which enforce it
/// (Documentation/filesystems/fsverity.rst), is what says so.
fn is_verity(fd: RawFd) -> bool {
    const FS_IOC_MEASURE_VERITY: libc::Ioctl = 0xc004_6686_u32 as libc::Ioctl;
    const WITH_VERITY: [u64; 3] = [0xef53, 0xf2f5_2010, 0x9123_683e];

    let mut fs = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: fstatfs writes one structure (statfs(2)); zeros are a valid one.
    let kind = unsafe {
        if libc::fstatfs(fd, fs.as_mut_ptr()) != 0 {
            return false;
        }
        fs.assume_init().f_type as u64
    };
    // Algorithm and size, 16 bits each. A size of 0 has the kernel write no digest, and answer
    // EOVERFLOW where there is one.
    let mut digest = [0u16; 2];
    // SAFETY: the kernel reads the structure's size field and writes at most that many bytes behind
    // it, and the structure itself.
    let result = unsafe { libc::ioctl(fd, FS_IOC_MEASURE_VERITY, digest.as_mut_ptr()) };
    let measured =
        result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EOVERFLOW);
    measured && WITH_VERITY.contains(&kind)
}
