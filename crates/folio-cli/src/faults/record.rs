//! Records: what the kernel writes into a [ring](super::ring), read.
//!
//! ```
//! use folio_cli::faults::record::{Record, Records};
//! let mut lost = Vec::new();
//! for word in [2u64 | 48 << 48, 11, 42, 4711 | 4712 << 32, 1_000, 11] {
//!     lost.extend(word.to_le_bytes());
//! }
//! let record = Records::of(&lost).next().unwrap();
//! assert_eq!((record.nanoseconds, record.record), (1_000, Record::Lost(42)));
//! ```
//!
//! The layouts are those of perf_event_open(2) for events with [`SAMPLE_TYPE`], samples with or
//! without [`CALL_CHAIN`], and `sample_id_all`. Whatever bytes there are, reading them ends, and a
//! record that is too short for what it should be is left out.

/// `PERF_SAMPLE_IDENTIFIER | IP | TID | TIME | ADDR`
pub const SAMPLE_TYPE: u64 = 1 << 16 | 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3;
/// `PERF_SAMPLE_CALLCHAIN`
pub const CALL_CHAIN: u64 = 1 << 5;

/// `PERF_RECORD_*`
mod kind {
    pub(super) const LOST: u32 = 2;
    pub(super) const COMM: u32 = 3;
    pub(super) const EXIT: u32 = 4;
    pub(super) const FORK: u32 = 7;
    pub(super) const SAMPLE: u32 = 9;
    pub(super) const MMAP2: u32 = 10;
}

/// `PERF_RECORD_MISC_COMM_EXEC`
const EXECUTED: u16 = 1 << 13;
/// `PERF_RECORD_MISC_CPUMODE_MASK`, and the kernel there
const MODE: u16 = 7;
const IN_KERNEL: u16 = 1;
/// `PERF_CONTEXT_MAX`: from here on, an entry of a call chain is a mark and no address.
const FIRST_MARK: u64 = -4095_i64 as u64;
/// `PROT_EXEC`
const EXECUTE: u32 = 4;
const HEADER: usize = 8;
/// What follows every record but samples: process, thread, time, identifier.
const TRAILER: usize = 24;

/// A record, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// By CLOCK_MONOTONIC.
    pub nanoseconds: u64,
    /// The record.
    pub record: Record,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An event happened in a thread.
    Sample(Sample),
    /// A process mapped something.
    Map(Map),
    /// A thread has a new name; with `executed`, its process a new program.
    Name {
        /// The process.
        process: u32,
        /// The thread.
        thread: u32,
        /// Its name.
        name: String,
        /// By execve(2).
        executed: bool,
    },
    /// A thread was made.
    Start {
        /// Its process.
        process: u32,
        /// The process that made it, which is the same for a thread.
        parent: u32,
        /// The thread.
        thread: u32,
    },
    /// A thread ended.
    End {
        /// Its process.
        process: u32,
        /// The thread.
        thread: u32,
    },
    /// So many records found no room.
    Lost(u64),
}

/// That an event happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which event.
    pub identifier: u64,
    /// The process.
    pub process: u32,
    /// The thread.
    pub thread: u32,
    /// The instruction.
    pub instruction: u64,
    /// The address that was touched.
    pub address: u64,
    /// Whether the kernel itself touched it.
    pub in_kernel: bool,
    /// Addresses of the program's code, the innermost first; empty where none were asked for.
    pub chain: Vec<u64>,
}

/// A mapping, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The process.
    pub process: u32,
    /// The first address.
    pub address: u64,
    /// Bytes.
    pub length_bytes: u64,
    /// Where in its backing it begins.
    pub offset_bytes: u64,
    /// Major and minor number of the device that holds the file.
    pub device: (u32, u32),
    /// The file's inode.
    pub inode: u64,
    /// Whether code in it may be executed.
    pub is_executable: bool,
    /// Its path, or what the kernel calls it.
    pub name: Vec<u8>,
}

/// The records in bytes, one after another.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Those in these bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl Iterator for Records<'_> {
    type Item = Stamped;

    fn next(&mut self) -> Option<Stamped> {
        loop {
            let mut header = Fields { rest: self.rest };
            let (kind, misc) = (header.u32()?, header.u16()?);
            let length = usize::from(header.u16()?);
            let record = self.rest.get(..length).filter(|_| length >= HEADER);
            let Some(record) = record else {
                self.rest = &[];
                return None;
            };
            self.rest = &self.rest[length..];
            if let Some(stamped) = read(kind, misc, &record[HEADER..]) {
                return Some(stamped);
            }
        }
    }
}

fn read(kind: u32, misc: u16, body: &[u8]) -> Option<Stamped> {
    if kind == kind::SAMPLE {
        return sample(misc, body);
    }
    let (body, trailer) = body.split_at_checked(body.len().checked_sub(TRAILER)?)?;
    let nanoseconds = Fields { rest: trailer.get(8..)? }.u64()?;
    let mut fields = Fields { rest: body };
    let record = match kind {
        kind::LOST => {
            fields.u64()?;
            Record::Lost(fields.u64()?)
        }
        kind::COMM => {
            let (process, thread) = (fields.u32()?, fields.u32()?);
            let name = String::from_utf8_lossy(text(fields.rest)).into_owned();
            Record::Name { process, thread, name, executed: misc & EXECUTED != 0 }
        }
        kind::EXIT | kind::FORK => {
            let (process, parent, thread) = (fields.u32()?, fields.u32()?, fields.u32()?);
            match kind {
                kind::FORK => Record::Start { process, parent, thread },
                _ => Record::End { process, thread },
            }
        }
        kind::MMAP2 => Record::Map(map(&mut fields)?),
        _ => return None,
    };
    Some(Stamped { nanoseconds, record })
}

fn sample(misc: u16, body: &[u8]) -> Option<Stamped> {
    let mut fields = Fields { rest: body };
    let (identifier, instruction) = (fields.u64()?, fields.u64()?);
    let (process, thread) = (fields.u32()?, fields.u32()?);
    let (nanoseconds, address) = (fields.u64()?, fields.u64()?);
    let entries = fields.u64().unwrap_or(0);
    let mut chain = Vec::new();
    // As many as there are, whatever the number says.
    for _ in 0..entries {
        let Some(entry) = fields.u64() else { break };
        if entry < FIRST_MARK {
            chain.push(entry);
        }
    }
    let in_kernel = misc & MODE == IN_KERNEL;
    let sample = Sample { identifier, process, thread, instruction, address, in_kernel, chain };
    Some(Stamped { nanoseconds, record: Record::Sample(sample) })
}

fn map(fields: &mut Fields<'_>) -> Option<Map> {
    let (process, _thread) = (fields.u32()?, fields.u32()?);
    let (address, length_bytes, offset_bytes) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let device = (fields.u32()?, fields.u32()?);
    let (inode, _generation) = (fields.u64()?, fields.u64()?);
    let (protection, _flags) = (fields.u32()?, fields.u32()?);
    let is_executable = protection & EXECUTE != 0;
    let name = text(fields.rest).to_vec();
    Some(Map { process, address, length_bytes, offset_bytes, device, inode, is_executable, name })
}

/// Up to the first zero byte.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record as the kernel writes it.
    fn written(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
        let mut record = kind.to_ne_bytes().to_vec();
        record.extend(misc.to_ne_bytes());
        record.extend((HEADER as u16 + body.len() as u16).to_ne_bytes());
        record.extend(body);
        record
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn pair(low: u32, high: u32) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }

    fn all() -> Vec<u8> {
        let trailer = [pair(10, 11), 500, 3];
        let mark = -512_i64 as u64;
        let sample = words(&[3, 0x1000, pair(10, 11), 400, 0x7000, 3, mark, 0x1000, 0x2000]);
        let named = [&words(&[pair(10, 11)])[..], b"worker\0\0", &words(&trailer)].concat();
        let mapped = words(&[pair(10, 11), 0x7000, 0x2000, 0x3000, pair(8, 1), 77, 0, pair(5, 2)]);
        let mapped = [&mapped[..], b"/data/a\0", &words(&trailer)].concat();
        let start = [pair(12, 10), pair(12, 10), 500];
        [
            written(kind::SAMPLE, 2, &sample),
            written(kind::COMM, EXECUTED, &named),
            written(kind::MMAP2, 2, &mapped),
            written(kind::FORK, 0, &words(&[&start[..], &trailer].concat())),
            written(99, 0, &words(&trailer)),
            written(kind::LOST, 0, &words(&[&[3, 5][..], &trailer].concat())),
        ]
        .concat()
    }

    #[test]
    fn records_are_read_as_the_kernel_writes_them() {
        let bytes = all();
        let records: Vec<_> = Records::of(&bytes).collect();
        let times: Vec<_> = records.iter().map(|record| record.nanoseconds).collect();
        assert_eq!(times, [400, 500, 500, 500, 500]);
        let chain = vec![0x1000, 0x2000];
        let records: Vec<_> = records.into_iter().map(|record| record.record).collect();
        assert_eq!(
            records[0],
            Record::Sample(Sample {
                identifier: 3,
                process: 10,
                thread: 11,
                instruction: 0x1000,
                address: 0x7000,
                in_kernel: false,
                chain,
            })
        );
        let name = "worker".to_owned();
        assert_eq!(records[1], Record::Name { process: 10, thread: 11, name, executed: true });
        let Record::Map(map) = &records[2] else { panic!("{records:?}") };
        assert_eq!((map.device, map.inode, &map.name[..]), ((8, 1), 77, &b"/data/a"[..]));
        assert!(map.is_executable);
        assert_eq!((map.address, map.length_bytes, map.offset_bytes), (0x7000, 0x2000, 0x3000));
        assert_eq!(records[3], Record::Start { process: 12, parent: 10, thread: 12 });
        assert_eq!(records[4], Record::Lost(5));
    }

    #[test]
    fn what_is_cut_off_gives_the_records_before_it() {
        let bytes = all();
        let whole: Vec<_> = Records::of(&bytes).collect();
        for end in 0..bytes.len() {
            let some: Vec<_> = Records::of(&bytes[..end]).collect();
            assert_eq!(some, whole[..some.len()], "{end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Records::of(&bytes).count();
        }

        #[test]
        fn no_change_of_a_byte_makes_the_reader_panic_or_go_on_for_ever(
            at in 0..all().len(), byte in any::<u8>(), kind in 0..20u8,
        ) {
            let mut bytes = all();
            bytes[at] = byte;
            prop_assert!(Records::of(&bytes).count() <= bytes.len() / HEADER);
            bytes[0] = kind;
            prop_assert!(Records::of(&bytes).count() <= bytes.len() / HEADER);
        }
    }
}
