//! `folio top`: what processes have in memory, and their page faults, as they change.
//!
//! 1. A [`sampler`] looks, each thing at its [`pace`], and makes a [`snapshot`]: of the [`machine`], of
//!    processes (`known`) with their [`history`], of the one that is open (`reading`), and of one mapping
//!    of it (`mapped`) with its [`heat`]. In full screen it does so on a thread of its own ([`sampling`]).
//! 2. What the terminal tells is an [`event`], which makes a new [`state`] of the last one: which [`list`],
//!    how to [`sort`] it, what is chosen.
//! 3. [`draw`] makes a picture of snapshot and state: [`layout`], [`columns`], [`head`], [`rows`], [`pages`],
//!    [`help`], written with a [`pen`] in few [`style`]s.
//! 4. The [`screen`] shows it, and is as it was when the command ends or is stopped; [`live`] is the loop
//!    around all of it. [`plain`] writes tables or JSON instead.

pub mod arguments;
pub mod columns;
pub mod draw;
pub mod event;
pub mod head;
pub mod heat;
pub mod help;
pub mod history;
mod known;
pub mod layout;
pub mod list;
pub mod live;
pub mod machine;
mod mapped;
pub mod pace;
pub mod pages;
pub mod pen;
pub mod plain;
mod reading;
pub mod rows;
pub mod sampler;
pub mod sampling;
pub mod screen;
pub mod snapshot;
pub mod sort;
pub mod state;
pub mod style;

use std::io::{IsTerminal, stdin, stdout};

use clap::ColorChoice;
use folio_stat::Process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;
use crate::ps::wanted::Wanted;
use crate::terminal;
use arguments::{Top, TopOutput};
use sampler::Sampler;
use state::Look;

/// Shows processes until it is to end.
///
/// # Errors
/// That a process does not exist, that /proc shows none, that the terminal fails.
pub fn run(arguments: &Top, color: ColorChoice) -> Result<(), Failure> {
    let parse = |text: &String| Wanted::parse(text);
    let wanted: Vec<Wanted> = arguments.processes.iter().map(parse).collect::<Result<_, _>>()?;
    for wanted in &wanted {
        if let Wanted::Pid(pid) = *wanted
            && Process::of(pid)?.status()?.is_kernel_thread
        {
            return Err(Failure::new(format!(
                "process {pid} is a kernel thread, which has no memory of its own: name another"
            )));
        }
    }
    // Each process that is known is an open descriptor.
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current != limit.maximum {
        // Where that is refused, processes are left out.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    let sampler = Sampler::new(wanted, arguments.interval);
    let is_full_screen = !arguments.plain
        && arguments.output == TopOutput::Text
        && stdin().is_terminal()
        && stdout().is_terminal()
        && terminal::can_move();
    match is_full_screen {
        true => live::run(sampler, arguments, look(color)),
        false => plain::run(sampler, arguments, color),
    }
}

fn look(color: ColorChoice) -> Look {
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    Look { color, unicode: terminal::is_unicode() }
}
