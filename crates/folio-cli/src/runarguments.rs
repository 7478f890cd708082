//! The arguments of `folio run`, a part of [`arguments`](crate::arguments).

use std::ffi::OsString;

use clap::{Args, ValueEnum, ValueHint};

/// What stands below the options in its help.
pub(crate) const RUN_NOTES: &str = "\
Examples:
  folio run rg --mmap needle big.log              zeros for what is truncated
  folio run --on-fault stop sqlite3 app.db .dump  a message, and exit status 1

What cannot be covered:
  static programs, those of another C library or processor, set-user-ID
  programs, and programs that handle signals without the C library; folio says
  so and does not start them. Neither can children that are such programs, or
  that are started with another environment.

Exit status:
  that of COMMAND, or
  1    COMMAND met a fault, with --on-fault stop
  2    the arguments make no sense
  125  folio itself failed
  126  COMMAND cannot be run, or cannot be covered
  127  COMMAND was not found";

/// What is done about a page that cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnFault {
    /// It reads as zeros, and a line on standard error says so
    #[default]
    Zeros,
    /// A line on standard error, and the program ends with exit status 1
    Stop,
}

/// `folio run`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Run {
    /// What is done about a page that cannot be had
    #[arg(long, value_name = "RESPONSE", default_value = "zeros")]
    pub on_fault: OnFault,

    /// Run COMMAND even if it cannot be covered, with a warning
    #[arg(long)]
    pub anyway: bool,

    /// A program, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}
