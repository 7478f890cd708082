//! Copy-on-write: one store shown with changes that another holds.
//!
//! ```
//! use std::sync::Arc;
//! use folio_store::{MemoryStore, Overlay, Store};
//!
//! let lower = Arc::new(MemoryStore::from(b"as it was".to_vec()));
//! let overlay = Overlay::new(lower.clone(), MemoryStore::from(Vec::new()))?;
//! overlay.write_all_at(b"is", 3)?;
//!
//! let mut bytes = [0; 9];
//! overlay.read_full_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"as is was");
//! lower.read_full_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"as it was");
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Writes go to the upper store in blocks, each at its own offset, so an upper file is as sparse as
//! the changes are. Which blocks are there is kept in memory: 64 bytes for each 512 blocks near a
//! change. The overlay lives as long as the value does: nothing finds the changes again.
//!
//! Invariants:
//! - The lower store is only read, and not at all for a block that is there, or that is written whole.
//! - No block that lies behind the end is there, but for those of a write that moves it.
//! - A block that is there is whole in the upper store, up to the overlay's end. Bytes behind the end
//!   are unspecified; they are made zeros before the end moves over them.
//! - A block with bytes before the end, once there, stays until the overlay is cut off before it. So only a write that finds its
//!   block absent takes the block's lock (`stripes`).
//! - Bytes of the lower store at or behind `lower_end` are never shown; that end only sinks.
//!
//! Lock order: `resizing` (shared by writes), `growing`, `stripes` in ascending order, `present`. Reads
//! take only `present`, and not across a call of either store.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Mutex, MutexGuard, RwLock};

use super::present::Present;
use crate::lock::{lock, read, write};
use crate::{Capabilities, Error, ErrorKind, ReadRequest, Result, Store};

/// Locks for absent blocks, and the most blocks that are written at once.
const STRIPES: u64 = 64;

/// A store with changes on top that another store holds: copy-on-write.
///
/// It is writable and resizable whatever the lower store is. It has no identity and no version, and no
/// fixed version either, not even over a store that has: what it shows changes with each write.
pub struct Overlay<L, U> {
    lower: L,
    upper: U,
    block_shift: u32,
    len: AtomicU64,
    lower_end: AtomicU64,
    /// Counts cuts, each after its blocks are gone from `present` and before they go from the upper
    /// store: a read that finds the upper store too short looks again.
    cuts: AtomicU64,
    present: RwLock<Present>,
    stripes: [Mutex<()>; STRIPES as usize],
    growing: Mutex<()>,
    resizing: RwLock<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Upper,
    Lower,
    Zeros,
}

impl<L: Store, U: Store> Overlay<L, U> {
    /// Shows `lower`, at the length it has now, and keeps changes in `upper`, which is emptied: a
    /// temporary file, or memory.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where `upper` is not writable and resizable; those of asking `lower` for
    /// its length, and of emptying `upper`.
    pub fn new(lower: L, upper: U) -> Result<Self> {
        let able = upper.capabilities();
        if !able.is_writable() || !able.is_resizable() {
            return Err(Error::new(ErrorKind::Invalid, "lay over a store", upper.name())
                .reason("changes need a store that is writable and resizable"));
        }
        upper.resize(0)?;
        let len = lower.len()?;
        Ok(Self {
            lower,
            upper,
            block_shift: 12,
            len: AtomicU64::new(len),
            lower_end: AtomicU64::new(len),
            cuts: AtomicU64::new(0),
            present: RwLock::default(),
            stripes: [const { Mutex::new(()) }; STRIPES as usize],
            growing: Mutex::new(()),
            resizing: RwLock::new(()),
        })
    }

    /// Sets the length of a block, in bytes; without it, 4096. A write of part of a block that is not
    /// there copies the rest of it from the lower store.
    ///
    /// # Panics
    /// If it is not a power of two from 512 to 2^30, or something has been written.
    #[must_use]
    pub fn block_bytes(mut self, bytes: u32) -> Self {
        let fits = bytes.is_power_of_two() && (512..=1 << 30).contains(&bytes);
        assert!(fits, "a block is a power of two from 512 to 2^30");
        assert_eq!(self.upper_bytes(), 0, "blocks keep their length once there are some");
        self.block_shift = bytes.trailing_zeros();
        self
    }

    /// Bytes of the blocks in the upper store.
    pub fn upper_bytes(&self) -> u64 {
        read(&self.present).count() << self.block_shift
    }

    /// The store below.
    pub const fn lower(&self) -> &L {
        &self.lower
    }

    fn block(&self) -> u64 {
        1 << self.block_shift
    }

    fn error(&self, kind: ErrorKind, operation: &'static str, range: Range<u64>) -> Error {
        Error::new(kind, operation, self.name()).range(range)
    }

    /// Where the bytes from `offset` on come from, and up to where, at most `end`. Not for none.
    fn source(&self, offset: u64, end: u64) -> (Source, u64) {
        let (first, last) = (offset >> self.block_shift, (end - 1) >> self.block_shift);
        let (present, blocks) = read(&self.present).run(first, last - first + 1);
        let stop = if first + blocks > last { end } else { (first + blocks) << self.block_shift };
        let lower_end = self.lower_end.load(Acquire);
        match present {
            true => (Source::Upper, stop),
            false if offset < lower_end => (Source::Lower, stop.min(lower_end)),
            false => (Source::Zeros, stop),
        }
    }

    /// The end of a read of `count` bytes, or nothing where there are none to read.
    fn end(&self, offset: u64, count: usize) -> Option<u64> {
        let end = offset.saturating_add(count as u64).min(self.len.load(Acquire));
        (offset < end).then_some(end)
    }

    /// Reads from one source, and returns how many bytes.
    fn read_piece(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        loop {
            let cuts = self.cuts.load(Acquire);
            let Some(end) = self.end(offset, buf.len()) else { return Ok(0) };
            let (source, stop) = self.source(offset, end);
            let piece = &mut buf[..(stop - offset) as usize];
            let count = match source {
                Source::Upper => self.upper.read_full_at(piece, offset)?,
                Source::Lower => self.lower.read_full_at(piece, offset)?,
                Source::Zeros => {
                    piece.fill(0);
                    piece.len()
                }
            };
            if count > 0 {
                return Ok(count.min(piece.len()));
            }
            if self.cuts.load(Acquire) == cuts {
                return Err(self.truncated(source, "read", offset..stop));
            }
        }
    }

    fn truncated(&self, source: Source, operation: &'static str, range: Range<u64>) -> Error {
        let reason = match source {
            Source::Upper => "the upper store has become shorter",
            _ => "the lower store has become shorter",
        };
        self.error(ErrorKind::Truncated, operation, range).reason(reason)
    }

    /// Writes some bytes: all of as many whole blocks as there are locks for, or of part of one block.
    fn write_piece(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let within = offset & (self.block() - 1);
        let whole = (bytes.len() as u64 >> self.block_shift).min(STRIPES);
        if within == 0 && whole > 0 {
            let bytes = &bytes[..(whole << self.block_shift) as usize];
            self.write_whole(bytes, offset >> self.block_shift, whole)?;
            return Ok(bytes.len());
        }
        let room = (self.block() - within).min(bytes.len() as u64);
        let bytes = &bytes[..room as usize];
        self.write_part(bytes, offset)?;
        Ok(bytes.len())
    }

    fn write_whole(&self, bytes: &[u8], first: u64, blocks: u64) -> Result<()> {
        let there = read(&self.present).run(first, blocks) == (true, blocks);
        let _held = if there { Vec::new() } else { self.hold(first, blocks) };
        self.upper.write_all_at(bytes, first << self.block_shift)?;
        if !there {
            write(&self.present).insert(first, blocks);
        }
        Ok(())
    }

    fn write_part(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let block = offset >> self.block_shift;
        let there = || read(&self.present).contains(block);
        if there() {
            return self.upper.write_all_at(bytes, offset);
        }
        let _held = self.hold(block, 1);
        if there() {
            return self.upper.write_all_at(bytes, offset);
        }
        let start = block << self.block_shift;
        let mut copy = vec![0; self.block() as usize];
        let (head, rest) = copy.split_at_mut((offset - start) as usize);
        let (middle, tail) = rest.split_at_mut(bytes.len());
        self.copy_lower(head, start)?;
        middle.copy_from_slice(bytes);
        self.copy_lower(tail, offset + bytes.len() as u64)?;
        self.upper.write_all_at(&copy, start)?;
        write(&self.present).insert(block, 1);
        Ok(())
    }

    /// Reads bytes of a block that is not there; those behind the lower store's end stay zeros.
    fn copy_lower(&self, part: &mut [u8], offset: u64) -> Result<()> {
        let there = self.lower_end.load(Acquire).saturating_sub(offset);
        let wanted = there.min(part.len() as u64) as usize;
        if self.lower.read_full_at(&mut part[..wanted], offset)? < wanted {
            let range = offset..offset + wanted as u64;
            return Err(self.truncated(Source::Lower, "write", range));
        }
        Ok(())
    }

    /// The locks of at most [`STRIPES`] blocks, taken in ascending order.
    fn hold(&self, first: u64, blocks: u64) -> Vec<MutexGuard<'_, ()>> {
        let start = first % STRIPES;
        let wrapped = (start + blocks).saturating_sub(STRIPES);
        let stripes = (0..wrapped).chain(start..(start + blocks).min(STRIPES));
        stripes.map(|stripe| lock(&self.stripes[stripe as usize])).collect()
    }

    /// Makes zeros of what the last block holds behind the end at `len`, up to `stop`.
    fn clear_tail(&self, len: u64, stop: u64) -> Result<()> {
        let within = len & (self.block() - 1);
        let count = (self.block() - within).min(stop.saturating_sub(len));
        if within == 0 || count == 0 || !read(&self.present).contains(len >> self.block_shift) {
            return Ok(());
        }
        self.upper.write_all_at(&vec![0; count as usize], len)
    }
}

impl<L: Store, U: Store> Store for Overlay<L, U> {
    fn name(&self) -> String {
        format!("overlay of {}", self.lower.name())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len.load(Acquire))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_piece(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > u64::MAX - self.block() {
            return Err(self.error(ErrorKind::Invalid, "write", offset..end));
        }
        let _shape = read(&self.resizing);
        let _turn = (end > self.len.load(Acquire)).then(|| lock(&self.growing));
        let len = self.len.load(Acquire);
        if end > len {
            self.clear_tail(len, offset)?;
        }
        let mut done = 0;
        while done < bytes.len() {
            match self.write_piece(&bytes[done..], offset + done as u64) {
                Ok(count) => done += count,
                Err(error) => {
                    // Nobody else writes behind the end now.
                    if end > len {
                        write(&self.present).cut(len.div_ceil(self.block()));
                    }
                    return Err(error);
                }
            }
        }
        self.len.fetch_max(end, AcqRel);
        Ok(done)
    }

    /// Cut-off bytes are gone: after growing again, there are zeros, never the lower store's bytes.
    fn resize(&self, len: u64) -> Result<()> {
        let _shape = write(&self.resizing);
        let old = self.len.load(Acquire);
        if len >= old {
            self.clear_tail(old, len)?;
            self.len.store(len, Release);
            return Ok(());
        }
        self.len.store(len, Release);
        self.lower_end.fetch_min(len, AcqRel);
        write(&self.present).cut(len.div_ceil(self.block()));
        self.cuts.fetch_add(1, AcqRel);
        // Only frees room: nothing behind `len` is shown any more, whether it is still there or not.
        if self.upper.len().is_ok_and(|upper| upper > len) {
            let _ = self.upper.resize(len);
        }
        Ok(())
    }

    /// Syncs the upper store. The changes nevertheless end with the overlay.
    fn sync(&self) -> Result<()> {
        self.upper.sync()
    }

    fn capabilities(&self) -> Capabilities {
        let (lower, upper) = (self.lower.capabilities(), self.upper.capabilities());
        let alignment = lower.alignment_bytes().max(upper.alignment_bytes());
        lower
            .at_least(upper.cost())
            .alignment(alignment)
            .writable(true)
            .resizable(true)
            .fixed_version(false)
            .infallible(false)
            .touching_mappings(lower.touches_mappings() || upper.touches_mappings())
    }

    /// Those that lie in one store are read there together; the others one by one.
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for (index, request) in requests.iter_mut().enumerate() {
            let ReadRequest { buf, offset, outcome } = request;
            let Some(end) = self.end(*offset, buf.len()) else {
                *outcome = Ok(0);
                continue;
            };
            let batch = match self.source(*offset, end) {
                (Source::Upper, stop) if stop == end => &mut upper,
                (Source::Lower, stop) if stop == end => &mut lower,
                _ => {
                    *outcome = self.read_full_at(buf, *offset);
                    continue;
                }
            };
            let count = (end - *offset) as usize;
            batch.push((index, ReadRequest::new(&mut buf[..count], *offset)));
        }
        let upper = read_batch(&self.upper, upper);
        let lower = read_batch(&self.lower, lower);
        for (index, wanted, outcome) in upper.into_iter().chain(lower) {
            let ReadRequest { buf, offset, outcome: own } = &mut requests[index];
            *own = match outcome {
                // The store has become shorter, or the overlay has: reading again tells.
                Ok(count) if count < wanted => self.read_full_at(buf, *offset),
                other => other,
            };
        }
    }
}

/// For each of the requests: its index, how many bytes it wanted, and its outcome.
fn read_batch<S: Store>(
    store: &S,
    batch: Vec<(usize, ReadRequest<'_>)>,
) -> Vec<(usize, usize, Result<usize>)> {
    if batch.is_empty() {
        return Vec::new();
    }
    let (indices, mut requests): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    store.read_many(&mut requests);
    let outcomes = requests.into_iter().map(|request| (request.buf.len(), request.outcome));
    indices.into_iter().zip(outcomes).map(|(index, (wanted, got))| (index, wanted, got)).collect()
}

impl<L: Store, U: Store> fmt::Debug for Overlay<L, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("name", &self.name())
            .field("len", &self.len.load(Acquire))
            .field("block_bytes", &self.block())
            .field("upper_bytes", &self.upper_bytes())
            .finish_non_exhaustive()
    }
}
