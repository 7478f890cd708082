//! `folio compare ipc`: ways between two processes, measured here and now.
//!
//! 1. [`measure`] takes each [`transport`] in turn, at each size, in several rounds. For each it starts
//!    this command again as the other process ([`peer`]), which echoes what is marked so.
//!    Each has a processor (`place`).
//! 2. The transports: [`queue`], [`stream`] (pipe and socket), [`packet`], [`messagequeue`], [`sysv`].
//!    Each sends and receives messages of one size, whose [`payload`] is written and verified.
//! 3. [`report`] has the medians, and is the JSON; [`text`] writes it for people, [`svg`] draws it.

pub mod arguments;
pub mod measure;
pub mod messagequeue;
pub mod packet;
pub mod payload;
pub mod peer;
mod place;
pub mod queue;
pub mod report;
pub mod stream;
pub mod svg;
pub mod sysv;
pub mod text;
pub mod transport;

use std::io::{self, Write};

use clap::ColorChoice;

use crate::failure::Failure;
use crate::outfile::OutFile;
use crate::terminal;
use arguments::{Compare, CompareCommand, CompareOutput, Ipc};
use report::Report;

/// Compares, and writes the result to standard output.
///
/// # Errors
/// That the command cannot be started again, that payload arrived changed, that a file or standard output
/// cannot be written. A way that the system lacks is no failure.
pub fn run(arguments: &Compare, color: ColorChoice) -> Result<(), Failure> {
    let CompareCommand::Ipc(ipc) = &arguments.command;
    if let Some(part) = std::env::var_os(peer::PART) {
        return peer::run(&part.to_string_lossy());
    }
    // Before anything is measured, lest that was for nothing.
    let drawing = ipc.svg.as_ref().map(|path| OutFile::create(path, "--svg")).transpose()?;
    let report = measure::all(ipc.quick, ipc.anywhere)?;
    if let Some(drawing) = drawing {
        drawing.finish(svg::draw(&report).as_bytes())?;
    }
    write(&report, ipc, color).or_else(|error| Failure::of_output(&error))
}

fn write(report: &Report, arguments: &Ipc, color: ColorChoice) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    match arguments.output {
        CompareOutput::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        CompareOutput::Text => text::write(&mut out, report)?,
    }
    out.flush()
}
