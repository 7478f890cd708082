//! What a range of addresses costs, in bytes.
//!
//! ```
//! use folio_stat::Process;
//!
//! let mut bytes = vec![0u8; 64 << 10];
//! bytes.fill(7);
//! let address = bytes.as_ptr() as usize;
//! let costs = Process::current()?.costs(address..address + bytes.len())?;
//! assert!(costs.resident_bytes >= 64 << 10);
//! assert_eq!(costs.resident_bytes, costs.shared_bytes() + costs.private_bytes());
//! assert_eq!(costs.protection().unwrap().to_string(), "rw-");
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! # Which figure comes from where
//!
//! | figure | a whole kernel mapping | a part of one |
//! | --- | --- | --- |
//! | resident, anonymous, huge | smaps; PAGEMAP_SCAN with [`Via::Ioctl`] | PAGEMAP_SCAN |
//! | shared, private | smaps | bit 56 of `/proc/PID/pagemap` |
//! | swapped | smaps | PAGEMAP_SCAN |
//! | clean, dirty, proportional | smaps | deduced from smaps, or estimated |
//! | referenced | smaps | the whole's ratio |
//! | locked | resident bytes where smaps has the flag `lo` | the same |
//! | hugetlb | smaps, kept apart from `Rss` there | PAGEMAP_SCAN |
//! | protection, sharing, backing, flags | smaps | smaps |
//!
//! Only smaps knows clean from dirty and how many others share a page, and only for whole kernel
//! mappings. For a part, what is possible is narrowed down with the exact figures (when no page
//! of the whole is clean, all pages of the part are dirty); if more than one answer is left,
//! the whole's ratio is taken and [`Costs::estimated`] is set.
//!
//! Invariants: the four figures shared/private × clean/dirty add up to `resident_bytes`;
//! `mappings` are in order and inside the range; sums never wrap around.
//!
//! [`Via::Ioctl`]: crate::Via::Ioctl

use std::ops::Range;
use std::sync::OnceLock;

use crate::backing::{Backing, BackingKind};
use crate::flag::{Flag, Flags};
use crate::mapping::Mapping;
use crate::protection::{Protection, Sharing};
use crate::scan::Tally;
use crate::span::Span;

/// What a range of addresses of a process costs.
///
/// All figures are in bytes and are what one process sees: a page that it maps twice counts
/// twice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Costs {
    /// The first address measured: the one asked for, rounded down to a page.
    pub address: usize,
    /// The length measured, rounded up to whole pages.
    pub length_bytes: usize,
    /// How much of that is mapped at all.
    pub mapped_bytes: usize,
    /// The page size really used: the smallest that a resident page of the range is mapped with,
    /// transparent huge pages included. While nothing is resident, the smallest that the
    /// mappings were made with.
    pub page_size_bytes: usize,
    /// Pages in memory that the process maps, hugetlb pages included. Zero pages, which the
    /// kernel puts where anonymous memory was only read, cost nothing and do not count.
    pub resident_bytes: usize,
    /// Resident bytes, each page divided by the number of its mappers (PSS). Hugetlb pages, for
    /// which the kernel does not count them, are not divided.
    pub proportional_bytes: usize,
    /// Resident pages mapped more than once, by any processes, and as the backing has them.
    pub shared_clean_bytes: usize,
    /// Resident pages mapped more than once, and changed since they were last written back, or
    /// without a place to be written back to. Hugetlb pages count as dirty.
    pub shared_dirty_bytes: usize,
    /// Resident pages that this process alone maps, once, and as the backing has them.
    pub private_clean_bytes: usize,
    /// Resident pages that this process alone maps, once, and changed.
    pub private_dirty_bytes: usize,
    /// Resident pages that have been touched since the kernel, or somebody by `/proc/PID/clear_refs`, last took
    /// note. Of a part of a mapping, the whole's ratio. Hugetlb pages do not count.
    pub referenced_bytes: usize,
    /// Resident pages that belong to no file or shared-memory object, copies of private mappings
    /// included.
    pub anonymous_bytes: usize,
    /// Pages moved out to swap. Of a part of a shared-memory mapping, the kernel counts only what
    /// it moved out while the page was mapped.
    pub swapped_bytes: usize,
    /// Resident bytes in mappings that are locked. (`Locked` of smaps is a proportional figure.)
    pub locked_bytes: usize,
    /// Anonymous memory mapped with transparent huge pages.
    pub anonymous_huge_bytes: usize,
    /// Shared memory and files of tmpfs mapped with transparent huge pages.
    pub shmem_huge_bytes: usize,
    /// Files mapped with transparent huge pages.
    pub file_huge_bytes: usize,
    /// Pages of hugetlb.
    pub hugetlb_bytes: usize,
    /// The range ends inside a kernel mapping, and its clean, dirty, huge or proportional bytes
    /// could only be estimated; or it has hugetlb pages that are shared. See the
    /// [module](self#which-figure-comes-from-where).
    pub estimated: bool,
    /// The kernel mappings in the range, cut to it.
    pub mappings: Vec<Mapping>,
}

impl Costs {
    /// Of a range with nothing mapped.
    pub(crate) fn empty(span: Span) -> Self {
        Self {
            address: span.start(),
            length_bytes: span.length(),
            mapped_bytes: 0,
            page_size_bytes: 0,
            resident_bytes: 0,
            proportional_bytes: 0,
            shared_clean_bytes: 0,
            shared_dirty_bytes: 0,
            private_clean_bytes: 0,
            private_dirty_bytes: 0,
            referenced_bytes: 0,
            anonymous_bytes: 0,
            swapped_bytes: 0,
            locked_bytes: 0,
            anonymous_huge_bytes: 0,
            shmem_huge_bytes: 0,
            file_huge_bytes: 0,
            hugetlb_bytes: 0,
            estimated: false,
            mappings: Vec::new(),
        }
    }

    /// The addresses measured.
    pub fn range(&self) -> Range<usize> {
        self.address..self.address + self.length_bytes
    }

    /// Resident pages mapped more than once.
    pub fn shared_bytes(&self) -> usize {
        self.shared_clean_bytes.saturating_add(self.shared_dirty_bytes)
    }

    /// Resident pages that this process alone maps, once.
    pub fn private_bytes(&self) -> usize {
        self.private_clean_bytes.saturating_add(self.private_dirty_bytes)
    }

    /// Resident pages changed since they were last written back.
    pub fn dirty_bytes(&self) -> usize {
        self.shared_dirty_bytes.saturating_add(self.private_dirty_bytes)
    }

    /// Bytes mapped with transparent huge pages.
    pub fn transparent_huge_bytes(&self) -> usize {
        self.anonymous_huge_bytes
            .saturating_add(self.shmem_huge_bytes)
            .saturating_add(self.file_huge_bytes)
    }

    /// The protection, if it is the same all over the range.
    pub fn protection(&self) -> Option<Protection> {
        self.common(|mapping| mapping.protection)
    }

    /// The sharing, if it is the same all over the range.
    pub fn sharing(&self) -> Option<Sharing> {
        self.common(|mapping| mapping.sharing)
    }

    /// The backing at the start of the range, if all of the range shows that backing.
    pub fn backing(&self) -> Option<&Backing> {
        fn object(backing: &Backing) -> impl PartialEq + '_ {
            (backing.kind, &backing.path, &backing.name, backing.device, backing.inode)
        }
        let first = &self.mappings.first()?.backing;
        self.mappings
            .iter()
            .all(|mapping| object(&mapping.backing) == object(first))
            .then_some(first)
    }

    /// The flags that all of the range has.
    pub fn flags(&self) -> Flags {
        let mut all = self.mappings.iter().filter_map(|mapping| mapping.flags.as_ref());
        let mut flags = all.next().cloned().unwrap_or_default();
        all.for_each(|other| flags.retain_common(other));
        flags
    }

    fn common<T: PartialEq>(&self, of: impl Fn(&Mapping) -> T) -> Option<T> {
        let first = of(self.mappings.first()?);
        self.mappings.iter().all(|mapping| of(mapping) == first).then_some(first)
    }

    /// Adds the costs of a mapping that lies inside the range.
    pub(crate) fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.mapped_bytes, other.mapped_bytes),
            (&mut self.resident_bytes, other.resident_bytes),
            (&mut self.proportional_bytes, other.proportional_bytes),
            (&mut self.shared_clean_bytes, other.shared_clean_bytes),
            (&mut self.shared_dirty_bytes, other.shared_dirty_bytes),
            (&mut self.private_clean_bytes, other.private_clean_bytes),
            (&mut self.private_dirty_bytes, other.private_dirty_bytes),
            (&mut self.referenced_bytes, other.referenced_bytes),
            (&mut self.anonymous_bytes, other.anonymous_bytes),
            (&mut self.swapped_bytes, other.swapped_bytes),
            (&mut self.locked_bytes, other.locked_bytes),
            (&mut self.anonymous_huge_bytes, other.anonymous_huge_bytes),
            (&mut self.shmem_huge_bytes, other.shmem_huge_bytes),
            (&mut self.file_huge_bytes, other.file_huge_bytes),
            (&mut self.hugetlb_bytes, other.hugetlb_bytes),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.estimated |= other.estimated;
        self.mappings.extend(other.mappings);
    }

    /// Fills in `page_size_bytes` from the other figures.
    pub(crate) fn set_page_size(&mut self, base_page_bytes: usize) {
        let huge = self.transparent_huge_bytes();
        let smallest = self.mappings.iter().map(|mapping| mapping.page_size_bytes).min();
        let hugetlb = self
            .mappings
            .iter()
            .filter(|mapping| mapping.page_size_bytes > base_page_bytes)
            .map(|mapping| mapping.page_size_bytes)
            .min();
        let in_base = self.resident_bytes.saturating_sub(huge).saturating_sub(self.hugetlb_bytes);
        self.page_size_bytes = match (in_base, huge, hugetlb) {
            (1.., _, _) => Some(base_page_bytes),
            (0, 0, hugetlb) if self.hugetlb_bytes > 0 => hugetlb,
            (0, 0, _) => smallest,
            (0, _, _) => Some(transparent_huge_page_bytes()),
        }
        .unwrap_or(base_page_bytes);
    }

    /// The costs of a part of this mapping, from what was counted in the part.
    ///
    /// `self` is a whole kernel mapping as smaps has it.
    pub(crate) fn part(mut self, part: Span, tally: &Tally, base_page_bytes: usize) -> Self {
        let Some(mapping) = self.mappings.pop() else { return self };
        let has = |flag| mapping.flags.as_ref().is_some_and(|flags| flags.contains(flag));
        let is_hugetlb = self.hugetlb_bytes > 0 || has(Flag::Hugetlb);
        let is_whole = part == mapping.span();
        let mut estimated = is_hugetlb && self.estimated;

        // Without PAGEMAP_SCAN a zero page looks like an anonymous page that is shared. If the
        // whole has no shared page, all are zero pages. A huge page of zeros looks like a page of
        // a file, in memory that has none.
        let file = match mapping.backing.kind {
            BackingKind::Anonymous | BackingKind::Heap | BackingKind::Stack => 0,
            _ => tally.file,
        };
        let zero = match tally.zero_or_shared {
            0 => 0,
            doubtful if self.shared_bytes() == 0 => doubtful,
            _ => {
                estimated = true;
                0
            }
        };
        let resident = tally.resident - zero - (tally.file - file);
        let private = tally.exclusive.min(resident);
        let shared = resident - private;
        let anonymous = resident - file;

        let mut split = |class: usize, clean: usize, dirty: usize| {
            let least = class.saturating_sub(clean);
            let most = class.min(dirty);
            if least >= most {
                return least;
            }
            estimated = true;
            let pages = scaled(class, dirty, clean + dirty) / base_page_bytes;
            (pages * base_page_bytes).clamp(least, most)
        };
        let shared_dirty = split(shared, self.shared_clean_bytes, self.shared_dirty_bytes);
        let private_dirty = split(private, self.private_clean_bytes, self.private_dirty_bytes);

        let shared_share = match self.proportional_bytes.saturating_sub(self.private_bytes()) {
            _ if shared == 0 => 0,
            share if is_whole || shared == self.shared_bytes() => share,
            _ if is_hugetlb => shared,
            share => {
                estimated = true;
                scaled(share, shared, self.shared_bytes())
            }
        };

        let all_huge = self.transparent_huge_bytes();
        let huge = match tally.huge {
            _ if is_hugetlb => 0,
            Some(huge) => huge,
            None if all_huge == 0 => 0,
            None if all_huge == self.resident_bytes => resident,
            None => {
                estimated = true;
                scaled(all_huge, resident, self.resident_bytes)
            }
        };
        // A private mapping can have huge pages of its file beside huge copies: of these there
        // are no more than anonymous pages.
        let is_mixed = self.shmem_huge_bytes.saturating_add(self.file_huge_bytes) > 0;
        let anonymous_huge = if is_mixed || tally.file > 0 {
            huge.min(self.anonymous_huge_bytes).min(anonymous)
        } else {
            huge
        };
        let backing_huge = huge - anonymous_huge;
        let is_shmem = self.shmem_huge_bytes > 0
            || self.file_huge_bytes == 0 && mapping.backing.kind == BackingKind::SharedMemory;

        let is_locked = has(Flag::Locked);
        let mut costs = Self {
            mapped_bytes: part.length(),
            resident_bytes: resident,
            proportional_bytes: private + shared_share,
            shared_clean_bytes: shared - shared_dirty,
            shared_dirty_bytes: shared_dirty,
            private_clean_bytes: private - private_dirty,
            private_dirty_bytes: private_dirty,
            referenced_bytes: scaled(self.referenced_bytes, resident, self.resident_bytes),
            anonymous_bytes: if is_hugetlb { 0 } else { anonymous },
            // Markers of userfaultfd and of poisoned memory look like swapped pages.
            swapped_bytes: if is_whole {
                self.swapped_bytes
            } else {
                tally.swapped.min(self.swapped_bytes)
            },
            locked_bytes: if is_locked { resident } else { 0 },
            anonymous_huge_bytes: anonymous_huge,
            shmem_huge_bytes: if is_shmem { backing_huge } else { 0 },
            file_huge_bytes: if is_shmem { 0 } else { backing_huge },
            hugetlb_bytes: if is_hugetlb { resident } else { 0 },
            estimated,
            mappings: vec![mapping.clipped(part)],
            ..Self::empty(part)
        };
        costs.set_page_size(base_page_bytes);
        costs
    }
}

/// `value * numerator / denominator`, without overflow, and 0 where there is nothing to divide.
fn scaled(value: usize, numerator: usize, denominator: usize) -> usize {
    let product = value as u128 * numerator as u128;
    product.checked_div(denominator as u128).map_or(0, |share| share.min(value as u128) as usize)
}

/// The size of a transparent huge page that one entry of the page table's middle level maps.
fn transparent_huge_page_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(2 << 20)
    })
}
