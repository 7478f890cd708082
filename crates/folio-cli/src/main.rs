//! The command `folio`.

use std::process::ExitCode;

fn main() -> ExitCode {
    folio_cli::main(std::env::args_os())
}
