//! The mark: a process in 64 bits, so that one atomic operation can take something for it.
//!
//! | bits | |
//! | --- | --- |
//! | 0..22 | process number (at most 2²² by pid_max in proc(5)) |
//! | 22 | somebody waits |
//! | 23..64 | token: a hash of the time the process started and of the boot it did so in |
//!
//! All zeros is nobody. The token tells a process from a later one with its number, and from one after
//! the next reboot, where the segment survives that. That two share number and token has a chance of
//! 2⁻⁴¹ each time a number is given again.
//!
//! The low half holds number and bit, so that a waiter that sleeps on it (futex(2) compares 32 bits)
//! is not left asleep when the same process lets go and takes again without the bit.
#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::header::hash;
use crate::owner::{self, Life, Owner};

const PID: u64 = (1 << 22) - 1;

/// Set while somebody may be waiting.
pub(crate) const WAITED: u64 = 1 << 22;

/// A process, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) u64);

/// A page that the kernel empties in a forked child (MADV_WIPEONFORK in madvise(2)), and on it this
/// process's mark, so that a child has one of its own and asking costs no system call.
#[repr(align(4096))]
struct Page(AtomicU64, #[expect(dead_code, reason = "the rest of the page")] [u8; 4088]);

static PAGE: Page = Page(AtomicU64::new(0), [0; 4088]);

impl Mark {
    pub(crate) const NOBODY: Self = Self(0);

    /// That of the calling process.
    #[inline]
    pub(crate) fn this_process() -> Self {
        match PAGE.0.load(Ordering::Relaxed) {
            0 => Self::find_out(),
            mark => Self(mark),
        }
    }

    #[cold]
    fn find_out() -> Self {
        static IS_WIPED: OnceLock<bool> = OnceLock::new();
        let is_wiped = *IS_WIPED.get_or_init(|| {
            let page = (&raw const PAGE).cast_mut().cast();
            let advice = rustix::mm::Advice::LinuxWipeOnFork;
            // SAFETY: changes no byte here (madvise(2)); in a child, all that refers to the page is the
            // atomic.
            unsafe { rustix::mm::madvise(page, size_of::<Page>(), advice) }.is_ok()
        });
        let this = Self::of(Owner::this_process());
        if is_wiped {
            PAGE.0.store(this.0, Ordering::Relaxed);
        }
        this
    }

    pub(crate) fn of(owner: Owner) -> Self {
        Self(u64::from(owner.pid) & PID | token(owner.start_ticks))
    }

    pub(crate) fn pid(self) -> u32 {
        (self.0 & PID) as u32
    }

    /// The same process, waited for by nobody.
    #[must_use]
    pub(crate) fn plain(self) -> Self {
        Self(self.0 & !WAITED)
    }

    #[must_use]
    pub(crate) fn waited(self) -> Self {
        Self(self.0 | WAITED)
    }

    pub(crate) fn is_waited(self) -> bool {
        self.0 & WAITED != 0
    }

    /// Whether the process lives. What is no process's mark is dead.
    pub(crate) fn life(self) -> Life {
        owner::life_of(self.pid(), |start_ticks| token(start_ticks) == self.0 & !(PID | WAITED))
    }
}

fn token(start_ticks: u64) -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    let boot = BOOT.get_or_init(|| {
        hash(&std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default())
    });
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&boot.to_le_bytes());
    bytes[8..].copy_from_slice(&start_ticks.to_le_bytes());
    hash(&bytes) & !(PID | WAITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_its_processs_and_nobody_elses() {
        let this = Mark::this_process();
        assert_eq!(this.pid(), std::process::id());
        assert_eq!((this.life(), this.waited().life()), (Life::Alive, Life::Alive));
        assert_eq!(this.waited().plain(), this);
        assert!(this.waited().is_waited() && !this.is_waited());
        assert_eq!(Mark(this.0 ^ 1 << 40).life(), Life::Dead, "another with this number");
        assert_eq!(Mark::NOBODY.life(), Life::Dead);
        assert_eq!(Mark(u64::MAX).life(), Life::Dead);
    }
}
