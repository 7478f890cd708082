//! The arguments of `folio faults`, a part of [`arguments`](crate::arguments).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use crate::shm::arguments::parse_interval;

/// What stands below the options in its help.
pub(crate) const FAULTS_NOTES: &str = "\
Examples:
  folio faults -- sqlite3 app.db .dump          what made it wait, and what helps
  folio faults --heat --pid 4711                a running process, until Ctrl-C
  folio faults --svg heat.svg -o faults.txt -- make
  folio faults --folded out.folded -- prog; inferno-flamegraph out.folded > flame.svg

What it takes:
  kernel.perf_event_paranoid of 2 or less for one's own programs. With 2, page
  faults within system calls are not seen; root sees them. Call chains follow
  frame pointers: build with -fno-omit-frame-pointer, or, in Rust, with
  -C force-frame-pointers.

Exit status:
  that of COMMAND, or 128 and the number of the signal that ended it; or
  1    something failed; one line on standard error says what
  2    the arguments make no sense
  126  COMMAND cannot be run
  127  COMMAND was not found
  without COMMAND, 0 when it is done";

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FaultsOutput {
    /// Tables for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// `folio faults`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("watched").required(true))]
pub struct Faults {
    /// Watch a process that runs, until it ends, --for is over, or Ctrl-C
    #[arg(short, long, value_name = "PID", group = "watched", value_parser = parse_pid)]
    pub pid: Option<u32>,

    /// With --pid, watch no longer than this, such as 500ms, 10s or 2m
    ///
    /// For a COMMAND there is timeout(1): folio faults -- timeout 10s COMMAND.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_interval)]
    #[arg(requires = "pid", conflicts_with = "command")]
    pub duration: Option<Duration>,

    /// Show where in each file page faults were taken, and when
    #[arg(long)]
    pub heat: bool,

    /// Draw that into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,

    /// Write call chains into this file, for flame graphs: a line for each, with page faults
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub folded: Option<PathBuf>,

    /// Let the lines of --folded count microseconds that threads stood still, not page faults
    #[arg(long, requires = "folded")]
    pub folded_by_time: bool,

    /// Frames of a call chain, at most; 0 for none [default: 32]
    #[arg(long, value_name = "N", default_value = "32", hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..=127))]
    pub frames: u16,

    /// Files shown, at most
    #[arg(long, value_name = "N", default_value = "15")]
    pub top: usize,

    /// Write the report to this file [default: standard error with COMMAND, else standard output]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub to: Option<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: FaultsOutput,

    /// A program, and its arguments
    #[arg(group = "watched", trailing_var_arg = true, value_name = "COMMAND")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

fn parse_pid(text: &str) -> Result<u32, &'static str> {
    let pid = text.parse().ok().filter(|&pid| pid > 0);
    pid.ok_or("a process is named by its number here: folio ps --list NAME shows it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Command, parse};

    fn faults(line: &str) -> Option<Faults> {
        let words = ["folio", "faults"].into_iter().chain(line.split_whitespace());
        match parse(words).ok()?.command {
            Command::Faults(faults) => Some(faults),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let faults = faults("--heat ls --svg x").unwrap();
        assert_eq!((faults.heat, faults.svg), (true, None));
        assert_eq!(faults.command, ["ls", "--svg", "x"]);
    }

    #[test]
    fn requests_that_make_no_sense_are_usage_errors() {
        for line in [
            "",
            "--pid 1 ls",
            "--pid 0",
            "--pid name",
            "--for 1s",
            "--for 1s ls",
            "--pid 1 --for 0s",
            "--pid 1 --for 1y",
            "--folded-by-time ls",
            "--frames 128 ls",
        ] {
            assert!(faults(line).is_none(), "{line}");
        }
        assert_eq!(faults("--pid 1 --for 90s").unwrap().duration, Some(Duration::from_secs(90)));
    }
}
