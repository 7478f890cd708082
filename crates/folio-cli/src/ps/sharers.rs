//! Who shows the same physical frames.
//!
//! The page tables of all other processes are searched where the same frames can be: in mappings of the
//! same file or object, and, for pages that are the process's own, in private memory (after a fork(2)).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use folio_stat::{Mapping, Process, Sharing};

use crate::ps::detail::Part;

/// Where a run of frames was found: the part, and the run in it.
type Place = (usize, usize);

/// Fills in [`shared_with`](crate::ps::detail::Run::shared_with) of runs whose frames are known: processes
/// that end meanwhile, or refuse, are left out.
pub(crate) fn find(process: &Process, parts: &mut [Part]) {
    let page_bytes = rustix::param::page_size();
    // Runs by their first frame. A frame that lies in the range twice is in two runs.
    let mut places: BTreeMap<u64, Vec<(u64, Place)>> = BTreeMap::new();
    let mut objects = HashSet::new();
    let mut has_own = false;
    for (part_index, part) in parts.iter_mut().enumerate() {
        for (run_index, run) in part.runs.iter_mut().enumerate() {
            let Some(frame) = run.frame else { continue };
            run.shared_with = Some(Vec::new());
            if run.is_shared {
                let pages = (run.length_bytes / page_bytes) as u64;
                places.entry(frame).or_default().push((frame + pages, (part_index, run_index)));
                has_own |= !run.is_of_backing;
                objects.insert(object(&part.costs.mappings[0]));
            }
        }
    }
    if places.is_empty() {
        return;
    }
    let may_show = |mapping: &Mapping| {
        let is_private = mapping.sharing == Sharing::Private;
        objects.contains(&object(mapping)) || has_own && is_private
    };
    let others =
        Process::pids().unwrap_or_default().into_iter().filter(|pid| *pid != process.pid());
    for other in others.filter_map(|pid| Process::of(pid).ok()) {
        let Ok(mappings) = other.mappings() else { continue };
        let mut found = BTreeSet::new();
        for mapping in mappings.iter().filter(|mapping| may_show(mapping)) {
            for run in other.frame_runs(mapping.range()).unwrap_or_default() {
                let Some(frame) = run.frame.filter(|_| run.state.is_shared) else { continue };
                let end = frame + (run.length_bytes / page_bytes) as u64;
                found.extend(overlapping(&places, frame..end));
            }
        }
        for (part, run) in found {
            if let Some(pids) = &mut parts[part].runs[run].shared_with {
                pids.push(other.pid());
            }
        }
    }
}

/// What tells one file or object from another.
fn object(mapping: &Mapping) -> ((u32, u32), u64) {
    (mapping.backing.device, mapping.backing.inode)
}

/// The runs that have a frame in common with these.
fn overlapping(
    places: &BTreeMap<u64, Vec<(u64, Place)>>,
    frames: Range<u64>,
) -> impl Iterator<Item = Place> + '_ {
    // Runs do not overlap but where a frame lies in the range twice: few begin before and reach in.
    places
        .range(..frames.end)
        .rev()
        .take_while(move |(first, runs)| {
            **first >= frames.start || runs.iter().any(|(end, _)| *end > frames.start)
        })
        .flat_map(|(_, runs)| runs.iter().map(|(_, place)| *place))
}
