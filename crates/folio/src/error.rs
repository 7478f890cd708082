//! Errors: what was done to which backing and range, why it failed, and the way out where one is
//! known.
//!
//! ```
//! let error = folio::Mapping::open("no/such/file").unwrap_err();
//! assert_eq!(error.to_string(), "cannot open no/such/file: No such file or directory (ENOENT)");
//! assert_eq!(error.raw_os_error(), Some(2));
//! ```

use core::fmt;
use core::ops::{Bound, Range, RangeBounds};
use std::borrow::Cow;
use std::io;

use crate::backing::Backing;
use crate::fault::{Fault, FaultKind};
use crate::sys::Errno;

/// The result of an operation on a mapping.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation failed, as far as a program can act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A system call failed; [`Error::raw_os_error`] says how.
    Os,
    /// The range does not lie within the mapping, or its end overflows.
    OutOfRange,
    /// The range to map reaches beyond the end of the backing.
    BeyondEnd,
    /// The address, offset or length is not a multiple of what the operation needs.
    Misaligned,
    /// The range is occupied already.
    Occupied,
    /// The request contradicts itself or the mapping.
    Invalid,
    /// The kernel, the file system or the machine lacks something; the message names it.
    Unsupported,
    /// The bytes could not be reached; [`Error::fault`] says why and where.
    Fault,
}

/// An operation on a mapping failed.
///
/// One line when displayed, naming the operation, the backing, the range, the reason and, where it
/// is known, what to do about it. Converts into [`std::io::Error`].
pub struct Error(Box<Parts>);

struct Parts {
    operation: &'static str,
    backing: Backing,
    range: Option<Range<u64>>,
    cause: Cause,
    hint: Option<Cow<'static, str>>,
}

enum Cause {
    Os(Errno),
    Kind(ErrorKind, Cow<'static, str>),
    Fault(Fault),
}

impl Error {
    pub(crate) fn os(operation: &'static str, backing: &Backing, errno: Errno) -> Self {
        Self::new(operation, backing, Cause::Os(errno))
    }

    pub(crate) fn kind_of(
        operation: &'static str,
        backing: &Backing,
        kind: ErrorKind,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(operation, backing, Cause::Kind(kind, reason.into()))
    }

    pub(crate) fn out_of_range(
        operation: &'static str,
        backing: &Backing,
        asked: &impl RangeBounds<usize>,
        len: usize,
    ) -> Self {
        Self::bounds_out_of_range(operation, backing, asked.start_bound(), asked.end_bound(), len)
    }

    #[cold]
    fn bounds_out_of_range(
        operation: &'static str,
        backing: &Backing,
        start: Bound<&usize>,
        end: Bound<&usize>,
        len: usize,
    ) -> Self {
        let start = match start {
            Bound::Included(start) => start.to_string(),
            Bound::Excluded(before) => format!("{before} + 1"),
            Bound::Unbounded => "0".into(),
        };
        let end = match end {
            Bound::Included(last) => format!("={last}"),
            Bound::Excluded(end) => end.to_string(),
            Bound::Unbounded => String::new(),
        };
        let reason = format!("{start}..{end} does not lie within the {len} bytes of the mapping");
        Self::kind_of(operation, backing, ErrorKind::OutOfRange, reason)
    }

    fn new(operation: &'static str, backing: &Backing, cause: Cause) -> Self {
        Self(Box::new(Parts {
            operation,
            backing: backing.clone(),
            range: None,
            cause,
            hint: None,
        }))
    }

    #[must_use]
    pub(crate) fn range(mut self, range: Range<u64>) -> Self {
        self.0.range = Some(range);
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the way out for the given errno.
    #[must_use]
    pub(crate) fn hint_for(self, errno: i32, hint: impl Into<Cow<'static, str>>) -> Self {
        if self.raw_os_error() == Some(errno) && self.0.hint.is_none() {
            self.hint(hint)
        } else {
            self
        }
    }

    /// The same, in the place of another way out.
    #[must_use]
    pub(crate) fn hint_instead(self, errno: i32, hint: &'static str) -> Self {
        if self.raw_os_error() == Some(errno) { self.hint(hint) } else { self }
    }

    /// Why it failed.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.cause {
            Cause::Os(_) => ErrorKind::Os,
            Cause::Kind(kind, _) => *kind,
            Cause::Fault(_) => ErrorKind::Fault,
        }
    }

    /// What was being done: a verb, such as `"map"` or `"flush"`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What it was done to.
    pub fn backing(&self) -> &Backing {
        &self.0.backing
    }

    /// The errno, where a system call failed (errno(3)) or a fault carries one.
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.0.cause {
            Cause::Os(errno) => Some(errno.raw_os_error()),
            Cause::Kind(..) => None,
            Cause::Fault(fault) => fault.raw_os_error(),
        }
    }

    /// The fault, where bytes could not be reached.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.0.cause {
            Cause::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// The fault, where bytes could not be reached; otherwise the error itself.
    ///
    /// # Errors
    /// Gives the error back if it is not a fault.
    pub fn into_fault(self) -> Result<Fault> {
        match self.0.cause {
            Cause::Fault(fault) => Ok(fault),
            _ => Err(self),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let operation = match fault.access() {
            crate::fault::Access::Read => "read",
            crate::fault::Access::Write => "write",
        };
        let backing = fault.backing().clone();
        Self::new(operation, &backing, Cause::Fault(fault))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { operation, backing, range, cause, hint } = &*self.0;
        write!(f, "cannot {operation} {backing}")?;
        if let Some(range) = range {
            write!(f, ", bytes {}..{}", range.start, range.end)?;
        }
        match cause {
            Cause::Os(errno) => write!(f, ": {}", Reason(*errno))?,
            Cause::Kind(_, reason) => write!(f, ": {reason}")?,
            Cause::Fault(fault) => write!(f, ": {}", fault.reason())?,
        }
        match hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

/// An errno as text: the C library's words and the symbol.
struct Reason(Errno);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from(self.0).to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        match symbol(self.0) {
            Some(symbol) => write!(f, "{words} ({symbol})"),
            None => write!(f, "{words} (errno {})", self.0.raw_os_error()),
        }
    }
}

fn symbol(errno: Errno) -> Option<&'static str> {
    macro_rules! symbols {
        ($($name:ident = $errno:ident),* $(,)?) => {
            match errno { $(Errno::$errno => Some(stringify!($name)),)* _ => None }
        };
    }
    symbols!(
        EPERM = PERM,
        ENOENT = NOENT,
        EINTR = INTR,
        EIO = IO,
        ENXIO = NXIO,
        EBADF = BADF,
        EAGAIN = AGAIN,
        ENOMEM = NOMEM,
        EACCES = ACCESS,
        EFAULT = FAULT,
        EBUSY = BUSY,
        EEXIST = EXIST,
        ENODEV = NODEV,
        ENOTDIR = NOTDIR,
        EISDIR = ISDIR,
        EINVAL = INVAL,
        ENFILE = NFILE,
        EMFILE = MFILE,
        ENOTTY = NOTTY,
        ETXTBSY = TXTBSY,
        EFBIG = FBIG,
        ENOSPC = NOSPC,
        EROFS = ROFS,
        ELOOP = LOOP,
        ENOSYS = NOSYS,
        EOVERFLOW = OVERFLOW,
        EOPNOTSUPP = OPNOTSUPP,
        EDQUOT = DQUOT,
        EHWPOISON = HWPOISON,
        ENAMETOOLONG = NAMETOOLONG,
    )
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl core::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (error.kind(), error.raw_os_error()) {
            (ErrorKind::Fault, _) => match error.fault().map(Fault::kind) {
                Some(FaultKind::Truncated) => io::ErrorKind::UnexpectedEof,
                Some(FaultKind::NoSpace) => io::ErrorKind::StorageFull,
                Some(FaultKind::Protection) => io::ErrorKind::PermissionDenied,
                _ => io::ErrorKind::Other,
            },
            (_, Some(errno)) => io::Error::from_raw_os_error(errno).kind(),
            (ErrorKind::Unsupported, None) => io::ErrorKind::Unsupported,
            (_, None) => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

/// An operation that consumes a value failed and gives the value back.
pub struct Refused<T> {
    value: T,
    error: Error,
}

impl<T> Refused<T> {
    pub(crate) fn new(value: T, error: Error) -> Self {
        Self { value, error }
    }

    /// Why the operation failed.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The value, unchanged.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The value, unchanged, and why the operation failed.
    pub fn into_parts(self) -> (T, Error) {
        (self.value, self.error)
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<T> core::error::Error for Refused<T> {}

impl<T> From<Refused<T>> for Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error.into()
    }
}
