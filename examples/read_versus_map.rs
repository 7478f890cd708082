//! The copy that mapping saves: adding up the words of a file that is in the page cache, by
//! read(2), by copies from a mapping, and in the mapping itself.
//!
//! `cargo run --release --example read_versus_map [FILE]`; without a file, one of 256 MiB that has no
//! name, so that nothing of it stays. Without `--release` the figures mean little, and the file has
//! 16 MiB. The ways take turns, so that what disturbs one disturbs all.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use folio::Mapping;
use folio_examples::{about, finish};

const ROUNDS: usize = 9;
const BLOCK: usize = 64 << 10;
/// Of the file that is made where none is named.
const LEN_MIB: usize = if cfg!(debug_assertions) { 16 } else { 256 };

fn main() -> ExitCode {
    finish("read_versus_map", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(path) => compare(&path, &about(&path, File::open(&path))?),
        None => {
            let path = std::env::temp_dir().join(format!("read_versus_map-{}", std::process::id()));
            let file = about(path.display(), make(&path))?;
            compare("a file without a name", &file)
        }
    }
}

/// A file that goes when it is closed, however this ends.
fn make(path: &Path) -> std::io::Result<File> {
    let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
    fs::remove_file(path)?;
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    for _ in 0..LEN_MIB {
        file.write_all(&block)?;
    }
    Ok(file)
}

/// The work: what a program does with the bytes.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder().iter().map(|&byte| u64::from(byte));
    let words = words.map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")));
    words.chain(rest).fold(0, u64::wrapping_add)
}

fn by_read(mut file: &File) -> Result<u64, Box<dyn Error>> {
    file.rewind()?;
    let mut block = vec![0; BLOCK];
    let mut total = 0u64;
    loop {
        let mut len = 0;
        while len < BLOCK {
            match file.read(&mut block[len..])? {
                0 => return Ok(total.wrapping_add(sum(&block[..len]))),
                count => len += count,
            }
        }
        total = total.wrapping_add(sum(&block));
    }
}

fn by_view(map: &Mapping) -> Result<u64, Box<dyn Error>> {
    let mut block = vec![0; BLOCK];
    let mut total = 0u64;
    for chunk in map.chunks(BLOCK) {
        let block = &mut block[..chunk.len()];
        chunk.read_at(0, block)?;
        total = total.wrapping_add(sum(block));
    }
    Ok(total)
}

fn by_slice(map: &Mapping) -> Result<u64, Box<dyn Error>> {
    // SAFETY: whoever runs this does not write to the file meanwhile. Cutting it is an error here,
    // and not a signal.
    Ok(unsafe { map.guarded(sum) }?)
}

fn compare(name: &str, file: &File) -> Result<(), Box<dyn Error>> {
    type Way<'a> = (&'a str, Box<dyn Fn() -> Result<u64, Box<dyn Error>> + 'a>);
    let map = || Mapping::options().map(file);
    let kept = map()?;
    println!("{name}: {} MiB, {ROUNDS} rounds, medians", kept.len() >> 20);
    if cfg!(debug_assertions) {
        println!("(an unoptimised build: run it with --release for figures that mean something)");
    }
    let ways: [Way<'_>; 5] = [
        ("read(2), blocks of 64 KiB", Box::new(|| by_read(file))),
        ("map, copies of 64 KiB", Box::new(|| by_view(&map()?))),
        ("map, slice", Box::new(|| by_slice(&map()?))),
        ("mapped before, copies of 64 KiB", Box::new(|| by_view(&kept))),
        ("mapped before, slice", Box::new(|| by_slice(&kept))),
    ];

    let mut times = vec![Vec::new(); ways.len()];
    let want = by_read(file)?;
    for (_, way) in &ways {
        way()?;
    }
    for _ in 0..ROUNDS {
        for ((name, way), times) in ways.iter().zip(&mut times) {
            let start = Instant::now();
            let got = way()?;
            times.push(start.elapsed());
            assert_eq!(got, want, "{name} read something else");
        }
    }

    let medians: Vec<Duration> = times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times[ROUNDS / 2]
        })
        .collect();
    println!("  {:33} {:>9} {:>9} {:>8}", "", "ms", "GiB/s", "ratio");
    for ((name, _), median) in ways.iter().zip(&medians) {
        let seconds = median.as_secs_f64();
        let speed = kept.len() as f64 / seconds / f64::from(1 << 30);
        let ratio = seconds / medians[0].as_secs_f64();
        println!("  {name:33} {:9.1} {speed:9.2} {ratio:8.2}", seconds * 1e3);
    }
    Ok(())
}
