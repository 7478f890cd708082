//! The appender: the one process that writes a journal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::record::{self, At, Record};
use super::{JournalOptions, disk, files};
use crate::channel::bell::Bell;
use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::mark::Mark;
use crate::publish;
use crate::segment::Segment;

const APPEND: &str = "append to";

/// Bytes that are looked at, and zeroed, at a time.
const CHUNK: usize = 64 << 10;

/// How long the directory may be locked before that is an error.
const PATIENCE: Duration = Duration::from_millis(200);

/// The writing side of a journal, which one process has at a time. Dropped, what was not flushed is written by
/// the system in its own time.
#[derive(Debug)]
pub struct Appender {
    options: JournalOptions,
    directory: PathBuf,
    /// The directory, locked.
    lock: File,
    file: Segment,
    /// Where the next record begins.
    at: usize,
    /// The number of the next message.
    next: u64,
    /// Up to where the file is on the disk.
    flushed: usize,
    /// The process that appends.
    home: Mark,
}

impl Appender {
    pub(super) fn new(options: JournalOptions, directory: &Path) -> Result<Self> {
        let what = || directory.display().to_string();
        let failed = |error: std::io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Error::os(APPEND, what(), errno)
        };
        disk::make_directory(directory).map_err(|error| {
            let advice = "choose another path";
            failed(error).explain(ErrorKind::Exists, "it is a file, and no directory", advice)
        })?;
        let lock = File::open(directory).map_err(failed)?;
        // A child that the last one was just starting has its descriptors until it executes its program.
        let end = Instant::now() + PATIENCE;
        while let Err(errno) = publish::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if errno != Errno::WOULDBLOCK {
                return Err(Error::os(APPEND, what(), errno));
            }
            if Instant::now() >= end {
                let reason = "somebody else appends to it";
                return Err(
                    Error::new(ErrorKind::Busy, APPEND, what(), reason).advice("one can at a time")
                );
            }
            thread::sleep(Duration::from_millis(1));
        }
        let last = files::list(APPEND, directory)?.pop();
        let first = last.unwrap_or(0);
        let file = match last {
            Some(first) => open_last(&options, directory, first)?,
            None => {
                // Who made the directory may have been killed before it waited for that.
                disk::sync_name_of(directory).map_err(failed)?;
                make(&options, directory, &lock, first)?
            }
        };
        let options = go_on(options, &file)?;
        let (at, flushed, directory) = (record::RECORDS, record::RECORDS, directory.to_owned());
        let home = Mark::this_process();
        let mut this = Self { options, directory, lock, file, at, next: first, flushed, home };
        this.find_the_end()?;
        Ok(this)
    }

    /// Goes behind the last whole record, and zeroes what is there.
    fn find_the_end(&mut self) -> Result<()> {
        let mut message = Vec::new();
        while let At::Whole(record) = record::read(&self.file, self.at, self.next, &mut message)? {
            self.at += record::size(record.len);
            self.next += 1;
        }
        let mut at = self.at;
        let mut bytes = vec![0; CHUNK];
        let mut is_changed = false;
        while at < self.file.len() {
            let chunk = &mut bytes[..CHUNK.min(self.file.len() - at)];
            self.file.read_at(at, chunk)?;
            if chunk.iter().any(|&byte| byte != 0) {
                chunk.fill(0);
                disk::write(&self.file, at, chunk)?;
                is_changed = true;
            }
            at += chunk.len();
        }
        if is_changed {
            // On the disk too, before anything is appended: a record that was dropped might otherwise come
            // back behind one of the same number and length.
            disk::flush(&self.file, self.at..self.file.len())?;
        }
        Ok(())
    }

    /// Bytes of the longest message that can be appended now, whatever room is left: that fits the next file, or this
    /// one while it has none.
    #[must_use]
    pub fn longest(&self) -> usize {
        let is_empty = self.at == record::RECORDS;
        let len = if is_empty { self.file.len() } else { self.options.bytes_of_a_file() };
        len - record::RECORDS - record::size(0) - record::COMMIT
    }

    /// The number that the next message gets. The first has 0.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Appends a message, and returns its number. Readers see it at once; it survives this process, and after
    /// [`flush`](Self::flush) the machine.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for one that no file can hold; [`ErrorKind::NoSpace`] and others where the
    /// next file cannot be made; [`ErrorKind::Truncated`] or [`ErrorKind::Fault`] where the file cannot be
    /// written; [`ErrorKind::Invalid`] in a forked child.
    pub fn append(&mut self, message: &[u8]) -> Result<u64> {
        if self.home != Mark::this_process() {
            let reason = "a forked child does not have its parent's place";
            return Err(Error::new(ErrorKind::Invalid, APPEND, self.file.show(), reason)
                .advice("let one process append"));
        }
        let (len, longest) = (message.len(), self.longest());
        // An upper bound of either keeps what follows from overflow.
        let size = record::size(len.min(longest.max(self.file.len())));
        let is_full = self.at + size + record::COMMIT > self.file.len();
        if is_full && len > longest || u32::try_from(len).is_err() {
            let reason = format!("the message has {len} bytes, and {longest} are the most");
            return Err(Error::new(ErrorKind::OutOfRange, APPEND, self.file.show(), reason)
                .advice("file_bytes() says how large files are"));
        }
        if is_full {
            self.roll()?;
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_nanos = since_1970.as_nanos() as u64;
        let record = Record { sequence: self.next, time_nanos, len: message.len() };
        record::write(&self.file, self.at, record, message)?;
        self.at += size;
        self.next += 1;
        ring(&self.file)?;
        Ok(record.sequence)
    }

    /// Waits until all that was appended is on the disk (msync(2)).
    ///
    /// # Errors
    /// [`ErrorKind::Os`] with EIO or ENOSPC where the disk could not take it.
    pub fn flush(&mut self) -> Result<()> {
        // The word behind the last record, too: what lay there before must not come back.
        let end = (self.at + record::COMMIT).min(self.file.len());
        disk::flush(&self.file, self.flushed..end)?;
        self.flushed = self.at;
        Ok(())
    }

    /// Goes on in a new file, and removes old ones.
    fn roll(&mut self) -> Result<()> {
        self.flush()?;
        let next = make(&self.options, &self.directory, &self.lock, self.next)?;
        let last = std::mem::replace(&mut self.file, next);
        (self.at, self.flushed) = (record::RECORDS, record::RECORDS);
        // Who sleeps for the next message finds the next file.
        ring(&last)?;
        self.remove_old()
    }

    fn remove_old(&self) -> Result<()> {
        if self.options.keep_bytes.is_none() && self.options.keep_for.is_none() {
            return Ok(());
        }
        let files = files::list(APPEND, &self.directory)?;
        let metadata: Vec<_> = files
            .iter()
            .map(|&first| fs::metadata(files::path(&self.directory, first)).ok())
            .collect();
        // Three files can be longer than a number of 64 bits.
        let len = |metadata: &fs::Metadata| u128::from(metadata.len());
        let mut bytes: u128 = metadata.iter().flatten().map(len).sum();
        let now = SystemTime::now();
        for (&first, metadata) in files.iter().zip(&metadata).take(files.len().saturating_sub(1)) {
            let Some(metadata) = metadata else { continue };
            let age = metadata.modified().ok().and_then(|then| now.duration_since(then).ok());
            let is_old = self.options.keep_for.zip(age).is_some_and(|(most, age)| age > most);
            let is_too_much = self.options.keep_bytes.is_some_and(|most| bytes > most.into());
            if !is_old && !is_too_much {
                break;
            }
            bytes -= len(metadata);
            // What cannot be removed is there the next time. One after the other: readers look for the next
            // file by its name, and no power failure must leave a gap.
            let _ = disk::remove(&self.lock, &files::path(&self.directory, first));
        }
        Ok(())
    }
}

/// Wakes readers.
fn ring(file: &Segment) -> Result<()> {
    let asleep = file.word32(record::BELL + 4)?;
    Bell { number: file.word32(record::BELL)?, asleep }.ring();
    Ok(())
}

/// Makes a file that begins with a message.
fn make(options: &JournalOptions, directory: &Path, lock: &File, first: u64) -> Result<Segment> {
    let what = directory.display().to_string();
    let kept = options.kept();
    let synced = move |file: &Segment| {
        disk::write(file, record::FIRST, &first.to_le_bytes())?;
        record::put_kept(file, kept)?;
        disk::flush(file, 0..file.len())?;
        // Its length, too, has to be there when the power comes back.
        disk::sync(file)
    };
    let how =
        segment_options(options).create_new().size(options.bytes_of_a_file()).keep().init(synced);
    let path = files::path(directory, first);
    let file = how.file(&path)?;
    disk::named(&file, &path);
    disk::sync_directory(lock, directory).map_err(|errno| Error::os("flush", what, errno))?;
    Ok(file)
}

/// What was not asked for stays as it was in the last file; what was asked for is written down there.
fn go_on(mut options: JournalOptions, file: &Segment) -> Result<JournalOptions> {
    let before = record::kept(file)?;
    options.file_bytes = options.file_bytes.or(Some(file.len()));
    options.keep_bytes = options.keep_bytes.or(before.bytes);
    options.keep_for = options.keep_for.or(before.age);
    if options.kept() != before {
        record::put_kept(file, options.kept())?;
        disk::flush(file, 0..record::RECORDS)?;
    }
    Ok(options)
}

/// Opens the file that was appended to last. One that was cut gets its length back, in zeros.
fn open_last(options: &JournalOptions, directory: &Path, first: u64) -> Result<Segment> {
    let path = files::path(directory, first);
    let opened = segment_options(options).file(&path);
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::Truncated => {
            let file = publish::open(APPEND, &path, true)?;
            let is_longer = lengthen(&file, &path);
            drop(file);
            match is_longer {
                true => segment_options(options).file(&path)?,
                false => return Err(error),
            }
        }
        other => other?,
    };
    files::check(APPEND, &file, first)?;
    Ok(file)
}

/// Gives a file the length that its header says, if it has a header.
fn lengthen(file: &File, path: &Path) -> bool {
    let bytes = header::read(file).unwrap_or_default();
    let what = path.display().to_string();
    let header = header::Header::decode(APPEND, &what, &bytes, u64::MAX);
    let Ok(header) = header else { return false };
    let before = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let end = header::BYTES as u64 + header.payload;
    before >= header::BYTES as u64
        && crate::space::reserve(APPEND, &what, file, before, end).is_ok()
}

pub(super) fn segment_options(options: &JournalOptions) -> crate::SegmentOptions {
    let segment = Segment::options().layout(options.layout_hash());
    match options.mode {
        Some(mode) => segment.mode(mode),
        None => segment,
    }
}
