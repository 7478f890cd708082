//! What lies in a range of addresses: mappings, and the pages of each in runs of the same state.
//!
//! 1. The mappings that the range touches, with their costs (smaps).
//! 2. The pages of the range, from the page table; with `--frames`, in runs that are contiguous in physical
//!    memory and alike there too, and the processes that show the same frames.
//! 3. Whether a page is dirty is in neither. Where no page of its mapping that is shared, or private, as it is
//!    has changed, it has not; where all have, it has; else root's view of the frame says so if the kernel
//!    has noted it there already, and otherwise it is not known.

use std::ops::Range;

use folio_stat::{Costs, Frame, Frames, Mapping, PageRun, PageState, Process};
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::ps::sharers;
use crate::ps::span::AddressSpan;

/// The part of a mapping that was asked for.
#[derive(Debug)]
pub struct Part {
    /// The mapping, whole.
    pub costs: Costs,
    /// Its pages that were asked for.
    pub runs: Vec<Run>,
}

/// Neighbouring pages that are alike.
#[derive(Debug, Serialize)]
pub struct Run {
    /// The first address.
    pub address: usize,
    /// Bytes, whole pages.
    pub length_bytes: usize,
    /// The place of the first page in its file or object.
    pub offset_bytes: Option<u64>,
    /// `resident`, `absent`, `swapped`, `zero` or `guard`.
    pub state: &'static str,
    /// Whether the pages are a file's or an object's, and not the process's own.
    pub is_of_backing: bool,
    /// Mapped more than once.
    pub is_shared: bool,
    /// Changed since written back.
    pub is_dirty: Option<bool>,
    /// In huge pages.
    pub is_huge: Option<bool>,
    /// The physical frame of the first page.
    pub frame: Option<u64>,
    /// How often each page is mapped.
    pub mappers: Option<u64>,
    /// What else root sees of the frames.
    #[serde(serialize_with = "notes")]
    pub notes: Option<Frame>,
    /// The other processes that show any of the frames.
    pub shared_with: Option<Vec<u32>>,
}

/// Looks at a range of addresses of a process.
///
/// # Errors
/// Where nothing is mapped there, or the process cannot be read; with frames, for all but root.
pub fn of(process: &Process, at: &AddressSpan, with_frames: bool) -> Result<Vec<Part>, Failure> {
    let frames = match with_frames {
        true => Some(Frames::open()?),
        // What root sees anyway.
        false => Frames::open().ok(),
    };
    let wanted = at.range();
    let touches =
        |mapping: &Mapping| mapping.address < wanted.end && wanted.start < mapping.range().end;
    let all = process.costs_by_mapping()?;
    let next =
        all.iter().map(|costs| &costs.mappings[0]).find(|mapping| mapping.address >= wanted.end);
    let next = next
        .map_or_else(String::new, |next| format!(": the next mapping is at {:#x}", next.address));
    let found: Vec<_> = all.into_iter().filter(|costs| touches(&costs.mappings[0])).collect();
    if found.is_empty() {
        let pid = process.pid();
        return Err(Failure::new(format!(
            "nothing is mapped at {:#x} in process {pid}{next}",
            wanted.start
        )));
    }
    let mut parts = Vec::new();
    for costs in found {
        let range = match with_frames && at.is_one() {
            true => costs.range(),
            false => wanted.start.max(costs.range().start)..wanted.end.min(costs.range().end),
        };
        let runs = match with_frames {
            true => process.frame_runs(range)?,
            false => process.page_runs(range)?,
        };
        let runs = match &frames {
            Some(frames) => alike(runs, frames, with_frames)?,
            None => runs.into_iter().map(|run| (run, None)).collect(),
        };
        let runs = runs.into_iter().map(|(run, frame)| Run::of(&run, frame, &costs)).collect();
        parts.push(Part { costs, runs });
    }
    if with_frames {
        if is_hidden(&parts) {
            return Err(Failure::new(format!(
                "cannot read the frames of process {}: the kernel shows none: it takes CAP_SYS_ADMIN",
                process.pid()
            )));
        }
        sharers::find(process, &mut parts);
    }
    Ok(parts)
}

/// Whether pages are in memory, and none has a frame.
fn is_hidden(parts: &[Part]) -> bool {
    let mut resident =
        parts.iter().flat_map(|part| &part.runs).filter(|run| run.state == "resident");
    resident.clone().next().is_some() && resident.all(|run| run.frame.is_none())
}

/// Cuts runs where the frames differ. If they are not asked for, only what is one page is looked at.
fn alike(
    runs: Vec<PageRun>,
    frames: &Frames,
    all: bool,
) -> Result<Vec<(PageRun, Option<Frame>)>, Failure> {
    let page_bytes = rustix::param::page_size();
    let mut cut: Vec<(PageRun, Option<Frame>)> = Vec::new();
    for mut run in runs {
        let pages = run.length_bytes / page_bytes;
        let Some(first) = run.frame.filter(|_| all || pages == 1) else {
            run.frame = None;
            cut.push((run, None));
            continue;
        };
        let known = frames.read(first, pages)?;
        let mut from = 0;
        for page in 1..=pages {
            if page == pages || known.get(page) != known.get(from) {
                let part = run.part(from * page_bytes..page * page_bytes);
                cut.push((part, known.get(from).copied()));
                from = page;
            }
        }
    }
    Ok(cut)
}

impl Run {
    fn of(run: &PageRun, frame: Option<Frame>, costs: &Costs) -> Self {
        let mapping = &costs.mappings[0];
        let state = &run.state;
        let offset =
            mapping.backing.offset_bytes.saturating_add((run.address - mapping.address) as u64);
        Self {
            address: run.address,
            length_bytes: run.length_bytes,
            offset_bytes: has_offsets(mapping).then_some(offset),
            state: name(state),
            is_of_backing: state.is_of_file,
            is_shared: state.is_shared,
            is_dirty: is_dirty(state, frame, costs),
            is_huge: state.is_huge,
            frame: run.frame,
            mappers: frame.map(|frame| frame.mappers),
            notes: frame,
            shared_with: None,
        }
    }

    /// The addresses.
    pub fn range(&self) -> Range<usize> {
        self.address..self.address + self.length_bytes
    }
}

/// Whether what a mapping shows is a file or an object, in which a byte has a place.
pub(crate) fn has_offsets(mapping: &Mapping) -> bool {
    mapping.backing.inode != 0 || mapping.backing.path.is_some()
}

fn name(state: &PageState) -> &'static str {
    match state {
        state if state.is_guard => "guard",
        state if state.is_zero == Some(true) => "zero",
        state if state.is_resident => "resident",
        state if state.is_swapped => "swapped",
        _ => "absent",
    }
}

fn is_dirty(state: &PageState, frame: Option<Frame>, costs: &Costs) -> Option<bool> {
    if !state.is_resident || state.is_zero == Some(true) {
        return None;
    }
    let (clean, dirty) = match state.is_shared {
        true => (costs.shared_clean_bytes, costs.shared_dirty_bytes),
        false => (costs.private_clean_bytes, costs.private_dirty_bytes),
    };
    match (clean, dirty) {
        (0, 1..) => Some(true),
        (1.., 0) => Some(false),
        _ => frame.filter(|frame| frame.is_dirty).map(|_| true),
    }
}

/// What is worth a word, of what root sees.
pub(crate) fn words(frame: &Frame) -> Vec<&'static str> {
    [
        (frame.is_under_write_back, "under-write-back"),
        (frame.is_of_large_folio, "large-folio"),
        (frame.is_hugetlb, "hugetlb"),
        (frame.is_merged, "merged"),
        (frame.is_unevictable, "unevictable"),
        (frame.is_poisoned, "poisoned"),
        (frame.is_zero, "zero"),
    ]
    .into_iter()
    .filter_map(|(has, word)| has.then_some(word))
    .collect()
}

fn notes<S: Serializer>(frame: &Option<Frame>, serializer: S) -> Result<S::Ok, S::Error> {
    frame.as_ref().map(words).serialize(serializer)
}
