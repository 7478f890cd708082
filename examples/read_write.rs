//! A file edited in place through a shared mapping.
//!
//! `cargo run --example read_write [FILE POSITION TEXT]` writes TEXT over the bytes at POSITION;
//! without arguments, into a file of its own that it deletes again.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use folio::Mapping;
use folio_examples::{about, finish, number};

fn main() -> ExitCode {
    finish("read_write", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let path = std::env::temp_dir().join(format!("read_write-{}", std::process::id()));
            let text = "The slow brown fox jumps over the lazy dog.\n";
            about(path.display(), fs::write(&path, text))?;
            let edited = edit(&path, 4, "fast");
            fs::remove_file(&path)?;
            edited
        }
        [path, position, text] => edit(Path::new(path), number("POSITION", position)?, text),
        _ => Err("usage: read_write [FILE POSITION TEXT]".into()),
    }
}

fn edit(path: &Path, position: usize, text: &str) -> Result<(), Box<dyn Error>> {
    let map = Mapping::options().write().open(path)?;
    let before = map.view().range(position..position.saturating_add(text.len()))?.to_vec()?;
    map.write_at(position, text.as_bytes())?;
    map.flush(position..position + text.len())?;

    // What read(2) sees is what was written to memory.
    let file = about(path.display(), fs::read(path))?;
    let after = &file[position..position + text.len()];
    println!("{}, position {position}, {} bytes:", path.display(), text.len());
    println!("  before  {:?}", String::from_utf8_lossy(&before));
    println!("  after   {:?}", String::from_utf8_lossy(after));
    Ok(())
}
