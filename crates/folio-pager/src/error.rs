//! Errors: what was done to which mapping and range, why it failed, and the way out where one is known.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;

use rustix::io::Errno;

/// The result of an operation on a pager or a paged mapping.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed, as far as a program can act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The store failed; [`Error::fault`] says where and how.
    Fault,
    /// The range does not lie within the mapping, or its end overflows.
    OutOfRange,
    /// The budget is too small for what was asked, or all of it is pinned.
    Budget,
    /// Bytes are pinned for reading and cannot be written.
    Pinned,
    /// The bytes may change, so that no slice of them can be given out.
    NotStable,
    /// The mapping or its store can only be read.
    ReadOnly,
    /// The request contradicts itself or the mapping.
    Invalid,
    /// The kernel lacks something, or refuses it; the message names it.
    Unsupported,
    /// Any other failure of a system call; [`Error::raw_os_error`] says which.
    Os,
}

/// Bytes of a paged mapping that could not be had, or could not be written back: where, and the store's
/// own error.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) offset: u64,
    pub(crate) error: folio_store::Error,
}

impl Fault {
    /// Offset in the store, in bytes, of the granule that failed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Why: the kind of the store's error.
    #[must_use]
    pub fn kind(&self) -> folio_store::ErrorKind {
        self.error.kind()
    }

    /// The store's error.
    #[must_use]
    pub fn store_error(&self) -> &folio_store::Error {
        &self.error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// An operation on a pager or a paged mapping failed.
///
/// One line when displayed: "cannot OPERATION MAPPING, bytes RANGE: REASON: ADVICE".
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: ErrorKind,
    operation: &'static str,
    mapping: String,
    range: Option<Range<u64>>,
    reason: Cow<'static, str>,
    advice: Option<Cow<'static, str>>,
    fault: Option<Fault>,
    errno: Option<i32>,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        mapping: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            operation,
            mapping: mapping.into(),
            range: None,
            reason: reason.into(),
            advice: None,
            fault: None,
            errno: None,
        }))
    }

    pub(crate) fn fault_of(operation: &'static str, fault: Fault) -> Self {
        let mut this = Self::new(ErrorKind::Fault, operation, fault.error.store(), "");
        this.0.fault = Some(fault);
        this
    }

    /// The store failed before there was a mapping.
    pub(crate) fn store(operation: &'static str, error: folio_store::Error) -> Self {
        Self::fault_of(operation, Fault { offset: 0, error })
    }

    pub(crate) fn os(operation: &'static str, mapping: impl Into<String>, errno: Errno) -> Self {
        let text = io::Error::from(errno).to_string();
        let words = text.split(" (os error").next().unwrap_or_default().to_owned();
        let mut this = Self::new(ErrorKind::Os, operation, mapping, words);
        this.0.errno = Some(errno.raw_os_error());
        this
    }

    pub(crate) fn in_a_child(operation: &'static str, mapping: &str) -> Self {
        let reason = "a forked child does not have its parent's paged mappings";
        Self::new(ErrorKind::Unsupported, operation, mapping, reason)
            .advice("make a pager in the child")
    }

    pub(crate) fn range(mut self, range: Range<u64>) -> Self {
        self.0.range = Some(range);
        self
    }

    pub(crate) fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done: a verb, such as `"pin"` or `"flush"`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Where and how the store failed.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault.as_ref()
    }

    /// The errno, where a system call failed, of the store's too (errno(3)).
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno.or_else(|| self.fault()?.error.raw_os_error())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { operation, mapping, range, reason, advice, fault, .. } = &*self.0;
        if let Some(fault) = fault {
            return match *operation == fault.error.operation() {
                true => write!(f, "{fault}"),
                false => write!(f, "cannot {operation}: {fault}"),
            };
        }
        write!(f, "cannot {operation} {mapping}")?;
        if let Some(range) = range {
            write!(f, ", bytes {}..{}", range.start, range.end)?;
        }
        write!(f, ": {reason}")?;
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
        self.fault().map(|fault| &fault.error as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (error.kind(), error.fault()) {
            (_, Some(fault)) => io::Error::from(fault.error.clone()).kind(),
            (ErrorKind::OutOfRange | ErrorKind::Invalid, _) => io::ErrorKind::InvalidInput,
            (ErrorKind::Budget, _) => io::ErrorKind::OutOfMemory,
            (ErrorKind::ReadOnly, _) => io::ErrorKind::PermissionDenied,
            (ErrorKind::Pinned, _) => io::ErrorKind::ResourceBusy,
            (ErrorKind::NotStable | ErrorKind::Unsupported, _) => io::ErrorKind::Unsupported,
            _ => error
                .raw_os_error()
                .map_or(io::ErrorKind::Other, |errno| io::Error::from_raw_os_error(errno).kind()),
        };
        io::Error::new(kind, error)
    }
}
