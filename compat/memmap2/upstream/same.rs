//! The same call on memmap2 0.9.12 and on the one on folio, and the same outcome: contents, length,
//! place in the page, errno, kind of error, Debug. `upstream-tests` makes a package of it that has
//! both.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{Error, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// What came of a call, as far as a program can tell.
fn outcome<T>(result: Result<T, Error>, show: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => show(value),
        Err(error) => format!("{:?}, errno {:?}", error.kind(), error.raw_os_error()),
    }
}

/// Length, place in the page, and a hash of all bytes.
fn bytes(map: &[u8]) -> String {
    let mut hash = DefaultHasher::new();
    hash.write(map);
    let (place, hash) = (map.as_ptr() as usize % 4096, hash.finish());
    format!("{} bytes at {place} in a page: {hash:x}", map.len())
}

/// Everything that is tried, with the items of one crate or the other.
macro_rules! tries {
    ($name:ident, $memmap2:ident) => {
        mod $name {
            use super::*;
            use $memmap2::*;

            const ADVICE: [Advice; 14] = [
                Advice::Normal,
                Advice::Random,
                Advice::Sequential,
                Advice::WillNeed,
                Advice::DontFork,
                Advice::DoFork,
                Advice::Mergeable,
                Advice::Unmergeable,
                Advice::HugePage,
                Advice::NoHugePage,
                Advice::DontDump,
                Advice::DoDump,
                Advice::PopulateRead,
                Advice::PopulateWrite,
            ];

            fn options(offset: u64, len: Option<usize>, more: u32) -> MmapOptions {
                let mut options = MmapOptions::new();
                options.offset(offset);
                if let Some(len) = len {
                    options.len(len);
                }
                if more & 1 != 0 {
                    options.populate();
                }
                if more & 2 != 0 {
                    options.no_reserve_swap();
                }
                options
            }

            pub fn maps(fd: RawFd, offset: u64, len: Option<usize>, more: u32) -> Vec<String> {
                let options = options(offset, len, more);
                let read = |map: Mmap| bytes(&map);
                let written = |mut map: MmapMut| {
                    // What is there is written again: the file stays as it is.
                    let before = map.to_vec();
                    map.copy_from_slice(&before);
                    let flushed = [
                        map.flush(),
                        map.flush_async(),
                        map.flush_range(0, map.len()),
                        map.flush_range(map.len(), 0),
                        map.flush_range(map.len(), 1),
                        map.flush_async_range(1, map.len()),
                    ];
                    let flushed = flushed.map(|result| outcome(result, |()| "flushed".into()));
                    format!("{} {flushed:?}", bytes(&map))
                };
                let raw = |map: MmapRaw| {
                    let lead = map.as_ptr() as usize % 4096;
                    format!("{} bytes at {lead} in a page", map.len())
                };
                unsafe {
                    vec![
                        outcome(options.map(fd), read),
                        outcome(options.map_exec(fd), read),
                        outcome(options.map_mut(fd), written),
                        outcome(options.map_copy(fd), written),
                        outcome(options.map_copy_read_only(fd), read),
                        outcome(options.map_raw(fd), raw),
                        outcome(options.map_raw_read_only(fd), raw),
                        outcome(options.map_if_safe(fd).map_err(Error::from), read),
                        format!(
                            "{:?}",
                            options
                                .map_if_safe(fd)
                                .map_err(|e| (e.not_safe(), e.map_failed(), e.not_supported()))
                                .map(|map| map.len())
                        ),
                        outcome(options.map(fd).and_then(Mmap::make_mut), written),
                        outcome(options.map_mut(fd).and_then(MmapMut::make_read_only), read),
                        outcome(options.map_copy(fd).and_then(MmapMut::make_exec), read),
                    ]
                }
            }

            pub fn calls(fd: RawFd, offset: u64, len: Option<usize>) -> Vec<String> {
                let Ok(mut map) = (unsafe { options(offset, len, 0).map(fd) }) else {
                    return Vec::new();
                };
                let mut told = Vec::new();
                let mut tell = |what: String, result: Result<(), Error>| {
                    told.push(format!("{what}: {}", outcome(result, |()| "done".into())));
                };
                for advice in ADVICE {
                    tell(format!("{advice:?} {}", advice.is_supported()), map.advise(advice));
                    tell(format!("{advice:?} part"), map.advise_range(advice, map.len() / 2, 1));
                }
                for advice in
                    [UncheckedAdvice::DontNeed, UncheckedAdvice::Free, UncheckedAdvice::Remove]
                {
                    let done = unsafe { map.unchecked_advise(advice) };
                    tell(format!("{advice:?} {}", advice.is_supported()), done);
                }
                tell("lock".into(), map.lock());
                tell("unlock".into(), map.unlock());
                for (new, may_move) in [
                    (map.len() + 5000, true),
                    (1, false),
                    (0, false),
                    (10, false),
                    (map.len(), true),
                    (isize::MAX as usize, true),
                ] {
                    let done = unsafe { map.remap(new, RemapOptions::new().may_move(may_move)) };
                    tell(format!("remap to {new}"), done);
                    tell(format!("{} bytes now", map.len()), Ok(()));
                }
                told
            }

            pub fn memory(len: Option<usize>, huge: Option<Option<u8>>, more: u32) -> Vec<String> {
                let mut options = options(7, len, more);
                if let Some(bits) = huge {
                    options.huge(bits);
                }
                if more & 4 != 0 {
                    options.stack();
                }
                let shown = format!("{options:?}");
                let map = options.map_anon();
                vec![
                    shown,
                    outcome(map, |mut map| {
                        let last = map.last_mut();
                        if let (Some(last), None) = (last, huge) {
                            *last = 1;
                        }
                        let map = map.make_read_only().unwrap();
                        let told = format!("{} {:?}", map.len(), map.first());
                        let mut map = map.make_mut().unwrap();
                        // As memmap2 0.9.12 would not: a length of whole huge pages goes back.
                        assert!(map.iter_mut().len() == map.len());
                        told
                    }),
                ]
            }
        }
    };
}

tries!(theirs, released);
tries!(ours, memmap2);

fn file(len: usize) -> File {
    // Where a flush waits for no disk.
    let mut file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).unwrap();
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8 + 1).collect();
    file.write_all(&bytes).unwrap();
    file
}

fn sealed(len: usize, seals: i32) -> File {
    let mut file = unsafe {
        let fd = libc::memfd_create(c"same".as_ptr(), libc::MFD_ALLOW_SEALING);
        File::from_raw_fd(fd)
    };
    file.write_all(&vec![9; len]).unwrap();
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    file
}

fn sources() -> Vec<(String, File)> {
    let mut sources = Vec::new();
    for len in [0, 1, 100, 4096, 4097, 20_000] {
        sources.push((format!("a file of {len} bytes"), file(len)));
    }
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), vec![5; 5000]).unwrap();
    let open = |options: &mut OpenOptions| options.open(path.path()).unwrap();
    sources.push(("read-only".into(), open(OpenOptions::new().read(true))));
    sources.push(("write-only".into(), open(OpenOptions::new().write(true))));
    let by_path = open(OpenOptions::new().read(true).custom_flags(libc::O_PATH));
    sources.push(("O_PATH".into(), by_path));
    sources.push(("a directory".into(), File::open("/").unwrap()));
    sources.push(("/dev/zero".into(), File::open("/dev/zero").unwrap()));
    sources.push(("/dev/null".into(), File::open("/dev/null").unwrap()));
    sources.push(("a file of /proc".into(), File::open("/proc/self/maps").unwrap()));
    for seals in
        [0, libc::F_SEAL_SHRINK, libc::F_SEAL_WRITE, libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE]
    {
        sources.push((format!("a memory file with seals {seals}"), sealed(6000, seals)));
    }
    let (reader, _writer) = std::io::pipe().unwrap();
    sources.push(("a pipe".into(), std::os::fd::OwnedFd::from(reader).into()));
    sources
}

const OFFSETS: [u64; 10] =
    [0, 1, 100, 4095, 4096, 5000, 20_000, 20_001, i64::MAX as u64, u64::MAX - 4095];

#[test]
fn the_same_files_give_the_same_maps_and_the_same_errors() {
    let mut count = 0;
    for (name, file) in sources() {
        let fd = file.as_raw_fd();
        let size = file.metadata().unwrap().len() as usize;
        for offset in OFFSETS {
            // Bytes behind the last page of a file cannot be looked at with memmap2 0.9.12.
            let rest = size.saturating_sub(offset as usize);
            for len in
                [None, Some(0), Some(1), Some(rest), Some(usize::MAX), Some(isize::MAX as usize)]
            {
                if len == Some(1) && rest == 0 && !name.starts_with("/dev/") {
                    continue;
                }
                for more in 0..4 {
                    let asked = format!("{name}, {len:?} bytes from {offset}, options {more}");
                    let theirs = theirs::maps(fd, offset, len, more);
                    assert_eq!(ours::maps(fd, offset, len, more), theirs, "{asked}");
                    count += theirs.len();
                }
                let asked = format!("{name}, {len:?} bytes from {offset}");
                let theirs = theirs::calls(fd, offset, len);
                assert_eq!(ours::calls(fd, offset, len), theirs, "{asked}");
                count += theirs.len();
            }
        }
    }
    println!("{count} outcomes");
    assert!(count > 10_000);
}

#[test]
fn the_same_options_give_the_same_memory() {
    for len in [
        None,
        Some(0),
        Some(1),
        Some(4096),
        Some(100_000),
        Some(isize::MAX as usize),
        Some(usize::MAX),
    ] {
        for more in 0..8 {
            assert_eq!(ours::memory(len, None, more), theirs::memory(len, None, more));
        }
        for bits in [Some(1), Some(12), Some(20), Some(22), Some(63), Some(255)] {
            // No machine has such pages.
            assert_eq!(ours::memory(len, Some(bits), 0), theirs::memory(len, Some(bits), 0));
        }
    }
    for len in [2 << 20, 4 << 20] {
        for bits in [None, Some(0), Some(21), Some(85)] {
            let (len, bits) = (Some(len), Some(bits));
            assert_eq!(ours::memory(len, bits, 0), theirs::memory(len, bits, 0));
        }
    }
}

#[test]
fn a_descriptor_that_is_none_is_no_panic() {
    for fd in [-1, -100, 1 << 20] {
        assert_eq!(ours::maps(fd, 0, Some(1), 0), theirs::maps(fd, 0, Some(1), 0));
    }
    assert!(ours::maps(-1, 0, None, 0)[0].contains("errno Some(9)"));
}
