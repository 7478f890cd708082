//! Every object of a pack, decoded by way of its index.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use gix_pack::{Bundle, cache};

mod driver;
mod repository;

fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.join(".git/objects/pack"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "idx" || kind == "pack") {
            // git leaves them read-only.
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    repository::make(dir)?;
    files(dir)
}

fn read(dir: &Path) -> Outcome<u64> {
    let index = files(dir)?.into_iter().next().ok_or("no index")?;
    let bundle = Bundle::at(index, gix_hash::Kind::Sha1)?;
    let (mut object, mut sum) = (Vec::new(), 0u64);
    for at in 0..bundle.index.num_objects() {
        let (data, _) = bundle.get_object_by_index(
            at,
            &mut object,
            &mut Default::default(),
            &mut cache::Never,
        )?;
        sum = sum.wrapping_add(driver::digest(data.data));
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
