//! The options of a mapping: every parameter of mmap(2), as a builder.
//!
//! What a mapping is made of comes last: [`MapOptions::open`] a path, [`MapOptions::map`] a
//! descriptor, or [`MapOptions::anonymous`] memory.
//!
//! ```
//! use folio::{Mapping, Protection};
//! let map = Mapping::options().private().write().offset(10).len(20).open("Cargo.toml")?;
//! map.write_at(0, b"only this process sees it")
//!     .expect_err("five bytes too many");
//! map.write_at(0, b"only we see this")?;
//! # Ok::<(), folio::Error>(())
//! ```

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::place::{self, Source};
use crate::region::Region;
use crate::{Backing, Mapping, Memory, Protection, Reservation, sys};

/// Who sees what is written to a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Every process that maps the backing, and the backing itself (MAP_SHARED).
    #[default]
    Shared,
    /// Nobody: a page is copied when it is first written (MAP_PRIVATE). Pages not yet written still
    /// change when the backing does.
    Private,
}

/// Where a mapping's addresses lie.
#[derive(Clone, Debug, Default)]
pub(crate) enum Placement {
    #[default]
    Anywhere,
    Near(usize),
    Exactly(usize),
    Inside(Reservation, usize),
}

/// A size of huge page (hugetlb).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HugePage {
    /// 2 MiB.
    Mib2,
    /// 1 GiB.
    Gib1,
}

impl HugePage {
    /// Its size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Mib2 => 2 << 20,
            Self::Gib1 => 1 << 30,
        }
    }
}

/// When the pages of a locked mapping are brought into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// All of them, before the call returns (mlock(2)).
    Now,
    /// Each when it is first touched (MLOCK_ONFAULT).
    OnFault,
}

/// What a child that this process forks finds at a mapping's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fork {
    /// The mapping: shared bytes if it is shared, a copy if it is private.
    #[default]
    Inherit,
    /// Nothing (MADV_DONTFORK): touching it there raises SIGSEGV, unless through folio. Whatever
    /// the child maps later may come to lie at the same addresses, so that all it may do with the
    /// value is drop it, which unmaps nothing there.
    Exclude,
    /// Zeros (MADV_WIPEONFORK). For private anonymous memory only.
    Wipe,
}

/// The parameters of a mapping, to be set one by one. See the [module](self) documentation.
///
/// By default: shared, read-only, from the beginning to the end of the backing, wherever the kernel
/// likes.
#[derive(Clone, Debug, Default)]
pub struct MapOptions {
    pub(crate) protection: Option<Protection>,
    pub(crate) sharing: Option<Sharing>,
    pub(crate) offset: u64,
    pub(crate) len: Option<usize>,
    pub(crate) beyond_end: bool,
    pub(crate) placement: Placement,
    pub(crate) huge: Option<HugePage>,
    pub(crate) or_base_pages: bool,
    pub(crate) transparent: bool,
    pub(crate) populate: bool,
    pub(crate) no_reserve: bool,
    pub(crate) lock: Option<Lock>,
    pub(crate) stack: bool,
    pub(crate) droppable: bool,
    pub(crate) sync: bool,
    pub(crate) fork: Fork,
    pub(crate) keep_file: bool,
    pub(crate) guard: bool,
    pub(crate) name: Option<CString>,
}

impl MapOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// What may be done with the bytes; [`Protection::READ`] by default.
    #[must_use]
    pub fn protection(mut self, protection: Protection) -> Self {
        self.protection = Some(protection);
        self
    }

    /// Readable and writable.
    #[must_use]
    pub fn write(self) -> Self {
        self.protection(Protection::READ | Protection::WRITE)
    }

    /// Writes reach the backing and everybody who maps it. The default.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.sharing = Some(Sharing::Shared);
        self
    }

    /// Writes stay in this process (copy-on-write).
    #[must_use]
    pub fn private(mut self) -> Self {
        self.sharing = Some(Sharing::Private);
        self
    }

    /// The first byte to show, in bytes from the start of the backing. Any number: it need not be a
    /// multiple of the page size.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// How many bytes to show; by default the rest of the backing.
    #[must_use]
    pub fn len(mut self, len: usize) -> Self {
        self.len = Some(len);
        self
    }

    /// Allows a length that reaches beyond the end of the file. Bytes behind the file's last page
    /// are faults until the file grows; without this, such a length is an error.
    #[must_use]
    pub fn beyond_end(mut self) -> Self {
        self.beyond_end = true;
        self
    }

    /// Asks for addresses near this one. The kernel may choose others.
    #[must_use]
    pub fn near(mut self, address: usize) -> Self {
        self.placement = Placement::Near(address);
        self
    }

    /// The first byte shown lies exactly at this address; an error where anything else is mapped
    /// there (MAP_FIXED_NOREPLACE). Address and offset must agree modulo the page size.
    #[must_use]
    pub fn exactly_at(mut self, address: usize) -> Self {
        self.placement = Placement::Exactly(address);
        self
    }

    /// The first byte shown lies `at` bytes into a reservation, which nothing else occupies there
    /// (MAP_FIXED). `at` and offset must agree modulo the page size.
    #[must_use]
    pub fn inside(mut self, reservation: &Reservation, at: usize) -> Self {
        self.placement = Placement::Inside(reservation.clone(), at);
        self
    }

    /// Huge pages of this size from the kernel's pool (MAP_HUGETLB), or an error where it has none.
    /// For anonymous memory; a file on hugetlbfs has its huge pages by itself.
    #[must_use]
    pub fn huge_pages(mut self, size: HugePage) -> Self {
        self.huge = Some(size);
        self.or_base_pages = false;
        self
    }

    /// Huge pages of this size, or base pages where the pool has none;
    /// [`Mapping::page_size`] tells which.
    #[must_use]
    pub fn huge_pages_or_base(mut self, size: HugePage) -> Self {
        self.huge = Some(size);
        self.or_base_pages = true;
        self
    }

    /// Asks for transparent huge pages (MADV_HUGEPAGE).
    #[must_use]
    pub fn transparent_huge_pages(mut self) -> Self {
        self.transparent = true;
        self
    }

    /// Brings every page into memory before the call returns (MADV_POPULATE_READ, or _WRITE if the
    /// mapping is writable and private). Unlike MAP_POPULATE it reports what it could not bring.
    #[must_use]
    pub fn populate(mut self) -> Self {
        self.populate = true;
        self
    }

    /// Reserves no swap space (MAP_NORESERVE).
    #[must_use]
    pub fn no_reserve(mut self) -> Self {
        self.no_reserve = true;
        self
    }

    /// Keeps the pages in memory. Unlike MAP_LOCKED it reports pages that could not be brought.
    #[must_use]
    pub fn lock(mut self, lock: Lock) -> Self {
        self.lock = Some(lock);
        self
    }

    /// The memory is going to be a stack (MAP_STACK). See [`Stack`](crate::Stack) for one with
    /// guards.
    #[must_use]
    pub fn stack(mut self) -> Self {
        self.stack = true;
        self
    }

    /// The kernel may drop the pages when memory is short, and zeros appear in their place
    /// (MAP_DROPPABLE, Linux 6.11). For anonymous memory; such memory is never swapped or dumped.
    #[must_use]
    pub fn droppable(mut self) -> Self {
        self.droppable = true;
        self
    }

    /// Stores that are flushed from the processor's caches survive a crash (MAP_SYNC). For files on
    /// persistent memory with DAX.
    #[must_use]
    pub fn sync(mut self) -> Self {
        self.sync = true;
        self
    }

    /// What a forked child finds here; [`Fork::Inherit`] by default.
    #[must_use]
    pub fn fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// Keeps an open descriptor of the backing in the mapping: [`Mapping::file`]. Faults can then
    /// be explained exactly even when the file has lost its name, and [`Mapping::restore`] always
    /// works.
    #[must_use]
    pub fn keep_file(mut self) -> Self {
        self.keep_file = true;
        self
    }

    /// Guards the mapping from the start: see [`Mapping::guard`].
    #[must_use]
    pub fn guard(mut self) -> Self {
        self.guard = true;
        self
    }

    /// A name for anonymous memory, shown in /proc/PID/maps as `[anon:NAME]` (PR_SET_VMA). Kernels
    /// without the feature ignore it.
    ///
    /// # Panics
    /// If the name contains a NUL byte.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(CString::new(name).expect("a name without NUL bytes"));
        self
    }

    /// Maps a file or device by path. It is opened for reading, or for reading and writing if the
    /// mapping is shared and writable, and closed again unless [`keep_file`](Self::keep_file).
    ///
    /// # Errors
    /// Those of open(2) and those of [`map`](Self::map).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Mapping> {
        let path = path.as_ref();
        let file = self.open_file(path)?;
        let mut region = place::map(self, Source::File(file.as_fd(), Some(path)))?;
        if self.keep_file {
            region.file = Some(file);
        }
        Ok(self.finish(region))
    }

    fn finish(&self, mut region: Region) -> Mapping {
        if self.guard {
            region.guard_alone();
        }
        Mapping::from_region(region)
    }

    fn open_file(&self, path: &Path) -> Result<File> {
        let protection = self.protection.unwrap_or(Protection::READ);
        let shared = self.sharing != Some(Sharing::Private);
        let write = shared && protection.contains(Protection::WRITE);
        // Without O_NONBLOCK opening a FIFO, which cannot be mapped, would wait for its writer.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let opened = File::options().read(true).write(write).custom_flags(flags).open(path);
        opened.map_err(|error| {
            let errno = error.raw_os_error().map_or(sys::Errno::IO, sys::Errno::from_raw_os_error);
            let error = Error::os("open", &Backing::of_path(path), errno);
            if write {
                let hint = "a shared writable mapping needs to write the file; map it private \
                            or read-only";
                error
                    .hint_for(libc::EACCES, hint)
                    .hint_for(libc::EROFS, hint)
                    .hint_for(libc::ETXTBSY, "the program is running; map it private or read-only")
            } else {
                error.hint_for(libc::EACCES, "ask for permission to read it")
            }
        })
    }

    /// Maps an open file, device or memory file. The mapping stays when the descriptor is closed.
    ///
    /// # Errors
    /// - [`ErrorKind::BeyondEnd`](crate::ErrorKind::BeyondEnd) if offset or length reach beyond the
    ///   end of the backing and [`beyond_end`](Self::beyond_end) was not asked for.
    /// - [`ErrorKind::OutOfRange`](crate::ErrorKind::OutOfRange) if the place does not fit into the
    ///   reservation.
    /// - [`ErrorKind::Occupied`](crate::ErrorKind::Occupied) if the exact address is taken.
    /// - [`ErrorKind::Misaligned`](crate::ErrorKind::Misaligned) if address and offset disagree
    ///   modulo the page size.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for options that contradict each other.
    /// - [`ErrorKind::Fault`](crate::ErrorKind::Fault) if populating met a page that cannot be had.
    /// - [`ErrorKind::Os`](crate::ErrorKind::Os) with EACCES, EBADF, EAGAIN, EINVAL, ENODEV, ENOMEM,
    ///   EOPNOTSUPP,
    ///   EOVERFLOW or EPERM: see ERRORS in mmap(2), mlock(2) and madvise(2).
    pub fn map(&self, file: impl AsFd) -> Result<Mapping> {
        self.map_fd(file.as_fd())
    }

    fn map_fd(&self, fd: BorrowedFd<'_>) -> Result<Mapping> {
        let mut region = place::map(self, Source::File(fd, None))?;
        if self.keep_file {
            let file = fd.try_clone_to_owned().map_err(|error| {
                let errno = error.raw_os_error().unwrap_or(libc::EMFILE);
                Error::os("keep", &region.backing, sys::Errno::from_raw_os_error(errno))
            })?;
            region.file = Some(file.into());
        }
        Ok(self.finish(region))
    }

    /// Maps `len` bytes of plain memory, all zeros: shared with forked children by default, otherwise
    /// [`private`](Self::private). Read-only unless [`write`](Self::write) is asked for, like every
    /// mapping.
    ///
    /// For memory of this process alone [`Memory`] is the handier type: it is a slice.
    ///
    /// # Errors
    /// As [`map`](Self::map); ENOMEM too where the pool of huge pages is empty.
    pub fn anonymous(&self, len: usize) -> Result<Mapping> {
        place::map(self, Source::Anonymous(len)).map(|region| self.finish(region))
    }

    /// Maps `len` bytes of private memory, all zeros, readable and writable, as [`Memory`].
    ///
    /// # Errors
    /// As [`anonymous`](Self::anonymous), and [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if
    /// the options ask for shared or droppable memory or another protection.
    pub fn memory(&self, len: usize) -> Result<Memory> {
        Memory::with(self, len)
    }
}
