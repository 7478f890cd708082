//! Address spaces: what was mapped where in each process, as records told it.
//!
//! Later mappings take the place of earlier ones, as with mmap(2). What is unmapped is not told, and
//! stays until something else takes its place; nobody can touch it meanwhile. What mremap(2) moves is
//! not told either: an address without a mapping is looked up in the process, if that is still there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use folio_stat::{Backing, BackingKind, Label, Mapping, Process};

use crate::faults::record::Map;

/// Questions to a process in one round, lest a program that maps all the time is asked all the time.
const QUESTIONS: u32 = 256;

/// A part of an address space.
#[derive(Debug, Clone)]
struct Part {
    end: u64,
    /// What its start shows of the backing.
    offset_bytes: u64,
    backing: Id,
    is_executable: bool,
    /// Whether the process has been asked for its name.
    is_asked: bool,
}

type Space = BTreeMap<u64, Part>;

/// The number of a backing, among [`Spaces::backings`].
pub(crate) type Id = u32;

/// What lies at an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) backing: Id,
    /// Where in the backing; for memory without a file, counted from the start of the mapping.
    pub(crate) offset_bytes: u64,
    pub(crate) is_executable: bool,
}

/// The address spaces of all processes.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    of: HashMap<u32, Space>,
    backings: Vec<Backing>,
    ids: HashMap<Backing, Id>,
    questions: u32,
}

impl Spaces {
    /// All backings, from their start.
    pub(crate) fn backings(&self) -> &[Backing] {
        &self.backings
    }

    fn id(&mut self, mut backing: Backing) -> Id {
        backing.offset_bytes = 0;
        // Shared memory without a name: each mapping is an object of its own, and none of them says more
        // than another.
        if backing.kind == BackingKind::SharedMemory && backing.deleted && is_nameless(&backing) {
            (backing.device, backing.inode) = ((0, 0), 0);
        }
        if let Some(&id) = self.ids.get(&backing) {
            return id;
        }
        let id = self.backings.len() as Id;
        self.backings.push(backing.clone());
        self.ids.insert(backing, id);
        id
    }

    /// That a process has these mappings already.
    pub(crate) fn begin(&mut self, process: u32, mappings: Vec<Mapping>) {
        for mapping in mappings {
            let (start, end) = (mapping.address as u64, mapping.range().end as u64);
            let offset_bytes = mapping.backing.offset_bytes;
            let is_executable = mapping.protection.execute;
            let backing = self.id(mapping.backing);
            let space = self.of.entry(process).or_default();
            cover(space, start, Part { end, offset_bytes, backing, is_executable, is_asked: true });
        }
    }

    /// A new mapping.
    pub(crate) fn map(&mut self, map: Map) {
        let Some(end) = map.address.checked_add(map.length_bytes) else { return };
        if map.length_bytes == 0 {
            return;
        }
        // What the kernel calls memory without a file, here and nowhere else.
        let name: &[u8] = if map.name == b"//anon" { b"" } else { &map.name };
        let backing = self.id(Backing::named(name, 0, map.device, map.inode));
        let (offset_bytes, is_executable) = (map.offset_bytes, map.is_executable);
        let part = Part { end, offset_bytes, backing, is_executable, is_asked: false };
        cover(self.of.entry(map.process).or_default(), map.address, part);
        let (address, length) = (map.address as usize, map.length_bytes as usize);
        if let Some(label) = Label::of(address, length, map.offset_bytes, &map.name) {
            self.name(map.process, &label);
        }
    }

    /// Gives memory that is there already the name that its label says.
    fn name(&mut self, process: u32, label: &Label) {
        let backing = self.id(label.backing());
        let backings = &self.backings;
        let memory = label.memory();
        let parts = self.of.entry(process).or_default();
        for (_, part) in parts.range_mut(memory.start as u64..memory.end as u64) {
            let of = &backings[part.backing as usize];
            if of.kind == BackingKind::Anonymous && part.end <= memory.end as u64 {
                (part.backing, part.is_asked) = (backing, true);
            }
        }
    }

    /// A process that has what its parent has.
    pub(crate) fn fork(&mut self, process: u32, parent: u32) {
        if process != parent {
            let space = self.of.get(&parent).cloned().unwrap_or_default();
            self.of.insert(process, space);
        }
    }

    /// A process with a new program.
    pub(crate) fn forget(&mut self, process: u32) {
        self.of.remove(&process);
    }

    /// Questions may be asked again.
    pub(crate) fn begin_round(&mut self) {
        self.questions = QUESTIONS;
    }

    /// What lies there, as far as records tell.
    pub(crate) fn known(&self, process: u32, address: u64) -> Option<Place> {
        let (&start, part) = find(self.of.get(&process)?, address)?;
        let offset_bytes = match self.has_offsets(part.backing) {
            true => part.offset_bytes.saturating_add(address - start),
            false => address - start,
        };
        Some(Place { backing: part.backing, offset_bytes, is_executable: part.is_executable })
    }

    /// The same; a process is asked what records do not tell: the name of memory without a file, and
    /// what was there before it was watched.
    pub(crate) fn at(&mut self, process: u32, address: u64) -> Option<Place> {
        let part = self.of.get(&process).and_then(|space| find(space, address));
        let part = part.map(|(&start, part)| (start, part.clone()));
        let wants = match &part {
            Some((_, part)) => !part.is_asked && !self.has_offsets(part.backing),
            None => true,
        };
        if wants && self.questions > 0 {
            self.questions -= 1;
            let found = || Process::of(process).ok()?.mapping_at(address as usize).ok()?;
            match (found(), part) {
                (Some(mapping), Some((start, mut part))) => {
                    // By now the addresses may be a file's.
                    if mapping.backing.path.is_none() {
                        part.backing = self.id(mapping.backing);
                    }
                    part.is_asked = true;
                    self.of.entry(process).or_default().insert(start, part);
                }
                (Some(mapping), None) => self.begin(process, vec![mapping]),
                (None, _) => {}
            }
        }
        self.known(process, address)
    }

    /// Whether offsets in it mean something: it is more than memory of one process.
    pub(crate) fn has_offsets(&self, backing: Id) -> bool {
        self.backings.get(backing as usize).is_some_and(|backing| backing.path.is_some())
    }

    /// Whether code in it is a file's or the kernel's, and was not made at run time.
    pub(crate) fn has_code_of_files(&self, backing: Id) -> bool {
        use BackingKind::{Device, File, Special};
        let backing = self.backings.get(backing as usize);
        backing.is_some_and(|backing| matches!(backing.kind, File | Device | Special))
    }
}

fn is_nameless(backing: &Backing) -> bool {
    backing.path.as_deref() == Some(Path::new("/dev/zero"))
}

fn find(space: &Space, address: u64) -> Option<(&u64, &Part)> {
    space.range(..=address).next_back().filter(|(_, part)| address < part.end)
}

/// Puts a part over whatever is there.
fn cover(space: &mut Space, start: u64, part: Part) {
    let end = part.end;
    let over: Vec<u64> = space
        .range(..end)
        .rev()
        .take_while(|(_, other)| other.end > start)
        .map(|(&other, _)| other)
        .collect();
    for other_start in over {
        let Some(other) = space.remove(&other_start) else { continue };
        if other.end > end {
            let offset_bytes = other.offset_bytes.saturating_add(end - other_start);
            space.insert(end, Part { offset_bytes, ..other.clone() });
        }
        if other_start < start {
            space.insert(other_start, Part { end: start, ..other });
        }
    }
    space.insert(start, part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(address: u64, length_bytes: u64, offset_bytes: u64, name: &str) -> Map {
        Map {
            process: 1,
            address,
            length_bytes,
            offset_bytes,
            device: (8, 1),
            inode: 7,
            is_executable: false,
            name: name.into(),
        }
    }

    fn told(spaces: &Spaces, address: u64) -> Option<(String, u64)> {
        let place = spaces.known(1, address)?;
        Some((spaces.backings()[place.backing as usize].to_string(), place.offset_bytes))
    }

    #[test]
    fn a_later_mapping_lies_over_earlier_ones() {
        let mut spaces = Spaces::default();
        spaces.map(map(0x1000, 0x4000, 0x10000, "/a"));
        spaces.map(map(0x2000, 0x1000, 0, "/b"));
        spaces.map(map(0x4000, 0x2000, 0, "//anon"));
        for (address, name, offset) in [
            (0x1fff, "/a", 0x10fff),
            (0x2010, "/b", 0x10),
            (0x3000, "/a", 0x12000),
            (0x4004, "anonymous", 4),
            (0x5fff, "anonymous", 0x1fff),
        ] {
            assert_eq!(told(&spaces, address), Some((name.into(), offset)), "{address:#x}");
        }
        assert_eq!(told(&spaces, 0xfff), None);
        assert_eq!(told(&spaces, 0x6000), None);
        spaces.map(map(0, 0x10000, 0, "/c"));
        assert_eq!(told(&spaces, 0x2010), Some(("/c".into(), 0x2010)));
        assert_eq!(spaces.of[&1].len(), 1);
        spaces.map(map(u64::MAX, 2, 0, "/d"));
        spaces.map(map(5, 0, 0, "/d"));
        assert_eq!(spaces.of[&1].len(), 1);
    }

    #[test]
    fn memory_has_the_name_that_its_label_says_whether_or_not_the_process_is_still_there() {
        let mut spaces = Spaces::default();
        spaces.map(map(0x10000, 0x8000, 0, "//anon"));
        spaces.map(map(0x1f000, 0x4000, 0, "//anon"));
        spaces.map(map(0x1f000, 0x1000, 0x3000, "/memfd:folio:big.log (deleted)"));
        for (address, name, offset) in [
            (0x17fff, "anonymous", 0x7fff),
            (0x20000, "[anon:folio:big.log]", 0),
            (0x22fff, "[anon:folio:big.log]", 0x2fff),
        ] {
            assert_eq!(told(&spaces, address), Some((name.into(), offset)), "{address:#x}");
        }
    }

    #[test]
    fn shared_memory_without_a_name_is_one_backing_and_files_are_not() {
        let mut spaces = Spaces::default();
        for inode in 0..5 {
            let address = 0x1000 * inode;
            spaces.map(Map { inode, ..map(address, 0x1000, 0, "/dev/zero (deleted)") });
            spaces.map(Map { inode, ..map(address + 0x10000, 0x1000, 0, "/tmp/x (deleted)") });
        }
        assert_eq!(spaces.backings().len(), 1 + 5);
    }

    #[test]
    fn a_child_has_what_its_parent_had_until_it_executes() {
        let mut spaces = Spaces::default();
        spaces.map(map(0x1000, 0x1000, 0, "/a"));
        spaces.fork(2, 1);
        spaces.map(map(0x1000, 0x1000, 0, "/b"));
        let there = spaces.known(2, 0x1000).unwrap().backing as usize;
        assert_eq!(spaces.backings()[there].to_string(), "/a");
        spaces.forget(2);
        assert!(spaces.known(2, 0x1000).is_none());
    }
}
