//! Where a mapping's bytes come from.
//!
//! ```
//! use folio_stat::{BackingKind, Process};
//!
//! let code = Process::current()?.mapping_at(Process::current as *const () as usize)?.unwrap();
//! assert_eq!(code.backing.kind, BackingKind::File);
//! assert_eq!(code.backing.path, std::env::current_exe().ok());
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The kind of a [`Backing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum BackingKind {
    /// Private anonymous memory.
    Anonymous,
    /// The area that brk(2) grows.
    Heap,
    /// The main thread's stack.
    Stack,
    /// A file of a file system.
    File,
    /// Memory shared by an object: shared anonymous memory, a file in `/dev/shm`, a memfd, memory
    /// of shmget(2), memfd_secret(2).
    SharedMemory,
    /// Huge pages reserved ahead of time: `MAP_HUGETLB`, or a file of hugetlbfs.
    Hugetlb,
    /// A character or block device, judged by its path below `/dev`.
    Device,
    /// What the kernel itself put there, such as `[vdso]` and `[vvar]`, or an object without a
    /// path, such as a ring of io_uring(7) or a packet socket.
    Special,
}

impl fmt::Display for BackingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "anonymous",
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::File => "file",
            Self::SharedMemory => "shared-memory",
            Self::Hugetlb => "hugetlb",
            Self::Device => "device",
            Self::Special => "special",
        })
    }
}

/// Where a mapping's bytes come from, as far as proc_pid_maps(5) tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Backing {
    /// What kind it is.
    pub kind: BackingKind,
    /// The path of a file, device or shared-memory object, as the process sees it. Names the
    /// kernel makes up are here too: `/memfd:name`, `/dev/zero` (shared anonymous memory),
    /// `/SYSV00000000`, `/anon_hugepage`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_path"))]
    pub path: Option<PathBuf>,
    /// The name of what has no path, in the kernel's notation: `[heap]`, `[vdso]`, `[anon:NAME]`.
    pub name: Option<String>,
    /// The offset into the backing at which the mapping starts, in bytes.
    pub offset_bytes: u64,
    /// Major and minor number of the device that holds the file; 0 and 0 without a file.
    pub device: (u32, u32),
    /// The file's inode number on that device; 0 without a file.
    pub inode: u64,
    /// The file has no name any more. A file whose name ends in " (deleted)" looks the same.
    pub deleted: bool,
}

impl Backing {
    /// What a kernel's record of a mapping (perf_event_open(2), `PERF_RECORD_MMAP2`) says it is: the
    /// name as in proc_pid_maps(5), and where in it the mapping starts.
    ///
    /// Whether a file of the kernel's own has huge pages is not told: they are
    /// [`Hugetlb`](BackingKind::Hugetlb) in what a [`Process`](crate::Process) lists only.
    ///
    /// ```
    /// use folio_stat::{Backing, BackingKind};
    ///
    /// let backing = Backing::named(b"/data/a (deleted)", 4096, (8, 1), 77);
    /// assert_eq!((backing.kind, backing.deleted), (BackingKind::File, true));
    /// assert_eq!(Backing::named(b"", 0, (0, 0), 0).kind, BackingKind::Anonymous);
    /// ```
    pub fn named(name: &[u8], offset_bytes: u64, device: (u32, u32), inode: u64) -> Self {
        Self::new(name, offset_bytes, device, inode, 0, 0)
    }

    /// From what both `/proc/PID/maps` and PROCMAP_QUERY say.
    pub(crate) fn new(
        name: &[u8],
        offset_bytes: u64,
        device: (u32, u32),
        inode: u64,
        page_size_bytes: usize,
        base_page_bytes: usize,
    ) -> Self {
        let (stem, deleted) = match name.strip_suffix(b" (deleted)") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let is_path = stem.starts_with(b"/") && !stem.starts_with(b"/[");
        let path = is_path.then(|| PathBuf::from(OsStr::from_bytes(stem)));
        let label = (!is_path && !stem.is_empty()).then(|| String::from_utf8_lossy(stem).into());
        let kind = match path.as_deref() {
            Some(path) => Self::kind_of_path(path, deleted, page_size_bytes > base_page_bytes),
            None if stem.is_empty() || stem.starts_with(b"[anon:") => BackingKind::Anonymous,
            None if stem.starts_with(b"[anon_shmem:") => BackingKind::SharedMemory,
            None if stem == b"[heap]" => BackingKind::Heap,
            None if stem == b"[stack]" => BackingKind::Stack,
            None => BackingKind::Special,
        };
        Self { kind, path, name: label, offset_bytes, device, inode, deleted }
    }

    fn kind_of_path(path: &Path, deleted: bool, huge: bool) -> BackingKind {
        let starts = |prefix: &str| path.as_os_str().as_bytes().starts_with(prefix.as_bytes());
        if starts("/dev/dax") {
            BackingKind::Device
        } else if huge {
            BackingKind::Hugetlb
        } else if starts("/dev/shm/")
            || starts("/memfd:")
            || deleted && (starts("/SYSV") || path == Path::new("/dev/zero"))
            || deleted && path == Path::new("/secretmem")
        {
            BackingKind::SharedMemory
        } else if starts("/dev/") {
            BackingKind::Device
        } else {
            BackingKind::File
        }
    }

    /// The same backing, seen from `bytes` further on.
    pub(crate) fn advanced(mut self, bytes: usize) -> Self {
        if self.inode != 0 || self.path.is_some() {
            self.offset_bytes = self.offset_bytes.saturating_add(bytes as u64);
        }
        self
    }
}

/// The path or name, else the kind.
impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, &self.name) {
            (Some(path), _) if self.deleted => write!(f, "{} (deleted)", path.display()),
            (Some(path), _) => path.display().fmt(f),
            (None, Some(name)) => f.write_str(name),
            (None, None) => self.kind.fmt(f),
        }
    }
}

/// A path need not be UTF-8: other bytes become U+FFFD.
#[cfg(feature = "serde")]
fn serialize_path<S: serde::Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    use serde::Serialize;
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, page_size_bytes: usize) -> BackingKind {
        Backing::new(name.as_bytes(), 0, (0, 1), 1, page_size_bytes, 4096).kind
    }

    #[test]
    fn the_kernels_names_tell_the_kind() {
        for (name, expected) in [
            ("", BackingKind::Anonymous),
            ("[anon:glibc: malloc]", BackingKind::Anonymous),
            ("[anon_shmem:ring]", BackingKind::SharedMemory),
            ("[heap]", BackingKind::Heap),
            ("[stack]", BackingKind::Stack),
            ("[vvar_vclock]", BackingKind::Special),
            ("/[aio] (deleted)", BackingKind::Special),
            ("anon_inode:[io_uring]", BackingKind::Special),
            ("/dev/zero (deleted)", BackingKind::SharedMemory),
            ("/dev/zero", BackingKind::Device),
            ("/dev/shm/x", BackingKind::SharedMemory),
            ("/memfd:x (deleted)", BackingKind::SharedMemory),
            ("/SYSV00000000 (deleted)", BackingKind::SharedMemory),
            ("/SYSV", BackingKind::File),
            ("/secretmem (deleted)", BackingKind::SharedMemory),
            ("/usr/bin/sleep", BackingKind::File),
        ] {
            assert_eq!(kind(name, 4096), expected, "{name}");
        }
        assert_eq!(kind("/anon_hugepage (deleted)", 2 << 20), BackingKind::Hugetlb);
        assert_eq!(kind("/memfd:x (deleted)", 2 << 20), BackingKind::Hugetlb);
        assert_eq!(kind("/dev/dax0.0", 2 << 20), BackingKind::Device);
    }

    #[test]
    fn a_deleted_file_keeps_its_path_and_says_so() {
        let backing = Backing::new(b"/tmp/a b (deleted)", 8192, (8, 1), 5, 4096, 4096);
        assert_eq!(backing.path.as_deref(), Some(Path::new("/tmp/a b")));
        assert!(backing.deleted);
        assert_eq!(backing.to_string(), "/tmp/a b (deleted)");
        assert_eq!(backing.advanced(4096).offset_bytes, 12288);
    }
}
