//! The walk: every file below some paths, opened once, by several threads.
//!
//! Threads take work from one queue: a directory to read, or names of one that was read by somebody
//! else. Who reads a directory looks at its files at once, unless another thread has nothing to do.
//! So the queue holds directories, the last found first, and no more names than there are threads.
//!
//! Symbolic links are followed where they are a PATH and nowhere else. A directory is entered once,
//! and a file with several names counted once, whatever leads there. What vanishes meanwhile is gone,
//! and no omission. Nothing but regular files is opened below a PATH, sockets, pipes and devices are
//! counted there, and no file is ever read.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::counts::Counts;
use super::ledger::{Counted, Kind, Ledger};
use super::omissions::Omissions;
use super::system;
use crate::failure::{Failure, words};

/// Bytes of names that are read from a directory at once.
const NAMES_BYTES: usize = 64 << 10;

/// A file that is open.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The file.
    pub file: File,
    /// What fstat(2) says of it.
    pub stat: Stat,
    /// The row it belongs to.
    pub row: usize,
    /// Whether it has a row of its own.
    pub has_row: bool,
    directory: &'a Path,
    name: &'a OsStr,
}

impl Entry<'_> {
    /// Its path.
    pub fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }
}

/// Why a file was not counted.
#[derive(Debug)]
pub enum Refusal {
    /// It is left out, for this reason.
    LeftOut(String),
    /// The walk ends.
    Stop(Failure),
}

/// What is done with each file: what was counted, or `None` if that is added later.
pub type Visit<'a> = dyn Fn(&Entry<'_>) -> Result<Option<Counted>, Refusal> + Sync + 'a;

/// How to walk.
#[derive(Debug)]
pub struct Walk<'a> {
    /// Whether to stay on the file system of each PATH.
    pub one_file_system: bool,
    /// How many threads.
    pub threads: usize,
    /// Where counts go.
    pub ledger: &'a Ledger,
    /// Where what is left out goes.
    pub omissions: &'a Omissions,
}

struct Directory {
    path: PathBuf,
    row: usize,
    depth: usize,
    /// The file system of what it lies in; a PATH's own.
    device: u64,
}

struct Open {
    directory: Directory,
    fd: OwnedFd,
}

enum Work {
    Directory(Directory),
    Names(Arc<Open>, Vec<CString>),
}

#[derive(Default)]
struct Queue {
    work: Vec<Work>,
    busy: usize,
    idle: usize,
    stopped: Option<Failure>,
}

struct Walker<'a> {
    walk: &'a Walk<'a>,
    visit: &'a Visit<'a>,
    queue: Mutex<Queue>,
    changed: Condvar,
    seen: Mutex<HashSet<(u64, u64)>>,
    /// Whether a file may be met again that has one name.
    has_more_paths: bool,
}

/// How files and directories are opened: so that nothing waits, whatever takes their place.
pub(super) const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A turn at a piece of work. However it ends, nobody waits for what it might have found.
struct Turn<'a, 'w>(&'a Walker<'w>);

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        lock(&self.0.queue).busy -= 1;
        self.0.changed.notify_all();
    }
}

impl Walk<'_> {
    /// Visits all files below these paths, one path after the other.
    ///
    /// # Errors
    /// What a visit stopped with.
    pub fn run(&self, paths: &[PathBuf], visit: &Visit<'_>) -> Result<(), Failure> {
        let walker = Walker {
            walk: self,
            visit,
            queue: Mutex::default(),
            changed: Condvar::new(),
            seen: Mutex::default(),
            has_more_paths: paths.len() > 1,
        };
        for path in paths {
            match statat(CWD, path, AtFlags::empty()) {
                Err(Errno::NOENT) if is_number(path) => self.omissions.add(
                    path,
                    &format!(
                        "{}, or put an option's number behind = (--tree=1)",
                        reason(Errno::NOENT)
                    ),
                ),
                Err(errno) => self.omissions.add(path, &reason(errno)),
                Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => walker.tree(path, stat.st_dev),
                    kind => walker.named(path, kind),
                },
            }
            if let Some(failure) = lock(&walker.queue).stopped.take() {
                return Err(failure);
            }
        }
        Ok(())
    }
}

impl Walker<'_> {
    fn left_out(&self, path: &Path, reason: &str) {
        self.walk.omissions.add(path, reason);
    }

    /// A PATH that is no directory.
    fn named(&self, path: &Path, kind: FileType) {
        let kind = match kind {
            FileType::RegularFile => Kind::File,
            FileType::BlockDevice => Kind::BlockDevice,
            kind => return self.left_out(path, special(kind)),
        };
        let opened = openat(CWD, path, READ, Mode::empty()).and_then(|fd| Ok((fstat(&fd)?, fd)));
        match opened {
            Err(errno) => self.left_out(path, &reason(errno)),
            Ok((stat, fd)) if self.is_new(&stat) => {
                let row = self.walk.ledger.root(path, kind);
                let name = path.as_os_str();
                let entry = Entry {
                    file: fd.into(),
                    stat,
                    row,
                    has_row: true,
                    directory: Path::new(""),
                    name,
                };
                self.file(&entry, &mut Counts::default());
            }
            Ok(_) => {}
        }
    }

    /// A PATH that is a directory, and all below it.
    fn tree(&self, path: &Path, device: u64) {
        let directory = Directory { path: path.to_owned(), row: usize::MAX, depth: 0, device };
        lock(&self.queue).work.push(Work::Directory(directory));
        thread::scope(|scope| {
            for _ in 1..self.walk.threads {
                // With fewer threads it takes longer.
                let _ = thread::Builder::new().spawn_scoped(scope, || self.work());
            }
            self.work();
        });
    }

    fn work(&self) {
        let mut buffer = Vec::with_capacity(NAMES_BYTES);
        while let Some(work) = self.next() {
            let _turn = Turn(self);
            match work {
                Work::Directory(directory) => self.directory(directory, &mut buffer),
                Work::Names(open, names) => self.files(&open, &names),
            }
        }
    }

    /// The next piece of work; none when nobody is at work that might find more.
    fn next(&self) -> Option<Work> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped.is_some() {
                queue.work.clear();
            }
            if let Some(work) = queue.work.pop() {
                queue.busy += 1;
                return Some(work);
            }
            if queue.busy == 0 {
                return None;
            }
            queue.idle += 1;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn is_stopped(&self) -> bool {
        lock(&self.queue).stopped.is_some()
    }

    /// Whether a directory, or a file that can be reached again, was not seen before.
    fn is_new(&self, stat: &Stat) -> bool {
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let again = is_directory || self.has_more_paths || stat.st_nlink > 1;
        !again || lock(&self.seen).insert((stat.st_dev, stat.st_ino))
    }

    fn directory(&self, mut directory: Directory, buffer: &mut Vec<u8>) {
        let is_root = directory.depth == 0;
        let opened = system::open_directory(&directory.path, READ, is_root)
            .and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            // Something else has taken its place.
            Err(Errno::NOTDIR | Errno::LOOP) if !is_root => return,
            Err(errno) => return self.failed(&directory.path, errno),
        };
        if stat.st_dev != directory.device || is_root {
            if self.walk.one_file_system && !is_root {
                return;
            }
            if system::is_made_up(&fd) {
                if is_root {
                    self.left_out(&directory.path, "its files are made up when they are read");
                }
                return;
            }
        }
        if !self.is_new(&stat) {
            return;
        }
        directory.device = stat.st_dev;
        directory.row = match is_root {
            true => self.walk.ledger.root(&directory.path, Kind::Directory),
            false => {
                let name = directory.path.file_name().unwrap_or_default();
                self.walk.ledger.below(directory.row, Path::new(name), directory.depth)
            }
        };
        self.read(Arc::new(Open { directory, fd }), buffer);
    }

    fn read(&self, open: Arc<Open>, buffer: &mut Vec<u8>) {
        let mut entries = RawDir::new(&open.fd, buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => self.entry(&open, entry.file_name(), entry.file_type(), &mut names),
                Err(errno) => {
                    self.failed(&open.directory.path, errno);
                    break;
                }
            }
            if entries.is_buffer_empty() && !names.is_empty() && !self.hand_over(&open, &mut names)
            {
                self.files(&open, &names);
                names.clear();
            }
            if names.is_empty() && self.is_stopped() {
                break;
            }
        }
        self.files(&open, &names);
    }

    /// Gives names to a thread that has nothing to do, if there is one.
    fn hand_over(&self, open: &Arc<Open>, names: &mut Vec<CString>) -> bool {
        let mut queue = lock(&self.queue);
        let is_wanted = queue.idle > queue.work.len();
        if is_wanted {
            queue.work.push(Work::Names(Arc::clone(open), std::mem::take(names)));
            self.changed.notify_one();
        }
        is_wanted
    }

    fn entry(&self, open: &Open, name: &CStr, kind: FileType, names: &mut Vec<CString>) {
        if name == c"." || name == c".." {
            return;
        }
        let path = || open.directory.path.join(OsStr::from_bytes(name.to_bytes()));
        let kind = match kind {
            FileType::Unknown => match statat(&open.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(errno) => return self.failed(&path(), errno),
            },
            kind => kind,
        };
        match kind {
            FileType::RegularFile => names.push(name.to_owned()),
            FileType::Symlink => {}
            FileType::Directory => {
                let Directory { row, depth, device, .. } = open.directory;
                let directory = Directory { path: path(), row, depth: depth + 1, device };
                lock(&self.queue).work.push(Work::Directory(directory));
                self.changed.notify_one();
            }
            _ => self.walk.omissions.add_special(),
        }
    }

    fn files(&self, open: &Open, names: &[CString]) {
        let mut sum = Counts::default();
        let directory = &open.directory.path;
        for name in names {
            let opened = openat(&open.fd, name, READ | OFlags::NOFOLLOW, Mode::empty())
                .and_then(|fd| Ok((fstat(&fd)?, fd)));
            let name = OsStr::from_bytes(name.to_bytes());
            match opened {
                // Something else has taken its place.
                Err(Errno::LOOP | Errno::NXIO) => {}
                Err(errno) => self.failed(&directory.join(name), errno),
                Ok((stat, fd)) => {
                    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                    if is_file && self.is_new(&stat) {
                        let (row, has_row) = (open.directory.row, self.walk.ledger.has_files());
                        let file = fd.into();
                        self.file(&Entry { file, stat, row, has_row, directory, name }, &mut sum);
                    }
                }
            }
        }
        if sum.files > 0 {
            self.walk.ledger.add(open.directory.row, &sum);
        }
    }

    /// Visits a file, and adds its counts to `sum`, unless it has a row of its own.
    fn file(&self, entry: &Entry<'_>, sum: &mut Counts) {
        match (self.visit)(entry) {
            Ok(Some(counted)) if entry.has_row => {
                self.walk.ledger.add_file(entry.row, || entry.path(), counted);
            }
            Ok(Some(counted)) => sum.add(&counted.counts),
            Ok(None) => {}
            Err(Refusal::LeftOut(reason)) => self.left_out(&entry.path(), &reason),
            Err(Refusal::Stop(failure)) => {
                lock(&self.queue).stopped.get_or_insert(failure);
            }
        }
    }

    /// What cannot be had is left out; what is not there any more is gone.
    fn failed(&self, path: &Path, errno: Errno) {
        if errno != Errno::NOENT {
            self.left_out(path, &reason(errno));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is rather the value of an option than a path.
fn is_number(path: &Path) -> bool {
    let text = path.as_os_str().as_bytes();
    text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Why something cannot be opened, and the way out.
pub(super) fn reason(errno: Errno) -> String {
    let words = words(&errno.into());
    match errno {
        Errno::NOENT => format!("{words}: check the path"),
        Errno::ACCESS | Errno::PERM => format!("{words}: run as its owner or as root"),
        Errno::MFILE => format!("{words}: raise their number (ulimit -n)"),
        _ => words,
    }
}

/// Why a PATH that is a special file is left out.
fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "a socket has no page cache",
        FileType::Fifo => "a pipe has no page cache",
        FileType::CharacterDevice => "a character device has no page cache",
        _ => "what is neither file nor directory has no page cache",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ColorChoice;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_visit_that_panics_ends_the_walk_and_keeps_nobody_waiting() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("f"), b"x").unwrap();
        let (end, ended) = mpsc::channel();
        // By itself, as it would go on for ever.
        thread::spawn(move || {
            let ledger = Ledger::new(0, 0);
            let omissions = Omissions::new(ColorChoice::Never, true, false);
            let (ledger, omissions) = (&ledger, &omissions);
            let walk = Walk { one_file_system: false, threads: 4, ledger, omissions };
            let paths = [directory.path().to_owned()];
            let walked = catch_unwind(AssertUnwindSafe(|| walk.run(&paths, &|_| panic!("a bug"))));
            end.send(walked.is_err())
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(true));
    }
}
