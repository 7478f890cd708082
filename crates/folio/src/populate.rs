//! Populating: bringing pages into memory, by several threads, with word of how far it got.
//!
//! ```
//! use std::ops::ControlFlow;
//! let map = folio::Memory::new(64 << 20)?.into_mapping();
//! let done = map.populate_with(.., 2, |progress| {
//!     println!("{} of {} bytes", progress.done_bytes, progress.total_bytes);
//!     if progress.done_bytes < 32 << 20 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
//! })?;
//! assert!(done.start == 0 && done.end >= 32 << 20);
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! The threads take pieces of the range in order, so that whenever they stop, what they did is one
//! range from the start, and the first failure in the range is among those that were met.

use core::ops::{ControlFlow, Range, RangeBounds};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::Mutex;
use std::thread;

use crate::error::{Error, Result};
use crate::range::{Extent, round_down};
use crate::region::Region;
use crate::{Mapping, Memory};

/// How far populating has got. See [`Mapping::populate_with`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes whose pages are in memory.
    pub done_bytes: usize,
    /// Bytes that were asked for, with the rest of their pages.
    pub total_bytes: usize,
}

/// Bytes that a thread populates at a time, unless a page is larger.
const PIECE: usize = 4 << 20;

impl Mapping {
    /// Brings the pages around a range into memory as [`populate`](Self::populate) does, with
    /// `threads` threads, or as many as there are processors for 0. The calling thread is one of
    /// them. It calls `progress` after each few megabytes that it did, and once more at the end;
    /// [`ControlFlow::Break`] stops all of them.
    ///
    /// Returns the positions that were populated: all, or a range from the first on.
    ///
    /// # Errors
    /// As `populate`: the fault with the lowest offset. Everything before it has been populated.
    pub fn populate_with(
        &self,
        range: impl RangeBounds<usize>,
        threads: usize,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Range<usize>> {
        populate(self.region(), range, threads, progress)
    }
}

impl Memory {
    /// As [`Mapping::populate`]: takes memory for the pages around a range now.
    ///
    /// # Errors
    /// As `Mapping::populate`.
    pub fn populate(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        self.region().populate(range)
    }

    /// As [`Mapping::populate_with`].
    ///
    /// # Errors
    /// As `Mapping::populate_with`.
    pub fn populate_with(
        &self,
        range: impl RangeBounds<usize>,
        threads: usize,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Range<usize>> {
        populate(self.region(), range, threads, progress)
    }
}

/// What the threads share.
struct Work<'a> {
    region: &'a Region,
    /// Positions, which begin and end with pages or the mapping.
    range: Range<usize>,
    write: bool,
    /// Pieces taken so far.
    taken: AtomicUsize,
    done_bytes: AtomicUsize,
    stop: AtomicBool,
    /// The failure in the piece nearest to the start.
    failure: Mutex<Option<(usize, Error)>>,
}

fn populate(
    region: &Region,
    range: impl RangeBounds<usize>,
    threads: usize,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Range<usize>> {
    let range = region.extent.around(region.resolve("populate", range)?).touched;
    let total_bytes = range.len();
    let work = Work {
        region,
        range,
        write: region.populates_for_writing(),
        taken: AtomicUsize::new(0),
        done_bytes: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    let threads = match threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let mut told = 0;
    thread::scope(|scope| {
        for _ in 1..threads.min(work.pieces()) {
            // Fewer threads do the same work.
            let _ = thread::Builder::new()
                .name("folio-populate".into())
                .spawn_scoped(scope, || while work.step().is_some() {});
        }
        while let Some(done_bytes) = work.step() {
            told = done_bytes;
            if progress(Progress { done_bytes, total_bytes }).is_break() {
                work.stop.store(true, Relaxed);
            }
        }
    });
    let done_bytes = work.done_bytes.load(Relaxed);
    let failure = work.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    if let Some((_, error)) = failure {
        return Err(error);
    }
    if told < done_bytes {
        let _ = progress(Progress { done_bytes, total_bytes });
    }
    let end = work.piece(work.taken.load(Relaxed).min(work.pieces())).start;
    Ok(work.range.start..end)
}

impl Work<'_> {
    /// Populates the next piece. Returns the bytes done by all, or `None` if there is no more to do.
    fn step(&self) -> Option<usize> {
        if self.stop.load(Relaxed) {
            return None;
        }
        let number = self.taken.fetch_add(1, Relaxed);
        let piece = self.piece(number);
        if piece.is_empty() {
            return None;
        }
        let count = piece.len();
        match self.region.populate_for(piece, self.write) {
            Ok(_) => Some(self.done_bytes.fetch_add(count, Relaxed) + count),
            Err(error) => {
                self.stop.store(true, Relaxed);
                let mut failure = self.failure.lock().unwrap_or_else(|lock| lock.into_inner());
                if failure.as_ref().is_none_or(|&(first, _)| number < first) {
                    *failure = Some((number, error));
                }
                None
            }
        }
    }

    fn piece_bytes(&self) -> usize {
        PIECE.max(self.region.extent.page)
    }

    /// Positions of a piece. They begin with a multiple of its size among the addresses, so that
    /// no page, transparent huge ones among them, is done by two threads.
    fn piece(&self, number: usize) -> Range<usize> {
        let Extent { start, lead, .. } = self.region.extent;
        let Range { start: first, end } = self.range;
        let address = start + lead + first;
        let boundary = |number: usize| match number {
            0 => first,
            _ => {
                let from_first = number
                    .saturating_mul(self.piece_bytes())
                    .saturating_sub(address - round_down(address, self.piece_bytes()));
                first.saturating_add(from_first).min(end)
            }
        };
        boundary(number)..boundary(number.saturating_add(1))
    }

    fn pieces(&self) -> usize {
        // One more where the first is cut short.
        self.range.len() / self.piece_bytes() + 2
    }
}
