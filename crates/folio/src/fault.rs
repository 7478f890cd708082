//! Faults: bytes of a mapping that could not be reached, and why.
//!
//! From signal to [`Fault`]:
//! 1. The handler packs what the kernel told it into one word: signal, code, read or write, and
//!    whether the file was already shorter than that.
//! 2. Back in ordinary code, folio asks the backing: how long is the file now, can the byte be
//!    read with pread(2), is there room on the file system.
//! 3. What can be reached after all was a passing state (a truncation that was undone, a full disk
//!    that was emptied), and the access is tried again.
//!
//! A SIGBUS says little by itself: the same signal and code arrive for a truncated file, a failed
//! disk, a full file system and an empty pool of huge pages.

use core::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::backing::Backing;
use crate::region::Region;
use crate::sys::{self, Errno};

/// What kept the bytes of a mapping from being reached.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The file ends before the offset: it was truncated, or was mapped beyond its end. The kernel
    /// notices by the page; the rest of a file's last page reads as zeros without a fault.
    Truncated,
    /// The device or file system failed to deliver the page (EIO).
    Io,
    /// No memory, huge page or disk block was left for the page: a full /dev/shm, a full file
    /// system behind a hole, an empty pool of huge pages.
    NoSpace,
    /// The memory itself is broken (BUS_MCEERR_AR, BUS_MCEERR_AO in sigaction(2)).
    Poison,
    /// The page's protection, a guard or a protection key forbids the access.
    Protection,
    /// Nothing is mapped at the address; only for addresses that are not folio's
    /// ([`foreign`](crate::foreign)).
    Unmapped,
    /// The kernel refused the page, and its backing can no longer be asked why.
    Unexplained,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Truncated => "truncated",
            Self::Io => "I/O error",
            Self::NoSpace => "no space",
            Self::Poison => "hardware poison",
            Self::Protection => "protection",
            Self::Unmapped => "unmapped",
            Self::Unexplained => "unexplained",
        })
    }
}

/// Whether bytes were being read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A load.
    Read,
    /// A store, or an atomic operation that may store.
    Write,
}

/// Bytes that could not be reached: what went wrong, at which offset, of which backing.
///
/// ```
/// # use std::{fs, io::Write};
/// # let path = std::env::temp_dir().join(format!("folio-doc-fault-{}", std::process::id()));
/// fs::write(&path, vec![7; 10_000])?;
/// let map = folio::Mapping::open(&path)?;
/// fs::OpenOptions::new().write(true).open(&path)?.set_len(4096)?;
///
/// let mut page = [0; 4096];
/// let error = map.read_at(4000, &mut page).unwrap_err();
/// let fault = error.fault().unwrap();
/// assert_eq!(fault.kind(), folio::FaultKind::Truncated);
/// assert_eq!(fault.offset(), 4096);
/// assert_eq!(fault.transferred(), 96);
/// # fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) access: Access,
    pub(crate) offset: u64,
    pub(crate) position: usize,
    pub(crate) address: usize,
    pub(crate) transferred: usize,
    pub(crate) errno: Option<Errno>,
    pub(crate) backing: Backing,
}

impl Fault {
    /// What went wrong.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Whether the byte was being read or written.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Offset in the backing, in bytes, of the first byte that could not be reached. For a fault
    /// met by a slice this may be any byte of the page.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The same byte, counted from the first byte the mapping shows.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The address of the same byte, where the mapping lay when the fault was looked at.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Bytes that the operation had copied before the fault. 0 for a fault met by a slice.
    pub fn transferred(&self) -> usize {
        self.transferred
    }

    /// The errno that the backing gave when asked, where it gave one (EIO, ENOSPC, ...).
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno.map(Errno::raw_os_error)
    }

    /// Where the bytes come from.
    pub fn backing(&self) -> &Backing {
        &self.backing
    }

    /// The fault without the name of the backing.
    pub(crate) fn reason(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            write!(f, "{} at offset {}: ", self.kind, self.offset)?;
            f.write_str(match self.kind {
                FaultKind::Truncated => "the file ended before it",
                FaultKind::Io => "the device or file system could not deliver the page",
                FaultKind::NoSpace => "no memory, huge page or disk block was left for the page",
                FaultKind::Poison => "the memory is broken",
                FaultKind::Protection if self.access == Access::Write => {
                    "the page does not permit writing: map it with write()"
                }
                FaultKind::Protection => "the page does not permit the access",
                FaultKind::Unmapped => "nothing is mapped at the address",
                FaultKind::Unexplained => "the kernel refused the page and the file is gone",
            })
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backing, self.reason())
    }
}

impl core::error::Error for Fault {}

/// What a handler learns from a signal, in one word, so that it fits a register and an atomic.
///
/// | bit | 63 | 62 | 59..62 | 58 | 57 | 0..57 |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | | present | SIGSEGV | code | write | file too short already | position in the region |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign(pub(crate) u64);

impl Sign {
    const PRESENT: u64 = 1 << 63;
    const SEGV: u64 = 1 << 62;
    const CODE: u32 = 59;
    const WRITE: u64 = 1 << 58;
    const TOO_SHORT: u64 = 1 << 57;
    const POSITION: u64 = Self::TOO_SHORT - 1;

    pub(crate) fn new(signal: i32, code: i32, write: bool) -> Self {
        let flag = |set, bit| if set { bit } else { 0 };
        let code = (code.clamp(0, 7) as u64) << Self::CODE;
        let segv = flag(signal == libc::SIGSEGV, Self::SEGV);
        Self(Self::PRESENT | segv | code | flag(write, Self::WRITE))
    }

    #[must_use]
    pub(crate) fn at(self, position: usize) -> Self {
        Self((self.0 & !Self::POSITION) | (position as u64 & Self::POSITION))
    }

    #[must_use]
    pub(crate) fn too_short(self) -> Self {
        Self(self.0 | Self::TOO_SHORT)
    }

    pub(crate) fn position(self) -> usize {
        (self.0 & Self::POSITION) as usize
    }

    fn is_segv(self) -> bool {
        self.0 & Self::SEGV != 0
    }

    fn code(self) -> i32 {
        ((self.0 >> Self::CODE) & 7) as i32
    }

    pub(crate) fn is_too_short(self) -> bool {
        self.0 & Self::TOO_SHORT != 0
    }

    pub(crate) fn is_poison(self) -> bool {
        !self.is_segv() && matches!(self.code(), libc::BUS_MCEERR_AR | libc::BUS_MCEERR_AO)
    }

    pub(crate) fn access(self) -> Access {
        if self.0 & Self::WRITE != 0 { Access::Write } else { Access::Read }
    }
}

/// Why an access failed, as far as can be found out after it.
pub(crate) enum Explained {
    /// The byte can be reached now.
    Passing,
    Lasting(FaultKind, Option<Errno>),
}

/// Turns a sign into a fault at `position`.
pub(crate) fn fault(
    region: &Region,
    position: usize,
    sign: Sign,
    kind: FaultKind,
    errno: Option<Errno>,
) -> Fault {
    Fault {
        kind,
        access: sign.access(),
        offset: region.offset + position as u64,
        position,
        address: region.address() + position,
        transferred: 0,
        errno,
        backing: region.backing.clone(),
    }
}

/// The fault that a handler recorded when slices of a region met it.
pub(crate) fn lasting(region: &Region, sign: Sign) -> Fault {
    // A page's start may lie before the first byte shown.
    let position = sign.position().saturating_sub(region.extent.lead);
    let position = position.min(region.len().saturating_sub(1));
    let (kind, errno) = match explain(region, position, sign, Ask::Backing) {
        Explained::Lasting(kind, errno) => (kind, errno),
        // What can be had again was cut off and grew back, or there is room again. The commonest
        // by far is the first.
        Explained::Passing if region.backing.inode().is_some() => (FaultKind::Truncated, None),
        Explained::Passing => (FaultKind::NoSpace, None),
    };
    fault(region, position, sign, kind, errno)
}

/// Which page a look at the backing asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The region's own.
    Region,
    /// The backing's, mapped anew: zeros stand in for it in the region.
    Backing,
}

/// Finds out why the byte at `position` of a region could not be reached.
pub(crate) fn explain(region: &Region, position: usize, sign: Sign, ask: Ask) -> Explained {
    // A file that others cut and grow meanwhile looks different to every question. What such
    // answers add up to need not be true, unless they do so every time.
    const LOOKS: usize = 16;
    let mut looks = 1;
    loop {
        match look(region, position, sign, ask) {
            Ok(explained) => return explained,
            Err(conclusion) if looks == LOOKS => return conclusion,
            Err(_) => looks += 1,
        }
    }
}

/// One look at the backing: an answer of its, or else a conclusion from several.
fn look(region: &Region, position: usize, sign: Sign, ask: Ask) -> Result<Explained, Explained> {
    use Explained::{Lasting, Passing};

    if sign.is_segv() {
        return Ok(Lasting(FaultKind::Protection, None));
    }
    if sign.is_poison() {
        return Ok(Lasting(FaultKind::Poison, Some(Errno::HWPOISON)));
    }
    if sign.is_too_short() {
        return Ok(Lasting(FaultKind::Truncated, None));
    }
    let Some(file) = region.witness() else {
        // Without a file only a lack of memory raises SIGBUS: an empty pool of huge pages.
        let anonymous = region.backing.inode().is_none();
        let kind = if anonymous { FaultKind::NoSpace } else { FaultKind::Unexplained };
        return Ok(Lasting(kind, None));
    };
    let offset = region.offset + position as u64;
    let mut byte = [0];
    match file.read_at(&mut byte, offset) {
        Ok(0) => return Ok(Lasting(FaultKind::Truncated, None)),
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {
            return Ok(Lasting(FaultKind::Io, Some(Errno::IO)));
        }
        // Some files cannot be read(2): memfd_secret, device memory.
        Err(_) => match file.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() <= offset => {
                return Ok(Lasting(FaultKind::Truncated, None));
            }
            _ => {}
        },
    }
    // The byte is there; ask for its page once more, for the access that failed.
    let page = region.page_of(position);
    let write = sign.access() == Access::Write;
    let had = match ask {
        Ask::Region => sys::populate(page.start, page.len, write),
        Ask::Backing => region.populate_anew(&file, offset, write),
    };
    match had {
        Ok(()) => Ok(Passing),
        Err(Errno::HWPOISON) => Ok(Lasting(FaultKind::Poison, Some(Errno::HWPOISON))),
        Err(_) => out_of_space(region, &file, offset, page.len),
    }
}

/// The page is within the file, can be read by pread(2), and yet cannot be had: a hole that no
/// block or memory can be found for, or a page that the device lost.
fn out_of_space(
    region: &Region,
    file: &File,
    offset: u64,
    page: usize,
) -> Result<Explained, Explained> {
    use Explained::{Lasting, Passing};
    use rustix::fs::FallocateFlags;

    let start = offset & !(page as u64 - 1);
    // Asking for blocks of a file that has been cut meanwhile would give it some behind its end.
    if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= start) {
        return Ok(Lasting(FaultKind::Truncated, None));
    }
    let full = match rustix::fs::fstatfs(file) {
        Ok(fs) => {
            // A file system without a limit has no blocks to count: memfd_create(2)'s.
            fs.f_type == sys::FS_HUGETLB || (fs.f_blocks > 0 && fs.f_bavail == 0)
        }
        Err(_) => false,
    };
    if full {
        return Err(Lasting(FaultKind::NoSpace, Some(Errno::NOSPC)));
    }
    // A quota or a limit of the file system shows only when blocks are asked for. A hole gets
    // them; nothing else about the file changes.
    let Some(file) = region.writable_witness() else {
        return Err(Lasting(FaultKind::Io, None));
    };
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, start, page as u64) {
        Ok(()) => Ok(Passing),
        Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Ok(Lasting(FaultKind::NoSpace, Some(errno))),
        Err(Errno::IO) => Ok(Lasting(FaultKind::Io, Some(Errno::IO))),
        Err(_) => Err(Lasting(FaultKind::Io, None)),
    }
}
