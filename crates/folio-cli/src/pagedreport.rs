//! The report on a store that a pager maps, and its form as JSON.
//!
//! `docs/command.md` documents every key. Keys that mappings by the kernel have too mean the same.

use std::time::Duration;

use folio_pager::{Fault, Paged, Pager};
use folio_stat::Paging;
use folio_store::ErrorKind;
use folio_store_object::Guarantee;
use serde::Serialize;

use crate::pagedmap::PAGE_BYTES;
use crate::report::{FaultReport, hexadecimal};

/// Cells in the strip of residency, at most.
const CELLS: usize = 64;

/// What a paged mapping is and costs, and what happened to it.
#[derive(Debug, Default, Serialize)]
pub struct PagedReport {
    /// SOURCE, as it was named.
    pub source: String,
    /// Where the bytes come from.
    pub backing: &'static str,
    /// What they are unpacked from.
    pub packing: Option<&'static str>,
    /// What keeps versions of an object apart.
    pub guarantee: Option<&'static str>,
    /// The same in words.
    #[serde(skip)]
    pub guarantee_words: Option<String>,
    /// Whether the bytes stay what they are, or are errors.
    pub is_fixed_version: bool,
    /// The first byte mapped, counted in the store.
    pub offset_bytes: u64,
    /// Address of the first byte.
    pub address: usize,
    /// Bytes mapped.
    pub length_bytes: usize,
    /// Bytes in a page.
    pub page_size_bytes: usize,
    /// Pages the mapping spans.
    pub pages: u64,
    /// Bytes that are loaded and evicted at once.
    pub granule_bytes: usize,
    /// What may be done with the bytes.
    pub protection: &'static str,
    /// The budget.
    pub memory_bytes: u64,
    /// What of it is in use: pages in memory, and buffers.
    pub memory_used_bytes: u64,
    /// Bytes of the mapping in memory.
    pub resident_bytes: u64,
    /// Which granule gives up its memory.
    pub policy: &'static str,
    /// How pages are filled.
    pub mechanism: &'static str,
    /// Pages that were touched.
    pub touched_pages: u64,
    /// Pages that were touched and missing.
    pub page_faults: u64,
    /// Of those, pages whose granule was in memory.
    pub hits: u64,
    /// Granules loaded because they were touched.
    pub loaded_granules: u64,
    /// Granules loaded ahead.
    pub prefetched_granules: u64,
    /// Of those, granules that were touched.
    pub prefetched_hits: u64,
    /// Granules that the store could not deliver.
    pub failed_granules: u64,
    /// Granules evicted.
    pub evicted_granules: u64,
    /// Bytes read from the store, unpacked.
    pub read_bytes: u64,
    /// How long threads stood still: the lengths that there were.
    pub stalls: Vec<Stalls>,
    /// The length that half of them did not exceed, to a factor of two.
    pub stall_median_nanoseconds: Option<u64>,
    /// The length that 99 of 100 did not exceed, to a factor of two.
    pub stall_p99_nanoseconds: Option<u64>,
    /// The first bytes.
    #[serde(serialize_with = "hexadecimal")]
    pub bytes: Vec<u8>,
    /// The first granule that could not be had.
    pub fault: Option<FaultReport>,
    /// The part in memory of each of some equal parts.
    #[serde(skip)]
    pub residency: Vec<f64>,
}

/// Stalls of about one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stalls {
    /// They were shorter than this, and at least half as long.
    pub below_nanoseconds: u64,
    /// How many.
    pub count: u64,
}

/// What touching came to.
#[derive(Debug, Default)]
pub struct Touched {
    /// Pages there are.
    pub pages: u64,
    /// Pages that were touched.
    pub touched_pages: u64,
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// Why it ended early.
    pub error: Option<folio_pager::Error>,
}

impl PagedReport {
    /// Looks at a mapping: all but what only its source tells.
    pub fn of(pager: &Pager, map: &Paged, origin: u64, touched: &mut Touched) -> Self {
        let statistics = map.statistics();
        let resident = map.residency(..).map_or(0, |residency| residency.resident_bytes);
        let fault = touched.error.as_ref().and_then(folio_pager::Error::fault);
        Self {
            address: map.as_ptr().addr(),
            length_bytes: map.len(),
            page_size_bytes: PAGE_BYTES,
            pages: touched.pages,
            granule_bytes: map.granule_bytes(),
            protection: "r--",
            memory_bytes: pager.budget().limit_bytes(),
            memory_used_bytes: pager.charged_bytes(),
            resident_bytes: resident,
            mechanism: pager.mechanism(),
            touched_pages: touched.touched_pages,
            page_faults: statistics.faults,
            hits: statistics.hits,
            loaded_granules: statistics.loads,
            prefetched_granules: statistics.prefetched,
            prefetched_hits: statistics.prefetch_hits,
            failed_granules: statistics.failures,
            evicted_granules: statistics.evictions,
            read_bytes: statistics.read_bytes,
            stalls: stalls(&statistics),
            stall_median_nanoseconds: quantile(&statistics, 0.5),
            stall_p99_nanoseconds: quantile(&statistics, 0.99),
            fault: fault.map(|fault| fault_report(fault, origin)),
            bytes: std::mem::take(&mut touched.bytes),
            residency: residency(map),
            ..Self::default()
        }
    }
}

/// The guarantee's name in JSON.
pub fn guarantee(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::VersionId => "version-id",
        Guarantee::IfMatch => "if-match",
        Guarantee::ComparedAfterwards => "compared-afterwards",
        Guarantee::Unchecked => "unchecked",
        _ => "other",
    }
}

fn stalls(statistics: &Paging) -> Vec<Stalls> {
    let buckets = statistics.stalls.iter().enumerate();
    let stalls = buckets.map(|(bucket, &count)| Stalls { below_nanoseconds: 2 << bucket, count });
    stalls.filter(|stalls| stalls.count > 0).collect()
}

fn quantile(statistics: &Paging, share: f64) -> Option<u64> {
    statistics.stall_quantile(share).map(|time: Duration| time.as_nanos() as u64)
}

fn fault_report(fault: &Fault, origin: u64) -> FaultReport {
    let kind = match fault.kind() {
        ErrorKind::NotFound => "not-found",
        ErrorKind::Denied => "denied",
        ErrorKind::Changed => "changed",
        ErrorKind::Truncated => "truncated",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Io => "io",
        _ => "unexplained",
    };
    let error = fault.store_error();
    let text = error.to_string();
    let reason = text.split_once(": ").map_or(&*text, |(_, reason)| reason).to_owned();
    let offset = fault.offset().saturating_add(origin);
    FaultReport { kind, offset, reason }
}

/// How much of each of some equal parts of a mapping is in memory.
fn residency(map: &Paged) -> Vec<f64> {
    let granules = map.len().div_ceil(map.granule_bytes());
    let cells = granules.min(CELLS);
    let bound = |cell: usize| (map.len() as u128 * cell as u128 / cells as u128) as usize;
    let part = |cell: usize| match map.residency(bound(cell)..bound(cell + 1)) {
        Ok(part) if part.total_bytes > 0 => part.resident_bytes as f64 / part.total_bytes as f64,
        _ => 0.0,
    };
    (0..cells).map(part).collect()
}
