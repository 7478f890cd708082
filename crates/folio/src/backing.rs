//! The backing of a mapping: where its bytes come from, and how to ask it questions later.
//!
//! A mapping outlives the descriptor it was made from (mmap(2)), so a [`Backing`] is a description,
//! not a handle: kind, device and inode, and the path where one is known. When a fault has to be
//! explained, a witness, that is an open descriptor of the same file, is looked for: the one
//! the mapping kept, then the path, then this process's open descriptors; device and inode decide
//! whether it is the same file.

use core::fmt;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use crate::sys;

/// The kind of thing a mapping's bytes come from.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackingKind {
    /// Anonymous memory: no file, zeros at first.
    Anonymous,
    /// A regular file.
    File,
    /// A memory file: memfd_create(2), shm_open(3), or a file on tmpfs or hugetlbfs.
    SharedMemory,
    /// Memory that not even the kernel maps: memfd_secret(2).
    Secret,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

impl fmt::Display for BackingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Anonymous => "anonymous memory",
            Self::File => "file",
            Self::SharedMemory => "shared memory",
            Self::Secret => "secret memory",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
        })
    }
}

/// Where a mapping's bytes come from.
///
/// ```
/// let map = folio::Mapping::open("Cargo.toml")?;
/// assert_eq!(map.backing().kind(), folio::BackingKind::File);
/// assert_eq!(map.backing().path(), Some(std::path::Path::new("Cargo.toml")));
/// # Ok::<(), folio::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Backing {
    kind: BackingKind,
    path: Option<Arc<Path>>,
    inode: Option<(u64, u64)>,
}

impl Backing {
    pub(crate) const ANONYMOUS: Self = Self::nameless(BackingKind::Anonymous);
    pub(crate) const SHARED_MEMORY: Self = Self::nameless(BackingKind::SharedMemory);
    pub(crate) const SECRET: Self = Self::nameless(BackingKind::Secret);

    const fn nameless(kind: BackingKind) -> Self {
        Self { kind, path: None, inode: None }
    }

    pub(crate) fn of(stat: &Stat, path: Option<&Path>, fs_type: Option<i64>) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => BackingKind::CharacterDevice,
            FileType::BlockDevice => BackingKind::BlockDevice,
            _ => match fs_type {
                Some(sys::FS_SECRETMEM) => BackingKind::Secret,
                Some(sys::FS_TMPFS | sys::FS_HUGETLB) => BackingKind::SharedMemory,
                _ => BackingKind::File,
            },
        };
        Self { kind, path: path.map(Arc::from), inode: Some((stat.st_dev, stat.st_ino)) }
    }

    pub(crate) fn of_path(path: &Path) -> Self {
        Self { kind: BackingKind::File, path: Some(Arc::from(path)), inode: None }
    }

    /// A file as the kernel names it where it is mapped.
    pub(crate) fn found(path: Option<&Path>, device: u64, inode: u64) -> Self {
        let inode = Some((device, inode));
        Self { kind: BackingKind::File, path: path.map(Arc::from), inode }
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> BackingKind {
        self.kind
    }

    /// The path it was opened by, if it was opened by path.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Device and inode number (stat(2)), for a backing that is a file.
    pub fn inode(&self) -> Option<(u64, u64)> {
        self.inode
    }

    /// A descriptor of the same file, found anew; for reading only.
    pub(crate) fn witness(&self) -> Option<File> {
        self.find(false)
    }

    /// The same, open for reading and writing.
    pub(crate) fn writable_witness(&self) -> Option<File> {
        self.find(true)
    }

    fn find(&self, write: bool) -> Option<File> {
        self.inode?;
        let own = || {
            let open = fs::read_dir("/proc/thread-self/fd").into_iter().flatten();
            open.filter_map(|entry| Some(entry.ok()?.path()))
        };
        self.path.iter().map(|path| path.to_path_buf()).chain(own()).find_map(|path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            // Opening a device or a pipe can block or do things.
            if !(metadata.is_file() || metadata.file_type().is_block_device()) {
                return None;
            }
            self.is(&metadata).then_some(())?;
            let flags = libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
            let file =
                File::options().read(true).write(write).custom_flags(flags).open(path).ok()?;
            self.is(&file.metadata().ok()?).then_some(file)
        })
    }

    /// Whether this is the file the metadata are of.
    pub(crate) fn is(&self, metadata: &fs::Metadata) -> bool {
        self.inode == Some((metadata.dev(), metadata.ino()))
    }
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.inode) {
            (Some(path), _) => write!(f, "{}", path.display()),
            (None, Some((_, inode))) => write!(f, "{} (inode {inode})", self.kind),
            (None, None) => write!(f, "{}", self.kind),
        }
    }
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backing({}: {self})", self.kind)
    }
}
