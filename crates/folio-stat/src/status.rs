//! What the kernel tells everybody about a process: who it is, its faults, its own count of its pages.
//!
//! ```
//! use folio_stat::Process;
//!
//! let status = Process::current()?.status()?;
//! assert_eq!(status.pid, std::process::id());
//! assert!(status.resident_bytes > 0 && status.faults.minor > 0);
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! From `/proc/PID/stat` and `/proc/PID/status` (proc_pid_stat(5), proc_pid_status(5)), without a look
//! at a page table, so it takes the same few microseconds however large a process is. What its pages
//! cost beyond that is [`Process::total_costs`]'s to say, to its owner and to root.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::faults::FaultCount;
use crate::process::Process;

/// A process as everybody sees it.
///
/// Bytes are from the kernel's counters, which may lag behind its page tables by some pages for each
/// processor; they are 0 for a kernel thread and for a process that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// Its pid, as `/proc` has it.
    pub pid: u32,
    /// The process that made it, or took it over; 0 for none that can be seen.
    pub parent: u32,
    /// Its name, at most 15 bytes (`PR_SET_NAME` of prctl(2)). Bytes that are not UTF-8 become U+FFFD.
    pub name: String,
    /// The user whose rights it has (its effective user id).
    pub user: u32,
    /// Whether it is on its way out or a zombie: its memory is gone, or is being given up.
    pub has_ended: bool,
    /// Whether it belongs to the kernel, and has no memory of its own.
    pub is_kernel_thread: bool,
    /// Threads.
    pub threads: u32,
    /// When it started, in clock ticks since the machine did (`sysconf(_SC_CLK_TCK)` a second). With
    /// the pid it tells a process from a later one.
    pub started_ticks: u64,
    /// Faults since it started.
    pub faults: FaultCount,
    /// Addresses that are mapped, in bytes.
    pub mapped_bytes: usize,
    /// Pages in memory that it maps, hugetlb pages included: the next four added up.
    pub resident_bytes: usize,
    /// Of them, pages of no file or shared-memory object.
    pub anonymous_bytes: usize,
    /// Of them, pages of files.
    pub file_bytes: usize,
    /// Of them, pages of shared memory and of files of tmpfs.
    pub shared_memory_bytes: usize,
    /// Of them, pages of hugetlb.
    pub hugetlb_bytes: usize,
    /// Anonymous pages moved out to swap; shared memory that was is not counted.
    pub swapped_bytes: usize,
}

/// What changes of a process from moment to moment, and takes the kernel least to tell: a part of
/// [`Status`], from `/proc/PID/stat` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Pulse {
    /// Its name, as in [`Status::name`].
    pub name: String,
    /// As [`Status::has_ended`].
    pub has_ended: bool,
    /// Threads.
    pub threads: u32,
    /// Faults since it started.
    pub faults: FaultCount,
    /// Pages in memory that it maps, without hugetlb pages.
    pub resident_bytes: usize,
}

/// The line of `/proc/PID/stat`, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatLine {
    pid: u32,
    name: String,
    state: u8,
    parent: u32,
    flags: u32,
    pub(crate) faults: FaultCount,
    threads: u32,
    started_ticks: u64,
    resident_pages: usize,
}

/// Of include/linux/sched.h, in the field `flags`.
const PF_EXITING: u32 = 4;
const PF_KTHREAD: u32 = 0x0020_0000;

impl StatLine {
    /// `1234 (a name) S 1 …`: the name may hold anything, parentheses and newlines too.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')').filter(|&close| close > open)?;
        let rest = str::from_utf8(&text[close + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and the state is its third.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            pid: number(&text[..open])?,
            name: String::from_utf8_lossy(&text[open + 1..close]).into_owned(),
            state: *field(3)?.as_bytes().first()?,
            parent: field(4)?.parse().ok()?,
            flags: field(9)?.parse().ok()?,
            faults: FaultCount::new(field(10)?.parse().ok()?, field(12)?.parse().ok()?),
            threads: field(20)?.parse().ok()?,
            started_ticks: field(22)?.parse().ok()?,
            resident_pages: field(24)?.parse().ok()?,
        })
    }

    /// Whether it no longer has its memory, or is about to lose it. It loses it on its way out, after
    /// the kernel has marked it as exiting and before it is a zombie.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') || self.flags & PF_EXITING != 0
    }

    /// Whether it is the kernel's, and has no memory of its own.
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

impl Status {
    /// From the texts of both files.
    pub(crate) fn parse(stat: &[u8], status: &[u8]) -> Option<Self> {
        let line = StatLine::parse(stat)?;
        let value = |key: &[u8]| {
            let mut lines = status.split(|&byte| byte == b'\n');
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(b":"))
        };
        // Without memory the lines about memory are missing.
        let bytes = |key: &str| match value(key.as_bytes()) {
            None => Some(0),
            Some(value) => kilobytes(value),
        };
        let [anonymous_bytes, file_bytes, shared_memory_bytes, hugetlb_bytes] =
            [bytes("RssAnon")?, bytes("RssFile")?, bytes("RssShmem")?, bytes("HugetlbPages")?];
        let parts = [file_bytes, shared_memory_bytes, hugetlb_bytes];
        let users = str::from_utf8(value(b"Uid")?).ok()?;
        Some(Self {
            has_ended: line.has_ended(),
            is_kernel_thread: line.is_kernel_thread(),
            pid: line.pid,
            parent: line.parent,
            name: line.name,
            user: users.split_ascii_whitespace().nth(1)?.parse().ok()?,
            threads: line.threads,
            started_ticks: line.started_ticks,
            faults: line.faults,
            mapped_bytes: bytes("VmSize")?,
            resident_bytes: parts
                .into_iter()
                .try_fold(anonymous_bytes, |sum: usize, part| sum.checked_add(part))?,
            anonymous_bytes,
            file_bytes,
            shared_memory_bytes,
            hugetlb_bytes,
            swapped_bytes: bytes("VmSwap")?,
        })
    }
}

impl Process {
    /// The pids of all processes that `/proc` shows, kernel threads included, in order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where `/proc` is not mounted.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio_stat::Process;
    ///
    /// for pid in Process::pids()? {
    ///     // Each may have ended since.
    ///     let Ok(status) = Process::of(pid).and_then(|process| process.status()) else { continue };
    ///     println!("{pid} {} {}", status.name, status.resident_bytes);
    /// }
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn pids() -> Result<Vec<u32>> {
        let operation = "list the processes";
        let failed = |error| Error::os(operation, "/proc", &error);
        let mut pids = Vec::new();
        for entry in std::fs::read_dir("/proc").map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        if pids.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, operation, "/proc")
                .detail("it shows none")
                .advice("mount /proc"));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// What everybody may know of it. Of a process that has ended, and whose parent has not been told,
    /// that is little, and [`Status::has_ended`] is set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProcessGone`].
    pub fn status(&self) -> Result<Status> {
        let operation = "read the status";
        let stat = self.text_of_all("stat", operation)?;
        let status = self.text_of_all("status", operation)?;
        Status::parse(&stat, &status).ok_or_else(|| self.malformed("status", operation))
    }

    /// Its pulse: in less than half the time of its [`status`](Self::status), for who asks many processes
    /// again and again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProcessGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// let process = folio_stat::Process::current()?;
    /// let (before, bytes) = (process.pulse()?, vec![1u8; 8 << 20]);
    /// let after = process.pulse()?;
    /// assert!(after.faults.minor > before.faults.minor);
    /// assert!(after.resident_bytes > before.resident_bytes);
    /// # drop(bytes);
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn pulse(&self) -> Result<Pulse> {
        let line = self.stat("read the status")?;
        Ok(Pulse {
            has_ended: line.has_ended(),
            name: line.name,
            threads: line.threads,
            faults: line.faults,
            resident_bytes: line.resident_pages.saturating_mul(self.page_bytes),
        })
    }

    /// The file that it executes: `None` for a kernel thread, for a process that has ended, and where
    /// we may not know. That of a file that was replaced ends in " (deleted)".
    pub fn executable(&self) -> Option<PathBuf> {
        self.link("exe")
    }
}

fn number(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.trim_ascii().parse().ok()
}

/// `   16 kB` in bytes.
pub(crate) fn kilobytes(value: &[u8]) -> Option<usize> {
    let number = value.trim_ascii().strip_suffix(b"kB")?;
    decimal(number.trim_ascii_end())?.checked_mul(1024)
}

/// Digits, and nothing else.
pub(crate) fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0usize, |sum, &digit| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &[u8] =
        b"77 (a) b (\n\xff) R 5 77 77 0 -1 4194304 160 9 3 1 0 0 0 0 20 0 2 0 34 0 0";
    const STATUS: &[u8] = b"Name:\ta) b (\\n\xff\nUmask:\t0022\nState:\tR (running)\nPPid:\t5\n\
        Uid:\t1000\t1001\t1000\t1000\nVmSize:\t    2704 kB\nVmRSS:\t    1000 kB\n\
        RssAnon:\t     100 kB\nRssFile:\t     800 kB\nRssShmem:\t     100 kB\nVmSwap:\t       8 kB\n\
        HugetlbPages:\t    2048 kB\nThreads:\t2\n";

    #[test]
    fn a_name_may_hold_anything() {
        let status = Status::parse(STAT, STATUS).unwrap();
        assert_eq!(status.name, "a) b (\n\u{fffd}");
        assert_eq!((status.pid, status.parent, status.user), (77, 5, 1001));
        assert_eq!((status.faults.minor, status.faults.major), (160, 3));
        assert_eq!((status.threads, status.started_ticks), (2, 34));
        assert_eq!((status.mapped_bytes, status.swapped_bytes), (2704 << 10, 8 << 10));
        assert_eq!(status.resident_bytes, (1000 + 2048) << 10);
        assert!(!status.has_ended && !status.is_kernel_thread);
    }

    #[test]
    fn who_has_ended_and_who_is_the_kernels_is_told() {
        let text = |state, flags| {
            format!("7 (x) {state} 5 7 7 0 -1 {flags} 1 0 0 0 0 0 0 0 20 0 1 0 3 0 0")
        };
        let of = |state, flags| {
            Status::parse(text(state, flags).as_bytes(), b"Uid:\t0\t0\t0\t0\n").unwrap()
        };
        assert!(of('Z', 0).has_ended && of('R', PF_EXITING).has_ended && !of('S', 0).has_ended);
        assert!(of('I', PF_KTHREAD).is_kernel_thread);
        assert_eq!(of('Z', 0).resident_bytes, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(
            stat in prop::collection::vec(any::<u8>(), 0..200),
            status in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = Status::parse(&stat, &status);
            let _ = Status::parse(STAT, &status);
            let _ = Status::parse(&stat, STATUS);
        }

        #[test]
        fn no_damage_to_real_text_makes_it_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            length in any::<prop::sample::Index>(),
        ) {
            for (text, is_stat) in [(STAT, true), (STATUS, false)] {
                let mut text = text.to_vec();
                for (at, byte) in &edits {
                    let at = at.index(text.len());
                    text[at] = *byte;
                }
                text.truncate(length.index(text.len()));
                let _ = if is_stat { Status::parse(&text, STATUS) } else { Status::parse(STAT, &text) };
            }
        }
    }
}
