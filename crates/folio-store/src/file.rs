//! A store over a file or a block device, through the page cache or past it.
//!
//! ```
//! use folio_store::{FileStore, Store};
//!
//! # let dir = std::env::temp_dir().join(format!("folio-file-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir).unwrap();
//! # let path = dir.join("numbers");
//! let store = FileStore::options().writable(true).create(true).open(&path)?;
//! store.write_all_at(b"one two", 0)?;
//! store.sync()?;
//!
//! let mut bytes = [0; 3];
//! FileStore::open(&path)?.read_full_at(&mut bytes, 4)?;
//! assert_eq!(&bytes, b"two");
//! # std::fs::remove_dir_all(&dir).unwrap();
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - The descriptor is opened once. A file that is renamed, replaced or deleted is read on.
//! - No version is fixed: others may write the file. [`version`](Store::version) goes by size, mtime
//!   and ctime, as make(1) does: two writes within one tick of the file system's clock (at most 10 ms;
//!   none on Linux 6.13 and ext4, XFS, Btrfs or tmpfs) may have one version.
//! - An error of fdatasync(2) is returned by every [`sync`](Store::sync) that had begun by then,
//!   since the kernel tells it only once.
//! - Direct I/O: what is aligned goes to the medium and past the page cache. Reads that are not go
//!   through a bounce buffer; writes that are not (part of a block, the last part of a file) go through
//!   the page cache, while no other write of this process is under way in the file. Another
//!   process that writes the same file directly at the same time is not held off, as nowhere with
//!   O_DIRECT (open(2)).

use std::fs::{File, Metadata, OpenOptions, metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use crate::direct::Direct;
use crate::range::inside;
use crate::{Capabilities, Cost, Error, ErrorKind, Result, Store};

/// No file is longer, and none that is read directly.
const MAX_LEN: u64 = i64::MAX as u64;
const MAX_DIRECT_LEN: u64 = MAX_LEN - MAX_LEN % (1 << 20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caching {
    Buffered,
    Direct,
    DirectIfPossible,
}

/// How a [`FileStore`] is opened: without more, for reading, through the page cache.
#[derive(Clone, Debug)]
pub struct FileOptions {
    writable: bool,
    create: bool,
    caching: Caching,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { writable: false, create: false, caching: Caching::Buffered }
    }
}

impl FileOptions {
    /// Whether the store can be written.
    #[must_use]
    pub fn writable(mut self, yes: bool) -> Self {
        self.writable = yes;
        self
    }

    /// Whether a file that is not there is made, empty. Its directory is synced, if it can be opened.
    /// Makes the store writable.
    #[must_use]
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self.writable |= yes;
        self
    }

    /// Whether the page cache is left out (O_DIRECT, open(2)), or opening fails.
    #[must_use]
    pub fn direct(mut self, yes: bool) -> Self {
        self.caching = if yes { Caching::Direct } else { Caching::Buffered };
        self
    }

    /// Whether the page cache is left out where the file system can do that;
    /// [`FileStore::is_direct`] tells.
    #[must_use]
    pub fn direct_if_possible(mut self, yes: bool) -> Self {
        self.caching = if yes { Caching::DirectIfPossible } else { Caching::Buffered };
        self
    }

    /// Opens a file or a block device.
    ///
    /// # Errors
    /// What open(2) says; [`ErrorKind::Unsupported`] for what is neither a file nor a block device,
    /// and for [`direct`](Self::direct) where the file system cannot do that.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<FileStore> {
        let path = path.as_ref();
        let name = name_of(path);
        let failed = |error: io::Error| Error::os("open", &name, &error);
        let made = match metadata(path) {
            // A pipe would block while it is opened.
            Ok(metadata) => check_type(&name, &metadata).map(|()| false)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.create => true,
            Err(error) => return Err(failed(error)),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(self.writable).create(self.create);
        let buffered = |options: &OpenOptions| options.open(path).map_err(failed);
        let direct = |mut options: OpenOptions| match options
            .custom_flags(OFlags::DIRECT.bits() as i32)
            .open(path)
        {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(Direct::unsupported(&name))
            }
            file => FileStore::over(file.map_err(failed)?, name.clone()),
        };
        let store = match self.caching {
            Caching::Buffered => FileStore::over(buffered(&options)?, name.clone())?,
            Caching::Direct => direct(options)?,
            Caching::DirectIfPossible => match direct(options.clone()) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    FileStore::over(buffered(&options)?, name.clone())?
                }
                store => store?,
            },
        };
        if made {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if let Ok(directory) = File::open(parent.unwrap_or(Path::new("."))) {
                directory.sync_all().map_err(|error| Error::os("create", &name, &error))?;
            }
        }
        match self.caching {
            Caching::Direct if !store.is_direct() => Err(Direct::unsupported(&store.name)),
            _ => Ok(store),
        }
    }
}

/// A file or a block device. See the [module](self).
#[derive(Debug)]
pub struct FileStore {
    file: File,
    name: String,
    is_device: bool,
    writable: bool,
    identity: String,
    direct: Option<Direct>,
    /// Calls of fdatasync(2) that failed.
    failures: AtomicU64,
    last_failure: Mutex<Option<Error>>,
}

/// A name is one line, whatever the path.
fn name_of(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.chars().map(|char| if char.is_control() { '?' } else { char });
    format!("file {}", path.collect::<String>())
}

fn check_type(name: &str, metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_block_device() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Unsupported, "open", name);
    Err(error.reason("it is neither a file nor a block device"))
}

impl FileStore {
    /// Opens a file or a block device for reading, through the page cache.
    ///
    /// # Errors
    /// As [`FileOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(path)
    }

    /// To open one in another way.
    #[must_use]
    pub fn options() -> FileOptions {
        FileOptions::default()
    }

    /// A store over an open file, called `name` in errors. It is written if it was opened for that,
    /// and read directly if it was opened with O_DIRECT.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for what is neither a file nor a block device;
    /// [`ErrorKind::Invalid`] for a file that cannot be read, or that was opened to append, since Linux
    /// ignores a write's offset there (BUGS in pwrite(2)).
    pub fn from_file(file: File, name: impl Into<String>) -> Result<Self> {
        Self::over(file, name.into())
    }

    fn over(file: File, name: String) -> Result<Self> {
        let failed = |error: &io::Error| Error::os("open", &name, error);
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        check_type(&name, &metadata)?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| failed(&error.into()))?;
        let mode = flags & OFlags::RWMODE;
        if flags.contains(OFlags::APPEND) || mode == OFlags::WRONLY {
            let error = Error::new(ErrorKind::Invalid, "open", name);
            return Err(error.reason("it was opened to append, or not for reading"));
        }
        let writable = mode == OFlags::RDWR;
        let direct = match flags.contains(OFlags::DIRECT) {
            true => Direct::new(&file, &metadata, writable, &name)?,
            false => None,
        };
        let is_device = metadata.file_type().is_block_device();
        let identity = match is_device {
            true => format!("device {}", metadata.rdev()),
            false => format!("file {} {}", metadata.dev(), metadata.ino()),
        };
        Ok(Self {
            file,
            name,
            is_device,
            writable,
            identity,
            direct,
            failures: AtomicU64::new(0),
            last_failure: Mutex::default(),
        })
    }

    /// Whether the page cache is left out.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    fn error(&self, operation: &'static str, error: &io::Error, count: usize, at: u64) -> Error {
        Error::os(operation, &self.name, error).range(at..at.saturating_add(count as u64))
    }
}

impl AsFd for FileStore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Calls again what a signal interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

impl Store for FileStore {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn len(&self) -> Result<u64> {
        let len = match self.is_device {
            // The position is used by nobody else: all reads and writes say theirs.
            true => (&self.file).seek(SeekFrom::End(0)),
            false => self.file.metadata().map(|metadata| metadata.len()),
        };
        len.map_err(|error| Error::os("measure", &self.name, &error))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let max = if self.is_direct() { MAX_DIRECT_LEN } else { MAX_LEN };
        let count = inside(buf.len(), offset, max);
        if count == 0 {
            return Ok(0);
        }
        let buf = &mut buf[..count];
        let outcome = uninterrupted(|| match &self.direct {
            Some(direct) => direct.read(&self.file, buf, offset),
            None => self.file.read_at(buf, offset),
        });
        outcome.map_err(|error| self.error("read", &error, count, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let count = bytes.len();
        let range = offset..offset.saturating_add(count as u64);
        let refused = |kind| Error::new(kind, "write", &self.name).range(range.clone());
        if !self.writable {
            return Err(refused(ErrorKind::ReadOnly));
        }
        if count == 0 {
            return Ok(0);
        }
        if offset.checked_add(count as u64).is_none_or(|end| end > MAX_LEN) {
            return Err(refused(ErrorKind::Invalid).reason("no file is that long"));
        }
        let outcome = uninterrupted(|| match &self.direct {
            Some(direct) => direct.write(&self.file, bytes, offset),
            None => self.file.write_at(bytes, offset),
        });
        outcome.map_err(|error| self.error("write", &error, count, offset))
    }

    fn resize(&self, len: u64) -> Result<()> {
        let refused = |kind| Err(Error::new(kind, "resize", &self.name));
        match (self.writable, self.is_device) {
            (false, _) => return refused(ErrorKind::ReadOnly),
            (true, true) => return refused(ErrorKind::Unsupported),
            (true, false) => {}
        }
        let _alone = self.direct.as_ref().map(Direct::alone);
        let outcome = uninterrupted(|| self.file.set_len(len));
        outcome.map_err(|error| Error::os("resize", &self.name, &error))
    }

    fn sync(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        let before = self.failures.load(Ordering::Acquire);
        // One at a time: a failure is noted before another call can miss it.
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.file.sync_data() {
            self.failures.fetch_add(1, Ordering::Release);
            *last = Some(Error::os("sync", &self.name, &error));
        }
        match &*last {
            Some(error) if self.failures.load(Ordering::Acquire) > before => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let alignment = self.direct.as_ref().map_or(1, Direct::alignment_bytes);
        Capabilities::new(Cost::Local)
            .alignment(alignment)
            .granule(alignment.max(16 << 10))
            .writable(self.writable)
            .resizable(self.writable && !self.is_device)
            .touching_mappings(false)
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }

    fn version(&self) -> Option<String> {
        if self.is_device {
            return None;
        }
        let at = self.file.metadata().ok()?;
        Some(format!(
            "{}:{} {} {}.{:09} {}.{:09}",
            at.dev(),
            at.ino(),
            at.len(),
            at.mtime(),
            at.mtime_nsec(),
            at.ctime(),
            at.ctime_nsec()
        ))
    }
}
