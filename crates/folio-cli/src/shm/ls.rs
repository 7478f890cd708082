//! `folio shm ls`, `gc` and `rm`: what is in /dev/shm, and removing it.

use std::io::{self, Write};

use anstyle::Style;
use clap::ColorChoice;
use folio_shm::{Found, Segment, Usage};

use crate::columns::{self, Cell, Column};
use crate::failure::Failure;
use crate::letters;
use crate::shm::arguments::{Gc, Ls, Rm, ShmOutput};
use crate::shm::find::{failure, find};
use crate::shm::journal;
use crate::shm::report::{SegmentReport, user_name};
use crate::shm::users::Users;
use crate::size::rounded;
use crate::table::Page;
use crate::terminal::{self, BAD, STRONG};

/// Lists segments.
///
/// # Errors
/// That /dev/shm cannot be read, or standard output not be written.
pub fn run(arguments: &Ls, color: ColorChoice) -> Result<(), Failure> {
    let users = Users::now();
    let reports = match &arguments.paths[..] {
        [] => reports(&folio_shm::list().map_err(|error| failure(&error))?, &users),
        paths => {
            let lists = paths.iter().map(|path| journal::list(path, &users));
            lists.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
        }
    };
    print(&reports, arguments.output, color)
}

fn reports(found: &[Found], users: &Users) -> Vec<SegmentReport> {
    found.iter().map(|found| SegmentReport::of(found, users)).collect()
}

/// Removes what dead processes left, and lists it.
///
/// # Errors
/// As [`run`].
pub fn gc(arguments: &Gc, color: ColorChoice) -> Result<(), Failure> {
    let found = if arguments.dry_run {
        let mut found = folio_shm::list().map_err(|error| failure(&error))?;
        found.retain(|found| matches!(found.usage(), Usage::LeftOver | Usage::Unfinished));
        found
    } else {
        folio_shm::gc().map_err(|error| failure(&error))?
    };
    print(&reports(&found, &Users::now()), arguments.output, color)
}

/// Removes names, all that it can.
///
/// # Errors
/// That of the first that could not be removed, and was folio's.
pub fn remove(arguments: &Rm) -> Result<(), Failure> {
    let mut first = Ok(());
    for name in &arguments.names {
        if let Some(directory) = journal::directory(name) {
            let show = directory.display();
            let way_out =
                "it is a path, as journals have, which are directories: rm -r removes one";
            first = first.and(Err(Failure::new(format!("cannot remove {show}: {way_out}"))));
            continue;
        }
        let removed = match find(name) {
            Ok(_) => Segment::unlink(name).map_err(|error| failure(&error)),
            Err(refused) => match spoilt(name) {
                true => Segment::unlink(name).map_err(|error| failure(&error)),
                false => Err(refused),
            },
        };
        first = first.and(removed);
    }
    first
}

/// Whether it was a segment of folio's once, and is none that can be opened.
fn spoilt(name: &str) -> bool {
    use folio_shm::ErrorKind::{Scribbled, Truncated, Version};
    let opened = super::find::trusting_anybody(Segment::options().read_only()).open(name);
    opened.is_err_and(|error| matches!(error.kind(), Scribbled | Truncated | Version))
}

fn print(reports: &[SegmentReport], output: ShmOutput, color: ColorChoice) -> Result<(), Failure> {
    let write = || {
        let mut out = terminal::standard_output(color)?;
        match output {
            ShmOutput::Json => {
                serde_json::to_writer_pretty(&mut out, reports)?;
                writeln!(out)?;
            }
            ShmOutput::Text => table(&mut out, reports)?,
        }
        out.flush()
    };
    write().or_else(|error: io::Error| Failure::of_output(&error))
}

const COLUMNS: [Column; 8] = [
    Column::words("name"),
    Column::words("kind"),
    Column::number("size"),
    Column::words("mode"),
    Column::words("owner"),
    Column::words("creator"),
    Column::number("users"),
    Column::words("state"),
];

/// A row for each; nothing where there is none.
fn table(out: &mut impl Write, reports: &[SegmentReport]) -> io::Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = reports.iter().map(row).collect();
    columns::write(out, &COLUMNS, &rows, Page::of_terminal())
}

fn row(report: &SegmentReport) -> Vec<Cell> {
    let state = match report.state {
        "left-over" | "unfinished" => BAD,
        _ => Style::new(),
    };
    vec![
        Cell::styled(letters::printable(&report.name), STRONG),
        Cell::new(report.kind),
        Cell::new(rounded(report.payload_bytes)),
        Cell::new(report.mode.as_str()),
        Cell::new(user_name(report.user)),
        match report.kind {
            "journal" => Cell::nothing(),
            _ => Cell::new(report.creator_text()),
        },
        Cell::new(report.users.len().to_string()),
        Cell::styled(report.state, state),
    ]
}
