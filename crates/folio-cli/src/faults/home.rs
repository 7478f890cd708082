//! A home: where a process that makes code at run time writes its [`CodeMap`], /tmp/perf-PID.map.
//!
//! 1. [`Home::of`] notes, while the process is there, what its number is for itself, what it has as its root
//!    directory, and whose it is.
//! 2. [`Home::code_map`] reads the map when watching is over: a JVM writes it at its end.
//!
//! Everybody may write files into /tmp, so one counts only if it is a file of the process's user or of root, and was
//! written since the process started. Nothing is followed out of the process's root, and no more is read than
//! [`MOST_BYTES`].

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use folio_stat::Process;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use crate::faults::codemap::CodeMap;

/// Bytes of a map that are read.
const MOST_BYTES: u64 = 64 << 20;
/// What clocks may differ by.
const SLACK: Duration = Duration::from_secs(2);

/// Of a process.
#[derive(Debug)]
pub(crate) struct Home {
    /// Its root, if that is not this process's.
    root: Option<OwnedFd>,
    /// Its number, for itself.
    process: u32,
    user: u32,
    started: SystemTime,
}

impl Home {
    /// That of a process; of one that has ended already, as it probably was. Nothing that is older than `age`
    /// counts as the latter's.
    pub(crate) fn of(process: u32, age: Duration) -> Self {
        Self::of_running(process).unwrap_or_else(|| Self {
            root: None,
            process,
            user: rustix::process::geteuid().as_raw(),
            started: before(age),
        })
    }

    fn of_running(process: u32) -> Option<Self> {
        let status = Process::of(process).ok()?.status().ok()?;
        let ticks = status.started_ticks as f64 / clock_ticks_per_second() as f64;
        let now = clock_gettime(ClockId::Boottime);
        let age = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9 - ticks;
        let age = Duration::try_from_secs_f64(age).unwrap_or_default();
        let inner = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let inner = inner.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inner = inner.and_then(|numbers| numbers.split_whitespace().last()?.parse().ok());
        Some(Self {
            root: root_of(process),
            process: inner.unwrap_or(process),
            user: status.user,
            started: before(age),
        })
    }

    /// The map that the process has written, if there is one to be believed.
    pub(crate) fn code_map(&self) -> Option<CodeMap> {
        let path = format!("/tmp/perf-{}.map", self.process);
        // Nothing waits, and nothing is followed where only a file may be.
        let flags =
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = match &self.root {
            Some(root) => openat2(root, path, flags, Mode::empty(), resolve),
            None => open(path, flags, Mode::empty()),
        };
        let file = File::from(file.ok()?);
        if !self.is_believed(&file.metadata().ok()?) {
            return None;
        }
        let mut text = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        Some(CodeMap::of(text))
    }

    fn is_believed(&self, metadata: &Metadata) -> bool {
        let is_new = metadata.modified().is_ok_and(|modified| modified >= self.started);
        metadata.is_file() && [0, self.user].contains(&metadata.uid()) && is_new
    }
}

fn before(age: Duration) -> SystemTime {
    SystemTime::now().checked_sub(age + SLACK).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The root directory of a process, if its files are not those that this process sees.
fn root_of(process: u32) -> Option<OwnedFd> {
    let names = |who: &str| fs::read_link(format!("/proc/{who}/ns/mnt")).ok();
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let root = |who: &str| open(format!("/proc/{who}/root"), flags, Mode::empty()).ok();
    let identity = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    let who = process.to_string();
    let (theirs, ours) = (root(&who)?, root("self")?);
    let is_the_same = names(&who) == names("self") && identity(&theirs) == identity(&ours);
    (!is_the_same).then_some(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    const LINE: &str = "1000 40 generated\n";

    /// Of a process with this directory as its root.
    fn home(root: &Path) -> Home {
        let user = rustix::process::geteuid().as_raw();
        let root = File::open(root).unwrap().into();
        Home { root: Some(root), process: 7, user, started: before(Duration::ZERO) }
    }

    fn name(home: &Home) -> Option<String> {
        home.code_map()?.at(0x1001)
    }

    /// A root with a map in its /tmp.
    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        fs::write(root.path().join("tmp/perf-7.map"), LINE).unwrap();
        root
    }

    #[test]
    fn a_map_is_found_in_the_root_of_its_process() {
        let root = root();
        assert_eq!(name(&home(root.path())).as_deref(), Some("generated"));
        // A link that is the process's own leads into its root, and not into this process's.
        fs::rename(root.path().join("tmp"), root.path().join("var")).unwrap();
        symlink("/var", root.path().join("tmp")).unwrap();
        assert_eq!(name(&home(root.path())).as_deref(), Some("generated"));
        assert_eq!(name(&Home { process: 8, ..home(root.path()) }), None);
    }

    #[test]
    fn a_map_of_an_earlier_process_or_of_another_user_is_not_believed() {
        let root = root();
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(name(&Home { started: later, ..home(root.path()) }), None);
        let map = root.path().join("tmp/perf-7.map");
        let home = home(root.path());
        let others = Home { user: home.user + 1, ..home };
        if others.user > 1 {
            assert_eq!(name(&others), None);
        } else {
            // What is root's is believed; another's is not.
            assert_eq!(name(&others).as_deref(), Some("generated"));
            std::os::unix::fs::chown(&map, Some(2), None).unwrap();
            assert_eq!(name(&others), None);
        }
    }

    #[test]
    fn what_is_no_file_is_neither_followed_nor_waited_for() {
        let root = root();
        let map = root.path().join("tmp/perf-7.map");
        fs::rename(&map, root.path().join("elsewhere")).unwrap();
        symlink("/elsewhere", &map).unwrap();
        assert_eq!(name(&home(root.path())), None);
        fs::remove_file(&map).unwrap();
        let directory = File::open(root.path().join("tmp")).unwrap();
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(directory.as_fd(), "perf-7.map", kind, Mode::RUSR, 0).unwrap();
        assert_eq!(name(&home(root.path())), None);
    }

    #[test]
    fn this_process_is_at_home_in_this_root() {
        let home = Home::of(std::process::id(), Duration::ZERO);
        assert!(home.root.is_none());
        assert_eq!(home.user, rustix::process::geteuid().as_raw());
        assert!(home.started <= SystemTime::now());
    }
}
