//! The arguments of `folio ps`, a part of [`arguments`](crate::arguments).

use clap::{Args, ValueEnum};
use glob::Pattern;

use crate::ps::span::{self, AddressSpan};

/// What stands below the options in its help.
pub(crate) const PS_NOTES: &str = "\
Examples:
  folio ps                              all processes, the dearest first
  folio ps 4711                         what a process has mapped, by backing
  folio ps --list 'postgres*'           processes by name, and their total
  folio ps 4711 --each --dirty          its mappings with changed pages, one by one
  folio ps 4711 --file '*.so*'          libraries
  folio ps 4711 --at 0x7f12a0000000     what lies at an address
  folio ps 4711 --at 0x7f12a0000000 --frames   a mapping in physical memory (root)

Exit status:
  0  done; a row may say that its process has ended or is another user's
  1  a process that was named is not there or not to be read, or something else failed
  2  the arguments make no sense";

/// `folio ps`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Ps {
    /// A number, or a name: that of the process or of the file it executes; may be a glob
    ///
    /// A name with a slash is the path of the file.
    #[arg(value_name = "PID|NAME")]
    pub processes: Vec<String>,

    /// A row for each process, instead of its mappings
    #[arg(short, long, conflicts_with_all = MAPPING_OPTIONS)]
    pub list: bool,

    /// Mappings one by one, instead of by backing
    #[arg(short, long, help_heading = "Mappings", requires = "processes")]
    pub each: bool,

    /// Of files whose path matches; without a slash in GLOB, whose name does
    #[arg(short, long, value_name = "GLOB", help_heading = "Mappings", requires = "processes")]
    pub file: Option<Pattern>,

    /// With changed pages in memory
    #[arg(short, long, help_heading = "Mappings", requires = "processes")]
    pub dirty: bool,

    /// With huge pages in memory
    #[arg(long, help_heading = "Mappings", requires = "processes")]
    pub huge: bool,

    /// That may be written and executed both
    #[arg(short, long, help_heading = "Mappings", requires = "processes")]
    pub writable_exec: bool,

    /// An address, START-END or START+SIZE: which mapping, and how its pages are
    #[arg(long, value_name = "ADDRESS", value_parser = span::parse, help_heading = "Pages")]
    #[arg(requires = "processes", conflicts_with_all = ["each", "file", "dirty", "huge", "writable_exec"])]
    pub at: Option<AddressSpan>,

    /// How they lie in physical memory; with one ADDRESS, all of its mapping. For root
    #[arg(long, help_heading = "Pages", requires = "at")]
    pub frames: bool,

    /// What comes first [default: proportional]
    ///
    /// Sizes and counts, the largest first; pid, name and address, the smallest. What a row does not
    /// have decides nothing.
    #[arg(short, long, value_name = "KEY", conflicts_with = "at")]
    pub sort: Option<SortKey>,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: PsOutput,
}

/// Options that are about mappings.
const MAPPING_OPTIONS: [&str; 7] =
    ["each", "file", "dirty", "huge", "writable_exec", "at", "frames"];

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SortKey {
    /// Bytes in memory, each page divided by how often it is mapped
    #[default]
    Proportional,
    /// Bytes in memory
    Resident,
    /// Bytes mapped more than once
    Shared,
    /// Bytes mapped here only
    Private,
    /// Changed bytes
    Dirty,
    /// Bytes moved out to swap
    Swap,
    /// Bytes in huge pages
    Huge,
    /// Bytes of addresses
    Size,
    /// How many mappings
    Mappings,
    /// Faults since it started; of processes
    Faults,
    /// The process's number
    Pid,
    /// The name of the process, or of the backing
    Name,
    /// The first address; of mappings
    Address,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PsOutput {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}
