//! What a signal that is not folio's is passed on to: read and changed without a lock, by signal
//! handlers too.
//!
//! A change:
//! 1. [`Next::replace`] claims a free place among a few, by writing a number there that is used once.
//! 2. It writes the new action to the place, and makes its number the current one if the action that
//!    was to be replaced still counts.
//! 3. The place of the action before becomes free; or its own, if the change came too late.
//!
//! Whoever reads the current action checks the place's number before and after: another number means
//! that the action no longer counts.
//!
//! Invariants:
//! - A place that is claimed is written by its claimant alone, and not once its number is current.
//! - A child forked in the middle of a change finds the action before it, and one place fewer.

use crate::sync::{AtomicU64, AtomicUsize, Ordering, fence};

/// What is done about a signal: handler, flags and mask.
pub(crate) type Words = [usize; 3];

pub(crate) struct Place {
    /// Whose it is; 0 while it is free.
    number: AtomicU64,
    words: [AtomicUsize; 3],
}

impl Place {
    pub(crate) const fn of(number: AtomicU64, words: [AtomicUsize; 3]) -> Self {
        Self { number, words }
    }
}

/// The action that counts. See the module's documentation.
pub(crate) struct Next {
    /// Its number; 0 before there is one.
    current: AtomicU64,
    /// How many numbers have been given out.
    given: AtomicU64,
    places: &'static [Place],
}

impl Next {
    pub(crate) const fn of(current: AtomicU64, given: AtomicU64, places: &'static [Place]) -> Self {
        Self { current, given, places }
    }

    fn place(&self, number: u64) -> &Place {
        &self.places[number as usize % self.places.len()]
    }

    /// The action that counts, and its number; the number is 0 before there is one.
    pub(crate) fn get(&self) -> (u64, Words) {
        loop {
            let number = self.current.load(Ordering::Acquire);
            if number == 0 {
                return (0, [0; 3]);
            }
            let place = self.place(number);
            let [handler, flags, mask] = &place.words;
            let words = [
                handler.load(Ordering::Relaxed),
                flags.load(Ordering::Relaxed),
                mask.load(Ordering::Relaxed),
            ];
            fence(Ordering::Acquire);
            if place.number.load(Ordering::Relaxed) == number {
                return (number, words);
            }
            crate::sync::spin_loop();
        }
    }

    /// Makes `words` the action that counts, if the one with the number `expected` still does.
    pub(crate) fn replace(&self, expected: u64, words: Words) -> bool {
        let number = self.claim();
        let place = self.place(number);
        place.words[0].store(words[0], Ordering::Relaxed);
        place.words[1].store(words[1], Ordering::Relaxed);
        place.words[2].store(words[2], Ordering::Relaxed);
        let swapped =
            self.current.compare_exchange(expected, number, Ordering::AcqRel, Ordering::Relaxed);
        let free = if swapped.is_ok() { expected } else { number };
        if free != 0 {
            self.place(free).number.store(0, Ordering::Release);
        }
        swapped.is_ok()
    }

    /// Takes a free place; returns the number written there.
    fn claim(&self) -> u64 {
        loop {
            // The first number is not 0, which means none.
            let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
            let free = &self.place(number).number;
            if free.compare_exchange(0, number, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // What is written to the place from now on is not seen before the number.
                fence(Ordering::Release);
                return number;
            }
            crate::sync::spin_loop();
        }
    }
}
