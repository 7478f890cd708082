//! A byte view of a file, as symbolicators open debug files.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use symbolic_common::{AccessPattern, ByteView};

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("debug");
    let bytes: Vec<u8> = driver::numbers().take(1 << 20).flat_map(u64::to_le_bytes).collect();
    fs::write(&path, bytes)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let view = ByteView::open(dir.join("debug"))?;
    view.hint(AccessPattern::Sequential)?;
    Ok(driver::digest(view.as_slice()))
}

fn main() {
    driver::run(make, read);
}
