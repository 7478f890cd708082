//! Threads read and write through every view while another cuts the file and grows it back.
//!
//! No signal, no wrong byte, no hang, and every fault says that the file was truncated. `cargo test`
//! runs 2,000 rounds of each test; the long form is
//!
//! ```text
//! FOLIO_TORTURE_ROUNDS=100000 cargo test --release -p folio --test torture -- --nocapture
//! ```
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use folio::{Fault, FaultKind, Mapping};

const PAGE: usize = 4096;
const LEN: usize = 10 * PAGE - 1000;
/// Bytes at which counters lie, in the file's third page.
const COUNTERS: std::ops::Range<usize> = 2 * PAGE..2 * PAGE + 64;
/// A page whose bytes are all the same, for `fill`.
const SAME: std::ops::Range<usize> = 3 * PAGE..4 * PAGE;

/// What is written at an offset, by whomever. A cut makes it 0.
fn byte(offset: usize) -> u8 {
    if SAME.contains(&offset) { 7 } else { (offset % 251) as u8 + 1 }
}

fn word(offset: usize) -> u64 {
    u64::from_ne_bytes(std::array::from_fn(|i| byte(offset + i)))
}

#[track_caller]
fn assert_bytes(offset: usize, bytes: &[u8]) {
    for (offset, &got) in (offset..).zip(bytes) {
        let fine = got == 0 || got == byte(offset) || COUNTERS.contains(&offset);
        assert!(fine, "{got} at {offset}");
    }
}

/// A random number generator that needs no seed but a number (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    /// A range of the file, often short.
    fn range(&mut self) -> (usize, usize) {
        let at = self.below(LEN);
        let most = [16, 100, 2000, LEN][self.below(4)];
        (at, self.below(most.min(LEN - at) + 1))
    }
}

struct Torture {
    file: File,
    path: Option<PathBuf>,
    stop: AtomicBool,
    rounds: AtomicUsize,
    faults: AtomicU64,
    accesses: AtomicU64,
    /// What has been added to the counter, at most.
    added: AtomicU64,
}

impl Torture {
    fn map(&self, private: bool) -> Mapping {
        let options = Mapping::options().write().len(LEN).beyond_end();
        let options = if private { options.private() } else { options };
        match &self.path {
            Some(path) => options.open(path).unwrap(),
            None => options.keep_file().map(&self.file).unwrap(),
        }
    }

    /// How many bytes were transferred by an operation on `count` of them.
    #[track_caller]
    fn done(&self, count: usize, result: folio::Result<()>) -> usize {
        self.accesses.fetch_add(1, Ordering::Relaxed);
        match result {
            Ok(()) => count,
            Err(error) => {
                let fault = error.into_fault().unwrap();
                self.met(&fault);
                assert!(fault.transferred() < count);
                fault.transferred()
            }
        }
    }

    #[track_caller]
    fn met(&self, fault: &Fault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        assert_eq!(fault.kind(), FaultKind::Truncated, "{fault}");
    }

    fn copies(&self, private: bool, seed: u64) {
        let (map, mut random) = (self.map(private), Random(seed));
        let written: Vec<u8> = (0..LEN).map(byte).collect();
        while !self.stop.load(Ordering::Relaxed) {
            let (at, count) = random.range();
            match random.below(6) {
                0 | 1 => {
                    let mut buf = vec![0; count];
                    let done = self.done(count, map.read_at(at, &mut buf));
                    assert_bytes(at, &buf[..done]);
                    assert!(buf[done..].iter().all(|&byte| byte == 0));
                }
                2 => {
                    let bytes = &written[at..at + count];
                    // Counters are added to only.
                    if at + count <= COUNTERS.start || at >= COUNTERS.end {
                        self.done(count, map.write_at(at, bytes));
                    }
                }
                3 => {
                    let part = SAME.start + at % PAGE..SAME.end;
                    self.done(part.len(), map.fill(part, 7));
                }
                4 => {
                    let mut copy = Vec::new();
                    let view = map.view().range(at..).unwrap();
                    match view.copy_to(&mut copy) {
                        Ok(all) => assert_eq!(all as usize, LEN - at),
                        Err(error) => {
                            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
                        }
                    }
                    assert_bytes(at, &copy);
                }
                _ => {
                    let mut cursor = map.cursor();
                    cursor.set_position(at as u64);
                    let mut buf = vec![0; count];
                    if let Ok(done) = cursor.read(&mut buf) {
                        assert_bytes(at, &buf[..done]);
                    }
                    if let Ok(bytes) = map.view().range(at..at + count).unwrap().to_vec() {
                        assert_bytes(at, &bytes);
                    }
                    if at >= COUNTERS.end {
                        cursor.set_position(at as u64);
                        let _ = cursor.write(&written[at..at + count]);
                    }
                }
            }
        }
    }

    fn words(&self, seed: u64) {
        let (map, mut random) = (self.map(false), Random(seed));
        let told = |result: folio::Result<u64>| match result {
            Ok(word) => Some(word),
            Err(error) => {
                self.met(&error.into_fault().unwrap());
                None
            }
        };
        while !self.stop.load(Ordering::Relaxed) {
            let at = random.below(LEN / 8 - 1) * 8;
            let at = if COUNTERS.contains(&at) { COUNTERS.end } else { at };
            let atomic = map.view().atomic_u64(at).unwrap();
            let half = map.view().atomic_u32(at).unwrap();
            let half_word = word(at) as u32;
            let seen = match random.below(6) {
                0 => told(atomic.load()),
                1 => told(atomic.swap(word(at))),
                2 => {
                    told(atomic.compare_exchange(0, word(at)).map(|old| old.unwrap_or_else(|w| w)))
                }
                3 => told(half.load().map(u64::from)),
                4 => told(half.swap(half_word).map(u64::from)),
                _ => told(half.fetch_update(|_| half_word).map(u64::from)),
            };
            self.accesses.fetch_add(1, Ordering::Relaxed);
            if let Some(seen) = seen {
                assert_bytes(at, &seen.to_ne_bytes());
            }
            let limit = self.added.fetch_add(1, Ordering::Relaxed) + 1;
            let counter = map.view().atomic_u64(COUNTERS.start).unwrap();
            if let Some(before) = told(counter.fetch_add(1)) {
                assert!(before <= limit, "{before} of at most {limit}");
            }
        }
    }

    fn slices(&self, seed: u64) {
        let (mut map, mut random) = (self.map(false), Random(seed));
        while !self.stop.load(Ordering::Relaxed) {
            let (at, count) = random.range();
            let write = random.below(2) == 0;
            let start = map.as_mut_ptr();
            // SAFETY: the slice itself is not read.
            let met = unsafe {
                map.guarded(|_| {
                    for offset in at..at + count {
                        if write && !COUNTERS.contains(&offset) {
                            // SAFETY: within the mapping, which is guarded.
                            start.add(offset).write_volatile(byte(offset));
                        }
                        // SAFETY: as above.
                        assert_bytes(offset, &[start.add(offset).read_volatile()]);
                    }
                })
            };
            self.accesses.fetch_add(1, Ordering::Relaxed);
            if let Err(fault) = met {
                self.met(&fault);
                assert!(map.read_at(fault.position(), &mut [0]).is_err());
                let taken = map.restore().unwrap().unwrap();
                assert_eq!(taken.kind(), FaultKind::Truncated);
                map.check().unwrap();
            }
        }
    }

    fn cut_and_grow(&self, rounds: usize) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let written: Vec<u8> = (0..LEN).map(byte).collect();
        for round in 0..rounds {
            let len = [0, random.below(LEN), random.below(LEN) / PAGE * PAGE][round % 3];
            self.file.set_len(len as u64).unwrap();
            if round % 7 == 0 {
                std::thread::yield_now();
            }
            self.file.set_len(LEN as u64).unwrap();
            if round % 5 == 0 {
                self.file.write_all_at(&written[COUNTERS.end..], COUNTERS.end as u64).unwrap();
            }
            self.rounds.store(round + 1, Ordering::Relaxed);
        }
    }
}

/// Ends the process if a round takes longer than any round could.
fn watch(torture: &Torture) {
    let (mut last, mut since) = (usize::MAX, Instant::now());
    while !torture.stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let now = torture.rounds.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > Duration::from_secs(120) {
            eprintln!("round {now} hangs");
            std::process::abort();
        }
    }
}

/// Stops everybody else when a thread ends, by panic too.
struct Stop<'a>(&'a Torture);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn torture(file: File, path: Option<PathBuf>) {
    let rounds = std::env::var("FOLIO_TORTURE_ROUNDS")
        .map_or(2000, |rounds| rounds.parse().expect("FOLIO_TORTURE_ROUNDS is a number"));
    file.set_len(LEN as u64).unwrap();
    let torture = Torture {
        file,
        path,
        stop: AtomicBool::new(false),
        rounds: AtomicUsize::new(0),
        faults: AtomicU64::new(0),
        accesses: AtomicU64::new(0),
        added: AtomicU64::new(0),
    };
    let began = Instant::now();
    let stopping = |work: &dyn Fn()| {
        let _stop = Stop(&torture);
        work();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| stopping(&|| torture.copies(false, 1)));
        scope.spawn(|| stopping(&|| torture.copies(true, 2)));
        scope.spawn(|| stopping(&|| torture.words(3)));
        scope.spawn(|| stopping(&|| torture.slices(4)));
        scope.spawn(|| stopping(&|| torture.slices(5)));
        scope.spawn(|| watch(&torture));
        stopping(&|| torture.cut_and_grow(rounds));
    });
    let (faults, accesses) = (torture.faults.into_inner(), torture.accesses.into_inner());
    println!("{rounds} rounds in {:.1?}: {accesses} accesses, {faults} faults", began.elapsed());
    assert_eq!(torture.rounds.into_inner(), rounds);
    assert!(faults > 0);
}

#[test]
fn a_file_that_is_cut_and_grown_all_the_time() {
    let path = std::env::temp_dir().join(format!("folio-torture-{}", std::process::id()));
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    torture(file, Some(path.clone()));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_memory_file_that_is_cut_and_grown_all_the_time() {
    // SAFETY: the name is a string; the descriptor is new and has no other owner.
    let file = unsafe {
        let fd = libc::memfd_create(c"folio-torture".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        File::from_raw_fd(fd)
    };
    torture(file, None);
}
