//! The header: the first page of every segment, and what it takes for a file to be one.
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | magic: `folioshm` |
//! | 8 | 4 | version of this table |
//! | 12 | 4 | bytes of the header: [`BYTES`] |
//! | 16 | 8 | layout hash: what the payload holds, as those who use it say |
//! | 24 | 8 | bytes of payload at creation |
//! | 32 | 8 | bytes to which it may grow |
//! | 40 | 16 | creator: process number, PID namespace, start time |
//! | 56 | 8 | time of creation, in nanoseconds since 1970 |
//! | 64 | 4 | flags: 1 kept when nobody has it open |
//! | 68 | 4 | zero |
//! | 72 | 8 | checksum of all that is above |
//! | 128 | 8 | bytes of payload now |
//!
//! Numbers are in the order of bytes of x86-64. All but the last never change once the segment can be
//! found, so they are read once, with pread(2), checked, and kept by whoever opened it. A header that
//! passes may still have been written by an enemy: nothing in it is believed that the file's own length
//! does not bear out, and nothing is read again.

use crate::error::{Error, ErrorKind, Result};
use crate::owner::Owner;

/// Bytes of the header; the payload begins behind it, on a page of its own.
pub(crate) const BYTES: usize = 4096;

/// Where the current length of the payload lies, alone on its cache line.
pub(crate) const LEN_AT: usize = 128;

const MAGIC: &[u8; 8] = b"folioshm";
const VERSION: u32 = 1;
const FIELDS: usize = 80;
const CHECKED: usize = 72;
const KEPT: u32 = 1;

/// The fields, as they were read or are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layout: u64,
    pub(crate) payload: u64,
    pub(crate) capacity: u64,
    pub(crate) creator: Owner,
    pub(crate) created_nanos: u64,
    pub(crate) is_kept: bool,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; FIELDS] {
        let mut bytes = [0; FIELDS];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &(BYTES as u32).to_le_bytes());
        put(16, &self.layout.to_le_bytes());
        put(24, &self.payload.to_le_bytes());
        put(32, &self.capacity.to_le_bytes());
        put(40, &self.creator.pid.to_le_bytes());
        put(44, &self.creator.namespace.to_le_bytes());
        put(48, &self.creator.start_ticks.to_le_bytes());
        put(56, &self.created_nanos.to_le_bytes());
        put(64, &(if self.is_kept { KEPT } else { 0 }).to_le_bytes());
        let checksum = hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header of the file called `what`, from as many of its first bytes as there are, up to
    /// [`FIELDS`]. The file is `file_len` bytes long.
    pub(crate) fn decode(
        operation: &'static str,
        what: &str,
        bytes: &[u8],
        file_len: u64,
    ) -> Result<Self> {
        let fail = |kind, reason: String| Err(Error::new(kind, operation, what, reason));
        let scribbled = |what: &str| {
            fail(ErrorKind::Scribbled, format!("its header has been overwritten: {what}"))
                .map_err(|error: Error| error.advice("remove it, and have it made anew"))
        };
        if !bytes.starts_with(MAGIC) {
            let reason = "it does not begin as folio's segments do".into();
            return fail(ErrorKind::Foreign, reason).map_err(|error: Error| {
                error.advice("another program made it; choose another name")
            });
        }
        let cut = |reason| {
            fail(ErrorKind::Truncated, reason)
                .map_err(|error: Error| error.advice("somebody cut it; have it made anew"))
        };
        let Ok(bytes) = <&[u8; FIELDS]>::try_from(bytes) else {
            return cut(format!("the file ends within the header, after {file_len} bytes"));
        };
        let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let u64_at =
            |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| bytes[at + i]));
        let version = u32_at(8);
        if version != VERSION {
            let reason =
                format!("its header is of version {version}, and this folio knows {VERSION}");
            return fail(ErrorKind::Version, reason).map_err(|error: Error| {
                error.advice(match version > VERSION {
                    true => "use the folio that made it, or a newer one",
                    false => "it is older; have it made anew",
                })
            });
        }
        if u64_at(CHECKED) != hash(&bytes[..CHECKED]) {
            return scribbled("the checksum does not match");
        }
        let this = Self {
            layout: u64_at(16),
            payload: u64_at(24),
            capacity: u64_at(32),
            creator: Owner { pid: u32_at(40), namespace: u32_at(44), start_ticks: u64_at(48) },
            created_nanos: u64_at(56),
            is_kept: u32_at(64) & KEPT != 0,
        };
        // A checksum keeps accidents out, and enemies not.
        let largest = (isize::MAX as u64) - (1 << 32);
        if u32_at(12) as usize != BYTES || this.payload > this.capacity || this.capacity > largest {
            return scribbled("its fields contradict each other");
        }
        let end = BYTES as u64 + this.payload;
        if file_len < end {
            return cut(format!("it has {file_len} bytes, and its header says {end}"));
        }
        Ok(this)
    }

    /// Whether the payload can grow.
    pub(crate) fn is_growable(&self) -> bool {
        self.capacity > self.payload
    }
}

/// FNV-1a, 64 bits.
pub(crate) const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// The first bytes of a file, to be decoded.
pub(crate) fn read(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; FIELDS];
    let mut done = 0;
    while done < FIELDS {
        match file.read_at(&mut bytes[done..], done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            layout: 7,
            payload: 100,
            capacity: 200,
            creator: Owner::this_process(),
            created_nanos: 12345,
            is_kept: true,
        }
    }

    fn kind(bytes: &[u8], len: u64) -> ErrorKind {
        Header::decode("open", "x", bytes, len).unwrap_err().kind()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let header = header();
        assert_eq!(Header::decode("open", "x", &header.encode(), 4196).unwrap(), header);
        assert_eq!(kind(&header.encode(), 4195), ErrorKind::Truncated);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = header().encode();
        for bit in 0..good.len() * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0..8 => ErrorKind::Foreign,
                8..12 => ErrorKind::Version,
                _ => ErrorKind::Scribbled,
            };
            assert_eq!(kind(&bytes, 4196), expected, "bit {bit}");
        }
    }

    #[test]
    fn an_enemys_header_with_a_right_checksum_is_not_believed() {
        for (payload, capacity) in [(201, 200), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            let bytes = Header { payload, capacity, ..header() }.encode();
            assert_eq!(kind(&bytes, 1 << 40), ErrorKind::Scribbled);
        }
    }

    #[test]
    fn a_file_that_ends_within_the_header_is_cut_or_foreign() {
        let good = header().encode();
        assert_eq!(kind(&good[..79], 79), ErrorKind::Truncated);
        assert_eq!(kind(&good[..8], 8), ErrorKind::Truncated);
        assert_eq!(kind(&good[..7], 7), ErrorKind::Foreign);
        assert_eq!(kind(&[], 0), ErrorKind::Foreign);
    }
}
