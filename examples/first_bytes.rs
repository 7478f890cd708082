//! The first 24 bytes of a file, through a private mapping.
//!
//! `cargo run --example first_bytes [FILE]`; without a file, this source.

use std::error::Error;
use std::process::ExitCode;

use folio::Mapping;
use folio_examples::finish;

fn main() -> ExitCode {
    finish("first_bytes", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let source = || concat!(env!("CARGO_MANIFEST_DIR"), "/first_bytes.rs").into();
    let path = std::env::args_os().nth(1).unwrap_or_else(source);

    let map = Mapping::options().private().open(&path)?;
    if map.is_empty() {
        println!("{}: empty, so nothing is mapped", map.backing());
        return Ok(());
    }
    let bytes = map.view().range(..map.len().min(24))?.to_vec()?;

    println!("{}: {} bytes, mapped at {:#x}", map.backing(), map.len(), map.address());
    for (line, bytes) in bytes.chunks(12).enumerate() {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |&byte: &u8| if byte.is_ascii_graphic() { byte as char } else { '.' };
        let text: String = bytes.iter().map(letter).collect();
        println!("  {:4}  {:35}  {text}", line * 12, hex.join(" "));
    }
    Ok(())
}
