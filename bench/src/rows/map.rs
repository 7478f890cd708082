//! Mapping and unmapping.
#![allow(unsafe_code)]

use std::fs::File;
use std::hint::black_box;
use std::path::Path;

use folio::{MapOptions, Mapping};

use crate::harness::Contender::{Folio, Memmap2, MmapRs, Raw};
use crate::harness::Harness;
use crate::raw;
use crate::rows::bytes;
use crate::scratch::Scratch;

const GROUP: &str = "map + unmap";

fn mmap_rs(file: &File, len: usize) -> mmap_rs::Mmap {
    let options = mmap_rs::MmapOptions::new(len).unwrap();
    let options = options.with_flags(mmap_rs::MmapFlags::SHARED);
    // SAFETY: nobody truncates the file or writes it while slices of the mapping are alive.
    unsafe { options.with_file(file, 0) }.map().unwrap()
}

fn memmap2(file: &File) -> memmap2::Mmap {
    // SAFETY: as in `mmap_rs`.
    unsafe { memmap2::Mmap::map(file) }.unwrap()
}

pub(crate) fn rows(harness: &mut Harness, dir: &Path, large: &Scratch) {
    let small = Scratch::full(dir, "small", 4096).unwrap();
    let temporary = std::env::temp_dir();
    let elsewhere = Scratch::full(&temporary, "small", 4096).unwrap();
    for (dir, scratch) in [(dir, &small), (dir, large), (&*temporary, &elsewhere)] {
        let Scratch { path, file, len } = scratch;
        let size = format!("{} in {}", bytes(*len), dir.display());
        harness
            .row(GROUP, format!("file of {size}, open, length asked for"))
            .by(Folio, || drop(black_box(Mapping::of(file).unwrap())))
            .by(Raw, || drop(black_box(raw::Raw::of(file, raw::len(file)))))
            .by(Memmap2, || drop(black_box(memmap2(file))))
            .by(MmapRs, || drop(black_box(mmap_rs(file, raw::len(file)))))
            .run();
        harness
            .row(GROUP, format!("file of {size}, open, length given"))
            .by(Folio, || drop(black_box(MapOptions::new().len(*len).map(file).unwrap())))
            .by(Raw, || drop(black_box(raw::Raw::of(file, *len))))
            .by(Memmap2, || {
                // SAFETY: as in `mmap_rs`.
                drop(black_box(unsafe { memmap2::MmapOptions::new().len(*len).map(file) }.unwrap()))
            })
            .by(MmapRs, || drop(black_box(mmap_rs(file, *len))))
            .run();
        harness
            .row(GROUP, format!("file of {size}, by path"))
            .by(Folio, || drop(black_box(MapOptions::new().open(path).unwrap())))
            .by(Raw, || drop(black_box(raw::Raw::open(path))))
            .by(Memmap2, || drop(black_box(memmap2(&File::open(path).unwrap()))))
            .by(MmapRs, || {
                let file = File::open(path).unwrap();
                let len = file.metadata().unwrap().len() as usize;
                drop(black_box(mmap_rs(&file, len)));
            })
            .run();
        harness
            .row(GROUP, format!("file of {size}, open, first byte read from a slice"))
            .by(Folio, || {
                let map = Mapping::of(file).unwrap();
                // SAFETY: nobody changes the file meanwhile.
                black_box(unsafe { map.guarded(|bytes| bytes[0]) }.unwrap());
            })
            .by(Raw, || {
                let map = raw::Raw::of(file, raw::len(file));
                black_box(map.bytes()[0]);
            })
            .by(Memmap2, || {
                black_box(memmap2(file)[0]);
            })
            .by(MmapRs, || {
                black_box(mmap_rs(file, raw::len(file)).as_slice()[0]);
            })
            .run();
    }
    for len in [small.len, large.len] {
        harness
            .row(GROUP, format!("private memory of {}", bytes(len)))
            .by(Folio, || drop(black_box(folio::Memory::new(len).unwrap())))
            .by(Raw, || drop(black_box(raw::Raw::anonymous(len))))
            .by(Memmap2, || drop(black_box(memmap2::MmapMut::map_anon(len).unwrap())))
            .by(MmapRs, || {
                drop(black_box(mmap_rs::MmapOptions::new(len).unwrap().map_mut().unwrap()))
            })
            .run();
    }
}
