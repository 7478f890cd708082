//! With a ring and without one the store passes the conformance suite, and batches give what single
//! reads give.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use folio_store::conformance::Suite;
use folio_store::{ErrorKind, FileOptions, FileStore, ReadRequest, Store};
use folio_store_uring::UringStore;

fn directory() -> tempfile::TempDir {
    let places = [env!("CARGO_TARGET_TMPDIR"), "/var/tmp"];
    let made = places.into_iter().find_map(|place| tempfile::tempdir_in(place).ok());
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Whether batches go through io_uring here.
fn has_ring(store: &UringStore) -> bool {
    if let Some(why) = store.why_no_ring() {
        eprintln!("skipped: io_uring: {why}");
    }
    store.why_no_ring().is_none()
}

fn suite(options: &FileOptions, with_ring: bool) {
    let dir = directory();
    let number = std::cell::Cell::new(0);
    let over = |path: &Path| {
        let file = options.open(path).unwrap();
        if with_ring { UringStore::new(file) } else { UringStore::without_ring(file) }
    };
    let path_of = |store: &UringStore| PathBuf::from(store.name().strip_prefix("file ").unwrap());
    Suite::new(|content: &[u8]| {
        number.set(number.get() + 1);
        let path = dir.path().join(number.get().to_string());
        fs::write(&path, content).unwrap();
        over(&path)
    })
    .reopened_by(|store| over(&path_of(store)))
    .contents(100_000)
    .steps(200)
    .run();
}

#[test]
fn it_passes_the_suite_through_the_page_cache_and_past_it() {
    for with_ring in [true, false] {
        suite(&FileStore::options(), with_ring);
        suite(&FileStore::options().writable(true), with_ring);
        suite(&FileStore::options().writable(true).direct_if_possible(true), with_ring);
    }
}

#[test]
fn without_a_ring_it_says_why_and_reads_the_same() {
    let dir = directory();
    let path = dir.path().join("file");
    fs::write(&path, "one two").unwrap();
    let store = UringStore::without_ring(FileStore::open(&path).unwrap());
    let why = store.why_no_ring().unwrap();
    assert_eq!(why.kind(), ErrorKind::Unsupported);
    assert!(why.to_string().ends_with("it was asked not to"), "{why}");
    let mut buffers = [[0; 3]; 2];
    let [one, two] = &mut buffers;
    let mut requests = [ReadRequest::new(one, 0), ReadRequest::new(two, 4)];
    store.read_many(&mut requests);
    assert_eq!(buffers, [*b"one", *b"two"]);
    assert_eq!(store.into_file().len().unwrap(), 7);
}

#[test]
fn a_batch_of_a_file_that_was_cut_ends_where_the_file_does() {
    let dir = directory();
    let path = dir.path().join("file");
    for direct in [false, true] {
        fs::write(&path, vec![9; 40_000]).unwrap();
        let file = FileStore::options().direct_if_possible(direct).open(&path).unwrap();
        let store = UringStore::new(file);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10_001).unwrap();
        let mut buffers = vec![[1; 8192]; 5];
        let mut requests: Vec<_> =
            (0..).zip(&mut buffers).map(|(at, buf)| ReadRequest::new(buf, at * 4096)).collect();
        store.read_many(&mut requests);
        let counts: Vec<_> =
            requests.iter().map(|request| *request.outcome.as_ref().unwrap()).collect();
        assert_eq!(counts, [8192, 5905, 1809, 0, 0]);
    }
}

/// `cargo test --release -p folio-store-uring -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn random_direct_reads_one_by_one_and_in_batches() {
    const BLOCK: usize = 4096;
    const BATCH: usize = 32;
    const FILE_BYTES: u64 = 1 << 30;
    let dir = directory();
    let path = dir.path().join("file");
    let made = FileStore::options().create(true).open(&path).unwrap();
    for at in 0..FILE_BYTES >> 20 {
        made.write_all_at(&vec![at as u8; 1 << 20], at << 20).unwrap();
    }
    made.sync().unwrap();
    let file = match FileStore::options().direct(true).open(&path) {
        Ok(file) => file,
        Err(error) => return eprintln!("skipped: measuring: {error}"),
    };
    let store = UringStore::new(file);
    if !has_ring(&store) {
        return;
    }
    let mut state = 1_u64;
    let mut offset = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % (FILE_BYTES / BLOCK as u64) * BLOCK as u64
    };
    let mut bytes = vec![0; (BATCH + 1) * BLOCK];
    let start = bytes.as_ptr().align_offset(BLOCK);
    let bytes = &mut bytes[start..start + BATCH * BLOCK];
    let mut measure = |name: &str, count: usize, read: &mut dyn FnMut(&mut [u8])| {
        let begun = Instant::now();
        for _ in 0..count {
            read(bytes);
        }
        let reads = count * BATCH;
        println!("{name}: {:.0} reads/s", reads as f64 / begun.elapsed().as_secs_f64());
    };
    for _ in 0..3 {
        measure("one by one", 200, &mut |bytes| {
            for buf in bytes.chunks_mut(BLOCK) {
                assert_eq!(store.read_full_at(buf, offset()).unwrap(), BLOCK);
            }
        });
        measure("read_many of 32", 1000, &mut |bytes| {
            let mut requests: Vec<_> =
                bytes.chunks_mut(BLOCK).map(|buf| ReadRequest::new(buf, offset())).collect();
            store.read_many(&mut requests);
            assert!(requests.iter().all(|request| matches!(request.outcome, Ok(BLOCK))));
        });
    }
}
