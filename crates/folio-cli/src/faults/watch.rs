//! Watching: a command from its start to its end, or a process for a while.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use folio_stat::Process;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::failure::{Failure, words};
use crate::faults::backlog::Backlog;
use crate::faults::profile::Profile;
use crate::faults::session::{Session, Target};
use crate::faults::sys;
use crate::program;
use crate::run::{NOT_FOUND, UNUSABLE};
use crate::signals;

/// Between looks at rings that nothing makes full.
const ROUND: Duration = Duration::from_millis(250);
/// Between looks at a backlog that is full.
const PAUSE: Duration = Duration::from_millis(20);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) profile: Profile,
    pub(crate) elapsed: Duration,
    /// How the command ended.
    pub(crate) status: Option<ExitStatus>,
    /// Minor and major page faults that the events counted, seen or not.
    pub(crate) counts: (u64, u64),
    /// Those of the command and its children by getrusage(2), which counts what the kernel does, too.
    pub(crate) usage: Option<(u64, u64)>,
    /// Whether page faults within system calls were seen.
    pub(crate) sees_kernel: bool,
    /// Bytes of a ring.
    pub(crate) ring_bytes: usize,
    /// Whether more could not be locked.
    pub(crate) rings_are_limited: bool,
    /// Frames of a call chain that were asked for.
    pub(crate) most_frames: u16,
}

/// Runs a command, and watches it and its children until it ends.
///
/// # Errors
/// That it cannot be watched, or not be started.
pub(crate) fn command(command: &[OsString], most_frames: u16) -> Result<Watched, Failure> {
    // At least one is required.
    let (name, arguments) = command.split_first().ok_or_else(|| Failure::new("no command"))?;
    let path = program::find(name)?;
    let session = Session::open(Target::Command, most_frames)?;
    // Where SIGCHLD is ignored, nobody is told how a child ended (wait(2)).
    let _ended = signals::arrivals(&[SIGCHLD])?;
    // Ctrl-C reaches the command by the terminal; this process is to see its end.
    let _interrupted = signals::arrivals_unless_ignored(&[SIGINT, SIGQUIT])?;
    let terminated = signals::arrivals_unless_ignored(&[SIGTERM])?;
    let hung_up = signals::arrivals_unless_ignored(&[SIGHUP])?;

    let before = sys::page_faults_of_children();
    let start = now();
    let identifiers = session.identifiers();
    let watch = Watch::new(session, most_frames, move || Ok(Profile::new(identifiers, start)))?;
    let mut child = Command::new(&path).arg0(name).args(arguments).spawn().map_err(|error| {
        let status = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { UNUSABLE };
        let reason = words(&error);
        Failure::new(format!("cannot run {}: {reason}", path.display())).with_status(status)
    })?;
    let process = Pid::from_child(&child);
    let done = pidfd_open(process, PidfdFlags::empty()).map_err(|error| failed(&error.into()))?;
    loop {
        // Where a signal is ignored, the end stands in its place.
        let [terminate, hang_up] =
            [&terminated, &hung_up].map(|one| one.as_ref().map_or(done.as_fd(), AsFd::as_fd));
        let fds = [done.as_fd(), terminate, hang_up];
        let [ended, terminate, hang_up] = watch.round(fds, ROUND)?;
        for (arrived, stream, signal) in
            [(terminate, &terminated, Signal::TERM), (hang_up, &hung_up, Signal::HUP)]
        {
            if let Some(stream) = stream.as_ref().filter(|_| arrived) {
                signals::take(stream);
                // One that has ended needs none.
                let _ = kill_process(process, signal);
            }
        }
        if ended {
            break;
        }
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    let after = sys::page_faults_of_children();
    let watched = watch.finish()?;
    let usage = Some((after.0 - before.0, after.1 - before.1));
    Ok(Watched { status: Some(status), usage, ..watched })
}

/// Watches a process until it ends, the time is over, or Ctrl-C.
///
/// # Errors
/// That it cannot be watched, or is not there.
pub(crate) fn process(
    process: u32,
    time: Option<Duration>,
    most_frames: u16,
) -> Result<Watched, Failure> {
    let stop = signals::arrivals(&[SIGINT, SIGTERM, SIGHUP])?;
    let known = Process::of(process)?;
    let done = process_descriptor(process)?;
    let session = Session::open(Target::Process(process), most_frames)?;
    session.start().map_err(|error| failed(&error))?;
    let (start, identifiers) = (now(), session.identifiers());
    let watch = Watch::new(session, most_frames, move || {
        let mut profile = Profile::new(identifiers, start);
        // What is mapped from here on is told by records, which come later and lie over these.
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        profile.begin(process, name.trim_end(), known.mappings()?);
        Ok(profile)
    })?;
    let end = time.map(|time| Instant::now() + time);
    loop {
        let left = end.map_or(ROUND, |end| end.saturating_duration_since(Instant::now()));
        let [ended, stopped] = watch.round([done.as_fd(), stop.as_fd()], left.min(ROUND))?;
        if ended || stopped || left.is_zero() || watch.backlog.has_ended() {
            break;
        }
    }
    watch.finish()
}

fn process_descriptor(process: u32) -> Result<OwnedFd, Failure> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let found = pid.ok_or(rustix::io::Errno::SRCH);
    found.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())).map_err(|_| {
        Failure::new(format!("cannot find process {process}: it is none, or a thread of another"))
    })
}

/// By CLOCK_MONOTONIC, in nanoseconds.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Watching under way.
#[derive(Debug)]
struct Watch {
    session: Session,
    backlog: Backlog,
    start: Instant,
    most_frames: u16,
}

impl Watch {
    fn new(
        session: Session,
        most_frames: u16,
        profile: impl FnOnce() -> Result<Profile, Failure> + Send + 'static,
    ) -> Result<Self, Failure> {
        let backlog = Backlog::new(profile).map_err(|error| failed(&error))?;
        Ok(Self { session, backlog, start: Instant::now(), most_frames })
    }

    /// Waits, no longer than this, and reads what has come.
    fn round<const N: usize>(
        &self,
        others: [BorrowedFd<'_>; N],
        time: Duration,
    ) -> Result<[bool; N], Failure> {
        let looks_at_rings = !self.backlog.is_full();
        let time = if looks_at_rings { time } else { time.min(PAUSE) };
        let ready = self.session.wait(others, looks_at_rings, time);
        let ready = ready.map_err(|error| failed(&error))?;
        if looks_at_rings {
            self.read()?;
        }
        Ok(ready)
    }

    fn read(&self) -> Result<(), Failure> {
        let mut round = Vec::new();
        self.session.take(&mut round).map_err(|error| failed(&error))?;
        self.backlog.push(round);
        Ok(())
    }

    fn finish(self) -> Result<Watched, Failure> {
        let elapsed = self.start.elapsed();
        self.session.stop().map_err(|error| failed(&error))?;
        self.read()?;
        let counts = self.session.counts().map_err(|error| failed(&error))?;
        Ok(Watched {
            profile: self.backlog.finish()?,
            elapsed,
            status: None,
            counts,
            usage: None,
            sees_kernel: self.session.sees_kernel(),
            ring_bytes: self.session.ring_bytes(),
            rings_are_limited: self.session.rings_are_limited(),
            most_frames: self.most_frames,
        })
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(format!("cannot go on watching: {}", words(error)))
}
