//! `folio ps`: what processes have mapped, and what it costs.
//!
//! ```
//! use std::process::ExitCode;
//! let pid = std::process::id().to_string();
//! assert_eq!(folio_cli::main(["folio", "ps", "--sort=resident"]), ExitCode::SUCCESS);
//! assert_eq!(folio_cli::main(["folio", "ps", &pid, "--file=*.so*"]), ExitCode::SUCCESS);
//! assert_eq!(folio_cli::main(["folio", "ps", "no such process"]), ExitCode::from(1));
//! ```
//!
//! 1. [`arguments`] is what may be asked; [`choice`] finds the processes ([`wanted`]) and mappings that
//!    are meant.
//! 2. The data: [`overview`] is a process in the list, [`snapshot`] one with its mappings, which are put in
//!    [`group`]s; all have the same [`figures`]. [`detail`] is what lies at an address ([`span`]), page by
//!    page.
//! 3. [`text`] and [`pagetext`] write it for people, [`report`] is its JSON.

pub mod arguments;
pub mod choice;
pub mod detail;
pub mod figures;
pub mod group;
pub mod overview;
pub mod pagetext;
pub mod report;
mod sharers;
pub mod snapshot;
pub mod span;
pub mod text;
pub mod wanted;

use std::io::{self, Write};

use clap::ColorChoice;
use folio_stat::{Process, Status};

use crate::failure::Failure;
use crate::table::Page;
use crate::terminal;
use arguments::{Ps, PsOutput};
use overview::Overview;
use report::ProcessReport;
use snapshot::Snapshot;

/// Does what was asked, and writes the result to standard output. What fails of one process that was named
/// is a line on standard error, and stops nothing.
///
/// # Errors
/// The last of what failed.
pub fn run(arguments: &Ps, color: ColorChoice) -> Result<(), Failure> {
    let mut failures = Vec::new();
    let written = if arguments.processes.is_empty() {
        list(Overview::all()?, arguments, color)
    } else {
        let processes = chosen(arguments, &mut failures);
        match arguments.list {
            true => list(overviews(&processes), arguments, color),
            false => show_all(&processes, arguments, color, &mut failures),
        }
    };
    failures.extend(written.or_else(|error| Failure::of_output(&error)).err());
    let last = failures.pop();
    for failure in failures {
        failure.print(color);
    }
    last.map_or(Ok(()), Err)
}

/// The processes that are meant, each once.
fn chosen(arguments: &Ps, failures: &mut Vec<Failure>) -> Vec<(Process, Status)> {
    let mut chosen: Vec<(Process, Status)> = Vec::new();
    for argument in &arguments.processes {
        match choice::processes(argument) {
            Ok(found) => {
                for (process, status) in found {
                    if !chosen.iter().any(|(known, _)| known.pid() == process.pid()) {
                        chosen.push((process, status));
                    }
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    chosen
}

/// A row for each, for one that has ended since, too.
fn overviews(processes: &[(Process, Status)]) -> Vec<Overview> {
    processes.iter().map(|(process, status)| Overview::of(process, status)).collect()
}

/// Writes a row for each.
fn list(mut all: Vec<Overview>, arguments: &Ps, color: ColorChoice) -> io::Result<()> {
    choice::sort_processes(&mut all, arguments.sort.unwrap_or_default());
    let mut out = terminal::standard_output(color)?;
    match arguments.output {
        PsOutput::Json => {
            json(&mut out, &all.into_iter().map(ProcessReport::of).collect::<Vec<_>>())?
        }
        PsOutput::Text if all.is_empty() => {}
        PsOutput::Text => text::list(&mut out, &all, Page::of_tables())?,
    }
    out.flush()
}

/// Writes each, with what was asked for of it.
fn show_all(
    processes: &[(Process, Status)],
    arguments: &Ps,
    color: ColorChoice,
    failures: &mut Vec<Failure>,
) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    let mut reports = Vec::new();
    let mut parts = 0;
    for (process, _) in processes {
        let mut part = Vec::new();
        match arguments.at {
            None => show(&mut part, process, arguments, &mut reports, failures)?,
            Some(_) => show_pages(&mut part, process, arguments, &mut reports, failures)?,
        }
        // An empty line between two, and none for one that failed.
        if parts > 0 && !part.is_empty() {
            writeln!(out)?;
        }
        parts += usize::from(!part.is_empty());
        out.write_all(&part)?;
    }
    if arguments.output == PsOutput::Json {
        json(&mut out, &reports)?;
    }
    out.flush()
}

/// Writes the mappings of a process, or adds them to the reports.
fn show(
    out: &mut impl Write,
    process: &Process,
    arguments: &Ps,
    reports: &mut Vec<ProcessReport>,
    failures: &mut Vec<Failure>,
) -> io::Result<()> {
    let mut snapshot = match Snapshot::of(process) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            failures.push(error.into());
            return Ok(());
        }
    };
    failures.extend(snapshot.error.take().map(Failure::from));
    let wanted = snapshot.mappings.iter().filter(|costs| choice::is_wanted(costs, arguments));
    let mut groups = match arguments.each {
        true => group::each(wanted),
        false => group::by_backing(wanted),
    };
    match arguments.sort {
        // By address, as they come.
        None if arguments.each => {}
        key => choice::sort_groups(&mut groups, key.unwrap_or_default()),
    }
    match arguments.output {
        PsOutput::Json => {
            let report = ProcessReport::of(snapshot.overview.clone());
            let is_known = snapshot.overview.costs.is_some();
            reports.push(match is_known {
                true => report.with_groups(&groups, arguments.each, snapshot.has_changed),
                false => report,
            });
            Ok(())
        }
        PsOutput::Text => {
            text::head(out, &snapshot.overview, Page::of_tables())?;
            if snapshot.overview.costs.is_none() {
                return text::refusal(out, &snapshot.overview, Page::of_tables());
            }
            // Without strips, where it has ended since.
            let residencies = group::residencies(&groups, process).unwrap_or_default();
            text::mappings(out, &snapshot, &groups, &residencies, arguments.each, Page::of_tables())
        }
    }
}

/// Writes what lies at the addresses asked for, or adds it to the reports.
fn show_pages(
    out: &mut impl Write,
    process: &Process,
    arguments: &Ps,
    reports: &mut Vec<ProcessReport>,
    failures: &mut Vec<Failure>,
) -> io::Result<()> {
    let Some(at) = &arguments.at else { return Ok(()) };
    let overview = match process.status() {
        Ok(status) => Overview::of(process, &status),
        Err(error) => {
            failures.push(error.into());
            return Ok(());
        }
    };
    let parts = match detail::of(process, at, arguments.frames) {
        Ok(parts) => parts,
        Err(failure) => {
            failures.push(failure);
            return Ok(());
        }
    };
    match arguments.output {
        PsOutput::Json => reports.push(ProcessReport::of(overview).with_parts(parts)),
        PsOutput::Text => {
            text::head(out, &overview, Page::of_tables())?;
            pagetext::parts(out, at, &parts, arguments.frames, Page::of_tables())?;
        }
    }
    Ok(())
}

fn json(out: &mut impl Write, reports: &[ProcessReport]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, reports)?;
    writeln!(out)
}
