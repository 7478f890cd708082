//! The file that is mapped: full of bytes that no page shares with another, gone when dropped. And
//! the buffers that are copied to and from.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) len: usize,
}

impl Scratch {
    /// A file of `len` bytes, all of them written, so that every page is in memory.
    pub(crate) fn full(dir: &Path, name: &str, len: usize) -> io::Result<Self> {
        let mut scratch = Self::empty(dir, name)?;
        let mut block = vec![0u8; len.min(1 << 20)];
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = (at.wrapping_mul(0x9E37_79B1) >> 13) as u8;
        }
        while scratch.len < len {
            let count = block.len().min(len - scratch.len);
            block[..8].copy_from_slice(&scratch.len.to_le_bytes());
            scratch.file.write_all(&block[..count])?;
            scratch.len += count;
        }
        Ok(scratch)
    }

    pub(crate) fn empty(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(format!("folio-bench-{name}-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { path, file, len: 0 })
    }
}

/// A buffer for one contender. All begin 16 bytes into a page, where malloc puts large blocks, so
/// that nobody's copy is better aligned than another's. They stay until the program ends.
pub(crate) fn buffer(len: usize) -> &'static mut [u8] {
    let bytes = vec![7u8; len + 2 * 4096].leak();
    let start = bytes.as_ptr().align_offset(4096) + 16;
    &mut bytes[start..start + len]
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
