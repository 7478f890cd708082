//! The kernel's own mapping in as much memory as the pager has: a child in a memory cgroup, which
//! takes its turns when it is told to.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::pick::{self, Picks};
use crate::raw::Raw;

/// Added to the limit for what the child needs besides the pages of its mapping: its own memory, and
/// the kernel's records of what it maps, which count too.
const ROOM_BYTES: usize = 6 << 20;

/// A memory cgroup, version 2 or 1, gone when dropped.
struct Group(PathBuf);

impl Group {
    fn new(limit_bytes: usize) -> Result<Self, String> {
        let name = format!("folio-bench-{}", std::process::id());
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let controls = |root: &Path| {
            let list = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
            list.split_whitespace().any(|word| word == "memory")
        };
        let (path, file) = match roots.into_iter().find(|root| controls(root)) {
            Some(root) => {
                let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
                (root.join(&name), "memory.max")
            }
            None => (Path::new("/sys/fs/cgroup/memory").join(&name), "memory.limit_in_bytes"),
        };
        let failed = |error| format!("no memory cgroup can be made, {}: {error}", path.display());
        fs::create_dir(&path).map_err(failed)?;
        let group = Self(path.clone());
        fs::write(path.join(file), limit_bytes.to_string()).map_err(failed)?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The child, as its parent sees it.
pub(crate) struct Kernel {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _group: Group,
}

impl Kernel {
    /// A child that maps `file`.
    pub(crate) fn new(file: &Path, limit_bytes: usize) -> Result<Self, String> {
        let group = Group::new(limit_bytes + ROOM_BYTES)?;
        let failed = |error: std::io::Error| format!("no child: {error}");
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("--child")
            .arg(file)
            .arg(group.0.join("cgroup.procs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no child")?);
        let mut kernel = Self { child, orders, answers, _group: group };
        kernel.ask("ready").map(|_| kernel)
    }

    fn ask(&mut self, order: &str) -> Result<f64, String> {
        let failed = |error: std::io::Error| format!("the child: {error}");
        let orders = self.orders.as_mut().ok_or("no child")?;
        writeln!(orders, "{order}").and_then(|()| orders.flush()).map_err(failed)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(failed)?;
        answer.trim().parse().map_err(|_| format!("the child says {answer:?}"))
    }

    /// Nanoseconds that touches take, altogether.
    pub(crate) fn random(&mut self, picks: &Picks) -> f64 {
        self.ask(&format!("random {}", picks.text())).unwrap()
    }

    /// Nanoseconds that a scan takes.
    pub(crate) fn scan(&mut self) -> f64 {
        self.ask("scan").unwrap()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

/// What the child does: enters the cgroup, maps the file, and answers each line with a number.
pub(crate) fn run(file: &Path, group: &Path) -> std::io::Result<()> {
    fs::write(group, std::process::id().to_string())?;
    let file = File::options().read(true).write(true).open(file)?;
    let len = crate::raw::len(&file);
    forget(&file);
    let map = Raw::writable(&file, len);
    let advise = |advice| {
        // SAFETY: the mapping is this function's.
        unsafe { libc::madvise(map.start.cast(), len, advice) };
    };
    advise(libc::MADV_RANDOM);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("random", text)) => {
                let picks = Picks::parse(text).ok_or(std::io::ErrorKind::InvalidInput)?;
                advise(libc::MADV_RANDOM);
                pick::drive(map.start, len, &picks)
            }
            _ if line == "scan" => {
                // SAFETY: the mapping is this function's, shared, and its pages are in the file.
                unsafe { libc::madvise(map.start.cast(), len, libc::MADV_DONTNEED) };
                forget(&file);
                advise(libc::MADV_SEQUENTIAL);
                crate::contest::wall(1, || {
                    std::hint::black_box(pick::sum(map.start, len));
                })
            }
            _ => 0.0,
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Has the page cache forget a file.
pub(crate) fn forget(file: &File) {
    use std::os::fd::AsRawFd;
    let _ = file.sync_data();
    // SAFETY: posix_fadvise(2) on an open file.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}
