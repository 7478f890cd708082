//! memmap2 0.9.12 against the crate of the same name on folio (`compat/memmap2`): the same calls. The
//! column `folio` is the latter.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::path::Path;

use crate::harness::Contender::{Folio, Memmap2};
use crate::harness::Harness;
use crate::rows::bytes;
use crate::scratch::Scratch;

const GROUP: &str = "memmap2 on folio";

/// What is measured, with the items of one crate or the other.
macro_rules! calls {
    ($name:ident, $memmap2:ident) => {
        mod $name {
            use std::fs::File;
            use std::hint::black_box;

            use $memmap2::{Mmap, MmapMut, MmapOptions};

            pub(super) fn map(file: &File) -> Mmap {
                // SAFETY: nobody truncates the file, or writes it while slices of it are alive.
                unsafe { Mmap::map(file) }.unwrap()
            }

            pub(super) fn map_len(file: &File, len: usize) -> Mmap {
                // SAFETY: as in `map`.
                unsafe { MmapOptions::new().len(len).map(file) }.unwrap()
            }

            pub(super) fn map_mut(file: &File) -> MmapMut {
                // SAFETY: as in `map`.
                unsafe { MmapMut::map_mut(file) }.unwrap()
            }

            pub(super) fn memory(len: usize) -> MmapMut {
                MmapMut::map_anon(len).unwrap()
            }

            /// Each byte by an index of its own, through the map every time.
            #[inline(never)]
            pub(super) fn by_index(map: &Mmap, order: &[u32]) -> u64 {
                order.iter().map(|&at| u64::from(black_box(map)[at as usize])).sum()
            }
        }
    };
}

calls!(released, memmap2);
calls!(ours, memmap2_on_folio);

pub(crate) fn rows(harness: &mut Harness, dir: &Path, large: &Scratch) {
    let small = Scratch::full(dir, "small", 4096).unwrap();
    let temporary = std::env::temp_dir();
    let elsewhere = Scratch::full(&temporary, "small", 4096).unwrap();
    for (dir, Scratch { file, len, .. }) in [(dir, &small), (dir, large), (&*temporary, &elsewhere)]
    {
        let size = format!("{} in {}", bytes(*len), dir.display());
        harness
            .row(GROUP, format!("map and drop a file of {size}"))
            .by(Folio, || drop(black_box(ours::map(file))))
            .by(Memmap2, || drop(black_box(released::map(file))))
            .run();
        harness
            .row(GROUP, format!("map and drop a file of {size}, length given"))
            .by(Folio, || drop(black_box(ours::map_len(file, *len))))
            .by(Memmap2, || drop(black_box(released::map_len(file, *len))))
            .run();
        harness
            .row(GROUP, format!("map a file of {size}, read its first byte, drop"))
            .by(Folio, || {
                black_box(ours::map(file)[0]);
            })
            .by(Memmap2, || {
                black_box(released::map(file)[0]);
            })
            .run();
    }
    {
        // A program with many maps.
        let many = 10_000;
        let _folio: Vec<_> = (0..many).map(|_| ours::map(&small.file)).collect();
        let _memmap2: Vec<_> = (0..many).map(|_| released::map(&small.file)).collect();
        harness
            .row(GROUP, "map and drop a file of 4 KiB beside 10,000 maps of each")
            .by(Folio, || drop(black_box(ours::map(&small.file))))
            .by(Memmap2, || drop(black_box(released::map(&small.file))))
            .run();
    }
    harness
        .row(GROUP, "map and drop 4 KiB of memory")
        .by(Folio, || drop(black_box(ours::memory(4096))))
        .by(Memmap2, || drop(black_box(released::memory(4096))))
        .run();
    let (folio, memmap2) = (ours::map_mut(&small.file), released::map_mut(&small.file));
    harness
        .row(GROUP, "flush 4 KiB that nobody changed")
        .by(Folio, || black_box(&folio).flush().unwrap())
        .by(Memmap2, || black_box(&memmap2).flush().unwrap())
        .run();
    let order: Vec<u32> = (0..4096u32).map(|at| at.wrapping_mul(1_664_525) % 4096).collect();
    let (folio, memmap2) = (ours::map(&small.file), released::map(&small.file));
    harness
        .row(GROUP, "4,096 bytes by index, each through the map")
        .by(Folio, || {
            black_box(ours::by_index(&folio, &order));
        })
        .by(Memmap2, || {
            black_box(released::by_index(&memmap2, &order));
        })
        .run();
}
