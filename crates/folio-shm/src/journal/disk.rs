//! The disk: every change of a journal's files and of its directory, and every wait until one has reached the disk.
//!
//! They are in one place so that tests see each, and have the power fail between any two (`power_tests`).

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::header::BYTES;
use crate::segment::Segment;

/// Changes bytes of a file's payload.
pub(super) fn write(file: &Segment, at: usize, bytes: &[u8]) -> Result<()> {
    #[cfg(test)]
    steps::write(file, BYTES + at, bytes);
    file.write_at(at, bytes)
}

/// Changes a word of a file's payload in one step, after all that was written before.
pub(super) fn commit(file: &Segment, at: usize, word: u64) -> Result<()> {
    #[cfg(test)]
    steps::write(file, BYTES + at, &word.to_le_bytes());
    let failed = |error| file.failed("write", error);
    let place = file.mapping().view().atomic_u64(BYTES + at).map_err(failed)?;
    place.store(word).map_err(failed)
}

/// Waits until these bytes of a file's payload are on the disk (msync(2)).
pub(super) fn flush(file: &Segment, payload: Range<usize>) -> Result<()> {
    let range = BYTES + payload.start..BYTES + payload.end;
    let flushed = file.mapping().flush(range.clone()).map(drop);
    flushed.map_err(|error| file.failed("flush", error))?;
    #[cfg(test)]
    steps::take(steps::Step::Flushed(steps::inode(file), range));
    Ok(())
}

/// Waits until a whole file is on the disk, its length too (fsync(2)).
pub(super) fn sync(file: &Segment) -> Result<()> {
    rustix::fs::fsync(file.as_fd()).map_err(|errno| Error::os("flush", file.show(), errno))?;
    #[cfg(test)]
    steps::take(steps::Step::Synced(steps::inode(file)));
    Ok(())
}

/// A file has got its name.
pub(super) fn named(_file: &Segment, _path: &Path) {
    #[cfg(test)]
    steps::take(steps::Step::Named(steps::inode(_file), _path.to_owned()));
}

/// Waits until a directory's names are on the disk.
pub(super) fn sync_directory(directory: &File, _path: &Path) -> Result<(), Errno> {
    rustix::fs::fsync(directory)?;
    #[cfg(test)]
    steps::take(steps::Step::SyncedDirectory(_path.to_owned()));
    Ok(())
}

/// Removes a file, and waits until that is on the disk.
pub(super) fn remove(directory: &File, path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(test)]
    steps::take(steps::Step::Removed(path.to_owned()));
    sync_directory(directory, path.parent().unwrap_or(path))?;
    Ok(())
}

/// Makes a directory, and those that it is to be in, if they are not there.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = path.ancestors().take_while(missing).collect();
    fs::create_dir_all(path)?;
    for made in missing.into_iter().rev() {
        sync_name_of(made)?;
    }
    Ok(())
}

/// Waits until a directory has its name on the disk, where the one that it is in may be opened.
pub(super) fn sync_name_of(directory: &Path) -> io::Result<()> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(parent) {
        Ok(file) => Ok(sync_directory(&file, parent)?),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a thread has done to journals, for tests.
#[cfg(test)]
pub(super) mod steps {
    use std::cell::RefCell;
    use std::collections::HashSet;
    use std::ops::Range;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use crate::segment::Segment;

    /// A change of something, or that a change is on the disk. Files are named by their inodes.
    #[derive(Clone, Debug)]
    pub(crate) enum Step {
        /// The whole of a file before its first change that is seen.
        Is(u64, Vec<u8>),
        /// Bytes at an offset.
        Wrote(u64, usize, Vec<u8>),
        Flushed(u64, Range<usize>),
        Synced(u64),
        Named(u64, PathBuf),
        Removed(PathBuf),
        SyncedDirectory(PathBuf),
        /// So many messages are there to stay: the test says so.
        Promised(u64),
    }

    #[derive(Default)]
    struct Taken {
        steps: Vec<Step>,
        seen: HashSet<u64>,
    }

    thread_local! {
        static TAKEN: RefCell<Option<Taken>> = const { RefCell::new(None) };
    }

    /// The steps that this thread takes in `work`.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Vec<Step>) {
        TAKEN.set(Some(Taken::default()));
        let done = work();
        (done, TAKEN.take().expect("set above").steps)
    }

    pub(crate) fn take(step: Step) {
        TAKEN.with_borrow_mut(|taken| {
            if let Some(taken) = taken {
                taken.steps.push(step);
            }
        });
    }

    pub(super) fn write(file: &Segment, offset: usize, bytes: &[u8]) {
        let inode = inode(file);
        let is_new = TAKEN
            .with_borrow_mut(|taken| taken.as_mut().is_some_and(|taken| taken.seen.insert(inode)));
        if is_new {
            take(Step::Is(inode, file.mapping().view().to_vec().expect("it is there")));
        }
        take(Step::Wrote(inode, offset, bytes.to_vec()));
    }

    pub(super) fn inode(file: &Segment) -> u64 {
        rustix::fs::fstat(file.as_fd()).expect("it is open").st_ino
    }
}
