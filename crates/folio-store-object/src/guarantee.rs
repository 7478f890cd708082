//! What keeps two versions of an object from being mixed.
//!
//! ```
//! use folio_store_object::Guarantee;
//!
//! assert!(Guarantee::IfMatch.holds() && !Guarantee::Unchecked.holds());
//! assert_eq!(Guarantee::VersionId.to_string(), "every request names the version");
//! ```
//!
//! Servers say that they know conditions and ignore them, so the store asks at open and believes what
//! it sees. All guarantees but the last are as good as the server's ETags: nginx and Apache make them
//! of the time of change, in seconds, and the length. An object that is replaced by one of the same
//! length within the second in which it was last changed is one version to them, and so to the store.

use std::fmt;

/// What keeps two versions of an object from being mixed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guarantee {
    /// Every request names the version it wants, and the server keeps versions: the object can be
    /// replaced, and its old version is still read.
    VersionId,
    /// Every request carries `If-Match`, and the server was seen to refuse a wrong one: a changed
    /// object is an error, and no byte of it is sent.
    IfMatch,
    /// The server ignores conditions and names the version in every answer, which is compared: a
    /// changed object is an error, after it was sent.
    ComparedAfterwards,
    /// The server names no version that could be compared byte by byte: it sends no ETag, or a weak
    /// one. A change is seen if it shows in the length, the time of change or the weak ETag.
    Unchecked,
}

impl Guarantee {
    /// Whether no read ever returns bytes of another version than the one that was opened.
    #[must_use]
    pub const fn holds(self) -> bool {
        !matches!(self, Self::Unchecked)
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VersionId => "every request names the version",
            Self::IfMatch => "every request is made on condition that the version is the same",
            Self::ComparedAfterwards => "every answer's version is compared",
            Self::Unchecked => "the server names no version that could be compared",
        })
    }
}
