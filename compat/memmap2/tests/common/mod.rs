//! What these tests share: with folio's own, and a little more.
#![allow(unsafe_code, dead_code, unreachable_pub, unused_imports)]

#[path = "../../../../crates/folio/tests/common/mod.rs"]
mod folios;

use std::ffi::CString;
use std::path::Path;

pub use folios::*;

/// Runs `work` in a child that has a tmpfs of a megabyte to itself, mounted at the path it is given.
pub fn in_a_full_house(work: impl FnOnce(&Path)) {
    const CANNOT: i32 = 9;
    // SAFETY: getuid(2) and getgid(2) take nothing.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let end = fork(|| {
        let map = |file, id| std::fs::write(file, format!("{id} {id} 1")).is_ok();
        let [none, root, kind, target, options] =
            ["none", "/", "tmpfs", "/tmp", "size=1m"].map(|text| CString::new(text).unwrap());
        // SAFETY: the calls read strings that live through them (unshare(2), mount(2)); the child is
        // alone.
        let mounted = unsafe {
            (libc::unshare(libc::CLONE_NEWNS) == 0
                || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
                    && map("/proc/self/uid_map", user)
                    && std::fs::write("/proc/self/setgroups", "deny").is_ok()
                    && map("/proc/self/gid_map", group))
                && libc::mount(
                    none.as_ptr(),
                    root.as_ptr(),
                    none.as_ptr(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    none.as_ptr().cast(),
                ) == 0
                && libc::mount(
                    kind.as_ptr(),
                    target.as_ptr(),
                    kind.as_ptr(),
                    0,
                    options.as_ptr().cast(),
                ) == 0
        };
        if !mounted {
            // SAFETY: ends the process (_exit(2)).
            unsafe { libc::_exit(CANNOT) };
        }
        work(Path::new("/tmp"));
    });
    if end == End::Exit(CANNOT) {
        skip("a mount namespace of one's own with tmpfs (unshare(2), mount(2))");
    } else {
        assert_eq!(end, End::Well);
    }
}

/// Whether anything is mapped at an address.
pub fn is_mapped(address: usize) -> bool {
    mincore(address, 1).is_some()
}
