//! The mapped bytes themselves, written out through the copying view.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use folio::{Fault, Mapping};

use crate::arguments::Map;
use crate::failure::Failure;

const BUFFER_BYTES: usize = 2 << 20;

/// Writes all bytes of a mapping, counting them in `done`. Those before a fault are written.
///
/// # Errors
/// The fault, or what the writer fails with; a reader that has had enough is no failure.
pub fn write(
    map: &Mapping,
    arguments: &Map,
    out: &mut impl Write,
    done: &AtomicU64,
) -> Result<(), Failure> {
    let mut buffer = vec![0; map.len().min(BUFFER_BYTES)];
    let mut at = 0;
    while at < map.len() {
        let count = buffer.len().min(map.len() - at);
        let read = map.read_at(at, &mut buffer[..count]);
        let ready = match &read {
            Ok(()) => count,
            Err(error) => error.fault().map_or(0, Fault::transferred),
        };
        if let Err(error) = out.write_all(&buffer[..ready]) {
            return Failure::of_output(&error);
        }
        read.map_err(|error| Failure::of(&error, arguments))?;
        at += count;
        done.store(at as u64, Ordering::Relaxed);
    }
    out.flush().or_else(|error: io::Error| Failure::of_output(&error))
}
