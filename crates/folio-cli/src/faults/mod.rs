//! `folio faults`: a profile of the page faults of a program.
//!
//! 1. `watch` starts a command, or finds a process, and looks on. A `session` has its events open
//!    (`sys`), and reads [`record`]s from [`ring`]s, one for each processor. They wait in a `backlog`, and
//!    [`order`] puts them in the order of their times.
//! 2. [`profile`] makes page faults of them, each with the mapping that it was in (`space`), and sums
//!    them up. [`heat`] keeps where and when.
//! 3. [`report`] has names for all of it (`symbols`, `lines`; [`codemap`] and `home` for code that was made at run
//!    time), and what would help ([`advice`]). It is the JSON;
//!    `text` writes it for people, `svg` draws the heat maps, `folded` writes call chains for flame
//!    graphs.
//!
//! What is kept grows with the pages and the code that a program touches, and not with how long it runs.

pub mod advice;
pub mod arguments;
mod backlog;
pub mod codemap;
mod folded;
pub mod heat;
mod home;
mod lines;
pub mod order;
pub mod profile;
pub mod record;
pub mod report;
pub mod ring;
mod session;
mod space;
mod svg;
mod symbols;
mod sys;
mod text;
mod watch;

use std::io::{self, Write};
use std::path::Path;

use clap::ColorChoice;

use crate::failure::Failure;
use crate::outfile::OutFile;
use crate::table::Page;
use crate::terminal;
use arguments::{Faults, FaultsOutput};
use report::Report;

/// Watches, and writes the result. Returns the exit status of the command that was run.
///
/// # Errors
/// What cannot be watched, started or written.
pub fn run(arguments: &Faults, color: ColorChoice) -> Result<u8, Failure> {
    // Before anything is measured, lest that was for nothing.
    let drawing = out_file(arguments.svg.as_deref(), "--svg")?;
    let folded = out_file(arguments.folded.as_deref(), "--folded")?;
    let to = out_file(arguments.to.as_deref(), "-o")?;

    let watched = match arguments.pid {
        Some(process) => watch::process(process, arguments.duration, arguments.frames)?,
        None => watch::command(&arguments.command, arguments.frames)?,
    };
    let report = Report::of(watched, &arguments.command, arguments.pid);
    if let Some(drawing) = drawing {
        drawing.finish(svg::draw(&report).as_bytes())?;
    }
    if let Some(folded) = folded {
        folded.finish(folded::write(&report.chains, arguments.folded_by_time).as_bytes())?;
    }
    let status = report.status.unwrap_or(0);
    let written = match (to, arguments.pid) {
        (Some(to), _) => {
            let mut out = anstream::StripStream::new(Vec::new());
            // Memory takes everything.
            let _ = write(&mut out, &report, arguments);
            return to.finish(&out.into_inner()).map(|()| status);
        }
        // Standard output is the program's own.
        (None, None) => {
            let mut out = io::BufWriter::new(terminal::standard_error(color));
            // Nobody is left to be told.
            let _ = write(&mut out, &report, arguments).and_then(|()| out.flush());
            return Ok(status);
        }
        (None, Some(_)) => terminal::standard_output(color)
            .and_then(|mut out| write(&mut out, &report, arguments).and_then(|()| out.flush())),
    };
    written.or_else(|error| Failure::of_output(&error)).map(|()| status)
}

fn out_file<'a>(
    path: Option<&'a Path>,
    option: &'static str,
) -> Result<Option<OutFile<'a>>, Failure> {
    path.map(|path| OutFile::create(path, option)).transpose()
}

fn write(out: &mut impl Write, report: &Report, arguments: &Faults) -> io::Result<()> {
    match arguments.output {
        FaultsOutput::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        FaultsOutput::Text => {
            let page = Page::of_terminal();
            text::write(out, report, arguments.top, arguments.heat, page)
        }
    }
}
