//! What some mappings cost together, in bytes: the figures that every row has, and their JSON.
//!
//! ```
//! use folio_cli::ps::figures::Figures;
//! let costs = folio_stat::Process::current().unwrap().costs_by_mapping().unwrap();
//! let total: Figures = costs.iter().map(Figures::of).sum();
//! assert_eq!(total.resident_bytes, total.shared_bytes() + total.private_bytes());
//! ```

use std::iter::Sum;

use folio_stat::Costs;
use serde::Serialize;

/// Figures that can be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Addresses that are mapped.
    pub mapped_bytes: usize,
    /// Pages in memory, without zero pages.
    pub resident_bytes: usize,
    /// Those of each page divided by how often it is mapped.
    pub proportional_bytes: usize,
    /// Mapped more than once, unchanged.
    pub shared_clean_bytes: usize,
    /// Mapped more than once, changed.
    pub shared_dirty_bytes: usize,
    /// Mapped here only, unchanged.
    pub private_clean_bytes: usize,
    /// Mapped here only, changed.
    pub private_dirty_bytes: usize,
    /// Of no file: memory, and copies made by writing.
    pub anonymous_bytes: usize,
    /// Moved out to swap.
    pub swapped_bytes: usize,
    /// In transparent huge pages.
    pub transparent_huge_bytes: usize,
    /// In huge pages from the pool.
    pub hugetlb_bytes: usize,
}

impl Figures {
    /// Of what folio-stat found.
    pub fn of(costs: &Costs) -> Self {
        Self {
            mapped_bytes: costs.mapped_bytes,
            resident_bytes: costs.resident_bytes,
            proportional_bytes: costs.proportional_bytes,
            shared_clean_bytes: costs.shared_clean_bytes,
            shared_dirty_bytes: costs.shared_dirty_bytes,
            private_clean_bytes: costs.private_clean_bytes,
            private_dirty_bytes: costs.private_dirty_bytes,
            anonymous_bytes: costs.anonymous_bytes,
            swapped_bytes: costs.swapped_bytes,
            transparent_huge_bytes: costs.transparent_huge_bytes(),
            hugetlb_bytes: costs.hugetlb_bytes,
        }
    }

    /// Mapped more than once.
    pub fn shared_bytes(&self) -> usize {
        self.shared_clean_bytes.saturating_add(self.shared_dirty_bytes)
    }

    /// Mapped here only.
    pub fn private_bytes(&self) -> usize {
        self.private_clean_bytes.saturating_add(self.private_dirty_bytes)
    }

    /// Changed since written back.
    pub fn dirty_bytes(&self) -> usize {
        self.shared_dirty_bytes.saturating_add(self.private_dirty_bytes)
    }

    /// In huge pages of any kind.
    pub fn huge_bytes(&self) -> usize {
        self.transparent_huge_bytes.saturating_add(self.hugetlb_bytes)
    }

    /// The same without what the kernel rounds for each mapping: proportional bytes.
    pub fn exact(self) -> Self {
        Self { proportional_bytes: 0, ..self }
    }

    fn plus(self, other: &Self) -> Self {
        let add = usize::saturating_add;
        Self {
            mapped_bytes: add(self.mapped_bytes, other.mapped_bytes),
            resident_bytes: add(self.resident_bytes, other.resident_bytes),
            proportional_bytes: add(self.proportional_bytes, other.proportional_bytes),
            shared_clean_bytes: add(self.shared_clean_bytes, other.shared_clean_bytes),
            shared_dirty_bytes: add(self.shared_dirty_bytes, other.shared_dirty_bytes),
            private_clean_bytes: add(self.private_clean_bytes, other.private_clean_bytes),
            private_dirty_bytes: add(self.private_dirty_bytes, other.private_dirty_bytes),
            anonymous_bytes: add(self.anonymous_bytes, other.anonymous_bytes),
            swapped_bytes: add(self.swapped_bytes, other.swapped_bytes),
            transparent_huge_bytes: add(self.transparent_huge_bytes, other.transparent_huge_bytes),
            hugetlb_bytes: add(self.hugetlb_bytes, other.hugetlb_bytes),
        }
    }
}

impl Sum for Figures {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, more| sum.plus(&more))
    }
}
