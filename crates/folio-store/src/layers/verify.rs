//! Bytes that are checked against a hash before they are returned.
//!
//! A BLAKE3 tree over a store's bytes, the [`Outboard`], is computed once by whoever trusts them. From
//! then on its 32 bytes of [`Root`] are all that has to be trusted: neither the store nor the place
//! where the outboard lies.
//!
//! ```
//! use folio_store::{ErrorKind, MemoryStore, Outboard, Store, Verify};
//!
//! let store = MemoryStore::from(vec![7; 100_000]);
//! let outboard = Outboard::compute(&store, 16 << 10, |_, _| ())?;
//! let root = outboard.root(); // keep this where nobody changes it
//!
//! store.write_all_at(&[8], 50_000)?;
//! let verified = Verify::new(store, outboard, root)?;
//! let mut bytes = [0; 100];
//! verified.read_full_at(&mut bytes, 10)?;
//! let error = verified.read_full_at(&mut bytes, 49_990).unwrap_err();
//! assert_eq!((error.kind(), error.bytes()), (ErrorKind::Corrupt, Some(49_152..65_536)));
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - No byte is returned that does not hash, with its place in the tree, to the root. That holds for
//!   each read anew, and nothing that a store or outboard said before is trusted later. So the version
//!   is fixed, whatever lies below: bytes that differ from those of the root are an error.
//! - The length is checked too: the last group, whose place in the tree depends on it, is read when the
//!   layer is made.
//! - It cannot be written: the root is that of other bytes then.

mod outboard;
mod root;

use std::ops::Range;

use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, TreeNode};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

pub use outboard::Outboard;
use outboard::{PAIR_BYTES, PREFIX_BYTES};
pub use root::Root;

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ReadRequest, Store};

/// A group's size where none is given, in bytes.
const GROUP_BYTES: u32 = 16 << 10;
const LEN_MAX: u64 = 1 << 60;

/// A store whose bytes are checked against a root. See the [module](self).
///
/// The outboard is another store, or an [`Outboard`] in memory. Each read of the store makes some reads
/// of it, of 64 bytes each and asked for together: put one that is far away in a cache.
#[derive(Debug)]
pub struct Verify<S, O = Outboard> {
    inner: S,
    outboard: O,
    root: Root,
    tree: BaoTree,
}

/// One request, widened to whole groups.
#[derive(Debug)]
struct Plan {
    range: Range<u64>,
    /// Where the bytes go if not into the request's buffer.
    aside: Option<Vec<u8>>,
    outcome: Result<usize>,
}

/// The parents' hashes that a check needs, as read from the outboard.
#[derive(Debug, Default)]
struct Pairs {
    runs: Vec<(u64, Vec<u8>)>,
}

impl<S: Store> Verify<S> {
    /// Reads all of a store and computes its tree, with groups of 16 KiB. See [`Outboard::compute`].
    ///
    /// # Errors
    /// As [`Outboard::compute`].
    pub fn outboard(store: &S, progress: impl FnMut(u64, u64)) -> Result<Outboard> {
        Outboard::compute(store, GROUP_BYTES, progress)
    }
}

impl<S: Store, O: Store> Verify<S, O> {
    /// Checks `inner` against `root` by an outboard with groups of 16 KiB.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the last group or the outboard is not that of the root;
    /// [`ErrorKind::Truncated`] if the store is shorter; what the two stores report.
    pub fn new(inner: S, outboard: O, root: Root) -> Result<Self> {
        Self::with_groups(inner, outboard, root, GROUP_BYTES)
    }

    /// As [`new`](Self::new), with the group size that the outboard was computed with.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`ErrorKind::Invalid`] for a size that is not a power of two from
    /// 1 KiB to 64 MiB.
    pub fn with_groups(inner: S, outboard: O, root: Root, group_bytes: u32) -> Result<Self> {
        let group = group_of(group_bytes, &inner)?;
        let mut prefix = [0; PREFIX_BYTES as usize];
        read_exactly(&outboard, &mut prefix, 0, ErrorKind::Truncated)?;
        let len = u64::from_le_bytes(prefix);
        let tree = BaoTree::new(tree_len(len, &outboard)?, group);
        let (is, should) = (outboard.len()?, PREFIX_BYTES + tree.outboard_size());
        if is != should {
            return Err(Error::new(ErrorKind::Corrupt, "verify", inner.name())
                .reason(format!("its outboard has {is} bytes instead of {should}"))
                .advice("compute it again, or give the group size that it was computed with"));
        }
        let this = Self { inner, outboard, root, tree };
        let there = this.inner.len()?;
        if there < len {
            let error = Error::new(ErrorKind::Truncated, "verify", this.inner.name());
            return Err(error.range(there..len));
        }
        if there > len {
            return Err(Error::new(ErrorKind::Corrupt, "verify", this.inner.name())
                .range(len..there)
                .reason(format!("it is longer than the {len} bytes of its outboard")));
        }
        let last = this.widen(len.saturating_sub(1)..len);
        let mut buf = vec![0; (last.end - last.start) as usize];
        read_exactly(&this.inner, &mut buf, last.start, ErrorKind::Truncated)?;
        let pairs = this.pairs([&last])?;
        this.check(&last, &buf, &pairs)?;
        Ok(this)
    }

    /// The root that the bytes are checked against.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn len(&self) -> u64 {
        self.tree.size()
    }

    fn widen(&self, range: Range<u64>) -> Range<u64> {
        let group_bytes = self.tree.block_size().bytes() as u64;
        let start = range.start / group_bytes * group_bytes;
        start..range.end.next_multiple_of(group_bytes).min(self.len())
    }

    /// The part of the tree above a range of whole groups.
    fn chunks(&self, range: &Range<u64>) -> ChunkRanges {
        let end = ChunkNum::chunks(range.end).max(ChunkNum(range.start / 1024 + 1));
        ChunkRanges::from(ChunkNum(range.start / 1024)..end)
    }

    fn corrupt(&self, range: Range<u64>) -> Error {
        Error::new(ErrorKind::Corrupt, "read", self.inner.name()).range(range)
    }

    /// Reads what the checks of some ranges need of the outboard.
    fn pairs<'a>(&self, ranges: impl IntoIterator<Item = &'a Range<u64>>) -> Result<Pairs> {
        let mut offsets = Vec::new();
        for range in ranges {
            let chunks = self.chunks(range);
            for item in self.tree.ranges_pre_order_chunks_iter_ref(&chunks, 0) {
                if let BaoChunk::Parent { node, .. } = item {
                    offsets.extend(self.tree.pre_order_offset(node));
                }
            }
        }
        offsets.sort_unstable();
        offsets.dedup();
        let mut pairs = Pairs::default();
        for run in offsets.chunk_by(|one, next| one + 1 == *next) {
            pairs.runs.push((run[0], vec![0; run.len() * PAIR_BYTES as usize]));
        }
        let mut requests = pairs
            .runs
            .iter_mut()
            .map(|(first, buf)| ReadRequest::new(buf, PREFIX_BYTES + *first * PAIR_BYTES))
            .collect::<Vec<_>>();
        self.outboard.read_many(&mut requests);
        for request in requests {
            let end = request.offset + request.buf.len() as u64;
            let done = request.outcome?;
            if done < request.buf.len() {
                let error = Error::new(ErrorKind::Truncated, "read", self.outboard.name());
                return Err(error.range(request.offset + done as u64..end));
            }
        }
        Ok(pairs)
    }

    /// Compares the bytes of a range of whole groups with the root.
    fn check(&self, range: &Range<u64>, bytes: &[u8], pairs: &Pairs) -> Result<()> {
        let mut expected = vec![*self.root.as_bytes()];
        let chunks = self.chunks(range);
        for item in self.tree.ranges_pre_order_chunks_iter_ref(&chunks, 0) {
            let Some(hash_here) = expected.pop() else { return Err(self.corrupt(range.clone())) };
            match item {
                BaoChunk::Parent { node, is_root, left, right, .. } => {
                    let pair = self.tree.pre_order_offset(node).and_then(|at| pairs.get(at));
                    let Some((left_hash, right_hash)) = pair else {
                        return Err(self.corrupt(range.clone()));
                    };
                    if merge(&left_hash, &right_hash, is_root) != hash_here {
                        return Err(self.wrong_parent(node, is_root));
                    }
                    expected.extend(right.then_some(right_hash));
                    expected.extend(left.then_some(left_hash));
                }
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let start = start_chunk.to_bytes();
                    let group = (start - range.start) as usize;
                    let group = bytes.get(group..group + size);
                    if group.is_none_or(|group| hash(start, group, is_root) != hash_here) {
                        return Err(self
                            .corrupt(start..start + size as u64)
                            .reason(format!("they are not those of root {}", self.root)));
                    }
                }
            }
        }
        Ok(())
    }

    fn wrong_parent(&self, node: TreeNode, is_root: bool) -> Error {
        let chunks = node.chunk_range();
        let error = self.corrupt(chunks.start.to_bytes()..chunks.end.to_bytes().min(self.len()));
        let root = self.root;
        if is_root {
            error
                .reason(format!("its outboard is not that of root {root}"))
                .advice("give the root and the outboard of the same bytes")
        } else {
            error.reason(format!("its outboard is damaged there, or not that of root {root}"))
        }
    }

    fn plan(&self, request: &ReadRequest<'_>) -> Plan {
        let start = request.offset.min(self.len());
        let end = start.saturating_add(request.buf.len() as u64).min(self.len());
        if start == end {
            return Plan { range: start..start, aside: None, outcome: Ok(0) };
        }
        let range = self.widen(start..end);
        let fits = range == (start..end);
        let aside = (!fits).then(|| vec![0; (range.end - range.start) as usize]);
        Plan { range, aside, outcome: Ok((end - start) as usize) }
    }

    fn fetch(&self, requests: &mut [ReadRequest<'_>], plans: &mut [Plan]) {
        let mut wanted = Vec::new();
        let mut reads = Vec::new();
        for (request, plan) in requests.iter_mut().zip(plans) {
            let len = (plan.range.end - plan.range.start) as usize;
            if len > 0 {
                let buf = match &mut plan.aside {
                    Some(aside) => aside,
                    None => &mut request.buf[..len],
                };
                reads.push(ReadRequest::new(buf, plan.range.start));
                wanted.push(&mut plan.outcome);
            }
        }
        match &mut *reads {
            [] => {}
            [one] => one.outcome = self.inner.read_full_at(one.buf, one.offset),
            many => self.inner.read_many(many),
        }
        for (read, outcome) in reads.into_iter().zip(wanted) {
            match read.outcome {
                Ok(done) if done < read.buf.len() => {
                    let end = read.offset + read.buf.len() as u64;
                    let error = Error::new(ErrorKind::Truncated, "read", self.inner.name());
                    *outcome = Err(error.range(read.offset + done as u64..end));
                }
                Ok(_) => {}
                Err(error) => *outcome = Err(error),
            }
        }
    }
}

impl Pairs {
    fn get(&self, offset: u64) -> Option<([u8; 32], [u8; 32])> {
        let run = self.runs.partition_point(|(first, _)| *first <= offset).checked_sub(1)?;
        let (first, bytes) = self.runs.get(run)?;
        let pairs = bytes.as_chunks::<32>().0;
        let at = usize::try_from((offset - first) * 2).ok()?;
        Some((*pairs.get(at)?, *pairs.get(at + 1)?))
    }
}

impl<S: Store, O: Store> Store for Verify<S, O> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut request = [ReadRequest::new(buf, offset)];
        self.read_many(&mut request);
        let [ReadRequest { outcome, .. }] = request;
        outcome
    }

    /// Those of the store, read-only, of a fixed version, with a granule of a group at least.
    fn capabilities(&self) -> Capabilities {
        let below = self.inner.capabilities();
        let granule = below.granule_bytes().max(self.tree.block_size().bytes() as u32);
        below
            .granule(granule)
            .writable(false)
            .resizable(false)
            .fixed_version(true)
            .infallible(false)
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let mut plans = requests.iter().map(|request| self.plan(request)).collect::<Vec<_>>();
        self.fetch(requests, &mut plans);
        let wanted = |plan: &&Plan| plan.outcome.is_ok() && !plan.range.is_empty();
        let pairs = self.pairs(plans.iter().filter(wanted).map(|plan| &plan.range));
        for (request, plan) in requests.iter_mut().zip(plans) {
            request.outcome = plan.outcome.and_then(|count| {
                if count == 0 {
                    return Ok(0);
                }
                let bytes = plan.aside.as_deref().unwrap_or(&request.buf[..count]);
                self.check(&plan.range, bytes, pairs.as_ref().map_err(Error::clone)?)?;
                if let Some(aside) = &plan.aside {
                    let start = (request.offset - plan.range.start) as usize;
                    request.buf[..count].copy_from_slice(&aside[start..start + count]);
                }
                Ok(count)
            });
        }
    }

    /// Names the content: whatever hashes to one root is the same bytes, wherever it lies.
    fn identity(&self) -> Option<String> {
        Some(format!("blake3 {}", self.root))
    }

    /// The root.
    fn version(&self) -> Option<String> {
        Some(self.root.to_string())
    }
}

fn group_of(group_bytes: u32, store: &impl Store) -> Result<BlockSize> {
    BlockSize::from_bytes(u64::from(group_bytes)).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "verify", store.name())
            .reason(format!("groups of {group_bytes} bytes: a power of two from 1 KiB to 64 MiB"))
    })
}

/// A length that the tree's arithmetic can take.
fn tree_len(len: u64, store: &impl Store) -> Result<u64> {
    if len <= LEN_MAX {
        return Ok(len);
    }
    let error = Error::new(ErrorKind::Invalid, "verify", store.name());
    Err(error.reason(format!("{len} bytes are more than a tree here has")))
}

fn read_exactly(store: &impl Store, buf: &mut [u8], offset: u64, short: ErrorKind) -> Result<()> {
    let end = offset + buf.len() as u64;
    match store.read_full_at(buf, offset)? {
        done if done < buf.len() => {
            Err(Error::new(short, "read", store.name()).range(offset + done as u64..end))
        }
        _ => Ok(()),
    }
}

fn hash(start: u64, bytes: &[u8], is_root: bool) -> [u8; 32] {
    if is_root {
        return *blake3::hash(bytes).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start).update(bytes);
    hasher.finalize_non_root()
}

fn merge(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> [u8; 32] {
    if is_root {
        *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}
