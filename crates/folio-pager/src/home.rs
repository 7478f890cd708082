//! The process that a pager belongs to: a page that a forked child finds emptied.
//!
//! What a pager has at addresses is left out of children (MADV_DONTFORK), who may have put memory of their
//! own there, and its descriptors of userfaultfd(2) still mean the parent. So nothing of a pager may be used in
//! a child, and asking must cost no system call.
#![allow(unsafe_code)]

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::sys::{self, PAGE};

/// Tells the process it was made in from its children.
#[derive(Debug)]
pub(crate) struct Home {
    /// A byte that is 1, and 0 in children (MADV_WIPEONFORK). None where the kernel has no such thing.
    page: Option<usize>,
    process: u32,
}

impl Home {
    pub(crate) fn new() -> Self {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing one.
        let page =
            unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), PAGE, protection, flags) };
        let page = page.ok().map(|start| start.expose_provenance()).filter(|&start| {
            // SAFETY: the page is new and nobody else's.
            let advised = unsafe { sys::advise(&(start..start + PAGE), Advice::LinuxWipeOnFork) };
            match advised {
                // SAFETY: as above.
                Ok(()) => unsafe { sys::pointer(start).cast::<u8>().write_volatile(1) },
                // SAFETY: as above.
                Err(_) => unsafe { sys::release(start..start + PAGE) },
            }
            advised.is_ok()
        });
        Self { page, process: std::process::id() }
    }

    /// Whether this is the process.
    pub(crate) fn is_here(&self) -> bool {
        match self.page {
            // SAFETY: the page is mapped as long as this exists, in children too, and nobody writes to it.
            Some(page) => unsafe { sys::pointer(page).cast::<u8>().read_volatile() == 1 },
            None => std::process::id() == self.process,
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(page) = self.page {
            // SAFETY: the page is this one's, in children too, where the kernel has copied the mapping.
            unsafe { sys::release(page..page + PAGE) };
        }
    }
}
