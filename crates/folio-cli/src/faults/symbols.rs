//! Symbols: the functions of programs and libraries, by where they lie in their files.
//!
//! Functions come from the table of symbols that a file has (elf(5)), the full one or that of dynamic
//! linking, and are written as in their language. Where there is none, a place is written as the file
//! and the offset in it. A file with debug information has [`Line`]s, too: for those, time is limited.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpp_demangle::DemangleOptions;
use folio_stat::Backing;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use object::{LittleEndian, ReadCache};
use rustix::fs::{Mode, OFlags, open};

use crate::faults::lines::{Line, Lines};

/// Of a file.
#[derive(Debug, Default)]
struct Table {
    /// Where parts of the file are in memory: offset in the file, length, address.
    segments: Vec<(u64, u64, u64)>,
    /// By address: address, length, name.
    functions: Vec<(u64, u64, Arc<str>)>,
}

/// How long lines are looked for, unless it is one of a file that takes longer.
const LONGEST: Duration = Duration::from_secs(1);

/// The functions of all files that were asked for.
#[derive(Default)]
pub(crate) struct Symbols {
    tables: HashMap<(PathBuf, u64), Option<Table>>,
    lines: HashMap<(PathBuf, u64), Option<Lines>>,
    /// How long lines have taken.
    taken: Duration,
}

impl Symbols {
    /// What is at an offset of a backing.
    pub(crate) fn name(&mut self, backing: &Backing, offset_bytes: u64) -> Arc<str> {
        let Some(path) = backing.path.as_deref() else {
            // Code that was made at run time, or the kernel's own page.
            return backing.name.as_deref().map_or("[no file]".into(), Arc::from);
        };
        let table = self.table(path, backing.inode);
        table.and_then(|table| table.at(offset_bytes)).unwrap_or_else(|| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{file}+{offset_bytes:#x}").into()
        })
    }

    /// The line of source code at an offset of a backing.
    pub(crate) fn line(&mut self, backing: &Backing, offset_bytes: u64) -> Option<Line> {
        let path = backing.path.as_deref().filter(|_| self.taken < LONGEST)?;
        let table = self.table(path, backing.inode)?;
        // Lines of functions that were left out of a program have addresses from 0 on.
        let address = table.at(offset_bytes).and_then(|_| table.address(offset_bytes))?;
        let start = Instant::now();
        let lines = self
            .lines
            .entry((path.to_owned(), backing.inode))
            .or_insert_with(|| Lines::of(&opened(path, backing.inode)?));
        let line = lines.as_ref().and_then(|lines| lines.at(address));
        self.taken += start.elapsed();
        line
    }

    fn table(&mut self, path: &Path, inode: u64) -> Option<&Table> {
        let key = (path.to_owned(), inode);
        self.tables.entry(key).or_insert_with(|| Table::of(path, inode)).as_ref()
    }
}

/// The file at `path`, if it is still the one that was mapped.
fn opened(path: &Path, inode: u64) -> Option<File> {
    // Nothing waits, whatever has taken its place.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && metadata.ino() == inode).then_some(file)
}

impl Table {
    /// Of the file at `path`, if it is still the one that was mapped.
    fn of(path: &Path, inode: u64) -> Option<Self> {
        const LE: LittleEndian = LittleEndian;
        let data = ReadCache::new(opened(path, inode)?);
        let data = &data;
        let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
        let mut table = Self::default();
        for segment in header.program_headers(LE, data).ok()? {
            if segment.p_type(LE) == elf::PT_LOAD {
                let place = (segment.p_offset(LE), segment.p_filesz(LE), segment.p_vaddr(LE));
                table.segments.push(place);
            }
        }
        let sections = header.sections(LE, data).ok()?;
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            let symbols = sections.symbols(LE, data, kind).ok()?;
            for symbol in symbols.iter() {
                let is_function = [elf::STT_FUNC, elf::STT_GNU_IFUNC].contains(&symbol.st_type());
                if !is_function || symbol.is_undefined(LE) {
                    continue;
                }
                let name = symbols.symbol_name(LE, symbol).unwrap_or_default();
                let name = demangled(&String::from_utf8_lossy(name)).into();
                table.functions.push((symbol.st_value(LE), symbol.st_size(LE), name));
            }
            if !table.functions.is_empty() {
                break;
            }
        }
        table.functions.sort_unstable();
        Some(table)
    }

    /// What the file calls a place in it.
    fn address(&self, offset_bytes: u64) -> Option<u64> {
        let &(offset, _, address) = self.segments.iter().find(|(offset, length, _)| {
            offset_bytes.checked_sub(*offset).is_some_and(|behind| behind < *length)
        })?;
        address.checked_add(offset_bytes - offset)
    }

    fn at(&self, offset_bytes: u64) -> Option<Arc<str>> {
        let address = self.address(offset_bytes)?;
        let next = self.functions.partition_point(|(start, _, _)| *start <= address);
        let (start, length, name) = self.functions.get(next.checked_sub(1)?)?;
        // One of assembly may say no length.
        (*length == 0 || address - start < *length).then(|| name.clone())
    }
}

/// A name as its language writes it.
fn demangled(name: &str) -> String {
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return format!("{name:#}");
    }
    // Types of parameters take more room than they are worth.
    let options = DemangleOptions::new().no_params().no_return_type();
    let symbol = cpp_demangle::Symbol::new(name).ok();
    let demangled = symbol.and_then(|symbol| symbol.demangle_with_options(&options).ok());
    demangled.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_in_their_language() {
        assert_eq!(demangled("main"), "main");
        assert_eq!(demangled("_ZN4core3ptr4read17h0123456789abcdefE"), "core::ptr::read");
        assert_eq!(
            demangled("_ZNSt6vectorIiSaIiEE9push_backEi").replace(' ', ""),
            "std::vector<int,std::allocator<int>>::push_back"
        );
    }

    #[test]
    fn segments_that_make_no_sense_have_no_functions() {
        for (offset, length, address) in [(u64::MAX - 1, 9, 0), (0, u64::MAX, u64::MAX)] {
            let segments = vec![(offset, length, address)];
            let functions = vec![(u64::MAX, 0, "f".into())];
            assert_eq!(Table { segments, functions }.at(5), None);
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_a_program_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, Mode::RUSR, 0).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        assert!(Table::of(&path, inode).is_none());
    }

    #[test]
    fn a_function_of_this_test_is_found_by_where_it_lies() {
        let address = demangled as *const () as usize;
        let code = folio_stat::Process::current().unwrap().mapping_at(address).unwrap().unwrap();
        let offset = code.backing.offset_bytes + (address - code.address) as u64;
        let backing = code.backing;
        let name = Symbols::default().name(&backing, offset);
        assert_eq!(&*name, "folio_cli::faults::symbols::demangled");
        let elsewhere = Symbols::default().name(&backing, 1);
        assert!(elsewhere.ends_with("+0x1"), "{elsewhere}");
        assert_eq!(Symbols::default().line(&backing, 1), None);
        let line = Symbols::default().line(&backing, offset).expect("tests have debug information");
        assert!(line.file.ends_with("src/faults/symbols.rs"), "{line:?}");
        let source = include_str!("symbols.rs").lines().nth(line.number as usize - 1).unwrap();
        assert!(source.starts_with("fn demangled("), "{line:?}: {source}");
    }
}
