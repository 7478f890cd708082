//! Which slot of the slab holds which chunk, and which is given up next.
//!
//! CLOCK: a hand goes round; a chunk that was used since it last came by is spared once.
//!
//! Invariants:
//! - `places` and the full slots are each other's inverse.
//! - A slot that is being filled is in nobody's hands but the one who took it.

use std::collections::HashMap;

use super::index::Checksum;

/// How many chunks go to slots in use before one that the disk had no room for is tried again.
const STARVED_TURNS: u32 = 64;

/// A chunk of an object; the object by its number in [`Slots::object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) object: u32,
    pub(super) chunk: u64,
}

/// What a full slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: u32,
    pub(super) place: Place,
    pub(super) len: u32,
    pub(super) checksum: Checksum,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Empty,
    Filling,
    Full { held: Held, used: bool },
}

#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    states: Vec<State>,
    places: HashMap<Place, u32>,
    objects: HashMap<[u8; 32], u32>,
    free: Vec<u32>,
    hand: usize,
    starved: u32,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            states: Vec::new(),
            places: HashMap::new(),
            objects: HashMap::new(),
            free: Vec::new(),
            hand: 0,
            starved: 0,
        }
    }

    /// The number that stands for an object here.
    pub(super) fn object(&mut self, key: [u8; 32]) -> u32 {
        let next = self.objects.len() as u32;
        *self.objects.entry(key).or_insert(next)
    }

    /// How many slots are full.
    pub(super) fn full(&self) -> usize {
        self.places.len()
    }

    /// Puts back what an index says; slots come in rising order.
    pub(super) fn restore(&mut self, held: Held) {
        if held.slot >= self.limit || self.places.contains_key(&held.place) {
            return;
        }
        for slot in self.states.len() as u32..held.slot {
            self.states.push(State::Empty);
            self.free.push(slot);
        }
        self.states.push(State::Full { held, used: false });
        self.places.insert(held.place, held.slot);
    }

    pub(super) fn find(&mut self, place: Place) -> Option<Held> {
        let slot = *self.places.get(&place)?;
        match self.states.get_mut(slot as usize)? {
            State::Full { held, used } => {
                *used = true;
                Some(*held)
            }
            State::Empty | State::Filling => None,
        }
    }

    /// Takes a slot to fill, and says whether a chunk was given up for it. None if all are being
    /// filled.
    pub(super) fn take(&mut self) -> Option<(u32, bool)> {
        let spare = self.starved == 0 || self.places.is_empty();
        self.starved = self.starved.saturating_sub(1);
        if spare {
            if let Some(slot) = self.free.pop() {
                self.states[slot as usize] = State::Filling;
                return Some((slot, false));
            }
            if (self.states.len() as u64) < u64::from(self.limit) {
                self.states.push(State::Filling);
                return Some((self.states.len() as u32 - 1, false));
            }
        }
        for _ in 0..self.states.len() * 2 {
            let slot = self.hand % self.states.len();
            self.hand = slot + 1;
            match &mut self.states[slot] {
                State::Full { used, .. } if *used => *used = false,
                State::Full { held, .. } => {
                    self.places.remove(&held.place);
                    self.states[slot] = State::Filling;
                    return Some((slot as u32, true));
                }
                State::Empty | State::Filling => {}
            }
        }
        None
    }

    /// The slot, taken before, holds this now.
    pub(super) fn fill(&mut self, held: Held) {
        if let Some(old) = self.places.insert(held.place, held.slot) {
            self.states[old as usize] = State::Empty;
            self.free.push(old);
        }
        self.states[held.slot as usize] = State::Full { held, used: true };
    }

    /// The slot, taken before, could not be filled.
    pub(super) fn abandon(&mut self, slot: u32) {
        self.states[slot as usize] = State::Empty;
        self.free.push(slot);
        self.starved = STARVED_TURNS;
    }

    /// Whether the slot still holds what it held.
    pub(super) fn holds(&self, expected: &Held) -> bool {
        matches!(self.states.get(expected.slot as usize),
            Some(State::Full { held, .. }) if held == expected)
    }

    /// Takes a slot whose bytes are not what they should be out of use, to be given back with
    /// [`give_back`](Self::give_back). False if it holds something else by now.
    pub(super) fn reject(&mut self, held: &Held) -> bool {
        if !self.holds(held) {
            return false;
        }
        self.places.remove(&held.place);
        self.states[held.slot as usize] = State::Filling;
        true
    }

    /// Gives back a rejected slot.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.states[slot as usize] = State::Empty;
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(slot: u32, chunk: u64) -> Held {
        Held { slot, place: Place { object: 0, chunk }, len: 1, checksum: [0; 16] }
    }

    fn put(slots: &mut Slots, chunk: u64) -> bool {
        let (slot, evicted) = slots.take().unwrap();
        slots.fill(held(slot, chunk));
        evicted
    }

    #[test]
    fn a_chunk_in_use_is_spared_once() {
        let mut slots = Slots::new(3);
        for chunk in 0..3 {
            assert!(!put(&mut slots, chunk));
        }
        assert!(put(&mut slots, 3));
        assert!(slots.find(Place { object: 0, chunk: 1 }).is_some());
        assert!(put(&mut slots, 4));
        assert!(slots.find(Place { object: 0, chunk: 1 }).is_some(), "it was used");
        assert!(slots.find(Place { object: 0, chunk: 2 }).is_none(), "it was not");
    }

    #[test]
    fn slots_that_are_being_filled_are_not_taken() {
        let mut slots = Slots::new(2);
        assert!(slots.take().is_some());
        assert!(slots.take().is_some());
        assert!(slots.take().is_none());
    }

    #[test]
    fn a_disk_without_room_makes_slots_in_use_serve() {
        let mut slots = Slots::new(8);
        put(&mut slots, 0);
        let (slot, _) = slots.take().unwrap();
        slots.abandon(slot);
        for chunk in 1..=u64::from(STARVED_TURNS) {
            assert!(put(&mut slots, chunk));
        }
        assert_eq!(slots.full(), 1);
        assert!(!put(&mut slots, 1000), "tried again");
    }

    #[test]
    fn what_was_restored_leaves_gaps_free() {
        let mut slots = Slots::new(4);
        slots.restore(held(2, 9));
        slots.restore(held(3, 9));
        slots.restore(held(4, 10));
        assert_eq!(slots.full(), 1);
        for chunk in 0..3 {
            assert!(!put(&mut slots, chunk), "chunk {chunk}");
        }
        assert_eq!(slots.full(), 4);
        assert!(put(&mut slots, 11));
    }
}
