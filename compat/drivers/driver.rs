//! What every driver is: a program that writes files for one library, and reads them through it.
//!
//! `make DIR` writes the files and prints the paths of those that the library maps, a line each.
//! `read DIR ROUNDS` opens and reads them so many times and prints how the rounds ended and a digest
//! of what was read. An error or a panic ends its round, as it would end a request in a server; a
//! signal ends the program, and that is what compat/dependents looks for.

use std::error::Error;
use std::panic;
use std::path::{Path, PathBuf};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

pub fn run(make: fn(&Path) -> Outcome<Vec<PathBuf>>, read: fn(&Path) -> Outcome<u64>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", dir] => {
            for path in make(Path::new(dir)).expect("the files can be written") {
                println!("{}", path.display());
            }
        }
        ["read", dir, rounds] => {
            panic::set_hook(Box::new(|_| {}));
            let (mut digest, mut errors, mut panics) = (0, 0, 0);
            let rounds: u64 = rounds.parse().expect("ROUNDS is a number");
            for _ in 0..rounds {
                match panic::catch_unwind(|| read(Path::new(dir))) {
                    Ok(Ok(read)) => digest = read,
                    Ok(Err(_)) => errors += 1,
                    Err(_) => panics += 1,
                }
            }
            println!("{rounds} rounds, {errors} errors, {panics} panics, digest {digest:016x}");
            if errors + panics == rounds {
                std::process::exit(1);
            }
        }
        _ => panic!("usage: make DIR | read DIR ROUNDS"),
    }
}

/// Every byte counts.
#[allow(dead_code)]
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |sum, &byte| sum.wrapping_add(u64::from(byte)))
}

/// Numbers that look like chance and are the same each time.
#[allow(dead_code)]
pub fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1u64), |last| {
        Some(last.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407))
    })
    .map(|number| number >> 11)
}
