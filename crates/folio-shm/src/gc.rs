//! The segments in /dev/shm, and what dead processes left there.
//!
//! A segment is in use while somebody has it open, which the kernel knows by the lock that each user
//! has on its file (flock(2)), and gives back however a process ends. So nothing is guessed from
//! process numbers: what nobody has locked, nobody uses. It is left over if its creator is dead too,
//! who might have made it for others to come, and if it was not made to be kept.
//!
//! ```
//! for found in folio_shm::list()? {
//!     println!("{} {} {:?}", found.name(), found.len(), found.usage());
//! }
//! for removed in folio_shm::gc()? {
//!     println!("removed {}", removed.name());
//! }
//! # Ok::<(), folio_shm::Error>(())
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::channel::broadcast::Broadcast;
use crate::channel::options::Channel;
use crate::channel::queue::Queue;
use crate::error::{Error, ErrorKind, Result};
use crate::header::{self, Header};
use crate::name::{DIRECTORY, UNFINISHED};
use crate::owner::{Life, Owner};
use crate::publish;

/// Whether anybody uses a segment.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Somebody has it open.
    Used,
    /// Nobody has it open, and it is to stay: its creator lives or may live, or it was made with
    /// [`keep`](crate::SegmentOptions::keep).
    Idle,
    /// Nobody has it open, and its creator is dead: [`gc()`] removes it.
    LeftOver,
    /// It was never finished, and its creator is dead: [`gc()`] removes it.
    Unfinished,
}

/// What a segment holds, as far as its layout hash tells. One whose users chose a hash of their own is a
/// plain segment here.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes.
    Segment,
    /// A [`Queue`].
    Queue,
    /// A [`Broadcast`].
    Broadcast,
}

/// A segment in /dev/shm, as it was when it was looked at.
#[derive(Clone, Debug)]
pub struct Found {
    path: PathBuf,
    usage: Usage,
    len: u64,
    file_len: u64,
    header: Option<Header>,
    mode: u32,
    user: u32,
}

impl Found {
    /// Its name, to open it by.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.layout() {
            Some(Queue::LAYOUT) => Kind::Queue,
            Some(Broadcast::LAYOUT) => Kind::Broadcast,
            _ => Kind::Segment,
        }
    }

    /// When it was made. None for one that was never finished.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        let nanos = self.header?.created_nanos;
        Some(UNIX_EPOCH + Duration::from_nanos(nanos))
    }

    /// Bytes of its payload when it was made. 0 for one that was never finished.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of its file, header and all.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Whether anybody uses it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The process that made it. None for one that was never finished.
    #[must_use]
    pub fn creator(&self) -> Option<Owner> {
        self.header.map(|header| header.creator)
    }

    /// Its layout hash.
    #[must_use]
    pub fn layout(&self) -> Option<u64> {
        self.header.map(|header| header.layout)
    }

    /// Who may reach it (the low nine bits of its mode).
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// The user it belongs to (uid).
    #[must_use]
    pub fn user(&self) -> u32 {
        self.user
    }
}

/// The segments in /dev/shm that this user may read, by name. What is not folio's is left out.
///
/// # Errors
/// [`ErrorKind::Os`] or [`ErrorKind::Denied`] if /dev/shm cannot be read.
pub fn list() -> Result<Vec<Found>> {
    list_in(Path::new(DIRECTORY))
}

/// Removes the segments in /dev/shm that dead processes left, as far as this user may, and returns them.
///
/// # Errors
/// As [`list()`].
pub fn gc() -> Result<Vec<Found>> {
    gc_in(Path::new(DIRECTORY))
}

fn list_in(directory: &Path) -> Result<Vec<Found>> {
    let mut found: Vec<Found> =
        files(directory)?.filter_map(|path| look(&path)).map(|(found, _)| found).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn gc_in(directory: &Path) -> Result<Vec<Found>> {
    let mut removed = Vec::new();
    for path in files(directory)? {
        let Some((found, file)) = look(&path) else { continue };
        if matches!(found.usage, Usage::LeftOver | Usage::Unfinished)
            && publish::remove_if_unused(&path, &file) == Ok(true)
        {
            removed.push(found);
        }
    }
    removed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(removed)
}

fn files(directory: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(directory).map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        Error::os("list", publish::show(directory), errno).explain(
            ErrorKind::NotFound,
            "it does not exist",
            "mount a tmpfs there (shm_overview(7))",
        )
    })?;
    Ok(entries.flatten().map(|entry| entry.path()))
}

/// What lies at a path, if it is folio's and can be read.
fn look(path: &Path) -> Option<(Found, File)> {
    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let stat = rustix::fs::fstat(&file).ok()?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return None;
    }
    let file_len = stat.st_size as u64;
    let name = path.file_name()?.to_str();
    let maker = name.and_then(|name| name.strip_prefix(UNFINISHED)).and_then(maker);
    let header = Header::decode("look at", "", &header::read(&file).ok()?, file_len).ok();
    let (creator, unused) = match (maker, header) {
        (Some(maker), _) => (maker, Usage::Unfinished),
        (None, Some(header)) => (header.creator, Usage::LeftOver),
        (None, None) => return None,
    };
    let is_kept = maker.is_none() && header.is_some_and(|header| header.is_kept);
    let usage = match publish::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            let _ = publish::flock(&file, FlockOperation::Unlock);
            if creator.life() == Life::Dead && !is_kept { unused } else { Usage::Idle }
        }
        Err(_) => Usage::Used,
    };
    let header = header.filter(|_| maker.is_none());
    let found = Found {
        path: path.to_owned(),
        usage,
        len: header.map_or(0, |header| header.payload),
        file_len,
        header,
        mode: stat.st_mode & 0o777,
        user: stat.st_uid,
    };
    Some((found, file))
}

/// The process in a makeshift name.
fn maker(rest: &str) -> Option<Owner> {
    let mut fields = rest.split('-');
    let pid = fields.next()?.parse().ok()?;
    let namespace = fields.next()?.parse().ok()?;
    let start_ticks = fields.next()?.parse().ok()?;
    Some(Owner { pid, namespace, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Segment, SegmentOptions};

    fn usages(directory: &Path) -> Vec<(String, Usage)> {
        let found = list_in(directory).unwrap();
        found.iter().map(|found| (found.name(), found.usage())).collect()
    }

    /// Makes the creator of a segment one that is dead.
    fn orphan(path: &Path) {
        use std::os::unix::fs::FileExt;
        let file = File::options().read(true).write(true).open(path).unwrap();
        let bytes = header::read(&file).unwrap();
        let mut header = Header::decode("open", "", &bytes, 1 << 30).unwrap();
        header.creator.start_ticks += 1;
        file.write_all_at(&header.encode(), 0).unwrap();
    }

    #[test]
    fn only_what_nobody_uses_and_dead_processes_made_is_removed() {
        let directory = std::env::temp_dir().join(format!("folio-gc-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let at = |name: &str| directory.join(name);
        let make = |name: &str, options: SegmentOptions| {
            options.create_new().size(10).file(at(name)).unwrap()
        };
        drop(make("idle", Segment::options()));
        drop(make("kept", Segment::options().keep()));
        drop(make("left", Segment::options()));
        let used = make("used", Segment::options());
        for name in ["kept", "left", "used"] {
            orphan(&at(name));
        }
        fs::write(at("foreign"), b"somebody else's").unwrap();
        let Owner { pid, namespace, start_ticks } = Owner::this_process();
        let made_by = |start| format!("{UNFINISHED}{pid}-{namespace}-{start}-0");
        fs::write(at(&made_by(start_ticks)), b"").unwrap();
        fs::write(at(&made_by(start_ticks + 1)), b"").unwrap();

        let expected = |list: &[(&str, Usage)]| -> Vec<(String, Usage)> {
            list.iter().map(|&(name, usage)| (name.to_owned(), usage)).collect()
        };
        let (living, dead) = (made_by(start_ticks), made_by(start_ticks + 1));
        let mut all = expected(&[
            (&living, Usage::Idle),
            (&dead, Usage::Unfinished),
            ("idle", Usage::Idle),
            ("kept", Usage::Idle),
            ("left", Usage::LeftOver),
            ("used", Usage::Used),
        ]);
        all.sort_by(|one, other| one.0.cmp(&other.0));
        while usages(&directory) != all {
            // As below. Unless it passes, the test hangs here.
            std::thread::yield_now();
        }
        let mut removed = Vec::new();
        while removed.len() < 2 {
            removed.extend(gc_in(&directory).unwrap().iter().map(Found::name));
        }
        removed.sort();
        assert_eq!(removed, [dead.as_str(), "left"]);
        drop(used);
        // Another test may be starting a child, which has all descriptors for a moment.
        while gc_in(&directory).unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(!at("used").exists());
        assert!(at("foreign").exists() && at("idle").exists() && at("kept").exists());
        assert!(at(&living).exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
