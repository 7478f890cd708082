//! `Encrypt`: what was sealed comes back, and nothing else does.
#![cfg(feature = "encrypt")]

mod guarded;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, thread};

use folio_store::{Capabilities, Encrypt, Error, ErrorKind, Key, ReadRequest, Result, Seal, Store};
use guarded::{Bytes, content};
use proptest::prelude::*;

const HEADER: usize = 128;
const CHUNK: usize = 4096;
const SEALED: usize = CHUNK + 16;
const WRITABLE: usize = CHUNK + 40;
const JOURNAL: usize = 8 * (16 + WRITABLE);

fn key(number: u8) -> Key {
    Key::new([number; 32])
}

fn sealed(plain: &[u8], with: &Key) -> Vec<u8> {
    let target = Bytes::new([]);
    Seal::new(with).chunk_bytes(CHUNK as u32).write(&Bytes::new(plain), &target).unwrap();
    target.with(std::mem::take)
}

fn writable(plain: &[u8], with: &Key) -> Vec<u8> {
    let target = Bytes::new([]);
    let seal = Seal::new(with).chunk_bytes(CHUNK as u32).writable(true);
    seal.write(&Bytes::new(plain), &target).unwrap();
    target.with(std::mem::take)
}

fn read(store: &impl Store, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut buf = vec![0xee; len];
    let count = store.read_full_at(&mut buf, offset)?;
    buf.truncate(count);
    Ok(buf)
}

fn open(bytes: impl Into<Vec<u8>>, with: &Key) -> Result<Encrypt<Bytes>> {
    Encrypt::open(Bytes::new(bytes), with)
}

#[test]
fn every_length_comes_back() {
    for len in [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK, 10 * CHUNK + 7] {
        let plain = content(1, 0, len);
        for (raw, size) in [(sealed(&plain, &key(1)), 16), (writable(&plain, &key(1)), 40)] {
            let journal = if size == 40 { JOURNAL } else { 0 };
            assert_eq!(raw.len(), HEADER + journal + len + len.div_ceil(CHUNK) * size);
            let store = open(raw, &key(1)).unwrap();
            assert_eq!(store.len().unwrap(), len as u64);
            assert_eq!(read(&store, 0, len + 10).unwrap(), plain);
        }
    }
}

#[test]
fn the_plain_bytes_are_nowhere_in_the_object() {
    let raw = sealed(&[b'A'; 100_000], &key(1));
    assert!(!raw.windows(4).any(|window| window == b"AAAA"));
    let again = sealed(&[b'A'; 100_000], &key(1));
    let same = raw[HEADER..].iter().zip(&again[HEADER..]).filter(|(one, two)| one == two).count();
    assert!(same < raw.len() / 100, "each seal has a key of its own: {same} bytes are the same");
}

#[test]
fn equal_chunks_are_encrypted_differently() {
    for (raw, start, size) in [
        (sealed(&[0; 6 * CHUNK], &key(1)), HEADER, SEALED),
        (writable(&[0; 6 * CHUNK], &key(1)), HEADER + JOURNAL, WRITABLE),
    ] {
        let chunks = raw[start..].chunks(size).collect::<Vec<_>>();
        for (number, one) in chunks.iter().enumerate() {
            for other in &chunks[..number] {
                let same = one.iter().zip(*other).filter(|(one, other)| one == other).count();
                assert!(same < CHUNK / 50, "{same} bytes of two chunks are the same");
            }
        }
    }
}

/// The format, spelled out a second time.
#[test]
fn a_sealed_object_is_what_its_description_says() {
    use aes_gcm::KeyInit;
    use aes_gcm::aead::{Aead, Payload};
    let plain = content(1, 0, 2 * CHUNK + 77);
    let raw = sealed(&plain, &key(9));
    let (header, chunks) = raw.split_at(HEADER);
    assert_eq!(&header[..16], b"folioenc\x01\x00\x0c\0\0\0\0\0");
    let id = &header[16..48];
    assert_eq!(header[48..56], (plain.len() as u64).to_le_bytes());
    let derived = |purpose: &str| {
        blake3::derive_key(
            &format!("folio-store 2026-11 encrypt: {purpose}"),
            &[&[9; 32], id].concat(),
        )
    };
    assert_eq!(blake3::keyed_hash(&derived("header"), &header[..96]).as_bytes(), &header[96..]);
    let cipher = aes_gcm::Aes256Gcm::new(&derived("content").into());
    for (number, chunk) in chunks.chunks(SEALED).enumerate() {
        let mut nonce = [0; 12];
        nonce[11] = number as u8;
        let (number, len) = (number as u64, plain.len() as u64);
        let aad = [id, &number.to_le_bytes(), &len.to_le_bytes(), &[0, 12]].concat();
        let text = cipher.decrypt((&nonce).into(), Payload { msg: chunk, aad: &aad }).unwrap();
        assert_eq!(text, plain[number as usize * CHUNK..][..text.len()]);
    }
}

#[test]
fn another_key_is_denied() {
    for raw in [sealed(&[1; 10_000], &key(1)), writable(&[1; 10_000], &key(1))] {
        let error = open(raw, &key(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(
            error.to_string(),
            "cannot decrypt bytes: it was encrypted with another key, or its id has been changed: \
             give the key that it was encrypted with"
        );
    }
}

#[test]
fn every_flipped_bit_is_found() {
    for plain in [content(1, 0, 2 * CHUNK + 100), Vec::new()] {
        let raw = sealed(&plain, &key(1));
        let tags = raw.len().saturating_sub(120).max(HEADER)..raw.len();
        for at in (0..HEADER).chain((HEADER..raw.len()).step_by(37)).chain(tags) {
            let mut flipped = raw.clone();
            flipped[at] ^= 1 << (at % 8);
            let found = open(flipped, &key(1)).and_then(|store| read(&store, 0, plain.len()));
            let kind = found.expect_err(&format!("byte {at}")).kind();
            let denied = (16..48).contains(&at) || (64..80).contains(&at);
            assert_eq!(
                kind,
                if denied { ErrorKind::Denied } else { ErrorKind::Corrupt },
                "byte {at}"
            );
        }
    }
}

#[test]
fn a_damaged_chunk_is_named_and_spoils_no_other() {
    let plain = content(1, 0, 5 * CHUNK);
    let mut raw = sealed(&plain, &key(1));
    raw[HEADER + 2 * SEALED + 9] ^= 1;
    let store = open(raw, &key(1)).unwrap();
    let error = read(&store, 0, plain.len()).unwrap_err();
    let range = 2 * CHUNK as u64..3 * CHUNK as u64;
    assert_eq!(
        error.to_string(),
        "cannot read decrypted bytes, bytes 8192..12288: they are not what was encrypted"
    );
    assert_eq!((error.kind(), error.bytes()), (ErrorKind::Corrupt, Some(range)));
    assert_eq!(read(&store, 0, 2 * CHUNK).unwrap(), plain[..2 * CHUNK]);
    assert_eq!(read(&store, 3 * CHUNK as u64, CHUNK).unwrap(), plain[3 * CHUNK..4 * CHUNK]);
    let mut buffers = [[0; 100]; 3];
    let offsets = [0, 2 * CHUNK as u64 + 5, 5 * CHUNK as u64 - 50];
    let mut requests = buffers
        .iter_mut()
        .zip(offsets)
        .map(|(buf, at)| ReadRequest::new(buf, at))
        .collect::<Vec<_>>();
    store.read_many(&mut requests);
    let kinds = requests
        .into_iter()
        .map(|request| request.outcome.map_err(|error| error.kind()))
        .collect::<Vec<_>>();
    assert_eq!(kinds, [Ok(100), Err(ErrorKind::Corrupt), Ok(50)]);
}

#[test]
fn swapped_chunks_are_found() {
    for (raw, start, size) in [
        (sealed(&content(1, 0, 5 * CHUNK), &key(1)), HEADER, SEALED),
        (writable(&content(1, 0, 5 * CHUNK), &key(1)), HEADER + JOURNAL, WRITABLE),
    ] {
        let mut swapped = raw.clone();
        swapped[start..start + size].copy_from_slice(&raw[start + size..start + 2 * size]);
        swapped[start + size..start + 2 * size].copy_from_slice(&raw[start..start + size]);
        let store = open(swapped, &key(1)).unwrap();
        for chunk in 0..5 {
            let found = read(&store, (chunk * CHUNK) as u64, CHUNK).map_err(|error| error.kind());
            if chunk < 2 {
                assert_eq!(found, Err(ErrorKind::Corrupt));
            } else {
                assert_eq!(found.unwrap(), content(1, (chunk * CHUNK) as u64, CHUNK));
            }
        }
    }
}

#[test]
fn chunks_of_another_object_are_found() {
    let plain = content(1, 0, 3 * CHUNK);
    let (one, other) = (sealed(&plain, &key(1)), sealed(&plain, &key(1)));
    let mut mixed = one.clone();
    mixed[HEADER + SEALED..HEADER + 2 * SEALED]
        .copy_from_slice(&other[HEADER + SEALED..HEADER + 2 * SEALED]);
    let store = open(mixed, &key(1)).unwrap();
    assert_eq!(read(&store, CHUNK as u64, 1).unwrap_err().kind(), ErrorKind::Corrupt);
    let header_of_other = [&other[..HEADER], &one[HEADER..]].concat();
    let store = open(header_of_other, &key(1)).unwrap();
    assert_eq!(read(&store, 0, 1).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_truncated_object_is_found() {
    let raw = sealed(&content(1, 0, 3 * CHUNK + 50), &key(1));
    for len in [0, 50, HEADER - 1, HEADER, HEADER + SEALED, HEADER + 3 * SEALED, raw.len() - 1] {
        let error = open(&raw[..len], &key(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{len}: {error}");
    }
    let store = open(&*raw, &key(1)).unwrap();
    store.inner().resize((HEADER + SEALED + 10) as u64).unwrap();
    assert_eq!(read(&store, 0, CHUNK).unwrap(), content(1, 0, CHUNK));
    assert_eq!(read(&store, CHUNK as u64, 1).unwrap_err().kind(), ErrorKind::Truncated);
    let longer = [&*raw, &[0; 1000]].concat();
    assert_eq!(
        read(&open(longer, &key(1)).unwrap(), 0, 1 << 20).unwrap(),
        content(1, 0, 3 * CHUNK + 50)
    );
}

#[test]
fn what_is_no_object_is_refused() {
    let error = open([0; 1000], &key(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("does not begin as an encrypted object"), "{error}");
    // A later format, made by one who has the key, is not damage.
    let plain = Bytes::new([1]);
    for size in [0, 2048, 5000, 2 << 20] {
        let error =
            Seal::new(&key(1)).chunk_bytes(size).write(&plain, &Bytes::new([])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_sealed_object_cannot_be_written() {
    let store = open(sealed(&[1; 100], &key(1)), &key(1)).unwrap();
    assert!(store.capabilities().is_fixed_version() && !store.capabilities().is_writable());
    assert_eq!(store.write_at(&[1], 0).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(store.resize(10).unwrap_err().kind(), ErrorKind::Unsupported);
    let copy = open(store.inner().with(|bytes| bytes.clone()), &key(1)).unwrap();
    assert_eq!(store.identity(), copy.identity());
    assert_ne!(store.identity(), open(sealed(&[1; 100], &key(1)), &key(1)).unwrap().identity());
}

/// Fails to write when a number of writes are done, halfway through the one after.
struct Failing {
    inner: Arc<Bytes>,
    left: AtomicU64,
}

impl Store for Failing {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn len(&self) -> Result<u64> {
        self.inner.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            self.left.store(u64::MAX, Ordering::SeqCst);
            self.inner.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(Error::new(ErrorKind::Io, "write", self.name()));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        self.inner.write_at(bytes, offset)
    }
    fn resize(&self, len: u64) -> Result<()> {
        self.inner.resize(len)
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[test]
fn a_seal_that_fails_leaves_no_object() {
    let plain = Bytes::new(content(1, 0, 1_200_000));
    let old = sealed(&[1; 5000], &key(1));
    for writes in 0.. {
        let target = Arc::new(Bytes::new(&*old));
        let failing = Failing { inner: target.clone(), left: AtomicU64::new(writes) };
        if Encrypt::seal(&plain, &failing, &key(1)).is_ok() {
            assert_eq!(writes, 4);
            break;
        }
        let error = Encrypt::open(target, &key(1)).unwrap_err();
        let kinds = [ErrorKind::Corrupt, ErrorKind::Denied];
        assert!(kinds.contains(&error.kind()), "after {writes} writes: {error}");
    }
    let small = Bytes { resizable: false, ..Bytes::new([0; 1000]) };
    assert_eq!(Encrypt::seal(&plain, &small, &key(1)).unwrap_err().kind(), ErrorKind::NoSpace);
}

#[test]
fn a_plain_store_that_changes_meanwhile_is_an_error() {
    let plain = guarded::Far { fixed: false, ..guarded::Far::new(1, 512 << 10) };
    plain.replaced_after.store(2, Ordering::SeqCst);
    let target = Arc::new(Bytes::new([]));
    assert_eq!(Encrypt::seal(&plain, &target, &key(1)).unwrap_err().kind(), ErrorKind::Changed);
    assert_eq!(Encrypt::open(target, &key(1)).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn progress_and_debug_say_no_secrets() {
    let mut last = (0, 0);
    let target = Bytes::new([]);
    let key = key(0x5a);
    Seal::new(&key)
        .progress(|done, all| last = (done, all))
        .write(&Bytes::new(vec![1; 1_500_000]), &target)
        .unwrap();
    assert_eq!(last, (1_500_000, 1_500_000));
    let store = Encrypt::open(target, &key).unwrap();
    store.inner().with(Vec::clear);
    let text = format!("{key:?} {store:?} {:?}", Seal::new(&key));
    assert!(!text.contains("5a") && !text.contains("90, 90"), "{text}");
    assert_ne!(Key::random().unwrap().as_bytes(), Key::random().unwrap().as_bytes());
}

#[test]
fn a_writable_object_keeps_what_is_written() {
    let raw = Arc::new(Bytes::new(writable(&content(1, 0, 3 * CHUNK + 50), &key(1))));
    let store = Encrypt::open(raw.clone(), &key(1)).unwrap();
    assert!(store.capabilities().is_writable() && !store.capabilities().is_fixed_version());
    let mut model = content(1, 0, 3 * CHUNK + 50);
    for (offset, len) in
        [(0, 10), (CHUNK - 5, 10), (CHUNK, CHUNK), (100, 3 * CHUNK - 60), (3 * CHUNK, 50)]
    {
        let more = content(offset as u64 + 7, 0, len);
        store.write_all_at(&more, offset as u64).unwrap();
        model[offset..offset + len].copy_from_slice(&more);
        assert_eq!(read(&store, 0, 1 << 20).unwrap(), model);
    }
    store.sync().unwrap();
    for offset in [3 * CHUNK as u64 + 49, 1 << 40, u64::MAX] {
        assert_eq!(store.write_at(&[1, 2], offset).unwrap_err().kind(), ErrorKind::Invalid);
    }
    drop(store);
    assert_eq!(read(&Encrypt::open(raw, &key(1)).unwrap(), 0, 1 << 20).unwrap(), model);
}

#[test]
fn writing_the_same_bytes_twice_encrypts_them_differently() {
    let raw = Arc::new(Bytes::new(writable(&[7; CHUNK], &key(1))));
    let store = Encrypt::open(raw.clone(), &key(1)).unwrap();
    let mut seen = vec![raw.with(|raw| raw[HEADER + JOURNAL..].to_vec())];
    for _ in 0..5 {
        store.write_all_at(&[7; CHUNK], 0).unwrap();
        seen.push(raw.with(|raw| raw[HEADER + JOURNAL..].to_vec()));
    }
    for (number, one) in seen.iter().enumerate() {
        for other in &seen[..number] {
            let same = one.iter().zip(other).filter(|(one, other)| one == other).count();
            assert!(same < CHUNK / 50, "{same} bytes of a chunk are the same");
        }
    }
}

#[test]
fn a_write_torn_anywhere_loses_nothing_that_was_acknowledged() {
    let (old, new) = (content(1, 0, 3 * CHUNK), content(2, 0, 100));
    for writes in 0..4 {
        let raw = Arc::new(Bytes::new(writable(&old, &key(1))));
        let failing = Failing { inner: raw.clone(), left: AtomicU64::new(writes) };
        let store = Encrypt::open(failing, &key(1)).unwrap();
        let written = store.write_all_at(&new, CHUNK as u64 + 1000);
        assert_eq!(written.is_err(), writes < 2, "{writes}");
        let is_sound = |bytes: &[u8]| {
            let mut expected = old.clone();
            expected[CHUNK + 1000..CHUNK + 1100].copy_from_slice(&new);
            *bytes == *expected || written.is_err() && *bytes == *old
        };
        assert!(is_sound(&read(&store, 0, 1 << 20).unwrap()), "{writes}: the same process");
        let copy = raw.with(|raw| raw.clone());
        assert!(
            is_sound(&read(&open(copy, &key(1)).unwrap(), 0, 1 << 20).unwrap()),
            "{writes}: opened again"
        );
        // And it goes on.
        store.inner().left.store(u64::MAX, Ordering::SeqCst);
        for chunk in 0..20_u64 {
            store.write_all_at(&[chunk as u8; 10], chunk % 3 * CHUNK as u64).unwrap();
        }
        assert_eq!(read(&store, 2 * CHUNK as u64, 10).unwrap(), [17; 10]);
        drop(store);
        let again = Encrypt::open(raw, &key(1)).unwrap();
        assert_eq!(read(&again, CHUNK as u64, 10).unwrap(), [19; 10]);
        assert_eq!(
            read(&again, CHUNK as u64 + 2000, 1000).unwrap(),
            old[CHUNK + 2000..CHUNK + 3000]
        );
    }
}

#[test]
fn damage_in_a_writable_object_is_found() {
    let plain = content(1, 0, 2 * CHUNK + 100);
    let raw = writable(&plain, &key(1));
    for at in (0..HEADER).chain((HEADER + JOURNAL..raw.len()).step_by(61)) {
        let mut flipped = raw.clone();
        flipped[at] ^= 1 << (at % 8);
        let found = open(flipped, &key(1)).and_then(|store| read(&store, 0, plain.len()));
        assert!(
            matches!(found.unwrap_err().kind(), ErrorKind::Corrupt | ErrorKind::Denied),
            "byte {at}"
        );
    }
    // Nothing in the journal of a whole object matters.
    for at in (HEADER..HEADER + JOURNAL).step_by(97) {
        let mut flipped = raw.clone();
        flipped[at] ^= 0xff;
        assert_eq!(
            read(&open(flipped, &key(1)).unwrap(), 0, plain.len()).unwrap(),
            plain,
            "byte {at}"
        );
    }
}

#[test]
fn threads_write_parts_of_one_chunk() {
    let store = open(writable(&vec![0; 4 * CHUNK], &key(1)), &key(1)).unwrap();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 1..20_u8 {
                    for part in (thread * 512..4 * CHUNK as u64).step_by(4 * 512) {
                        store.write_all_at(&[round; 512], part).unwrap();
                        assert_eq!(read(store, part, 512).unwrap(), [round; 512]);
                    }
                }
            });
        }
    });
    assert_eq!(read(&store, 0, 4 * CHUNK).unwrap(), vec![19; 4 * CHUNK]);
}

/// A file, for a process that is killed while it writes one.
struct File(fs::File);

impl File {
    fn open(path: &Path) -> Self {
        Self(fs::File::options().read(true).write(true).open(path).unwrap())
    }
}

impl Store for File {
    fn name(&self) -> String {
        "file".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(self.0.metadata().unwrap().len())
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        Ok(std::os::unix::fs::FileExt::read_at(&self.0, buf, offset).unwrap())
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        // In small steps, each of which may be the last.
        let some = bytes.len().min(1000);
        Ok(std::os::unix::fs::FileExt::write_at(&self.0, &bytes[..some], offset).unwrap())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(folio_store::Cost::Local).writable(true)
    }
}

#[test]
#[ignore = "the child of a test that kills it"]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("FOLIO_ENCRYPT_CHILD") else { return };
    let store = Encrypt::open(File::open(Path::new(&path)), &key(1)).unwrap();
    let first = read(&store, 0, 8).unwrap()[0];
    println!("{}", guarded::READY);
    for round in 1..=u8::MAX {
        for chunk in 0..4 {
            // Two halves, one after the other: never does a chunk hold anything but two neighbours.
            let value = first.wrapping_add(round);
            store.write_all_at(&[value; CHUNK / 2], chunk * CHUNK as u64).unwrap();
            store
                .write_all_at(&[value; CHUNK / 2], chunk * CHUNK as u64 + CHUNK as u64 / 2)
                .unwrap();
        }
    }
}

/// Rounds by `FOLIO_ENCRYPT_KILLS`, 20 by default.
#[test]
fn a_killed_process_leaves_whole_chunks() {
    let rounds = std::env::var("FOLIO_ENCRYPT_KILLS").ok().and_then(|rounds| rounds.parse().ok());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    fs::write(&path, writable(&[0; 4 * CHUNK], &key(1))).unwrap();
    let mut advanced = 0;
    for round in 0..rounds.unwrap_or(20_u64) {
        let before = read(&Encrypt::open(File::open(&path), &key(1)).unwrap(), 0, 1).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_writes_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
            .env("FOLIO_ENCRYPT_CHILD", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        guarded::wait_for(&mut child);
        thread::sleep(Duration::from_micros(3_000 + round * 7919 % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Encrypt::open(File::open(&path), &key(1)).unwrap();
        let all =
            read(&store, 0, 4 * CHUNK).unwrap_or_else(|error| panic!("round {round}: {error}"));
        for chunk in all.chunks(CHUNK) {
            let (first, second) = chunk.split_at(CHUNK / 2);
            assert!(first.iter().all(|byte| *byte == first[0]), "round {round}");
            assert!(second.iter().all(|byte| *byte == second[0]), "round {round}");
            assert!(
                first[0].wrapping_sub(second[0]) <= 1,
                "round {round}: {} {}",
                first[0],
                second[0]
            );
        }
        advanced += u32::from(all[0] != before[0]);
        // Where it was left, so that the next goes on from one value.
        let rest = vec![all[0]; 4 * CHUNK];
        store.write_all_at(&rest, 0).unwrap();
    }
    assert!(advanced > 0, "no child got to write before it was killed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_read_is_that_of_the_plain_bytes(
        len in 0..100_000_usize,
        log in 12..18_u32,
        written in any::<bool>(),
        reads in prop::collection::vec((0..110_000_u64, 0..50_000_usize), 1..8),
    ) {
        let plain = content(1, 0, len);
        let target = Bytes::new([]);
        Seal::new(&key(1)).chunk_bytes(1 << log).writable(written).write(&Bytes::new(&*plain), &target).unwrap();
        let store = Encrypt::open(target, &key(1)).unwrap();
        for (offset, count) in reads {
            let start = (offset as usize).min(len);
            prop_assert_eq!(read(&store, offset, count).unwrap(), &plain[start..(start + count).min(len)]);
        }
    }

    #[test]
    fn tampering_is_an_error_or_does_not_matter(
        len in 1..30_000_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..5000_usize), 1..4),
        offset in any::<prop::sample::Index>(),
    ) {
        let plain = content(1, 0, len);
        let mut raw = sealed(&plain, &key(1));
        for (from, to, count) in edits {
            let (from, to) = (from.index(raw.len()), to.index(raw.len()));
            let count = count.min(raw.len() - from).min(raw.len() - to);
            raw.copy_within(from..from + count, to);
        }
        let offset = offset.index(len);
        if let Ok(store) = open(raw, &key(1))
            && let Ok(read) = read(&store, offset as u64, 5000)
        {
            prop_assert_eq!(&*read, &plain[offset..(offset + 5000).min(len)]);
        }
    }
}
