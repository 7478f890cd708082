//! A mapping that grows with its file: each step lengthens the file and what shows it, writes a word
//! at the new end and reads one at the beginning.
#![allow(unsafe_code)]

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::ptr;

use folio::MapOptions;

use crate::harness::Contender::{Folio, Memmap2, MmapRs, Raw};
use crate::harness::Harness;
use crate::raw;
use crate::rows::bytes;
use crate::scratch::Scratch;

const FIRST: usize = 1 << 20;

/// Grows step by step; `show` maps the new length of `file` and returns the first byte's address.
fn grow(file: &File, steps: &[usize], mut show: impl FnMut(usize) -> *mut u8) {
    grow_all(file, steps, |len| {
        file.set_len(len as u64).unwrap();
        show(len)
    });
}

/// The same where `show` lengthens the file too.
fn grow_all(file: &File, steps: &[usize], mut show: impl FnMut(usize) -> *mut u8) {
    for &len in steps {
        let start = show(len);
        // SAFETY: `len` bytes are mapped at `start`, and the file has them.
        unsafe {
            start.add(len - 8).cast::<u64>().write(7);
            black_box(start.cast::<u64>().read());
        }
    }
    file.set_len(FIRST as u64).unwrap();
}

fn memmap2(file: &File) -> memmap2::MmapMut {
    // SAFETY: the file belongs to this process, which touches no byte behind its end.
    unsafe { memmap2::MmapMut::map_mut(file) }.unwrap()
}

fn mmap_rs(file: &File, len: usize) -> mmap_rs::MmapMut {
    let options = mmap_rs::MmapOptions::new(len).unwrap();
    let options = options.with_flags(mmap_rs::MmapFlags::SHARED);
    // SAFETY: as in `memmap2`.
    unsafe { options.with_file(file, 0) }.map_mut().unwrap()
}

pub(crate) fn rows(harness: &mut Harness, dir: &Path, most: usize) {
    let scratch = Scratch::empty(dir, "growing").unwrap();
    let file = &scratch.file;
    file.set_len(FIRST as u64).unwrap();
    let doubled: Vec<usize> =
        (1..).map(|power| FIRST << power).take_while(|&len| len <= most).collect();
    let added: Vec<usize> = (2..=most / FIRST).map(|count| count * FIRST).collect();
    let doubling = format!("to {}, doubling", bytes(most));
    let adding = format!("to {}, in {} steps of 1 MiB", bytes(most), added.len());
    for (name, steps) in [(doubling, &doubled), (adding, &added)] {
        harness
            .row("grow from 1 MiB", format!("{name}, mremap"))
            .rounds(15)
            .by(Folio, || {
                let mut map = MapOptions::new().write().map(file).unwrap();
                grow(file, steps, |len| {
                    map.resize(len, true).unwrap();
                    map.as_mut_ptr()
                });
            })
            .by(Raw, || {
                let mut map = raw::Raw::writable(file, FIRST);
                grow(file, steps, |len| {
                    map.resize(len);
                    map.start
                });
            })
            .by(Memmap2, || {
                let mut map = memmap2(file);
                let may_move = memmap2::RemapOptions::new().may_move(true);
                grow(file, steps, |len| {
                    // SAFETY: the file has `len` bytes, and no slice of the mapping is alive.
                    unsafe { map.remap(len, may_move) }.unwrap();
                    map.as_mut_ptr()
                });
            })
            .run();
        harness
            .row("grow from 1 MiB", format!("{name}, in room kept for it: Growable"))
            .rounds(15)
            .by(Folio, || {
                let map = folio::Growable::options().sparse().map(file, most).unwrap();
                grow_all(file, steps, |len| {
                    map.grow(len).unwrap();
                    map.as_mut_ptr()
                });
            })
            .by(Raw, || {
                let map = raw::Raw::writable(file, most);
                grow(file, steps, |_| map.start);
            })
            .by(Memmap2, || {
                let mut map = memmap2(file);
                let may_move = memmap2::RemapOptions::new().may_move(true);
                grow(file, steps, |len| {
                    // SAFETY: the file has `len` bytes, and no slice of the mapping is alive.
                    unsafe { map.remap(len, may_move) }.unwrap();
                    map.as_mut_ptr()
                });
            })
            .by(MmapRs, || {
                let mut map = Some(mmap_rs(file, FIRST));
                grow(file, steps, |len| {
                    drop(map.take());
                    ptr::from_mut(&mut map.insert(mmap_rs(file, len)).as_mut_slice()[0])
                });
            })
            .run();
        harness
            .row("grow from 1 MiB", format!("{name}, mapped anew"))
            .rounds(15)
            .by(Folio, || {
                let mut map = Some(MapOptions::new().write().map(file).unwrap());
                grow(file, steps, |_| {
                    drop(map.take());
                    map.insert(MapOptions::new().write().map(file).unwrap()).as_mut_ptr()
                });
            })
            .by(Raw, || {
                let mut map = Some(raw::Raw::writable(file, FIRST));
                grow(file, steps, |len| {
                    drop(map.take());
                    map.insert(raw::Raw::writable(file, len)).start
                });
            })
            .by(Memmap2, || {
                let mut map = Some(memmap2(file));
                grow(file, steps, |_| {
                    drop(map.take());
                    map.insert(memmap2(file)).as_mut_ptr()
                });
            })
            .by(MmapRs, || {
                let mut map = Some(mmap_rs(file, FIRST));
                grow(file, steps, |len| {
                    drop(map.take());
                    ptr::from_mut(&mut map.insert(mmap_rs(file, len)).as_mut_slice()[0])
                });
            })
            .run();
    }
}
