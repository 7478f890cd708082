//! The label of a mapping: how others see whose bytes its memory shows.
//!
//! 1. The name goes to the kernel, which shows it in `/proc/PID/maps` as `[anon:folio:NAME]`
//!    (PR_SET_VMA(2const)).
//! 2. A kernel built without CONFIG_ANON_VMA_NAME keeps none; and where pages are mapped one by one, a mapping
//!    with a name and one without are never joined, of which there may not be many. There the page before the
//!    memory is the label: a mapping of an empty memfd called `folio:NAME`, from as far into it as the memory is
//!    long, which nobody may touch. It costs that mapping and an inode. Who reads labels is `folio_stat::Label`.
//! 3. The label goes before the memory does, so that it never names what came to its addresses later.
//!
//! Memory whose label cannot be made has no name, and works.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ops::Range;

use crate::sys::{self, PAGE};

const PREFIX: &str = "folio:";
/// Letters that the kernel takes of a name, the prefix among them.
const MOST: usize = 79;

/// The page before a mapping's memory. It stays until it is removed: dropping it does nothing, as it may be dropped
/// in a forked child, where something else may be at its address.
#[derive(Debug)]
pub(crate) struct Label {
    address: usize,
}

impl Label {
    /// Puts one before memory, unless something else is there.
    pub(crate) fn before(memory: &Range<usize>, name: &CStr) -> Option<Self> {
        let memfd = folio::Memfd::new(name.to_str().ok()?).ok()?;
        let address = memory.start.checked_sub(PAGE)?;
        sys::cover(address, PAGE, &memfd, memory.len() as u64).ok()?;
        Some(Self { address })
    }

    /// # Safety
    /// This is the process that the label was made in.
    pub(crate) unsafe fn remove(self) {
        // SAFETY: `before` mapped the page in this process, by the caller's contract; nobody else unmaps it, and
        // nobody can have touched it.
        unsafe { sys::release(self.address..self.address + PAGE) };
    }
}

/// A store's name as the kernel takes it: letters of ASCII that can be seen, and few signs not. Of a longer one
/// the end says most.
pub(crate) fn name(store: &str) -> CString {
    let allowed = |c: char| (c == ' ' || c.is_ascii_graphic()) && !"[]\\$`".contains(c);
    let letters: Vec<char> = store.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let tail = &letters[letters.len().saturating_sub(MOST - PREFIX.len())..];
    let text = PREFIX.chars().chain(tail.iter().copied()).collect::<String>();
    // No letter of it is a zero byte.
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use folio_stat::Process;
    use rustix::mm::ProtFlags;

    use super::*;

    #[test]
    fn a_name_of_memory_is_what_the_kernel_takes() {
        let name = |store: &str| name(store).into_string().unwrap();
        assert_eq!(name("s3://bucket/a b"), "folio:s3://bucket/a b");
        assert_eq!(name("[x]\0ö$\n"), "folio:_x_____");
        let long = format!("{}/end", "x".repeat(200));
        assert_eq!(name(&long).len(), MOST);
        assert!(name(&long).ends_with("x/end"));
    }

    #[test]
    fn memory_has_the_name_of_the_label_before_it_as_long_as_that_is_there() {
        let memory = sys::reserve(1 << 20, ProtFlags::READ | ProtFlags::WRITE).unwrap();
        let label = Label::before(&memory, &name("big.log")).unwrap();
        assert!(Label::before(&memory, &name("other.log")).is_none(), "something is there");
        let half = memory.start + (1 << 19);
        // SAFETY: the addresses are this test's.
        unsafe { sys::protect(&(half..memory.end), rustix::mm::MprotectFlags::READ) }.unwrap();

        let process = Process::current().unwrap();
        let names = |is_whole: bool| -> Vec<Option<String>> {
            let at = [memory.start - PAGE, memory.start, half, memory.end - 1];
            let all = process.mappings().unwrap();
            let costs = process.costs(half..memory.end).unwrap();
            let found = at.map(|address| match is_whole {
                true => all.iter().find(|one| one.range().contains(&address)).cloned(),
                false => process.mapping_at(address).unwrap(),
            });
            let name =
                |one: folio_stat::Mapping| one.backing.name.filter(|_| one.backing.path.is_none());
            found.into_iter().flatten().chain(costs.mappings).map(name).collect()
        };
        let named = Some("[anon:folio:big.log]".to_owned());
        for is_whole in [true, false] {
            assert_eq!(names(is_whole), vec![named.clone(); 5]);
        }
        let text = Process::current().unwrap().via(folio_stat::Via::Text);
        assert_eq!(text.mapping_at(half).unwrap().unwrap().backing.name, named);

        // SAFETY: it was made here.
        unsafe { label.remove() };
        for is_whole in [true, false] {
            assert!(!names(is_whole).contains(&named));
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("folio:big.log"), "{maps}");
        // SAFETY: as above.
        unsafe { sys::release(memory) };
    }
}
