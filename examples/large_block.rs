//! A large block: a long range of addresses reserved, a little of it committed with huge pages asked
//! for, less of it touched, and what each of these costs.
//!
//! ```text
//! cargo run --example large_block [GIB_RESERVED [MIB_COMMITTED]]
//! ```

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use folio::{HugePage, MapOptions, Reservation};
use folio_examples::{about, finish, number, say, size};

fn main() -> ExitCode {
    finish("large_block", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut size_of = |name| arguments.next().map_or(Ok(64), |text| number::<usize>(name, &text));
    let reserved = size_of("GIB_RESERVED")?.saturating_mul(1 << 30);
    let committed = size_of("MIB_COMMITTED")?.saturating_mul(1 << 20);

    // Aligned, so that huge pages fit.
    let space = Reservation::aligned(reserved, HugePage::Mib2.bytes())?;
    say("reserved", format_args!("{} at {:#x}", size(space.len()), space.address()));

    let options = MapOptions::new().transparent_huge_pages().inside(&space, 0);
    let mut block = options.memory(committed)?;
    say("committed", format_args!("{}, huge pages asked for", size(block.len())));

    let touched = committed / 4;
    for at in (0..touched).step_by(4096) {
        block[at] = 1;
    }
    say("touched", size(touched));

    let residency = block.residency(..)?;
    let resident = residency.resident_pages() * residency.page_size();
    let huge = in_huge_pages(block.address())?;
    say("resident", format_args!("{}, {} of it in huge pages", size(resident), size(huge)));

    block.discard(..)?;
    let residency = block.residency(..)?;
    let resident = residency.resident_pages() * residency.page_size();
    say("discarded", format_args!("{} resident", size(resident)));
    Ok(())
}

/// Bytes in transparent huge pages of the mapping at an address (proc_pid_smaps(5)).
fn in_huge_pages(address: usize) -> Result<usize, Box<dyn Error>> {
    let smaps = about("/proc/self/smaps", fs::read_to_string("/proc/self/smaps"))?;
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&format!("{address:x}-")));
    let field = lines.find_map(|line| line.strip_prefix("AnonHugePages:"));
    let kib = field.and_then(|field| field.trim().strip_suffix(" kB")).unwrap_or("0");
    Ok(kib.parse::<usize>()? << 10)
}
