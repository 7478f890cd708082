//! A failure: one line that names the thing and, where it is known, the way out.

use std::fmt;
use std::io::{self, Write};

use clap::ColorChoice;
use folio::{ErrorKind, FaultKind};

use crate::terminal::{self, BAD};

const GIVE_ONE: &str = "no length of its own: give one";
const GIVE_LENGTH: &str = "no length of its own: give one with --length";

/// Why the command could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure in one's own words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Writes it to standard error.
    pub fn print(&self, color: ColorChoice) {
        // Nobody is left to be told.
        let _ = writeln!(terminal::standard_error(color), "{BAD}folio{BAD:#}: {self}");
    }

    /// That standard output could not be written; `Ok` if its reader has had enough.
    ///
    /// # Errors
    /// The failure.
    pub fn of_output(error: &io::Error) -> Result<(), Self> {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Ok(());
        }
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        let way_out = match error.kind() {
            io::ErrorKind::StorageFull => "free some space, or write it elsewhere",
            _ => "write it elsewhere",
        };
        Err(Self(format!("cannot write to standard output: {words}: {way_out}")))
    }
}

impl fmt::Display for Failure {
    /// On one line, whatever a file is called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&terminal::printable(&self.0))
    }
}

impl std::error::Error for Failure {}

impl From<folio::Error> for Failure {
    fn from(error: folio::Error) -> Self {
        let text = error.to_string();
        // The library speaks of its methods, the command of its options.
        for (method, option) in [("(beyond_end)", "(--beyond-end)"), (GIVE_ONE, GIVE_LENGTH)] {
            if let Some(start) = text.strip_suffix(method) {
                return Self(format!("{start}{option}"));
            }
        }
        match way_out(&error) {
            Some(way_out) => Self(format!("{text}: {way_out}")),
            None => Self(text),
        }
    }
}

impl From<folio_stat::Error> for Failure {
    fn from(error: folio_stat::Error) -> Self {
        Self(error.to_string())
    }
}

/// What the library cannot know: which option helps.
fn way_out(error: &folio::Error) -> Option<&'static str> {
    const ENOENT: i32 = 2;
    const EISDIR: i32 = 21;

    if let Some(fault) = error.fault() {
        return Some(match fault.kind() {
            FaultKind::Truncated => "map it again, or only what it has (--length)",
            FaultKind::Io => "the kernel's log says more (dmesg)",
            FaultKind::NoSpace => "free some, or map less (--length)",
            FaultKind::Poison => "replace the memory; the kernel's log says more (dmesg)",
            FaultKind::Protection => {
                "map it with --protection r, or do without --touch and --bytes"
            }
            _ => "map it again",
        });
    }
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::Os, Some(ENOENT)) => Some("check the path; for memory add --anonymous"),
        (ErrorKind::Os, Some(EISDIR)) => Some("name a file in it"),
        (ErrorKind::BeyondEnd, ..) => Some("choose a smaller --offset"),
        _ => None,
    }
}
