//! What a program may do with a mapping's pages, and who sees what it writes.
//!
//! ```
//! use folio_stat::Process;
//!
//! let code = Process::current()?.mapping_at(Process::current as *const () as usize)?.unwrap();
//! assert_eq!(code.protection.to_string(), "r-x");
//! assert_eq!(code.sharing.to_string(), "private");
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::fmt;

/// The protection of a mapping, as mmap(2) and mprotect(2) set it.
///
/// Written as `rwx` with dashes for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Protection {
    /// `PROT_READ`
    pub read: bool,
    /// `PROT_WRITE`
    pub write: bool,
    /// `PROT_EXEC`
    pub execute: bool,
}

impl Protection {
    pub(crate) fn new(read: bool, write: bool, execute: bool) -> Self {
        Self { read, write, execute }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |set, letter| if set { letter } else { "-" };
        f.write_str(bit(self.read, "r"))?;
        f.write_str(bit(self.write, "w"))?;
        f.write_str(bit(self.execute, "x"))
    }
}

/// Whether writes reach the backing and others who map it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Sharing {
    /// `MAP_SHARED`: they do.
    Shared,
    /// `MAP_PRIVATE`: they do not; a page is copied when it is first written.
    Private,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Private => "private",
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Protection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
