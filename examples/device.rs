//! A device mapped: its length comes from the device where it has one, and from you where it
//! has none.
//!
//! `cargo run --example device [DEVICE [LENGTH]]`; without arguments, 8192 bytes of /dev/zero. A
//! block device, such as /dev/vda or a loop device, usually needs root.

use std::error::Error;
use std::process::ExitCode;

use folio::{BackingKind, Mapping};
use folio_examples::{finish, number};

fn main() -> ExitCode {
    finish("device", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (path, len) = match (arguments.next(), arguments.next()) {
        (None, _) => ("/dev/zero".into(), Some(8192)),
        (Some(path), len) => (path, len.map(|len| number("LENGTH", &len)).transpose()?),
    };

    // Private: what is written below stays here, and reading permission is enough.
    let mut options = Mapping::options().private().write();
    if let Some(len) = len {
        options = options.len(len);
    }
    let map = options.open(&path)?;
    let from = match (len, map.backing().kind()) {
        (Some(_), _) => "as you said",
        (None, BackingKind::BlockDevice) => "as the device says",
        (None, _) => "as the file says",
    };
    println!("{path}: {}, {} bytes {from}", map.backing().kind(), map.len());

    let first = map.view().range(..map.len().min(16))?;
    println!("  first bytes  {:02x?}", first.to_vec()?);
    first.fill(.., 0xab)?;
    println!("  overwritten  {:02x?} (in this process only)", first.to_vec()?);
    Ok(())
}
