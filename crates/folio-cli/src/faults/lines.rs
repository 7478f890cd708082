//! Lines: where in the source code an address of a file is, by its debug information (DWARF).
//!
//! Only what is in the file itself is read, uncompressed, and no more of it than [`MOST_BYTES`]. Units are parsed
//! when an address in them is asked for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};
use object::elf::{self, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, SectionHeader};

/// Bytes of debug information that are read of a file.
const MOST_BYTES: u64 = 256 << 20;

/// The sections that lines come from.
const SECTIONS: [SectionId; 11] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];

/// A line of source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The file, as the compiler was told.
    pub(crate) file: String,
    /// Its lines count from 1.
    pub(crate) number: u32,
}

/// Those of a file.
pub(crate) struct Lines {
    context: Context<EndianArcSlice<LittleEndian>>,
}

impl Lines {
    /// Of a program or a library, if it has debug information.
    pub(crate) fn of(file: &File) -> Option<Self> {
        let places = places(file)?;
        let load = |id: SectionId| {
            let place = places.iter().find(|(of, _, _)| *of == id);
            let (start, length) = place.map_or((0, 0), |&(_, start, length)| (start, length));
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, start)?;
            Ok(EndianArcSlice::new(Arc::from(bytes), LittleEndian))
        };
        let sections = Dwarf::load(load).map_err(|error: std::io::Error| error).ok()?;
        Some(Self { context: Context::from_dwarf(sections).ok()? })
    }

    /// At an address, as the file has it.
    pub(crate) fn at(&self, address: u64) -> Option<Line> {
        let location = self.context.find_location(address).ok()??;
        Some(Line { file: location.file?.to_owned(), number: location.line? })
    }
}

/// Where the sections lie in the file; nothing where there are none, too much of them, or not as they are.
fn places(file: &File) -> Option<Vec<(SectionId, u64, u64)>> {
    const LE: object::LittleEndian = object::LittleEndian;
    let length = file.metadata().ok()?.len();
    let data = ReadCache::new(file);
    let data = &data;
    let header = FileHeader64::<object::LittleEndian>::parse(data).ok()?;
    let sections = header.sections(LE, data).ok()?;
    let mut places = Vec::new();
    for id in SECTIONS {
        let Some((_, section)) = sections.section_by_name(LE, id.name().as_bytes()) else {
            continue;
        };
        let (start, bytes) = (section.sh_offset(LE), section.sh_size(LE));
        let is_there = start.checked_add(bytes).is_some_and(|end| end <= length);
        let is_compressed = section.sh_flags(LE).contains(elf::SHF_COMPRESSED);
        if section.sh_type(LE) == elf::SHT_NOBITS || is_compressed || !is_there {
            return None;
        }
        places.push((id, start, bytes));
    }
    let has_lines = places.iter().any(|(id, _, _)| *id == SectionId::DebugLine);
    let bytes = places.iter().fold(0_u64, |sum, (_, _, bytes)| sum.saturating_add(*bytes));
    (has_lines && bytes <= MOST_BYTES).then_some(places)
}
