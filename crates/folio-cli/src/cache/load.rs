//! A loader: brings bytes of files into the page cache, and does not look at them.
//!
//! They are sent to /dev/null (sendfile(2)), which takes pages and touches none. So nothing is copied,
//! and a virtual machine need not first map each page that its host has filled, which costs more than the
//! copy. As with read(2), and unlike readahead(2), the kernel reads ahead in large folios, and tells of
//! errors. Where a file cannot be sent, it is read.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{fstat, makedev, sendfile};
use rustix::io::Errno;

use crate::failure::words;

/// Bytes that are loaded at once.
pub(super) const STEP_BYTES: u64 = 1 << 20;

/// What a thread loads with.
#[derive(Debug)]
pub(super) struct Loader {
    null: Option<File>,
    /// For files that cannot be sent.
    buffer: Vec<u8>,
}

impl Loader {
    pub(super) fn new() -> Self {
        let null = OpenOptions::new().write(true).open("/dev/null").ok();
        // Another file would be written to (null(4)).
        let is_null = |null: &File| fstat(null).is_ok_and(|stat| stat.st_rdev == makedev(1, 3));
        Self { null: null.filter(is_null), buffer: Vec::new() }
    }

    /// Loads a range, as far as the file reaches: `step` is called before some bytes are loaded, with
    /// their number.
    pub(super) fn load(
        &mut self,
        file: &File,
        range: Range<u64>,
        mut step: impl FnMut(u64),
    ) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + STEP_BYTES);
            step(end - at);
            while at < end {
                match self.some(file, at..end)? {
                    0 => return Ok(()),
                    loaded => at += loaded,
                }
            }
        }
        Ok(())
    }

    /// Loads some bytes from the start of a range; none at the end of the file.
    fn some(&mut self, file: &File, range: Range<u64>) -> io::Result<u64> {
        let length = (range.end - range.start) as usize;
        if let Some(null) = &self.null {
            match sendfile(null, file, Some(&mut range.start.clone()), length) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {}
                sent => return Ok(sent? as u64),
            }
        }
        self.buffer.resize(STEP_BYTES as usize, 0);
        Ok(file.read_at(&mut self.buffer[..length], range.start)? as u64)
    }
}

/// Why a file that could not be loaded is left out, and the way out.
pub(super) fn reason_of_loading(error: &io::Error) -> String {
    format!("{}: see dmesg for more", words(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_loaded_as_far_as_the_file_reaches_sent_or_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * STEP_BYTES + 9).unwrap();
        for null in [Loader::new().null, None] {
            let mut loader = Loader { null, buffer: Vec::new() };
            let mut steps = Vec::new();
            loader.load(&file, 7..u64::MAX / 2, |bytes| steps.push(bytes)).unwrap();
            assert_eq!(steps, [STEP_BYTES; 4]);
            steps.clear();
            loader.load(&file, 7..STEP_BYTES + 9, |bytes| steps.push(bytes)).unwrap();
            assert_eq!(steps, [STEP_BYTES, 2]);
        }
    }
}
