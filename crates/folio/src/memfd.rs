//! The memfd: memory with a descriptor and no name in any file system (memfd_create(2)).
//!
//! What it is for: memory to hand to another process by its descriptor, and bytes that nobody can
//! change any more, because they are sealed:
//!
//! ```
//! use folio::{Memfd, Seals};
//! let memfd = Memfd::new("greeting")?;
//! memfd.allocate(0..5)?;
//! let map = memfd.map()?;
//! map.write_at(0, b"hello")?;
//! drop(map); // a memfd that is mapped writable cannot be sealed against writing
//! memfd.add_seals(Seals::WRITE | Seals::SHRINK)?;
//! let stable = memfd.map()?.into_stable()?;
//! assert_eq!(&*stable, b"hello");
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Invariant: the descriptor is a memory file without a name, on tmpfs, hugetlbfs or secretmem.

use core::{fmt, ops};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

use crate::error::{Error, ErrorKind, Refused, Result};
use crate::sys::{self, Errno};
use crate::{Backing, HugePage, Mapping};

/// A set of the changes that a [`Memfd`] refuses for good (F_ADD_SEALS in fcntl(2)).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seals(u32);

impl Seals {
    /// No seals.
    pub const NONE: Self = Self(0);
    /// No further seals (F_SEAL_SEAL).
    pub const SEAL: Self = Self(1);
    /// It never gets shorter (F_SEAL_SHRINK).
    pub const SHRINK: Self = Self(2);
    /// It never gets longer (F_SEAL_GROW).
    pub const GROW: Self = Self(4);
    /// Its bytes never change (F_SEAL_WRITE).
    pub const WRITE: Self = Self(8);
    /// No new way to change its bytes; shared writable mappings that exist keep theirs
    /// (F_SEAL_FUTURE_WRITE, Linux 5.1).
    pub const FUTURE_WRITE: Self = Self(16);
    /// Its execute permission never changes (F_SEAL_EXEC, Linux 6.3).
    pub const EXEC: Self = Self(32);

    const ALL: [(Self, &str); 6] = [
        (Self::SEAL, "SEAL"),
        (Self::SHRINK, "SHRINK"),
        (Self::GROW, "GROW"),
        (Self::WRITE, "WRITE"),
        (Self::FUTURE_WRITE, "FUTURE_WRITE"),
        (Self::EXEC, "EXEC"),
    ];

    /// Whether every seal of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set without the seals of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl ops::BitOr for Seals {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Seals {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for (seal, name) in Self::ALL {
            if self.contains(seal) {
                set.entry(&format_args!("{name}"));
            }
        }
        set.finish()
    }
}

/// Memory with a descriptor. See the [module](self) documentation.
///
/// Other options than those of [`map`](Self::map) are set as for any file:
/// `Mapping::options().offset(..).map(&memfd)`.
pub struct Memfd {
    fd: OwnedFd,
    /// Bytes that its length is a multiple of: a huge page, or 1.
    unit: u64,
}

impl Memfd {
    /// An empty memfd that can be sealed. The name shows in /proc/PID/maps as `/memfd:NAME`, and
    /// need not be unique. It is not executable as a program, and that is sealed, where the kernel
    /// can (MFD_NOEXEC_SEAL, Linux 6.3); its mappings may still be executable.
    ///
    /// # Errors
    /// EINVAL for a name longer than 249 bytes or with a NUL byte, EMFILE, ENFILE, ENOMEM: see
    /// memfd_create(2).
    pub fn new(name: &str) -> Result<Self> {
        Self::create(name, MemfdFlags::NOEXEC_SEAL, None)
    }

    /// An empty memfd of huge pages of this size from the kernel's pool. Its length is always a
    /// multiple of them: rounded up.
    ///
    /// # Errors
    /// As [`new`](Self::new), and ENODEV or EINVAL where the machine has no such pages.
    pub fn huge_pages(name: &str, size: HugePage) -> Result<Self> {
        Self::create(name, MemfdFlags::NOEXEC_SEAL, Some(size))
    }

    /// An empty memfd that can be run as a program (MFD_EXEC; fexecve(3)).
    ///
    /// # Errors
    /// As [`new`](Self::new), and EACCES where vm.memfd_noexec is 2.
    pub fn executable(name: &str) -> Result<Self> {
        Self::create(name, MemfdFlags::EXEC, None)
    }

    /// Memory that not even the kernel maps (memfd_secret(2)). Its length can be set once; it
    /// counts as locked, and can be neither sealed nor allocated in advance.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the kernel or its command line does not have it; EMFILE,
    /// ENFILE, ENOMEM.
    pub fn secret() -> Result<Self> {
        match sys::memfd_secret() {
            Ok(fd) => Ok(Self { fd, unit: 1 }),
            Err(Errno::NOSYS) => {
                let reason = "this kernel has no memfd_secret, or it is switched off";
                Err(Error::kind_of("create", &Backing::SECRET, ErrorKind::Unsupported, reason)
                    .hint("boot with secretmem.enable=1, Linux 5.14 or later"))
            }
            Err(errno) => Err(Error::os("create", &Backing::SECRET, errno)),
        }
    }

    fn create(name: &str, execution: MemfdFlags, huge: Option<HugePage>) -> Result<Self> {
        let huge_flags = match huge {
            None => MemfdFlags::empty(),
            Some(HugePage::Mib2) => MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
            Some(HugePage::Gib1) => MemfdFlags::HUGETLB | MemfdFlags::HUGE_1GB,
        };
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | huge_flags;
        let unit = huge.map_or(1, |size| size.bytes() as u64);
        let created = match rustix::fs::memfd_create(name, flags | execution) {
            // Before Linux 6.3 there was no choice, and such flags were unknown.
            Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
            other => other,
        };
        created.map(|fd| Self { fd, unit }).map_err(|errno| {
            let pages = "the kernel has no pool of huge pages of that size";
            let name = "a name has at most 249 bytes, and no NUL among them";
            let error = Error::os("create", &Backing::SHARED_MEMORY, errno)
                .hint_for(libc::EACCES, "vm.memfd_noexec is 2: executable ones are forbidden");
            if huge.is_none() {
                error.hint_for(libc::EINVAL, name)
            } else {
                error.hint_for(libc::EINVAL, pages).hint_for(libc::ENODEV, pages)
            }
        })
    }

    /// Its length in bytes.
    ///
    /// # Errors
    /// What fstat(2) fails with, which it does not for a memfd.
    pub fn len(&self) -> Result<u64> {
        match rustix::fs::fstat(&self.fd) {
            Ok(stat) => Ok(stat.st_size as u64),
            Err(errno) => Err(self.failed("measure", errno)),
        }
    }

    /// Whether its length is 0.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Cuts it, or lengthens it by zeros that take memory only when they are touched
    /// (ftruncate(2)). Where memory may run out, [`allocate`](Self::allocate).
    ///
    /// # Errors
    /// EPERM for what a seal forbids; EINVAL for a second length of secret memory; EFBIG.
    pub fn set_len(&self, len: u64) -> Result<()> {
        let set = |len| self.within_limit(len).and_then(|()| rustix::fs::ftruncate(&self.fd, len));
        len.checked_next_multiple_of(self.unit).ok_or(Errno::FBIG).and_then(set).map_err(|errno| {
            self.failed("set the length of", errno)
                .hint_for(libc::EFBIG, LIMIT)
                .hint_for(libc::EPERM, "a seal forbids it")
                .hint_for(libc::EINVAL, "the length of secret memory is set once")
        })
    }

    /// Takes the memory for a range of bytes now, so that running out of it is an error here and
    /// not a fault at a store (fallocate(2)). Lengthens it up to the range's end, if that lies
    /// beyond.
    ///
    /// # Errors
    /// ENOSPC or ENOMEM where there is not enough memory, or too few huge pages; EFBIG; EPERM for what a
    /// seal forbids; EOPNOTSUPP for secret memory; [`ErrorKind::OutOfRange`] for a range that ends
    /// before it starts.
    pub fn allocate(&self, range: ops::Range<u64>) -> Result<()> {
        const ALLOCATE: &str = "allocate";
        if range.end < range.start {
            let reason = format!("{}..{} is no range", range.start, range.end);
            return Err(Error::kind_of(ALLOCATE, &self.backing(), ErrorKind::OutOfRange, reason));
        }
        if range.is_empty() {
            return Ok(());
        }
        let take = |end| {
            self.within_limit(end)?;
            let count = end - range.start;
            rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), range.start, count)
        };
        let end = range.end.checked_next_multiple_of(self.unit).ok_or(Errno::FBIG);
        end.and_then(take).map_err(|errno| {
            let memory = "there is too little memory, or too few huge pages in the pool";
            self.failed(ALLOCATE, errno)
                .range(range.clone())
                .hint_for(libc::ENOSPC, memory)
                .hint_for(libc::ENOMEM, memory)
                .hint_for(libc::EFBIG, LIMIT)
                .hint_for(libc::EPERM, "a seal forbids it")
                .hint_for(libc::EOPNOTSUPP, "secret memory is taken when it is touched")
        })
    }

    /// Adds seals. There is no way to take one off.
    ///
    /// # Errors
    /// EBUSY for [`Seals::WRITE`] while it is mapped shared and writable, EPERM if
    /// [`Seals::SEAL`] is set, EINVAL for secret memory and for a seal that the kernel does not
    /// know.
    pub fn add_seals(&self, seals: Seals) -> Result<()> {
        rustix::fs::fcntl_add_seals(&self.fd, SealFlags::from_bits_retain(seals.0)).map_err(
            |errno| {
                self.failed("seal", errno)
                    .hint_for(libc::EBUSY, "drop its shared writable mappings, in every process")
                    .hint_for(libc::EPERM, "it is sealed against further seals")
                    .hint_for(libc::EINVAL, "the kernel lacks the seal, or it is secret memory")
            },
        )
    }

    /// The seals it has. Secret memory has none.
    ///
    /// # Errors
    /// What fcntl(2) fails with, which it does not for a memfd.
    pub fn seals(&self) -> Result<Seals> {
        match rustix::fs::fcntl_get_seals(&self.fd) {
            Ok(seals) => Ok(Seals(seals.bits())),
            Err(Errno::INVAL) => Ok(Seals::NONE),
            Err(errno) => Err(self.failed("ask the seals of", errno)),
        }
    }

    /// Maps all of it, shared, and keeps a descriptor in the mapping: writable, or read-only if it
    /// is sealed against writing.
    ///
    /// # Errors
    /// As [`MapOptions::map`](crate::MapOptions::map).
    pub fn map(&self) -> Result<Mapping> {
        let seals = self.seals()?;
        let options = Mapping::options().keep_file();
        if !(seals.contains(Seals::WRITE) || seals.contains(Seals::FUTURE_WRITE)) {
            return options.write().map(&self.fd);
        }
        match options.map(&self.fd) {
            // Before 6.7 Linux took every shared mapping for one that will be written.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                options.private().no_reserve().map(&self.fd)
            }
            other => other,
        }
    }

    /// Whether it may be that long. To lengthen it beyond the limit makes the kernel send SIGXFSZ
    /// besides failing (getrlimit(2)).
    fn within_limit(&self, len: u64) -> Result<(), Errno> {
        let now = rustix::fs::fstat(&self.fd)?.st_size as u64;
        if len > now && len > sys::file_size_limit() { Err(Errno::FBIG) } else { Ok(()) }
    }

    fn failed(&self, operation: &'static str, errno: Errno) -> Error {
        Error::os(operation, &self.backing(), errno)
    }

    fn backing(&self) -> Backing {
        backing(self.fd.as_fd()).unwrap_or(Backing::SHARED_MEMORY)
    }
}

const LIMIT: &str = "the limit of file sizes (ulimit -f), or of the kernel, is reached";

fn backing(fd: BorrowedFd<'_>) -> Option<Backing> {
    let stat = rustix::fs::fstat(fd).ok()?;
    let fs_type = rustix::fs::fstatfs(fd).ok()?.f_type;
    Some(Backing::of(&stat, None, Some(fs_type)))
}

impl AsFd for Memfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Memfd> for OwnedFd {
    fn from(memfd: Memfd) -> Self {
        memfd.fd
    }
}

/// A descriptor that came from elsewhere: another process, say.
///
/// Fails with [`ErrorKind::Invalid`], and gives the descriptor back, if it is not a memory file, or
/// has a name in a file system.
impl TryFrom<OwnedFd> for Memfd {
    type Error = Refused<OwnedFd>;

    fn try_from(fd: OwnedFd) -> Result<Self, Refused<OwnedFd>> {
        let nameless = || rustix::fs::fstat(&fd).is_ok_and(|stat| stat.st_nlink == 0);
        let unit = match rustix::fs::fstatfs(&fd) {
            Ok(fs) if fs.f_type == sys::FS_SECRETMEM => Some(1),
            Ok(fs) if fs.f_type == sys::FS_TMPFS && nameless() => Some(1),
            Ok(fs) if fs.f_type == sys::FS_HUGETLB && nameless() => Some(fs.f_bsize as u64),
            _ => None,
        };
        if let Some(unit) = unit {
            return Ok(Self { fd, unit });
        }
        let backing = backing(fd.as_fd()).unwrap_or(Backing::SHARED_MEMORY);
        let error = Error::kind_of("take", &backing, ErrorKind::Invalid, "it is not a memfd");
        Err(Refused::new(fd, error))
    }
}

impl fmt::Debug for Memfd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memfd(descriptor {}, {})", self.fd.as_raw_fd(), self.backing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_the_kernels() {
        for (seal, flag) in [
            (Seals::SEAL, SealFlags::SEAL),
            (Seals::SHRINK, SealFlags::SHRINK),
            (Seals::GROW, SealFlags::GROW),
            (Seals::WRITE, SealFlags::WRITE),
            (Seals::FUTURE_WRITE, SealFlags::FUTURE_WRITE),
            (Seals::EXEC, SealFlags::EXEC),
        ] {
            assert_eq!(seal.0, flag.bits(), "{seal:?}");
        }
    }
}
