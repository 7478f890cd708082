//! Kill -9 while a shared mapping is written: what was flushed is in the file.
//!
//! `FOLIO_KILL_ROUNDS` says how often.

#[path = "common/again.rs"]
mod again;
#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Random, pager};
use folio_store::FileStore;

const TEST: &str = "what_was_flushed_before_a_kill_is_in_the_file";
const RECORD: usize = 24;
const RECORDS: usize = 20_000;

/// Where record `number` goes: one that is written again and again, anywhere, often across pages.
fn place(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % RECORDS * RECORD
}

fn record(number: u64) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&(!number).to_le_bytes());
    bytes
}

/// Writes records for ever, and says which flush is done.
fn write_for_ever(path: &Path, seed: u64) {
    let store = FileStore::options().writable(true).open(path).unwrap();
    let pager = pager(64 << 10);
    let map = pager.options().granule(4096).shared(store).unwrap();
    let mut random = Random(seed);
    let mut out = std::io::stdout();
    for number in 1.. {
        map.write_at(place(number), &record(number)).unwrap();
        if random.below(50) == 0 {
            map.flush(..).unwrap();
            writeln!(out, "flushed {number}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn what_was_flushed_before_a_kill_is_in_the_file() {
    if let Some(part) = again::part() {
        let (seed, path) = part.split_once(' ').unwrap();
        return write_for_ever(Path::new(path), seed.parse().unwrap());
    }
    let rounds = std::env::var("FOLIO_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let path = std::env::temp_dir().join(format!("folio-kill-{}", std::process::id()));
    let mut flushes = 0;
    for seed in 1..=rounds.unwrap_or(6_u64) {
        std::fs::write(&path, vec![0; RECORD * RECORDS]).unwrap();
        let mut command = again::again(TEST, &format!("{seed} {}", path.display()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            let number = |line: String| line.strip_prefix("flushed ")?.parse().ok();
            let numbers: Vec<u64> = lines.filter_map(number).collect();
            (numbers.len(), numbers.last().copied().unwrap_or(0))
        });
        std::thread::sleep(Duration::from_millis(150 + Random(seed).next() % 200));
        child.kill().unwrap();
        child.wait().unwrap();
        let (count, flushed) = reader.join().unwrap();
        flushes += count;
        let bytes = std::fs::read(&path).unwrap();
        for number in 1..=flushed {
            let at = place(number);
            let found = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            assert!(found >= number, "seed {seed}: record {number} was flushed, {found} is there");
            if found == number {
                assert!(bytes[at..at + RECORD] == record(number), "seed {seed}: {number} is torn");
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(flushes > 0);
}
