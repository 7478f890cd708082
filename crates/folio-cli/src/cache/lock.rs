//! Locking: files in mappings that are locked (mlock(2)), until a signal says it is enough.
//!
//! Data is locked, and holes are not: they would be filled with zeros, and reading them waits for no disk.
//! So a part of a file with data close together is mapped, locked as it is touched (MLOCK_ONFAULT), and its
//! data loaded and populated.
//!
//! No byte of the mappings is looked at: a file that shrinks takes its pages out of them, and nothing else
//! happens. What a file grows by later is not locked.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use folio::{Lock as When, Mapping};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use rustix::fs::{Advice, fadvise};

use super::data;
use super::ledger::Counted;
use super::load::{Loader, reason_of_loading};
use super::look::Look;
use super::walk::{Entry, Refusal};
use crate::failure::{Failure, words};
use crate::size::rounded;

/// How often a file is tried that cannot be locked though it is as long as it was.
const TRIES: u32 = 100;

/// Bytes of a hole that no mapping reaches over: it would count against the limit of what may be locked. A
/// smaller one costs less than a mapping more.
const GAP_BYTES: u64 = 1 << 20;

/// What is locked.
#[derive(Debug)]
pub struct Lock {
    look: Look,
    mappings: Mutex<Vec<Mapping>>,
}

impl Lock {
    /// Nothing so far.
    pub fn new(look: Look) -> Self {
        Self { look, mappings: Mutex::default() }
    }

    /// Loads a file and locks it.
    ///
    /// # Errors
    /// That it is left out, and that a limit is reached, which ends it all.
    pub fn file(&self, entry: &Entry<'_>) -> Result<Option<Counted>, Refusal> {
        let mut part = self.look.count(&entry.file)?;
        let mut tries = 0;
        while part.length_bytes > 0 {
            let range = part.offset_bytes..part.offset_bytes + part.length_bytes;
            let locked = lock(&entry.file, range.clone());
            if locked.is_ok() {
                load(&entry.file, range)
                    .map_err(|error| Refusal::LeftOut(reason_of_loading(&error)))?;
            }
            match locked.and_then(|parts| populate(&entry.file, parts)) {
                Ok(mappings) => {
                    self.mappings.lock().unwrap_or_else(PoisonError::into_inner).extend(mappings);
                    break;
                }
                Err(error) => {
                    let now = self.look.count(&entry.file)?;
                    tries += 1;
                    // It may have shrunk meanwhile, and grown again.
                    if now.length_bytes >= part.length_bytes && tries >= TRIES {
                        return Err(Refusal::Stop(failure(&entry.path(), &error)));
                    }
                    // As much as there is.
                    part = now;
                }
            }
        }
        self.look.at(entry).map(Some)
    }

    /// Says that all is locked, and keeps it until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// That signals cannot be caught, or the service manager not be told.
    pub fn hold(self, locked_bytes: u64) -> Result<(), Failure> {
        let mut signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Failure::new(format!("cannot catch signals: {}", words(&error))))?;
        notify(&format!("READY=1\nSTATUS={} locked\n", rounded(locked_bytes)))?;
        signals.forever().next();
        notify("STOPPING=1\n")
    }
}

/// Maps the parts of a range that have data, so that what is touched of them is locked.
fn lock(file: &File, range: Range<u64>) -> folio::Result<Vec<(Range<u64>, Mapping)>> {
    let parts = data::joined(data::parts(file, range), GAP_BYTES);
    let lock = |part: Range<u64>| {
        let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        let mapping = Mapping::options().offset(part.start).len(length).map(file)?;
        mapping.lock(.., When::OnFault)?;
        Ok((part, mapping))
    };
    parts.map(lock).collect()
}

/// Loads the data of a range: faster than page faults would, and nothing around it.
fn load(file: &File, range: Range<u64>) -> io::Result<()> {
    let bytes: u64 = data::parts(file, range.clone()).map(|data| data.end - data.start).sum();
    if bytes < range.end - range.start {
        let _ = fadvise(file, 0, None, Advice::Random);
    }
    let mut loader = Loader::new();
    data::parts(file, range).try_for_each(|data| loader.load(file, data, |_| {}))
}

/// Touches the data of mappings, and nothing else of them.
fn populate(file: &File, parts: Vec<(Range<u64>, Mapping)>) -> folio::Result<Vec<Mapping>> {
    let populate = |(part, mapping): (Range<u64>, Mapping)| {
        for data in data::parts(file, part.clone()) {
            let position = |offset| (offset - part.start) as usize;
            mapping.populate(position(data.start)..position(data.end))?;
        }
        Ok(mapping)
    };
    parts.into_iter().map(populate).collect()
}

fn failure(path: &Path, error: &folio::Error) -> Failure {
    let Some(errno) = error.raw_os_error() else { return Failure::new(error.to_string()) };
    let reason = words(&io::Error::from_raw_os_error(errno));
    let way_out = match error.operation() {
        "lock" => "raise the limit of locked memory (ulimit -l), or lock less (--range)",
        "map" if errno == libc::ENOMEM => "raise vm.max_map_count, or lock fewer files",
        _ => "lock other files",
    };
    Failure::new(format!("cannot {} {}: {reason}: {way_out}", error.operation(), path.display()))
}

/// Tells the service manager, if there is one (sd_notify(3)).
fn notify(state: &str) -> Result<(), Failure> {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
        return Ok(());
    };
    let send = || {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&socket)?,
        };
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)
    };
    send().map(drop).map_err(|error| {
        let (socket, reason) = (Path::new(&socket).display(), words(&error));
        Failure::new(format!("cannot tell {socket} (NOTIFY_SOCKET): {reason}: unset it"))
    })
}
