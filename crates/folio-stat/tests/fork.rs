//! Memory that a forked child shares. A file of its own, with one test: fork(2) shares the memory
//! of tests that run beside it too.
#![allow(unsafe_code)]

mod common;

use common::*;
use folio_stat::Via;

#[test]
fn memory_that_a_forked_child_has_too_is_shared_until_one_writes() {
    let area = Area::anonymous(16);
    area.write(0..8);
    area.read(12..14);
    let [mut wake, mut wait] = [0; 2];
    let mut pipe = [0; 2];
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
    (wait, wake) = (pipe[0] + wait, pipe[1] + wake);
    // SAFETY: the child calls only close, read and _exit, which are async-signal-safe.
    let child = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::close(wake);
            libc::read(wait, (&raw mut pipe).cast(), 1);
            libc::_exit(0);
        }
        child
    };
    check(child).unwrap();
    area.write(0..2);
    let seen: Vec<_> = VIAS
        .map(|via| {
            (via, area.costs(via), costs(area.pages(1..16), via), costs(area.pages(4..8), via))
        })
        .into();
    // SAFETY: the descriptors and the child are this test's.
    unsafe {
        libc::close(wake);
        libc::close(wait);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    for (via, whole, part, shared) in seen {
        assert_eq!((whole.private_dirty_bytes, whole.shared_dirty_bytes), (2 * PAGE, 6 * PAGE));
        assert_eq!((whole.proportional_bytes, whole.resident_bytes), (5 * PAGE, 8 * PAGE));
        assert_eq!((shared.shared_dirty_bytes, shared.private_dirty_bytes), (4 * PAGE, 0));
        if via == Via::Text {
            // Plain pagemap cannot tell the zero pages from those shared with the child.
            assert!(part.estimated && part.resident_bytes >= 7 * PAGE);
        } else {
            assert_eq!((part.shared_dirty_bytes, part.private_dirty_bytes), (6 * PAGE, PAGE));
            assert_eq!(part.proportional_bytes, 4 * PAGE);
            assert!(!part.estimated);
        }
    }
    assert_eq!(area.costs(Via::Best).private_dirty_bytes, 8 * PAGE);
}
