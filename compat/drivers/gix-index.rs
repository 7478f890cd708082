//! The index of a git repository, all its paths.

use std::path::{Path, PathBuf};

use driver::Outcome;
use gix_index::File;

mod driver;
mod repository;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    repository::make(dir)?;
    Ok(vec![dir.join(".git/index")])
}

fn read(dir: &Path) -> Outcome<u64> {
    let path = dir.join(".git/index");
    let index = File::at(path, gix_hash::Kind::Sha1, false, Default::default())?;
    let digests = index.entries().iter().map(|entry| driver::digest(entry.path(&index)));
    Ok(digests.fold(0, u64::wrapping_add))
}

fn main() {
    driver::run(make, read);
}
