//! `folio map` of a store: a pager maps it, within a budget.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ColorChoice;
use folio::Advice;
use folio_pager::{Budget, Paged, Pager, Replacement};
use folio_store::Store;

use crate::arguments::{Map, NamedAdvice, Output, PolicyName, Touch};
use crate::failure::Failure;
use crate::pagedreport::{PagedReport, Touched};
use crate::progress::{self, Unit};
use crate::storesource::StoreSource;
use crate::table::Page;
use crate::touch::Order;
use crate::{pagedtable, size, terminal};

/// Bytes in a page: the unit of touching.
pub const PAGE_BYTES: usize = 4096;
/// Bytes that are copied out of the mapping at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Maps a store, touches, and writes the result to standard output.
///
/// # Errors
/// What failed; a fault too, after the report.
pub fn run(arguments: &Map, source: StoreSource, color: ColorChoice) -> Result<(), Failure> {
    let fail = |error| Failure::of_pager(&error);
    let policy = policy(arguments.paging.policy);
    let budget = Budget::bytes(arguments.paging.memory_bytes()).replacement(policy);
    let pager = Pager::new(budget).map_err(fail)?;
    let StoreSource { store, backing, packing, guarantee, origin } = source;
    let is_fixed = store.capabilities().is_fixed_version();
    let map = map(&pager, arguments, store, origin)?;
    for advice in &arguments.advise {
        map.advise(.., advice.0).map_err(fail)?;
    }
    let mut touched = touch(&map, arguments)?;
    if arguments.output == Output::Raw {
        return match touched.error {
            Some(error) => Err(Failure::of_pager(&error)),
            None => write_raw(&map),
        };
    }
    let start = if origin > 0 { 0 } else { arguments.offset.unwrap_or_default() };
    let report = PagedReport {
        source: arguments.source.to_string_lossy().into_owned(),
        backing,
        packing,
        guarantee: guarantee.map(crate::pagedreport::guarantee),
        guarantee_words: guarantee.map(|guarantee| guarantee.to_string()),
        is_fixed_version: is_fixed,
        offset_bytes: origin + start,
        policy: name(policy),
        ..PagedReport::of(&pager, &map, origin, &mut touched)
    };
    write(&report, arguments.output, color).or_else(|error| Failure::of_output(&error))?;
    match touched.error {
        Some(error) => Err(Failure::of_pager(&error)),
        None => Ok(()),
    }
}

fn policy(name: Option<PolicyName>) -> Replacement {
    match name {
        None => Replacement::default(),
        Some(PolicyName::S3Fifo) => Replacement::S3Fifo,
        Some(PolicyName::Sieve) => Replacement::Sieve,
        Some(PolicyName::Clock) => Replacement::Clock,
    }
}

fn name(policy: Replacement) -> &'static str {
    match policy {
        Replacement::S3Fifo => "s3-fifo",
        Replacement::Sieve => "sieve",
        Replacement::Clock => "clock",
        _ => "other",
    }
}

fn map(
    pager: &Pager,
    arguments: &Map,
    store: Box<dyn Store>,
    origin: u64,
) -> Result<Paged, Failure> {
    let mut options = pager.options();
    let pattern = |advice: &&NamedAdvice| matches!(advice.0, Advice::Random | Advice::Sequential);
    if let Some(advice) = arguments.advise.iter().rev().find(pattern) {
        options = options.advice(advice.0);
    }
    if let Some(granule) = arguments.paging.granule {
        options = options.granule(granule);
    }
    // The memory of a process is cut to its part already. A larger granule would reach into holes.
    if origin > 0 {
        if arguments.paging.granule.is_none() {
            options = options.granule(PAGE_BYTES);
        }
        return options.map(store).map_err(|error| Failure::of_pager(&error));
    }
    if let Some(offset) = arguments.offset {
        options = options.offset(offset);
    }
    if let Some(length) = arguments.length {
        options = options.length(length);
    }
    options.map(store).map_err(|error| Failure::of_pager(&error))
}

/// Touches pages and reads the bytes to show.
fn touch(map: &Paged, arguments: &Map) -> Result<Touched, Failure> {
    let shown = arguments.bytes().min(map.len());
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(shown).is_err() {
        let size = size::exact(shown as u64);
        return Err(Failure::new(format!(
            "cannot show {size}: no memory for them: show fewer, or take them by --output raw"
        )));
    }
    let lead = map.as_ptr().addr() % PAGE_BYTES;
    let count = if map.is_empty() { 0 } else { (lead + map.len()).div_ceil(PAGE_BYTES) as u64 };
    let touch = arguments.touch();
    let (touched_pages, error) =
        progress::watch("touching", Unit::Pages, touch.of(count), |done| {
            touch_pages(map, touch, lead, count, done)
        });
    let mut touched = Touched { pages: count, touched_pages, bytes, error };
    touched.bytes.resize(shown, 0);
    if let Err(error) = map.read_at(0, &mut touched.bytes) {
        touched.bytes.clear();
        touched.error.get_or_insert(error);
    }
    Ok(touched)
}

/// Reads a byte of each page, up to the first that cannot be had; how many there were, and why it ended.
fn touch_pages(
    map: &Paged,
    touch: Touch,
    lead: usize,
    count: u64,
    done: &AtomicU64,
) -> (u64, Option<folio_pager::Error>) {
    let order = Order::new(count, RandomState::new().hash_one(0));
    let chosen = touch.of(count);
    for step in 0..chosen {
        let page = if let Touch::Random(_) = touch { order.at(step) } else { step };
        let position = (page as usize * PAGE_BYTES).saturating_sub(lead);
        if let Err(error) = map.read_at(position, &mut [0]) {
            return (step, Some(error));
        }
        done.store(step + 1, Ordering::Relaxed);
    }
    (chosen, None)
}

fn write_raw(map: &Paged) -> Result<(), Failure> {
    let mut out = match terminal::standard_output_file() {
        Ok(out) => out,
        Err(error) => return Failure::of_output(&error),
    };
    if out.is_terminal() {
        return stream(map, &mut out, &AtomicU64::new(0));
    }
    progress::watch("writing", Unit::Bytes, map.len() as u64, |done| stream(map, &mut out, done))
}

/// Writes all bytes. Those of the buffer that a fault is in are not written.
fn stream(map: &Paged, out: &mut impl Write, done: &AtomicU64) -> Result<(), Failure> {
    let mut buffer = vec![0; map.len().min(BUFFER_BYTES)];
    let mut at = 0;
    while at < map.len() {
        let count = buffer.len().min(map.len() - at);
        let bytes = &mut buffer[..count];
        map.read_at(at, bytes).map_err(|error| Failure::of_pager(&error))?;
        if let Err(error) = out.write_all(bytes) {
            return Failure::of_output(&error);
        }
        at += count;
        done.store(at as u64, Ordering::Relaxed);
    }
    out.flush().or_else(|error: io::Error| Failure::of_output(&error))
}

fn write(report: &PagedReport, output: Output, color: ColorChoice) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    match output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        _ => pagedtable::write(&mut out, report, Page::of_terminal())?,
    }
    out.flush()
}
