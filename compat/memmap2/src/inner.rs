//! What the three map types share: mmap(2), a folio guard, and the slice's address and length.
//!
//! Invariants:
//! - `len` bytes from `ptr` on lie within a mapping of this value's own, which begins on the page that
//!   `ptr` lies on and has `span` bytes. It moves only in [`Inner::remap`].
//! - A map of no bytes has a mapping too, of one byte: mmap(2) knows none of 0, and its errors, its
//!   protection and its room to grow are those of the map.
//! - A mapping of a file is guarded, with exactly its pages, from before anybody knows of it until
//!   before it is unmapped or moved.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;

use folio::foreign::Guarded;
use folio::{ErrorKind, Fault, Protection, Sharing};

use crate::RemapOptions;
use crate::options::MmapOptions;

pub(crate) const READ: Protection = Protection::READ;

/// Bytes of a base page. folio and this crate are for x86-64.
const PAGE: usize = 4096;

pub(crate) struct Inner {
    ptr: *mut u8,
    len: usize,
    guard: Option<Guarded>,
    kind: Kind,
}

/// What the mapping is, as far as its methods need it.
#[derive(Clone, Copy)]
struct Kind {
    protection: Protection,
    sharing: Sharing,
    anonymous: bool,
    /// A page of it has `1 << page_bits` bytes.
    page_bits: u8,
}

// SAFETY: the value owns the bytes behind its pointer as a `Box<[u8]>` would.
unsafe impl Send for Inner {}
// SAFETY: as above. Through a shared reference the bytes are only read, or reached by raw pointers.
unsafe impl Sync for Inner {}

/// The `io::Error` of a failed system call is the plain one, whose errno people match on.
fn plain(error: folio::Error) -> io::Error {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::Os, Some(errno)) => io::Error::from_raw_os_error(errno),
        _ => error.into(),
    }
}

fn cvt(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn mapped(address: *mut libc::c_void) -> io::Result<*mut u8> {
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address.cast()) }
}

/// The size of a file in bytes, as fstat(2) says it: 0 for a device.
pub(crate) fn file_len(fd: RawFd) -> io::Result<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes one structure (fstat(2)).
    cvt(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: it succeeded, so it has written it.
    Ok(unsafe { stat.assume_init() }.st_size as u64)
}

/// The size that huge pages have where none is asked for ("Hugepagesize" in /proc/meminfo), as the
/// power of two.
fn default_huge_page() -> u8 {
    static BITS: OnceLock<u8> = OnceLock::new();
    *BITS.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map_or(21, |kib| (kib << 10).trailing_zeros() as u8)
    })
}

fn protection_flags(protection: Protection) -> libc::c_int {
    [
        (Protection::READ, libc::PROT_READ),
        (Protection::WRITE, libc::PROT_WRITE),
        (Protection::EXEC, libc::PROT_EXEC),
    ]
    .iter()
    .filter(|(access, _)| protection.contains(*access))
    .fold(0, |flags, (_, flag)| flags | flag)
}

impl Inner {
    pub(crate) fn of_file(
        options: &MmapOptions,
        fd: RawFd,
        len: usize,
        protection: Protection,
        sharing: Sharing,
    ) -> io::Result<Self> {
        let flags = match sharing {
            Sharing::Shared => libc::MAP_SHARED,
            Sharing::Private => libc::MAP_PRIVATE,
        };
        let kind = Kind { protection, sharing, anonymous: false, page_bits: 12 };
        let mut inner = Self::new(options, fd, options.offset, len, flags, kind)?;
        inner.put_guard_up(options.offset)?;
        Ok(inner)
    }

    pub(crate) fn anonymous(options: &MmapOptions, len: usize) -> io::Result<Self> {
        let mut flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let mut page_bits = 12;
        if options.stack {
            flags |= libc::MAP_STACK;
        }
        if let Some(bits) = options.huge {
            // Six bits of the flags say the size (mmap(2)).
            let bits = bits & libc::MAP_HUGE_MASK as u8;
            flags |= libc::MAP_HUGETLB | ((i32::from(bits)) << libc::MAP_HUGE_SHIFT);
            page_bits = if bits == 0 { default_huge_page() } else { bits };
        }
        let protection = READ | Protection::WRITE;
        let kind = Kind { protection, sharing: Sharing::Private, anonymous: true, page_bits };
        let mut inner = Self::new(options, -1, 0, len, flags, kind)?;
        if options.huge.is_some() {
            // The pool may be empty when an unreserved page is first touched.
            inner.put_guard_up(0)?;
        }
        Ok(inner)
    }

    fn new(
        options: &MmapOptions,
        fd: RawFd,
        offset: u64,
        len: usize,
        mut flags: libc::c_int,
        kind: Kind,
    ) -> io::Result<Self> {
        for (wanted, flag) in
            [(options.populate, libc::MAP_POPULATE), (options.no_reserve_swap, libc::MAP_NORESERVE)]
        {
            if wanted {
                flags |= flag;
            }
        }
        let lead = (offset % PAGE as u64) as usize;
        let protection = protection_flags(kind.protection);
        // SAFETY: without MAP_FIXED no existing mapping is touched (mmap(2)). `len` is at most
        // `isize::MAX` (`options`), so that the sum does not overflow.
        let start = mapped(unsafe {
            let page = (offset - lead as u64) as libc::off_t;
            libc::mmap(ptr::null_mut(), (lead + len).max(1), protection, flags, fd, page)
        })?;
        // SAFETY: the mapping has more than `lead` bytes, or `lead` is 0.
        let ptr = unsafe { start.add(lead) };
        Ok(Self { ptr, len, guard: None, kind })
    }

    fn lead(&self) -> usize {
        self.ptr.addr() % PAGE
    }

    /// The first page.
    fn start(&self) -> *mut libc::c_void {
        // SAFETY: the mapping begins on the page that `ptr` lies on.
        unsafe { self.ptr.sub(self.lead()) }.cast()
    }

    /// Bytes of the mapping. Those of huge pages are rounded up by the kernel; munmap(2) and its kin
    /// want them so.
    fn span(&self) -> usize {
        let rest = (1 << self.kind.page_bits) - 1;
        // What is mapped fits.
        ((self.lead() + self.len).max(1) + rest) & !rest
    }

    /// Guards the mapping, whose first byte shown is its file's at `offset`.
    fn put_guard_up(&mut self, offset: u64) -> io::Result<()> {
        let first = self.ptr.addr();
        // SAFETY: the pages around the bytes, of which an empty map has one, are this value's own
        // mapping, and `drop` and `remap` take the guard down first. Whoever made the map, or reads
        // its bytes by pointer, accepts zeros: the documentation says so.
        let guard = unsafe { Guarded::new(first..first + self.len.max(1), offset) };
        self.guard = Some(guard.map_err(plain)?);
        Ok(())
    }

    #[inline]
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.ptr
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether `len` bytes at `offset` lie within the map.
    fn within(&self, offset: usize, len: usize) -> io::Result<()> {
        let fits = offset <= self.len && len <= self.len - offset;
        if fits { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// The start of the page that the byte at `offset`, which lies within, is on, and how far before
    /// that byte it lies.
    fn page_of(&self, offset: usize) -> (*mut libc::c_void, usize) {
        let lead = (self.ptr.addr() + offset) % PAGE;
        // SAFETY: the byte lies in the mapping or at its end, and the mapping begins on a page.
        (unsafe { self.ptr.add(offset).sub(lead) }.cast(), lead)
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.guard.as_ref().map_or(Ok(()), Guarded::check)
    }

    pub(crate) fn take_fault(&mut self) -> io::Result<Option<Fault>> {
        let Kind { protection, sharing, anonymous, .. } = self.kind;
        match &mut self.guard {
            None => Ok(None),
            // Zeros are what memory has where no page could be had for it.
            Some(guard) if anonymous => Ok(guard.take()),
            // SAFETY: `&mut self` says that no slice of the map is borrowed; who reads by pointer
            // sees the file again.
            Some(guard) => unsafe { guard.restore(protection, sharing) }.map_err(plain),
        }
    }

    pub(crate) fn flush(&self, offset: usize, len: usize) -> io::Result<()> {
        self.sync(offset, len, libc::MS_SYNC)
    }

    pub(crate) fn flush_async(&self, offset: usize, len: usize) -> io::Result<()> {
        self.sync(offset, len, libc::MS_ASYNC)
    }

    fn sync(&self, offset: usize, len: usize, flags: libc::c_int) -> io::Result<()> {
        self.within(offset, len)?;
        if let Some(guard) = &self.guard {
            // What was written to zeros reaches nobody.
            let first = self.ptr.addr() + offset;
            guard.check_in(first..first + len).map_err(folio::Error::from)?;
        }
        let (page, lead) = self.page_of(offset);
        // SAFETY: msync changes no byte of the range (msync(2)).
        cvt(unsafe { libc::msync(page, lead + len, flags) })
    }

    pub(crate) fn protect(&mut self, protection: Protection) -> io::Result<()> {
        let flags = protection_flags(protection);
        // SAFETY: the mapping is this value's own, and `&mut self` says that no slice of it is
        // borrowed.
        cvt(unsafe { libc::mprotect(self.start(), self.span(), flags) })?;
        self.kind.protection = protection;
        Ok(())
    }

    /// madvise(2) for the pages around a range.
    ///
    /// # Safety
    /// If the advice changes what the bytes read as, no slice into these pages relies on them.
    pub(crate) unsafe fn advise(
        &self,
        advice: libc::c_int,
        offset: usize,
        len: usize,
    ) -> io::Result<()> {
        self.within(offset, len)?;
        let (page, lead) = self.page_of(offset);
        // SAFETY: the pages belong to the mapping (checked above); what the advice does to slices
        // into it is the caller's to know.
        cvt(unsafe { libc::madvise(page, lead + len, advice) })?;
        let whole = len == self.len;
        match (&self.guard, advice) {
            // A child may come to have something else at these addresses.
            (Some(guard), libc::MADV_DONTFORK) if whole => guard.set_only_here(true),
            (Some(guard), libc::MADV_DOFORK) => guard.set_only_here(false),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn lock(&self) -> io::Result<()> {
        // SAFETY: locking pages changes no byte (mlock(2)).
        cvt(unsafe { libc::mlock(self.ptr.cast(), self.len) })
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        // SAFETY: as in `lock`.
        cvt(unsafe { libc::munlock(self.ptr.cast(), self.len) })
    }

    pub(crate) fn remap(&mut self, len: usize, options: RemapOptions) -> io::Result<()> {
        self.check().map_err(folio::Error::from)?;
        let (lead, page) = (self.lead(), 1usize << self.kind.page_bits);
        let span =
            lead.checked_add(len).and_then(|bytes| bytes.max(1).checked_next_multiple_of(page));
        // What the kernel says to a length beyond all addresses.
        let span = span.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let offset = self.guard.take().map(|guard| guard.offset());
        let flags = if options.may_move { libc::MREMAP_MAYMOVE } else { 0 };
        // SAFETY: the mapping is this value's own; that nobody holds a pointer into what goes or
        // moves is the word of whoever calls `remap`.
        let moved = mapped(unsafe { libc::mremap(self.start(), self.span(), span, flags) });
        if let Ok(start) = moved {
            // SAFETY: as in `new`.
            self.ptr = unsafe { start.add(lead) };
            self.len = len;
        }
        let guarded = offset.map_or(Ok(()), |offset| self.put_guard_up(offset));
        moved.and(guarded)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let inherited = self.guard.as_ref().is_none_or(Guarded::is_here);
        self.guard = None;
        if !inherited {
            return;
        }
        let (start, span) = (self.start(), self.span());
        // SAFETY: the mapping is this value's own, and nobody refers to it any more.
        let unmapped = cvt(unsafe { libc::munmap(start, span) });
        let is_huge = |error: &io::Error| error.raw_os_error() == Some(libc::EINVAL);
        if unmapped.is_err_and(|error| is_huge(&error)) {
            // A file of huge pages, by its file system, whose mapping ends with one of them. Only for
            // such is a length refused that is a multiple of the base page.
            for bits in [21, 30] {
                let page = 1 << bits;
                // SAFETY: as above: the kernel rounded the mapping up to its pages.
                if unsafe { libc::munmap(start, span.next_multiple_of(page)) } == 0 {
                    break;
                }
            }
        }
    }
}
