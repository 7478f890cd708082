//! The command `folio`, as a library: what its binary runs and its tests and fuzz targets reach.
//!
//! ```
//! use std::process::ExitCode;
//! assert_eq!(folio_cli::main(["folio", "map", "--color=never", "Cargo.toml"]), ExitCode::SUCCESS);
//! assert_eq!(folio_cli::main(["folio", "map", "no/such/file"]), ExitCode::from(1));
//! assert_eq!(folio_cli::main(["folio", "map", "--offset=x", "Cargo.toml"]), ExitCode::from(2));
//! ```
//!
//! From arguments to output:
//! 1. [`arguments`] is the one definition of what may be asked; [`generate`] makes completions and
//!    man pages of it.
//! 2. [`source`] opens what is to be mapped, and maps it; [`storesource`] does so for what the pager
//!    maps, as SOURCE's [`place`] and its first bytes say, and [`pagedmap`] goes on there.
//! 3. [`touch`] touches pages, through the copying view only, so that no page that cannot be had
//!    ends the program.
//! 4. [`report`] is all that was found out, and its JSON; [`table`] writes it for people, with
//!    [`hex`] and [`strip`]. [`raw`] writes bytes instead.
//! 5. [`run`] looks at a program ([`program`]), has its library ready ([`preload`]), and becomes the
//!    program ([`start`]).
//! 6. [`pack`] packs a file into one that appears when it is finished ([`newfile`]).
//! 7. [`shm`] shows, fills and drains segments and channels in /dev/shm.
//! 8. [`ipc`] measures ways between processes.
//! 9. [`ps`] shows what processes have mapped.
//! 10. [`cache`] shows, loads, evicts and locks what the page cache holds of files.
//! 11. [`faults`] watches the page faults of a program.
//! 12. [`top`] shows what processes have in memory, live.
//! 13. Names that others have given reach a terminal as [`letters`] only.
//! 14. A [`Failure`] is one line on standard error.
//!
//! Standard output carries the result and nothing else; [`progress`] and failures go to standard
//! error.

pub mod arguments;
pub mod cache;
mod columns;
pub mod failure;
pub mod faults;
pub mod generate;
pub mod hex;
pub mod ipc;
pub mod letters;
pub mod map;
mod namedadvice;
pub mod newfile;
pub mod outfile;
pub mod pack;
mod packarguments;
pub mod pagedmap;
pub mod pagedreport;
pub mod pagedtable;
mod pagingarguments;
pub mod place;
pub mod preload;
pub mod program;
pub mod progress;
pub mod ps;
pub mod raw;
pub mod report;
pub mod run;
mod runarguments;
pub mod shm;
pub mod signals;
pub mod size;
pub mod source;
pub mod start;
pub mod storesource;
pub mod strip;
pub mod table;
pub mod terminal;
pub mod top;
pub mod touch;
mod toucharguments;
pub mod waiting;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::Command;
pub use failure::Failure;

/// Does what the arguments say, the program's name first, and returns the exit status.
pub fn main<A>(arguments: impl IntoIterator<Item = A>) -> ExitCode
where
    A: Into<OsString> + Clone,
{
    let arguments = match arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to be told that help or a usage error could not be written.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match &arguments.command {
        Command::Map(map) => map::run(map, arguments.color),
        Command::Run(run) => run::run(run, arguments.color),
        Command::Pack(pack) => pack::run(pack, arguments.color),
        Command::Shm(shm) => shm::run(shm, arguments.color),
        Command::Ps(ps) => ps::run(ps, arguments.color),
        Command::Cache(cache) => cache::run(cache, arguments.color),
        Command::Faults(faults) => match faults::run(faults, arguments.color) {
            // That of the program.
            Ok(status) => return ExitCode::from(status),
            Err(failure) => Err(failure),
        },
        Command::Top(top) => top::run(top, arguments.color),
        Command::Compare(compare) => ipc::run(compare, arguments.color),
        Command::Completions { shell } => generate::completions(*shell),
        Command::Man { command } => generate::man(command.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(arguments.color);
            ExitCode::from(failure.status())
        }
    }
}
