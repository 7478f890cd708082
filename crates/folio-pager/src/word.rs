//! The state of a granule: one atomic word, which threads race for and wait on.
//!
//! ```text
//!             claim               settle
//!   Absent ──────────▶ Loading ──────────▶ Resident ◀──▶ Saving
//!     ▲  ▲                │ ▲                 │  │
//!     │  └── Broken ◀─────┤ └── Standby ◀─────┤  │ rest
//!     │                   ▼        │          ▼  │
//!     └────────────── Failed       └──────▶ Evicting ──▶ Absent
//! ```
//!
//! - *Loading*, *Saving* and *Evicting* belong to the thread that made the transition; all others wait
//!   on the word (futex(2)) or go on where the pages are there.
//! - *Resident*: the pages are there. *Standby*: they are in memory and not at their addresses, so that a
//!   touch is noticed. *Failed*: zeros stand in for them. *Broken*: the store failed for a copy, which
//!   could say so; nothing is there.
//! - Dirty: there is something to be written to the store. Only granules that are resident, on standby
//!   or being saved are dirty.
//! - Pins keep a granule resident: it is neither evicted nor rested while there are any.
//!
//! - Kept: the granule's bytes have been written to the store once, which counts for mappings that load
//!   each granule from its origin once.
//!
//! Bits: 0..3 state, 3 somebody waits, 4 dirty, 5 kept, 6..32 pins.

use crate::sync::{AtomicU32, Ordering};

const STATE: u32 = 0b111;
const WAITED: u32 = 1 << 3;
const DIRTY: u32 = 1 << 4;
const KEPT: u32 = 1 << 5;
const PIN: u32 = 1 << 6;

/// Where a granule's bytes are, or what is being done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    Absent = 0,
    Loading = 1,
    Resident = 2,
    Evicting = 3,
    Standby = 4,
    Failed = 5,
    Broken = 6,
    Saving = 7,
}

/// A word as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(pub(crate) u32);

impl Seen {
    pub(crate) fn state(self) -> State {
        match self.0 & STATE {
            0 => State::Absent,
            1 => State::Loading,
            2 => State::Resident,
            3 => State::Evicting,
            4 => State::Standby,
            5 => State::Failed,
            6 => State::Broken,
            _ => State::Saving,
        }
    }

    pub(crate) fn is_dirty(self) -> bool {
        self.0 & DIRTY != 0
    }

    pub(crate) fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    pub(crate) fn is_waited_for(self) -> bool {
        self.0 & WAITED != 0
    }

    pub(crate) fn pins(self) -> u32 {
        self.0 / PIN
    }

    fn with(self, state: State) -> Self {
        Self(self.0 & !STATE | state as u32)
    }

    fn dirty(self, yes: bool) -> Self {
        Self(if yes { self.0 | DIRTY } else { self.0 & !DIRTY })
    }
}

/// A granule's word.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Word(pub(crate) AtomicU32);

impl Word {
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    fn update(&self, change: impl Fn(Seen) -> Option<Seen>) -> Result<Seen, Seen> {
        let mut seen = self.seen();
        loop {
            let Some(new) = change(seen) else { return Err(seen) };
            let exchanged =
                self.0.compare_exchange_weak(seen.0, new.0, Ordering::AcqRel, Ordering::Acquire);
            match exchanged {
                Ok(_) => return Ok(seen),
                Err(now) => seen = Seen(now),
            }
        }
    }

    /// From one state to another, if it is in the first, whatever the other bits; says what it was.
    pub(crate) fn claim(&self, from: State, to: State) -> Result<Seen, Seen> {
        self.update(|seen| (seen.state() == from).then(|| seen.with(to)))
    }

    /// Takes a granule without pins out of a state: nobody can pin it afterwards.
    pub(crate) fn claim_unpinned(&self, from: State, to: State) -> Result<Seen, Seen> {
        self.update(|seen| (seen.state() == from && seen.pins() == 0).then(|| seen.with(to)))
    }

    /// The end of an operation on the granule, by the thread that claimed it: the new state, and whether
    /// there is something to write. True if somebody is to be woken.
    pub(crate) fn settle(&self, state: State, dirty: bool) -> bool {
        let change = |seen: Seen| Some(Seen(seen.with(state).dirty(dirty).0 & !WAITED));
        self.update(change).is_ok_and(Seen::is_waited_for)
    }

    /// Marks a resident granule as having something to write. The caller sees to it that nobody saves
    /// or evicts it meanwhile (by the ledger's lock).
    pub(crate) fn soil(&self) -> Result<Seen, Seen> {
        self.update(|seen| (seen.state() == State::Resident).then(|| seen.dirty(true)))
    }

    /// Marks a granule as having something to write, whatever its state; the ledger has it so too.
    pub(crate) fn taint(&self) {
        self.0.fetch_or(DIRTY, Ordering::AcqRel);
    }

    /// Notes that the bytes have been written to the store. By the thread that has claimed the granule.
    pub(crate) fn keep(&self) {
        self.0.fetch_or(KEPT, Ordering::AcqRel);
    }

    /// Announces a wait, unless the word has changed since it was seen.
    pub(crate) fn announce(&self, seen: Seen) -> Result<Seen, Seen> {
        let announced = Seen(seen.0 | WAITED);
        self.update(|now| (now.0 | WAITED == announced.0).then_some(announced)).map(|_| announced)
    }

    /// Adds a pin to a resident granule.
    pub(crate) fn pin(&self) -> Result<Seen, Seen> {
        self.update(|seen| {
            let resident = matches!(seen.state(), State::Resident | State::Saving);
            (resident && seen.pins() < u32::MAX / PIN).then(|| Seen(seen.0 + PIN))
        })
    }

    /// Takes a pin away. True if it was the last one and somebody waits for that.
    pub(crate) fn unpin(&self) -> bool {
        let change = |seen: Seen| {
            let last = seen.pins() == 1 && seen.state() == State::Resident;
            Some(Seen((seen.0 - PIN) & if last { !WAITED } else { u32::MAX }))
        };
        self.update(change).is_ok_and(|seen| {
            seen.pins() == 1 && seen.is_waited_for() && seen.state() == State::Resident
        })
    }
}
