//! How a segment gets its name, and how it is found under it: without a half-made one in between.
//!
//! 1. [`Unnamed::new`]: a file without a name in the segment's directory (O_TMPFILE in open(2)). Where the
//!    file system has none, one with a name that no segment can have, locked by its maker.
//! 2. It gets its size, mode, header and first contents. Who dies until here leaves nothing, or a file
//!    that nobody has locked and [`crate::gc`] removes.
//! 3. [`Unnamed::publish`]: the name is given (linkat(2)), or is found to be taken. The kernel decides
//!    between two who try at once; there is no state to wait for.
//! 4. [`open`]: whoever finds the name finds a whole segment. A shared lock (flock(2)) says that it is in
//!    use: the kernel gives it back when the last descriptor is closed, however its process ended.
//! 5. Whoever removes a name that others may be using takes the lock for itself first
//!    ([`remove_if_unused`]). An opener that was waiting finds a file without a name, and looks again.
//!
//! Invariant: a file is locked, shared, before it has its name, and for as long as a segment has it open.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::name::UNFINISHED;
use crate::owner::Owner;

/// How long somebody may have a segment locked for itself. It takes microseconds to remove one.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn show(path: &Path) -> String {
    path.display().to_string()
}

/// A file that is to become a segment. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Unnamed {
    file: File,
    /// Its name until it is published, where it must have one.
    makeshift: Option<PathBuf>,
}

impl Unnamed {
    /// A new, empty file that can be published at `path`.
    pub(crate) fn new(operation: &'static str, path: &Path, mode: Mode) -> Result<Self> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let fail = |errno| {
            Error::os(operation, show(path), errno).explain(
                ErrorKind::NotFound,
                format!("the directory {} does not exist", directory.display()),
                "make it first",
            )
        };
        let this = match Self::without_a_name(directory) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                Self::with_a_makeshift_name(directory)
            }
            other => other,
        };
        let this = this.map_err(fail)?;
        // Of the process's umask(2) nothing is taken: the mode is the one asked for.
        rustix::fs::fchmod(&this.file, mode).map_err(fail)?;
        lock(operation, &show(path), &this.file)?;
        Ok(this)
    }

    fn without_a_name(directory: &Path) -> Result<Self, Errno> {
        // Without /proc it could not be given a name later.
        rustix::fs::stat("/proc/self/fd")?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { file: file.into(), makeshift: None })
    }

    fn with_a_makeshift_name(directory: &Path) -> Result<Self, Errno> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Owner { pid, namespace, start_ticks } = Owner::this_process();
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{UNFINISHED}{pid}-{namespace}-{start_ticks}-{number}");
            let path = directory.join(name);
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok(Self { file: file.into(), makeshift: Some(path) }),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, unless that is taken: [`ErrorKind::Exists`].
    pub(crate) fn publish(self, operation: &'static str, path: &Path) -> Result<()> {
        use std::os::fd::AsRawFd;

        let named = match &self.makeshift {
            Some(makeshift) => rustix::fs::linkat(CWD, makeshift, CWD, path, AtFlags::empty()),
            None => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)
            }
        };
        named.map_err(|errno| {
            Error::os(operation, show(path), errno).explain(
                ErrorKind::Exists,
                "there is something of that name already",
                "create() opens it, or unlink() it first",
            )
        })
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(makeshift) = &self.makeshift {
            let _ = rustix::fs::unlink(makeshift);
        }
    }
}

/// Opens what has the name, and locks it against removal.
pub(crate) fn open(operation: &'static str, path: &Path, write: bool) -> Result<File> {
    let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
    // A FIFO or a terminal of that name must neither block nor take over.
    let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let file = rustix::fs::open(path, flags, Mode::empty());
        let file: File = file.map_err(|errno| refused(operation, path, errno, write))?.into();
        let stat =
            rustix::fs::fstat(&file).map_err(|errno| Error::os(operation, show(path), errno))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(refused(operation, path, Errno::NXIO, write));
        }
        lock(operation, &show(path), &file)?;
        if is_named(&file) {
            return Ok(file);
        }
    }
    let reason = "others make it and remove it all the time";
    Err(Error::new(ErrorKind::Busy, operation, show(path), reason).advice("agree on who makes it"))
}

/// Locks a file against removal. Who looks whether anybody uses it has it for itself for a moment.
pub(crate) fn lock(operation: &'static str, what: &str, file: &File) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() >= end => {
                let reason = "somebody has had it locked for themselves for a second";
                return Err(Error::new(ErrorKind::Busy, operation, what, reason)
                    .advice("find out who in /proc/locks"));
            }
            Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_micros(100)),
            Err(errno) => return Err(Error::os(operation, what, errno)),
        }
    }
}

fn refused(operation: &'static str, path: &Path, errno: Errno, write: bool) -> Error {
    let foreign = |reason| {
        Error::new(ErrorKind::Foreign, operation, show(path), reason)
            .advice("choose another name, or remove it")
    };
    match errno {
        Errno::LOOP => foreign("it is a symbolic link, and no segment"),
        Errno::ISDIR | Errno::NXIO | Errno::NODEV => foreign("it is no regular file"),
        _ => Error::os(operation, show(path), errno)
            .explain(ErrorKind::NotFound, "there is no segment of that name", "create() makes one")
            .explain(
                ErrorKind::Denied,
                "its mode does not permit it to this user",
                match write {
                    true => "ask its owner, or open it with read_only()",
                    false => "ask its owner",
                },
            ),
    }
}

/// Removes the name at `path` if it is that of `file` and nobody else has the file open as a segment.
/// The shared lock of `file` is given up, so that nothing but closing it comes after this.
pub(crate) fn remove_if_unused(path: &Path, file: &File) -> Result<bool, Errno> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(errno) => return Err(errno),
    }
    let own = rustix::fs::fstat(file)?;
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino) => {
            rustix::fs::unlink(path).map(|()| true)
        }
        Ok(_) | Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn is_named(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink > 0)
}

pub(crate) fn flock(file: &File, how: FlockOperation) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::flock(file, how))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("folio-publish-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_file_has_no_name_until_it_is_published_and_takes_nobodys() {
        let path = path("named");
        let directory = path.parent().unwrap();
        for make in [Unnamed::without_a_name, Unnamed::with_a_makeshift_name] {
            let first = make(directory).unwrap();
            let second = make(directory).unwrap();
            assert!(!path.exists());
            first.publish("create", &path).unwrap();
            let error = second.publish("create", &path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exists);
            std::fs::remove_file(&path).unwrap();
        }
        let own = format!("{UNFINISHED}{}-", std::process::id());
        let left = std::fs::read_dir(directory).unwrap().flatten();
        assert!(left.into_iter().all(|e| !e.file_name().to_string_lossy().starts_with(&own)));
    }

    #[test]
    fn a_name_is_removed_only_when_the_last_user_lets_go() {
        let path = path("used");
        let made = Unnamed::new("create", &path, Mode::RUSR | Mode::WUSR).unwrap();
        let first = made.file().try_clone().unwrap();
        made.publish("create", &path).unwrap();
        let second = open("open", &path, true).unwrap();
        assert_eq!(remove_if_unused(&path, &first), Ok(false));
        assert!(path.exists());
        drop(second);
        assert_eq!(remove_if_unused(&path, &first), Ok(true));
        assert!(!path.exists());
        let error = open("open", &path, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_name_that_somebody_else_has_now_is_left_alone() {
        let path = path("other");
        let made = Unnamed::new("create", &path, Mode::RUSR).unwrap();
        std::fs::write(&path, b"somebody else's").unwrap();
        assert_eq!(remove_if_unused(&path, made.file()), Ok(false));
        assert!(path.exists());
        std::fs::remove_file(&path).unwrap();
    }
}
