//! folio against its peers, as ratios: libc's raw mmap, memmap2, mmap-rs, and pread and pwrite; and its
//! pager against the kernel's, userfaultfd by hand, O_DIRECT reads and object_store.
//!
//! ```text
//! cargo run --release                  the full run: tables, results.json and results-pager.json
//! cargo run --release -- --quick       smaller and shorter, for CI: the table alone
//! cargo run --release -- --markdown    the full run, and the table in ../docs/compare.md too
//!     --json PATH    where the JSON goes
//!     --dir DIR      where the files lie that are mapped; /dev/shm unless given
//!     --disk DIR     where the pager's files lie, on a disk; target/pager unless given. They stay
//!     --clean        removes them, and does nothing else
//!     --pager        only the pager's rows; --mappings only the others
//!     --only TEXT    only rows whose title contains the text
//! ```

mod child;
mod contest;
mod disk;
mod harness;
mod machine;
mod pick;
mod raw;
mod report;
mod rows;
mod scratch;
mod uffd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contest::Contest;
use harness::Harness;
use report::Setting;
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
    mappings: bool,
    /// A file and a cgroup's list of processes: this process is the child.
    child: Option<(PathBuf, PathBuf)>,
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
            "--mappings" => options.mappings = true,
            "--child" => {
                let file = value()?.into();
                let group = arguments.next().ok_or("--child needs two values")?;
                options.child = Some((file, group.into()));
            }
            "--only" => options.only = Some(value()?),
            _ => {
                return Err(format!(
                    "unknown: {argument}; there are --quick --markdown --json --dir --disk --clean \
                     --pager --mappings --only"
                ));
            }
        }
    }
    if options.markdown && (options.quick || options.pager || options.only.is_some()) {
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
    let disk = disk::directory(options.disk.as_deref());
    if options.clean {
        return disk::clean(&disk);
    }
    if !options.mappings {
        // Before this thread is pinned: the pager's rows use all processors.
        pager(&options, &disk)?;
    }
    if options.pager {
        return Ok(());
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compare.md");
    if options.markdown {
        report::check(&document)?;
    }
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

    let versions = ["folio", "memmap2", "mmap-rs", "libc"];
    let setting = Setting {
        command: command(),
        machine,
        rustc: machine::rustc(),
        versions: versions.map(|name| (name, machine::version(name).to_owned())).to_vec(),
        pinned,
        rounds,
        file_system: dir.display().to_string(),
    };
    print!("{}", report::text(&setting, &harness.outcomes));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let full = !options.quick && options.only.is_none();
    if let Some(path) = options.json.or(full.then(|| here.join("results.json"))) {
        fs::write(path, report::json(&setting, &harness.outcomes))?;
    }
    if options.markdown {
        report::update(&document, &setting, &harness.outcomes)?;
    }
    Ok(())
}

fn pager(options: &Options, disk: &Path) -> std::io::Result<()> {
    let mut contest = Contest::default();
    (contest.quick, contest.only) = (options.quick, options.only.clone());
    rows::pager_fault::rows(&mut contest);
    rows::pager_evict::rows(&mut contest);
    rows::pager_random::rows(&mut contest, disk)?;
    rows::pager_scan::rows(&mut contest, disk)?;
    rows::pager_object::rows(&mut contest, disk)?;
    rows::pager_policy::rows(&mut contest);
    let setting = Setting {
        command: command(),
        machine: machine::line(),
        rustc: machine::rustc(),
        versions: Vec::new(),
        pinned: None,
        rounds: 0,
        file_system: disk.display().to_string(),
    };
    println!("{}\n{}", setting.machine, report::pager_text(&contest));
    if !options.quick && options.only.is_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results-pager.json");
        fs::write(path, report::pager_json(&setting, &contest))?;
    }
    Ok(())
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
