//! A number in a file, counted up through a mapping. It is still there at the next run.
//!
//! `cargo run --example counter [FILE]`; without a file, one of yours in the directory for temporary
//! files, which stays. Several may run at once: none is lost.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use folio::Mapping;
use folio_examples::{about, finish};

fn main() -> ExitCode {
    finish("counter", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => {
            let user = about("/proc/self", fs::metadata("/proc/self"))?.uid();
            std::env::temp_dir().join(format!("folio-counter-{user}"))
        }
    };
    let options = File::options().read(true).write(true).create(true).truncate(false).clone();
    let file = about(path.display(), options.open(&path))?;
    if about(path.display(), file.metadata())?.len() < 8 {
        about(path.display(), file.set_len(8))?;
    }

    let map = Mapping::options().write().open(&path)?;
    let was = map.view().atomic_u64(0)?.fetch_add(1)?;
    map.flush(..)?;

    println!("{}: {was} -> {}", map.backing(), was + 1);
    println!("run it again: the number stays, until you delete the file");
    Ok(())
}
