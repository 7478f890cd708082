//! The options of a map, and what makes one of them.
#![allow(unsafe_code)]

use std::io;

use folio::{Protection, Sharing};

use crate::inner::{Inner, READ, file_len};
use crate::safe::{self, MapIfSafeError};
use crate::{Mmap, MmapAsRawDesc, MmapMut, MmapRaw};

const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;

/// How a map is made: set what differs from the defaults, then call one of the methods that map.
///
/// ```
/// use memmap2::MmapOptions;
///
/// let mut memory = MmapOptions::new().len(36).map_anon()?;
/// memory[..5].copy_from_slice(b"folio");
///
/// let file = std::fs::File::open("Cargo.toml")?;
/// // SAFETY: nobody edits this file while the test runs.
/// let map = unsafe { MmapOptions::new().offset(1).len(7).map(&file)? };
/// assert_eq!(&map[..], b"package");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
/// What makes a slice of a file is `unsafe`, because Rust's slices must hold still and a file need
/// not: anybody may write it, here or in another process. The caller knows that nobody does, or
/// relies on no byte staying what it was.
///
/// That somebody cuts the file is no reason for the program to end: the bytes read as zeros from then
/// on, and `check` of the map tells. See the [crate's documentation](crate).
#[derive(Clone, Debug, Default)]
pub struct MmapOptions {
    pub(crate) offset: u64,
    pub(crate) len: Option<usize>,
    pub(crate) huge: Option<u8>,
    pub(crate) stack: bool,
    pub(crate) populate: bool,
    pub(crate) no_reserve_swap: bool,
    no_probe_handle: bool,
}

/// A length that a slice can have.
fn checked(len: u64) -> io::Result<usize> {
    isize::try_from(len).map(|len| len as usize).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "memory map length overflows isize")
    })
}

impl MmapOptions {
    /// The defaults: the whole file.
    pub fn new() -> MmapOptions {
        MmapOptions::default()
    }

    /// The first byte of the file to show, in bytes from its beginning; any number. 0 by default. It
    /// means nothing for anonymous memory.
    pub fn offset(&mut self, offset: u64) -> &mut Self {
        self.offset = offset;
        self
    }

    /// How many bytes to show. By default those from the offset to the end of the file; anonymous
    /// memory has none by default.
    ///
    /// Bytes behind the end of a file read as zeros; on pages behind its last one each is a fault,
    /// which `check` tells of, until the file grows.
    pub fn len(&mut self, len: usize) -> &mut Self {
        self.len = Some(len);
        self
    }

    /// Anonymous memory is going to be a stack (MAP_STACK).
    pub fn stack(&mut self) -> &mut Self {
        self.stack = true;
        self
    }

    /// Anonymous memory of huge pages from the kernel's pool (MAP_HUGETLB), of `1 << page_bits`
    /// bytes each, or of the system's default size. A length that is no multiple of that is rounded
    /// up in the kernel; all of it is unmapped in the end.
    pub fn huge(&mut self, page_bits: Option<u8>) -> &mut Self {
        self.huge = Some(page_bits.unwrap_or(0));
        self
    }

    /// Brings the pages into memory at once (MAP_POPULATE). What cannot be brought is no error.
    pub fn populate(&mut self) -> &mut Self {
        self.populate = true;
        self
    }

    /// Reserves no swap space (MAP_NORESERVE). Where memory is short when a page is first written,
    /// the write fails.
    pub fn no_reserve_swap(&mut self) -> &mut Self {
        self.no_reserve_swap = true;
        self
    }

    /// Of meaning on Windows only, and accepted here for programs that run there too.
    pub fn no_probe_handle(&mut self) -> &mut Self {
        self.no_probe_handle = true;
        self
    }

    fn len_of(&self, fd: libc::c_int) -> io::Result<usize> {
        let Some(len) = self.len else {
            return file_len(fd)?.checked_sub(self.offset).map_or_else(
                || {
                    let reason = "memory map offset is larger than length";
                    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
                },
                checked,
            );
        };
        checked(len as u64)
    }

    fn inner<T: MmapAsRawDesc>(
        &self,
        file: &T,
        protection: Protection,
        sharing: Sharing,
    ) -> io::Result<Inner> {
        let fd = file.as_raw_desc().0;
        Inner::of_file(self, fd, self.len_of(fd)?, protection, sharing)
    }

    /// A read-only map of a file, shared: what others write to the file appears.
    ///
    /// # Errors
    /// What fstat(2) and mmap(2) fail with: EACCES for a file not open for reading, ENODEV for one
    /// that cannot be mapped. Kind [`InvalidData`](std::io::ErrorKind::InvalidData) if the offset
    /// lies behind the end of the file and no length is given, or a length does not fit an `isize`.
    ///
    /// # Safety
    /// See the [type](Self).
    pub unsafe fn map<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.inner(&file, READ, Sharing::Shared).map(Mmap::new)
    }

    /// A map of a file whose bytes can be read and run as code.
    ///
    /// # Errors
    /// As [`map`](Self::map); EPERM on a file system mounted `noexec`.
    ///
    /// # Safety
    /// See the [type](Self).
    pub unsafe fn map_exec<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.inner(&file, READ | EXEC, Sharing::Shared).map(Mmap::new)
    }

    /// A map of a file whose bytes can be written, which changes the file.
    ///
    /// # Errors
    /// As [`map`](Self::map); EACCES if the file is not open for reading and writing.
    ///
    /// # Safety
    /// See the [type](Self).
    pub unsafe fn map_mut<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        self.inner(&file, READ | WRITE, Sharing::Shared).map(MmapMut::new)
    }

    /// A map of a file whose bytes can be written, which changes nothing but the map: a page is
    /// copied when it is first written.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    ///
    /// # Safety
    /// See the [type](Self). Pages not yet written still change when the file does.
    pub unsafe fn map_copy<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        self.inner(&file, READ | WRITE, Sharing::Private).map(MmapMut::new)
    }

    /// As [`map_copy`](Self::map_copy), read-only until [`Mmap::make_mut`].
    ///
    /// # Errors
    /// As [`map`](Self::map).
    ///
    /// # Safety
    /// As for `map_copy`.
    pub unsafe fn map_copy_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.inner(&file, READ, Sharing::Private).map(Mmap::new)
    }

    /// A read-only map of a file that nobody can change: a memory file sealed against shrinking and
    /// writing (F_SEAL_SHRINK, F_SEAL_WRITE), or a file with fs-verity. So it takes no `unsafe`. A disk
    /// or memory that breaks is all that can still take a page away.
    ///
    /// # Errors
    /// [`MapIfSafeError::not_safe`] if the file can be changed or has not all the bytes asked for;
    /// [`MapIfSafeError::map_failed`] for the errors of [`map`](Self::map).
    pub fn map_if_safe<T: MmapAsRawDesc>(&self, file: T) -> Result<Mmap, MapIfSafeError> {
        let fd = file.as_raw_desc().0;
        let len = self.len_of(fd).map_err(MapIfSafeError::failed)?;
        safe::check(fd, self.offset, len)?;
        let inner = Inner::of_file(self, fd, len, READ, Sharing::Shared);
        inner.map(Mmap::new).map_err(MapIfSafeError::failed)
    }

    /// Anonymous memory: private, writable, all zeros, of [`len`](Self::len) bytes.
    ///
    /// # Errors
    /// What mmap(2) fails with: ENOMEM, also where the pool of huge pages has too few; EINVAL for a
    /// size of huge page that the machine has not. Kind
    /// [`InvalidData`](std::io::ErrorKind::InvalidData) if the length does not fit an `isize`.
    pub fn map_anon(&self) -> io::Result<MmapMut> {
        let len = checked(self.len.unwrap_or(0) as u64)?;
        Inner::anonymous(self, len).map(MmapMut::new)
    }

    /// A map of a file whose bytes can be read and written through raw pointers.
    ///
    /// # Errors
    /// As [`map_mut`](Self::map_mut).
    pub fn map_raw<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.inner(&file, READ | WRITE, Sharing::Shared).map(MmapRaw::new)
    }

    /// A map of a file whose bytes can be read through raw pointers.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_raw_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.inner(&file, READ, Sharing::Shared).map(MmapRaw::new)
    }
}
