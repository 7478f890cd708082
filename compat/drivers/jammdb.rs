//! A key-value store in one mapped file, all of it read.

use std::path::{Path, PathBuf};

use driver::Outcome;
use jammdb::DB;

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("store.db");
    let store = DB::open(&path)?;
    let change = store.tx(true)?;
    let bucket = change.create_bucket("numbers")?;
    for number in driver::numbers().take(50_000) {
        bucket.put(format!("{number:x}"), format!("{number}"))?;
    }
    change.commit()?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let store = DB::open(dir.join("store.db"))?;
    let look = store.tx(false)?;
    let bucket = look.get_bucket("numbers")?;
    let digests =
        bucket.kv_pairs().map(|pair| driver::digest(pair.key()) ^ driver::digest(pair.value()));
    Ok(digests.fold(0, u64::wrapping_add))
}

fn main() {
    driver::run(make, read);
}
