//! A set of 300,000 keys, searched in a mapping as fst's README has it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use driver::Outcome;
use fst::{Set, Streamer};
use memmap2::Mmap;

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("keys.fst");
    let mut keys: Vec<String> =
        driver::numbers().take(300_000).map(|number| format!("{number:x}")).collect();
    keys.sort();
    keys.dedup();
    fs::write(&path, Set::from_iter(keys)?.as_fst().as_bytes())?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    // SAFETY: not so, others truncate the file: that is what is tried here.
    let set = Set::new(unsafe { Mmap::map(&File::open(dir.join("keys.fst"))?)? })?;
    let mut sum = 0;
    for number in driver::numbers().take(20_000) {
        sum += u64::from(set.contains(format!("{number:x}")));
    }
    let mut stream = set.stream();
    while let Some(key) = stream.next() {
        sum = sum.wrapping_add(driver::digest(key));
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
