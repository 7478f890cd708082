//! Lines that match, counted by grep-searcher with a mapping.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use grep_regex::RegexMatcher;
use grep_searcher::sinks::Bytes;
use grep_searcher::{BinaryDetection, MmapChoice, SearcherBuilder};

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("numbers.txt");
    let lines: String =
        driver::numbers().take(500_000).map(|number| format!("{number:x} {number}\n")).collect();
    fs::write(&path, lines)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let matcher = RegexMatcher::new("a[0-9]b")?;
    let mut searcher = SearcherBuilder::new()
        // SAFETY: not so, others truncate the file: that is what is tried here.
        .memory_map(unsafe { MmapChoice::auto() })
        .binary_detection(BinaryDetection::none())
        .build();
    let mut sum = 0u64;
    let found = Bytes(|line, text| {
        sum = sum.wrapping_add(line).wrapping_add(driver::digest(text));
        Ok(true)
    });
    searcher.search_path(matcher, dir.join("numbers.txt"), found)?;
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
