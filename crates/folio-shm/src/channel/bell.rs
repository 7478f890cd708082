//! The bell: how one side wakes the other, without a system call while nobody sleeps.
//!
//! 1. Who is about to sleep says so ([`Bell::prepare`]), and then looks once more for what it wants.
//! 2. Who has done what others may wait for asks whether anybody sleeps, after that: [`Bell::ring`].
//! 3. Each does its two steps in opposite order, with a fence between them that all processors agree on.
//!    So one sees what the other has done: there is something to find, or somebody to wake.
//! 4. The sleeper sleeps on the bell's number, as it was before it prepared; who wakes raises it first.
//!
//! A sleeper that is killed leaves the bell set, and is rung for once, in vain. Who is killed while it rings may have unset
//! it and not raised its number: who is going to sleep asks for that last ([`Bell::is_prepared`]).

use crate::sync::{AtomicU32, Ordering, fence, wake};

/// Two words of a bell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bell<'a> {
    /// How often it was rung for a sleeper. What sleepers sleep on.
    pub(crate) number: &'a AtomicU32,
    /// 1 if somebody sleeps, or is about to.
    pub(crate) asleep: &'a AtomicU32,
}

impl Bell<'_> {
    /// Says that somebody is about to sleep, and returns the number to sleep on.
    pub(crate) fn prepare(&self) -> u32 {
        let number = self.number.load(Ordering::Acquire);
        self.asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        number
    }

    /// Whether nobody has rung, or begun to, since somebody prepared.
    #[inline]
    pub(crate) fn is_prepared(&self) -> bool {
        self.asleep.load(Ordering::Relaxed) != 0
    }

    /// Wakes whoever sleeps.
    #[inline]
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.is_prepared() {
            self.wake_all();
        }
    }

    /// Wakes whoever is seen to sleep, without a fence: one who is just going to sleep may be overlooked, and
    /// is rung for later, or looks around by itself.
    #[inline]
    pub(crate) fn ring_if_seen(&self) {
        if self.is_prepared() {
            self.wake_all();
        }
    }

    /// Wakes everybody, whether or not they have said that they sleep.
    #[cold]
    pub(crate) fn wake_all(&self) {
        // Whoever prepares after this sees the new number, and is not overlooked.
        self.asleep.store(0, Ordering::Relaxed);
        self.number.fetch_add(1, Ordering::Release);
        wake(self.number, i32::MAX as u32);
    }
}
