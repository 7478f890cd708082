//! The seek table at the end of a seekable file: read without belief, and written.
//!
//! It is a skippable frame of zstd: magic number and size; for each frame its packed length, its
//! decoded length and, where the table has checksums, the low half of the XXH64 of what it decodes
//! to; how many frames there are, a byte of flags, and a magic number. All numbers are of 32 bits,
//! the lowest byte first.

use folio_store::{Error, ErrorKind, Result, Store};

use crate::format::{Format, HEAD_BYTES};
use crate::frames::Frames;
use crate::framestore::{read_exact, reserve};
use crate::zstd::MAX_FRAME_BYTES;

const SKIPPABLE: u32 = 0x184d_2a5e;
const SEEKABLE: u32 = 0x8f92_eab1;
const HEADER_BYTES: u64 = 8;
const FOOTER_BYTES: u64 = 9;
const HAS_CHECKSUMS: u8 = 1 << 7;
const RESERVED: u8 = 0b0111_1100;
/// As many as the format permits.
pub(crate) const MAX_FRAMES: u32 = 0x0800_0000;
/// What a block of zstd decodes to, at most; it has three bytes at least.
const BLOCK_BYTES: u64 = 128 << 10;
const MIN_BLOCK_PACKED_BYTES: u64 = 3;
/// Entries are read so many at a time: memory grows with what is really there.
const STEP: u64 = 64 << 10;

const PACK_AGAIN: &str = "pack it again (zstd -dc FILE | folio pack - -o OUT)";

/// What the table says.
#[derive(Debug)]
pub(crate) struct SeekTable {
    pub(crate) frames: Frames,
    pub(crate) checksums: Option<Vec<u32>>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

impl SeekTable {
    /// Reads the table of a store.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what is not zstd, [`ErrorKind::Unsupported`] for zstd without a seek
    /// table or with frames that are too large, [`ErrorKind::Corrupt`] for one that makes no sense;
    /// what the store fails with.
    pub(crate) fn read(store: &impl Store) -> Result<Self> {
        let name = store.name();
        let corrupt = |reason: &'static str| Err(error(ErrorKind::Corrupt, &name, reason));
        let len = store.len()?;
        let mut head = [0; HEAD_BYTES];
        let count = store.read_full_at(&mut head, 0)?;
        match Format::of(head.get(..count).unwrap_or_default()) {
            Some(Format::Zstd) => {}
            Some(_) => return Err(error(ErrorKind::Invalid, &name, "it is gzip and no zstd")),
            None => return Err(error(ErrorKind::Invalid, &name, "it is not zstd")),
        }
        let mut footer = [0; FOOTER_BYTES as usize];
        if len >= HEADER_BYTES + FOOTER_BYTES {
            read_exact(store, &mut footer, len - FOOTER_BYTES)?;
        }
        if word(&footer, 5) != SEEKABLE {
            return Err(error(ErrorKind::Unsupported, &name, "it has no seek table at its end")
                .advice(PACK_AGAIN));
        }
        if footer[4] & RESERVED != 0 {
            return corrupt("its seek table has flags that do not exist");
        }
        let has_checksums = footer[4] & HAS_CHECKSUMS != 0;
        let (count, entry_bytes) = (word(&footer, 0), if has_checksums { 12 } else { 8 });
        let table_bytes = HEADER_BYTES + u64::from(count) * entry_bytes + FOOTER_BYTES;
        if count > MAX_FRAMES || table_bytes > len {
            return corrupt("its seek table counts more frames than it has room for");
        }
        let mut at = len - table_bytes;
        let mut header = [0; HEADER_BYTES as usize];
        read_exact(store, &mut header, at)?;
        if word(&header, 0) != SKIPPABLE
            || u64::from(word(&header, 4)) + HEADER_BYTES != table_bytes
        {
            return corrupt("its seek table does not begin where it should");
        }
        at += HEADER_BYTES;

        let mut frames = Frames::starting_at(0);
        let mut checksums = has_checksums.then(Vec::new);
        let mut left = u64::from(count);
        while left > 0 {
            let step = left.min(STEP);
            let mut entries = reserve(&name, step * entry_bytes)?;
            read_exact(store, &mut entries, at)?;
            for entry in entries.chunks_exact(entry_bytes as usize) {
                let (packed, decoded) = (u64::from(word(entry, 0)), u64::from(word(entry, 4)));
                check(&name, packed, decoded)?;
                if frames.push(packed, decoded).is_none() {
                    return corrupt("its seek table counts more bytes than 64 bits can");
                }
                if let Some(checksums) = &mut checksums {
                    checksums.push(word(entry, 8));
                }
            }
            at += step * entry_bytes;
            left -= step;
        }
        if frames.packed_end() != len - table_bytes {
            return corrupt("its frames are not as long as its seek table says");
        }
        Ok(Self { frames, checksums })
    }
}

/// Whether a frame may be so long, packed and decoded.
fn check(name: &str, packed: u64, decoded: u64) -> Result<()> {
    let most = (packed / MIN_BLOCK_PACKED_BYTES).saturating_mul(BLOCK_BYTES);
    // Any encoder does better, also one that ends a block after each byte.
    let longest = 4 * decoded + (64 << 10);
    if decoded > most || decoded > 0 && packed > longest {
        return Err(error(
            ErrorKind::Corrupt,
            name,
            "its seek table has a frame of a length that no frame has",
        ));
    }
    if decoded > MAX_FRAME_BYTES {
        return Err(error(
            ErrorKind::Unsupported,
            name,
            "its frames are of more than 64 MiB, and each would be decoded as a whole",
        )
        .advice(PACK_AGAIN));
    }
    Ok(())
}

fn error(kind: ErrorKind, name: &str, reason: &'static str) -> Error {
    Error::new(kind, "open", name).reason(reason)
}

/// A table to be written: the bytes of its entries, as they will be.
#[derive(Debug, Default)]
pub(crate) struct Entries(Vec<u8>);

impl Entries {
    /// Adds a frame.
    pub(crate) fn push(&mut self, packed_bytes: u32, decoded_bytes: u32, checksum: u32) {
        for word in [packed_bytes, decoded_bytes, checksum] {
            self.0.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// How many frames there are.
    pub(crate) fn count(&self) -> u32 {
        (self.0.len() / 12) as u32
    }

    /// The table's bytes.
    pub(crate) fn into_table(self) -> Vec<u8> {
        let (count, entries) = (self.count(), self.0);
        let size = (entries.len() as u64 + FOOTER_BYTES) as u32;
        let parts: [&[u8]; 6] = [
            &SKIPPABLE.to_le_bytes(),
            &size.to_le_bytes(),
            &entries,
            &count.to_le_bytes(),
            &[HAS_CHECKSUMS],
            &SEEKABLE.to_le_bytes(),
        ];
        parts.concat()
    }
}
