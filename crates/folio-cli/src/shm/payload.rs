//! `folio shm cat` and `write`: the payload of a segment, out and in.

use std::io::{self, Read, Write as _};

use clap::ColorChoice;
use folio_shm::{Found, Segment, SegmentOptions};

use crate::failure::{Failure, words};
use crate::shm::arguments::{Cat, MessageOutput, OpenChannel, Receive, Tail, Write};
use crate::shm::find::{failure, find, find_bytes, trusting_anybody};
use crate::shm::{journal, receive};
use crate::size::grouped;
use crate::terminal;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes the payload to standard output.
///
/// # Errors
/// What cannot be opened or read, or that standard output could not be written.
pub fn cat(arguments: &Cat, color: ColorChoice) -> Result<(), Failure> {
    if journal::directory(&arguments.name).is_some() {
        return messages(arguments, color);
    }
    if arguments.from.is_some() {
        let name = &arguments.name;
        return Err(Failure::new(format!(
            "cannot read {name}: it is no journal's path: choose --offset and --length"
        )));
    }
    // Whatever it is: its bytes are copied, and nothing is believed.
    let found = find(&arguments.name)?;
    let options = trusting_anybody(Segment::options().read_only());
    let segment = open(options, &found)?;
    let (len, start) = (segment.len(), arguments.offset);
    let rest = len.checked_sub(start).ok_or_else(|| {
        let path = found.path().display();
        let (start, len) = (grouped(start as u64), grouped(len as u64));
        Failure::new(format!(
            "cannot read {path}: offset {start} is behind its {len} bytes: choose a smaller --offset"
        ))
    })?;
    let end = start + arguments.length.unwrap_or(rest).min(rest);
    let mut buffer = vec![0; BUFFER_BYTES.min(end - start)];
    let mut out = match terminal::standard_output_file() {
        Ok(out) => out,
        Err(error) => return Failure::of_output(&error),
    };
    let mut at = start;
    while at < end {
        let part = &mut buffer[..BUFFER_BYTES.min(end - at)];
        segment.read_at(at, part).map_err(|error| failure(&error))?;
        if let Err(error) = out.write_all(part) {
            return Failure::of_output(&error);
        }
        at += part.len();
    }
    Ok(())
}

/// Writes the messages of a journal to standard output, as `tail` does.
fn messages(arguments: &Cat, color: ColorChoice) -> Result<(), Failure> {
    let name = arguments.name.clone();
    if arguments.offset != 0 || arguments.length.is_some() {
        return Err(Failure::new(format!(
            "cannot read {name}: it is a journal's path, and journals have messages: choose --from"
        )));
    }
    let from = arguments.from;
    let channel = OpenChannel { name, timeout: None, layout: None, anybody: false };
    let output = MessageOutput::Text;
    let receive = Receive { channel, count: None, follow: false, raw: false, output };
    receive::tail(&Tail { receive, from }, color)
}

/// Writes standard input to the payload, piece by piece as it comes.
///
/// # Errors
/// What cannot be opened or written, that standard input is longer than the rest of the payload, and
/// that it cannot be read. What came before that is written.
pub fn write(arguments: &Write) -> Result<(), Failure> {
    let found = find_bytes(&arguments.name, "write to")?;
    let options = Segment::options();
    let segment =
        open(if arguments.anybody { trusting_anybody(options) } else { options }, &found)?;
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = arguments.offset;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let words = words(&error);
                return Err(Failure::new(format!("cannot read standard input: {words}")));
            }
        };
        let end = at.saturating_add(count);
        if end > segment.len() {
            if end > segment.capacity() {
                let (path, most) = (found.path().display(), grouped(segment.capacity() as u64));
                return Err(Failure::new(format!(
                    "cannot write to {path}: standard input goes beyond its {most} bytes: write less, \
                     or make it larger (folio shm create --size, --grow)"
                )));
            }
            segment.grow(end).map_err(|error| failure(&error))?;
        }
        segment.write_at(at, &buffer[..count]).map_err(|error| failure(&error))?;
        at = end;
    }
}

/// Opens what was found, whatever its layout.
fn open(options: SegmentOptions, found: &Found) -> Result<Segment, Failure> {
    let options = options.layout(found.layout().unwrap_or(0));
    options.open(&found.name()).map_err(|error| failure(&error))
}
