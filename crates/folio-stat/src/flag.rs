//! What the kernel noted about a mapping: the line `VmFlags` of `/proc/PID/smaps`.
//!
//! ```
//! use folio_stat::{Flag, Process};
//!
//! let local = 0u8;
//! let address = &raw const local as usize;
//! let costs = Process::current()?.costs(address..address + 1)?;
//! assert!(costs.flags().contains(Flag::Readable));
//! assert!(!costs.flags().contains(Flag::Locked));
//! assert_eq!(Flag::Locked.to_string(), "locked");
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::fmt;

macro_rules! flags {
    ($($variant:ident $mnemonic:literal $name:literal $doc:literal)*) => {
        /// One flag of a mapping, by the two letters of proc_pid_smaps(5).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Flag {
            $(#[doc = $doc] $variant,)*
            /// A flag this version of the crate has no name for, as the kernel's two letters.
            Other([u8; 2]),
        }

        impl Flag {
            /// From the kernel's two letters.
            pub(crate) fn from_mnemonic(letters: [u8; 2]) -> Self {
                match &letters {
                    $($mnemonic => Self::$variant,)*
                    _ => Self::Other(letters),
                }
            }

            /// The kernel's two letters, such as `lo`.
            pub fn mnemonic(self) -> String {
                let letters = match self {
                    $(Self::$variant => *$mnemonic,)*
                    Self::Other(letters) => letters,
                };
                String::from_utf8_lossy(&letters).into_owned()
            }
        }

        impl fmt::Display for Flag {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($name),)*
                    Self::Other(_) => f.write_str(&self.mnemonic()),
                }
            }
        }

        #[cfg(test)]
        const KNOWN: &[Flag] = &[$(Flag::$variant),*];
    };
}

flags! {
    Readable b"rd" "readable" "`PROT_READ`"
    Writable b"wr" "writable" "`PROT_WRITE`"
    Executable b"ex" "executable" "`PROT_EXEC`"
    Shared b"sh" "shared" "`MAP_SHARED` of a file open for writing, or of shared memory"
    MayRead b"mr" "may-read" "mprotect(2) may add `PROT_READ`"
    MayWrite b"mw" "may-write" "mprotect(2) may add `PROT_WRITE`"
    MayExecute b"me" "may-execute" "mprotect(2) may add `PROT_EXEC`"
    MayShare b"ms" "may-share" "`MAP_SHARED`"
    GrowsDown b"gd" "grows-down" "`MAP_GROWSDOWN`: a stack"
    PageFrames b"pf" "page-frames" "bare page frames of a device, with no page accounting"
    Locked b"lo" "locked" "mlock(2)"
    LockOnFault b"lf" "lock-on-fault" "mlock2(2) with `MLOCK_ONFAULT`"
    DeviceMemory b"io" "device-memory" "registers or memory of a device"
    SequentialAdvised b"sr" "sequential-advised" "`MADV_SEQUENTIAL`"
    RandomAdvised b"rr" "random-advised" "`MADV_RANDOM`"
    DoNotFork b"dc" "do-not-fork" "`MADV_DONTFORK`"
    DoNotExpand b"de" "do-not-expand" "mremap(2) cannot grow it"
    Accountable b"ac" "accountable" "counts towards the commit limit"
    NoReserve b"nr" "no-reserve" "`MAP_NORESERVE`"
    Hugetlb b"ht" "hugetlb" "`MAP_HUGETLB`, or a file of hugetlbfs"
    SyncFaults b"sf" "synchronous-faults" "`MAP_SYNC`"
    Architecture b"ar" "architecture" "a flag of the processor's architecture"
    WipeOnFork b"wf" "wipe-on-fork" "`MADV_WIPEONFORK`"
    DoNotDump b"dd" "do-not-dump" "`MADV_DONTDUMP`"
    SoftDirty b"sd" "soft-dirty" "written since `/proc/PID/clear_refs`, or new"
    MixedMap b"mm" "mixed-map" "may hold bare page frames beside pages"
    HugePageAdvised b"hg" "huge-page-advised" "`MADV_HUGEPAGE`"
    NoHugePageAdvised b"nh" "no-huge-page-advised" "`MADV_NOHUGEPAGE`"
    MergeAdvised b"mg" "merge-advised" "`MADV_MERGEABLE`"
    UserfaultMissing b"um" "userfault-missing" "userfaultfd(2) handles missing pages"
    UserfaultWriteProtect b"uw" "userfault-write-protect" "userfaultfd(2) handles first writes"
    UserfaultMinor b"ui" "userfault-minor" "userfaultfd(2) handles minor faults"
    ShadowStack b"ss" "shadow-stack" "a shadow stack of return addresses"
    Sealed b"sl" "sealed" "mseal(2)"
    Droppable b"dp" "droppable" "`MAP_DROPPABLE`"
    MaybeGuard b"gu" "maybe-guard" "`MADV_GUARD_INSTALL` was used in it"
    BranchTarget b"bt" "branch-target" "guarded branch targets (arm64)"
    MemoryTagging b"mt" "memory-tagging" "tagged memory (arm64)"
}

/// A set of [`Flag`]s, in the kernel's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Flags(Vec<Flag>);

impl Flags {
    pub(crate) fn parse(line: &[u8]) -> Self {
        // Two letters and a space each.
        let mut flags = Vec::with_capacity(line.len() / 3);
        let words = line.split(u8::is_ascii_whitespace);
        flags.extend(words.filter_map(|word| word.try_into().ok()).map(Flag::from_mnemonic));
        Self(flags)
    }

    /// Whether `flag` is set.
    pub fn contains(&self, flag: Flag) -> bool {
        self.0.contains(&flag)
    }

    /// The flags that are set.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        self.0.iter().copied()
    }

    /// Keeps the flags that `other` has too.
    pub(crate) fn retain_common(&mut self, other: &Self) {
        self.0.retain(|&flag| other.contains(flag));
    }
}

/// Names, separated by spaces.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flag) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{flag}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Flags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|flag| flag.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_flag_comes_back_from_its_letters() {
        for &flag in KNOWN {
            let letters = flag.mnemonic();
            assert_eq!(Flag::from_mnemonic(letters.as_bytes().try_into().unwrap()), flag);
            assert_ne!(flag.to_string(), letters);
        }
    }

    #[test]
    fn an_unknown_flag_keeps_its_letters() {
        let flags = Flags::parse(b" rd zz lo longer ");
        assert_eq!(
            flags.iter().collect::<Vec<_>>(),
            [Flag::Readable, Flag::Other(*b"zz"), Flag::Locked]
        );
        assert_eq!(flags.to_string(), "readable zz locked");
    }
}
