//! The report: all that a profile says, with names in the place of numbers. It is the JSON.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use serde::Serialize;

use crate::faults::advice::{self, Advice, Transparent};
use crate::faults::codemap::CodeMap;
use crate::faults::heat::Heat;
use crate::faults::home::Home;
use crate::faults::lines::Line;
use crate::faults::profile::{Figures, Frame, Profile, SHORT, Touch};
use crate::faults::space::Id;
use crate::faults::symbols::Symbols;
use crate::faults::watch::Watched;

/// Functions of a backing that are named.
const FUNCTIONS: usize = 10;

/// All that was found out.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// COMMAND, if there was one.
    pub command: Option<Vec<String>>,
    /// The process that was watched, if it was named.
    pub process: Option<u32>,
    /// COMMAND's exit status, or 128 and the signal that ended it.
    pub status: Option<u8>,
    /// How long it was watched.
    pub elapsed_nanoseconds: u64,
    /// All page faults.
    #[serde(flatten)]
    pub total: Counts,
    /// Those within system calls, where they are seen.
    pub kernel_faults: u64,
    /// Whether they are.
    pub sees_kernel_faults: bool,
    /// What the events counted.
    pub counted_faults: u64,
    /// Those of them that nothing more is known of.
    pub missed_faults: u64,
    /// Records that found no room.
    pub lost_records: u64,
    /// Bytes in which a processor's records waited to be read.
    pub ring_bytes: u64,
    /// Whether more memory could not be locked for them.
    #[serde(skip)]
    pub rings_are_limited: bool,
    /// Page faults with a call chain of one or two frames.
    pub short_chains: u64,
    /// The kernel's count for COMMAND and the children that it has waited for (getrusage(2)).
    pub usage_minor_faults: Option<u64>,
    /// The same of major ones.
    pub usage_major_faults: Option<u64>,
    /// What would help.
    pub advice: Vec<Advice>,
    /// By backing, those first that threads stood still for longest.
    pub backings: Vec<OfBacking>,
    /// By process, likewise.
    pub processes: Vec<OfProcess>,
    /// By call chain.
    #[serde(skip)]
    pub chains: Vec<Chain>,
}

/// Numbers of page faults, and nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The page was in memory.
    pub minor_faults: u64,
    /// It was waited for.
    pub major_faults: u64,
    /// They ended in a signal.
    pub signalled_faults: u64,
    /// A system call failed for them.
    pub failed_faults: u64,
    /// How long threads stood still.
    pub stall_nanoseconds: u64,
    /// For the major ones.
    pub major_stall_nanoseconds: u64,
}

impl Counts {
    /// All but those that failed.
    pub fn faults(&self) -> u64 {
        self.minor_faults + self.major_faults + self.signalled_faults
    }
}

impl From<&Figures> for Counts {
    fn from(figures: &Figures) -> Self {
        Self {
            minor_faults: figures.minor,
            major_faults: figures.major,
            signalled_faults: figures.signalled,
            failed_faults: figures.failed,
            stall_nanoseconds: figures.stall(),
            major_stall_nanoseconds: figures.major_stall,
        }
    }
}

/// The page faults of a backing.
#[derive(Debug, Clone, Serialize)]
pub struct OfBacking {
    /// Its path, or what the kernel calls it.
    pub name: String,
    /// What kind it is, in the words of folio-stat.
    pub kind: String,
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
    /// Those a little behind the one before.
    pub in_order_faults: u64,
    /// Who took them.
    pub functions: Vec<OfFunction>,
    /// Where and when, for what has offsets.
    #[serde(serialize_with = "serialize_heat")]
    pub heat: Option<Heat>,
}

/// The page faults of a function, in a backing.
#[derive(Debug, Clone, Serialize)]
pub struct OfFunction {
    /// The function.
    pub function: String,
    /// Who called it.
    pub caller: Option<String>,
    /// The file of source code where it stood still for longest, if that is known.
    pub source_file: Option<String>,
    /// The line in it.
    pub source_line: Option<u32>,
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The page faults of a process.
#[derive(Debug, Clone, Serialize)]
pub struct OfProcess {
    /// Its number.
    pub process: u32,
    /// The program's name.
    pub name: String,
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The page faults of a call chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The process, functions from the outermost on, the backing.
    pub frames: Vec<Arc<str>>,
    /// How many.
    pub counts: Counts,
}

impl Report {
    /// What was watched, of a command or a process.
    pub(crate) fn of(watched: Watched, command: &[OsString], process: Option<u32>) -> Self {
        let profile = &watched.profile;
        let elapsed = u64::try_from(watched.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let mut names = Names::of(profile);
        let chains: Vec<_> =
            profile.by_touch.iter().map(|(touch, figures)| names.chain(touch, figures)).collect();
        let mut functions = names.functions();
        let transparent = Transparent::of_machine();
        let mut advice = Vec::new();
        let mut backings: Vec<_> = profile.by_backing.iter().collect();
        backings.sort_by_key(|(id, of)| Reverse((of.figures.stall(), of.figures.count(), **id)));
        // Those that matter most have their lines first.
        let backings = backings.into_iter().map(|(id, of)| {
            let backing = id.map(|id| profile.backing(id));
            if let Some(backing) = backing {
                advice.extend(advice::on(backing, of, elapsed, transparent));
            }
            let functions = functions.remove(id).unwrap_or_default();
            OfBacking {
                name: backing.map_or("unknown".into(), ToString::to_string),
                kind: backing.map_or("unknown".into(), |backing| backing.kind.to_string()),
                counts: (&of.figures).into(),
                in_order_faults: of.in_order,
                functions: functions.into_iter().map(|one| names.with_line(one)).collect(),
                heat: backing.filter(|backing| backing.path.is_some()).map(|_| of.heat.clone()),
            }
        });
        let backings = backings.collect();
        let mut processes: Vec<_> = profile
            .by_process
            .iter()
            .map(|((process, name), figures)| {
                let (process, name) = (*process, name.to_string());
                OfProcess { process, name, counts: figures.into() }
            })
            .collect();
        processes.sort_by_key(|one| {
            Reverse((one.counts.stall_nanoseconds, one.counts.faults(), one.process))
        });
        let counted = watched.counts.0 + watched.counts.1;
        let seen = profile.total.minor + profile.total.major;
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        Self {
            command: (!command.is_empty()).then(|| command.iter().map(text).collect()),
            process,
            status: watched.status.map(status),
            elapsed_nanoseconds: elapsed,
            total: (&profile.total).into(),
            kernel_faults: profile.in_kernel,
            sees_kernel_faults: watched.sees_kernel,
            counted_faults: counted,
            missed_faults: counted.saturating_sub(seen),
            lost_records: profile.lost,
            ring_bytes: watched.ring_bytes as u64,
            rings_are_limited: watched.rings_are_limited,
            // Those that were to be short are no news.
            short_chains: match usize::from(watched.most_frames) {
                SHORT.. => profile.short_chains,
                _ => 0,
            },
            usage_minor_faults: watched.usage.map(|usage| usage.0),
            usage_major_faults: watched.usage.map(|usage| usage.1),
            advice,
            backings,
            processes,
            chains,
        }
    }
}

/// An exit status as a shell has it.
fn status(status: std::process::ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Names of what a profile has numbers for.
struct Names<'a> {
    profile: &'a Profile,
    symbols: Symbols,
    /// Of code that was made at run time, by process.
    code_maps: HashMap<u32, Option<CodeMap>>,
    known: HashMap<Frame, Arc<str>>,
}

impl<'a> Names<'a> {
    fn of(profile: &'a Profile) -> Self {
        let (code_maps, known) = (HashMap::new(), HashMap::new());
        Self { profile, symbols: Symbols::default(), code_maps, known }
    }

    fn frame(&mut self, frame: Frame) -> Arc<str> {
        let Self { profile, symbols, code_maps, known } = self;
        let mut generated = |process: u32| {
            let read = || profile.homes.get(&process).and_then(Home::code_map);
            code_maps.entry(process).or_insert_with(read).as_ref()?.at(frame.at)
        };
        let name = || match (frame.process.and_then(&mut generated), frame.backing) {
            (Some(name), _) => name.into(),
            (None, Some(id)) => symbols.name(profile.backing(id), frame.at),
            (None, None) => format!("{:#x}", frame.at).into(),
        };
        known.entry(frame).or_insert_with(name).clone()
    }

    fn backing(&self, touch: &Touch) -> Arc<str> {
        let name = touch.backing.map(|id| self.profile.backing(id).to_string());
        name.map_or("unknown".into(), Arc::from)
    }

    fn chain(&mut self, touch: &Touch, figures: &Figures) -> Chain {
        let mut frames = vec![touch.process.clone()];
        frames.extend(touch.frames.iter().rev().map(|&frame| self.frame(frame)));
        if touch.in_kernel {
            frames.push("[system call]".into());
        }
        frames.push(self.backing(touch));
        Chain { frames, counts: figures.into() }
    }

    fn line(&mut self, place: Frame) -> Option<Line> {
        let Frame { backing, process, at } = place;
        let backing = self.profile.backing(backing.filter(|_| process.is_none())?);
        self.symbols.line(backing, at)
    }

    /// By backing, those first that stood still for longest.
    fn functions(&mut self) -> HashMap<Option<Id>, Vec<(Of, Places)>> {
        let mut sums: HashMap<_, HashMap<_, Places>> = HashMap::new();
        let profile = self.profile;
        for (touch, figures) in &profile.by_touch {
            let mut frames = touch.frames.iter().map(|&frame| self.frame(frame));
            let function = match touch.in_kernel {
                true => Some("[system call]".into()),
                false => frames.next(),
            };
            let Some(function) = function else { continue };
            let key = (function, frames.next());
            let place = touch.frames.first().copied().filter(|_| !touch.in_kernel);
            sums.entry(touch.backing).or_default().entry(key).or_default().add(place, figures);
        }
        let list = |sums: HashMap<Of, Places>| {
            let mut list: Vec<_> = sums.into_iter().collect();
            list.sort_by_cached_key(|(of, places)| {
                let figures = &places.figures;
                (Reverse((figures.stall(), figures.count())), of.clone())
            });
            list.truncate(FUNCTIONS);
            list
        };
        sums.into_iter().map(|(backing, sums)| (backing, list(sums))).collect()
    }

    /// With the line where it touched memory.
    fn with_line(&mut self, ((function, caller), places): (Of, Places)) -> OfFunction {
        let line = places.longest().and_then(|place| self.line(place));
        let (source_file, source_line) = line.map(|line| (line.file, line.number)).unzip();
        OfFunction {
            function: function.to_string(),
            caller: caller.map(|name| name.to_string()),
            source_file,
            source_line,
            counts: (&places.figures).into(),
        }
    }
}

/// A function, and who called it.
type Of = (Arc<str>, Option<Arc<str>>);

/// Where a function touched memory.
#[derive(Debug, Default)]
struct Places {
    figures: Figures,
    by_place: HashMap<Frame, Figures>,
}

impl Places {
    fn add(&mut self, place: Option<Frame>, figures: &Figures) {
        self.figures.add(figures);
        if let Some(place) = place {
            self.by_place.entry(place).or_default().add(figures);
        }
    }

    /// Where threads stood still for longest; of places that are alike, the first.
    fn longest(&self) -> Option<Frame> {
        let weight = |place: &Frame, of: &Figures| (of.stall(), of.count(), Reverse(place.at));
        let longest = self.by_place.iter().max_by_key(|(place, of)| weight(place, of));
        longest.map(|(place, _)| *place)
    }
}

/// Its steps, and the cells in which something happened.
fn serialize_heat<S: serde::Serializer>(
    heat: &Option<Heat>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Cell {
        offset_bytes: u64,
        time_nanoseconds: u64,
        faults: u64,
        stall_nanoseconds: u64,
    }
    #[derive(Serialize)]
    struct Cells {
        offset_step_bytes: u64,
        time_step_nanoseconds: u64,
        cells: Vec<Cell>,
    }
    let cells = heat.as_ref().map(|heat| Cells {
        offset_step_bytes: heat.offset_step_bytes(),
        time_step_nanoseconds: heat.time_step_nanoseconds(),
        cells: heat
            .cells()
            .into_iter()
            .map(|(offset_bytes, time_nanoseconds, cell)| Cell {
                offset_bytes,
                time_nanoseconds,
                faults: cell.faults,
                stall_nanoseconds: cell.stall_nanoseconds,
            })
            .collect(),
    });
    cells.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_function_the_place_counts_that_stood_still_for_longest_in_all_chains() {
        let mut places = Places::default();
        let place = |at| Some(Frame { backing: Some(1), process: None, at });
        let stall = |minor_stall| Figures { minor: 1, minor_stall, ..Figures::default() };
        for (at, time) in [(1, 5), (2, 3), (2, 3), (3, 5)] {
            places.add(place(at), &stall(time));
        }
        places.add(None, &stall(100));
        assert_eq!((places.longest(), places.figures.stall()), (place(2), 116));
        let mut places = Places::default();
        for at in [9, 8] {
            places.add(place(at), &stall(1));
        }
        assert_eq!(places.longest(), place(8));
        assert_eq!(Places::default().longest(), None);
    }
}
