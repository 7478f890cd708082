//! Reading every page of the large file: through slices, and by copying.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::os::unix::fs::FileExt;

use folio::Mapping;

use crate::harness::Contender::{Call, Folio, Memmap2, MmapRs, Raw};
use crate::harness::Harness;
use crate::raw;
use crate::rows::bytes;
use crate::scratch::{Scratch, buffer};

const GROUP: &str = "scan";
/// Bytes of a piece where the scan goes by copying.
const PIECE: usize = 64 << 10;

/// One function for everybody, so that all run the same instructions.
#[inline(never)]
fn sequential(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    words.fold(0, u64::wrapping_add)
}

/// One word of each page, in an order that no prefetcher guesses.
#[inline(never)]
fn random(bytes: &[u8]) -> u64 {
    let pages = bytes.len() / 4096;
    assert!(pages.is_power_of_two());
    let mut page = 0usize;
    let mut sum = 0u64;
    for _ in 0..pages {
        // A full period for every power of two (Hull and Dobell).
        page = page.wrapping_mul(0x5851_F42D).wrapping_add(0x1405_7B7F) & (pages - 1);
        // Another cache line in each page, so that they do not all fall into one set.
        let at = page * 4096 + (page & 63) * 64;
        sum = sum.wrapping_add(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
    }
    sum
}

fn mmap_rs(scratch: &Scratch) -> mmap_rs::Mmap {
    let options = mmap_rs::MmapOptions::new(scratch.len).unwrap();
    let options = options.with_flags(mmap_rs::MmapFlags::SHARED);
    // SAFETY: nobody truncates the file, and no row writes it while such a mapping is read.
    unsafe { options.with_file(&scratch.file, 0) }.map().unwrap()
}

pub(crate) fn rows(harness: &mut Harness, large: &Scratch) {
    let size = bytes(large.len);
    let Scratch { file, len, .. } = large;
    type Scan = fn(&[u8]) -> u64;
    let scans: [(&str, Scan); 2] = [("sequential", sequential), ("random", random)];

    let folio = Mapping::of(file).unwrap();
    let raw = raw::Raw::of(file, *len);
    // SAFETY: as in `mmap_rs`.
    let memmap2 = unsafe { memmap2::Mmap::map(file) }.unwrap();
    let mmap_rs_map = mmap_rs(large);
    for (name, scan) in scans {
        harness
            .row(GROUP, format!("{name}, {size}, guarded slice, pages mapped"))
            .by(Folio, || {
                // SAFETY: nobody changes the file meanwhile.
                black_box(unsafe { folio.guarded(scan) }.unwrap());
            })
            .by(Raw, || {
                black_box(scan(raw.bytes()));
            })
            .by(Memmap2, || {
                black_box(scan(&memmap2));
            })
            .by(MmapRs, || {
                black_box(scan(mmap_rs_map.as_slice()));
            })
            .run();
    }
    for (name, scan) in scans {
        harness
            .row(GROUP, format!("{name}, {size}, guarded slice, new mapping, faults included"))
            .rounds(9)
            .by(Folio, || {
                let map = Mapping::of(file).unwrap();
                // SAFETY: nobody changes the file meanwhile.
                black_box(unsafe { map.guarded(scan) }.unwrap());
            })
            .by(Raw, || {
                black_box(scan(raw::Raw::of(file, *len).bytes()));
            })
            .by(Memmap2, || {
                // SAFETY: as in `mmap_rs`.
                black_box(scan(&unsafe { memmap2::Mmap::map(file) }.unwrap()));
            })
            .by(MmapRs, || {
                black_box(scan(mmap_rs(large).as_slice()));
            })
            .run();
    }

    let [one, two, three, four, five] = std::array::from_fn(|_| buffer(PIECE));
    let pieces = || (0..len / PIECE).map(|piece| piece * PIECE);
    let read = bytes(PIECE);
    harness
        .row(GROUP, format!("sequential, {size}, copied in pieces of {read}, pages mapped"))
        .rounds(9)
        .by(Folio, || {
            for at in pieces() {
                folio.read_at(at, one).unwrap();
                black_box(sequential(one));
            }
        })
        .by(Raw, || {
            for at in pieces() {
                two.copy_from_slice(&raw.bytes()[at..at + PIECE]);
                black_box(sequential(two));
            }
        })
        .by(Memmap2, || {
            for at in pieces() {
                three.copy_from_slice(&memmap2[at..at + PIECE]);
                black_box(sequential(three));
            }
        })
        .by(MmapRs, || {
            for at in pieces() {
                four.copy_from_slice(&mmap_rs_map.as_slice()[at..at + PIECE]);
                black_box(sequential(four));
            }
        })
        .by(Call, || {
            for at in pieces() {
                file.read_exact_at(five, at as u64).unwrap();
                black_box(sequential(five));
            }
        })
        .run();
}
