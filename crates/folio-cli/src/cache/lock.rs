//! Locking: files in mappings that are locked (mlock(2)), until a signal says it is enough.
//!
//! The mappings are never touched: a file that shrinks takes its pages out of them, and nothing else
//! happens. What a file grows by later is not locked.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use folio::{Lock as When, Mapping};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::ledger::Counted;
use super::look::Look;
use super::walk::{Entry, Refusal};
use crate::failure::{Failure, words};
use crate::size::rounded;

/// How often a file is tried that cannot be locked though it is as long as it was.
const TRIES: u32 = 100;

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
            match lock(entry, part.offset_bytes, part.length_bytes) {
                Ok(mapping) => {
                    self.mappings.lock().unwrap_or_else(PoisonError::into_inner).push(mapping);
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

fn lock(entry: &Entry<'_>, offset: u64, length: u64) -> folio::Result<Mapping> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mapping = Mapping::options().offset(offset).len(length).map(&entry.file)?;
    mapping.lock(.., When::Now)?;
    Ok(mapping)
}

fn failure(path: &Path, error: &folio::Error) -> Failure {
    let errno = error.raw_os_error().unwrap_or_default();
    let reason = words(&io::Error::from_raw_os_error(errno));
    let way_out = match error.operation() {
        "lock" => "raise the limit of locked memory (ulimit -l), or lock less (--range)",
        _ if errno == libc::ENOMEM => "raise vm.max_map_count, or lock fewer files",
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
