//! A cursor: a position in a mapping that reads, writes and seeks, for code that wants
//! [`Read`], [`Write`], [`Seek`] or [`BufRead`].
//!
//! ```
//! use std::io::BufRead;
//! let map = folio::Mapping::open("Cargo.toml")?;
//! let first = map.cursor().lines().next().unwrap()?;
//! assert_eq!(first, "[package]");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! `BufRead` needs a slice, and a mapping's bytes cannot be one, so a block is copied; it is
//! dropped whenever the cursor writes or seeks.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use crate::View;
use crate::error::Error;
use crate::fault::Fault;

/// Bytes that `BufRead` copies at a time.
const BLOCK: usize = 64 << 10;

/// A position in a mapping. See the [module](self) documentation.
///
/// A read that meets a fault after some bytes returns those; the next read returns the fault.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    view: View<'a>,
    at: u64,
    block: Vec<u8>,
    /// How much of `block` has been consumed.
    used: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(view: View<'a>) -> Self {
        Self { view, at: 0, block: Vec::new(), used: 0 }
    }

    /// The position in bytes from the view's start. May lie behind its end.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Moves to a position; behind the end is allowed.
    pub fn set_position(&mut self, at: u64) {
        self.at = at;
        self.forget_block();
    }

    fn forget_block(&mut self) {
        self.block.clear();
        self.used = 0;
    }

    /// Position and number of bytes of a transfer of up to `count`; none at the end.
    fn next(&self, count: usize) -> (usize, usize) {
        let at = usize::try_from(self.at).map_or(self.view.len(), |at| at.min(self.view.len()));
        (at, count.min(self.view.len() - at))
    }

    fn transfer(
        &mut self,
        count: usize,
        copy: impl FnOnce(&View<'a>, usize, usize) -> Result<(), Error>,
    ) -> io::Result<usize> {
        let (at, count) = self.next(count);
        let done = match copy(&self.view, at, count) {
            Ok(()) => count,
            Err(error) => match error.fault().map_or(0, Fault::transferred) {
                0 => return Err(error.into()),
                done => done,
            },
        };
        self.at += done as u64;
        Ok(done)
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let waiting = self.block.len() - self.used;
        if waiting > 0 {
            let count = waiting.min(buf.len());
            buf[..count].copy_from_slice(&self.block[self.used..self.used + count]);
            self.consume(count);
            return Ok(count);
        }
        self.transfer(buf.len(), |view, at, count| view.read_at(at, &mut buf[..count]))
    }
}

impl BufRead for Cursor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.block.len() {
            let mut block = core::mem::take(&mut self.block);
            block.resize(self.next(BLOCK).1, 0);
            let at = self.at;
            let done =
                self.transfer(BLOCK, |view, at, count| view.read_at(at, &mut block[..count]));
            self.at = at;
            self.used = 0;
            block.truncate(*done.as_ref().unwrap_or(&0));
            self.block = block;
            done?;
        }
        Ok(&self.block[self.used..])
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.block.len() - self.used);
        self.used += count;
        self.at += count as u64;
    }
}

impl Write for Cursor<'_> {
    /// Writes within the mapping; at its end it writes nothing and returns 0.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.forget_block();
        self.transfer(buf.len(), |view, at, count| view.write_at(at, &buf[..count]))
    }

    /// Does nothing: written bytes are in the mapping. To reach the disk see
    /// [`Mapping::flush`](crate::Mapping::flush).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => (self.view.len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let at = at.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start or past u64")
        })?;
        self.set_position(at);
        Ok(at)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.at)
    }
}
