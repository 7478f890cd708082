//! The segment: a shared-memory object with its header, mapped.
//!
//! ```
//! use folio_shm::Segment;
//!
//! # let name = format!("folio-doc-segment-{}", std::process::id());
//! // In one process:
//! let ours = Segment::options().create().size(1 << 20).unlink_on_last_close().open(&name)?;
//! ours.write_at(0, b"hello")?;
//!
//! // In another, of the same user:
//! let theirs = Segment::open(&name)?;
//! let mut bytes = [0; 5];
//! theirs.read_at(0, &mut bytes)?;
//! assert_eq!(&bytes, b"hello");
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! Those who share a segment can write to it at any time, and where it has a name, cut it. So its bytes
//! are touched by copying ([`folio::View`]), and what others did is an error: nothing they do makes
//! this process crash, read outside of the segment, or see a value it has checked change.
//!
//! A forked child has its parent's segments: the same bytes at the same addresses, and the same claim
//! on the name: together they count as one user, and only the process that opened a segment removes its name.
//! A child that is to count for itself opens the segment again.
//!
//! Invariants:
//! - The mapping begins with the header, shows all bytes that the payload can grow to, and is guarded.
//! - The header is this process's copy; the one in the segment is not read again, but for the length of
//!   what grows, which is at most the capacity here.
//! - The file is locked, shared, as long as the segment lives (`publish`).

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use folio::{Mapping, View};
use rustix::fs::SealFlags;

use crate::error::{Error, ErrorKind, Result};
use crate::header::{self, Header};
use crate::name::Name;
use crate::options::SegmentOptions;
use crate::owner::Owner;
use crate::{publish, space};

/// Where a segment is, as far as its user knows.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Name(PathBuf),
    File(PathBuf),
    Memfd(String),
    Fd,
}

impl Place {
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Name(path) | Self::File(path) => Some(path),
            Self::Memfd(_) | Self::Fd => None,
        }
    }

    pub(crate) fn show(&self) -> String {
        match self {
            Self::Name(path) | Self::File(path) => publish::show(path),
            Self::Memfd(name) => format!("the memfd {name:?}"),
            Self::Fd => "the segment of a descriptor".into(),
        }
    }
}

/// Shared memory with a header. See the [module](self) documentation.
///
/// Positions count in bytes from the start of the payload.
pub struct Segment {
    mapping: Mapping,
    header: Header,
    place: Place,
    /// Whether this one's end may be that of the name.
    is_fleeting: AtomicBool,
    /// The process that opened it.
    home: u32,
}

impl Segment {
    /// Opens the segment of this name, readable and writable. See [`SegmentOptions::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(name: &str) -> Result<Self> {
        Self::options().open(name)
    }

    /// Options to open or make one with.
    #[must_use]
    pub fn options() -> SegmentOptions {
        SegmentOptions::default()
    }

    pub(crate) fn new(mapping: Mapping, header: Header, place: Place, is_fleeting: bool) -> Self {
        let is_fleeting = AtomicBool::new(is_fleeting);
        Self { mapping, header, place, is_fleeting, home: std::process::id() }
    }

    /// Leaves the name alone when it is dropped.
    pub(crate) fn forget_name(&self) {
        self.is_fleeting.store(false, Ordering::Relaxed);
    }

    /// Bytes of payload now.
    #[inline]
    pub fn len(&self) -> usize {
        if !self.is_growable() {
            return self.header.payload as usize;
        }
        let mut now = [0; 8];
        let least = self.header.payload;
        match self.mapping.read_at(header::LEN_AT, &mut now) {
            // Whatever others write there: never less than it began with, never more than is mapped.
            Ok(()) => u64::from_le_bytes(now).clamp(least, self.header.capacity) as usize,
            Err(_) => least as usize,
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the payload's length may change.
    pub(crate) fn is_growable(&self) -> bool {
        self.header.is_growable()
    }

    /// Bytes to which the payload can grow.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.header.capacity as usize
    }

    /// The payload, for copying. Of a segment that grows: what it is now.
    #[inline]
    pub fn view(&self) -> View<'_> {
        let end = header::BYTES + self.len();
        self.mapping.view().range(header::BYTES..end).expect("the mapping shows the capacity")
    }

    /// Copies bytes from position `at` on into `buf`, all of it or an error.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if they do not all lie within the payload;
    /// [`ErrorKind::Truncated`], [`ErrorKind::NoSpace`] or [`ErrorKind::Fault`] where one cannot be had:
    /// [`folio::Fault::transferred`] bytes are in `buf` then.
    #[inline]
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        self.view().read_at(at, buf).map_err(|error| self.failed("read", error))
    }

    /// Copies `bytes` to position `at`, all of them or an error.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at), and [`ErrorKind::Fault`] if the segment is mapped read-only.
    #[inline]
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        self.view().write_at(at, bytes).map_err(|error| self.failed("write", error))
    }

    #[cold]
    pub(crate) fn failed(&self, operation: &'static str, error: folio::Error) -> Error {
        Error::mapping(operation, self.place.show(), error)
    }

    /// Makes the payload at least `len` bytes long, all of them reserved. What others see grows too.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more than the capacity, [`ErrorKind::Denied`] if it is mapped
    /// read-only, [`ErrorKind::NoSpace`], and what fallocate(2)
    /// fails with. The length is what it was then.
    pub fn grow(&self, len: usize) -> Result<()> {
        const GROW: &str = "grow";
        let what = || self.place.show();
        if len > self.capacity() {
            let capacity = self.capacity();
            let reason = format!("{len} bytes are more than the {capacity} it was made for");
            return Err(Error::new(ErrorKind::OutOfRange, GROW, what(), reason)
                .advice("growable() says how many"));
        }
        if !self.is_growable() {
            return Ok(());
        }
        if !self.mapping.protection().contains(folio::Protection::WRITE) {
            let error = Error::new(ErrorKind::Denied, GROW, what(), "it is mapped read-only");
            return Err(error.advice("open it without read_only()"));
        }
        let (from, end) = (header::BYTES + self.len(), header::BYTES + len);
        space::reserve(GROW, &what(), self.file(), from as u64, end as u64)?;
        let failed = |error| self.failed(GROW, error);
        let now = self.mapping.view().atomic_u64(header::LEN_AT).map_err(failed)?;
        let capacity = self.header.capacity;
        now.fetch_update(|now| now.min(capacity).max(len as u64)).map_err(failed)?;
        Ok(())
    }

    /// What the payload holds, as its maker said: [`SegmentOptions::layout`].
    #[must_use]
    pub fn layout(&self) -> u64 {
        self.header.layout
    }

    /// The process that made it.
    #[must_use]
    pub fn creator(&self) -> Owner {
        self.header.creator
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.header.created_nanos)
    }

    /// The path by which it was opened or made, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.place.path()
    }

    /// The memory, header and all. Its payload begins at position 4096.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    pub(crate) fn show(&self) -> String {
        self.place.show()
    }

    /// Whether the process that made it counts processes as this one does, so that their marks can be
    /// told apart ([`crate::mark`]).
    pub(crate) fn is_of_this_namespace(&self) -> bool {
        self.header.creator.namespace == Owner::this_process().namespace
    }

    /// Whether its pages may be lost: to somebody who makes it shorter, unless that is sealed, or punches a hole in huge pages,
    /// whose pool may have no others then.
    pub(crate) fn can_be_cut(&self) -> bool {
        let seals = rustix::fs::fcntl_get_seals(self.file());
        !seals.is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
            || space::unit(self.file()) > space::PAGE
    }

    fn file(&self) -> &File {
        self.mapping.file().expect("made with keep_file()")
    }

    /// Removes the name. Those who have the segment open keep it; nobody else can find it any more.
    ///
    /// # Errors
    /// [`ErrorKind::Name`], [`ErrorKind::NotFound`], [`ErrorKind::Denied`]: in /dev/shm, which is sticky,
    /// only the owner of a segment may remove it (unlink(2)).
    pub fn unlink(name: &str) -> Result<()> {
        const UNLINK: &str = "unlink";
        let path = Name::new(UNLINK, name)?.path();
        rustix::fs::unlink(&path).map_err(|errno| {
            Error::os(UNLINK, publish::show(&path), errno)
                .explain(
                    ErrorKind::NotFound,
                    "there is no segment of that name",
                    "it has been removed, or never was",
                )
                .explain(
                    ErrorKind::Denied,
                    "only its owner may remove it",
                    "ask its owner, or be root",
                )
        })
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.is_fleeting.load(Ordering::Relaxed)
            && self.home == std::process::id()
            && let Some(path) = self.place.path()
        {
            // What cannot be removed now is left to the next user, or to `gc`.
            let _ = publish::remove_if_unused(path, self.file());
        }
    }
}

/// The descriptor, to be sent to another process. It is closed when the segment is dropped.
impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file().as_fd()
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("place", &self.place)
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("layout", &self.header.layout)
            .field("creator", &self.header.creator)
            .finish_non_exhaustive()
    }
}
