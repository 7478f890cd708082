//! A profile: page faults, gathered from records in the order of their times.
//!
//! Three events make one page fault. The first happens when the kernel begins with it, one of the other
//! two when a page is there: so the time between is what the thread stood still for. A page fault that
//! has a beginning only ended in a signal, SIGBUS or SIGSEGV: the way in which folio's pager and its
//! guarded mappings, and others who handle page faults themselves, come to know of them. Where the kernel was
//! the one who touched, within a system call, that failed with EFAULT instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use folio_stat::Backing;

use crate::faults::heat::Heat;
use crate::faults::home::Home;
use crate::faults::record::{Map, Record, Sample, Stamped};
use crate::faults::space::{Id, Spaces};

/// A huge page, and base pages in it.
const HUGE_SHIFT: u32 = 21;
/// In a huge page's worth of addresses, from here on it is used rather than touched here and there.
const DENSE: u32 = 256;
/// Steps that far ahead, in bytes, still read one after another.
const AHEAD_BYTES: u64 = 1 << 20;
/// Processes whose code that was made at run time has names: each may take a descriptor.
const MOST_HOMES: usize = 256;
/// A call chain with fewer frames was cut short: even main(3) is called by something.
pub(crate) const SHORT: usize = 3;

/// What a page fault's events say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The kernel begins.
    Begun,
    /// The page was in memory.
    Minor,
    /// It had to be read, or somebody was waited for.
    Major,
}

/// Page faults, and how long threads stood still for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Those whose page was in memory.
    pub minor: u64,
    /// Those whose page had to be read.
    pub major: u64,
    /// Those that ended in a signal.
    pub signalled: u64,
    /// Those that a system call failed for, which [`count`](Self::count) leaves out.
    pub failed: u64,
    /// Nanoseconds of the minor ones.
    pub minor_stall: u64,
    /// Nanoseconds of the major ones.
    pub major_stall: u64,
}

impl Figures {
    /// All that the program took itself, or got a page for.
    pub fn count(&self) -> u64 {
        self.minor + self.major + self.signalled
    }

    /// Nanoseconds of all of them.
    pub fn stall(&self) -> u64 {
        self.minor_stall.saturating_add(self.major_stall)
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.minor += other.minor;
        self.major += other.major;
        self.signalled += other.signalled;
        self.failed += other.failed;
        self.minor_stall = self.minor_stall.saturating_add(other.minor_stall);
        self.major_stall = self.major_stall.saturating_add(other.major_stall);
    }
}

/// The page faults of a backing.
#[derive(Debug, Clone, Default)]
pub struct OfBacking {
    /// How many.
    pub figures: Figures,
    /// Where and when, if offsets in it mean something.
    pub heat: Heat,
    /// Those a little behind the one before, in the backing.
    pub in_order: u64,
    /// Where the last one was.
    last: Option<u64>,
    /// How many in each huge page's worth of a process's addresses.
    blocks: HashMap<(u32, u64), u32>,
}

impl OfBacking {
    /// Page faults in, and number of, the huge pages' worth of addresses that are mostly used.
    pub fn dense(&self) -> (u64, u64) {
        let dense = self.blocks.values().filter(|&&count| count >= DENSE);
        dense.fold((0, 0), |(faults, blocks), &count| (faults + u64::from(count), blocks + 1))
    }
}

/// A place in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// The file; nothing where none is known.
    pub(crate) backing: Option<Id>,
    /// Of code that was made at run time, whose it is.
    pub(crate) process: Option<u32>,
    /// Where in the file, or the address.
    pub(crate) at: u64,
}

/// Who touched what: a process by its name, a backing, a call chain, the innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Touch {
    pub(crate) process: Arc<str>,
    pub(crate) backing: Option<Id>,
    pub(crate) in_kernel: bool,
    pub(crate) frames: Arc<[Frame]>,
}

/// A page fault that has begun.
#[derive(Debug)]
struct Begun {
    sample: Sample,
    nanoseconds: u64,
}

/// All that is known of a program's page faults.
#[derive(Debug, Default)]
pub struct Profile {
    events: HashMap<u64, Event>,
    pub(crate) spaces: Spaces,
    begun: HashMap<u32, Begun>,
    names: HashMap<u32, Arc<str>>,
    /// Threads of the processes that were seen to start.
    threads: HashMap<u32, u32>,
    /// Of the processes that make code at run time.
    pub(crate) homes: HashMap<u32, Home>,
    /// The first moment, to which times are relative.
    start: u64,
    /// All of them.
    pub(crate) total: Figures,
    pub(crate) by_backing: HashMap<Option<Id>, OfBacking>,
    pub(crate) by_process: HashMap<(u32, Arc<str>), Figures>,
    pub(crate) by_touch: HashMap<Touch, Figures>,
    /// Page faults with a call chain of a frame or two.
    pub(crate) short_chains: u64,
    /// Page faults of the kernel, within system calls.
    pub(crate) in_kernel: u64,
    /// Records that found no room.
    pub(crate) lost: u64,
}

impl Profile {
    /// Nothing yet, from `start` by CLOCK_MONOTONIC on; which identifiers are which event.
    pub fn new(events: HashMap<u64, Event>, start: u64) -> Self {
        Self { events, start, ..Self::default() }
    }

    /// That a process is there already, under this name.
    pub(crate) fn begin(&mut self, process: u32, name: &str, mappings: Vec<folio_stat::Mapping>) {
        self.names.insert(process, name.into());
        self.spaces.begin(process, mappings);
    }

    /// The backings that numbers stand for.
    pub(crate) fn backing(&self, id: Id) -> &Backing {
        &self.spaces.backings()[id as usize]
    }

    /// Takes in the next record.
    pub fn apply(&mut self, stamped: Stamped) {
        let nanoseconds = stamped.nanoseconds;
        match stamped.record {
            Record::Sample(sample) => match self.events.get(&sample.identifier) {
                Some(Event::Begun) => {
                    self.end_unfinished(sample.thread);
                    self.begun.insert(sample.thread, Begun { sample, nanoseconds });
                }
                Some(&event) => self.finish(event, sample, nanoseconds),
                None => {}
            },
            Record::Map(map) => self.map(map),
            Record::Name { process, thread, name, executed } => {
                if executed {
                    self.end_unfinished(thread);
                    self.spaces.forget(process);
                }
                // The name of the process is that of its first thread.
                if executed || process == thread {
                    self.names.insert(process, name.into());
                }
            }
            Record::Start { process, parent, .. } => {
                match self.threads.get_mut(&process) {
                    Some(threads) if process == parent => *threads += 1,
                    _ if process == parent => {}
                    _ => drop(self.threads.insert(process, 1)),
                }
                self.spaces.fork(process, parent);
                if let Some(name) = self.names.get(&parent).filter(|_| process != parent).cloned() {
                    self.names.insert(process, name);
                }
            }
            Record::End { process, thread } => {
                self.end_unfinished(thread);
                self.end_thread(process);
            }
            Record::Lost(records) => {
                self.lost = self.lost.saturating_add(records);
                // Whether one of them was the end of these is not known.
                self.begun.clear();
            }
        }
    }

    fn map(&mut self, map: Map) {
        self.spaces.map(map);
    }

    fn finish(&mut self, event: Event, sample: Sample, nanoseconds: u64) {
        let is_same = |begun: &Begun| begun.sample.address >> 12 == sample.address >> 12;
        let begun = match self.begun.remove(&sample.thread) {
            Some(begun) if is_same(&begun) => Some(begun.nanoseconds),
            Some(other) => {
                self.add_unfinished(other);
                None
            }
            None => None,
        };
        // Where its beginning was lost, its time is not known.
        let stall = begun.map_or(0, |begun| nanoseconds.saturating_sub(begun));
        let figures = match event {
            Event::Major => Figures { major: 1, major_stall: stall, ..Figures::default() },
            _ => Figures { minor: 1, minor_stall: stall, ..Figures::default() },
        };
        self.add(&sample, nanoseconds, figures);
    }

    /// With its last thread, a process touches nothing any more.
    fn end_thread(&mut self, process: u32) {
        let Some(threads) = self.threads.get_mut(&process) else { return };
        *threads -= 1;
        if *threads == 0 {
            self.threads.remove(&process);
            self.spaces.forget(process);
        }
    }

    /// A page fault that nothing came of.
    fn end_unfinished(&mut self, thread: u32) {
        if let Some(begun) = self.begun.remove(&thread) {
            self.add_unfinished(begun);
        }
    }

    fn add_unfinished(&mut self, begun: Begun) {
        let Begun { mut sample, nanoseconds } = begun;
        // A frame is as much as is known of it.
        sample.chain = vec![sample.instruction];
        let figures = match sample.in_kernel {
            true => Figures { failed: 1, ..Figures::default() },
            false => Figures { signalled: 1, ..Figures::default() },
        };
        self.add(&sample, nanoseconds, figures);
    }

    fn add(&mut self, sample: &Sample, nanoseconds: u64, figures: Figures) {
        self.total.add(&figures);
        let is_counted = figures.count() > 0;
        self.in_kernel += u64::from(sample.in_kernel && is_counted);
        let process = self.names.get(&sample.process).cloned().unwrap_or_else(|| "?".into());
        self.by_process.entry((sample.process, process.clone())).or_default().add(&figures);

        let place = self.spaces.at(sample.process, sample.address);
        let backing = place.map(|place| place.backing);
        let has_offsets = backing.is_some_and(|backing| self.spaces.has_offsets(backing));
        let of = self.by_backing.entry(backing).or_default();
        of.figures.add(&figures);
        let offset = place.map_or(sample.address, |place| place.offset_bytes) & !0xfff;
        if has_offsets && is_counted {
            of.heat.add(offset, nanoseconds.saturating_sub(self.start), figures.stall());
        }
        if is_counted {
            let ahead = |last: u64| offset > last && offset - last <= AHEAD_BYTES;
            of.in_order += u64::from(of.last.is_some_and(ahead));
            of.last = Some(offset);
            *of.blocks.entry((sample.process, sample.address >> HUGE_SHIFT)).or_default() += 1;
        }

        let frames = self.frames(sample);
        let is_generated = frames.iter().any(|frame| frame.process.is_some());
        if is_generated && self.homes.len() < MOST_HOMES {
            let age = Duration::from_nanos(nanoseconds.saturating_sub(self.start));
            self.homes.entry(sample.process).or_insert_with(|| Home::of(sample.process, age));
        }
        let has_chain = figures.minor + figures.major > 0;
        self.short_chains += u64::from(has_chain && frames.len() < SHORT);
        let touch = Touch { process, backing, in_kernel: sample.in_kernel, frames };
        self.by_touch.entry(touch).or_default().add(&figures);
    }

    /// Up to where the kernel, which follows frame pointers, was led out of the code.
    fn frames(&self, sample: &Sample) -> Arc<[Frame]> {
        // Where no chain was asked for, the instruction is all there is.
        let instruction = std::slice::from_ref(&sample.instruction);
        let chain = if sample.chain.is_empty() { instruction } else { &sample.chain };
        let frames = chain.iter().enumerate().map_while(|(depth, &address)| {
            // Behind a call is where it returns to; the call itself may be the last of its function.
            let address = if depth == 0 { address } else { address.saturating_sub(1) };
            match self.spaces.known(sample.process, address) {
                Some(place) if place.is_executable || depth == 0 => {
                    let backing = Some(place.backing);
                    Some(match self.spaces.has_code_of_files(place.backing) {
                        true => Frame { backing, process: None, at: place.offset_bytes },
                        false => Frame { backing, process: Some(sample.process), at: address },
                    })
                }
                // Behind an execve(2) the code is another program's.
                _ if depth == 0 && !sample.in_kernel => {
                    Some(Frame { backing: None, process: None, at: address })
                }
                _ => None,
            }
        });
        frames.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::order::Order;
    use crate::faults::record::Records;
    use proptest::prelude::*;

    const EVENTS: [(u64, Event); 3] = [(1, Event::Begun), (2, Event::Minor), (3, Event::Major)];

    fn sample(identifier: u64, address: u64, nanoseconds: u64) -> Stamped {
        let sample = Sample {
            identifier,
            process: 10,
            thread: 11,
            instruction: 0x50,
            address,
            in_kernel: false,
            chain: vec![0x50, 0x60, 0x70],
        };
        Stamped { nanoseconds, record: Record::Sample(sample) }
    }

    fn profile(records: impl IntoIterator<Item = Stamped>) -> Profile {
        let mut profile = Profile::new(EVENTS.into(), 0);
        profile.spaces.map(Map {
            process: 10,
            address: 0x10000,
            length_bytes: 0x10000,
            offset_bytes: 0x3000,
            device: (8, 1),
            inode: 7,
            is_executable: false,
            name: b"/data/a".to_vec(),
        });
        for record in records {
            profile.apply(record);
        }
        profile
    }

    #[test]
    fn a_page_fault_takes_from_its_beginning_until_its_page_is_there() {
        let profile = profile([
            sample(1, 0x10008, 100),
            sample(2, 0x10008, 150),
            sample(1, 0x12000, 200),
            sample(3, 0x12000, 5200),
        ]);
        let expected = Figures {
            minor: 1,
            major: 1,
            minor_stall: 50,
            major_stall: 5000,
            ..Figures::default()
        };
        assert_eq!(profile.total, expected);
        let [(&Some(id), of)] = profile.by_backing.iter().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(profile.backing(id).to_string(), "/data/a");
        assert_eq!((of.figures, of.in_order), (expected, 1));
        let cells: Vec<_> = of.heat.cells().into_iter().map(|cell| cell.0).collect();
        assert_eq!(cells, [0x3000, 0x5000]);
    }

    #[test]
    fn what_has_a_beginning_only_ended_in_a_signal() {
        let end = Record::End { process: 10, thread: 11 };
        let profile = profile([
            sample(1, 0x10000, 1),
            sample(1, 0x11000, 2),
            sample(2, 0x11000, 3),
            sample(1, 0x12000, 4),
            Stamped { nanoseconds: 5, record: end },
        ]);
        assert_eq!((profile.total.signalled, profile.total.minor), (2, 1));
    }

    #[test]
    fn what_the_kernel_touched_in_vain_is_counted_apart() {
        let mut touched = sample(1, 0x10000, 1);
        let Record::Sample(begun) = &mut touched.record else { panic!() };
        begun.in_kernel = true;
        let profile = profile([touched, sample(1, 0x11000, 2), sample(2, 0x11000, 3)]);
        let expected = Figures { minor: 1, minor_stall: 1, failed: 1, ..Figures::default() };
        assert_eq!((profile.total, profile.total.count(), profile.in_kernel), (expected, 1, 0));
        let of = profile.by_backing.values().next().unwrap();
        assert_eq!((of.figures, of.heat.cells().len()), (expected, 1));
    }

    #[test]
    fn a_process_is_forgotten_with_its_last_thread() {
        let at = |record| Stamped { nanoseconds: 1, record };
        let start = |parent, thread| at(Record::Start { process: 20, parent, thread });
        let end = |thread| at(Record::End { process: 20, thread });
        let mut profile = profile([start(10, 20), start(20, 21), end(20)]);
        assert!(profile.spaces.known(20, 0x10000).is_some());
        profile.apply(end(21));
        assert!(profile.spaces.known(20, 0x10000).is_none());
        // Its parent was there before, so how many threads it has is not known.
        profile.apply(at(Record::End { process: 10, thread: 11 }));
        assert!(profile.spaces.known(10, 0x10000).is_some());
    }

    #[test]
    fn where_records_were_lost_no_time_and_no_signal_is_made_up() {
        let lost = Stamped { nanoseconds: 2, record: Record::Lost(7) };
        let profile = profile([sample(1, 0x10000, 1), lost, sample(2, 0x11000, 3)]);
        let expected = Figures { minor: 1, ..Figures::default() };
        assert_eq!((profile.total, profile.lost), (expected, 7));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_a_profile_panic_and_records_come_in_order(
            // Small numbers: kinds, identifiers, processes and addresses that meet each other.
            words in prop::collection::vec(prop_oneof![0..12u64, 0..1u64 << 20, any::<u64>()], 0..60),
            kinds in prop::collection::vec(
                (prop::sample::select(vec![2u32, 3, 4, 7, 9, 10]), 1..12usize), 0..12,
            ),
        ) {
            let mut words = words.into_iter();
            let mut bytes = Vec::new();
            for (kind, length) in kinds {
                bytes.extend((u64::from(kind) | (length as u64 + 1) << 51).to_ne_bytes());
                let body = words.by_ref().chain(std::iter::repeat(1)).take(length);
                bytes.extend(body.flat_map(u64::to_ne_bytes));
            }
            let mut order = Order::default();
            Records::of(&bytes).for_each(|record| order.push(record));
            let (mut profile, mut last) = (Profile::new(EVENTS.into(), 0), 0);
            order.finish(|stamped| {
                assert!(stamped.nanoseconds >= last);
                last = stamped.nanoseconds;
                profile.apply(stamped);
            });
        }
    }
}
