//! The tree over a store's bytes, kept beside them.
//!
//! The format is that of the program `bao` (with groups of 1 KiB, to the byte): the store's length as a
//! u64, little-endian, then the two hashes of each parent, in pre-order. Above chunk groups of 16 KiB
//! that is 0.4 % of the store's length.

use bao_tree::BaoTree;
use bao_tree::iter::BaoChunk;

use super::root::Root;
use super::{group_of, hash, merge, read_exactly};
use crate::capabilities::{Capabilities, Cost};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

pub(super) const PREFIX_BYTES: u64 = 8;
pub(super) const PAIR_BYTES: u64 = 64;

/// A computed tree, in memory. A [`Store`] of its own bytes, which can be copied to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outboard {
    root: Root,
    bytes: Vec<u8>,
    group_bytes: u32,
}

impl Outboard {
    /// Reads all of `store` and computes the tree, in groups of `group_bytes`: a power of two from
    /// 1 KiB to 64 MiB. Small groups make small reads cheap and the tree large.
    ///
    /// `progress` is called with the bytes done and the bytes in all, after each group.
    ///
    /// # Errors
    /// What the store reports; [`ErrorKind::Changed`] if it becomes shorter meanwhile;
    /// [`ErrorKind::Invalid`] for another size of groups.
    pub fn compute(
        store: &impl Store,
        group_bytes: u32,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Self> {
        let group = group_of(group_bytes, store)?;
        let len = store.len()?;
        let tree = BaoTree::new(super::tree_len(len, store)?, group);
        let mut bytes = vec![0; (PREFIX_BYTES + tree.outboard_size()) as usize];
        bytes[..PREFIX_BYTES as usize].copy_from_slice(&len.to_le_bytes());
        let mut buf = vec![0; group_bytes as usize];
        let mut stack = Vec::<[u8; 32]>::new();
        let impossible = || Error::new(ErrorKind::Invalid, "verify", store.name());
        for item in tree.post_order_chunks_iter() {
            let hash = match item {
                BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                    let start = start_chunk.to_bytes();
                    let buf = &mut buf[..size];
                    read_exactly(store, buf, start, ErrorKind::Changed)?;
                    progress(start + size as u64, len);
                    hash(start, buf, is_root)
                }
                BaoChunk::Parent { node, is_root, .. } => {
                    let (right, left) = stack.pop().zip(stack.pop()).ok_or_else(impossible)?;
                    let offset = tree.pre_order_offset(node).ok_or_else(impossible)?;
                    let at = (PREFIX_BYTES + offset * PAIR_BYTES) as usize;
                    bytes[at..at + 32].copy_from_slice(&left);
                    bytes[at + 32..at + 64].copy_from_slice(&right);
                    merge(&left, &right, is_root)
                }
            };
            stack.push(hash);
        }
        let root = Root::new(stack.pop().ok_or_else(impossible)?);
        Ok(Self { root, bytes, group_bytes })
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    /// The size of its chunk groups, in bytes.
    #[must_use]
    pub fn group_bytes(&self) -> u32 {
        self.group_bytes
    }

    /// Its bytes, as they are kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes it to a store, and syncs that.
    ///
    /// # Errors
    /// What the store reports.
    pub fn save(&self, target: &impl Store) -> Result<()> {
        if target.len()? != self.bytes.len() as u64 {
            target.resize(self.bytes.len() as u64)?;
        }
        target.write_all_at(&self.bytes, 0)?;
        target.sync()
    }
}

impl Store for Outboard {
    fn name(&self) -> String {
        format!("outboard of {}", self.root)
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.bytes.get(start..));
        let rest = rest.unwrap_or_default();
        let count = buf.len().min(rest.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Memory).fixed_version(true)
    }
}
