//! The turn: the right of one thread at a time to replace pages, or to change what handlers note.
//!
//! 1. A signal handler, with all signals blocked, calls [`Turn::take`]. Where another thread has the
//!    turn it waits a moment ([`Turn::wait_for`]), returns, and runs its instruction again.
//! 2. It does its few system calls and calls [`Turn::give`].
//! 3. Ordinary code that needs the turn blocks all signals meanwhile and touches no mapping, so that
//!    no handler on its own thread ever waits for it: [`Turn::run`].
//!
//! Invariant: the word holds the number of the memory whose thread has the turn, or 0. A child
//! forked while one had it finds the parent's number there, and nobody else to give it back: it may
//! take it. A child on its parent's memory (vfork(2)) has the same number, and waits.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

use crate::sys;

/// A page that the kernel empties in a forked child (MADV_WIPEONFORK in madvise(2)), and on it this
/// memory's number. Part of the program's own memory: a mapping more might take addresses that the
/// program counts on to be free.
#[repr(align(4096))]
struct Page(AtomicU32, #[expect(dead_code, reason = "the rest of the page")] [u8; 4092]);

static PAGE: Page = Page(AtomicU32::new(0), [0; 4092]);

/// Whether the kernel empties the page.
static IS_WIPED: AtomicBool = AtomicBool::new(false);

/// Sees to it that memory has a number of its own. For ordinary code, before any handler runs.
pub(crate) fn prepare() {
    let page = (&raw const PAGE).expose_provenance();
    // SAFETY: changes no byte here (madvise(2)); in a child, all that refers to them is the atomic.
    if unsafe { sys::advise(page, size_of::<Page>(), libc::MADV_WIPEONFORK) }.is_ok() {
        IS_WIPED.store(true, Release);
        number_of_memory();
    }
}

/// This memory's number: that of the process which asked first.
fn number_of_memory() -> u32 {
    let process = std::process::id();
    if !IS_WIPED.load(Acquire) {
        return process;
    }
    PAGE.0.compare_exchange(0, process, AcqRel, Acquire).err().unwrap_or(process)
}

/// Whether a number is this memory's, without a system call. A number that is not may be of a process that
/// shares it.
pub(crate) fn is_this_memory(number: u32) -> bool {
    PAGE.0.load(Acquire) == number
}

#[derive(Default)]
pub(crate) struct Turn(AtomicU32);

impl Turn {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the turn, or returns what the word holds while another thread has it.
    pub(crate) fn take(&self) -> Result<(), u32> {
        let memory = number_of_memory();
        self.0
            .fetch_update(Acquire, Relaxed, |holder| (holder != memory).then_some(memory))
            .map(drop)
    }

    pub(crate) fn give(&self) {
        self.0.store(0, Release);
    }

    /// Waits until the holder gives the turn back, at most a millisecond.
    pub(crate) fn wait_for(&self, holder: u32) {
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        sys::futex_wait(&self.0, holder, &pause);
    }

    /// Forgets who has it.
    pub(crate) fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    /// Runs `work` with the turn, from ordinary code. `work` touches no mapping.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct End<'a>(&'a Turn, u64);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.give();
                sys::set_signal_mask(self.1);
            }
        }
        let mask = sys::set_signal_mask(u64::MAX);
        while let Err(holder) = self.take() {
            self.wait_for(holder);
        }
        let _end = End(self, mask);
        work()
    }

    #[cfg(test)]
    pub(crate) fn hold_as(&self, process: u32) {
        self.0.store(process, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_takes_over_what_a_thread_of_its_parent_had() {
        let turn = Turn::new();
        turn.take().unwrap();
        assert_eq!(turn.take(), Err(std::process::id()));
        turn.hold_as(std::process::id() + 1);
        turn.take().unwrap();
        turn.give();
        turn.take().unwrap();
    }

    #[test]
    fn a_child_on_its_parents_memory_waits_for_its_parents_threads() {
        static TURN: Turn = Turn::new();
        extern "C" fn child(_: *mut core::ffi::c_void) -> core::ffi::c_int {
            TURN.take().is_ok().into()
        }
        prepare();
        TURN.take().unwrap();
        let mut stack = vec![0u128; 4096];
        let top = stack.as_mut_ptr_range().end.cast();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let mut status = -1;
        // SAFETY: the child has a stack of its own, and does no more than `child` does.
        unsafe {
            let process = libc::clone(child, top, flags, core::ptr::null_mut());
            assert_eq!(libc::waitpid(process, &raw mut status, 0), process);
        }
        assert_eq!(status, 0, "the child took what its parent had");
    }

    #[test]
    fn ordinary_code_has_the_turn_alone() {
        static TURN: Turn = Turn::new();
        let mut count = 0u64;
        let count = &raw mut count as usize;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let count = count as *mut u64;
                        // SAFETY: points to the counter above, and the turn keeps others out.
                        TURN.run(|| unsafe { *count += 1 });
                    }
                });
            }
        });
        // SAFETY: the threads have ended.
        assert_eq!(unsafe { *(count as *const u64) }, 8000);
    }
}
