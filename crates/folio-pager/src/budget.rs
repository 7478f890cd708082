//! A budget: how much memory a pager's mappings may have together.
//!
//! ```
//! use folio_pager::Budget;
//!
//! let budget = Budget::bytes(256 << 20).dirty_bytes(64 << 20);
//! assert_eq!(budget.limit_bytes(), 256 << 20);
//! ```

use crate::policy::Replacement;

/// How much memory a pager's mappings may have together, and who gives it up first.
///
/// The limit covers the resident pages of all mappings, pages on standby, and the buffers that bytes are
/// read into. It does not cover what the pager notes about granules: 4 bytes for each that a mapping has,
/// in memory once its neighbourhood was touched, and about 100 bytes for each that is resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit_bytes: u64,
    dirty_bytes: Option<u64>,
    replacement: Replacement,
}

impl Budget {
    /// So many bytes, and no more. A mapping needs two granules at least.
    #[must_use]
    pub const fn bytes(limit_bytes: u64) -> Self {
        Self { limit_bytes, dirty_bytes: None, replacement: Replacement::S3Fifo }
    }

    /// How many bytes may wait to be written back before writers are held up; by default a quarter of
    /// the limit. Writing back begins at half of it.
    #[must_use]
    pub const fn dirty_bytes(mut self, bytes: u64) -> Self {
        self.dirty_bytes = Some(bytes);
        self
    }

    /// Who gives up memory first.
    #[must_use]
    pub const fn replacement(mut self, replacement: Replacement) -> Self {
        self.replacement = replacement;
        self
    }

    pub(crate) fn at_most(mut self, limit_bytes: u64) -> Self {
        self.limit_bytes = self.limit_bytes.min(limit_bytes);
        self
    }

    /// The limit.
    #[must_use]
    pub const fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The limit of bytes that wait to be written back.
    #[must_use]
    pub const fn dirty_limit_bytes(&self) -> u64 {
        match self.dirty_bytes {
            Some(bytes) => bytes,
            None => self.limit_bytes / 4,
        }
    }

    /// The policy.
    #[must_use]
    pub const fn replacement_policy(&self) -> Replacement {
        self.replacement
    }
}
