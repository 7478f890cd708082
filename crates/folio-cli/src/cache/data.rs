//! Data: the parts of a file that are no holes (SEEK_DATA and SEEK_HOLE of lseek(2)).
//!
//! What lies in a hole is on no disk: it reads as zeros, and waits for nobody.

use std::fs::File;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// The parts of a range that have data, in order, in whole pages or up to the end of the range.
///
/// The range starts with a page. Moves the file's position. Where the file system knows of no holes, all
/// is data.
pub(super) fn parts(file: &File, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let page_bytes = rustix::param::page_size() as u64;
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let data = match seek(file, SeekFrom::Data(at)) {
            // Nothing but a hole, or the end.
            Err(Errno::NXIO) => return None,
            data => data.unwrap_or(at),
        };
        if data >= range.end {
            return None;
        }
        // What has become a hole meanwhile is a page of data.
        let hole = seek(file, SeekFrom::Hole(data)).unwrap_or(range.end).max(data + 1);
        // A block may be smaller than a page.
        let start = data - data % page_bytes;
        at = hole.checked_next_multiple_of(page_bytes).unwrap_or(range.end).min(range.end);
        Some(start..at)
    })
}

/// Parts as they are, but for those with less than `gap` bytes between them, which are joined.
pub(super) fn joined(
    parts: impl Iterator<Item = Range<u64>>,
    gap: u64,
) -> impl Iterator<Item = Range<u64>> {
    let mut parts = parts.peekable();
    std::iter::from_fn(move || {
        let mut whole = parts.next()?;
        while let Some(next) = parts.next_if(|next| next.start - whole.end < gap) {
            whole.end = next.end;
        }
        Some(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_was_written_is_data_and_the_rest_is_not() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        for (at, length) in [(1 << 20, 1), (5 << 20, 100_000), ((64 << 20) - 1, 1)] {
            file.write_all_at(&vec![1; length], at).unwrap();
        }
        let found =
            |range| parts(&file, range).map(|part| (part.start, part.end)).collect::<Vec<_>>();
        if found(0..64 << 20) == [(0, 64 << 20)] {
            return eprintln!("skipped: this file system knows of no holes");
        }
        let end = 64 << 20;
        let expected =
            [(1 << 20, (1 << 20) + 4096), (5 << 20, (5 << 20) + 102_400), (end - 4096, end)];
        assert_eq!(found(0..end), expected);
        let page = ((5 << 20) + 4096, (5 << 20) + 8192);
        assert_eq!(found(page.0..page.1), [page]);
        assert!(found(6 << 20..7 << 20).is_empty());
        assert!(found(1 << 40..1 << 41).is_empty());
    }

    #[test]
    fn parts_that_lie_close_are_joined() {
        let parts = [0..10, 14..20, 25..30, 34..40];
        assert_eq!(joined(parts.into_iter(), 5).collect::<Vec<_>>(), [0..20, 25..40]);
    }
}
