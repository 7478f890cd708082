//! `Cache`: what it serves, after whatever happened to its files.
#![cfg(feature = "cache")]

mod guarded;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use folio_store::{CacheDirectory, Error, ErrorKind, MemoryStore, ReadRequest, Store};
use guarded::{Far, content};
use proptest::prelude::*;

const CHUNK: u64 = 4 << 10;

fn open(path: &Path, chunks: u64) -> CacheDirectory {
    CacheDirectory::open_with_chunks(path, limit(chunks), CHUNK as u32).unwrap()
}

fn limit(chunks: u64) -> u64 {
    128 + chunks * (CHUNK + 128)
}

fn read(store: &impl Store, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0xee; len];
    let count = store.read_full_at(&mut buf, offset)?;
    buf.truncate(count);
    Ok(buf)
}

fn files_bytes(path: &Path) -> u64 {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_was_read_once_is_not_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 16).cache(Far::new(1, 10 * CHUNK + 100)).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&cache, 5000, 3000).unwrap(), content(1, 5000, 3000));
        assert_eq!(read(&cache, 10 * CHUNK + 50, 500).unwrap(), content(1, 10 * CHUNK + 50, 50));
        assert_eq!(
            read(&cache, 4 * CHUNK, CHUNK as usize).unwrap(),
            content(1, 4 * CHUNK, CHUNK as usize)
        );
    }
    assert_eq!(cache.inner().reads(), 3);
    let statistics = cache.directory().statistics();
    assert_eq!((statistics.misses, statistics.hits, statistics.rejected), (3, 6, 0));
    assert_eq!(statistics.hit_bytes, 2 * (3000 + 50 + CHUNK));
    assert_eq!(read(&cache, 1 << 40, 10).unwrap(), []);
}

#[test]
fn a_restart_finds_what_was_cached() {
    let directory = tempfile::tempdir().unwrap();
    let all = 8 * CHUNK as usize - 100;
    let cache = open(directory.path(), 16).cache(Far::new(1, all as u64)).unwrap();
    read(&cache, 0, all).unwrap();
    assert_eq!(cache.inner().reads(), 1, "chunks in a row are read at once");
    drop(cache);
    let cache = open(directory.path(), 16).cache(Far::new(1, all as u64)).unwrap();
    cache.inner().failing.store(true, Ordering::SeqCst);
    assert_eq!(read(&cache, 0, all).unwrap(), content(1, 0, all));
}

#[test]
fn another_version_or_object_is_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let shared = open(directory.path(), 64);
    let first = shared.cache(Far::new(1, 8 * CHUNK)).unwrap();
    let second = shared.cache(Far::new(2, 8 * CHUNK)).unwrap();
    let other = Far { identity: Some("another".into()), ..Far::new(1, 8 * CHUNK) };
    other.seed.store(1, Ordering::SeqCst);
    let other = shared.cache(other).unwrap();
    for offset in (0..8 * CHUNK).step_by(1000) {
        assert_eq!(read(&first, offset, 10).unwrap(), content(1, offset, 10));
        assert_eq!(read(&second, offset, 10).unwrap(), content(2, offset, 10));
    }
    let before = other.inner().reads();
    read(&other, 0, 10).unwrap();
    assert_eq!(other.inner().reads(), before + 1);
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_an_error_and_not_cached() {
    let directory = tempfile::tempdir().unwrap();
    let shared = open(directory.path(), 64);
    let far = Far { fixed: false, ..Far::new(1, 8 * CHUNK) };
    far.replaced_after.store(2, Ordering::SeqCst);
    let cache = shared.cache(far).unwrap();
    assert_eq!(read(&cache, 0, 10).unwrap(), content(1, 0, 10));
    assert_eq!(read(&cache, CHUNK, 10).unwrap(), content(1, CHUNK, 10));
    let error = read(&cache, 2 * CHUNK, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_eq!(
        read(&cache, 0, 10).unwrap(),
        content(1, 0, 10),
        "what was cached is the old version"
    );
    assert_eq!(shared.chunks(), 2);
    assert_ne!(cache.identity(), cache.inner().identity());
}

#[test]
fn a_store_without_identity_or_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let shared = open(directory.path(), 4);
    let error = shared.cache(Far { identity: None, ..Far::new(1, 10) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "cannot cache far object: it has no identity, by which its bytes could be told from others: \
         cache a store that names its object and version, or read it uncached"
    );
    let error = shared.cache(MemoryStore::from(vec![1, 2, 3])).unwrap_err();
    assert!(error.to_string().contains("no version"), "{error}");
}

#[test]
fn an_identity_that_ends_with_the_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let nameless = Arc::new(Far { identity: None, ..Far::new(1, 10) });
    assert!(nameless.identity().is_some() && nameless.version().is_some());
    let error = open(directory.path(), 4).cache(nameless).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("outlasts this process"), "{error}");
}

#[test]
fn a_limit_or_chunk_size_that_makes_no_sense_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (limit, chunk) in
        [(0, 4096), (4096, 4096), (1 << 20, 4095), (1 << 20, 2048), (1 << 30, 1 << 25)]
    {
        let error = CacheDirectory::open_with_chunks(directory.path(), limit, chunk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    let error = CacheDirectory::open(&file, 1 << 30).unwrap_err();
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
}

#[test]
fn the_files_stay_below_the_limit_and_a_smaller_one_cuts_them() {
    let directory = tempfile::tempdir().unwrap();
    for chunks in [7, 3, 1, 5] {
        let cache = open(directory.path(), chunks).cache(Far::new(1, 100 * CHUNK)).unwrap();
        assert!(files_bytes(directory.path()) <= limit(chunks));
        for chunk in (0..100).rev() {
            assert_eq!(
                read(&cache, chunk * CHUNK + 1, 5).unwrap(),
                content(1, chunk * CHUNK + 1, 5)
            );
            assert!(files_bytes(directory.path()) <= limit(chunks));
        }
        assert_eq!(
            read(&cache, 0, 100 * CHUNK as usize).unwrap(),
            content(1, 0, 100 * CHUNK as usize)
        );
        assert!(files_bytes(directory.path()) <= limit(chunks));
        assert_eq!(cache.directory().chunks() as u64, chunks);
        assert!(cache.directory().statistics().evictions > 0);
    }
}

#[test]
fn other_chunk_sizes_start_afresh() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 16).cache(Far::new(1, 8 * CHUNK)).unwrap();
    read(&cache, 0, 8 * CHUNK as usize).unwrap();
    drop(cache);
    let shared = CacheDirectory::open_with_chunks(directory.path(), 1 << 20, 8192).unwrap();
    assert_eq!(shared.chunks(), 0);
    let cache = shared.cache(Far::new(1, 8 * CHUNK)).unwrap();
    assert_eq!(read(&cache, 3, 9000).unwrap(), content(1, 3, 9000));
}

#[test]
fn a_directory_in_use_is_refused_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path(), 4);
    let cache = first.cache(Far::new(1, 10)).unwrap();
    drop(first);
    let error = CacheDirectory::open(directory.path(), 1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(
        text.contains("in use by another process") && text.contains("a directory of its own"),
        "{text}"
    );
    drop(cache);
    CacheDirectory::open(directory.path(), 1 << 20).unwrap();
}

#[test]
fn threads_that_want_one_chunk_read_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let far = Far { delay: Duration::from_millis(20), ..Far::new(1, 64 * CHUNK) };
    let cache = open(directory.path(), 128).cache(far).unwrap();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                for chunk in 0..8 {
                    assert_eq!(
                        read(&cache, chunk * CHUNK + 7, 100).unwrap(),
                        content(1, chunk * CHUNK + 7, 100)
                    );
                }
            });
        }
    });
    assert_eq!(cache.inner().reads(), 8);
    assert!(cache.directory().statistics().merged > 0);
}

#[test]
fn threads_side_by_side_read_each_chunk_once() {
    let directory = tempfile::tempdir().unwrap();
    let chunks = 1500;
    let cache = open(directory.path(), chunks).cache(Far::new(1, chunks * CHUNK)).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                (0..chunks).for_each(|chunk| drop(read(&cache, chunk * CHUNK, 1).unwrap()))
            });
        }
    });
    assert_eq!(cache.inner().reads(), chunks);
}

#[test]
fn a_failure_next_to_what_another_thread_wants_is_not_its_failure() {
    let directory = tempfile::tempdir().unwrap();
    let far = Far {
        bad: Some(2 * CHUNK..3 * CHUNK),
        delay: Duration::from_millis(50),
        ..Far::new(1, 8 * CHUNK)
    };
    let cache = open(directory.path(), 16).cache(far).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| read(&cache, 0, 4 * CHUNK as usize).unwrap_err());
        while cache.inner().reads() == 0 {
            thread::yield_now();
        }
        assert_eq!(read(&cache, CHUNK + 5, 10).unwrap(), content(1, CHUNK + 5, 10));
        assert_eq!(cache.directory().statistics().merged, 1);
    });
}

#[test]
fn a_record_that_names_another_chunk_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let all = 8 * CHUNK as usize;
    read(&open(directory.path(), 8).cache(Far::new(1, all as u64)).unwrap(), 0, all).unwrap();
    let index =
        File::options().read(true).write(true).open(directory.path().join("index")).unwrap();
    for record in 1..=8 {
        let mut chunk = [0];
        index.read_exact_at(&mut chunk, record * 128 + 32).unwrap();
        index.write_all_at(&[chunk[0] ^ 1], record * 128 + 32).unwrap();
    }
    let cache = open(directory.path(), 8).cache(Far::new(1, all as u64)).unwrap();
    assert_eq!(cache.directory().chunks(), 0);
    assert_eq!(read(&cache, 0, all).unwrap(), content(1, 0, all));
}

#[test]
fn threads_in_a_crowded_cache_read_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let shared = open(directory.path(), 3);
    let caches = [
        shared.cache(Far::new(1, 40 * CHUNK + 9)).unwrap(),
        shared.cache(Far::new(2, 40 * CHUNK + 9)).unwrap(),
    ];
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let caches = &caches;
            scope.spawn(move || {
                let mut state = thread + 1;
                for _ in 0..500 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let cache = &caches[(state >> 40) as usize % 2];
                    let offset = (state >> 20) % (6 * CHUNK);
                    let len = (state >> 50) as usize % 9000;
                    let seed = cache.inner().seed();
                    assert_eq!(read(cache, offset, len).unwrap(), content(seed, offset, len));
                }
            });
        }
    });
    assert_eq!(shared.statistics().rejected, 0, "{:?}", shared.statistics());
}

#[test]
fn several_reads_take_what_is_near_and_ask_once_for_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let far = Far { bad: Some(20 * CHUNK..21 * CHUNK), ..Far::new(1, 30 * CHUNK) };
    let cache = open(directory.path(), 64).cache(far).unwrap();
    read(&cache, 2 * CHUNK, CHUNK as usize).unwrap();
    let mut buffers = vec![vec![0; 10_000]; 5];
    let offsets = [0, 100, 29 * CHUNK, 19 * CHUNK, 19 * CHUNK];
    let mut requests = buffers
        .iter_mut()
        .zip(offsets)
        .map(|(buf, offset)| ReadRequest::new(buf, offset))
        .collect::<Vec<_>>();
    cache.read_many(&mut requests);
    let outcomes = requests
        .into_iter()
        .map(|request| request.outcome.map_err(|error| error.kind()))
        .collect::<Vec<_>>();
    assert_eq!(
        outcomes,
        [Ok(10_000), Ok(10_000), Ok(CHUNK as usize), Err(ErrorKind::Io), Err(ErrorKind::Io)]
    );
    for number in 0..2 {
        assert_eq!(buffers[number], content(1, offsets[number], 10_000));
    }
    assert_eq!(buffers[2][..CHUNK as usize], content(1, 29 * CHUNK, CHUNK as usize));
    assert_eq!(
        read(&cache, 19 * CHUNK, 10).unwrap(),
        content(1, 19 * CHUNK, 10),
        "its own chunk is fine"
    );
}

#[test]
fn a_failure_of_the_store_is_its_error_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 64).cache(Far::new(1, 30 * CHUNK)).unwrap();
    cache.inner().failing.store(true, Ordering::SeqCst);
    assert_eq!(read(&cache, 5, 10).unwrap_err().kind(), ErrorKind::Unavailable);
    cache.inner().failing.store(false, Ordering::SeqCst);
    assert_eq!(read(&cache, 5, 10).unwrap(), content(1, 5, 10));
}

#[test]
fn a_store_that_ends_early_is_truncated() {
    struct Short(Far);
    impl Store for Short {
        fn name(&self) -> String {
            self.0.name()
        }
        fn len(&self) -> folio_store::Result<u64> {
            Ok(self.0.len + 1000)
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
            self.0.read_at(buf, offset)
        }
        fn capabilities(&self) -> folio_store::Capabilities {
            self.0.capabilities()
        }
        fn identity(&self) -> Option<String> {
            self.0.identity()
        }
        fn version(&self) -> Option<String> {
            self.0.version()
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 64).cache(Short(Far::new(1, 2 * CHUNK))).unwrap();
    let error = read(&cache, 2 * CHUNK, 10).unwrap_err();
    assert_eq!(
        (error.kind(), error.bytes()),
        (ErrorKind::Truncated, Some(2 * CHUNK..2 * CHUNK + 1000))
    );
    assert_eq!(cache.directory().chunks(), 0);
}

#[test]
fn nothing_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 4).cache(Far::new(1, 100)).unwrap();
    assert!(!cache.capabilities().is_writable());
    assert_eq!(cache.write_at(&[1], 0).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(cache.resize(1).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_slab_that_is_cut_off_below_an_open_cache_costs_misses_only() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 64).cache(Far::new(1, 30 * CHUNK)).unwrap();
    let all = 30 * CHUNK as usize;
    read(&cache, 0, all).unwrap();
    File::options()
        .write(true)
        .open(directory.path().join("slab"))
        .unwrap()
        .set_len(10 * CHUNK + 5)
        .unwrap();
    assert_eq!(read(&cache, 0, all).unwrap(), content(1, 0, all));
    assert_eq!(cache.directory().statistics().rejected, 20);
    cache.inner().failing.store(true, Ordering::SeqCst);
    assert_eq!(read(&cache, 0, all).unwrap(), content(1, 0, all));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn corrupted_files_never_make_wrong_bytes(
        damage in prop::collection::vec((any::<bool>(), any::<u64>(), prop::collection::vec(any::<u8>(), 1..300)), 1..6),
        live in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let all = 20 * CHUNK as usize - 77;
        let mut cache = open(directory.path(), 12).cache(Far::new(1, all as u64)).unwrap();
        read(&cache, 0, all).unwrap();
        for (slab, position, bytes) in &damage {
            let file = directory.path().join(if *slab { "slab" } else { "index" });
            let file = OpenOptions::new().write(true).open(file).unwrap();
            let position = position % file.metadata().unwrap().len();
            file.write_all_at(bytes, position).unwrap();
        }
        if !live {
            drop(cache);
            cache = open(directory.path(), 12).cache(Far::new(1, all as u64)).unwrap();
        }
        for _ in 0..2 {
            prop_assert_eq!(read(&cache, 0, all).unwrap(), content(1, 0, all));
        }
    }

    #[test]
    fn any_reads_are_those_of_the_store(
        chunks in 1..9_u64,
        len in 0..9 * CHUNK,
        reads in prop::collection::vec((0..10 * CHUNK, 0..3 * CHUNK as usize), 1..20),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let cache = open(directory.path(), chunks).cache(Far::new(3, len)).unwrap();
        for (offset, count) in reads {
            let there = len.saturating_sub(offset).min(count as u64) as usize;
            prop_assert_eq!(read(&cache, offset, count).unwrap(), content(3, offset, there));
        }
    }
}

/// Runs a test of this file in a process of its own.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command.env("FOLIO_CACHE_CHILD", directory).stdout(Stdio::null());
    command
}

#[test]
#[ignore = "the child of a test that kills it"]
fn child_that_reads_until_it_is_killed() {
    let Some(path) = std::env::var_os("FOLIO_CACHE_CHILD") else { return };
    let shared = open(Path::new(&path), 10);
    let caches = [1, 2].map(|seed| shared.cache(Far::new(seed, 40 * CHUNK)).unwrap());
    println!("{}", guarded::READY);
    thread::scope(|scope| {
        for thread in 0..2_u64 {
            let caches = &caches;
            scope.spawn(move || {
                let mut state = u64::from(std::process::id()) * 2 + thread;
                loop {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let cache = &caches[(state >> 40) as usize % 2];
                    let offset = (state >> 20) % (40 * CHUNK);
                    let there = (40 * CHUNK - offset).min(5000) as usize;
                    assert_eq!(
                        read(cache, offset, 5000).unwrap(),
                        content(cache.inner().seed(), offset, there)
                    );
                }
            });
        }
    });
}

/// Rounds by `FOLIO_CACHE_KILLS`, 20 by default.
#[test]
fn a_killed_process_leaves_only_right_chunks() {
    let rounds = std::env::var("FOLIO_CACHE_KILLS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20);
    let directory = tempfile::tempdir().unwrap();
    let mut served = 0;
    for round in 0..rounds {
        let mut child = child("child_that_reads_until_it_is_killed", directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        guarded::wait_for(&mut child);
        thread::sleep(Duration::from_micros(10_000 + round * 7919 % 40_000));
        assert!(child.try_wait().unwrap().is_none(), "it found wrong bytes, or could not start");
        child.kill().unwrap();
        child.wait().unwrap();
        let shared = open(directory.path(), 10);
        assert!(files_bytes(directory.path()) <= limit(10));
        for seed in [1, 2] {
            let cache = shared.cache(Far::new(seed, 40 * CHUNK)).unwrap();
            cache.inner().failing.store(true, Ordering::SeqCst);
            for chunk in 0..40 {
                if let Ok(bytes) = read(&cache, chunk * CHUNK, CHUNK as usize) {
                    assert_eq!(bytes, content(seed, chunk * CHUNK, CHUNK as usize));
                    served += 1;
                }
            }
        }
    }
    assert!(served > rounds, "{served} chunks survived {rounds} kills");
}

#[test]
#[ignore = "the child of a test that gives it a small disk"]
fn child_on_a_small_disk() {
    let Some(path) = std::env::var_os("FOLIO_CACHE_CHILD") else { return };
    let cache = open(Path::new(&path), 100).cache(Far::new(1, 100 * CHUNK)).unwrap();
    for _ in 0..3 {
        for chunk in 0..100 {
            let offset = chunk * CHUNK;
            assert_eq!(
                read(&cache, offset, CHUNK as usize).unwrap(),
                content(1, offset, CHUNK as usize)
            );
        }
    }
    let statistics = cache.directory().statistics();
    assert!(statistics.write_failures > 0, "{statistics:?}");
    assert!(statistics.evictions > 0, "the room that there is goes on serving: {statistics:?}");
    assert!(cache.directory().chunks() >= 10);
}

#[test]
fn a_full_disk_costs_misses_only() {
    let directory = tempfile::tempdir().unwrap();
    let run = child("child_on_a_small_disk", directory.path());
    // Files of 64 KiB at most; a write behind that is an error, and no signal.
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]);
    command.arg(run.get_program()).args(run.get_args());
    command.env("FOLIO_CACHE_CHILD", directory.path()).stdout(Stdio::null());
    match command.status() {
        Ok(status) => assert!(status.success(), "{status}"),
        Err(error) => eprintln!("skipped: a_full_disk_costs_misses_only: no bash: {error}"),
    }
}

#[test]
#[ignore = "the child of a test that holds the cache"]
fn child_that_finds_the_cache_in_use() {
    let Some(path) = std::env::var_os("FOLIO_CACHE_CHILD") else { return };
    let error = CacheDirectory::open(Path::new(&path), 1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let held = open(directory.path(), 4);
    let status = child("child_that_finds_the_cache_in_use", directory.path()).status().unwrap();
    assert!(status.success(), "{status}");
    drop(held);
    let status = child("child_that_finds_the_cache_in_use", directory.path())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "nobody holds it");
}
