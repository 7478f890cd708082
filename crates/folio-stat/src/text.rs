//! The texts of `/proc/PID`, from anywhere: a file that was saved, or came from another machine.
//!
//! ```
//! let saved = std::fs::read("/proc/self/smaps").unwrap();
//! let costs = folio_stat::text::smaps(&saved)?;
//! assert!(costs.iter().any(|costs| costs.resident_bytes > 0));
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! No bytes make these panic. Page sizes are taken to be this machine's where the text does not say.

use crate::costs::Costs;
use crate::error::{Error, ErrorKind, Result};
use crate::smaps::{self, ReadError};
use crate::span::Span;
use crate::status::Status;

const OPERATION: &str = "read the text";

/// What each mapping costs, from `/proc/PID/smaps`; from `/proc/PID/maps`, which has no figures, all costs
/// are 0.
///
/// # Errors
///
/// [`ErrorKind::Malformed`], with the line.
pub fn smaps(text: &[u8]) -> Result<Vec<Costs>> {
    let all = Span::new(0, usize::MAX).expect("0 is first");
    smaps::read(text, all, rustix::param::page_size()).map_err(|error| match error {
        ReadError::Io(error) => Error::os(OPERATION, "smaps", &error),
        ReadError::Malformed(line) => {
            malformed("smaps").detail(format!("it has the line {line:?}"))
        }
    })
}

/// What all mappings cost together, from `/proc/PID/smaps_rollup`. `mapped_bytes`, which it does not
/// have, is 0.
///
/// # Errors
///
/// [`ErrorKind::Malformed`].
pub fn smaps_rollup(text: &[u8]) -> Result<Costs> {
    smaps::rollup(text).ok_or_else(|| malformed("smaps_rollup"))
}

/// What everybody may know of a process, from `/proc/PID/stat` and `/proc/PID/status`.
///
/// # Errors
///
/// [`ErrorKind::Malformed`].
pub fn status(stat: &[u8], status: &[u8]) -> Result<Status> {
    Status::parse(stat, status).ok_or_else(|| malformed("stat and status"))
}

fn malformed(thing: &str) -> Error {
    Error::new(ErrorKind::Malformed, OPERATION, thing)
}
