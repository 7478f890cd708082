//! The owner: a process, told apart from a later one with the same number.
//!
//! A process number alone says little: it is given again when the process has ended, and a zombie
//! keeps it while nothing runs any more. So an owner is the number and the time the process started
//! (field 22 of /proc/PID/stat, proc_pid_stat(5)), and alive is who is neither a zombie nor younger.
//!
//! Processes in another PID namespace have other numbers, and whether one of them lives cannot be seen
//! from here; the owner carries its namespace so that this is noticed.

use std::fmt;
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process: its number, when it started, and in which PID namespace.
///
/// ```
/// let owner = folio_shm::Owner::this_process();
/// assert_eq!(owner.pid(), std::process::id());
/// assert_eq!(owner.life(), folio_shm::Life::Alive);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    pub(crate) pid: u32,
    pub(crate) namespace: u32,
    pub(crate) start_ticks: u64,
}

/// Whether a process lives, as far as can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It runs, sleeps or is stopped.
    Alive,
    /// It has ended. It may be a zombie, whose parent has not asked for its status.
    Dead,
    /// It cannot be seen from here: it is in another PID namespace, or /proc hides it.
    Unknown,
}

impl Owner {
    /// The calling process.
    #[must_use]
    pub fn this_process() -> Self {
        // Asked of the kernel once for each process: a child that finds its parent's number here asks
        // again.
        static PID: AtomicU32 = AtomicU32::new(0);
        static START: AtomicU64 = AtomicU64::new(0);
        static NAMESPACE: AtomicU32 = AtomicU32::new(0);
        let pid = std::process::id();
        if PID.load(Ordering::Acquire) != pid {
            let start = Stat::of(pid).map_or(0, |stat| stat.start_ticks);
            START.store(start, Ordering::Relaxed);
            NAMESPACE.store(namespace(), Ordering::Relaxed);
            PID.store(pid, Ordering::Release);
        }
        Self {
            pid,
            namespace: NAMESPACE.load(Ordering::Relaxed),
            start_ticks: START.load(Ordering::Relaxed),
        }
    }

    /// The process that has this number here, if it can be seen.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let start_ticks = Stat::of(pid)?.start_ticks;
        Some(Self { pid, start_ticks, ..Self::this_process() })
    }

    /// Its number, in its own PID namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it lives.
    #[must_use]
    pub fn life(&self) -> Life {
        if self.namespace != Self::this_process().namespace {
            return Life::Unknown;
        }
        life_of(self.pid, |start_ticks| start_ticks == self.start_ticks)
    }
}

/// Whether the process of this number lives, and is the one that was meant by its start.
pub(crate) fn life_of(pid: u32, is_meant: impl FnOnce(u64) -> bool) -> Life {
    match Stat::of(pid) {
        Some(stat) if stat.has_ended || !is_meant(stat.start_ticks) => Life::Dead,
        Some(_) => Life::Alive,
        None => without_proc(pid),
    }
}

/// What can be known where /proc says nothing (mount option `hidepid`, proc(5)).
fn without_proc(pid: u32) -> Life {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Life::Dead };
    match test_kill_process(pid) {
        Err(Errno::SRCH) => Life::Dead,
        _ => Life::Unknown,
    }
}

/// The low bits of the PID namespace's inode number (namespaces(7)); 0 without /proc.
fn namespace() -> u32 {
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino as u32)
}

struct Stat {
    has_ended: bool,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        // Where /proc is another PID namespace's, its numbers are those of other processes.
        static IS_OURS: OnceLock<bool> = OnceLock::new();
        let is_ours = || {
            let this = fs::read_link("/proc/self").ok();
            this.is_some_and(|this| this.as_os_str() == std::process::id().to_string().as_str())
        };
        if !*IS_OURS.get_or_init(is_ours) {
            return None;
        }
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, second of the fields, may contain anything, parentheses and spaces too.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
        let start_ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { has_ended, start_ticks })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({}, started at {} ticks)", self.pid, self.start_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let line = "42 (a) Z 1) R 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let stat = Stat::parse(line).unwrap();
        assert!(!stat.has_ended);
        assert_eq!(stat.start_ticks, 98765);
        assert!(Stat::parse("42 (a").is_none());
        assert!(Stat::parse("").is_none());
    }

    #[test]
    fn the_dead_zombies_and_recycled_numbers_are_told_from_the_living() {
        let this = Owner::this_process();
        assert_eq!(this.life(), Life::Alive);
        let recycled = Owner { start_ticks: this.start_ticks + 1, ..this };
        assert_eq!(recycled.life(), Life::Dead);
        let elsewhere = Owner { namespace: this.namespace ^ 1, ..this };
        assert_eq!(elsewhere.life(), Life::Unknown);

        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner::of(child.id()).unwrap();
        assert_eq!(owner.life(), Life::Alive);
        child.kill().unwrap();
        // Not waited for yet: a zombie, as soon as the signal has arrived.
        while owner.life() == Life::Alive {
            std::thread::yield_now();
        }
        assert_eq!(owner.life(), Life::Dead);
        child.wait().unwrap();
        assert_eq!(owner.life(), Life::Dead);
    }
}
