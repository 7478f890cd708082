//! Every reference of a packed-refs file.

use std::path::{Path, PathBuf};

use driver::Outcome;
use gix_ref::packed::Buffer;

mod driver;
mod repository;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    repository::make(dir)?;
    Ok(vec![dir.join(".git/packed-refs")])
}

fn read(dir: &Path) -> Outcome<u64> {
    let refs = Buffer::open(dir.join(".git/packed-refs"), 0, gix_hash::Kind::Sha1)?;
    let mut sum = 0u64;
    for reference in refs.iter()? {
        let reference = reference?;
        sum = sum
            .wrapping_add(driver::digest(reference.name.as_bstr()))
            .wrapping_add(driver::digest(reference.target));
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
