//! Where a chunk of a writable object goes before it goes to its place.
//!
//! A chunk is one authenticated whole: torn halfway, neither its old nor its new bytes can be had. So
//! it is first written to one of a few slots between the header and the chunks. When an object is
//! opened, a whole chunk in a slot replaces a torn one in its place.
//!
//! Invariants:
//! - A slot is emptied only when the chunk in its place is whole.
//! - A slot is never used where the chunk in its place is authentic, nor where another slot has a later
//!   one.
//!
//! A slot: the chunk's number plus one (0: empty) and the number of the write, 8 bytes each,
//! little-endian; then the chunk as it lies in its place.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::codec::Codec;
use super::header::{Header, Kind};
use crate::error::Result;
use crate::store::Store;

const SLOTS: u64 = 8;
const NUMBER_BYTES: usize = 16;

/// Which slots are free, and which hold a chunk whose place may be torn.
#[derive(Debug)]
pub(super) struct Journal {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    free: Vec<u64>,
    stuck: HashMap<u64, u64>,
    writes: u64,
}

/// Bytes of all slots.
pub(super) fn bytes(header: &Header) -> u64 {
    SLOTS * slot_bytes(header)
}

fn slot_bytes(header: &Header) -> u64 {
    NUMBER_BYTES as u64 + header.chunk_bytes() + header.trailer_bytes() as u64
}

fn position(header: &Header, slot: u64) -> u64 {
    super::header::HEADER_BYTES as u64 + slot * slot_bytes(header)
}

/// Empties all slots of an object that is being made.
pub(super) fn clear(header: &Header, target: &impl Store) -> Result<()> {
    match header.kind {
        Kind::Sealed => Ok(()),
        Kind::Writable => (0..SLOTS).try_for_each(|slot| erase(header, target, slot)),
    }
}

fn erase(header: &Header, store: &impl Store, slot: u64) -> Result<()> {
    store.write_all_at(&[0; NUMBER_BYTES], position(header, slot))
}

impl Journal {
    /// Finishes what was begun when the object was last written.
    pub(super) fn recover(codec: &Codec, store: &impl Store) -> Result<Self> {
        let header = codec.header();
        let mut state = State::default();
        let mut kept = Vec::new();
        let slots = if header.kind == Kind::Writable { SLOTS } else { 0 };
        for slot in 0..slots {
            let mut raw = [0; NUMBER_BYTES];
            store.read_full_at(&mut raw, position(header, slot))?;
            let [chunk, write] = numbers(raw);
            state.writes = state.writes.max(write);
            match chunk.checked_sub(1) {
                Some(chunk) => kept.push((write, chunk, slot)),
                None => state.free.push(slot),
            }
        }
        kept.sort_unstable_by(|one, other| other.cmp(one));
        for (_, chunk, slot) in kept {
            if !state.stuck.contains_key(&chunk) && !recover(codec, store, chunk, slot)? {
                // It cannot be written now: read from the slot.
                state.stuck.insert(chunk, slot);
            } else {
                let _ = erase(header, store, slot);
                state.free.push(slot);
            }
        }
        Ok(Self { state: Mutex::new(state), freed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an encrypted chunk to its place, by way of a slot. Called by one thread at a time for each
    /// chunk.
    pub(super) fn write(
        &self,
        header: &Header,
        store: &impl Store,
        chunk: u64,
        bytes: &[u8],
    ) -> Result<()> {
        let mut state = self.lock();
        let slot = loop {
            match state.free.pop() {
                Some(slot) => break slot,
                // Slots that are stuck are not waited for: their chunks lose a way back, not bytes.
                None if state.stuck.len() as u64 == SLOTS => {
                    drop(state);
                    return store.write_all_at(bytes, header.position(chunk));
                }
                None => state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        state.writes = state.writes.saturating_add(1);
        let write = state.writes;
        drop(state);
        let mut record = Vec::with_capacity(bytes.len() + NUMBER_BYTES);
        record.extend_from_slice(&(chunk + 1).to_le_bytes());
        record.extend_from_slice(&write.to_le_bytes());
        record.extend_from_slice(bytes);
        let kept = store.write_all_at(&record, position(header, slot));
        let placed = match &kept {
            Ok(()) => store.write_all_at(bytes, header.position(chunk)),
            Err(error) => Err(error.clone()),
        };
        let mut stuck = None;
        let mut free = vec![];
        if kept.is_ok() && placed.is_err() {
            stuck = self.lock().stuck.insert(chunk, slot);
            self.freed.notify_all();
        } else {
            free.push(slot);
            if placed.is_ok() {
                stuck = self.lock().stuck.remove(&chunk);
            }
        }
        free.extend(stuck);
        for slot in free {
            // A slot that stays full is compared with its chunk when the object is opened.
            let _ = erase(header, store, slot);
            self.lock().free.push(slot);
            self.freed.notify_all();
        }
        placed
    }

    /// Reads a chunk that is not whole in its place. False if it is in no slot.
    pub(super) fn read(
        &self,
        codec: &Codec,
        store: &impl Store,
        chunk: u64,
        bytes: &mut [u8],
    ) -> bool {
        let Some(slot) = self.lock().stuck.get(&chunk).copied() else { return false };
        let at = position(codec.header(), slot) + NUMBER_BYTES as u64;
        matches!(store.read_full_at(bytes, at), Ok(done) if done == bytes.len())
            && codec.decrypt(chunk, bytes)
    }
}

fn numbers(raw: [u8; NUMBER_BYTES]) -> [u64; 2] {
    let (numbers, _) = raw.as_chunks::<8>();
    [u64::from_le_bytes(numbers[0]), u64::from_le_bytes(numbers[1])]
}

/// Puts the chunk in a slot in its place, if that is torn. False if it cannot be written there.
fn recover(codec: &Codec, store: &impl Store, chunk: u64, slot: u64) -> Result<bool> {
    let header = codec.header();
    if chunk >= header.chunks() {
        return Ok(true);
    }
    let mut kept = vec![0; header.chunk_len(chunk) + header.trailer_bytes()];
    let mut placed = kept.clone();
    store.read_full_at(&mut placed, header.position(chunk))?;
    store.read_full_at(&mut kept, position(header, slot) + NUMBER_BYTES as u64)?;
    let raw = kept.clone();
    if codec.decrypt(chunk, &mut placed) || !codec.decrypt(chunk, &mut kept) {
        return Ok(true);
    }
    let written = store.write_all_at(&raw, header.position(chunk)).and_then(|()| store.sync());
    Ok(written.is_ok())
}
