//! The spare: records of mappings that are given up when zeros must be put into a mapping at the
//! limit of such records (vm.max_map_count).
//!
//! A process at the limit has one record more than any further mmap(2) permits, MAP_FIXED over a
//! whole mapping included. So:
//! 1. [`keep`], in ordinary code, maps a few pages that nobody touches. Their protections alternate,
//!    so that the kernel has a record for each.
//! 2. [`release`], in the fault handler, unmaps them: there is room again.
//!    So does [`with_room`], for what must not fail: taking a mapping away.
//! 3. The next [`keep`] maps new ones, if it can.
//!
//! Invariant: `SPARE` is 0, or the address of a spare that nobody else knows; whoever takes the
//! address out owns the pages.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::param::page_size;

use crate::sys::{self, Errno};

/// Enough for some single pages, each of which may split a record in three.
const RECORDS: usize = 16;

static SPARE: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that there is a spare, if there is room for one.
pub(crate) fn keep() {
    if SPARE.load(Ordering::Relaxed) == 0 {
        make();
    }
}

/// Whether there is one.
pub(crate) fn is_kept() -> bool {
    SPARE.load(Ordering::Relaxed) != 0
}

#[cold]
fn make() {
    let page = page_size();
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: without MAP_FIXED no existing mapping is touched.
    let Ok(start) = (unsafe { sys::map(0, RECORDS * page, ProtFlags::empty(), flags, None) })
    else {
        return;
    };
    let alternate = (0..RECORDS / 2).try_for_each(|number| {
        // SAFETY: a page of what was just mapped, which nobody else knows.
        unsafe { sys::protect(start + 2 * number * page, page, ProtFlags::READ) }
    });
    let published = alternate.is_ok()
        && SPARE.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    if !published {
        // SAFETY: as above.
        let _ = unsafe { sys::unmap(start, RECORDS * page) };
    }
}

/// Gives the spare up; false if there is none. For the fault handler.
pub(crate) fn release() -> bool {
    let start = SPARE.swap(0, Ordering::AcqRel);
    // SAFETY: whoever takes the address owns the pages (module invariant).
    start != 0 && unsafe { sys::unmap(start, RECORDS * page_size()) }.is_ok()
}

/// Runs a system call, and once more with the room of the spare where it lacked some.
pub(crate) fn with_room<T>(call: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match call() {
        Err(Errno::NOMEM) if release() => {
            let result = call();
            keep();
            result
        }
        result => result,
    }
}
