//! A journal whose appender dies, whose power fails, whose files are cut, damaged and removed.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{content, number, rounds, soon};
use folio_shm::{ErrorKind, Journal, JournalOptions, JournalReader, Start};

/// A directory of a test's own, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("folio-journal-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    /// Its files, in order.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|it| it.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn small() -> JournalOptions {
    Journal::options().file_bytes(4096)
}

/// All messages that there are.
fn all(directory: &Path) -> Vec<u64> {
    rest(&mut small().read(directory, Start::Oldest).unwrap())
}

fn rest(reader: &mut JournalReader) -> Vec<u64> {
    let mut message = Vec::new();
    let mut numbers = Vec::new();
    while let Some(entry) = reader.try_next(&mut message).unwrap() {
        assert_eq!(message, content(number(&message)));
        assert_eq!(entry.sequence(), number(&message));
        numbers.push(entry.sequence());
    }
    numbers
}

fn fill(directory: &Path, count: u64) {
    let mut appender = small().append(directory).unwrap();
    let first = appender.next_sequence();
    for number in first..first + count {
        assert_eq!(appender.append(&content(number)).unwrap(), number);
    }
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    assert_eq!(part, "append for ever");
    let mut appender = small().append(&argument).unwrap();
    for number in appender.next_sequence().. {
        appender.append(&content(number)).unwrap();
        common::say(&number.to_string());
    }
}

#[test]
fn messages_are_there_when_the_journal_is_opened_again_however_many_files_they_take() {
    let directory = Directory::new();
    let error = small().read(&directory.0, Start::Oldest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for count in [0, 1, 200, 0, 300] {
        fill(&directory.0, count);
    }
    assert_eq!(all(&directory.0), (0..501).collect::<Vec<_>>());
    assert!(directory.files().len() > 5);
    let mut appender = small().append(&directory.0).unwrap();
    assert_eq!(appender.next_sequence(), 501);
    let error = small().append(&directory.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let longest = appender.longest();
    appender.append(&vec![7; longest]).unwrap();
    let error = appender.append(&vec![7; longest + 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    appender.flush().unwrap();
    let error = Journal::options().file_bytes(100).append(&directory.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_reader_starts_where_it_is_told_and_follows() {
    let directory = Directory::new();
    fill(&directory.0, 100);
    let read = |start| small().read(&directory.0, start).unwrap();
    let mut newest = read(Start::Newest);
    let mut middle = read(Start::Sequence(42));
    let mut ahead = read(Start::Sequence(120));
    let mut appender = small().append(&directory.0).unwrap();
    for number in 100..150 {
        appender.append(&content(number)).unwrap();
    }
    assert_eq!(rest(&mut newest), (100..150).collect::<Vec<_>>());
    assert_eq!(rest(&mut middle), (42..150).collect::<Vec<_>>());
    assert_eq!(rest(&mut ahead), (120..150).collect::<Vec<_>>());
    let mut message = Vec::new();
    let end = Instant::now() + Duration::from_millis(10);
    let error = newest.next_until(&mut message, end).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 150..400 {
                let entry = newest.next_until(&mut message, soon()).unwrap();
                assert_eq!((entry.sequence(), entry.lost()), (number, 0));
                assert!(entry.time().elapsed().unwrap() < Duration::from_secs(60));
            }
        });
        for number in 150..400 {
            appender.append(&content(number)).unwrap();
            if number % 50 == 0 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
    });
}

#[test]
fn old_files_are_removed_and_readers_told_what_they_lost() {
    let directory = Directory::new();
    let options = small().keep_bytes(5 * 8192);
    let mut appender = options.append(&directory.0).unwrap();
    appender.append(&content(0)).unwrap();
    let mut slow = small().read(&directory.0, Start::Oldest).unwrap();
    for number in 1..1000 {
        appender.append(&content(number)).unwrap();
    }
    let bytes: u64 = directory.files().iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes <= 5 * 8192, "{bytes}");
    let kept = all(&directory.0);
    assert!(kept.len() > 50 && kept.last() == Some(&999));
    // It still has the file that it had open.
    let mut message = Vec::new();
    let mut expected = 0;
    while let Some(entry) = slow.try_next(&mut message).unwrap() {
        assert_eq!(entry.sequence(), expected + entry.lost());
        expected = entry.sequence() + 1;
    }
    assert_eq!(expected, 1000);
    let mut late = small().read(&directory.0, Start::Sequence(3)).unwrap();
    let entry = late.try_next(&mut message).unwrap().unwrap();
    assert_eq!((entry.sequence(), entry.lost()), (kept[0], kept[0] - 3));
    drop(appender);
    let options = small().keep_for(Duration::ZERO);
    let mut appender = options.append(&directory.0).unwrap();
    for number in 1000..1100 {
        appender.append(&content(number)).unwrap();
    }
    assert_eq!(directory.files().len(), 1);
}

#[test]
fn who_appends_next_keeps_as_much_as_the_last_was_asked_to() {
    let directory = Directory::new();
    let path = &directory.0;
    let age = Duration::from_secs(3600);
    drop(small().keep_bytes(30_000).keep_for(age).append(path).unwrap());
    let append = |options: JournalOptions, numbers: std::ops::Range<u64>| {
        let mut appender = options.append(path).unwrap();
        for number in numbers {
            appender.append(&content(number)).unwrap();
        }
    };
    append(Journal::options(), 0..2000);
    let stat = Journal::options().stat(path).unwrap();
    assert_eq!((stat.keep_bytes, stat.keep_for), (Some(30_000), Some(age)));
    assert_eq!((stat.file_bytes, stat.next, stat.is_torn), (4096, 2000, false));
    assert!(stat.bytes <= 30_000 && stat.oldest > 0, "{stat:?}");
    assert_eq!(stat.files, directory.files());
    assert_eq!(all(path), (stat.oldest..2000).collect::<Vec<_>>());
    // All, from now on.
    append(Journal::options().keep_bytes(u64::MAX), 2000..2001);
    append(Journal::options(), 2001..4000);
    assert_eq!(Journal::options().stat(path).unwrap().oldest, stat.oldest);
}

#[test]
fn appenders_that_are_killed_at_any_moment_lose_nothing_they_said() {
    let directory = Directory::new();
    fill(&directory.0, 1);
    let stop = AtomicBool::new(false);
    let mut checked = small().read(&directory.0, Start::Sequence(1)).unwrap();
    let (mut said, mut there) = (0, 1);
    std::thread::scope(|scope| {
        // One that follows all the time sees no damage, and leaves nothing out.
        let follower = scope.spawn(|| {
            let mut reader = small().read(&directory.0, Start::Oldest).unwrap();
            let (mut message, mut next) = (Vec::new(), 0);
            while !stop.load(Relaxed) {
                let end = Instant::now() + Duration::from_millis(10);
                match reader.next_until(&mut message, end) {
                    Ok(entry) => {
                        assert_eq!((entry.sequence(), entry.lost()), (next, 0));
                        assert_eq!(message, content(next));
                        next += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
                }
            }
            next + rest(&mut reader).len() as u64
        });
        for round in 0..rounds(20) {
            let mut child = common::start("append for ever", directory.0.to_str().unwrap());
            let mut lines = common::lines(&mut child);
            for _ in 0..round * 7 % 60 + 1 {
                said = lines.next().unwrap().parse::<u64>().unwrap();
            }
            child.kill().unwrap();
            for line in lines {
                match line.parse::<u64>() {
                    Ok(now) if now == said + 1 => said = now,
                    _ => break,
                }
            }
            child.wait().unwrap();
            let new = rest(&mut checked);
            assert!(new.iter().copied().eq(there..there + new.len() as u64), "{new:?}");
            there += new.len() as u64;
            assert!(said < there, "{said} of {there}");
        }
        stop.store(true, Relaxed);
        assert_eq!(follower.join().unwrap(), there);
    });
    assert!(all(&directory.0).into_iter().eq(0..there));
}

/// The last file of a journal with some messages in it, and where each record ends.
fn last_file(directory: &Directory, count: u64) -> (PathBuf, Vec<u8>, Vec<usize>) {
    fill(&directory.0, count);
    let path = directory.files().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut ends = vec![4096 + 128];
    for number in 0..count {
        ends.push(ends[number as usize] + (32 + content(number).len()).next_multiple_of(8));
    }
    (path, bytes, ends)
}

/// What is left of a journal after its last file has become this, to a reader and to an appender.
fn left(directory: &Directory, path: &Path, bytes: &[u8]) -> Vec<u64> {
    fs::write(path, bytes).unwrap();
    let mut appender = small().append(&directory.0).unwrap();
    let next = appender.next_sequence();
    // It goes on behind what is whole, and what was torn does not come back.
    appender.append(&content(next)).unwrap();
    drop(appender);
    let mut there = all(&directory.0);
    assert_eq!(there.pop(), Some(next));
    assert!(there.iter().copied().eq(0..next));
    there
}

#[test]
fn a_file_that_is_cut_anywhere_keeps_what_comes_before_the_cut() {
    let directory = Directory::new();
    let (path, bytes, ends) = last_file(&directory, 8);
    for cut in 4096 + 128..*ends.last().unwrap() + 16 {
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        // Those that end before the cut, or of which only zeros were cut off.
        let whole = ends.iter().filter(|&&end| zeroed[..end] == bytes[..end]).count() - 1;
        assert_eq!(left(&directory, &path, &bytes[..cut]).len(), whole, "cut at {cut}");
        assert_eq!(left(&directory, &path, &zeroed).len(), whole, "zeros from {cut}");
    }
    fs::write(&path, &bytes[..50]).unwrap();
    let error = small().append(&directory.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_drops_it_and_none_before_it() {
    let directory = Directory::new();
    let (path, bytes, ends) = last_file(&directory, 5);
    for at in ends[0]..*ends.last().unwrap() {
        let hit = ends.iter().filter(|&&end| end <= at).count() - 1;
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        let mut reader = small().read(&directory.0, Start::Oldest).unwrap();
        let mut message = Vec::new();
        for number in 0..hit as u64 {
            let entry = reader.try_next(&mut message).unwrap().unwrap();
            assert_eq!((entry.sequence(), &message), (number, &content(number)));
        }
        let padding = at >= ends[hit] + 32 + content(hit as u64).len();
        match reader.try_next(&mut message) {
            Ok(Some(_)) => assert!(padding, "bit {at}"),
            Ok(None) => panic!("bit {at}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Scribbled),
        }
        let whole = if padding { 5 } else { hit };
        assert_eq!(left(&directory, &path, &damaged).len(), whole, "bit {at}");
    }
}

#[test]
fn whichever_of_the_last_writes_reach_the_disk_what_was_flushed_is_there() {
    let directory = Directory::new();
    // The file as it was flushed, and as it was when the power failed.
    let (path, flushed, _) = last_file(&directory, 4);
    fill(&directory.0, 6);
    let last = fs::read(&path).unwrap();
    // What differs, in pieces that the disk may have written or not.
    let pieces: Vec<usize> = (4096..last.len() - 64)
        .step_by(64)
        .filter(|&at| last[at..at + 64] != flushed[at..at + 64])
        .collect();
    let mut random = 1u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut disk = flushed.clone();
        for (index, &at) in pieces.iter().enumerate() {
            if random >> (20 + index % 40) & 1 == 1 {
                disk[at..at + 64].copy_from_slice(&last[at..at + 64]);
            }
        }
        let whole = left(&directory, &path, &disk).len();
        assert!((4..=10).contains(&whole));
    }
}

#[test]
fn a_file_that_an_enemy_made_is_refused_or_read_and_nothing_overflows() {
    let directory = Directory::new();
    fill(&directory.0, 1);
    let layout = folio_shm::Segment::options();
    let bytes = fs::read(&directory.files()[0]).unwrap();
    let layout = layout.layout(u64::from_le_bytes(bytes[16..24].try_into().unwrap()));
    let last = |number: &str| directory.0.join(format!("{number}.journal"));
    let made = |number: u64, size: usize, capacity: usize| {
        let options = layout.clone().create_new().size(size).growable(capacity);
        let options = options.init(move |file| file.put(0, &number));
        options.file(last(&format!("{number:020}"))).unwrap()
    };
    let both = || {
        let appended = small().append(&directory.0).and_then(|mut it| it.append(b"x"));
        let read = small().read(&directory.0, Start::Newest);
        (appended.map_err(|error| error.kind()), read.map(drop).map_err(|error| error.kind()))
    };
    // Its length may change between two looks.
    drop(made(1000, 4096, 8192));
    assert_eq!(both(), (Err(ErrorKind::Scribbled), Err(ErrorKind::Scribbled)));
    // No room for the first record.
    drop(made(1001, 8, 8));
    assert_eq!(both(), (Err(ErrorKind::Scribbled), Err(ErrorKind::Scribbled)));
    // What is no number, or one that leaves none for those after it, is none of the journal's.
    for name in ["18446744073709551615", "+0000000000000009999"] {
        fs::write(last(name), &bytes).unwrap();
    }
    for number in [1000, 1001] {
        fs::remove_file(last(&format!("{number:020}"))).unwrap();
    }
    assert_eq!(both(), (Ok(1), Ok(())));
}

#[test]
fn the_next_file_is_as_large_as_asked_for_and_so_is_its_longest_message() {
    let directory = Directory::new();
    fill(&directory.0, 1);
    let large = vec![1; 10_000];
    // In a larger one.
    let mut appender = small().file_bytes(1 << 16).append(&directory.0).unwrap();
    assert!(appender.longest() >= large.len());
    assert_eq!(appender.append(&large).unwrap(), 1);
    drop(appender);
    // In smaller ones, when this is full.
    let mut appender = small().append(&directory.0).unwrap();
    while directory.files().len() < 4 {
        let next = appender.next_sequence();
        assert_eq!(appender.append(&vec![2; appender.longest()]).unwrap(), next);
    }
    assert_eq!(appender.append(&large).unwrap_err().kind(), ErrorKind::OutOfRange);
    let mut reader = small().read(&directory.0, Start::Sequence(1)).unwrap();
    let mut message = Vec::new();
    for sequence in 1..appender.next_sequence() {
        assert_eq!(reader.try_next(&mut message).unwrap().unwrap().sequence(), sequence);
    }
    // A file has its name from its first message, and an empty one cannot be left behind.
    let directory = Directory::new();
    drop(small().append(&directory.0).unwrap());
    let mut appender = small().file_bytes(1 << 16).append(&directory.0).unwrap();
    assert_eq!(appender.append(&large).unwrap_err().kind(), ErrorKind::OutOfRange);
    appender.append(&vec![1; appender.longest()]).unwrap();
    appender.append(&large).unwrap();
}

#[test]
fn a_reader_begins_with_the_oldest_though_it_is_just_being_removed() {
    let directory = Directory::new();
    let mut appender = small().keep_bytes(1 << 14).append(&directory.0).unwrap();
    appender.append(&content(0)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let message = vec![0; appender.longest()];
            while !stop.load(Relaxed) {
                appender.append(&message).unwrap();
            }
        });
        let begun: Result<Vec<_>, _> =
            (0..rounds(500)).map(|_| small().read(&directory.0, Start::Oldest)).collect();
        stop.store(true, Relaxed);
        begun.unwrap();
    });
}

#[test]
fn files_that_an_enemy_made_as_long_as_can_be_are_removed_like_others() {
    // Elsewhere files do not get that long.
    let name = common::Name::new();
    let directory = Directory(name.path());
    fill(&directory.0, 200);
    let files = directory.files();
    for path in &files[..3] {
        File::options().write(true).open(path).unwrap().set_len(i64::MAX as u64).unwrap();
    }
    let mut appender = small().keep_bytes(20_000).append(&directory.0).unwrap();
    for number in 200..300 {
        appender.append(&content(number)).unwrap();
    }
    assert!(files[..3].iter().all(|path| !path.exists()));
}

#[test]
fn what_is_not_the_journals_is_refused() {
    let directory = Directory::new();
    fill(&directory.0, 3);
    let file = directory.files().pop().unwrap();
    let error = small().layout(1).read(&directory.0, Start::Oldest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Layout);
    let renamed = directory.0.join(format!("{:020}.journal", 5));
    fs::rename(&file, &renamed).unwrap();
    let error = small().read(&directory.0, Start::Oldest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Scribbled, "{error}");
    assert_eq!(small().append(&directory.0).unwrap_err().kind(), ErrorKind::Scribbled);
    fs::rename(&renamed, &file).unwrap();
    fs::write(directory.0.join("notes.txt"), "not a journal's").unwrap();
    assert_eq!(all(&directory.0), [0, 1, 2]);
    // One that may only read is not woken, and reads all the same.
    let raw = File::options().write(true).open(&file).unwrap();
    raw.write_all_at(&[1], 4096 + 68).unwrap();
    assert_eq!(all(&directory.0), [0, 1, 2]);
}
