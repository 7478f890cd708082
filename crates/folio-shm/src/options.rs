//! The options of a segment, as a builder. What it is made in, or found in, comes last: a name
//! ([`SegmentOptions::open`]), a file ([`SegmentOptions::file`]), memory with nothing but a descriptor
//! ([`SegmentOptions::memfd`]), or a descriptor that came from elsewhere ([`SegmentOptions::fd`]).
//!
//! ```
//! use folio_shm::{ErrorKind, Segment};
//!
//! # let name = format!("folio-doc-options-{}", std::process::id());
//! let made = Segment::options().create_new().size(1 << 20).layout(7).open(&name)?;
//! let found = Segment::options().layout(7).open(&name)?;
//! made.write_at(100, b"there")?;
//! let mut bytes = [0; 5];
//! found.read_at(100, &mut bytes)?;
//! assert_eq!(&bytes, b"there");
//!
//! let error = Segment::options().layout(8).open(&name).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Layout);
//! # Segment::unlink(&name)?;
//! # Ok::<(), folio_shm::Error>(())
//! ```

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use folio::{HugePage, Seals};

use crate::error::Result;
use crate::make;
use crate::name::Name;
use crate::segment::{Place, Segment};

/// What is done about a segment that is, or is not, there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Making {
    #[default]
    Find,
    FindOrMake,
    Make,
}

/// Whose segments are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// This user's.
    #[default]
    Own,
    User(u32),
    Anybody,
}

type Init = dyn Fn(&Segment) -> Result<()> + Send + Sync;

/// The parameters of a segment. See the [module](self) documentation.
///
/// By default one is opened, not made, with the size, mode and layout it has to have left open but for
/// these: it is this user's, nobody else may reach it (mode 0600), and its layout hash is 0.
#[derive(Clone, Default)]
pub struct SegmentOptions {
    pub(crate) making: Making,
    pub(crate) size: Option<usize>,
    /// The size where one is made; one that is found may have another.
    pub(crate) usual_size: Option<usize>,
    pub(crate) capacity: Option<usize>,
    pub(crate) mode: Option<u32>,
    pub(crate) layout: u64,
    pub(crate) trusted: Trusted,
    pub(crate) read_only: bool,
    pub(crate) seals: Option<Seals>,
    pub(crate) huge: Option<HugePage>,
    pub(crate) transparent: bool,
    pub(crate) kept: bool,
    pub(crate) fleeting: bool,
    pub(crate) init: Option<Arc<Init>>,
}

impl SegmentOptions {
    /// Opens the segment, or makes it where there is none. Of several who try at once, one makes it and
    /// the others open it whole.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.making = Making::FindOrMake;
        self
    }

    /// Makes the segment; that there is one already is an error.
    #[must_use]
    pub fn create_new(mut self) -> Self {
        self.making = Making::Make;
        self
    }

    /// Bytes of payload. Needed to make a segment; to open one, it asks for no other size.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Lets the payload grow to as many bytes, by [`Segment::grow`]. Address space is taken for them
    /// wherever the segment is opened, memory is not.
    #[must_use]
    pub fn growable(mut self, capacity: usize) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Who may reach the segment (chmod(2)): 0600 by default. It is set as given, whatever umask(2) says,
    /// before anybody can find it. One that is opened and lets more users reach it is refused.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// What the payload holds, as a number that all who use the segment agree on, and that changes
    /// whenever the meaning of the bytes does. One that is opened with another number is refused. 0 by
    /// default.
    #[must_use]
    pub fn layout(mut self, hash: u64) -> Self {
        self.layout = hash;
        self
    }

    /// Opens a segment that belongs to this user (uid), and not to the caller's own.
    #[must_use]
    pub fn owned_by(mut self, user: u32) -> Self {
        self.trusted = Trusted::User(user);
        self
    }

    /// Opens a segment whoever owns it. Its owner can spoil it and cut it at any time.
    #[must_use]
    pub fn owned_by_anybody(mut self) -> Self {
        self.trusted = Trusted::Anybody;
        self
    }

    /// Maps it read-only. It has to exist.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// What a memfd refuses for good once it has been made and initialised; by default to be cut, to grow
    /// (unless it is [`growable`](Self::growable)), and further seals. Segments with a name cannot be
    /// sealed: the kernel seals memfds only.
    ///
    /// With [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`] everybody else's mapping is read-only. With the
    /// first the maker's is too, so that only [`init`](Self::init) can write. Pages may still be taken out
    /// of such a memfd by whoever has it open for writing (fallocate(2)), before it is sealed and not after.
    #[must_use]
    pub fn seals(mut self, seals: Seals) -> Self {
        self.seals = Some(seals);
        self
    }

    /// Has a memfd consist of huge pages from the kernel's pool. The size is rounded up to whole ones. A
    /// segment in a file has them where the file lies on hugetlbfs.
    #[must_use]
    pub fn huge_pages(mut self, size: HugePage) -> Self {
        self.huge = Some(size);
        self
    }

    /// Asks for transparent huge pages. For shared memory the kernel gives them where
    /// /sys/kernel/mm/transparent_hugepage/shmem_enabled says `advise`.
    #[must_use]
    pub fn transparent_huge_pages(mut self) -> Self {
        self.transparent = true;
        self
    }

    /// Makes a segment that [`gc`](crate::gc()) leaves alone when nobody has it open.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Removes the name when the last user drops the segment. Each user who wants that says so; where one
    /// dies, the next to drop it removes it, or [`gc`](crate::gc()). A child that is just being started has all
    /// descriptors until it executes its program, and counts as a user for so long.
    #[must_use]
    pub fn unlink_on_last_close(mut self) -> Self {
        self.fleeting = true;
        self
    }

    /// Runs on a segment that has just been made, before anybody else can find it. If it fails, there is
    /// no segment.
    #[must_use]
    pub fn init(mut self, init: impl Fn(&Segment) -> Result<()> + Send + Sync + 'static) -> Self {
        self.init = Some(Arc::new(init));
        self
    }

    /// Whether a segment may be made.
    pub(crate) fn makes(&self) -> bool {
        self.making != Making::Find
    }

    /// Bytes of payload of a segment that is made.
    pub(crate) fn size_to_make(&self) -> Option<usize> {
        self.size.or(self.usual_size)
    }

    /// Opens or makes the segment of this name: a file in /dev/shm (shm_overview(7)).
    ///
    /// # Errors
    /// - [`Name`](crate::ErrorKind::Name) for what is no name.
    /// - To open: [`NotFound`](crate::ErrorKind::NotFound), [`Denied`](crate::ErrorKind::Denied),
    ///   [`Owner`](crate::ErrorKind::Owner), [`Mode`](crate::ErrorKind::Mode),
    ///   [`Foreign`](crate::ErrorKind::Foreign), [`Version`](crate::ErrorKind::Version),
    ///   [`Layout`](crate::ErrorKind::Layout), [`Size`](crate::ErrorKind::Size),
    ///   [`Truncated`](crate::ErrorKind::Truncated), [`Scribbled`](crate::ErrorKind::Scribbled) for what
    ///   is not the segment that was asked for; [`Busy`](crate::ErrorKind::Busy) if somebody keeps it
    ///   locked for a second.
    /// - To make: [`Exists`](crate::ErrorKind::Exists), [`NoSpace`](crate::ErrorKind::NoSpace),
    ///   [`Invalid`](crate::ErrorKind::Invalid) for options that contradict each other, and what
    ///   [`init`](Self::init) returns.
    /// - [`Os`](crate::ErrorKind::Os) with EMFILE, ENFILE, ENOMEM: see open(2) and mmap(2).
    pub fn open(&self, name: &str) -> Result<Segment> {
        let path = Name::new("open", name)?.path();
        make::at(self, Place::Name(path))
    }

    /// Opens or makes the segment in this file, which survives a reboot where its file system does. A
    /// final symbolic link is not followed.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for the name.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Segment> {
        make::at(self, Place::File(path.as_ref().to_owned()))
    }

    /// Makes a segment without a name, to be handed on by its descriptor (memfd_create(2)). `name` shows
    /// in /proc/PID/maps, and need not be unique.
    ///
    /// # Errors
    /// As [`open`](Self::open), for making one.
    pub fn memfd(&self, name: &str) -> Result<Segment> {
        make::memfd(self, name)
    }

    /// The segment behind a descriptor: one that another process sent, say. Its mode and owner are not
    /// looked at; who has a descriptor has been let in.
    ///
    /// # Errors
    /// As [`open`](Self::open), for opening one. The descriptor is closed then.
    pub fn fd(&self, fd: OwnedFd) -> Result<Segment> {
        make::adopt(self, fd)
    }
}

impl fmt::Debug for SegmentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentOptions")
            .field("making", &self.making)
            .field("size", &self.size)
            .field("capacity", &self.capacity)
            .field("mode", &self.mode)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
