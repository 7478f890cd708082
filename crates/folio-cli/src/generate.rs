//! Shell completions and man pages, out of [`crate::arguments`].

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::terminal;

/// Writes a shell's completion script to standard output.
///
/// # Errors
/// That standard output could not be written.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "folio", &mut script);
    print(&script)
}

/// Commands that have a man page, as `folio man` takes them.
pub(crate) const COMMANDS: &[&str] = &[
    "map",
    "run",
    "pack",
    "shm",
    "shm-ls",
    "shm-stat",
    "shm-create",
    "shm-cat",
    "shm-write",
    "shm-send",
    "shm-recv",
    "shm-tail",
    "shm-watch",
    "shm-rm",
    "shm-gc",
    "ps",
    "cache",
    "faults",
    "top",
    "compare",
    "compare-ipc",
    "completions",
    "man",
];

/// Writes a man page to standard output: folio(1), or that of a command, such as folio-map(1).
///
/// # Errors
/// That standard output could not be written.
pub fn man(command: Option<&str>) -> Result<(), Failure> {
    let mut folio = Arguments::command().disable_help_subcommand(true);
    folio.build();
    let page = match command {
        None => folio,
        Some(name) => name
            .split('-')
            .try_fold(&folio, |command, name| command.find_subcommand(name))
            .ok_or_else(|| Failure::new(format!("cannot print a man page: no command {name}")))?
            .clone(),
    };
    let mut text = Vec::new();
    write_page(&page, &mut text)
        .map_err(|error| Failure::new(format!("cannot print a man page: {error}")))?;
    print(&text)
}

/// The sections of the man page: clap_mangen's, but for a synopsis as short as the help's, and
/// the parts of the text behind the help as sections of their own.
fn write_page(page: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(page.clone()).source(concat!("folio ", env!("CARGO_PKG_VERSION")));
    man.render_title(out)?;
    man.render_name_section(out)?;
    let usage = page.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    writeln!(out, ".SH SYNOPSIS\n{}", escape(usage))?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if page.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    let behind = page.get_after_help().map(ToString::to_string).unwrap_or_default();
    for section in behind.split("\n\n") {
        if let Some((title, lines)) = section.split_once(":\n") {
            writeln!(out, ".SH \"{}\"\n.nf", title.to_uppercase())?;
            for line in lines.lines() {
                writeln!(out, "{}", escape(line.strip_prefix("  ").unwrap_or(line)))?;
            }
            writeln!(out, ".fi")?;
        }
    }
    Ok(())
}

/// A line of text as roff(7) reads it. It begins with no full stop or apostrophe.
fn escape(line: &str) -> String {
    line.replace('\\', r"\e").replace('-', r"\-")
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let written = terminal::standard_output_file().and_then(|mut out| out.write_all(text));
    written.or_else(|error| Failure::of_output(&error))
}
