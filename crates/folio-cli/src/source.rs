//! The source of a mapping: a path, a file on standard input, or memory.

use folio::{Lock, MapOptions, Mapping};
use rustix::fs::FileType;

use crate::arguments::{self, Map};
use crate::failure::Failure;

/// Maps what the arguments name, as they say. Populating and advice come later: they may meet a
/// fault, and there is a mapping to report on then.
///
/// # Errors
/// What the library fails with, with the option that helps.
pub fn map(arguments: &Map) -> Result<Mapping, Failure> {
    let options = options(arguments);
    let fail = |error| Failure::of(&error, arguments);
    if arguments.anonymous {
        let length = arguments.memory_length().map_err(|error| Failure::new(error.to_string()))?;
        // A name keeps the kernel from joining it with a neighbour.
        return options.name("folio map").anonymous(length).map_err(fail);
    }
    if arguments.is_standard_input() {
        return standard_input(arguments, &options);
    }
    if arguments.source.is_dir() {
        let source = arguments.source.display();
        return Err(Failure::new(format!(
            "cannot map {source}: it is a directory: name a file in it"
        )));
    }
    options.keep_file().open(&arguments.source).map_err(fail)
}

fn standard_input(arguments: &Map, options: &MapOptions) -> Result<Mapping, Failure> {
    let input = rustix::stdio::stdin();
    let fail = |reason: &str| {
        Failure::new(format!(
            "cannot map standard input: {reason}: redirect a file into it (folio map - < FILE)"
        ))
    };
    let stat = rustix::fs::fstat(input).map_err(|_| fail("it is closed"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => Err(fail("it is a pipe")),
        FileType::Socket => Err(fail("it is a socket")),
        FileType::Directory => Err(fail("it is a directory")),
        _ => {
            let mapped = options.clone().keep_file().map(input);
            mapped.map_err(|error| Failure::of(&error, arguments))
        }
    }
}

fn options(arguments: &Map) -> MapOptions {
    let mut options = Mapping::options().protection(arguments.protection());
    options = if arguments.is_private() { options.private() } else { options.shared() };
    if let Some(offset) = arguments.offset {
        options = options.offset(offset);
    }
    if let Some(length) = arguments.length {
        options = options.len(length);
    }
    if let Some(address) = arguments.near {
        options = options.near(address);
    }
    if let Some(size) = arguments.huge {
        options = if arguments.or_base {
            options.huge_pages_or_base(size)
        } else {
            options.huge_pages(size)
        };
    }
    if let Some(lock) = arguments.lock {
        options = options.lock(match lock {
            arguments::Lock::Now => Lock::Now,
            arguments::Lock::OnFault => Lock::OnFault,
        });
    }
    let set = |wanted, set: fn(MapOptions) -> MapOptions, options| {
        if wanted { set(options) } else { options }
    };
    options = set(arguments.beyond_end, MapOptions::beyond_end, options);
    options = set(arguments.no_reserve, MapOptions::no_reserve, options);
    options = set(arguments.sync, MapOptions::sync, options);
    options = set(arguments.droppable, MapOptions::droppable, options);
    set(arguments.transparent_huge, MapOptions::transparent_huge_pages, options)
}
