//! `folio cache`: what the page cache holds of files and trees; loading, evicting and locking it.
//!
//! ```
//! use std::process::ExitCode;
//! let done = |line: &[&str]| folio_cli::main([&["folio", "cache"], line].concat()) == ExitCode::SUCCESS;
//! assert!(done(&["Cargo.toml"]));
//! assert!(done(&["--tree", "--range", "..4K", "src"]));
//! assert!(!done(&["no/such/file"]));
//! ```
//!
//! 1. [`arguments`] is what may be asked.
//! 2. [`walk`] opens every file once, with several threads, and hands it to one of four: [`look`], which
//!    asks for its [`counts`]; or [`warm`], [`evict`] and [`lock`], which do something first.
//! 3. Counts go to the rows of a [`ledger`], what cannot be looked at to the [`omissions`].
//! 4. The [`report`] is written as JSON, or by [`table`].
//!
//! No file's bytes are looked at; those that `--warm` and `--lock` load are sent to /dev/null.
//!
//! Lock order: a batch of [`warm`]'s, held while it is loaded; then any of the others, which are held
//! for some lines.

pub mod arguments;
pub mod counts;
mod data;
pub mod evict;
mod extents;
pub mod ledger;
mod load;
pub mod lock;
pub mod look;
pub mod omissions;
pub mod rate;
pub mod report;
mod system;
pub mod table;
pub mod walk;
pub mod warm;

use std::io::{self, IsTerminal, Write};
use std::thread;

use clap::ColorChoice;

use crate::failure::Failure;
use crate::table::Page;
use crate::terminal;
use arguments::{Cache, CacheOutput};
use evict::Evict;
use ledger::Ledger;
use lock::Lock;
use look::Look;
use omissions::Omissions;
use report::{Done, Report};
use walk::{Visit, Walk};
use warm::Warm;

/// Threads that walk, at least: more than there are processors, as they wait for a disk too.
const THREADS: usize = 4;
/// To the upper left corner, and clear from there.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Does what was asked, and writes the result to standard output.
///
/// # Errors
/// What failed, and the last thing that was left out.
pub fn run(arguments: &Cache, color: ColorChoice) -> Result<(), Failure> {
    let is_json = arguments.output == CacheOutput::Json;
    let look = Look {
        range: arguments.range(),
        has_strips: arguments.strip || !is_json && io::stdout().is_terminal(),
    };
    let mut is_first = true;
    loop {
        let omissions = Omissions::new(color, is_first, is_json);
        let lock = arguments.lock.then(|| Lock::new(look.clone()));
        let report = report(arguments, &look, lock.as_ref(), &omissions)?;
        if lock.is_some() && report.total().0.files == 0 && !omissions.is_empty() {
            return omissions.close();
        }
        let resident_bytes = report.resident_bytes();
        let is_read = write(arguments, report, &omissions, color)?;
        if let Some(lock) = lock {
            omissions.say();
            return lock.hold(resident_bytes);
        }
        let Some(interval) = arguments.watch else { return omissions.close() };
        omissions.say();
        if !is_read {
            return Ok(());
        }
        is_first = false;
        thread::sleep(interval);
    }
}

fn report(
    arguments: &Cache,
    look: &Look,
    lock: Option<&Lock>,
    omissions: &Omissions,
) -> Result<Report, Failure> {
    let ledger = Ledger::new(arguments.tree.unwrap_or(0), arguments.each.unwrap_or(0));
    let threads = thread::available_parallelism().map_or(THREADS, |count| count.get().max(THREADS));
    let walk =
        Walk { one_file_system: arguments.one_file_system, threads, ledger: &ledger, omissions };
    let walk = |visit: &Visit<'_>| walk.run(&arguments.paths, visit);
    let done = if arguments.warm {
        let warm = Warm::new(look.clone(), arguments.rate, &ledger, omissions);
        walk(&|entry| warm.gather(entry))?;
        let (bytes, seconds) = warm.finish();
        Done::Warmed(bytes, seconds)
    } else if arguments.evict {
        let evict = Evict::new(look.clone());
        walk(&|entry| evict.file(entry))?;
        let (bytes, stayed) = evict.finish();
        Done::Evicted(bytes, stayed)
    } else if let Some(lock) = lock {
        walk(&|entry| lock.file(entry))?;
        Done::Locked
    } else {
        walk(&|entry| look.at(entry).map(Some))?;
        Done::Nothing
    };
    let (rows, files) = ledger.close();
    Ok(Report { rows, files, special_files: omissions.special_files(), done })
}

/// Writes a report, unless there is nothing to say. Returns whether anybody reads it.
fn write(
    arguments: &Cache,
    report: Report,
    omissions: &Omissions,
    color: ColorChoice,
) -> Result<bool, Failure> {
    let write = || {
        let mut out = terminal::standard_output(color)?;
        match arguments.output {
            CacheOutput::Json => {
                let json = report.json(arguments.range().start, omissions.list());
                match arguments.watch {
                    // An object a line.
                    Some(_) => serde_json::to_writer(&mut out, &json)?,
                    None => serde_json::to_writer_pretty(&mut out, &json)?,
                }
                writeln!(out)?;
            }
            CacheOutput::Text if report.rows.is_empty() => {}
            CacheOutput::Text => {
                if arguments.watch.is_some() && io::stdout().is_terminal() {
                    write!(out, "{CLEAR}")?;
                }
                table::write(&mut out, &report, Page::of_tables())?;
            }
        }
        out.flush()
    };
    match write() {
        Ok(()) => Ok(true),
        Err(error) => Failure::of_output(&error).map(|()| false),
    }
}
