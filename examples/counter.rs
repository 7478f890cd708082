//! A number in a file, counted up through a mapping. It is still there at the next run.
//!
//! `cargo run --example counter [FILE]`; without a file, one in the directory for temporary files.
//! Several may run at once: none is lost.

use std::error::Error;
use std::fs::File;

use folio::Mapping;

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = || std::env::temp_dir().join("folio-counter").into();
    let path = std::env::args_os().nth(1).unwrap_or_else(temporary);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
    if file.metadata()?.len() < 8 {
        file.set_len(8)?;
    }

    let map = Mapping::options().write().open(&path)?;
    let was = map.view().atomic_u64(0)?.fetch_add(1)?;
    map.flush(..)?;

    println!("{}: {was} -> {}", map.backing(), was + 1);
    println!("run it again: the number stays");
    Ok(())
}
