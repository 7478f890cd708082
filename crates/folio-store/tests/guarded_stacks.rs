//! The conformance suite on `Cache`, `Verify`, `Encrypt`, and on stacks of them.
#![cfg(all(feature = "cache", feature = "verify", feature = "encrypt"))]

mod guarded;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use folio_store::conformance::Suite;
use folio_store::{Cache, CacheDirectory, Encrypt, Key, Outboard, Root, Seal, Store, Verify};
use guarded::Bytes;

/// Bytes with a name and a version of their own, as a far object has them.
#[derive(Clone, Debug)]
struct Object(Arc<Bytes>, u64);

impl Object {
    fn new(content: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Bytes::new(content)), NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Store for Object {
    fn name(&self) -> String {
        format!("object {}", self.1)
    }
    fn len(&self) -> folio_store::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
        // Short reads: the layers have to put them together.
        let some = buf.len().min(5000);
        self.0.read_at(&mut buf[..some], offset)
    }
    fn capabilities(&self) -> folio_store::Capabilities {
        self.0.capabilities().writable(false).resizable(false).fixed_version(true)
    }
    fn identity(&self) -> Option<String> {
        Some(format!("object {}", self.1))
    }
    fn version(&self) -> Option<String> {
        Some("1".into())
    }
}

fn verify<S: Store>(store: S) -> Verify<S> {
    let outboard = Outboard::compute(&store, 16 << 10, |_, _| ()).unwrap();
    let root: Root = outboard.root();
    Verify::new(store, outboard, root).unwrap()
}

fn key() -> Key {
    Key::new([3; 32])
}

fn encrypted(content: &[u8], writable: bool) -> Arc<Bytes> {
    let target = Arc::new(Bytes::new([]));
    let key = key();
    let seal = Seal::new(&key).chunk_bytes(8 << 10).writable(writable);
    seal.write(&Bytes::new(content), &target).unwrap();
    target
}

fn encrypt(content: &[u8]) -> Encrypt<Arc<Bytes>> {
    Encrypt::open(encrypted(content, false), &key()).unwrap()
}

fn directory(temporary: &tempfile::TempDir, chunks: u64) -> CacheDirectory {
    CacheDirectory::open_with_chunks(temporary.path(), chunks * 5000, 4096).unwrap()
}

#[test]
fn a_cache_is_a_store() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory(&temporary, 20);
    Suite::new(|content: &[u8]| directory.cache(Object::new(content)).unwrap())
        .reopened_by(|cache: &Cache<Object>| directory.cache(cache.inner().clone()).unwrap())
        .run();
    let statistics = directory.statistics();
    assert!(statistics.hits > 0 && statistics.evictions > 0, "{statistics:?}");
    assert_eq!((statistics.rejected, statistics.write_failures), (0, 0), "{statistics:?}");
}

#[test]
fn verified_bytes_are_a_store() {
    Suite::new(|content: &[u8]| verify(Object::new(content))).run();
}

#[test]
fn a_sealed_object_is_a_store() {
    Suite::new(encrypt)
        .contents(60_000)
        .steps(60)
        .reopened_by(|store: &Encrypt<Arc<Bytes>>| {
            Encrypt::open(Arc::clone(store.inner()), &key()).unwrap()
        })
        .run();
}

#[test]
fn a_writable_encrypted_object_is_a_store() {
    Suite::new(|content: &[u8]| Encrypt::open(encrypted(content, true), &key()).unwrap())
        .contents(60_000)
        .steps(60)
        .reopened_by(|store: &Encrypt<Arc<Bytes>>| {
            Encrypt::open(Arc::clone(store.inner()), &key()).unwrap()
        })
        .run();
}

#[test]
fn a_cache_over_verified_over_encrypted_bytes_is_a_store() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory(&temporary, 10);
    Suite::new(|content: &[u8]| directory.cache(verify(encrypt(content))).unwrap())
        .contents(60_000)
        .steps(60)
        .run();
}

#[test]
fn encrypted_over_verified_over_cached_bytes_is_a_store() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory(&temporary, 10);
    Suite::new(|content: &[u8]| {
        let object = Object::new(&encrypted(content, false).with(|bytes| bytes.clone()));
        Encrypt::open(verify(directory.cache(object).unwrap()), &key()).unwrap()
    })
    .contents(60_000)
    .steps(60)
    .run();
}

#[test]
fn damage_below_a_stack_is_found_above_it() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory(&temporary, 10);
    let store = directory.cache(verify(encrypt(&guarded::content(1, 0, 60_000)))).unwrap();
    store.inner().inner().inner().with(|bytes| bytes[20_000] ^= 1);
    let mut bytes = vec![0; 60_000];
    let error = store.read_full_at(&mut bytes, 0).unwrap_err();
    assert_eq!(error.kind(), folio_store::ErrorKind::Corrupt, "{error}");
    assert_eq!(store.read_full_at(&mut bytes[..8192], 0).unwrap(), 8192);
    assert_eq!(bytes[..8192], guarded::content(1, 0, 8192));
}
