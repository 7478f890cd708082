//! A minidump with one large stream, made by hand.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use minidump::Minidump;

mod driver;

const STREAM: u32 = 0x4d7a_0001;
const STREAM_BYTES: u32 = 4 << 20;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("crash.dmp");
    // Signature, version, one stream, whose directory follows, checksum, time, flags; then that
    // directory: type, length, offset.
    let header = [0x504d_444d, 0xa793, 1, 32, 0, 0, 0, 0, STREAM, STREAM_BYTES, 44];
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend(driver::numbers().take(STREAM_BYTES as usize / 8).flat_map(u64::to_le_bytes));
    fs::write(&path, bytes)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let dump = Minidump::read_path(dir.join("crash.dmp"))?;
    Ok(driver::digest(dump.get_raw_stream(STREAM)?))
}

fn main() {
    driver::run(make, read);
}
