//! The files of a journal: found by their names, which are the numbers of their first messages.

use std::fs;
use std::path::{Path, PathBuf};

use super::record;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;

const SUFFIX: &str = ".journal";

/// No journal gets further in a thousand years; what is added to a number need not think of overflow.
const LARGEST: u64 = 1 << 62;

/// The file that begins with this message.
pub(super) fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}{SUFFIX}"))
}

/// The numbers of the first messages of all files, in order.
pub(super) fn list(operation: &'static str, directory: &Path) -> Result<Vec<u64>> {
    let entries = fs::read_dir(directory).map_err(|error| {
        let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
        Error::os(operation, directory.display().to_string(), errno).explain(
            ErrorKind::NotFound,
            "there is no journal",
            "append() makes one",
        )
    })?;
    let number = |entry: fs::DirEntry| -> Option<u64> {
        let name = entry.file_name();
        let digits = name.to_str()?.strip_suffix(SUFFIX)?;
        let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Those who made up a number leave none for the messages after it.
        is_number.then(|| digits.parse().ok())?.filter(|&number| number <= LARGEST)
    };
    let mut numbers: Vec<u64> = entries.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// That the file has room for messages, for good, and says the same as its name.
pub(super) fn check(operation: &'static str, file: &Segment, first: u64) -> Result<()> {
    let scribbled = |reason: String| {
        Err(Error::new(ErrorKind::Scribbled, operation, file.show(), reason)
            .advice("somebody renamed it or wrote over it"))
    };
    if file.is_growable() || file.len() < record::SMALLEST {
        return scribbled(format!(
            "its {} bytes of payload are too few, or may change",
            file.len()
        ));
    }
    let says: u64 = file.get(record::FIRST)?;
    if says != first {
        return scribbled(format!("it begins with message {says}, and its name says {first}"));
    }
    Ok(())
}
