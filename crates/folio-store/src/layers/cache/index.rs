//! The index file: one record per slot of the slab, each with its own checksum.
//!
//! Invariants:
//! - A record is written after the bytes it describes.
//! - Its checksum covers the slot's number and the size of chunks: a record that is torn, or that lies
//!   where it was not written, reads as none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of the header and of each record.
pub(super) const RECORD_BYTES: u64 = 128;

const MAGIC: &[u8; 16] = b"folio cache v1\n\0";
const CHECKED_BYTES: usize = 112;
const BATCH_RECORDS: usize = 8192;

/// 128 bits of BLAKE3.
pub(super) type Checksum = [u8; 16];

/// The checksum of a chunk's bytes.
pub(super) fn checksum(bytes: &[u8]) -> Checksum {
    short(blake3::hash(bytes))
}

fn short(hash: blake3::Hash) -> Checksum {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

/// What one slot of the slab holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Stands for an identity and a version.
    pub(super) object: [u8; 32],
    pub(super) chunk: u64,
    pub(super) len: u32,
    pub(super) checksum: Checksum,
}

impl Record {
    fn encode(&self, slot: u32, chunk_bytes: u32) -> [u8; RECORD_BYTES as usize] {
        let mut raw = [0; RECORD_BYTES as usize];
        raw[..32].copy_from_slice(&self.object);
        raw[32..40].copy_from_slice(&self.chunk.to_le_bytes());
        raw[40..44].copy_from_slice(&self.len.to_le_bytes());
        raw[48..64].copy_from_slice(&self.checksum);
        let own = own_checksum(&raw[..CHECKED_BYTES], slot, chunk_bytes);
        raw[CHECKED_BYTES..].copy_from_slice(&own);
        raw
    }

    fn decode(raw: &[u8], slot: u32, chunk_bytes: u32) -> Option<Self> {
        let (checked, own) = raw.split_at_checked(CHECKED_BYTES)?;
        let this = Self {
            object: checked[..32].try_into().ok()?,
            chunk: u64::from_le_bytes(checked[32..40].try_into().ok()?),
            len: u32::from_le_bytes(checked[40..44].try_into().ok()?),
            checksum: checked[48..64].try_into().ok()?,
        };
        let sound = own == own_checksum(checked, slot, chunk_bytes);
        (sound && this.len > 0 && this.len <= chunk_bytes).then_some(this)
    }
}

fn own_checksum(checked: &[u8], slot: u32, chunk_bytes: u32) -> Checksum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC);
    hasher.update(&slot.to_le_bytes());
    hasher.update(&chunk_bytes.to_le_bytes());
    hasher.update(checked);
    short(hasher.finalize())
}

/// The file of records.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    chunk_bytes: u32,
}

impl Index {
    pub(super) fn new(file: File, chunk_bytes: u32) -> Self {
        Self { file, chunk_bytes }
    }

    /// Gives up the lock on the file, for all who have inherited it.
    pub(super) fn unlock(&self) {
        let _ = self.file.unlock();
    }

    #[cfg(test)]
    pub(super) fn duplicate(&self) -> File {
        self.file.try_clone().unwrap()
    }

    fn header(&self) -> [u8; RECORD_BYTES as usize] {
        let mut raw = [0; RECORD_BYTES as usize];
        raw[..16].copy_from_slice(MAGIC);
        raw[16..20].copy_from_slice(&self.chunk_bytes.to_le_bytes());
        let own = own_checksum(&raw[..CHECKED_BYTES], u32::MAX, self.chunk_bytes);
        raw[CHECKED_BYTES..].copy_from_slice(&own);
        raw
    }

    /// Whether the file is an index of chunks of this size.
    pub(super) fn is_sound(&self) -> bool {
        let mut raw = [0; RECORD_BYTES as usize];
        self.file.read_exact_at(&mut raw, 0).is_ok() && raw == self.header()
    }

    /// Drops all records.
    pub(super) fn start(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(&self.header(), 0)
    }

    /// Drops the records of the slots from `slots` on.
    pub(super) fn cut(&self, slots: u32) -> io::Result<()> {
        let len = position(slots);
        if self.file.metadata()?.len() > len { self.file.set_len(len) } else { Ok(()) }
    }

    /// All sound records, with their slots, below `slots`.
    pub(super) fn for_each(&self, slots: u32, mut f: impl FnMut(u32, Record)) -> io::Result<()> {
        let records = (self.file.metadata()?.len() / RECORD_BYTES).saturating_sub(1);
        let records = u32::try_from(records).unwrap_or(u32::MAX).min(slots);
        let mut raw = vec![0; BATCH_RECORDS * RECORD_BYTES as usize];
        let mut slot = 0;
        while slot < records {
            let count = (records - slot).min(BATCH_RECORDS as u32);
            let raw = &mut raw[..count as usize * RECORD_BYTES as usize];
            self.file.read_exact_at(raw, position(slot))?;
            for (slot, raw) in (slot..).zip(raw.chunks_exact(RECORD_BYTES as usize)) {
                if let Some(record) = Record::decode(raw, slot, self.chunk_bytes) {
                    f(slot, record);
                }
            }
            slot += count;
        }
        Ok(())
    }

    pub(super) fn write(&self, slot: u32, record: &Record) -> io::Result<()> {
        self.file.write_all_at(&record.encode(slot, self.chunk_bytes), position(slot))
    }

    pub(super) fn erase(&self, slot: u32) -> io::Result<()> {
        self.file.write_all_at(&[0; RECORD_BYTES as usize], position(slot))
    }
}

fn position(slot: u32) -> u64 {
    (u64::from(slot) + 1) * RECORD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record = Record { object: [7; 32], chunk: 3, len: 4096, checksum: [9; 16] };

    #[test]
    fn a_record_comes_back_as_it_was() {
        let raw = RECORD.encode(5, 4096);
        assert_eq!(Record::decode(&raw, 5, 4096), Some(RECORD));
    }

    #[test]
    fn a_record_in_another_slot_or_of_other_chunks_is_none() {
        let raw = RECORD.encode(5, 4096);
        assert_eq!(Record::decode(&raw, 6, 4096), None);
        assert_eq!(Record::decode(&raw, 5, 8192), None);
    }

    #[test]
    fn a_record_with_any_bit_flipped_is_none() {
        let raw = RECORD.encode(5, 4096);
        for bit in 0..raw.len() * 8 {
            let mut raw = raw;
            raw[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&raw, 5, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn a_torn_or_empty_record_is_none() {
        let raw = RECORD.encode(5, 4096);
        for kept in 0..raw.len() - 1 {
            let mut torn = [0; RECORD_BYTES as usize];
            torn[..kept].copy_from_slice(&raw[..kept]);
            assert!(torn == raw || Record::decode(&torn, 5, 4096).is_none(), "{kept} bytes");
        }
        assert_eq!(Record::decode(&[], 5, 4096), None);
    }
}
