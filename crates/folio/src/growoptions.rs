//! The options of a growable mapping, and how one is made: the file is mapped over the whole
//! capacity, of which only the bytes it has are there.
//!

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::place::{self, Source};
use crate::region::Region;
use crate::sys::Errno;
use crate::{Backing, BackingKind, Growable, MapOptions, Protection, space};

/// How a [`Growable`] is made and grows.
///
/// By default: readable and writable, an existing file, disk space reserved as it grows.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("folio-doc-grow-{}", std::process::id()));
/// let map = folio::Growable::options().sparse().or_create().open(&path, 1 << 40)?;
/// map.grow(1 << 30)?; // takes no disk space yet
/// map.write_at(1 << 29, b"in the middle of a hole")?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GrowOptions {
    pub(crate) sparse: bool,
    pub(crate) read_only: bool,
    pub(crate) or_create: bool,
    pub(crate) truncate: bool,
    pub(crate) populate: bool,
}

impl GrowOptions {
    /// Grows by a hole (ftruncate(2)) instead of reserving disk space. Faster, and takes space only
    /// where bytes are written; a store that finds the disk full is a fault of kind
    /// [`NoSpace`](crate::FaultKind::NoSpace).
    #[must_use]
    pub fn sparse(mut self) -> Self {
        self.sparse = true;
        self
    }

    /// Only reads: it follows a file that others make longer, with [`Growable::refresh`].
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Creates the file where there is none.
    #[must_use]
    pub fn or_create(mut self) -> Self {
        self.or_create = true;
        self
    }

    /// Brings the pages into memory as it grows, so that a store to them does not wait
    /// (MADV_POPULATE_WRITE in madvise(2), Linux 5.14).
    #[must_use]
    pub fn populate(mut self) -> Self {
        self.populate = true;
        self
    }

    /// Maps the file at a path, with room to grow to `capacity` bytes.
    ///
    /// # Errors
    /// Those of open(2) and those of [`map`](Self::map).
    pub fn open(&self, path: impl AsRef<Path>, capacity: usize) -> Result<Growable> {
        let path = path.as_ref();
        let mut options = File::options();
        options.read(true).write(!self.read_only).create(self.or_create).truncate(self.truncate);
        let file = options.open(path).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            Error::os("open", &Backing::of_path(path), Errno::from_raw_os_error(errno))
                .hint_for(libc::EACCES, "to grow a file takes permission to write it")
                .hint_for(libc::EROFS, "to grow a file takes a file system that is writable")
                .hint_for(libc::EINVAL, "what is only read cannot be created")
        })?;
        self.map_file(file, Some(path), capacity)
    }

    /// Maps an open file or memory file, with room to grow to `capacity` bytes. Keeps a descriptor
    /// of its own.
    ///
    /// # Errors
    /// - [`ErrorKind::OutOfRange`] if the file is longer than `capacity` already.
    /// - [`ErrorKind::Unsupported`] for a device, whose length is what it is.
    /// - [`ErrorKind::Os`] with ENOMEM where no address space of that length is free, EACCES if the
    ///   file is not open for reading and writing, EOVERFLOW for a capacity that no file can have,
    ///   or EMFILE.
    pub fn map(&self, file: impl AsFd, capacity: usize) -> Result<Growable> {
        let file = file.as_fd().try_clone_to_owned().map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EMFILE);
            Error::os("keep", &Backing::ANONYMOUS, Errno::from_raw_os_error(errno))
        })?;
        self.map_file(file.into(), None, capacity)
    }

    fn map_file(&self, file: File, path: Option<&Path>, capacity: usize) -> Result<Growable> {
        // A writable mapping would make a file on hugetlbfs as long as the capacity, and take its
        // huge pages from the pool. It becomes writable afterwards.
        let options = MapOptions::new().shared().no_reserve().beyond_end().len(capacity);
        let mut region = place::map(&options, Source::File(file.as_fd(), path))?;
        let fail = |region: &Region, kind, reason| {
            Err(Error::kind_of("map", &region.backing, kind, reason))
        };
        if matches!(region.backing.kind(), BackingKind::BlockDevice | BackingKind::CharacterDevice)
        {
            let reason = String::from("a device cannot grow: map it as a Mapping");
            return fail(&region, ErrorKind::Unsupported, reason);
        }
        let len = space::len(&file).map_err(|errno| Error::os("map", &region.backing, errno))?;
        if len > capacity as u64 {
            let reason = format!("its {len} bytes exceed the capacity of {capacity}");
            return fail(&region, ErrorKind::OutOfRange, reason);
        }
        if !self.read_only {
            region.protect(.., Protection::READ | Protection::WRITE)?;
        }
        region.file = Some(file);
        Ok(Growable::new(region, len as usize, self.clone()))
    }
}
