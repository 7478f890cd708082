//! `folio pack`: a file into seekable zstd.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::Ordering;

use clap::ColorChoice;
use folio_store_zstd::{Format, Packed, format::HEAD_BYTES};
use serde::Serialize;

use crate::failure::{Failure, words};
use crate::letters;
use crate::newfile::NewFile;
use crate::packarguments::{Pack, PackOutput};
use crate::progress::{self, Unit};
use crate::size::{exact, grouped, rounded};
use crate::terminal::{self, STRONG};

/// What was packed, as `docs/command.md` documents it.
#[derive(Debug, Serialize)]
struct Report {
    source: String,
    target: String,
    length_bytes: u64,
    packed_bytes: u64,
    frame_bytes: u32,
    frames: u32,
    level: i32,
}

/// What is packed: a file, or standard input.
struct Input {
    name: String,
    file: File,
    /// Of a file, for the progress bar.
    length_bytes: Option<u64>,
    mode: u32,
}

/// Packs, and writes the result to standard output.
///
/// # Errors
/// What failed. Then there is no file that was not there before.
pub fn run(arguments: &Pack, color: ColorChoice) -> Result<(), Failure> {
    let target = arguments.target();
    let target_name = target.display().to_string();
    let input = if arguments.is_standard_input() {
        standard_input()?
    } else {
        open(&arguments.file, arguments.force)?
    };
    if let Ok(there) = target.symlink_metadata() {
        if !arguments.force {
            return Err(exists(&target_name));
        }
        if !there.is_file() && !there.is_dir() {
            return Err(Failure::new(format!(
                "cannot write {target_name}: it is no regular file: name another (--to)"
            )));
        }
    }
    let cannot_write = |error: &io::Error| write_failure(&target_name, error);
    let new = NewFile::create(&target, input.mode).map_err(|error| cannot_write(&error))?;
    let packed = pack(&input, new.file(), arguments).map_err(|error| {
        let reason = reason(&error);
        match error.operation() {
            "write" => Failure::new(format!(
                "cannot write {target_name}: {reason}: free some space, or write it elsewhere (--to)"
            )),
            _ => Failure::new(format!("cannot {} {}: {reason}", error.operation(), input.name)),
        }
    })?;
    new.finish(arguments.force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(&target_name),
        _ => cannot_write(&error),
    })?;
    let report = Report {
        source: arguments.file.to_string_lossy().into_owned(),
        target: target_name,
        length_bytes: packed.read_bytes,
        packed_bytes: packed.written_bytes,
        frame_bytes: arguments.frame,
        frames: packed.frames,
        level: arguments.level,
    };
    write(&report, arguments.output, color).or_else(|error| Failure::of_output(&error))
}

fn open(path: &Path, force: bool) -> Result<Input, Failure> {
    let name = path.display().to_string();
    let fail = |error: &io::Error| {
        let way_out = match error.kind() {
            io::ErrorKind::NotFound => ": check the path",
            _ => "",
        };
        Failure::new(format!("cannot open {name}: {}{way_out}", words(error)))
    };
    let file = File::open(path).map_err(|error| fail(&error))?;
    let metadata = file.metadata().map_err(|error| fail(&error))?;
    if metadata.is_dir() {
        return Err(Failure::new(format!(
            "cannot pack {name}: it is a directory: name a file in it, or pack an archive of it"
        )));
    }
    let mut head = [0; HEAD_BYTES];
    // What cannot be read is told when it is packed; of a pipe nothing is taken.
    let count = file.read_at(&mut head, 0).unwrap_or(0);
    if !force && Format::of(&head[..count]) == Some(Format::Zstd) {
        return Err(Failure::new(format!(
            "cannot pack {name}: it is zstd already: to make it seekable, zstd -dc {name} | folio \
             pack - -o OUT; to pack it all the same, add --force"
        )));
    }
    let length_bytes = metadata.is_file().then_some(metadata.len());
    Ok(Input { name, file, length_bytes, mode: metadata.mode() })
}

fn standard_input() -> Result<Input, Failure> {
    let name = "standard input".to_owned();
    match rustix::stdio::stdin().try_clone_to_owned() {
        Ok(file) => Ok(Input { name, file: file.into(), length_bytes: None, mode: 0o666 }),
        Err(error) => Err(Failure::new(format!("cannot read {name}: {}", words(&error)))),
    }
}

fn pack(input: &Input, mut out: &File, arguments: &Pack) -> folio_store::Result<Packed> {
    let mut file = &input.file;
    let reader: &mut dyn Read = &mut file;
    let Pack { frame, level, .. } = *arguments;
    let Some(length_bytes) = input.length_bytes else {
        return folio_store_zstd::pack(reader, &mut out, frame, level, |_| ());
    };
    progress::watch("packing", Unit::Bytes, length_bytes, |done| {
        let count = |read_bytes| done.store(read_bytes, Ordering::Relaxed);
        folio_store_zstd::pack(reader, &mut out, frame, level, count)
    })
}

fn exists(target: &str) -> Failure {
    Failure::new(format!(
        "cannot write {target}: it is there already: name another (--to), or replace it (--force)"
    ))
}

fn write_failure(target: &str, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "make its directory, or name another (--to)"
        }
        io::ErrorKind::IsADirectory => "name a file (--to)",
        io::ErrorKind::StorageFull => "free some space, or write it elsewhere (--to)",
        _ => "write it elsewhere (--to)",
    };
    Failure::new(format!("cannot write {target}: {}: {way_out}", words(error)))
}

/// An error's reason: what stands behind what could not be done.
fn reason(error: &folio_store::Error) -> String {
    let text = error.to_string();
    let start = format!("cannot {} {}: ", error.operation(), error.store());
    text.strip_prefix(&start).unwrap_or(&text).to_owned()
}

fn write(report: &Report, output: PackOutput, color: ColorChoice) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    match output {
        PackOutput::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        PackOutput::Text => {
            let target = letters::printable(&report.target);
            let (packed, length) = (rounded(report.packed_bytes), rounded(report.length_bytes));
            write!(out, "{STRONG}{target}{STRONG:#}  {packed} of {length}")?;
            let hundredths = u128::from(report.packed_bytes) * 100;
            if let Some(part) = hundredths.checked_div(u128::from(report.length_bytes)) {
                write!(out, " ({part} %)")?;
            }
            let size = exact(u64::from(report.frame_bytes));
            match report.frames {
                1 => writeln!(out, ", 1 frame of {size}")?,
                frames => writeln!(out, ", {} frames of {size}", grouped(frames.into()))?,
            }
        }
    }
    out.flush()
}
