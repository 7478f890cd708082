//! The label of memory: its name, where the kernel keeps none.
//!
//! Memory without a file can be given a name (PR_SET_VMA(2const)), unless the kernel was built without
//! CONFIG_ANON_VMA_NAME. There folio's pager puts a page that nobody may touch before what it maps: a private
//! mapping of an empty memfd called `folio:NAME`, from as far into it as the memory is long. `/proc/PID/maps`
//! shows it, and what it is for, to everybody who may look:
//!
//! ```text
//! 7f3bffdff000-7f3bffe00000 ---p 40000000 00:01 1033       /memfd:folio:big.log (deleted)
//! 7f3bffe00000-7f3c3fe00000 rw-p 00000000 00:00 0
//! ```
//!
//! Here both are `[anon:folio:big.log]`, as they would be with such a kernel, and so are all the parts that the
//! kernel splits the memory into.
//!
//! ```
//! use folio_stat::Label;
//!
//! let label = Label::of(0x7000_0000, 4096, 1 << 20, b"/memfd:folio:big.log (deleted)").unwrap();
//! assert_eq!(label.memory(), 0x7000_1000..0x7010_1000);
//! assert_eq!(label.backing().to_string(), "[anon:folio:big.log]");
//! ```

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use crate::backing::{Backing, BackingKind};
use crate::mapping::Mapping;

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The label's own page, and the memory behind it.
    whole: Range<usize>,
    /// As the kernel writes names of memory.
    name: String,
}

impl Label {
    /// Reads the label that a mapping is, if it is one: by its first address, its length, where in its backing
    /// it starts (all in bytes), and its name as in proc_pid_maps(5).
    pub fn of(address: usize, length_bytes: usize, offset_bytes: u64, name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(b" (deleted)").unwrap_or(name).strip_prefix(b"/memfd:")?;
        if !name.starts_with(b"folio:") || length_bytes != rustix::param::page_size() {
            return None;
        }
        let length = usize::try_from(offset_bytes).ok().filter(|&bytes| bytes > 0)?;
        let end = address.checked_add(length_bytes)?.checked_add(length)?;
        let name = format!("[anon:{}]", String::from_utf8_lossy(name));
        Some(Self { whole: address..end, name })
    }

    /// The addresses that it names.
    pub fn memory(&self) -> Range<usize> {
        self.whole.start + rustix::param::page_size()..self.whole.end
    }

    /// What lies there.
    pub fn backing(&self) -> Backing {
        Backing::named(self.name.as_bytes(), 0, (0, 0), 0)
    }
}

/// The last label, among mappings in the order of their addresses.
#[derive(Debug, Default)]
pub(crate) struct Labels(Option<Label>);

impl Labels {
    /// That a mapping comes next, as [`Label::of`] takes it.
    pub(crate) fn pass(&mut self, address: usize, length_bytes: usize, offset: u64, name: &[u8]) {
        if let Some(label) = Label::of(address, length_bytes, offset, name) {
            self.0 = Some(label);
        }
    }

    /// That a mapping comes next. True if it may lie between memory and its label.
    pub(crate) fn look_at(&mut self, mapping: &Mapping) -> bool {
        let Some(path) = &mapping.backing.path else { return is_nameless(mapping) };
        let offset_bytes = mapping.backing.offset_bytes;
        self.pass(mapping.address, mapping.length_bytes, offset_bytes, path.as_os_str().as_bytes());
        false
    }

    /// Tells the mapping's name if a label says it, of memory or of itself.
    pub(crate) fn name(&self, mapping: &mut Mapping) {
        let Some(label) = &self.0 else { return };
        let is_within =
            label.whole.start <= mapping.address && mapping.range().end <= label.whole.end;
        if is_within && (mapping.address == label.whole.start || is_nameless(mapping)) {
            mapping.backing = label.backing();
        }
    }
}

/// Whether it is memory that a label may be about.
fn is_nameless(mapping: &Mapping) -> bool {
    mapping.backing.kind == BackingKind::Anonymous && mapping.backing.name.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_label_is_not_read_as_one() {
        let page = rustix::param::page_size();
        let read = |length, offset, name: &str| Label::of(page, length, offset, name.as_bytes());
        assert!(read(page, 1, "/memfd:folio:a (deleted)").is_some());
        for (length, offset, name) in [
            (page, 0, "/memfd:folio:a (deleted)"),
            (2 * page, 1, "/memfd:folio:a (deleted)"),
            (page, 1, "/memfd:a (deleted)"),
            (page, 1, "/tmp/folio:a"),
            (page, u64::MAX, "/memfd:folio:a (deleted)"),
        ] {
            assert_eq!(read(length, offset, name), None, "{length} {offset} {name}");
        }
    }
}
