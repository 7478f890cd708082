//! The arguments of `folio compare`, a part of [`arguments`](crate::arguments).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// What stands below the options in its help.
pub(crate) const IPC_NOTES: &str = "\
Examples:
  folio compare ipc                             some 20 seconds
  folio compare ipc --quick                     a first impression
  folio compare ipc --output json --svg ipc.svg

Exit status:
  0  done
  1  something failed; one line on standard error says what
  2  the arguments make no sense";

/// `folio compare`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Compare {
    /// What is to be compared.
    #[command(subcommand)]
    pub command: CompareCommand,
}

/// What `folio compare` compares.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CompareCommand {
    /// Ways between two processes: folio's queue, pipe, message queue, System V, Unix sockets
    ///
    /// Starts itself as the other process, and measures how long a message takes there and back, and how
    /// many go one way, at 64 bytes, 4 KiB and 1 MiB. All payload is written by the sender and verified by
    /// the receiver. Figures are medians of several rounds, in which the ways have their turns.
    #[command(after_help = IPC_NOTES)]
    Ipc(Ipc),
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CompareOutput {
    /// Tables for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// `folio compare ipc`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Ipc {
    /// Fewer and shorter rounds: figures that are less steady
    #[arg(short, long)]
    pub quick: bool,

    /// Let the scheduler choose where the processes run, and not keep each on a processor of its own
    #[arg(long)]
    pub anywhere: bool,

    /// Draw the figures into this file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: CompareOutput,
}
