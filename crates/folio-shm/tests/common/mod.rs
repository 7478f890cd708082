//! What the tests share: names of their own, and children that run a part of the test program.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Names the part that a child runs.
const PART: &str = "FOLIO_SHM_PART";
const ARGUMENT: &str = "FOLIO_SHM_ARGUMENT";

/// A name for a segment that no other test has, unlinked when dropped.
pub struct Name(pub String);

impl Name {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("folio-test-{}-{number}", std::process::id()))
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }
}

/// Whether the name is removed with its last user. While another test starts a child, that one has all
/// descriptors for a moment, and is a user too; so the last user may be a later one.
pub fn is_removed(name: &Name) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while name.path().exists() && Instant::now() < end {
        let options = folio_shm::Segment::options().unlink_on_last_close();
        drop(options.open(&name.0));
    }
    !name.path().exists()
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// Starts this test program again for the test `child` alone, which runs `part`.
pub fn start(part: &str, argument: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    choose(&mut command, part, argument);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Has a command that starts this program run the test `child` alone, which runs `part`.
pub fn choose(command: &mut Command, part: &str, argument: &str) {
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(ARGUMENT, argument);
}

/// In a child: what to run, and its argument.
pub fn part() -> Option<(String, String)> {
    Some((std::env::var(PART).ok()?, std::env::var(ARGUMENT).unwrap()))
}

/// In a child: says a line to the parent.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "> {line}").unwrap();
    out.flush().unwrap();
}

/// In a child: waits for a line from the parent, or its end.
pub fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Lines that a child says.
pub fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first comes behind what the test harness has printed.
    lines.filter_map(|line| Some(line.ok()?.split_once("> ")?.1.to_owned()))
}

/// Kills a child, which has gone on until then.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it had ended before: {status}");
}

/// Waits until this process has no descriptor of a dead one any more: each that was watched has been let go.
pub fn no_dead_are_watched() {
    let is_dead = |entry: std::io::Result<std::fs::DirEntry>| {
        let info = entry.ok().and_then(|entry| std::fs::read_to_string(entry.path()).ok());
        info.is_some_and(|info| info.lines().any(|line| line == "Pid:\t-1"))
    };
    let end = soon();
    while std::fs::read_dir("/proc/self/fdinfo").unwrap().any(is_dead) {
        assert!(Instant::now() < end, "pidfds of dead processes are open");
        std::thread::yield_now();
    }
}

/// Bytes of memory that a segment has.
pub fn bytes_of(name: &Name) -> u64 {
    std::fs::metadata(name.path()).unwrap().blocks() * 512
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    let line = format!("skipped: {missing}\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}

/// A deadline for what happens at once.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// How often something is tried: as often as the environment says, or else a few times.
pub fn rounds(usual: u64) -> u64 {
    std::env::var("FOLIO_SHM_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Whether a descriptor gets readable within so many milliseconds.
pub fn gets_ready(fd: BorrowedFd<'_>, millis: i64) -> bool {
    let time = Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)).unwrap() > 0
}

/// A child that has said that it is where it should be.
pub fn started(part: &str, argument: &str) -> Child {
    let mut child = start(part, argument);
    assert_eq!(lines(&mut child).next().as_deref(), Some("ready"), "{part}");
    child
}

/// A message of up to 100 bytes that tells which it is.
pub fn content(number: u64) -> Vec<u8> {
    let len = (number * 37 % 93) as usize;
    let rest = (0..len).map(|at| (number as usize + at) as u8);
    number.to_le_bytes().into_iter().chain(rest).collect()
}

/// Which message it is.
pub fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// The layout hash of a segment, as its header has it.
pub fn layout(name: &Name) -> u64 {
    let found = folio_shm::list().unwrap();
    found.iter().find(|found| found.name() == name.0).unwrap().layout().unwrap()
}

/// Numbers without order, the same for the same seed (a linear congruential generator).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // The low bits repeat soon.
        self.0 ^ self.0 >> 32
    }

    /// A number below a limit, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Writes what a channel's words may look like all over a segment, until told to stop.
pub fn scribble(name: &Name, stop: &AtomicBool) {
    let enemy = folio_shm::Segment::options().layout(layout(name)).open(&name.0).unwrap();
    let mut numbers = Random(0x9e37_79b9_7f4a_7c15);
    while !stop.load(Ordering::Relaxed) {
        let random = numbers.next();
        let words = [random, random >> 40, 0, 1 << 32 | random >> 58, 2 << 32 | 64, u64::MAX];
        let at = (random >> 20) as usize % (enemy.len() / 8) * 8;
        let word = words[(random >> 8) as usize % words.len()];
        enemy.write_at(at, &word.to_le_bytes()).unwrap();
        if random.is_multiple_of(16) {
            std::thread::yield_now();
        }
    }
}
