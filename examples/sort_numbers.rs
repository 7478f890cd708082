//! A file of numbers sorted in place, in less memory than it has bytes: a pager fills the pages that the
//! sort touches, and writes back what it changed.
//!
//! ```text
//! cargo run --release --example sort_numbers [FILE [MEMORY_MIB]]
//! ```
//! The numbers are of 8 bytes, in the byte order of the machine. Without arguments the file is a
//! temporary one of 64 MiB; the memory is an eighth of the file, and at least 1 MiB.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use folio_examples::{about, finish, number, say, size};
use folio_pager::{Budget, Pager};
use folio_store::{FileStore, Store};

fn main() -> ExitCode {
    finish("sort_numbers", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (path, temporary) = match arguments.next() {
        Some(path) => (PathBuf::from(path), false),
        None => (a_file_of_numbers(8 << 20)?, true),
    };
    let memory = arguments.next().map(|text| number::<u64>("MEMORY_MIB", &text.to_string_lossy()));
    let sorted = sort(&path, memory.transpose()?);
    if temporary {
        std::fs::remove_file(&path)?;
    }
    sorted
}

fn sort(path: &Path, memory: Option<u64>) -> Result<(), Box<dyn Error>> {
    // Past the page cache, where the file system can: what is in memory is what the pager allows.
    let store = FileStore::options().writable(true).direct_if_possible(true).open(path)?;
    let len = store.len()?;
    let memory = memory.map_or(len / 8, |mib| mib << 20).max(1 << 20);
    say("file", format_args!("{}, {}", path.display(), size(len as usize)));

    let pager = Pager::new(Budget::bytes(memory))?;
    let map = pager.options().granule(64 << 10).shared(store)?;
    let count = map.len() / size_of::<u64>();
    let start = Instant::now();
    // SAFETY: the mapping is aligned to pages, lives on, and shows at least as many bytes; any bytes are a
    // number; nobody else in this program touches them, or pins them, while the slice exists.
    let numbers = unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr().cast::<u64>(), count) };
    numbers.sort_unstable();
    let sorted = numbers.is_sorted();
    // Zeros would have been sorted too, where the file could not be read.
    map.check()?;
    map.flush(..)?;
    say("sorted", format_args!("{sorted}, {count} numbers in {:.1?}", start.elapsed()));

    let cost = map.statistics();
    say("memory", format_args!("{} allowed", size(memory as usize)));
    say("read", size(cost.read_bytes as usize));
    say("written", size(cost.written_bytes as usize));
    say("evictions", cost.evictions);
    Ok(())
}

/// Numbers in no order, the same in each run.
fn a_file_of_numbers(count: u64) -> Result<PathBuf, Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("folio-numbers-{}", std::process::id()));
    let mut file = BufWriter::new(about(path.display(), File::create_new(&path))?);
    let mut state = 1_u64;
    for _ in 0..count {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        file.write_all(&state.rotate_left(29).to_ne_bytes())?;
    }
    file.flush()?;
    Ok(path)
}
