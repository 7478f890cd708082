//! The copy that mapping saves: adding up the words of a file that is in the page cache, by
//! read(2), by copies from a mapping, and in the mapping itself.
//!
//! `cargo run --release --example read_versus_map [FILE]`; without a file, 256 MiB of its own that
//! it deletes again. The ways take turns, so that what disturbs one disturbs all.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use folio::Mapping;

const ROUNDS: usize = 9;
const BLOCK: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(path) => compare(Path::new(&path)),
        None => {
            let path = std::env::temp_dir().join(format!("read_versus_map-{}", std::process::id()));
            let compared = write(&path).and_then(|()| compare(&path));
            fs::remove_file(&path)?;
            compared
        }
    }
}

fn write(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(path)?;
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    for _ in 0..256 {
        file.write_all(&block)?;
    }
    Ok(())
}

/// The work: what a program does with the bytes.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder().iter().map(|&byte| u64::from(byte));
    let words = words.map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")));
    words.chain(rest).fold(0, u64::wrapping_add)
}

fn by_read(path: &Path) -> Result<u64, Box<dyn Error>> {
    let mut file = File::open(path)?;
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

fn compare(path: &Path) -> Result<(), Box<dyn Error>> {
    type Way<'a> = (&'a str, Box<dyn Fn() -> Result<u64, Box<dyn Error>> + 'a>);
    let kept = Mapping::open(path)?;
    let ways: [Way<'_>; 5] = [
        ("read(2), blocks of 64 KiB", Box::new(|| by_read(path))),
        ("map, copies of 64 KiB", Box::new(|| by_view(&Mapping::open(path)?))),
        ("map, slice", Box::new(|| by_slice(&Mapping::open(path)?))),
        ("mapped before, copies of 64 KiB", Box::new(|| by_view(&kept))),
        ("mapped before, slice", Box::new(|| by_slice(&kept))),
    ];

    let mut times = vec![Vec::new(); ways.len()];
    let want = by_read(path)?;
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

    println!("{}: {} MiB, {ROUNDS} rounds, medians", path.display(), kept.len() >> 20);
    if cfg!(debug_assertions) {
        println!("(an unoptimised build: run it with --release for figures that mean something)");
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
