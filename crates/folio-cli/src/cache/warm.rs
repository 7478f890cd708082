//! Warming: loading files into the page cache, by several threads in the order of the disk.
//!
//! 1. The walk hands over each file: [`Warm::gather`] cuts what is not in memory, and no hole, into pieces
//!    and asks where on the disk they lie.
//! 2. When there are many, or no more, they are sorted by that place, and threads take one after the
//!    other, so that what is asked of the disk lies close together.
//! 3. A thread opens the file again and loads its piece with a `Loader`.
//! 4. Who ends the last piece of a file counts what the page cache holds of it.
//!
//! Memory goes by a batch of pieces, not by the number of files: while one is loaded, the walk waits.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use folio_stat::CacheCounts;
use rustix::fs::{Advice, fadvise, fstat};
use rustix::io::Errno;

use super::counts::Counts;
use super::data;
use super::extents;
use super::ledger::{Counted, Ledger};
use super::load::{Loader, reason_of_loading};
use super::look::Look;
use super::omissions::Omissions;
use super::rate::Rate;
use super::system;
use super::walk::{Entry, READ, Refusal, reason};
use crate::progress::{self, Unit};

/// Pieces that are sorted together.
const BATCH: usize = 1 << 16;
/// Bytes of a piece.
const PIECE_BYTES: u64 = 32 << 20;
/// Threads that load: so many reads a disk has in its queue.
const THREADS: usize = 4;

/// What is loaded, and what was.
#[derive(Debug)]
pub struct Warm<'a> {
    look: Look,
    rate: Option<Rate>,
    ledger: &'a Ledger,
    omissions: &'a Omissions,
    batch: Mutex<Batch>,
    loaded_bytes: AtomicU64,
    start: Instant,
}

#[derive(Debug, Default)]
struct Batch {
    jobs: Vec<Job>,
    pieces: Vec<Piece>,
}

/// A file.
#[derive(Debug)]
struct Job {
    path: PathBuf,
    row: usize,
    has_row: bool,
    identity: (u64, u64),
    before: Counts,
    /// Pieces that are not loaded yet.
    left: AtomicUsize,
    /// Whether it was left out meanwhile.
    is_out: AtomicBool,
}

/// A part of a file that begins and ends with data, in the order of the disk: of which one, and where
/// there.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    device: u64,
    place: u64,
    job: usize,
    start: u64,
    end: u64,
    /// Bytes of data that are not in memory.
    missing_bytes: u64,
    /// Whether there are holes in its file.
    has_holes: bool,
}

impl<'a> Warm<'a> {
    /// Nothing so far.
    pub fn new(
        look: Look,
        rate: Option<u64>,
        ledger: &'a Ledger,
        omissions: &'a Omissions,
    ) -> Self {
        Self {
            look,
            rate: rate.map(Rate::new),
            ledger,
            omissions,
            batch: Mutex::default(),
            loaded_bytes: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    /// Counts a file that is in memory, and takes note of one that is not.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn gather(&self, entry: &Entry<'_>) -> Result<Option<Counted>, Refusal> {
        let counts = self.look.count(&entry.file)?;
        if counts.resident_pages >= counts.pages {
            return self.look.at(entry).map(Some);
        }
        let (device, inode) = (entry.stat.st_dev, entry.stat.st_ino);
        let range = counts.offset_bytes..counts.offset_bytes + counts.length_bytes;
        let is_there = |part: &_| counts.resident_pages > 0 && is_there(&entry.file, part);
        let (missing, has_holes) = missing(&entry.file, range.clone(), is_there);
        if missing.is_empty() {
            return self.look.at(entry).map(Some);
        }
        let extents = extents::of(entry.file.as_fd(), range.start, counts.length_bytes);
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let job = batch.jobs.len();
        batch.jobs.push(Job {
            path: entry.path(),
            row: entry.row,
            has_row: entry.has_row,
            identity: (device, inode),
            before: counts.into(),
            left: AtomicUsize::new(missing.len()),
            is_out: AtomicBool::new(false),
        });
        batch.pieces.extend(missing.into_iter().map(|(range, missing_bytes)| Piece {
            device,
            // Inodes are numbered as they lie, more or less.
            place: extents::place(&extents, range.start).unwrap_or(inode),
            job,
            start: range.start,
            end: range.end,
            missing_bytes,
            has_holes,
        }));
        if batch.pieces.len() >= BATCH {
            self.load(&mut batch);
        }
        Ok(None)
    }

    /// Loads the rest. Returns how much was loaded that was not there, in bytes, and in how many
    /// seconds.
    pub fn finish(self) -> (u64, f64) {
        self.load(&mut self.batch.lock().unwrap_or_else(PoisonError::into_inner));
        (self.loaded_bytes.into_inner(), self.start.elapsed().as_secs_f64())
    }

    fn load(&self, batch: &mut Batch) {
        let Batch { jobs, mut pieces } = std::mem::take(batch);
        pieces.sort_unstable();
        let total = pieces.iter().map(|piece| piece.missing_bytes).sum();
        progress::watch("warming", Unit::Bytes, total, |done| {
            let next = AtomicUsize::new(0);
            let work = || {
                let mut loader = Loader::new();
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    self.piece(&jobs[piece.job], piece, &mut loader, done);
                }
            };
            thread::scope(|scope| {
                for _ in 1..THREADS.min(pieces.len()) {
                    // With fewer threads it takes longer.
                    let _ = thread::Builder::new().spawn_scoped(scope, work);
                }
                work();
            });
        });
    }

    fn piece(&self, job: &Job, piece: &Piece, loader: &mut Loader, done: &AtomicU64) {
        if job.is_out.load(Ordering::Relaxed) {
            return;
        }
        let opened = system::open_file(&job.path, READ).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let file = match opened {
            Ok((stat, fd)) if (stat.st_dev, stat.st_ino) == job.identity => File::from(fd),
            // A file that is gone, or another one by now, is none that was met.
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => {
                return job.is_out.store(true, Ordering::Relaxed);
            }
            Err(errno) => return self.leave_out(job, &reason(errno)),
        };
        if let Err(error) = self.read(&file, piece, loader, done) {
            self.leave_out(job, &reason_of_loading(&error));
        }
        let is_last = job.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last && !job.is_out.load(Ordering::Relaxed) {
            self.count(job, &file);
        }
    }

    /// Leaves a file out, and says so once.
    fn leave_out(&self, job: &Job, reason: &str) {
        if !job.is_out.swap(true, Ordering::Relaxed) {
            self.omissions.add(&job.path, reason);
        }
    }

    fn read(
        &self,
        file: &File,
        piece: &Piece,
        loader: &mut Loader,
        done: &AtomicU64,
    ) -> std::io::Result<()> {
        if self.rate.is_some() || piece.has_holes {
            // Each read loads what it asks for, and nothing ahead of it.
            let _ = fadvise(file, 0, None, Advice::Random);
        }
        let mut load = |part| {
            loader.load(file, part, |bytes| {
                if let Some(rate) = &self.rate {
                    rate.wait(bytes);
                }
                done.fetch_add(bytes, Ordering::Relaxed);
            })
        };
        let range = piece.start..piece.end;
        if piece.missing_bytes == piece.end - piece.start {
            return load(range);
        }
        data::parts(file, range).filter(|part| !is_there(file, part)).try_for_each(load)
    }

    fn count(&self, job: &Job, file: &File) {
        let counted = match self.look.at_file(file, job.has_row) {
            Ok(counted) => counted,
            Err(Refusal::LeftOut(reason)) => return self.omissions.add(&job.path, &reason),
            Err(Refusal::Stop(_)) => return,
        };
        let pages = counted.counts.resident_pages.saturating_sub(job.before.resident_pages);
        let bytes = pages * rustix::param::page_size() as u64;
        self.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
        match job.has_row {
            true => self.ledger.add_file(job.row, || job.path.clone(), counted),
            false => self.ledger.add(job.row, &counted.counts),
        }
    }
}

/// The pieces of a range that hold data that is not there, and how many bytes of it; and whether there
/// are holes.
fn missing(
    file: &File,
    range: Range<u64>,
    is_there: impl Fn(&Range<u64>) -> bool,
) -> (Vec<(Range<u64>, u64)>, bool) {
    let mut pieces: Vec<(Range<u64>, u64)> = Vec::new();
    let mut data_bytes = 0;
    for data in data::parts(file, range.clone()) {
        data_bytes += data.end - data.start;
        for start in data.clone().step_by(PIECE_BYTES as usize) {
            let part = start..data.end.min(start + PIECE_BYTES);
            if is_there(&part) {
                continue;
            }
            let bytes = part.end - part.start;
            match pieces.last_mut() {
                Some((piece, missing)) if part.end - piece.start <= PIECE_BYTES => {
                    piece.end = part.end;
                    *missing += bytes;
                }
                _ => pieces.push((part, bytes)),
            }
        }
    }
    (pieces, data_bytes < range.end - range.start)
}

/// Whether all of a part is in memory.
fn is_there(file: &File, part: &Range<u64>) -> bool {
    CacheCounts::of(file, part.clone()).is_ok_and(|counts| counts.resident_pages >= counts.pages)
}
