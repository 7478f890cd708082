//! Two mappings and a child process: which of its changes the parent sees.
//!
//! `cargo run --example fork_shared_private`
#![allow(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

use folio::Mapping;
use folio_examples::finish;

fn main() -> ExitCode {
    finish("fork_shared_private", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let shared = Mapping::options().shared().write().anonymous(4096)?;
    let private = Mapping::options().private().write().anonymous(4096)?;
    for map in [&shared, &private] {
        map.write_at(0, b"parent")?;
    }

    // SAFETY: this process has one thread, so the child may do what it likes (fork(2)).
    let child = unsafe { libc::fork() };
    if child == 0 {
        let written = [&shared, &private].iter().all(|map| map.write_at(0, b"child!").is_ok());
        // SAFETY: ends the child, whose output buffers are empty.
        unsafe { libc::_exit(if written { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result (waitpid(2)).
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(child > 0 && waited == child && status == 0, "the child failed: {status}");

    println!("The child wrote \"child!\" to both mappings. The parent reads");
    for (name, map) in [("shared", &shared), ("private", &private)] {
        let text = map.view().range(..6)?.to_vec()?;
        println!("  {name:8} {:?}", String::from_utf8_lossy(&text));
    }
    Ok(())
}
