//! The report: all that was found out about a mapping, and its form as JSON.
//!
//! `docs/command.md` documents every key; figures are in bytes or pages, as their names say.

use folio::{BackingKind, Fault, FaultKind, Mapping, Sharing};
use folio_stat::{Costs, FaultCount, Flag, PageCache, Process, Residency};
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::touch::Pages;

/// What a mapping is and costs, and what happened to it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// SOURCE, as it was named.
    pub source: String,
    /// Where the bytes come from.
    pub backing: &'static str,
    /// The first byte mapped, counted in the backing.
    pub offset_bytes: u64,
    /// Address of the first byte.
    pub address: usize,
    /// Bytes mapped.
    pub length_bytes: usize,
    /// The page size really used, transparent huge pages included.
    pub page_size_bytes: usize,
    /// Pages the mapping spans: base pages, or huge pages if it is made of them.
    pub pages: u64,
    /// Bytes of one of those pages.
    #[serde(skip)]
    pub mapped_page_bytes: usize,
    /// What may be done with the bytes, such as `r--`.
    pub protection: String,
    /// `shared` or `private`.
    pub sharing: &'static str,
    /// The kernel's notes about the mapping.
    #[serde(serialize_with = "names")]
    pub flags: Vec<Flag>,
    /// Bytes of pages in memory that this mapping shows.
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
    /// Kept in memory by a lock.
    pub locked_bytes: usize,
    /// In transparent huge pages.
    pub transparent_huge_bytes: usize,
    /// In huge pages from the pool.
    pub hugetlb_bytes: usize,
    /// Pages that were touched.
    pub touched_pages: u64,
    /// Faults of touching them and reading the bytes shown, for which the page was in memory.
    pub minor_faults: u64,
    /// Those that waited for a read.
    pub major_faults: u64,
    /// Pages of the mapped part of the file in the page cache, by whomever.
    pub page_cache_resident_pages: Option<u64>,
    /// Those changed and not yet written back.
    pub page_cache_dirty_pages: Option<u64>,
    /// The first bytes.
    #[serde(serialize_with = "hexadecimal")]
    pub bytes: Vec<u8>,
    /// The first page that could not be had.
    pub fault: Option<FaultReport>,
    /// Which pages of the mapping are in memory.
    #[serde(skip)]
    pub residency: Residency,
    /// The part of the file that is in the page cache, or why that is not known.
    #[serde(skip)]
    pub page_cache: Option<Result<PageCache, folio_stat::Error>>,
}

/// A fault.
#[derive(Debug, Serialize)]
pub struct FaultReport {
    /// What went wrong.
    pub kind: &'static str,
    /// Where, in the backing.
    pub offset: u64,
    /// In words.
    pub reason: String,
}

/// What was done to a mapping before it is reported on.
#[derive(Debug, Default)]
pub struct Events {
    /// Pages that were touched.
    pub touched_pages: u64,
    /// The faults that took.
    pub faults: FaultCount,
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// Why it ended early.
    pub error: Option<folio::Error>,
}

impl Report {
    /// Looks at a mapping.
    ///
    /// # Errors
    /// Where `/proc` does not show this process's memory.
    pub fn of(map: &Mapping, source: String, events: &mut Events) -> Result<Self, Failure> {
        let pages = Pages::of(map);
        let range =
            if map.is_empty() { 0..0 } else { pages.address()..pages.address() + pages.span() };
        let process = Process::current()?;
        let costs = process.costs(range.clone())?;
        let page_cache = page_cache(map);
        let known = page_cache.as_ref().and_then(|cache| cache.as_ref().ok());
        Ok(Self {
            source,
            backing: backing(map.backing().kind()),
            offset_bytes: map.offset(),
            address: map.address(),
            length_bytes: map.len(),
            page_size_bytes: costs.page_size_bytes,
            pages: pages.count(),
            mapped_page_bytes: map.page_size(),
            protection: protection(map, &costs),
            sharing: sharing(map, &costs),
            flags: costs.flags().iter().collect(),
            resident_bytes: costs.resident_bytes,
            proportional_bytes: costs.proportional_bytes,
            shared_clean_bytes: costs.shared_clean_bytes,
            shared_dirty_bytes: costs.shared_dirty_bytes,
            private_clean_bytes: costs.private_clean_bytes,
            private_dirty_bytes: costs.private_dirty_bytes,
            anonymous_bytes: costs.anonymous_bytes,
            swapped_bytes: costs.swapped_bytes,
            locked_bytes: costs.locked_bytes,
            transparent_huge_bytes: costs.transparent_huge_bytes(),
            hugetlb_bytes: costs.hugetlb_bytes,
            touched_pages: events.touched_pages,
            minor_faults: events.faults.minor,
            major_faults: events.faults.major,
            page_cache_resident_pages: known.map(|cache| cache.resident_pages),
            page_cache_dirty_pages: known.and_then(|cache| cache.dirty_pages),
            bytes: std::mem::take(&mut events.bytes),
            fault: events.error.as_ref().and_then(folio::Error::fault).map(FaultReport::of),
            residency: process.residency(range)?,
            page_cache,
        })
    }
}

impl FaultReport {
    fn of(fault: &Fault) -> Self {
        let kind = match fault.kind() {
            FaultKind::Truncated => "truncated",
            FaultKind::Io => "io",
            FaultKind::NoSpace => "no-space",
            FaultKind::Poison => "poison",
            FaultKind::Protection => "protection",
            _ => "unexplained",
        };
        let text = fault.to_string();
        let backing = format!("{}: ", fault.backing());
        let reason = text.strip_prefix(&backing).unwrap_or(&text).to_owned();
        Self { kind, offset: fault.offset(), reason }
    }
}

/// What the kernel says, which it says of mappings that are not empty.
fn protection(map: &Mapping, costs: &Costs) -> String {
    costs.protection().map_or_else(|| map.protection().to_string(), |known| known.to_string())
}

fn sharing(map: &Mapping, costs: &Costs) -> &'static str {
    let shared = match costs.sharing() {
        Some(sharing) => sharing == folio_stat::Sharing::Shared,
        None => map.sharing() == Sharing::Shared,
    };
    if shared { "shared" } else { "private" }
}

fn backing(kind: BackingKind) -> &'static str {
    match kind {
        BackingKind::Anonymous => "anonymous",
        BackingKind::File => "file",
        BackingKind::SharedMemory => "shared-memory",
        BackingKind::Secret => "secret",
        BackingKind::CharacterDevice => "character-device",
        BackingKind::BlockDevice => "block-device",
        _ => "other",
    }
}

/// Of the part of the file that is mapped; `None` for what has no page cache.
fn page_cache(map: &Mapping) -> Option<Result<PageCache, folio_stat::Error>> {
    let end = map.offset().saturating_add(map.len() as u64);
    match PageCache::of(map.file()?, map.offset()..end) {
        Err(error) if error.kind() == folio_stat::ErrorKind::Unsupported => None,
        known => Some(known),
    }
}

fn names<S: Serializer>(flags: &[Flag], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(flags.iter().map(Flag::to_string))
}

pub(crate) fn hexadecimal<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&text)
}
