//! An enemy with write access to a segment, and what its users notice of it: messages, or error values, in
//! time. Never a crash, a panic, a hang, or a byte from outside.
//!
//! The enemy is this process; its victim is a child, so that a signal is seen as one. Each attack is a burst,
//! drawn by a random number from what an enemy can do: bytes, words that look right, words from elsewhere,
//! old contents, holes, cuts, words that never stand still. `FOLIO_SHM_SEED` repeats the order of the bursts, though not
//! the steps between them; `FOLIO_SHM_SECONDS` says how long each kind takes.

mod common;
#[path = "scribble/victim.rs"]
mod victim;

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use common::{Name, Random};
use folio::Mapping;
use folio_shm::{Broadcast, Journal, Queue, Segment};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};

/// Bytes of the longest message.
const LONGEST: usize = 100;

const HEADER: u64 = 4096;

/// How long a burst of words that never stand still takes.
const BURST: Duration = Duration::from_millis(3);

/// How long the enemy leaves things alone when it has put them back: longer than anybody sleeps.
const REST: Duration = Duration::from_millis(70);

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    let mut words = argument.split(' ');
    let mut number = || -> u64 { words.next().unwrap().parse().unwrap() };
    let (seed, millis) = (number(), number());
    let at = words.next().unwrap();
    common::say("ready");
    let end = Instant::now() + Duration::from_millis(millis);
    common::say(&victim::run(&part, at, seed, end));
}

/// The descriptor of a segment that has no name, given as /proc/PID/fd/NUMBER.
fn place(at: &str) -> Option<OwnedFd> {
    at.starts_with('/').then(|| File::options().read(true).write(true).open(at).unwrap().into())
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    std::env::var("FOLIO_SHM_SEED").map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap())
}

/// How long each kind is attacked.
fn time() -> Duration {
    let seconds = std::env::var("FOLIO_SHM_SECONDS");
    seconds.map_or(Duration::from_millis(1500), |text| Duration::from_secs(text.parse().unwrap()))
}

/// Attacks what a child of this kind uses at a place, and sees to it that the child ends well.
fn attack(kind: &str, at: &str, mut burst: impl FnMut(&mut Random)) {
    let (seed, time) = (seed(), time());
    let mut child = common::start(kind, &format!("{seed} {} {at}", time.as_millis()));
    let mut lines = common::lines(&mut child);
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let mut random = Random(seed);
    let mut bursts = 0;
    let end = Instant::now() + time;
    while Instant::now() < end {
        burst(&mut random);
        bursts += 1;
    }
    let ended = end_of(&mut child);
    let said = lines.next();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{kind} with FOLIO_SHM_SEED={seed}: {ended:?}, {said:?}"
    );
    println!("{kind} with FOLIO_SHM_SEED={seed}: {bursts} bursts, {said:?}");
}

/// How a child ends that has its time, or that it does not.
fn end_of(child: &mut Child) -> Option<std::process::ExitStatus> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// What the enemy has: the file, mapped, and what was in it.
struct Enemy {
    file: File,
    map: Mapping,
    len: u64,
    original: Vec<u8>,
    snapshot: Vec<u8>,
}

impl Enemy {
    fn new(path: &Path) -> Option<Self> {
        let file = File::options().read(true).write(true).open(path).ok()?;
        let len = file.metadata().ok()?.len();
        if len <= HEADER {
            return None;
        }
        let map = Mapping::options().shared().write().map(&file).ok()?;
        let mut original = vec![0; len as usize];
        file.read_exact_at(&mut original, 0).ok()?;
        Some(Self { file, map, len, snapshot: original.clone(), original })
    }

    /// The position of a word: one of those that channels and locks work with, if possible.
    fn at(&self, random: &mut Random) -> usize {
        let (start, end) = match random.below(10) {
            0 => (0, HEADER / 8),
            1..5 => (HEADER, HEADER + 640),
            // Where a channel's last circle is.
            5..8 => (HEADER.max(self.len.saturating_sub(1040)), self.len),
            8 => (self.len.saturating_sub(1040), self.len.saturating_sub(1032)),
            _ => (HEADER, self.len),
        };
        (start + random.below(end.min(self.len) - start)) as usize & !7
    }

    /// What may lie in a word.
    fn word(&self, random: &mut Random) -> u64 {
        let any = random.next();
        match random.below(10) {
            0 => any,
            1 => any >> random.below(64),
            2 => 0,
            3 => 1 << 32 | any >> (32 + random.below(32)),
            4 => 2 << 32 | any >> (32 + random.below(32)) << 3,
            5 => u64::MAX >> random.below(4),
            6 => 1 << random.below(64),
            // A process, with a start that is not its own; or one that has left.
            7 => any << 23 | 1,
            8 => 1 << 63,
            _ => {
                let mut bytes = [0; 8];
                let at = self.at(random);
                self.map.read_at(at, &mut bytes).map_or(any, |()| u64::from_le_bytes(bytes))
            }
        }
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        // It may have been cut here just now.
        let _ = self.map.write_at(at, bytes);
    }

    fn burst(&mut self, random: &mut Random) {
        match random.below(16) {
            0 => {
                let len = 1 + random.below(64) as usize;
                let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                self.put(self.at(random), &bytes);
            }
            1 | 2 => {
                for _ in 0..random.below(200) {
                    self.put(self.at(random), &self.word(random).to_le_bytes());
                }
            }
            3 => {
                let mut bytes = vec![0; 8 << random.below(6)];
                let (from, to) = (self.at(random), self.at(random));
                if self.map.read_at(from, &mut bytes).is_ok() {
                    self.put(to, &bytes);
                }
            }
            4 => drop(self.map.read_at(0, &mut self.snapshot)),
            5 => {
                let at = self.at(random);
                let end = (at + (1 << random.below(14))).min(self.snapshot.len());
                self.put(at, &self.snapshot[at..end]);
            }
            6 => {
                let page = random.below(self.len.div_ceil(4096)) * 4096;
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let _ = fallocate(&self.file, flags, page, 4096 << random.below(3));
            }
            7 => {
                // Forbidden where it is sealed.
                let _ = self.file.set_len(random.below(self.len));
                sleep(Duration::from_micros(random.below(2000)));
                let _ = self.file.set_len(self.len);
            }
            8 => self.restless(random, |word, _| word.wrapping_add(8)),
            9 => {
                let both = [self.word(random), self.word(random)];
                self.restless(random, |_, turn| both[turn % 2]);
            }
            10 => self.header(random),
            11 => {
                // A circle full of messages of one length, or of anything.
                let length = 1 << 32 | random.next() >> (32 + random.below(32));
                let word = if random.below(2) == 0 { length } else { self.word(random) };
                let at = self.len.saturating_sub(1040) as usize & !7;
                self.put(at, &word.to_le_bytes().repeat(130));
            }
            _ => {
                self.put(0, &self.original);
                sleep(if random.below(3) == 0 { REST } else { Duration::from_millis(3) });
            }
        }
    }

    /// Writes to a few words again and again, as fast as can be.
    fn restless(&self, random: &mut Random, next: impl Fn(u64, usize) -> u64) {
        let words: Vec<_> = (0..1 + random.below(3))
            .filter_map(|_| self.map.view().atomic_u64(self.at(random)).ok())
            .collect();
        let mut values: Vec<_> = words.iter().map(|_| self.word(random)).collect();
        let end = Instant::now() + BURST;
        let mut turn = 0;
        while Instant::now() < end {
            for _ in 0..100 {
                for (word, value) in words.iter().zip(&mut values) {
                    *value = next(*value, turn);
                    let _ = word.store(*value);
                }
                turn += 1;
            }
        }
    }

    /// Writes another header, whose checksum is right.
    fn header(&self, random: &mut Random) {
        let mut header = [0; 80];
        header.copy_from_slice(&self.original[..80]);
        for _ in 0..1 + random.below(2) {
            let at = [16, 24, 32, 32, 40, 48, 56, 64][random.below(8) as usize];
            let small = random.below(2 * self.len);
            let value = if random.below(2) == 0 { small } else { self.word(random) };
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        // FNV-1a.
        let sum = header[..72].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        header[72..].copy_from_slice(&sum.to_le_bytes());
        self.put(0, &header);
        sleep(Duration::from_micros(random.below(3000)));
    }
}

/// Attacks a segment by its name.
fn attack_named(kind: &str, name: &Name) {
    let mut enemy = Enemy::new(&name.path()).unwrap();
    attack(kind, &name.0, |random| enemy.burst(random));
}

/// Attacks a segment without a name. What its seals forbid fails.
fn attack_memfd(kind: &str, fd: &impl AsRawFd) {
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()));
    let mut enemy = Enemy::new(&path).unwrap();
    attack(kind, path.to_str().unwrap(), |random| enemy.burst(random));
}

#[test]
fn users_of_a_segment_that_is_scribbled_on_get_bytes_or_errors() {
    let name = Name::new();
    let _made = Segment::options().create_new().size(9000).growable(30_000).open(&name.0).unwrap();
    attack_named("segment", &name);
}

#[test]
fn the_ends_of_a_queue_that_is_scribbled_on_get_messages_or_errors() {
    let name = Name::new();
    let queue = Queue::options().create_new().longest(LONGEST).bytes(1024);
    let _queue = queue.open(&name.0).unwrap();
    attack_named("queue", &name);
}

#[test]
fn the_ends_of_a_queue_with_many_places_that_is_scribbled_on_get_messages_or_errors() {
    let name = Name::new();
    let queue = Queue::options().create_new().longest(LONGEST).bytes(1024).senders(3).receivers(3);
    let _queue = queue.open(&name.0).unwrap();
    attack_named("crowd", &name);
}

#[test]
fn the_ends_of_a_queue_that_drops_the_oldest_and_is_scribbled_on_get_messages_or_errors() {
    let name = Name::new();
    let queue = Queue::options().create_new().longest(LONGEST).bytes(1024).senders(3).receivers(3);
    let _queue = queue.drop_oldest().open(&name.0).unwrap();
    attack_named("crowd", &name);
}

#[test]
fn the_ends_of_a_sealed_queue_that_is_scribbled_on_get_messages_or_errors() {
    let queue = Queue::options().create_new().longest(LONGEST).bytes(1024).senders(2).receivers(2);
    let queue = queue.memfd("scribbled").unwrap();
    attack_memfd("crowd", &std::os::fd::AsFd::as_fd(&queue));
}

#[test]
fn the_ends_of_a_broadcast_that_is_scribbled_on_get_messages_or_errors() {
    let name = Name::new();
    let broadcast = Broadcast::options().create_new().longest(LONGEST).bytes(1024).subscribers(3);
    let _broadcast = broadcast.open(&name.0).unwrap();
    attack_named("broadcast", &name);
}

#[test]
fn the_ends_of_a_broadcast_that_holds_back_and_is_scribbled_on_get_messages_or_errors() {
    let broadcast = Broadcast::options().create_new().longest(LONGEST).bytes(1024).subscribers(3);
    let broadcast = broadcast.hold_back().memfd("scribbled").unwrap();
    attack_memfd("broadcast", &std::os::fd::AsFd::as_fd(&broadcast));
}

#[test]
fn users_of_locks_that_are_scribbled_on_get_them_or_errors() {
    let name = Name::new();
    let _made = Segment::options().create_new().size(64).open(&name.0).unwrap();
    attack_named("locks", &name);
}

#[test]
fn the_ends_of_a_journal_that_is_scribbled_on_get_messages_or_errors() {
    let name = Name::new();
    let options = Journal::options().file_bytes(8192);
    drop(options.append(name.path()).unwrap());
    let first = fs::read_dir(name.path()).unwrap().next().unwrap().unwrap().path();
    let first = fs::read(first).unwrap();
    let numbered = |number: u64| name.path().join(format!("{number:020}.journal"));
    attack("journal", name.path().to_str().unwrap(), |random| {
        let files = fs::read_dir(name.path()).unwrap().flatten().map(|entry| entry.path());
        let files: Vec<_> = files.collect();
        if files.is_empty() {
            return sleep(Duration::from_millis(1));
        }
        let path = &files[random.below(files.len() as u64) as usize];
        match random.below(12) {
            0 => drop(fs::remove_file(path)),
            1 => drop(fs::rename(path, &files[random.below(files.len() as u64) as usize])),
            2 => {
                let number = random.next() >> random.below(64);
                let _ = fs::write(numbered(number), &first);
            }
            3 => {
                let number = random.below(1000);
                let _ = fs::write(numbered(number), &first[..random.below(8000) as usize]);
            }
            4 => {
                let directory = File::open(name.path()).unwrap();
                let _ = flock(&directory, FlockOperation::NonBlockingLockExclusive);
                sleep(Duration::from_millis(2));
            }
            5 => files.iter().for_each(|path| drop(fs::remove_file(path))),
            _ => {
                let Some(mut enemy) = Enemy::new(path) else { return };
                for _ in 0..5 {
                    enemy.burst(random);
                }
            }
        }
    });
    fs::remove_dir_all(name.path()).unwrap();
}

#[test]
fn those_who_open_a_name_that_is_never_the_same_get_a_segment_or_errors() {
    let name = Name::new();
    let other = Name::new();
    let made = |name: &Name| Segment::options().create_new().size(100).open(&name.0);
    let path = name.path();
    attack("names", &name.0, |random| {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        match random.below(10) {
            0 => drop(fs::create_dir(&path)),
            1 => drop(std::os::unix::fs::symlink("/etc/passwd", &path)),
            2 => drop(std::os::unix::fs::symlink(&path, &path)),
            3 => drop(std::os::unix::net::UnixListener::bind(&path)),
            4 => drop(fs::write(&path, vec![b'f'; random.below(200) as usize])),
            5 => {
                let _ = made(&other);
                let _ = fs::rename(other.path(), &path);
            }
            6 => {
                drop(made(&name));
                let Ok(file) = File::open(&path) else { return };
                let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                sleep(Duration::from_millis(random.below(20)));
            }
            7 => {
                use std::os::unix::fs::PermissionsExt;
                drop(made(&name));
                let mode = fs::Permissions::from_mode(random.below(0o1000) as u32);
                let _ = fs::set_permissions(&path, mode);
            }
            _ => {
                drop(made(&name));
                let Some(mut enemy) = Enemy::new(&path) else { return };
                for _ in 0..random.below(8) {
                    enemy.burst(random);
                }
            }
        }
    });
    let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
}
