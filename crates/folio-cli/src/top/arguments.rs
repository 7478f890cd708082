//! The arguments of `folio top`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::shm::arguments::parse_interval;

pub(crate) const TOP_NOTES: &str = "\
Examples:
  folio top                           all processes, full screen; ? shows the keys
  folio top 'postgres*'               those of this name
  folio top -i 5s --sort major        by faults that wait for reads, each 5 seconds
  folio top --sort proportional       by the part of memory that each answers for
  folio top --plain -n 1              a table, once, without control of the screen
  folio top --output json | jq .name  a line for each process and interval

Exit status:
  0  done
  1  something failed; one line on standard error says what
  2  the arguments make no sense";

/// `folio top`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Top {
    /// Numbers, or names, as `folio ps` takes them; all processes by default
    ///
    /// A name may be a glob, or with a slash the path of the file; those that have it later are shown too.
    #[arg(value_name = "PID|NAME")]
    pub processes: Vec<String>,

    /// How long from one look to the next, such as 500ms or 5s
    #[arg(short, long, value_name = "TIME", value_parser = parse_interval, default_value = "1s")]
    pub interval: Duration,

    /// Stop after so many looks
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<u64>,

    /// What is at the top
    #[arg(long, value_name = "COLUMN", default_value = "resident")]
    pub sort: ProcessSort,

    /// Tables, one below the other, for screen readers and pipes
    ///
    /// Without a terminal this is so anyway.
    #[arg(long)]
    pub plain: bool,

    /// Rows of a plain table
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub rows: usize,

    /// text for people, json for programs: a line for each process and interval
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: TopOutput,
}

/// How `folio top` writes what it sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TopOutput {
    /// The full screen, or tables
    #[default]
    Text,
    /// JSON objects
    Json,
}

/// What processes are sorted by. Numbers begin with the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProcessSort {
    /// Bytes in memory
    #[default]
    Resident,
    /// The same, each page divided by how often it is mapped; what is not known comes last
    Proportional,
    /// Bytes that came to memory, or went, per second
    Growth,
    /// Bytes moved out to swap
    Swapped,
    /// Page faults that found their page in memory, per second
    Minor,
    /// Page faults that waited for a read, per second
    Major,
    /// The process's number
    Pid,
    /// The program's name
    Name,
}
