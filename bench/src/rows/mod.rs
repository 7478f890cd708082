//! The rows: what is compared, a module for each group.

pub(crate) mod compat;
pub(crate) mod copy;
pub(crate) mod grow;
pub(crate) mod map;
#[cfg(feature = "messages")]
pub(crate) mod messages;
#[cfg(feature = "pager")]
pub(crate) mod pager_evict;
#[cfg(feature = "pager")]
pub(crate) mod pager_fault;
#[cfg(feature = "pager")]
pub(crate) mod pager_object;
#[cfg(feature = "pager")]
pub(crate) mod pager_policy;
#[cfg(feature = "pager")]
pub(crate) mod pager_random;
#[cfg(feature = "pager")]
pub(crate) mod pager_scan;
pub(crate) mod scan;
pub(crate) mod word;

/// A number of bytes as people write it.
pub(crate) fn bytes(len: usize) -> String {
    match len {
        len if len >= 1 << 30 => format!("{} GiB", len >> 30),
        len if len >= 1 << 20 => format!("{} MiB", len >> 20),
        len if len >= 1 << 10 => format!("{} KiB", len >> 10),
        len => format!("{len} B"),
    }
}
