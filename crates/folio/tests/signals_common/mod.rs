//! What the tests of signals share: children, and the same child with and without folio.
#![allow(unsafe_code, dead_code, unused_imports, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
mod raw;

use std::ffi::c_int;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

pub use common::{is_root, pattern, skip};
pub use raw::Raw;

pub const PAGE: usize = 4096;

/// A directory of its own for a test, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("folio-signals-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it with these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn set_len(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// How a child ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub status: ExitStatus,
    pub notes: Vec<String>,
    pub stderr: String,
}

impl Ended {
    pub fn died_of(&self, signal: c_int) -> bool {
        self.status.signal() == Some(signal)
    }

    #[track_caller]
    pub fn assert_success(&self) {
        assert!(self.status.success(), "{self:#?}");
    }
}

/// In the child: the scenario's `(name, environment)` if this process is to play it.
fn playing(name: &str) -> bool {
    std::env::var("FOLIO_CHILD").is_ok_and(|playing| playing == name)
}

fn spawn(name: &str, with: &str) -> Ended {
    let scratch = Scratch::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("FOLIO_CHILD", name)
        .env("FOLIO_WITH", with)
        .env("FOLIO_SCRATCH", scratch.path())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let stdout = text(output.stdout);
    let notes = stdout.lines().filter_map(|line| line.split_once("note ").map(|(_, note)| note));
    Ended {
        status: output.status,
        notes: notes.map(str::to_owned).collect(),
        stderr: text(output.stderr),
    }
}

/// Runs `scenario` in a process of its own. `name` is the test's.
pub fn in_child(name: &str, scenario: fn()) -> Option<Ended> {
    if playing(name) {
        prepare();
        scenario();
        std::process::exit(0);
    }
    Some(spawn(name, "1"))
}

/// Runs `scenario` twice in processes of their own, without folio and with it, and asserts that
/// nobody can tell which was which. It calls its argument where folio is to come into it.
pub fn same_without_folio(name: &str, scenario: fn(&dyn Fn())) -> Ended {
    if playing(name) {
        prepare();
        let with = std::env::var("FOLIO_WITH").unwrap() == "1";
        scenario(&|| {
            if with {
                folio_handles_a_fault();
            }
        });
        std::process::exit(0);
    }
    let (without, with) = (spawn(name, "0"), spawn(name, "1"));
    assert_eq!(without.status, with.status, "{without:#?} {with:#?}");
    assert_eq!(without.notes, with.notes, "{without:#?} {with:#?}");
    with
}

/// Lets a child that dies leave a core, where it may, in the directory that goes away.
fn prepare() {
    std::env::set_current_dir(std::env::var_os("FOLIO_SCRATCH").unwrap()).unwrap();
    // SAFETY: both calls take a structure that lives through them.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
    }
}

/// A directory for the child's files.
pub fn child_dir() -> PathBuf {
    std::env::current_dir().unwrap()
}

/// Has folio installed and at work: a truncated file read through the view and through a slice.
pub fn folio_handles_a_fault() {
    let path = child_dir().join("folio-at-work");
    fs::write(&path, pattern(2 * PAGE)).unwrap();
    let map = folio::Mapping::open(&path).unwrap();
    set_len(&path, 0);
    let error = map.read_at(5, &mut [0; 100]).unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), folio::FaultKind::Truncated);
    // SAFETY: nobody changes the file any more.
    let fault = unsafe { map.guarded(|bytes| bytes[PAGE]) }.unwrap_err();
    assert_eq!(fault.kind(), folio::FaultKind::Truncated);
}

/// Two pages mapped by somebody else than folio, of a file that has been cut to nothing.
pub fn foreign_lost_pages() -> *mut u8 {
    let path = child_dir().join("foreign");
    fs::write(&path, pattern(2 * PAGE)).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // SAFETY: a new mapping at an address that the kernel chooses.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            2 * PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            std::os::fd::AsRawFd::as_raw_fd(&file),
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    file.set_len(0).unwrap();
    start.cast()
}

/// Writes a line of numbers from wherever, a signal handler included.
pub fn note(what: &str, numbers: &[u64]) {
    let mut line = [0; 512];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        line[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"note ");
    put(what.as_bytes());
    for &number in numbers {
        put(b" ");
        let digits: [u8; 16] =
            std::array::from_fn(|i| b"0123456789abcdef"[(number >> (60 - 4 * i)) as usize & 15]);
        put(&digits[digits.iter().position(|&d| d != b'0').unwrap_or(15)..]);
    }
    put(b"\n");
    // SAFETY: `at` bytes of `line` are initialised; write(2) is async-signal-safe.
    unsafe { libc::write(1, line.as_ptr().cast(), at) };
}

/// The calling thread's signal mask.
pub fn mask() -> u64 {
    let mut mask = 0u64;
    // SAFETY: the kernel writes eight bytes (rt_sigprocmask in sigprocmask(2)).
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::null::<u64>(),
            &raw mut mask,
            8,
        );
    }
    mask
}

/// sigaction(2) by hand: handler, flags and signals to be blocked meanwhile.
pub fn handle(signal: c_int, handler: usize, flags: c_int, blocked: &[c_int]) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction, and both structures live through the calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut old: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        for &signal in blocked {
            libc::sigaddset(&raw mut action.sa_mask, signal);
        }
        assert_eq!(libc::sigaction(signal, &raw const action, &raw mut old), 0);
        old
    }
}
