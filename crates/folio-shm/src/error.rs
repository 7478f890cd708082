//! Errors: what was done to which segment, why it failed, and the way out where one is known.
//!
//! ```
//! let error = folio_shm::Segment::open("no-such-segment").unwrap_err();
//! assert_eq!(error.kind(), folio_shm::ErrorKind::NotFound);
//! assert_eq!(
//!     error.to_string(),
//!     "cannot open /dev/shm/no-such-segment: there is no segment of that name: create() makes one"
//! );
//! ```

use core::fmt;
use std::borrow::Cow;
use std::io;

use rustix::io::Errno;

/// The result of an operation on a segment.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation failed, as far as a program can act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The name is none that a segment can have.
    Name,
    /// There is no segment of that name.
    NotFound,
    /// There is one already.
    Exists,
    /// Somebody else has it, and did not let go in time.
    Busy,
    /// The system forbids it to this user (EACCES, EPERM).
    Denied,
    /// The segment belongs to another user than was expected.
    Owner,
    /// More users may reach the segment than was expected.
    Mode,
    /// It is not a segment of folio's: another program's object, or not even a regular file.
    Foreign,
    /// It was made by another version of folio, or has a newer layout.
    Version,
    /// It is a segment with other contents: its layout hash is not the one asked for.
    Layout,
    /// Its size is not the one asked for.
    Size,
    /// It has been cut: its file is shorter than its header says.
    Truncated,
    /// Its contents contradict each other: somebody wrote where they should not have.
    Scribbled,
    /// There is too little memory, or disk, or too few huge pages.
    NoSpace,
    /// The range does not lie within the segment, or its end overflows.
    OutOfRange,
    /// The request contradicts itself or the segment.
    Invalid,
    /// The kernel or the file system lacks something; the message names it.
    Unsupported,
    /// The other side has closed its end.
    Closed,
    /// The other side has died.
    PeerDied,
    /// The last owner of a lock died with it.
    OwnerDied,
    /// A message was overwritten while it was read.
    Overwritten,
    /// The time allowed for it has passed.
    TimedOut,
    /// Bytes could not be reached: [`Error::fault`] says why and where.
    Fault,
    /// Any other failure of a system call; [`Error::raw_os_error`] says which.
    Os,
}

/// An operation on a segment failed.
///
/// One line when displayed: "cannot OPERATION SEGMENT: REASON: ADVICE". Converts into
/// [`std::io::Error`].
pub struct Error(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    operation: &'static str,
    what: String,
    reason: Cow<'static, str>,
    advice: Option<Cow<'static, str>>,
    errno: Option<i32>,
    source: Option<folio::Error>,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        what: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            operation,
            what: what.into(),
            reason: reason.into(),
            advice: None,
            errno: None,
            source: None,
        }))
    }

    /// A system call failed. What it means is told by errno, as far as it is the same everywhere.
    pub(crate) fn os(operation: &'static str, what: impl Into<String>, errno: Errno) -> Self {
        let kind = match errno {
            Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::Denied,
            Errno::NOENT => ErrorKind::NotFound,
            Errno::EXIST => ErrorKind::Exists,
            Errno::NOSPC | Errno::DQUOT | Errno::NOMEM => ErrorKind::NoSpace,
            Errno::OPNOTSUPP | Errno::NOSYS => ErrorKind::Unsupported,
            _ => ErrorKind::Os,
        };
        let text = io::Error::from(errno).to_string();
        let words = text.split(" (os error").next().unwrap_or_default().to_owned();
        let mut this = Self::new(kind, operation, what, words);
        this.0.errno = Some(errno.raw_os_error());
        this
    }

    /// A mapping could not be made, or bytes of it could not be reached.
    pub(crate) fn mapping(
        operation: &'static str,
        what: impl Into<String>,
        error: folio::Error,
    ) -> Self {
        let kind = match (error.kind(), error.fault().map(folio::Fault::kind)) {
            (_, Some(folio::FaultKind::Truncated)) => ErrorKind::Truncated,
            (_, Some(folio::FaultKind::NoSpace)) => ErrorKind::NoSpace,
            (_, Some(_)) => ErrorKind::Fault,
            // Cut between the look at its length and the mapping.
            (folio::ErrorKind::BeyondEnd, _) => ErrorKind::Truncated,
            (folio::ErrorKind::OutOfRange, _) => ErrorKind::OutOfRange,
            (folio::ErrorKind::Unsupported, _) => ErrorKind::Unsupported,
            (folio::ErrorKind::Os, _) => ErrorKind::Os,
            _ => ErrorKind::Invalid,
        };
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        let mut this = match errno {
            Some(errno) if kind == ErrorKind::Os => Self::os(operation, what, errno),
            _ => Self::new(kind, operation, what, error.to_string()),
        };
        this.0.source = Some(error);
        this
    }

    #[must_use]
    pub(crate) fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Puts a reason and a way out in the place of the system's words, if it failed that way.
    #[must_use]
    pub(crate) fn explain(
        mut self,
        kind: ErrorKind,
        reason: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        if self.0.kind == kind {
            self.0.reason = reason.into();
            self.0.advice = Some(advice.into());
        }
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done: a verb, such as `"open"` or `"grow"`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The errno, where a system call failed (errno(3)).
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno.or_else(|| self.0.source.as_ref()?.raw_os_error())
    }

    /// The fault, where bytes of the segment could not be reached.
    #[must_use]
    pub fn fault(&self) -> Option<&folio::Fault> {
        self.0.source.as_ref()?.fault()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { operation, what, reason, advice, .. } = &*self.0;
        write!(f, "cannot {operation} {what}: {reason}")?;
        match advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Exists => io::ErrorKind::AlreadyExists,
            ErrorKind::Busy => io::ErrorKind::ResourceBusy,
            ErrorKind::Denied | ErrorKind::Owner | ErrorKind::Mode => {
                io::ErrorKind::PermissionDenied
            }
            ErrorKind::Foreign
            | ErrorKind::Version
            | ErrorKind::Layout
            | ErrorKind::Size
            | ErrorKind::Scribbled
            | ErrorKind::Overwritten => io::ErrorKind::InvalidData,
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::NoSpace => io::ErrorKind::StorageFull,
            ErrorKind::Name | ErrorKind::OutOfRange | ErrorKind::Invalid => {
                io::ErrorKind::InvalidInput
            }
            ErrorKind::Closed | ErrorKind::PeerDied => io::ErrorKind::BrokenPipe,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::OwnerDied | ErrorKind::Fault | ErrorKind::Os => error
                .raw_os_error()
                .map_or(io::ErrorKind::Other, |errno| io::Error::from_raw_os_error(errno).kind()),
        };
        io::Error::new(kind, error)
    }
}
