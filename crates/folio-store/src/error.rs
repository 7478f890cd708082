//! What went wrong in a store: the operation, the store, the range, the reason and the way out.
//!
//! ```
//! use folio_store::{Error, ErrorKind};
//!
//! let error = Error::new(ErrorKind::Timeout, "read", "s3://bucket/key")
//!     .range(4096..8192)
//!     .reason("no answer within 2 s")
//!     .advice("raise the deadline");
//! assert_eq!(
//!     error.to_string(),
//!     "cannot read s3://bucket/key, bytes 4096..8192: no answer within 2 s: raise the deadline",
//! );
//! assert!(error.kind().is_passing());
//! ```

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The result of an operation on a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a store failed, as far as a program can act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such object.
    NotFound,
    /// Permission or credentials are missing.
    Denied,
    /// The object is no longer the version that was opened.
    Changed,
    /// The store ends before the range that was asked for.
    Truncated,
    /// The bytes are there and are not what they should be: a checksum or an authentication failed.
    Corrupt,
    /// No answer in time.
    Timeout,
    /// The store cannot be reached now.
    Unavailable,
    /// No room to write to.
    NoSpace,
    /// The store can only be read.
    ReadOnly,
    /// The store, or what it stands on, cannot do this.
    Unsupported,
    /// The request contradicts itself or the store.
    Invalid,
    /// Any other failure of input or output; [`Error::raw_os_error`] may say which.
    Io,
}

impl ErrorKind {
    /// Whether the same request may succeed when tried again.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable | Self::Io)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::NotFound => "it does not exist",
            Self::Denied => "permission denied",
            Self::Changed => "it has changed since it was opened",
            Self::Truncated => "it ends before",
            Self::Corrupt => "its bytes are not what they should be",
            Self::Timeout => "no answer in time",
            Self::Unavailable => "it cannot be reached",
            Self::NoSpace => "no space left",
            Self::ReadOnly => "it can only be read",
            Self::Unsupported => "it cannot do this",
            Self::Invalid => "the request makes no sense",
            Self::Io => "input or output failed",
        }
    }
}

/// An operation on a store failed.
///
/// Its text is one line: "cannot OPERATION STORE, bytes RANGE: REASON: ADVICE". Cheap to clone, since
/// a pager keeps it and returns it more than once.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    kind: ErrorKind,
    operation: &'static str,
    store: String,
    range: Option<Range<u64>>,
    reason: Option<Cow<'static, str>>,
    advice: Option<Cow<'static, str>>,
    errno: Option<i32>,
}

impl Error {
    /// An error of `operation`, a verb such as `"read"`, on `store`, a name as
    /// [`Store::name`](crate::Store::name) gives it.
    pub fn new(kind: ErrorKind, operation: &'static str, store: impl Into<String>) -> Self {
        Self(Arc::new(Parts {
            kind,
            operation,
            store: store.into(),
            range: None,
            reason: None,
            advice: None,
            errno: None,
        }))
    }

    /// The error of a system call.
    pub fn os(operation: &'static str, store: impl Into<String>, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            io::ErrorKind::InvalidInput => ErrorKind::Invalid,
            io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            _ => ErrorKind::Io,
        };
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or_default().to_owned();
        let mut this = Self::new(kind, operation, store).reason(words);
        this.parts().errno = error.raw_os_error();
        this
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// The bytes it was about.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.parts().range = Some(range);
        self
    }

    /// Why, in words; without it, those of the kind.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.parts().reason = Some(reason.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.parts().advice = Some(advice.into());
        self
    }

    /// Adds to the reason, in brackets: what a layer did about it.
    pub(crate) fn remark(mut self, words: &str) -> Self {
        let parts = self.parts();
        let reason = parts.reason.as_deref().unwrap_or(parts.kind.words());
        parts.reason = Some(format!("{reason} ({words})").into());
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done: a verb, such as `"read"`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The store's name.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.0.store
    }

    /// The bytes it was about, where it was about some.
    #[must_use]
    pub fn bytes(&self) -> Option<Range<u64>> {
        self.0.range.clone()
    }

    /// The errno, where a system call failed (errno(3)).
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, operation, store, range, reason, advice, .. } = &*self.0;
        write!(f, "cannot {operation} {store}")?;
        if let Some(range) = range {
            write!(f, ", bytes {}..{}", range.start, range.end)?;
        }
        write!(f, ": {}", reason.as_deref().unwrap_or(kind.words()))?;
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

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Denied => io::ErrorKind::PermissionDenied,
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::Corrupt => io::ErrorKind::InvalidData,
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::NoSpace => io::ErrorKind::StorageFull,
            ErrorKind::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Invalid => io::ErrorKind::InvalidInput,
            ErrorKind::Changed | ErrorKind::Unavailable | ErrorKind::Io => {
                match error.raw_os_error() {
                    Some(errno) => io::Error::from_raw_os_error(errno).kind(),
                    None => io::ErrorKind::Other,
                }
            }
        };
        io::Error::new(kind, error)
    }
}
