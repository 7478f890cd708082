//! A ring: the pages through which the kernel hands over records of one processor.
//!
//! Invariants:
//! - What lies between tail and head is written, and the kernel writes nothing there until the tail
//!   has passed it. It is copied out before that, and parsed afterwards, from memory of our own.
//! - `data_head` is read before the bytes, and `data_tail` is written after them: both are atomic
//!   words (perf_event_open(2), "MMAP layout").

use std::io;
use std::os::fd::AsFd;

use folio::Mapping;
use rustix::param::page_size;

/// Where `data_head` and `data_tail` lie in the first page (`struct perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// The buffer of an event, and of those that are redirected to it.
#[derive(Debug)]
pub struct Ring {
    mapping: Mapping,
    /// Bytes for records, a power of two, behind the first page.
    data_bytes: usize,
}

impl Ring {
    /// Maps the buffer of an event, of this many bytes, a power of two and at least a page.
    ///
    /// # Errors
    /// What mmap(2) fails with: EPERM where so much may not be locked.
    pub fn of(event: impl AsFd, data_bytes: usize) -> io::Result<Self> {
        // An event is a file without a length.
        let options = Mapping::options().write().shared().len(page_size() + data_bytes);
        let mapping =
            options.beyond_end().map(event).map_err(|error| match error.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => error.into(),
            })?;
        Ok(Self { mapping, data_bytes })
    }

    /// Appends all records that are there, whole ones, and makes room for more.
    ///
    /// # Errors
    /// None that are known of: the pages are the kernel's own.
    pub fn take(&self, into: &mut Vec<u8>) -> io::Result<()> {
        let view = self.mapping.view();
        let (head, tail) = (view.atomic_u64(HEAD)?, view.atomic_u64(TAIL)?);
        let (end, start) = (head.load()?, tail.load()?);
        let there = end.wrapping_sub(start);
        let Ok(there) = usize::try_from(there) else { return tail.store(end).map_err(Into::into) };
        if there > self.data_bytes {
            // The kernel does not do that.
            return tail.store(end).map_err(Into::into);
        }
        let from = start as usize & (self.data_bytes - 1);
        let before_the_end = there.min(self.data_bytes - from);
        let old = into.len();
        into.resize(old + there, 0);
        let (first, second) = into[old..].split_at_mut(before_the_end);
        view.read_at(page_size() + from, first)?;
        view.read_at(page_size(), second)?;
        tail.store(end)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring in memory of our own, with these positions.
    fn ring(data_bytes: usize, tail: u64, head: u64) -> Ring {
        let mapping = Mapping::options().write().anonymous(page_size() + data_bytes).unwrap();
        let pattern: Vec<u8> = (0..data_bytes).map(|position| position as u8).collect();
        mapping.view().write_at(page_size(), &pattern).unwrap();
        mapping.view().atomic_u64(TAIL).unwrap().store(tail).unwrap();
        mapping.view().atomic_u64(HEAD).unwrap().store(head).unwrap();
        Ring { mapping, data_bytes }
    }

    fn taken(tail: u64, head: u64) -> Vec<u8> {
        let ring = ring(4096, tail, head);
        let mut bytes = vec![7];
        ring.take(&mut bytes).unwrap();
        assert_eq!(ring.mapping.view().atomic_u64(TAIL).unwrap().load().unwrap(), head);
        assert_eq!(bytes.remove(0), 7);
        bytes
    }

    #[test]
    fn what_wraps_around_comes_in_one_piece() {
        let bytes = taken(3 * 4096 - 2, 3 * 4096 + 3);
        assert_eq!(bytes, [254, 255, 0, 1, 2]);
        assert!(taken(8, 8).is_empty());
        assert_eq!(taken(u64::MAX - 1, 1), [254, 255, 0]);
        assert_eq!(taken(4096, 8192).len(), 4096);
    }

    #[test]
    fn positions_that_make_no_sense_are_passed_over() {
        assert!(taken(0, 4097).is_empty());
        assert!(taken(5, 4).is_empty());
    }
}
