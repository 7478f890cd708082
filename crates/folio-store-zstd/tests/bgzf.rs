//! What bgzip packs.
#![cfg(feature = "bgzf")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use common::{Shelf, kind, noise, read_all, text};
use folio_store::conformance::Suite;
use folio_store::{Capabilities, Cost, ErrorKind, Result, Store};
use folio_store_zstd::BgzfStore;
use proptest::prelude::*;

/// Blocks that end where the parts do, and the index of them.
fn packed(parts: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    for part in parts {
        writer.write_all(part).unwrap();
        writer.flush().unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut pairs = Vec::new();
    let (mut at, mut decoded) = (0, 0);
    while at < bytes.len() {
        let size = u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]) as usize + 1;
        let end = at + size;
        decoded += u32::from_le_bytes(bytes[end - 4..end].try_into().unwrap()) as u64;
        at = end;
        pairs.push((at as u64, decoded));
    }
    // Neither the end nor the empty block there is the start of bytes.
    pairs.truncate(pairs.len().saturating_sub(2));
    (bytes, index(&pairs))
}

fn index(pairs: &[(u64, u64)]) -> Vec<u8> {
    let mut index = (pairs.len() as u64).to_le_bytes().to_vec();
    for (packed, decoded) in pairs {
        index.extend(packed.to_le_bytes());
        index.extend(decoded.to_le_bytes());
    }
    index
}

fn open(bytes: Vec<u8>) -> Result<BgzfStore<Shelf>> {
    BgzfStore::open(Shelf::new(bytes))
}

fn open_with(bytes: Vec<u8>, index: Vec<u8>) -> Result<BgzfStore<Shelf>> {
    BgzfStore::open_with_index(Shelf::new(bytes), &Shelf::new(index))
}

#[test]
fn a_store_of_bgzip_conforms() {
    Suite::new(|content| open(packed(&[content]).0).unwrap()).contents(300_000).run();
    let with_index = |content: &[u8]| {
        let parts: Vec<_> = content.chunks(1000).collect();
        let (bytes, index) = packed(&parts);
        open_with(bytes, index).unwrap()
    };
    Suite::new(with_index).contents(30_000).run();
}

#[test]
fn blocks_are_found_with_an_index_and_without() {
    let content = text(1_000_000);
    let (bytes, index) = packed(&[&content[..300], &content[300..70_000], &content[70_000..]]);
    let (scanned, indexed) = (open(bytes.clone()).unwrap(), open_with(bytes, index).unwrap());
    assert_eq!(scanned.blocks(), indexed.blocks());
    let (scan, index) = (scanned.inner().reads(), indexed.inner().reads());
    assert!(index < 6 && scan > 15, "{index} reads with an index, {scan} without");
    assert_eq!(read_all(&scanned).unwrap(), content);
    assert_eq!(read_all(&indexed).unwrap(), content);
    assert_eq!(scanned.decoded_blocks() + 1, scanned.blocks(), "all but the empty one at the end");
}

#[test]
fn a_byte_costs_one_block() {
    let content = text(1_000_000);
    let store = open(packed(&[&content]).0).unwrap();
    store.inner().reads();
    for offset in [500_000, 500_001] {
        let mut byte = [0];
        store.read_full_at(&mut byte, offset).unwrap();
        assert_eq!(byte[0], content[offset as usize]);
    }
    assert_eq!((store.inner().reads(), store.decoded_blocks()), (1, 1));
    assert_eq!(store.capabilities().granule_bytes(), 64 << 10);
}

#[test]
fn blocks_far_away_are_found_with_few_requests() {
    let mut shelf = Shelf::new(packed(&[&noise(3_000_000)]).0);
    shelf.capabilities = Capabilities::new(Cost::Network);
    let store = BgzfStore::open(shelf).unwrap();
    assert!(store.blocks() > 40);
    assert!(store.inner().reads() <= 2);
    assert!(store.inner().read_bytes.load(Ordering::SeqCst) < 3_300_000);
}

#[test]
fn nothing_packs_to_a_store_of_no_bytes() {
    let store = open(packed(&[]).0).unwrap();
    assert!(store.is_empty().unwrap());
    assert_eq!(store.read_at(&mut [0; 10], 0).unwrap(), 0);
}

#[test]
fn what_is_no_bgzip_says_so() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec();
    let error = open(gzip).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("folio pack"), "{error}");
    for bytes in [b"".to_vec(), b"plain text".to_vec(), noise(1000)] {
        assert_eq!(kind(open(bytes)), ErrorKind::Invalid);
    }
}

#[test]
fn indexes_that_lie_are_corrupt() {
    let content = text(200_000);
    let (bytes, good) = packed(&[&content]);
    let number = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().unwrap());
    let (first, decoded) = (number(8), number(16));
    let open = |bad: Vec<u8>| {
        kind(open_with(bytes.clone(), bad).and_then(|store| read_all(&store).map(drop)))
    };
    for pairs in [
        &[(first, decoded + 1)][..],
        &[(first - 1, decoded)],
        &[(first, decoded), (first, decoded)],
        &[(first, decoded), (0, 0)],
        &[(u64::MAX, decoded)],
        &[(first, u64::MAX)],
        &[(first, 0)],
        &[(0, 0)],
    ] {
        assert_eq!(open(index(pairs)), ErrorKind::Corrupt, "{pairs:?}");
    }
    assert_eq!(open(vec![]), ErrorKind::Corrupt);
    assert_eq!(open(u64::MAX.to_le_bytes().to_vec()), ErrorKind::Corrupt);
    assert_eq!(open([&good[..], b"x"].concat()), ErrorKind::Corrupt);
    assert_eq!(open(good[..good.len() - 1].to_vec()), ErrorKind::Corrupt);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_were_changed_are_errors_or_the_bytes_that_were_packed(
        len in 0..3000_usize,
        noisy in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        index_changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        cut in prop_oneof![3 => Just(0), 1 => 0..200_usize],
    ) {
        let content = if noisy { noise(len) } else { text(len) };
        let (mut bytes, mut index) = packed(&content.chunks(700).collect::<Vec<_>>());
        for (at, value) in changes {
            *at.get_mut(&mut bytes) = value;
        }
        for (at, value) in index_changes {
            *at.get_mut(&mut index) = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        for store in [open(bytes.clone()), open_with(bytes, index)].into_iter().flatten() {
            prop_assert!(store.len().unwrap() < 1 << 24);
            if let Ok(all) = read_all(&store) && all.len() == content.len() {
                prop_assert_eq!(all, content.clone());
            }
        }
    }
}

#[test]
fn what_the_program_bgzip_packs_is_read() {
    let content = text(1_000_000);
    let child =
        Command::new("bgzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return common::skip("no bgzip (Debian: tabix)") };
    let mut input = child.stdin.take().unwrap();
    let bytes = content.clone();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let packed = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap().unwrap();
    assert_eq!(read_all(&open(packed.clone()).unwrap()).unwrap(), content);

    let directory = std::env::temp_dir().join(format!("folio-bgzf-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("f.gz");
    std::fs::write(&file, &packed).unwrap();
    assert!(Command::new("bgzip").arg("-r").arg(&file).status().unwrap().success());
    let index = std::fs::read(directory.join("f.gz.gzi")).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let store = open_with(packed, index).unwrap();
    assert!(store.inner().reads() < 6);
    assert_eq!(read_all(&store).unwrap(), content);
}
