//! The layers that cache, verify and encrypt pass the conformance suite, alone and in stacks.
#![cfg(all(feature = "cache", feature = "encrypt", feature = "verify"))]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use folio_store::conformance::Suite;
use folio_store::testing::{Fail, Operation, ShortRead, TornWrite};
use folio_store::{
    CacheDirectory, Capabilities, Deadline, Encrypt, ErrorKind, Key, MemoryStore, Outboard,
    ReadRequest, Result, Retry, Seal, Statistics, Store, Verify,
};
use proptest::prelude::*;

type Any = Box<dyn Store>;

/// A store with an identity of its own and a version.
struct Named(Any, u64);

impl Named {
    fn new(store: Any) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self(store, NUMBERS.fetch_add(1, Ordering::Relaxed))
    }
}

impl Store for Named {
    fn name(&self) -> String {
        self.0.name()
    }
    fn len(&self) -> Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        self.0.read_many(requests);
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().writable(false).resizable(false).fixed_version(true)
    }
    fn identity(&self) -> Option<String> {
        Some(format!("number {}", self.1))
    }
    fn version(&self) -> Option<String> {
        Some(format!("of number {}", self.1))
    }
}

fn memory(content: &[u8]) -> Any {
    Box::new(MemoryStore::from(content.to_vec()))
}

fn key() -> Key {
    Key::new([7; 32])
}

fn sealed(content: &[u8], writable: bool) -> Any {
    let target = MemoryStore::from(Vec::new());
    let plain = MemoryStore::from(content.to_vec());
    Seal::new(&key()).chunk_bytes(4096).writable(writable).write(&plain, &target).unwrap();
    Box::new(target)
}

fn verified(store: Any, content: &[u8]) -> Any {
    let trusted = MemoryStore::from(content.to_vec());
    let outboard = Outboard::compute(&trusted, 4096, |_, _| ()).unwrap();
    let root = outboard.root();
    Box::new(Verify::with_groups(store, outboard, root, 4096).unwrap())
}

/// Slow to answer in more ways than one, and hidden by a retry.
fn shaky(store: Any, seed: u64) -> Any {
    let short = ShortRead::new(store, seed);
    let failing =
        Fail::new(short, ErrorKind::Unavailable).on(Operation::Read).on(Operation::Write).every(5);
    let short_wait = Duration::from_micros(1);
    Box::new(Retry::new(failing).attempts(1000).first_wait(short_wait).longest_wait(short_wait))
}

fn caches() -> (tempfile::TempDir, CacheDirectory) {
    let directory = tempfile::tempdir().unwrap();
    let cache = CacheDirectory::open_with_chunks(directory.path(), 1 << 20, 4096).unwrap();
    (directory, cache)
}

#[test]
fn a_cache_is_a_store() {
    let (_directory, caches) = caches();
    Suite::new(|content: &[u8]| caches.cache(Named::new(memory(content))).unwrap())
        .contents(50_000)
        .steps(100)
        .run();
}

#[test]
fn a_verified_store_is_a_store() {
    Suite::new(|content: &[u8]| verified(memory(content), content))
        .contents(50_000)
        .steps(100)
        .run();
}

#[test]
fn an_encrypted_store_is_a_store() {
    for writable in [false, true] {
        Suite::new(|content: &[u8]| Encrypt::open(sealed(content, writable), &key()).unwrap())
            .contents(50_000)
            .steps(100)
            .run();
    }
}

#[test]
fn an_encrypted_store_over_torn_writes_is_a_store() {
    Suite::new(|content: &[u8]| {
        let torn = TornWrite::new(sealed(content, true)).unwrap().every(3, 1);
        Encrypt::open(shaky(Box::new(torn), 1), &key()).unwrap()
    })
    .contents(20_000)
    .steps(50)
    .run();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 20, ..Default::default() })]

    #[test]
    fn stacks_that_cache_verify_and_decrypt_are_stores(
        encrypt in any::<bool>(),
        middle in prop::collection::vec(0..5, 1..=3),
        seed in any::<u64>(),
    ) {
        let (_directory, caches) = caches();
        Suite::new(|content: &[u8]| {
            let mut store = match encrypt {
                true => {
                    let below = shaky(sealed(content, seed % 2 == 0), seed);
                    Box::new(Encrypt::open(below, &key()).unwrap())
                }
                false => shaky(memory(content), seed),
            };
            for layer in &middle {
                store = match layer {
                    0 => verified(store, content),
                    1 => Box::new(caches.cache(Named::new(store)).unwrap()),
                    2 => Box::new(Deadline::new(store, Duration::from_secs(60)).unwrap()),
                    3 => shaky(store, seed),
                    _ => Box::new(Statistics::new(store)),
                };
            }
            store
        })
        .contents(9_000)
        .steps(25)
        .seed(seed)
        .run();
    }
}
