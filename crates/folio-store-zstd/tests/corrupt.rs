//! Bytes that are no seekable zstd, or no more: errors by their kind, never a panic, never much memory.

mod common;

use common::{Shelf, kind, noise, read_all, text};
use folio_store::{ErrorKind, Result, Store};
use folio_store_zstd::{LEVEL, ZstdStore, pack};
use proptest::prelude::*;
use zstd_safe::{CCtx, CParameter};

fn packed(bytes: &[u8], frame_bytes: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    pack(bytes, &mut packed, frame_bytes, LEVEL, |_| ()).unwrap();
    packed
}

fn open(bytes: Vec<u8>) -> Result<ZstdStore<Shelf>> {
    ZstdStore::open(Shelf::new(bytes))
}

fn frame(bytes: &[u8], checksum: bool) -> Vec<u8> {
    let mut context = CCtx::create();
    context.set_parameter(CParameter::ChecksumFlag(checksum)).unwrap();
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut frame, bytes).unwrap();
    frame
}

/// A seek table with these entries: packed and decoded length, checksum.
fn table(entries: &[(u32, u32, u32)], checksums: bool) -> Vec<u8> {
    let mut bytes = 0x184d_2a5e_u32.to_le_bytes().to_vec();
    let each = if checksums { 12 } else { 8 };
    bytes.extend((entries.len() as u32 * each + 9).to_le_bytes());
    for &(packed, decoded, checksum) in entries {
        bytes.extend(packed.to_le_bytes());
        bytes.extend(decoded.to_le_bytes());
        if checksums {
            bytes.extend(checksum.to_le_bytes());
        }
    }
    bytes.extend((entries.len() as u32).to_le_bytes());
    bytes.push(if checksums { 0x80 } else { 0 });
    bytes.extend(0x8f92_eab1_u32.to_le_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_were_changed_are_errors_or_the_bytes_that_were_packed(
        len in 0..6000_usize,
        noisy in any::<bool>(),
        frame_bytes in 200..3000_u32,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        near_the_end in prop::collection::vec((0..40_usize, any::<u8>()), 0..3),
        cut in prop_oneof![3 => Just(0), 1 => 0..200_usize],
        added in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let content = if noisy { noise(len) } else { text(len) };
        let mut bytes = packed(&content, frame_bytes);
        for (index, value) in changes {
            *index.get_mut(&mut bytes) = value;
        }
        let end = bytes.len();
        for (back, value) in near_the_end {
            if back < end {
                bytes[end - 1 - back] = value;
            }
        }
        bytes.truncate(end.saturating_sub(cut));
        bytes.extend(added);
        if let Ok(store) = open(bytes) {
            let len = store.len().unwrap();
            prop_assert!(len < 1 << 32);
            let mut page = [0; 512];
            for offset in (0..len.min(10_000)).step_by(512) {
                if let Ok(count) = store.read_full_at(&mut page, offset) {
                    // Each frame has a checksum, and which frames there are may have changed.
                    prop_assert!(count <= 512);
                }
            }
            if let Ok(all) = read_all(&store) && all.len() == content.len() {
                prop_assert_eq!(all, content);
            }
        }
    }

    #[test]
    fn any_seek_table_over_any_bytes_is_refused_or_read_without_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        entries in prop::collection::vec(
            (prop_oneof![0..300_u32, any::<u32>()], prop_oneof![0..3000_u32, any::<u32>()], any::<u32>()),
            0..6,
        ),
        checksums in any::<bool>(),
        honest in any::<bool>(),
    ) {
        let mut bytes = b"\x28\xb5\x2f\xfd".to_vec();
        bytes.extend(body);
        let mut entries = entries;
        if honest {
            entries = vec![(bytes.len() as u32, entries.first().map_or(9, |entry| entry.1), 0)];
        }
        bytes.extend(table(&entries, checksums));
        if let Ok(store) = open(bytes) {
            let _ = store.read_full_at(&mut [0; 100], 0);
            let _ = store.read_full_at(&mut [0; 100], store.len().unwrap() / 2);
        }
    }
}

#[test]
fn every_single_flipped_bit_of_a_frame_is_found() {
    let content = noise(3000);
    let good = packed(&content, 1000);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        if let Ok(store) = open(bytes)
            && let Ok(all) = read_all(&store)
        {
            // What is left: bits that say nothing.
            assert_eq!(all, content, "byte {at}");
        }
    }
}

#[test]
fn zstd_without_a_seek_table_is_refused_with_the_way_out() {
    let error = open(frame(&text(100_000), true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "cannot open shelf: it has no seek table at its end: pack it again (zstd -dc FILE | folio \
         pack - -o OUT)",
    );
    let mut cut = packed(&text(100_000), 4096);
    cut.truncate(cut.len() - 1);
    assert_eq!(kind(open(cut)), ErrorKind::Unsupported);
}

#[test]
fn what_is_not_zstd_says_so() {
    for (bytes, words) in [
        (b"".to_vec(), "it is not zstd"),
        (b"plain text that is long enough for everything".to_vec(), "it is not zstd"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0".to_vec(), "it is gzip and no zstd"),
    ] {
        let error = open(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().ends_with(words), "{error}");
    }
}

#[test]
fn seek_tables_that_lie_are_corrupt() {
    let content = text(2000);
    let (first, second) = (frame(&content[..1000], false), frame(&content[1000..], false));
    let (one, two) = (first.len() as u32, second.len() as u32);
    let file = |entries: &[(u32, u32, u32)]| [&first[..], &second, &table(entries, false)].concat();
    let good = file(&[(one, 1000, 0), (two, 1000, 0)]);
    assert_eq!(read_all(&open(good.clone()).unwrap()).unwrap(), content);

    for entries in [
        &[(one, 1000, 0)][..],
        &[(one, 1000, 0), (two - 1, 1000, 0)],
        &[(one, 1000, 0), (two, 1000, 0), (1, 0, 0)],
        &[(one + two, u32::MAX, 0)],
        &[(u32::MAX, 1000, 0), (two, 1000, 0)],
        &[(0, 1000, 0), (one + two, 1000, 0)],
        &[],
    ] {
        assert_eq!(kind(open(file(entries))), ErrorKind::Corrupt, "{entries:?}");
    }
    // What only decoding finds.
    for entries in [
        &[(one, 999, 0), (two, 1000, 0)][..],
        &[(one, 1001, 0), (two, 1000, 0)],
        &[(one - 1, 1000, 0), (two + 1, 1000, 0)],
        &[(one + two, 2000, 0)],
    ] {
        assert_eq!(kind(read_all(&open(file(entries)).unwrap())), ErrorKind::Corrupt);
    }

    let change = |back: usize, value: u8| {
        let mut bytes = good.clone();
        let at = bytes.len() - back;
        bytes[at] = value;
        kind(open(bytes))
    };
    assert_eq!(change(5, 0x04), ErrorKind::Corrupt, "a reserved flag");
    assert_eq!(change(5, 0x80), ErrorKind::Corrupt, "checksums that are not there");
    assert_eq!(change(6, 0xff), ErrorKind::Corrupt, "more frames than there can be");
    assert_eq!(change(9, 3), ErrorKind::Corrupt, "more frames than there are");
    assert_eq!(change(9, 1), ErrorKind::Corrupt, "fewer");
    assert_eq!(change(9 + 16 + 8, 0), ErrorKind::Corrupt, "no magic number");
    assert_eq!(change(1, 0), ErrorKind::Unsupported, "no seek table");
}

#[test]
fn frames_of_many_bytes_are_refused_and_cost_no_memory() {
    // A gigabyte of zeros in a frame that could hold it.
    let zeros = frame(&vec![0; 65 << 20], true);
    let file = [&zeros[..], &table(&[(zeros.len() as u32, 65 << 20, 0)], false)].concat();
    let error = open(file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("folio pack"), "{error}");
    // And in one that could not.
    let small = frame(b"small", true);
    let file = [&small[..], &table(&[(small.len() as u32, 60 << 20, 0)], false)].concat();
    assert_eq!(kind(open(file)), ErrorKind::Corrupt);
}

#[test]
fn checksums_of_the_seek_table_are_verified_whether_frames_have_their_own_or_not() {
    let content = text(5000);
    let own = frame(&content, true);
    let checksum = u32::from_le_bytes(*own.last_chunk().unwrap());
    for has_own in [true, false] {
        let frame = frame(&content, has_own);
        let file =
            |checksum| [&frame[..], &table(&[(frame.len() as u32, 5000, checksum)], true)].concat();
        assert_eq!(read_all(&open(file(checksum)).unwrap()).unwrap(), content);
        let error = read_all(&open(file(checksum ^ 1)).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("checksum"), "{error}");
    }
    // Another frame's bytes under a checksum of its own, where the table expects these.
    let other = frame(&noise(5000)[..], true);
    let file = [&other[..], &table(&[(other.len() as u32, 5000, checksum)], true)].concat();
    assert_eq!(kind(read_all(&open(file).unwrap())), ErrorKind::Corrupt);
}

#[test]
fn frames_that_say_nothing_are_passed_over() {
    let content = text(3000);
    let note = [&0x184d_2a50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"note"].concat();
    let (first, second) = (frame(&content[..1000], true), frame(&content[1000..], true));
    let len = |frame: &[u8]| frame.len() as u32;
    let entries = [
        (12, 0, 0),
        (len(&first), 1000, 0),
        (12, 0, 0),
        (12, 0, 0),
        (len(&second), 2000, 0),
        (12, 0, 0),
    ];
    let file = [&note[..], &first, &note, &note, &second, &note, &table(&entries, false)].concat();
    let store = open(file).unwrap();
    assert_eq!(read_all(&store).unwrap(), content);
    assert_eq!(store.frame_bytes(), None);
}
