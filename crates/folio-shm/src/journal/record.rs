//! The record: a message in a file of a journal.
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | commit: the message's length, and a bit that is set; zero while there is no record |
//! | 8 | 8 | sequence number |
//! | 16 | 8 | time, in nanoseconds since 1970 |
//! | 24 | 4 | CRC-32 of the 24 bytes before and of the message |
//! | 28 | 4 | zero |
//! | 32 | | the message, and zeros up to a multiple of 8 |
//!
//! The commit word is written last. On the disk pages arrive in any order, so that a word alone proves
//! nothing: a record is whole if its checksum and its number are right. Behind the last record there
//! is a word of zeros, in a file that is all zeros when it is made, and is made so again from the first record
//! on that is not whole.

use std::time::Duration;

use super::disk;
use crate::error::Result;
use crate::header::BYTES;
use crate::segment::Segment;

/// Where the number of the first message is in a file's payload, and the bell that is rung for each.
pub(super) const FIRST: usize = 0;
/// How much is kept, behind the former: bytes of all files, and nanoseconds. 0 if all is.
const KEPT: usize = 8;
pub(super) const BELL: usize = 64;

/// Where the first record is.
pub(super) const RECORDS: usize = 128;

/// Bytes of the commit word.
pub(super) const COMMIT: usize = 8;

/// Bytes of the smallest file: it has room for a message of one byte.
pub(super) const SMALLEST: usize = RECORDS + size(1) + COMMIT;

const HEADER: usize = 32;
const WRITTEN: u64 = 1 << 32;

/// Bytes of the record of a message.
pub(super) const fn size(message: usize) -> usize {
    (HEADER + message).next_multiple_of(8)
}

/// How much of a journal is kept, as its appender was asked, and the next goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) bytes: Option<u64>,
    pub(super) age: Option<Duration>,
}

/// How much is kept, as a file says.
pub(super) fn kept(file: &Segment) -> Result<Kept> {
    let [bytes, nanos]: [u64; 2] = file.get(KEPT)?;
    let some = |number: u64| (number != 0).then_some(number);
    Ok(Kept { bytes: some(bytes), age: some(nanos).map(Duration::from_nanos) })
}

/// Writes that down.
pub(super) fn put_kept(file: &Segment, kept: Kept) -> Result<()> {
    let nanos = kept.age.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX).max(1));
    let bytes = kept.bytes.map_or(0, |bytes| bytes.max(1));
    disk::write(file, KEPT, &[bytes.to_le_bytes(), nanos.to_le_bytes()].concat())
}

/// What a record says about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    pub(super) time_nanos: u64,
    /// Bytes of the message.
    pub(super) len: usize,
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Nothing yet.
    End,
    /// A record that is whole.
    Whole(Record),
    /// Something that is none.
    Torn,
}

/// Looks for the record of this number at a position of a file's payload, and copies its message.
pub(super) fn read(file: &Segment, at: usize, sequence: u64, message: &mut Vec<u8>) -> Result<At> {
    let rest = file.len().saturating_sub(at);
    if rest < HEADER || !at.is_multiple_of(8) {
        return Ok(At::End);
    }
    let failed = |error| file.failed("read", error);
    let commit = file.mapping().view().atomic_u64(BYTES + at).map_err(failed)?;
    let commit = commit.load().map_err(failed)?;
    if commit == 0 {
        return Ok(At::End);
    }
    let len = commit as u32 as usize;
    if commit != WRITTEN | len as u64 || size(len) > rest {
        return Ok(At::Torn);
    }
    let mut header = [0; HEADER];
    file.read_at(at, &mut header)?;
    message.resize(len, 0);
    file.read_at(at + HEADER, message)?;
    let u64_at = |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| header[at + i]));
    let record = Record { sequence: u64_at(8), time_nanos: u64_at(16), len };
    let is_whole = header == self::header(record, message) && record.sequence == sequence;
    Ok(if is_whole { At::Whole(record) } else { At::Torn })
}

fn header(record: Record, message: &[u8]) -> [u8; HEADER] {
    let Record { sequence, time_nanos, len } = record;
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&(WRITTEN | len as u64).to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..24].copy_from_slice(&time_nanos.to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&header[..24]);
    sum.update(message);
    header[24..28].copy_from_slice(&sum.finalize().to_le_bytes());
    header
}

/// Writes a record at a position that has room for it and a commit word more, which is zero.
pub(super) fn write(file: &Segment, at: usize, record: Record, message: &[u8]) -> Result<()> {
    let header = header(record, message);
    disk::write(file, at + HEADER, message)?;
    disk::write(file, at + COMMIT, &header[COMMIT..])?;
    let [a, b, c, d, e, f, g, h, ..] = header;
    disk::commit(file, at, u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}
