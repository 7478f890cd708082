//! The rows: what is compared, a module for each group.

pub(crate) mod compat;
pub(crate) mod copy;
pub(crate) mod grow;
pub(crate) mod map;
#[cfg(feature = "messages")]
pub(crate) mod messages;
pub(crate) mod pager_evict;
pub(crate) mod pager_fault;
pub(crate) mod pager_object;
pub(crate) mod pager_policy;
pub(crate) mod pager_random;
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
