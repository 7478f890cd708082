//! What the tests share: names of their own, and children that run a part of the test program.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

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
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(ARGUMENT, argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
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

pub fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    let line = format!("skipped: {missing}\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
