//! What can be mapped: anything with a file descriptor.

use std::os::fd::{AsRawFd, RawFd};

/// A file descriptor, on its way from an argument to mmap(2). It owns nothing.
#[expect(missing_debug_implementations, reason = "the API is memmap2's")]
pub struct MmapRawDescriptor(pub(crate) RawFd);

/// What a map can be made of: a reference to anything with a file descriptor, or its number.
///
/// ```
/// use memmap2::{Mmap, MmapAsRawDesc};
/// use std::{fs::File, os::fd::AsRawFd};
///
/// let file = File::open("Cargo.toml")?;
/// // SAFETY: nobody edits this file while the test runs.
/// let (by_reference, by_number) = unsafe { (Mmap::map(&file)?, Mmap::map(file.as_raw_fd())?) };
/// assert_eq!(by_reference[..], by_number[..]);
/// # fn takes(_: impl MmapAsRawDesc) {}
/// # takes(&file);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait MmapAsRawDesc {
    /// The descriptor.
    fn as_raw_desc(&self) -> MmapRawDescriptor;
}

impl MmapAsRawDesc for RawFd {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(*self)
    }
}

impl<T> MmapAsRawDesc for &T
where
    T: AsRawFd,
{
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self.as_raw_fd())
    }
}
