//! What may be done with a mapping's bytes: read, write, execute, or nothing.
//!
//! ```
//! use folio::Protection;
//! let both = Protection::READ | Protection::WRITE;
//! assert!(both.contains(Protection::WRITE));
//! assert_eq!(both.to_string(), "rw-");
//! assert_eq!("rx".parse(), Ok(Protection::READ | Protection::EXEC));
//! ```

use core::{fmt, ops, str::FromStr};
use rustix::mm::ProtFlags;

/// A set of the accesses a page permits (`prot` in mmap(2) and mprotect(2)).
///
/// On x86-64 a page that can be written or executed can also be read.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Protection(u8);

impl Protection {
    /// No access: PROT_NONE.
    pub const NONE: Self = Self(0);
    /// PROT_READ.
    pub const READ: Self = Self(1);
    /// PROT_WRITE.
    pub const WRITE: Self = Self(2);
    /// PROT_EXEC.
    pub const EXEC: Self = Self(4);

    const ALL: [(Self, char); 3] = [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::EXEC, 'x')];

    /// Whether every access of `other` is permitted.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set without the accesses of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn flags(self) -> ProtFlags {
        ProtFlags::from_bits_retain(u32::from(self.0))
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

impl ops::BitOr for Protection {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Protection {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// As /proc/PID/maps prints it: `r-x`.
impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (access, letter) in Self::ALL {
            fmt::Write::write_char(f, if self.contains(access) { letter } else { '-' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protection({self})")
    }
}

/// What is wrong with a text that should be a [`Protection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseProtectionError(());

impl fmt::Display for ParseProtectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a protection is \"none\" or letters of \"rwx\", such as \"rw\"")
    }
}

impl core::error::Error for ParseProtectionError {}

impl FromStr for Protection {
    type Err = ParseProtectionError;

    /// Accepts `none`, or each of `r`, `w` and `x` at most once, in any order, with `-` ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let mut set = Self::NONE;
        for c in text.chars().filter(|&c| c != '-') {
            let known = Self::ALL.into_iter().find(|&(access, l)| l == c && !set.contains(access));
            set |= known.ok_or(ParseProtectionError(()))?.0;
        }
        if text.is_empty() { Err(ParseProtectionError(())) } else { Ok(set) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_the_kernels() {
        for (access, flag) in [
            (Protection::READ, ProtFlags::READ),
            (Protection::WRITE, ProtFlags::WRITE),
            (Protection::EXEC, ProtFlags::EXEC),
        ] {
            assert_eq!(access.flags(), flag);
        }
    }

    #[test]
    fn every_set_reads_back_as_it_prints_and_nonsense_is_refused() {
        for bits in 0..8 {
            let set = Protection::from_bits(bits);
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        for text in ["", "rr", "rwq", "None", "r w"] {
            assert!(text.parse::<Protection>().is_err(), "{text:?}");
        }
    }
}
