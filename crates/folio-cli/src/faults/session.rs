//! A session: the events of what is watched, and the rings that their records come through.
//!
//! 1. [`Session::open`] opens three events for each thread and processor, and maps a ring for each
//!    processor, all of the same size: as large as may be locked in memory. Children and threads inherit
//!    the events, which takes rings by processor.
//! 2. [`Session::start`] lets them happen, or an execve(2) does: [`Target::Command`].
//! 3. [`Session::wait`] sleeps until there is something in a ring; [`Session::take`] empties them.
//! 4. [`Session::counts`] is the kernel's count, in which what found no room is counted too.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::{Failure, words};
use crate::faults::profile::Event;
use crate::faults::record::{CALL_CHAIN, SAMPLE_TYPE};
use crate::faults::ring::Ring;
use crate::faults::sys::{self, Attributes, Whose};

/// `PERF_TYPE_SOFTWARE`
const SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_PAGE_FAULTS`, `_MIN` and `_MAJ`
const EVENTS: [(Event, u64); 3] = [(Event::Begun, 2), (Event::Minor, 5), (Event::Major, 6)];
/// `PERF_FORMAT_ID`
const WITH_IDENTIFIER: u64 = 1 << 2;
/// Bytes of a ring, where so much may be locked, and in any case; powers of two.
const MOST_BYTES: usize = 8 << 20;
const LEAST_BYTES: usize = 16 << 10;
/// Bytes of all rings, unless there are very many processors.
const MOST_BYTES_TOGETHER: usize = 128 << 20;
/// Bytes in a ring that it is emptied for, some hundred page faults; and which part of it, at most.
const WAKING_BYTES: usize = 64 << 10;
const WAKING_PART: usize = 4;
/// How long a ring may take to become full: nanoseconds for a byte, at a million page faults a second.
const PAUSE_PER_BYTE: u64 = 4;
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Bits of `perf_event_attr`.
mod flag {
    pub(super) const DISABLED: u64 = 1 << 0;
    pub(super) const INHERIT: u64 = 1 << 1;
    pub(super) const EXCLUDE_KERNEL: u64 = 1 << 5;
    pub(super) const MMAP: u64 = 1 << 8;
    pub(super) const COMM: u64 = 1 << 9;
    pub(super) const ENABLE_ON_EXEC: u64 = 1 << 12;
    pub(super) const TASK: u64 = 1 << 13;
    pub(super) const WATERMARK: u64 = 1 << 14;
    pub(super) const MMAP_DATA: u64 = 1 << 17;
    pub(super) const SAMPLE_ID_ALL: u64 = 1 << 18;
    pub(super) const EXCLUDE_CALLCHAIN_KERNEL: u64 = 1 << 21;
    pub(super) const MMAP2: u64 = 1 << 23;
    pub(super) const COMM_EXEC: u64 = 1 << 24;
    pub(super) const USE_CLOCKID: u64 = 1 << 25;
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// What this thread starts next, from its execve(2) on.
    Command,
    /// A process with all its threads.
    Process(u32),
}

/// Events that are open.
#[derive(Debug)]
pub(crate) struct Session {
    events: Vec<(Event, OwnedFd)>,
    /// Of each processor, with the place of the event in whose name it is mapped.
    rings: Vec<(Ring, usize)>,
    identifiers: HashMap<u64, Event>,
    sees_kernel: bool,
    ring_bytes: usize,
}

/// How events are opened.
#[derive(Debug, Clone, Copy)]
struct How {
    target: Target,
    most_frames: u16,
    sees_kernel: bool,
    ring_bytes: usize,
}

impl Session {
    /// Opens the events of a target.
    ///
    /// # Errors
    /// What forbids it, and the way out.
    pub(crate) fn open(target: Target, most_frames: u16) -> Result<Self, Failure> {
        let processors = processors();
        let ring_bytes = most_ring_bytes(processors.len());
        let mut how = How { target, most_frames, sees_kernel: true, ring_bytes };
        loop {
            match Self::try_open(how, &processors) {
                // perf_event_paranoid is 2 or more: without what the kernel does by itself.
                Err((OPEN, error)) if is_refusal(&error) && how.sees_kernel => {
                    how.sees_kernel = false;
                }
                // So much may not be locked, or there is not so much memory.
                Err((MAP, error)) if is_too_much(&error) && how.ring_bytes > LEAST_BYTES => {
                    how.ring_bytes /= 2;
                }
                other => {
                    let failed = |(operation, error)| failure(target, operation, &error);
                    return other.map_err(failed);
                }
            }
        }
    }

    fn try_open(how: How, processors: &[i32]) -> Result<Self, (&'static str, io::Error)> {
        let mut this = Self {
            events: Vec::new(),
            rings: Vec::new(),
            identifiers: HashMap::new(),
            sees_kernel: how.sees_kernel,
            ring_bytes: how.ring_bytes,
        };
        let mut of_threads = Vec::new();
        match how.target {
            Target::Command => this.open_for(Whose::Own, how, processors)?,
            // Until there are no new ones: those have inherited what their makers had by then.
            Target::Process(process) => loop {
                let threads = threads(process).map_err(|error| (FIND, error))?;
                let new: Vec<_> =
                    threads.into_iter().filter(|one| !of_threads.contains(one)).collect();
                if new.is_empty() {
                    break;
                }
                for thread in new {
                    of_threads.push(thread);
                    raise_limit(3 * (of_threads.len() + 1) * processors.len());
                    match this.open_for(Whose::Thread(thread), how, processors) {
                        // It has ended meanwhile.
                        Err((_, error)) if error.raw_os_error() == Some(libc::ESRCH) => {
                            this.drop_incomplete_rings(processors);
                        }
                        other => other?,
                    }
                }
            },
        }
        match this.rings.is_empty() {
            true => Err((FIND, io::Error::from_raw_os_error(libc::ESRCH))),
            false => Ok(this),
        }
    }

    /// A thread that ended before it had a ring on each processor leaves that to the next.
    fn drop_incomplete_rings(&mut self, processors: &[i32]) {
        if self.rings.len() < processors.len() {
            self.rings.clear();
            self.events.clear();
            self.identifiers.clear();
        }
    }

    /// Three events of a thread on each processor; those that are there first have the rings.
    fn open_for(
        &mut self,
        whose: Whose,
        how: How,
        processors: &[i32],
    ) -> Result<(), (&'static str, io::Error)> {
        let has_rings = !self.rings.is_empty();
        for (place, &processor) in processors.iter().enumerate() {
            for (event, config) in EVENTS {
                let attributes = attributes(event, config, how);
                let fd = sys::open(&attributes, whose, processor).map_err(|error| (OPEN, error))?;
                if event == Event::Begun && !has_rings {
                    let ring = Ring::of(&fd, how.ring_bytes).map_err(|error| (MAP, error))?;
                    self.rings.push((ring, self.events.len()));
                } else {
                    let to = &self.events[self.rings[place].1].1;
                    sys::redirect(&fd, to).map_err(|error| (OPEN, error))?;
                }
                let [_, identifier] = read(&fd).map_err(|error| (OPEN, error))?;
                self.identifiers.insert(identifier, event);
                self.events.push((event, fd));
            }
        }
        Ok(())
    }

    /// Which identifier stands for which event.
    pub(crate) fn identifiers(&self) -> HashMap<u64, Event> {
        self.identifiers.clone()
    }

    /// Whether page faults within system calls are seen.
    pub(crate) fn sees_kernel(&self) -> bool {
        self.sees_kernel
    }

    /// Bytes of each ring.
    pub(crate) fn ring_bytes(&self) -> usize {
        self.ring_bytes
    }

    /// Whether that is less than was asked for.
    pub(crate) fn rings_are_limited(&self) -> bool {
        self.ring_bytes < most_ring_bytes(self.rings.len())
    }

    /// Lets the events happen.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.events.iter().try_for_each(|(_, event)| sys::enable(event))
    }

    /// Lets them happen no more.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.events.iter().try_for_each(|(_, event)| sys::disable(event))
    }

    /// Waits until one of these can be read, a ring wants to be emptied, unless that is of no interest, or the
    /// time is over. Returns which of these can be read.
    pub(crate) fn wait<const N: usize>(
        &self,
        others: [BorrowedFd<'_>; N],
        for_rings: bool,
        time: Duration,
    ) -> io::Result<[bool; N]> {
        const IN: PollFlags = PollFlags::IN;
        let mut fds: Vec<_> = others.map(|fd| PollFd::from_borrowed_fd(fd, IN)).into();
        if for_rings {
            let events = self.rings.iter().map(|(_, place)| self.events[*place].1.as_fd());
            fds.extend(events.map(|event| PollFd::from_borrowed_fd(event, IN)));
        }
        wait(&mut fds, time)?;
        // A thread that has ended makes its events ready for good.
        if fds[N..].iter().any(|fd| fd.revents().contains(PollFlags::HUP)) {
            fds.truncate(N);
            wait(&mut fds, self.pause().min(time))?;
        }
        Ok(std::array::from_fn(|other| !fds[other].revents().is_empty()))
    }

    /// Between looks at rings that do not say when they want to be emptied.
    fn pause(&self) -> Duration {
        Duration::from_nanos(PAUSE_PER_BYTE * self.ring_bytes as u64).min(LONGEST_PAUSE)
    }

    /// Empties the rings: appends what is in them, whole records, one processor after another.
    pub(crate) fn take(&self, into: &mut Vec<u8>) -> io::Result<()> {
        self.rings.iter().try_for_each(|(ring, _)| ring.take(into))
    }

    /// Minor and major page faults that have happened, whether or not there was room for them.
    pub(crate) fn counts(&self) -> io::Result<(u64, u64)> {
        let mut counts = (0, 0);
        for (event, fd) in &self.events {
            let [count, _] = read(fd)?;
            match event {
                Event::Begun => {}
                Event::Minor => counts.0 += count,
                Event::Major => counts.1 += count,
            }
        }
        Ok(counts)
    }
}

/// Bytes of a ring, where nothing forbids it.
fn most_ring_bytes(processors: usize) -> usize {
    let share = MOST_BYTES_TOGETHER / processors.max(1);
    1 << share.clamp(LEAST_BYTES, MOST_BYTES).ilog2()
}

fn attributes(event: Event, config: u64, how: How) -> Attributes {
    use flag::{
        COMM, COMM_EXEC, DISABLED, ENABLE_ON_EXEC, EXCLUDE_CALLCHAIN_KERNEL, EXCLUDE_KERNEL,
        INHERIT, MMAP, MMAP_DATA, MMAP2, SAMPLE_ID_ALL, TASK, USE_CLOCKID, WATERMARK,
    };
    let mut flags =
        DISABLED | INHERIT | WATERMARK | SAMPLE_ID_ALL | USE_CLOCKID | EXCLUDE_CALLCHAIN_KERNEL;
    if how.target == Target::Command {
        flags |= ENABLE_ON_EXEC;
    }
    if !how.sees_kernel {
        flags |= EXCLUDE_KERNEL;
    }
    // Once is enough.
    if event == Event::Begun {
        flags |= MMAP | MMAP_DATA | MMAP2 | COMM | COMM_EXEC | TASK;
    }
    let with_chain = event != Event::Begun && how.most_frames > 0;
    Attributes {
        kind: SOFTWARE,
        config,
        sample_period: 1,
        sample_type: SAMPLE_TYPE | if with_chain { CALL_CHAIN } else { 0 },
        read_format: WITH_IDENTIFIER,
        flags,
        wakeup_watermark: WAKING_BYTES.min(how.ring_bytes / WAKING_PART) as u32,
        clock: libc::CLOCK_MONOTONIC,
        most_frames: if with_chain { how.most_frames } else { 0 },
        ..Attributes::default()
    }
}

/// poll(2), which a signal may end.
fn wait(fds: &mut [PollFd<'_>], time: Duration) -> io::Result<()> {
    let time = Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(fds, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The count of an event, and its identifier.
fn read(event: &OwnedFd) -> io::Result<[u64; 2]> {
    let mut bytes = [0; 16];
    rustix::io::read(event, &mut bytes)?;
    let (count, identifier) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
    Ok([word(count), word(identifier)])
}

/// Processors that are there.
fn processors() -> Vec<i32> {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let found = ranges(&online);
    if !found.is_empty() {
        return found;
    }
    let count = std::thread::available_parallelism().map_or(1, |count| count.get() as i32);
    (0..count).collect()
}

/// A list such as `0-3,5`.
fn ranges(list: &str) -> Vec<i32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse::<i32>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

fn threads(process: u32) -> io::Result<Vec<i32>> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Lets this process have so many descriptors more than it has anyway, if it may.
fn raise_limit(descriptors: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = descriptors as u64 + 64;
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(wanted.min(limit.maximum.unwrap_or(u64::MAX)));
        // What is not permitted shows when a descriptor is opened.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

const OPEN: &str = "watch the page faults";
const MAP: &str = "map the buffer for the page faults";
const FIND: &str = "find the threads";

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM))
}

fn is_too_much(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOMEM))
}

fn failure(target: Target, operation: &str, error: &io::Error) -> Failure {
    let thing = match target {
        Target::Command => "COMMAND".to_owned(),
        Target::Process(process) => format!("process {process}"),
    };
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok();
    let paranoid = paranoid.and_then(|text| text.trim().parse::<i32>().ok());
    let way_out = match (error.raw_os_error(), paranoid, target) {
        (Some(libc::EPERM), _, _) if operation == MAP => {
            "so much memory may not be locked: end other profilers, or raise \
             kernel.perf_event_mlock_kb or the limit (ulimit -l)"
                .to_owned()
        }
        (Some(libc::EACCES | libc::EPERM), Some(paranoid @ 3..), _) => {
            format!("kernel.perf_event_paranoid is {paranoid}: set it to 2 (sysctl), or be root")
        }
        (Some(libc::EACCES | libc::EPERM), Some(_), Target::Process(_)) => {
            "it is not yours to look into: be its user, or root; kernel.yama.ptrace_scope of 1 or \
             more restricts it to children too (start it with folio faults -- COMMAND)"
                .to_owned()
        }
        (Some(libc::EACCES | libc::EPERM), _, _) => {
            "a seccomp filter, as that of a container, or a security module forbids \
             perf_event_open: allow it, or add CAP_PERFMON"
                .to_owned()
        }
        (Some(libc::ESRCH | libc::ENOENT), _, _) if operation == FIND => {
            "there is no such process".to_owned()
        }
        (Some(libc::ENOSYS | libc::ENOENT | libc::EOPNOTSUPP), _, _) => {
            "the kernel lacks perf events (CONFIG_PERF_EVENTS), or a sandbox does".to_owned()
        }
        (Some(libc::EMFILE), _, _) => {
            "it takes three descriptors for each thread and processor: raise the limit (ulimit -n)"
                .to_owned()
        }
        _ => words(error),
    };
    Failure::new(format!("cannot {operation} of {thing}: {way_out}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(ranges("0-3,5\n"), [0, 1, 2, 3, 5]);
        assert_eq!(ranges("7\n"), [7]);
        assert!(ranges("none").is_empty());
    }

    #[test]
    fn a_refusal_says_the_way_out() {
        let error = io::Error::from_raw_os_error(libc::ENOSYS);
        let told = failure(Target::Command, OPEN, &error).to_string();
        assert!(told.starts_with("cannot watch the page faults of COMMAND: the kernel"), "{told}");
        let error = io::Error::from_raw_os_error(libc::EPERM);
        let told = failure(Target::Process(7), MAP, &error).to_string();
        assert!(told.contains("of process 7: so much memory may not be locked"), "{told}");
    }
}
