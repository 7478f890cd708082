//! Forked children, and copies of a parent's values in them.
#![allow(unsafe_code)]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A forked child that runs.
#[derive(Debug)]
pub struct Forked(libc::pid_t);

/// Forks a child that does `work`, and nothing else.
pub fn fork(work: impl FnOnce() -> bool) -> Forked {
    // SAFETY: the child does nothing but `work`, which needs none of the parent's other threads, and ends
    // without running anything of the parent's. The C library's allocator can be used in it (fork(3)).
    match unsafe { libc::fork() } {
        -1 => panic!("fork"),
        0 => {
            // A child that hangs is a failure, not a hang of the test.
            // SAFETY: the signal ends the child (alarm(2)).
            unsafe { libc::alarm(60) };
            let done = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: ends the child.
            unsafe { libc::_exit(if done.unwrap_or(false) { 0 } else { 1 }) }
        }
        child => Forked(child),
    }
}

impl Forked {
    /// Waits for its end. True if its work came to that.
    pub fn ends_well(self) -> bool {
        let mut status = 0;
        // SAFETY: waits for the child just made.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        status == 0
    }
}

/// Runs `work` in a forked child and waits for its end. True if it returned true.
pub fn forked(work: impl FnOnce() -> bool) -> bool {
    fork(work).ends_well()
}

/// In a forked child: its copy of a value of its parent's, to use up or to drop.
///
/// # Safety
/// This is a forked child, which ends without using the original again.
pub unsafe fn copy<T>(original: &T) -> T {
    // SAFETY: the original is neither used nor dropped any more.
    unsafe { std::ptr::read(original) }
}
