//! `Verify`: whatever is not what it was is an error, and nothing else is.
#![cfg(feature = "verify")]

mod guarded;

use folio_store::{Error, ErrorKind, Outboard, ReadRequest, Root, Store, Verify};
use guarded::{Bytes, content};
use proptest::prelude::*;

const GROUP: u64 = 16 << 10;

fn outboard(bytes: &[u8], group_bytes: u32) -> Outboard {
    Outboard::compute(&Bytes::new(bytes), group_bytes, |_, _| ()).unwrap()
}

fn verified(bytes: &[u8]) -> Verify<Bytes> {
    let outboard = Verify::outboard(&Bytes::new(bytes), |_, _| ()).unwrap();
    let root = outboard.root();
    Verify::new(Bytes::new(bytes), outboard, root).unwrap()
}

fn read(store: &impl Store, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0xee; len];
    let count = store.read_full_at(&mut buf, offset)?;
    buf.truncate(count);
    Ok(buf)
}

#[test]
fn the_root_is_what_b3sum_prints() {
    for len in [0, 1, 1023, 1024, 1025, 16 << 10, (16 << 10) + 1, 100_000, 1 << 20] {
        let bytes = content(1, 0, len);
        for group in [1 << 10, 16 << 10, 64 << 10] {
            let outboard = outboard(&bytes, group);
            assert_eq!(
                outboard.root().as_bytes(),
                blake3::hash(&bytes).as_bytes(),
                "{len} {group}"
            );
        }
    }
}

#[test]
fn the_outboard_is_that_of_bao() {
    // `bao encode --outboard` of 3000 bytes of 7.
    let bytes = [7; 3000];
    let chunk = |start: u64, end: usize| {
        use blake3::hazmat::HasherExt;
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(start).update(&bytes[start as usize..end]);
        hasher.finalize_non_root()
    };
    let (first, second, third) = (chunk(0, 1024), chunk(1024, 2048), chunk(2048, 3000));
    let left = blake3::hazmat::merge_subtrees_non_root(&first, &second, blake3::hazmat::Mode::Hash);
    let expected = [&3000_u64.to_le_bytes()[..], &left, &third, &first, &second].concat();
    assert_eq!(outboard(&bytes, 1024).as_bytes(), expected);
}

#[test]
fn progress_reaches_the_end() {
    let mut last = None;
    Verify::outboard(&Bytes::new(content(1, 0, 100_000)), |done, all| last = Some((done, all)))
        .unwrap();
    assert_eq!(last, Some((100_000, 100_000)));
}

#[test]
fn an_empty_store_is_verified_too() {
    let empty = verified(&[]);
    assert_eq!(read(&empty, 0, 10).unwrap(), []);
    let outboard = outboard(&[], 16 << 10);
    let error = Verify::new(Bytes::new([]), outboard, Root::new([1; 32])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn a_flipped_byte_fails_its_group_and_no_other() {
    let bytes = content(1, 0, 10 * GROUP as usize + 100);
    let store = verified(&bytes);
    store.inner().with(|bytes| bytes[5 * GROUP as usize + 77] ^= 1);
    for offset in (0..bytes.len() as u64).step_by(5000) {
        let there = (bytes.len() as u64 - offset).min(100) as usize;
        let touched = offset / GROUP == 5 || (offset + there as u64 - 1) / GROUP == 5;
        match read(&store, offset, there) {
            Ok(read) => assert!(!touched && read == bytes[offset as usize..][..there]),
            Err(error) => {
                assert!(touched);
                assert_eq!(
                    (error.kind(), error.bytes()),
                    (ErrorKind::Corrupt, Some(5 * GROUP..6 * GROUP))
                );
            }
        }
    }
    store.inner().with(|bytes| bytes[5 * GROUP as usize + 77] ^= 1);
    assert_eq!(read(&store, 0, bytes.len()).unwrap(), bytes, "each read is checked anew");
}

#[test]
fn a_wrong_root_is_found_when_it_is_opened() {
    for len in [1, GROUP as usize, 10 * GROUP as usize] {
        let bytes = content(1, 0, len);
        let error =
            Verify::new(Bytes::new(&*bytes), outboard(&bytes, 16 << 10), Root::new([9; 32]))
                .unwrap_err();
        assert_eq!(
            (error.kind(), error.bytes()),
            (ErrorKind::Corrupt, Some(0..len as u64)),
            "{error}"
        );
    }
}

#[test]
fn another_outboard_is_found_when_it_is_opened() {
    let bytes = content(1, 0, 10 * GROUP as usize);
    let root = outboard(&bytes, 16 << 10).root();
    let other = outboard(&content(2, 0, bytes.len()), 16 << 10);
    let error = Verify::new(Bytes::new(&*bytes), other, root).unwrap_err();
    assert!(error.to_string().contains("the root and the outboard of the same bytes"), "{error}");
    let error = Verify::new(Bytes::new(&*bytes), outboard(&bytes, 64 << 10), root).unwrap_err();
    assert!(error.to_string().contains("group size"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    for size in [0, 1000, 1 << 27] {
        let error = Verify::with_groups(Bytes::new(&*bytes), outboard(&bytes, 1 << 20), root, size)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_damaged_outboard_is_an_error_where_it_matters() {
    let bytes = content(1, 0, 16 * GROUP as usize);
    let whole = outboard(&bytes, 16 << 10);
    for at in 8..whole.as_bytes().len() {
        let mut damaged = whole.as_bytes().to_vec();
        damaged[at] ^= 0x10;
        let Ok(store) = Verify::new(Bytes::new(&*bytes), Bytes::new(damaged), whole.root()) else {
            continue;
        };
        let mut wrong = 0;
        for group in 0..16 {
            match read(&store, group * GROUP, 10) {
                Ok(read) => assert_eq!(read, bytes[(group * GROUP) as usize..][..10]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert!(error.bytes().unwrap().contains(&(group * GROUP)), "{error}");
                    wrong += 1;
                }
            }
        }
        assert!(wrong >= 2, "byte {at}: {wrong}");
    }
}

#[test]
fn a_forged_length_is_found_when_it_is_opened() {
    for len in [1000, GROUP, 5 * GROUP - 100] {
        let bytes = content(1, 0, len as usize);
        let whole = outboard(&bytes, 16 << 10);
        for forged in [len - 1, len + 1, len - 500, len + GROUP, 0, u64::MAX] {
            let mut lying = whole.as_bytes().to_vec();
            lying[..8].copy_from_slice(&forged.to_le_bytes());
            let mut there = bytes.clone();
            there.resize(forged.min(1 << 20) as usize, 0);
            let error =
                Verify::new(Bytes::new(there), Bytes::new(lying), whole.root()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid), "{error}");
        }
    }
}

#[test]
fn a_store_that_is_cut_off_or_longer_is_an_error() {
    let bytes = content(1, 0, 10 * GROUP as usize);
    let whole = outboard(&bytes, 16 << 10);
    let error = Verify::new(Bytes::new(&bytes[..90_000]), whole.clone(), whole.root()).unwrap_err();
    assert_eq!((error.kind(), error.bytes()), (ErrorKind::Truncated, Some(90_000..10 * GROUP)));
    let longer = [&*bytes, &[0]].concat();
    let error = Verify::new(Bytes::new(longer), whole.clone(), whole.root()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    let store = verified(&bytes);
    store.resize(1).unwrap_err();
    store.inner().resize(3 * GROUP + 5).unwrap();
    assert_eq!(read(&store, 10, 10).unwrap(), bytes[10..20]);
    let error = read(&store, 3 * GROUP, 2).unwrap_err();
    assert_eq!(
        (error.kind(), error.bytes()),
        (ErrorKind::Truncated, Some(3 * GROUP + 5..4 * GROUP))
    );
    let cut = Bytes::new(&whole.as_bytes()[..4]);
    let error = Verify::new(Bytes::new(&*bytes), cut, whole.root()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
}

#[test]
fn an_outboard_can_be_saved_to_a_store_and_vanish() {
    let bytes = content(1, 0, 10 * GROUP as usize);
    let whole = outboard(&bytes, 16 << 10);
    let saved = std::sync::Arc::new(Bytes::new([]));
    whole.save(&saved).unwrap();
    let store = Verify::new(Bytes::new(&*bytes), saved.clone(), whole.root()).unwrap();
    assert_eq!(read(&store, 3, 100_000).unwrap(), bytes[3..100_003]);
    saved.resize(100).unwrap();
    assert_eq!(read(&store, 3, 100_000).unwrap_err().kind(), ErrorKind::Truncated);
}

#[test]
fn several_reads_fail_one_by_one() {
    let bytes = content(1, 0, 10 * GROUP as usize);
    let store = verified(&bytes);
    store.inner().with(|bytes| bytes[GROUP as usize] ^= 1);
    let mut buffers = vec![vec![0; GROUP as usize]; 4];
    let offsets = [0, GROUP, 9 * GROUP + 5, u64::MAX];
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
    assert_eq!(kinds, [Ok(GROUP as usize), Err(ErrorKind::Corrupt), Ok(GROUP as usize - 5), Ok(0)]);
    assert_eq!(buffers[2][..GROUP as usize - 5], bytes[9 * GROUP as usize + 5..]);
}

#[test]
fn it_is_named_by_its_content_and_cannot_be_written() {
    let (one, same, other) = (verified(&[1; 100]), verified(&[1; 100]), verified(&[2; 100]));
    assert_eq!(one.identity(), same.identity());
    assert_ne!(one.identity(), other.identity());
    assert_eq!(one.version(), Some(one.root().to_string()));
    assert!(one.capabilities().is_fixed_version() && !one.capabilities().is_writable());
    assert_eq!(one.write_at(&[1], 0).unwrap_err().kind(), ErrorKind::ReadOnly);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_read_is_that_of_the_store(
        len in 0..200_000_usize,
        group in 10..18_u32,
        reads in prop::collection::vec((0..210_000_u64, 0..100_000_usize), 1..8),
    ) {
        let bytes = content(1, 0, len);
        let outboard = outboard(&bytes, 1 << group);
        let root = outboard.root();
        let store = Verify::with_groups(Bytes::new(&*bytes), outboard, root, 1 << group).unwrap();
        for (offset, count) in reads {
            let start = (offset as usize).min(len);
            let end = (start + count).min(len);
            prop_assert_eq!(read(&store, offset, count).unwrap(), &bytes[start..end]);
        }
    }

    #[test]
    fn tampering_is_an_error_or_does_not_matter(
        len in 1..100_000_usize,
        data in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..3),
        tree in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..3),
        offset in any::<prop::sample::Index>(),
        count in 1..50_000_usize,
    ) {
        let bytes = content(1, 0, len);
        let whole = outboard(&bytes, 4096);
        let (mut damaged, mut lying) = (bytes.clone(), whole.as_bytes().to_vec());
        for (at, flip) in data {
            *at.get_mut(&mut damaged) ^= flip;
        }
        for (at, flip) in tree {
            *at.get_mut(&mut lying) ^= flip;
        }
        let offset = offset.index(len);
        let opened = Verify::with_groups(Bytes::new(damaged), Bytes::new(lying), whole.root(), 4096);
        if let Ok(store) = opened
            && let Ok(read) = read(&store, offset as u64, count)
        {
            prop_assert_eq!(&*read, &bytes[offset..(offset + count).min(len)]);
        }
    }
}
