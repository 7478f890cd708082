//! A heap of one's own: counts the words of a text, with every key, table and vector in an arena on
//! an anonymous mapping, and gives all of it back at once.
//!
//! ```text
//! cargo run --example heap [FILE]
//! ```

use std::error::Error;
use std::process::ExitCode;

use allocator_api2::vec::Vec as VecIn;
use folio::{Arena, Mapping};
use folio_examples::{finish, say, size};
use hashbrown::{DefaultHashBuilder, HashMap};

/// 16 GiB of addresses; memory is committed as it is needed.
const CAPACITY: usize = 16 << 30;

fn main() -> ExitCode {
    finish("heap", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args_os().nth(1) {
        Some(path) => Mapping::open(path)?.to_vec()?,
        None => a_text().into_bytes(),
    };
    let mut arena = Arena::new(CAPACITY)?;
    say("reserved", size(arena.capacity()));

    let mut counts: HashMap<&[u8], u32, _, &Arena> =
        HashMap::with_hasher_in(DefaultHashBuilder::default(), &arena);
    let words = text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            // The key moves into the arena too; the text could go now.
            None => drop(counts.insert(arena.alloc_slice(word)?, 1)),
        }
    }
    let mut ranked: VecIn<(&[u8], u32), &Arena> = VecIn::new_in(&arena);
    ranked.extend(counts.iter().map(|(&word, &count)| (word, count)));
    ranked.sort_unstable_by_key(|&(word, count)| (std::cmp::Reverse(count), word));

    let total: u32 = ranked.iter().map(|&(_, count)| count).sum();
    say("words", format_args!("{total}, {} of them different", ranked.len()));
    for (word, count) in ranked.iter().take(3) {
        say("", format_args!("{count:>8} × {}", String::from_utf8_lossy(word)));
    }
    say(
        "arena",
        format_args!("{} used, {} committed", size(arena.used()), size(arena.committed())),
    );

    // The borrow checker would refuse this while the map or the vector is alive.
    drop((counts, ranked));
    arena.reset()?;
    say("after reset", format_args!("{} used, {} committed", arena.used(), arena.committed()));
    Ok(())
}

/// A hundred thousand words, of which some are common.
fn a_text() -> String {
    let mut text = String::new();
    for number in 0..50_000u32 {
        let rare = number.wrapping_mul(2_654_435_761) >> 17;
        text.push_str(["page ", "fault ", "page "][number as usize % 3]);
        text.push_str(&format!("frame{rare} "));
    }
    text
}
