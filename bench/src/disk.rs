//! Files on a disk: made once, kept in target/, and used again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::pick::Random;

pub(crate) fn directory(given: Option<&Path>) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pager");
    given.map_or(own, Path::to_path_buf)
}

/// A file of `len` random bytes.
pub(crate) fn file(directory: &Path, name: &str, len: usize) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("{name}-{len}"));
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == len as u64) {
        return Ok(path);
    }
    let mut random = Random(len as u64);
    let mut file = File::create(&path)?;
    let mut block = vec![0u8; 1 << 20];
    for _ in 0..len / block.len() {
        block
            .chunks_exact_mut(8)
            .for_each(|word| word.copy_from_slice(&random.next().to_le_bytes()));
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(path)
}

pub(crate) fn clean(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
