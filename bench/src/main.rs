//! folio against its peers, as ratios: libc's raw mmap, memmap2, mmap-rs, and pread and pwrite.
//!
//! ```text
//! cargo run --release                  the full run: table, and results.json
//! cargo run --release -- --quick       smaller and shorter, for CI: the table alone
//! cargo run --release -- --markdown    the full run, and the table in ../docs/compare.md too
//!     --json PATH    where the JSON goes
//!     --dir DIR      where the files lie that are mapped; /dev/shm unless given
//!     --only TEXT    only rows whose title contains the text
//! ```

mod harness;
mod machine;
mod raw;
mod report;
mod rows;
mod scratch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use harness::Harness;
use report::Setting;
use scratch::Scratch;

#[derive(Default)]
struct Options {
    quick: bool,
    markdown: bool,
    json: Option<PathBuf>,
    dir: Option<PathBuf>,
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
            "--only" => options.only = Some(value()?),
            _ => {
                return Err(format!(
                    "unknown: {argument}; there are --quick --markdown --json --dir --only"
                ));
            }
        }
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

    let mut command = "cargo run --release --manifest-path bench/Cargo.toml".to_owned();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        command += " -- ";
        command += &arguments.join(" ");
    }
    let versions = ["folio", "memmap2", "mmap-rs", "libc"];
    let setting = Setting {
        command,
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
