//! folio against its peers, as ratios: libc's raw mmap, memmap2, mmap-rs, and pread and pwrite; its
//! pager against the kernel's, userfaultfd by hand, O_DIRECT reads and object_store; and its queue against a
//! bare ring, iceoryx2, ipc-channel, shmem-ipc, pipes, sockets, message queues and System V memory.
//!
//! ```text
//! cargo run --release                  the full run: tables, results.json and results-*.json
//! cargo run --release -- --quick       smaller and shorter, for CI: the table alone
//! cargo run --release -- --markdown    the full run, and the tables in ../docs/compare.md too
//!     --json PATH    where the JSON goes
//!     --dir DIR      where the files lie that are mapped; /dev/shm unless given
//!     --disk DIR     where the pager's files lie, on a disk; target/pager unless given. They stay
//!     --clean        removes them, and does nothing else
//!     --pager        only the pager's rows; --messages, --mappings only these
//!     --only TEXT    only rows whose title contains the text
//! ```

#![cfg_attr(
    not(all(feature = "messages", feature = "pager")),
    allow(dead_code, reason = "the rows that are left out use it")
)]

mod child;
mod contest;
mod disk;
mod harness;
mod machine;
#[cfg(feature = "messages")]
mod messages;
mod pick;
mod raw;
mod report;
mod rows;
mod scratch;
mod uffd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[cfg(any(feature = "messages", feature = "pager"))]
use contest::Contest;
use harness::Harness;
use report::{Part, Setting};
use scratch::Scratch;

#[derive(Default)]
struct Options {
    quick: bool,
    markdown: bool,
    json: Option<PathBuf>,
    dir: Option<PathBuf>,
    disk: Option<PathBuf>,
    clean: bool,
    pager: bool,
    messages: bool,
    mappings: bool,
    /// A file and a cgroup's list of processes: this process is the child.
    child: Option<(PathBuf, PathBuf)>,
    /// What the other process of a pair has to know: this process is that.
    peer: Option<String>,
    only: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--markdown" => options.markdown = true,
            "--json" => options.json = Some(value()?.into()),
            "--dir" => options.dir = Some(value()?.into()),
            "--disk" => options.disk = Some(value()?.into()),
            "--clean" => options.clean = true,
            "--pager" => options.pager = true,
            "--messages" => options.messages = true,
            "--mappings" => options.mappings = true,
            "--peer" => options.peer = Some(value()?),
            "--child" => {
                let file = value()?.into();
                let group = arguments.next().ok_or("--child needs two values")?;
                options.child = Some((file, group.into()));
            }
            "--only" => options.only = Some(value()?),
            _ => {
                return Err(format!(
                    "unknown: {argument}; there are --quick --markdown --json --dir --disk --clean \
                     --pager --messages --mappings --only"
                ));
            }
        }
    }
    if !(options.pager || options.messages || options.mappings) {
        (options.pager, options.messages, options.mappings) = (true, true, true);
    }
    if options.markdown && (options.quick || options.only.is_some()) {
        return Err("--markdown takes a full run".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> std::io::Result<()> {
    if let Some((file, group)) = &options.child {
        return child::run(file, group);
    }
    if let Some(part) = &options.peer {
        #[cfg(feature = "messages")]
        return messages::peer::run(part);
        #[cfg(not(feature = "messages"))]
        return Err(without("messages", part));
    }
    let disk = disk::directory(options.disk.as_deref());
    if options.clean {
        return disk::clean(&disk);
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compare.md");
    if options.markdown {
        [Part::Mappings, Part::Messages].into_iter().try_for_each(|part| part.check(&document))?;
    }
    // The mappings last: their rows keep this thread on a processor, and the others use all.
    if options.pager {
        pager(&options, &disk)?;
    }
    if options.messages {
        between_processes(&options, &document)?;
    }
    if options.mappings {
        mappings(options, &document)?;
    }
    Ok(())
}

fn mappings(options: Options, document: &Path) -> std::io::Result<()> {
    let dir = options.dir.unwrap_or_else(|| {
        let memory = PathBuf::from("/dev/shm");
        if memory.is_dir() { memory } else { std::env::temp_dir() }
    });
    let machine = machine::line();
    let pinned = machine::pin();
    let (len, rounds, turn) = if options.quick { (64 << 20, 5, 2e6) } else { (1 << 30, 35, 10e6) };
    let mut harness = Harness { rounds, turn, only: options.only.clone(), outcomes: Vec::new() };
    {
        let large = Scratch::full(&dir, "large", len)?;
        rows::map::rows(&mut harness, &dir, &large);
        rows::compat::rows(&mut harness, &dir, &large);
        rows::scan::rows(&mut harness, &large);
        rows::copy::rows(&mut harness, &large);
    }
    rows::word::rows(&mut harness);
    rows::grow::rows(&mut harness, &dir, len);

    let setting = Setting {
        command: command(),
        machine,
        rustc: machine::rustc(),
        versions: machine::versions(&["folio", "memmap2", "mmap-rs", "libc"]),
        pinned,
        rounds,
        file_system: dir.display().to_string(),
    };
    print!("{}", report::text(&setting, &harness.outcomes));
    let full = !options.quick && options.only.is_none();
    if let Some(path) = options.json.or_else(|| results(full, "results.json")) {
        fs::write(path, report::json(&setting, &harness.outcomes))?;
    }
    if options.markdown {
        Part::Mappings.update(document, &report::markdown(&setting, &harness.outcomes))?;
    }
    Ok(())
}

#[cfg(not(all(feature = "messages", feature = "pager")))]
fn without(feature: &str, _: impl Sized) -> std::io::Error {
    let reason = format!("built without the feature `{feature}`: leave out --no-default-features");
    std::io::Error::other(reason)
}

#[cfg(not(feature = "messages"))]
fn between_processes(options: &Options, _: &Path) -> std::io::Result<()> {
    Err(without("messages", options))
}

#[cfg(feature = "messages")]
fn between_processes(options: &Options, document: &Path) -> std::io::Result<()> {
    let mut contest = Contest::new(options.quick, options.only.clone());
    rows::messages::rows(&mut contest);
    let peers = ["folio", "iceoryx2", "ipc-channel", "shmem-ipc"];
    let setting = contest_setting(&peers, Path::new("memory"));
    println!("{}\n{}", setting.machine, report::contest_text(&contest));
    let full = !options.quick && options.only.is_none();
    if let Some(path) = results(full, "results-messages.json") {
        fs::write(path, report::contest_json(&setting, &contest))?;
    }
    if options.markdown {
        Part::Messages.update(document, &report::contest_markdown(&setting, &contest))?;
    }
    Ok(())
}

#[cfg(not(feature = "pager"))]
fn pager(options: &Options, _: &Path) -> std::io::Result<()> {
    Err(without("pager", options))
}

#[cfg(feature = "pager")]
fn pager(options: &Options, disk: &Path) -> std::io::Result<()> {
    let mut contest = Contest::new(options.quick, options.only.clone());
    rows::pager_fault::rows(&mut contest);
    rows::pager_evict::rows(&mut contest);
    rows::pager_random::rows(&mut contest, disk)?;
    rows::pager_scan::rows(&mut contest, disk)?;
    rows::pager_object::rows(&mut contest, disk)?;
    rows::pager_policy::rows(&mut contest);
    let setting = contest_setting(&[], disk);
    println!("{}\n{}", setting.machine, report::contest_text(&contest));
    let full = !options.quick && options.only.is_none();
    if let Some(path) = results(full, "results-pager.json") {
        fs::write(path, report::contest_json(&setting, &contest))?;
    }
    Ok(())
}

/// The setting of rows whose contenders time themselves.
fn contest_setting(packages: &[&'static str], file_system: &Path) -> Setting {
    Setting {
        command: command(),
        machine: machine::line(),
        rustc: machine::rustc(),
        versions: machine::versions(packages),
        pinned: None,
        rounds: 0,
        file_system: file_system.display().to_string(),
    }
}

/// Where the results of a full run go.
fn results(full: bool, name: &str) -> Option<PathBuf> {
    full.then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

fn command() -> String {
    let mut command = "cargo run --release --manifest-path bench/Cargo.toml".to_owned();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        command += " -- ";
        command += &arguments.join(" ");
    }
    command
}
