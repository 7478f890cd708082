//! What went wrong: the operation, the thing it was done to, the errno and the way out.
//!
//! ```
//! use folio_stat::{ErrorKind, Process};
//!
//! let error = Process::of(u32::MAX).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::ProcessGone);
//! assert!(error.to_string().contains("4294967295"));
//! ```

use std::fmt;
use std::io;

/// The kinds of [`Error`] that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such process, or it ended while it was read. A zombie counts as ended: its
    /// memory is gone.
    ProcessGone,
    /// The kernel refuses: another user's process, or a file that is not ours to inspect.
    PermissionDenied,
    /// The kernel, the file system or the kind of file lacks what was asked for.
    Unsupported,
    /// The range ends before it starts, overflows, or leaves the address space or the file's
    /// largest size.
    InvalidRange,
    /// The kernel's text did not parse.
    Malformed,
    /// Any other error of a system call; [`Error::errno`] says which.
    Io,
}

/// An error of this crate.
///
/// Its text reads "cannot OPERATION of THING: REASON; ADVICE".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    thing: String,
    errno: Option<i32>,
    detail: Option<String>,
    advice: Option<&'static str>,
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str, thing: impl Into<String>) -> Self {
        Self { kind, operation, thing: thing.into(), errno: None, detail: None, advice: None }
    }

    /// Classifies an error of a system call made for `thing`.
    pub(crate) fn os(operation: &'static str, thing: impl Into<String>, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        let kind = match errno {
            Some(libc::ESRCH) => ErrorKind::ProcessGone,
            Some(libc::EACCES | libc::EPERM) => ErrorKind::PermissionDenied,
            Some(libc::ENOTTY | libc::ENOSYS | libc::EOPNOTSUPP | libc::ENODEV) => {
                ErrorKind::Unsupported
            }
            Some(libc::EOVERFLOW | libc::EFAULT) => ErrorKind::InvalidRange,
            _ => ErrorKind::Io,
        };
        let mut this = Self::new(kind, operation, thing);
        this.errno = errno;
        if errno.is_none() {
            this.detail = Some(error.to_string());
        }
        this
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn advice(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The errno the kernel gave, if it gave one.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// What to do about it, where that is known.
    pub fn way_out(&self) -> Option<&str> {
        self.advice
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} of {}", self.operation, self.thing)?;
        match (&self.detail, self.errno) {
            (Some(detail), Some(errno)) => {
                write!(f, ": {detail} ({})", io::Error::from_raw_os_error(errno))?;
            }
            (Some(detail), None) => write!(f, ": {detail}")?,
            (None, Some(errno)) => write!(f, ": {}", io::Error::from_raw_os_error(errno))?,
            (None, None) => {}
        }
        match self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::ProcessGone => io::ErrorKind::NotFound,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::InvalidRange => io::ErrorKind::InvalidInput,
            ErrorKind::Malformed => io::ErrorKind::InvalidData,
            ErrorKind::Io => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_thing_reason_and_way_out() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let error = Error::os("read smaps", "process 7", &denied).advice("run as root");
        assert_eq!(
            error.to_string(),
            "cannot read smaps of process 7: Permission denied (os error 13); run as root"
        );
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.errno(), Some(libc::EACCES));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    }
}
