//! A journal whose appender is killed, and whose power fails, between any two of its changes.
//!
//! After a kill, all that was written is there, up to any byte. After a power failure, of each sector of 512 bytes any
//! state may be on the disk that it has had since it was last waited for, and of the names in a directory any.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use proptest::prelude::*;
use proptest::sample::Index;

use super::disk::steps::{self, Step};
use super::{Journal, JournalOptions, JournalReader, Start, record};

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// A directory to be used up, in memory: what is waited for is on no disk.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("folio-power-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Where a journal may be, or not yet.
    fn journal(&self, round: usize) -> PathBuf {
        self.0.join(format!("{round}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn small() -> JournalOptions {
    Journal::options().file_bytes(9000)
}

/// Makes a file of these bytes, as a journal's are made.
fn put(path: &Path, bytes: &[u8]) -> File {
    let file = File::options().create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// A message that tells which it is, and who appended it.
fn content(number: usize, round: usize, len: usize) -> Vec<u8> {
    let byte = |at: usize| (number * 31 + round * 7 + at) as u8;
    [number as u8, round as u8].into_iter().chain((0..len).map(byte)).collect()
}

/// Reads all that there is, which must be the messages from some on.
fn check(directory: &Path, messages: &[Vec<u8>]) {
    let mut reader = small().read(directory, Start::Oldest).unwrap();
    let last = follow(&mut reader, messages).map_or(0, |last| last + 1);
    assert_eq!(last, messages.len(), "some are missing");
}

/// The number of the last that there is now, all of which must be these.
fn follow(reader: &mut JournalReader, messages: &[Vec<u8>]) -> Option<usize> {
    let (mut message, mut last) = (Vec::new(), None);
    while let Some(entry) = reader.try_next(&mut message).unwrap() {
        let number = entry.sequence() as usize;
        assert_eq!(&message, &messages[number], "message {number}");
        assert!(last.is_none_or(|last| number == last + 1) && entry.lost() == 0);
        last = Some(number);
    }
    last
}

/// What may be on a disk.
struct Disk {
    journal: PathBuf,
    /// Whether the journal's directory has its name for good.
    has_name: bool,
    files: BTreeMap<u64, Image>,
    names: BTreeMap<PathBuf, u64>,
    /// Names given, or taken away, that are not waited for yet.
    renamed: Vec<(PathBuf, Option<u64>)>,
}

#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
    /// Whether its length is there for good.
    has_len: bool,
    /// What was written, by sectors, and is not waited for yet.
    written: Vec<(usize, Vec<u8>)>,
}

impl Image {
    fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
        bytes[at..at + what.len()].copy_from_slice(what);
    }

    fn write(&mut self, mut at: usize, mut what: &[u8]) {
        while !what.is_empty() {
            let (one, others) = what.split_at(what.len().min(SECTOR - at % SECTOR));
            self.written.push((at, one.to_vec()));
            (at, what) = (at + one.len(), others);
        }
    }

    /// What is written to these pages is there for good.
    fn settle(&mut self, pages: std::ops::Range<usize>) {
        let Self { bytes, written, .. } = self;
        written.retain(|(at, what)| {
            let is_there = pages.contains(at);
            if is_there {
                Self::put(bytes, *at, what);
            }
            !is_there
        });
    }

    /// What may be found: of each sector some of the writes, in their order.
    fn found(&self, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        if !self.has_len && random(2) == 0 {
            return Vec::new();
        }
        let mut bytes = self.bytes.clone();
        let mut counts = BTreeMap::<usize, usize>::new();
        for (at, _) in &self.written {
            *counts.entry(at / SECTOR).or_default() += 1;
        }
        for count in counts.values_mut() {
            // None, all, or some.
            *count = [0, *count, random(*count + 1)][random(3)];
        }
        for (at, what) in &self.written {
            let left = counts.get_mut(&(at / SECTOR)).unwrap();
            if *left > 0 {
                *left -= 1;
                Self::put(&mut bytes, *at, what);
            }
        }
        bytes
    }
}

impl Disk {
    /// As a journal is now, if there is one, all of it for good.
    fn of(journal: &Path) -> Self {
        let (mut files, mut names) = (BTreeMap::new(), BTreeMap::new());
        for entry in fs::read_dir(journal).into_iter().flatten() {
            let path = entry.unwrap().path();
            let inode = fs::metadata(&path).unwrap().ino();
            let bytes = fs::read(&path).unwrap();
            files.insert(inode, Image { bytes, has_len: true, written: Vec::new() });
            names.insert(path, inode);
        }
        let (journal, has_name) = (journal.to_owned(), journal.exists());
        Self { journal, has_name, files, names, renamed: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Is(file, bytes) => {
                let image = self.files.entry(*file).or_default();
                if image.bytes.is_empty() {
                    image.bytes = vec![0; bytes.len()];
                    image.write(0, bytes);
                }
            }
            Step::Wrote(file, at, bytes) => self.files.get_mut(file).unwrap().write(*at, bytes),
            Step::Flushed(file, range) => {
                let pages = range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE);
                self.files.get_mut(file).unwrap().settle(pages);
            }
            Step::Synced(file) => {
                let image = self.files.get_mut(file).unwrap();
                image.settle(0..usize::MAX);
                image.has_len = true;
            }
            Step::Named(file, path) => self.renamed.push((path.clone(), Some(*file))),
            Step::Removed(path) => self.renamed.push((path.clone(), None)),
            Step::SyncedDirectory(path) if *path == self.journal => {
                let renamed = std::mem::take(&mut self.renamed);
                renamed.into_iter().for_each(|(path, file)| self.rename(path, file));
            }
            Step::SyncedDirectory(path) => {
                self.has_name |= Some(&**path) == self.journal.parent();
            }
            Step::Promised(_) => {}
        }
    }

    fn rename(&mut self, path: PathBuf, file: Option<u64>) {
        match file {
            Some(file) => self.names.insert(path, file),
            None => self.names.remove(&path),
        };
    }

    /// The power fails: what may be found then is put into another directory.
    fn fail(mut self, random: &mut impl FnMut(usize) -> usize, other: &Path) {
        if !self.has_name && random(2) == 0 {
            return;
        }
        for (path, file) in std::mem::take(&mut self.renamed) {
            if random(2) == 0 {
                self.rename(path, file);
            }
        }
        fs::create_dir(other).unwrap();
        for (path, file) in &self.names {
            let found = self.files[file].found(random);
            put(&other.join(path.file_name().unwrap()), &found);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Append(usize),
    Flush,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    // Some of the same length: what was dropped might fit behind what comes in its place.
    let deed = prop_oneof![
        2 => (0usize..300).prop_map(Deed::Append),
        4 => prop::sample::select(&[40, 600, 600, 2000][..]).prop_map(Deed::Append),
        1 => Just(Deed::Flush),
    ];
    prop::collection::vec(deed, 0..12)
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("FOLIO_SHM_RUNS").map_or(300, |runs| runs.parse().unwrap());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Does these deeds round after round. The power fails in each, at a place in the row of its steps or at its end.
fn go_through(rounds: Vec<(Vec<Deed>, Option<Index>)>, seed: u64, keeps_all: bool) {
    let scratch = Scratch::new();
    let mut state = seed;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let options = if keeps_all { small() } else { small().keep_bytes(3 * 16_384) };
    let (mut messages, mut promised) = (Vec::<Vec<u8>>::new(), 0);
    // The last only looks at what is there.
    let rounds = rounds.into_iter().chain([(Vec::new(), None)]);
    for (round, (deeds, cut)) in rounds.enumerate() {
        let journal = scratch.journal(round);
        let mut disk = Disk::of(&journal);
        let ((), steps) = steps::of(|| {
            let mut appender = options.append(&journal).unwrap();
            let next = appender.next_sequence() as usize;
            assert!((promised..=messages.len()).contains(&next), "{next} after {promised}");
            messages.truncate(next);
            check(&journal, &messages);
            for deed in deeds {
                match deed {
                    Deed::Append(len) => {
                        messages.push(content(messages.len(), round, len));
                        appender.append(messages.last().unwrap()).unwrap();
                    }
                    Deed::Flush => {
                        appender.flush().unwrap();
                        steps::take(Step::Promised(messages.len() as u64));
                    }
                }
            }
            drop(appender);
            check(&journal, &messages);
        });
        let cut = cut.map_or(steps.len(), |cut| cut.index(steps.len() + 1));
        for step in &steps[..cut] {
            disk.step(step);
            if let Step::Promised(count) = step {
                promised = *count as usize;
            }
        }
        disk.fail(&mut random, &scratch.journal(round + 1));
    }
}

proptest! {
    #![proptest_config(cases())]

    /// The power fails in each round, perhaps while the damage of the last is mended.
    #[test]
    fn whatever_reaches_the_disk_what_was_flushed_is_there_and_nothing_is_torn(
        rounds in prop::collection::vec((deeds(), any::<Option<Index>>()), 1..4),
        seed: u64,
        keeps_all: bool,
    ) {
        go_through(rounds, seed, keeps_all);
    }

    /// It might, behind one that came in the place of another, where records fill sectors.
    #[test]
    fn a_message_that_was_dropped_does_not_come_back(seed: u64) {
        let append = |len: usize| Deed::Append(len - 2);
        let first = append(SECTOR - record::RECORDS - record::size(0));
        let other = append(SECTOR - record::size(0));
        let rounds = vec![
            (vec![first, Deed::Flush], None),
            (vec![other, other], None),
            (vec![other], None),
        ];
        go_through(rounds, seed, true);
    }
}

/// Applies a step to files as they would be after a kill.
fn replay(step: &Step, journal: &Path, files: &mut BTreeMap<u64, File>, bytes: Option<usize>) {
    match step {
        Step::Is(file, bytes) => {
            let path = journal.join("unnamed").with_extension(file.to_string());
            files.insert(*file, put(&path, bytes));
        }
        Step::Wrote(file, at, what) => {
            let count = bytes.unwrap_or(what.len());
            files[file].write_all_at(&what[..count], *at as u64).unwrap();
        }
        Step::Named(file, path) => {
            let unnamed = journal.join("unnamed").with_extension(file.to_string());
            fs::rename(unnamed, journal.join(path.file_name().unwrap())).unwrap();
        }
        _ => {}
    }
}

#[test]
fn a_kill_between_any_two_bytes_leaves_all_before_it_to_the_reader_and_to_the_next() {
    let scratch = Scratch::new();
    let lens = [0, 1, 7, 8, 100, 300, 900, 40, 250, 3000, 5000, 3, 64];
    let messages: Vec<_> = (0..).zip(lens).map(|(number, len)| content(number, 0, len)).collect();
    let ((), steps) = steps::of(|| {
        let mut appender = small().append(scratch.journal(0)).unwrap();
        for message in &messages {
            appender.append(message).unwrap();
            steps::take(Step::Promised(appender.next_sequence()));
        }
    });
    let (journal, copy) = (scratch.journal(1), scratch.journal(2));
    fs::create_dir(&journal).unwrap();
    let (mut files, mut reader, mut said) = (BTreeMap::new(), None, 0);
    for step in &steps {
        if let Step::Promised(count) = step {
            said = *count as usize;
        }
        let cuts: Vec<_> = match step {
            Step::Wrote(_, _, what) => (0..what.len()).step_by(5).chain([what.len()]).collect(),
            _ => vec![0],
        };
        for cut in cuts {
            replay(step, &journal, &mut files, Some(cut));
            if reader.is_none() {
                reader = small().read(&journal, Start::Oldest).ok();
            }
            // One that is there all the time meets what is whole, and sees no damage.
            if let Some(reader) = &mut reader {
                follow(reader, &messages);
            }
            let _ = fs::remove_dir_all(&copy);
            fs::create_dir(&copy).unwrap();
            for entry in fs::read_dir(&journal).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
            let mut appender = small().append(&copy).unwrap();
            let next = appender.next_sequence() as usize;
            assert!(next == said || next == said + 1, "{next} after {said}");
            let mut there = messages[..next].to_vec();
            there.push(content(next, 1, 20));
            appender.append(&there[next]).unwrap();
            check(&copy, &there);
        }
    }
    assert_eq!(said, messages.len());
}
