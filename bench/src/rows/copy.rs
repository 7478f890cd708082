//! Copying out of a mapping, into it, and filling.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::ptr;

use folio::MapOptions;

use crate::harness::Contender::{Call, Folio, Memmap2, MmapRs, Raw};
use crate::harness::Harness;
use crate::raw;
use crate::rows::bytes;
use crate::scratch::{Scratch, buffer};

/// Positions that come round within `window` bytes.
#[derive(Clone, Copy)]
struct Walk {
    at: usize,
    step: usize,
    window: usize,
}

impl Walk {
    /// Small pieces stay in the first-level cache, large ones walk through the file.
    fn for_pieces_of(len: usize, file: usize) -> Self {
        let window = match len {
            ..1024 => 16 << 10,
            1024..65536 => 256 << 10,
            _ => (64 << 20).min(file / 2),
        };
        Self { at: 0, step: if len < 1024 { 200 } else { len }, window }
    }

    fn next(&mut self) -> usize {
        self.at = (self.at + self.step) & (self.window - 1);
        self.at
    }
}

struct Maps {
    folio: folio::Mapping,
    raw: raw::Raw,
    memmap2: memmap2::MmapMut,
    mmap_rs: mmap_rs::MmapMut,
}

/// Reads by a length that the compiler sees, or one that it does not.
macro_rules! read_row {
    ($harness:ident, $maps:ident, $large:ident, $name:expr, $array:ty, $len:expr) => {{
        let Maps { folio, raw, memmap2, mmap_rs } = &*$maps;
        let walk = Walk::for_pieces_of($len, $large.len);
        let (mut w1, mut w2, mut w3, mut w4, mut w5) = (walk, walk, walk, walk, walk);
        let buffer = || -> &mut $array { buffer($len).try_into().unwrap() };
        let (b1, b2, b3, b4, b5) = (buffer(), buffer(), buffer(), buffer(), buffer());
        $harness
            .row("read_at", $name)
            .by(Folio, move || {
                folio.read_at(w1.next(), &mut b1[..]).unwrap();
                black_box(&*b1);
            })
            .by(Raw, move || {
                let (at, len) = (w2.next(), b2.len());
                // SAFETY: `Walk` stays within the file, and the buffer is elsewhere.
                unsafe { ptr::copy_nonoverlapping(raw.start.add(at), b2.as_mut_ptr(), len) };
                black_box(&*b2);
            })
            .by(Memmap2, move || {
                let (at, len) = (w3.next(), b3.len());
                b3.copy_from_slice(&memmap2[at..at + len]);
                black_box(&*b3);
            })
            .by(MmapRs, move || {
                let (at, len) = (w4.next(), b4.len());
                b4.copy_from_slice(&mmap_rs.as_slice()[at..at + len]);
                black_box(&*b4);
            })
            .by(Call, move || {
                $large.file.read_exact_at(&mut b5[..], w5.next() as u64).unwrap();
                black_box(&*b5);
            })
            .run();
    }};
}

macro_rules! write_row {
    ($harness:ident, $maps:ident, $large:ident, $name:expr, $array:ty, $len:expr) => {{
        let Maps { folio, raw, memmap2, mmap_rs } = &mut *$maps;
        let walk = Walk::for_pieces_of($len, $large.len);
        let (mut w1, mut w2, mut w3, mut w4, mut w5) = (walk, walk, walk, walk, walk);
        let buffer: &$array = (&*buffer($len)).try_into().unwrap();
        $harness
            .row("write_at", $name)
            .by(Folio, move || folio.write_at(w1.next(), &black_box(buffer)[..]).unwrap())
            .by(Raw, move || {
                let (at, len) = (w2.next(), buffer.len());
                let from = black_box(buffer).as_ptr();
                // SAFETY: `Walk` stays within the file, and the buffer is elsewhere.
                unsafe { ptr::copy_nonoverlapping(from, raw.start.add(at), len) };
            })
            .by(Memmap2, move || {
                let (at, len) = (w3.next(), buffer.len());
                memmap2[at..at + len].copy_from_slice(&black_box(buffer)[..]);
            })
            .by(MmapRs, move || {
                let (at, len) = (w4.next(), buffer.len());
                mmap_rs.as_mut_slice()[at..at + len].copy_from_slice(&black_box(buffer)[..]);
            })
            .by(Call, move || {
                $large.file.write_all_at(&black_box(buffer)[..], w5.next() as u64).unwrap()
            })
            .run();
    }};
}

fn fill_row(harness: &mut Harness, maps: &mut Maps, large: &Scratch, len: usize) {
    let Maps { folio, raw, memmap2, mmap_rs } = maps;
    let walk = Walk::for_pieces_of(len, large.len);
    let (mut w1, mut w2, mut w3, mut w4) = (walk, walk, walk, walk);
    harness
        .row("fill", bytes(len))
        .by(Folio, move || {
            let at = w1.next();
            folio.fill(at..at + black_box(len), 7).unwrap();
        })
        .by(Raw, move || {
            // SAFETY: `Walk` stays within the file.
            unsafe { ptr::write_bytes(raw.start.add(w2.next()), 7, black_box(len)) };
        })
        .by(Memmap2, move || {
            let at = w3.next();
            memmap2[at..at + black_box(len)].fill(7);
        })
        .by(MmapRs, move || {
            let at = w4.next();
            mmap_rs.as_mut_slice()[at..at + black_box(len)].fill(7);
        })
        .run();
}

pub(crate) fn rows(harness: &mut Harness, large: &Scratch) {
    let mmap_rs = mmap_rs::MmapOptions::new(large.len).unwrap();
    let mmap_rs = mmap_rs.with_flags(mmap_rs::MmapFlags::SHARED);
    let maps = &mut Maps {
        folio: MapOptions::new().write().map(&large.file).unwrap(),
        raw: raw::Raw::writable(&large.file, large.len),
        // SAFETY: nobody truncates the file. One thread, and no slice of one mapping is alive while
        // another is written.
        memmap2: unsafe { memmap2::MmapMut::map_mut(&large.file) }.unwrap(),
        // SAFETY: as above.
        mmap_rs: unsafe { mmap_rs.with_file(&large.file, 0) }.map_mut().unwrap(),
    };
    read_row!(harness, maps, large, "8 B, length in the code", [u8; 8], 8);
    read_row!(harness, maps, large, "64 B, length in the code", [u8; 64], 64);
    for len in [8, 64, 512, 4 << 10, 1 << 20] {
        let len = black_box(len);
        read_row!(harness, maps, large, bytes(len), [u8], len);
    }
    // SAFETY: nothing is read from the slice, which dies here. It puts the guard up.
    let _ = unsafe { maps.folio.as_slice() };
    read_row!(harness, maps, large, "8 B, length in the code, slice given out", [u8; 8], 8);
    write_row!(harness, maps, large, "8 B, length in the code", [u8; 8], 8);
    write_row!(harness, maps, large, "64 B, length in the code", [u8; 64], 64);
    for len in [8, 64, 512, 4 << 10, 1 << 20] {
        let len = black_box(len);
        write_row!(harness, maps, large, bytes(len), [u8], len);
    }
    for len in [64, 4 << 10, 1 << 20] {
        fill_row(harness, maps, large, len);
    }
}
