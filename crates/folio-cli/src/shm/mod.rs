//! `folio shm`: segments and channels in /dev/shm, from a shell.
//!
//! ```
//! use std::process::ExitCode;
//! # let name = &format!("folio-doc-shm-{}", std::process::id());
//! let done = |line: &[&str]| folio_cli::main([&["folio", "shm"], line].concat()) == ExitCode::SUCCESS;
//! assert!(done(&["create", name, "--queue"]));
//! assert!(done(&["send", name, "hello"]));
//! assert!(done(&["recv", name]));
//! assert!(done(&["rm", name]));
//! ```
//!
//! [`arguments`] is what may be asked. Each command [`find`]s what has the name, and says what fails in
//! the command's words; [`report`] is what is known of a segment, with its [`users`]; [`ls`] and
//! [`stat`] write it, in [`columns`]. [`watch`] takes one [`sample`] after the other; of a journal it
//! keeps a [`tally`]. [`payload`] moves the bytes of a segment, [`message`] those of messages, which
//! [`send`] and [`receive`] pass on, the latter from an [`inlet`]. A [`journal`] has a path instead of a name.

pub mod arguments;
pub mod columns;
pub mod create;
pub mod find;
pub mod inlet;
pub mod journal;
pub mod ls;
pub mod message;
pub mod payload;
pub mod receive;
pub mod report;
pub mod sample;
pub mod send;
pub mod stat;
pub mod tally;
pub mod users;
pub mod watch;

use clap::ColorChoice;

use crate::failure::Failure;
use arguments::{Shm, ShmCommand};

/// Does what was asked, and writes the result to standard output.
///
/// # Errors
/// What failed.
pub fn run(arguments: &Shm, color: ColorChoice) -> Result<(), Failure> {
    match &arguments.command {
        ShmCommand::Ls(ls) => ls::run(ls, color),
        ShmCommand::Stat(stat) => stat::run(stat, color),
        ShmCommand::Create(create) => create::run(create),
        ShmCommand::Cat(cat) => payload::cat(cat, color),
        ShmCommand::Write(write) => payload::write(write),
        ShmCommand::Send(send) => send::run(send),
        ShmCommand::Recv(receive) => receive::recv(receive, color),
        ShmCommand::Tail(tail) => receive::tail(tail, color),
        ShmCommand::Watch(watch) => watch::run(watch, color),
        ShmCommand::Rm(rm) => ls::remove(rm),
        ShmCommand::Gc(gc) => ls::gc(gc, color),
    }
}
