//! Shell completions and man pages, out of [`crate::arguments`].

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

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

/// Writes a man page to standard output: folio(1), or that of a command, such as folio-map(1).
///
/// # Errors
/// That standard output could not be written.
pub fn man(command: Option<&str>) -> Result<(), Failure> {
    let mut folio = Arguments::command().disable_help_subcommand(true);
    folio.build();
    let page = match command {
        None => folio,
        Some(name) => folio
            .find_subcommand(name)
            .ok_or_else(|| Failure::new(format!("cannot print a man page: no command {name}")))?
            .clone(),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::new(format!("cannot print a man page: {error}")))?;
    print(&text)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let written = terminal::standard_output_file().and_then(|mut out| out.write_all(text));
    written.or_else(|error| Failure::of_output(&error))
}
