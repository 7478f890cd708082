//! A session: the events of what is watched, and the rings that their records come through.
//!
//! 1. [`Session::open`] opens three events for each thread and processor, and maps a ring for each
//!    processor. Children and threads inherit the events, which takes rings by processor.
//! 2. [`Session::start`] lets them happen, or an execve(2) does: [`Target::Command`].
//! 3. [`Session::wait`] sleeps until there is much in a ring; [`Session::take`] empties them.
//! 4. [`Session::counts`] is the kernel's count, in which what found no room is counted too.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::{Failure, words};
use crate::faults::order::Order;
use crate::faults::profile::Event;
use crate::faults::record::{CALL_CHAIN, Records, SAMPLE_TYPE};
use crate::faults::ring::Ring;
use crate::faults::sys::{self, Attributes, Whose};

/// `PERF_TYPE_SOFTWARE`
const SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_PAGE_FAULTS`, `_MIN` and `_MAJ`
const EVENTS: [(Event, u64); 3] = [(Event::Begun, 2), (Event::Minor, 5), (Event::Major, 6)];
/// `PERF_FORMAT_ID`
const WITH_IDENTIFIER: u64 = 1 << 2;
/// Bytes of a ring, where so much may be locked, and in any case.
const MOST_BYTES: usize = 4 << 20;
const LEAST_BYTES: usize = 16 << 10;
/// Bytes in a ring that it is emptied for: some hundred page faults.
const WAKING_BYTES: u32 = 64 << 10;

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
    buffer: Vec<u8>,
}

impl Session {
    /// Opens the events of a target.
    ///
    /// # Errors
    /// What forbids it, and the way out.
    pub(crate) fn open(target: Target, most_frames: u16) -> Result<Self, Failure> {
        let processors = processors();
        match Self::try_open(target, &processors, most_frames, true) {
            // perf_event_paranoid is 2 or more: without what the kernel does by itself.
            Err((operation, error)) if is_refusal(&error) && operation == OPEN => {
                Self::try_open(target, &processors, most_frames, false)
            }
            other => other,
        }
        .map_err(|(operation, error)| failure(target, operation, &error))
    }

    fn try_open(
        target: Target,
        processors: &[i32],
        most_frames: u16,
        sees_kernel: bool,
    ) -> Result<Self, (&'static str, io::Error)> {
        let mut this = Self {
            events: Vec::new(),
            rings: Vec::new(),
            identifiers: HashMap::new(),
            sees_kernel,
            buffer: Vec::new(),
        };
        let mut of_threads = Vec::new();
        match target {
            Target::Command => this.open_for(Whose::Own, target, processors, most_frames)?,
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
                    let whose = Whose::Thread(thread);
                    match this.open_for(whose, target, processors, most_frames) {
                        // It has ended meanwhile.
                        Err((_, error)) if error.raw_os_error() == Some(libc::ESRCH) => {}
                        other => other?,
                    }
                }
            },
        }
        match this.events.is_empty() {
            true => Err((FIND, io::Error::from_raw_os_error(libc::ESRCH))),
            false => Ok(this),
        }
    }

    /// Three events of a thread on each processor; those that are there first have the rings.
    fn open_for(
        &mut self,
        whose: Whose,
        target: Target,
        processors: &[i32],
        most_frames: u16,
    ) -> Result<(), (&'static str, io::Error)> {
        let has_rings = !self.rings.is_empty();
        for (place, &processor) in processors.iter().enumerate() {
            for (event, config) in EVENTS {
                let attributes = attributes(event, config, target, most_frames, self.sees_kernel);
                let fd = sys::open(&attributes, whose, processor).map_err(|error| (OPEN, error))?;
                if event == Event::Begun && !has_rings {
                    self.rings.push((ring(&fd)?, self.events.len()));
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

    /// Lets the events happen.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.events.iter().try_for_each(|(_, event)| sys::enable(event))
    }

    /// Lets them happen no more.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.events.iter().try_for_each(|(_, event)| sys::disable(event))
    }

    /// Waits until one of these can be read, a ring wants to be emptied, or the time is over. Returns
    /// which of these can be read.
    pub(crate) fn wait<const N: usize>(
        &self,
        others: [BorrowedFd<'_>; N],
        timeout: Timespec,
    ) -> io::Result<[bool; N]> {
        let event = |place: usize| PollFd::from_borrowed_fd(self.events[place].1.as_fd(), IN);
        const IN: PollFlags = PollFlags::IN;
        let mut fds: Vec<_> = others.map(|fd| PollFd::from_borrowed_fd(fd, IN)).into();
        fds.extend(self.rings.iter().map(|(_, place)| event(*place)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // A thread that has ended makes its events ready for good.
        if fds[N..].iter().any(|fd| fd.revents().contains(PollFlags::HUP)) {
            fds.truncate(N);
            let short = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            match poll(&mut fds, Some(&short)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::array::from_fn(|other| !fds[other].revents().is_empty()))
    }

    /// Empties the rings.
    pub(crate) fn take(&mut self, order: &mut Order) -> io::Result<()> {
        for (ring, _) in &self.rings {
            self.buffer.clear();
            ring.take(&mut self.buffer)?;
            for record in Records::of(&self.buffer) {
                order.push(record);
            }
        }
        Ok(())
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

fn attributes(
    event: Event,
    config: u64,
    target: Target,
    most_frames: u16,
    sees_kernel: bool,
) -> Attributes {
    use flag::{
        COMM, COMM_EXEC, DISABLED, ENABLE_ON_EXEC, EXCLUDE_CALLCHAIN_KERNEL, EXCLUDE_KERNEL,
        INHERIT, MMAP, MMAP_DATA, MMAP2, SAMPLE_ID_ALL, TASK, USE_CLOCKID, WATERMARK,
    };
    let mut flags =
        DISABLED | INHERIT | WATERMARK | SAMPLE_ID_ALL | USE_CLOCKID | EXCLUDE_CALLCHAIN_KERNEL;
    if target == Target::Command {
        flags |= ENABLE_ON_EXEC;
    }
    if !sees_kernel {
        flags |= EXCLUDE_KERNEL;
    }
    // Once is enough.
    if event == Event::Begun {
        flags |= MMAP | MMAP_DATA | MMAP2 | COMM | COMM_EXEC | TASK;
    }
    let with_chain = event != Event::Begun && most_frames > 0;
    Attributes {
        kind: SOFTWARE,
        config,
        sample_period: 1,
        sample_type: SAMPLE_TYPE | if with_chain { CALL_CHAIN } else { 0 },
        read_format: WITH_IDENTIFIER,
        flags,
        wakeup_watermark: WAKING_BYTES,
        clock: libc::CLOCK_MONOTONIC,
        most_frames: if with_chain { most_frames } else { 0 },
        ..Attributes::default()
    }
}

/// As large a ring as may be locked.
fn ring(event: &OwnedFd) -> Result<Ring, (&'static str, io::Error)> {
    let mut bytes = MOST_BYTES;
    loop {
        match Ring::of(event, bytes) {
            Err(error) if bytes > LEAST_BYTES && error.raw_os_error() == Some(libc::EPERM) => {
                bytes /= 2;
            }
            other => return other.map_err(|error| (MAP, error.into())),
        }
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
