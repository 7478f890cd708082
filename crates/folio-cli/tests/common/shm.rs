//! Names in /dev/shm, and `folio shm` on them.

use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Ran, folio, run};

/// A name for a segment that no other test has, removed when dropped.
pub struct Name(String);

impl Name {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("folio-cli-test-{}-{number}", std::process::id()))
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// Runs `folio shm`, which must do it and say nothing.
#[track_caller]
pub fn shm(arguments: &[&str]) {
    let ran = run(&[&["shm"], arguments].concat());
    assert_eq!((ran.code, ran.stderr.as_str(), ran.text()), (0, "", ""));
}

/// Runs `folio shm` and expects a failure whose line has all of `parts`.
#[track_caller]
pub fn fails(arguments: &[&str], parts: &[&str]) {
    let ran = run(&[&["shm"], arguments].concat());
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{arguments:?}: {ran:?}");
    for part in parts {
        assert!(ran.line().contains(part), "{part:?} is not in {:?}", ran.line());
    }
}

/// Starts it with pipes at all ends.
pub fn start(arguments: &[&str]) -> Child {
    let mut command = folio(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs the command with these bytes on its standard input.
pub fn give(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = start(arguments);
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ran::from(child.wait_with_output().unwrap())
}

/// The same, which must do it and say nothing.
#[track_caller]
pub fn with_input(arguments: &[&str], input: &[u8]) {
    let ran = give(arguments, input);
    assert_eq!((ran.code, ran.stderr.as_str(), ran.text()), (0, "", ""));
}
