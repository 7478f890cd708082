//! Memory that breaks under a paged mapping.
#![allow(unsafe_code)]

mod common;

use std::sync::atomic::Ordering::SeqCst;

use common::{Ram, pager, pattern};

/// Has this thread told that memory has broken under an instruction of its own: the siginfo is the
/// kernel's for that (sigaction(2)), the memory is whole.
fn break_memory(address: usize) {
    // SAFETY: all zeros is a valid siginfo; the address lies at byte 16 of it and the size of what
    // broke at byte 24 (sigaction(2)); a thread may queue any siginfo to itself.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        info.si_signo = libc::SIGBUS;
        info.si_code = libc::BUS_MCEERR_AR;
        (&raw mut info).cast::<usize>().add(2).write(address);
        (&raw mut info).cast::<i16>().add(12).write(12);
        let (process, thread) = (libc::getpid(), libc::gettid());
        let call = libc::SYS_rt_tgsigqueueinfo;
        assert_eq!(libc::syscall(call, process, thread, libc::SIGBUS, &raw const info), 0);
    }
}

#[test]
fn what_the_store_has_is_loaded_again() {
    let bytes = pattern(1 << 20);
    let store = Ram::fixed(bytes.clone());
    let pager = pager(1 << 20);
    let map = pager.options().granule(4096).map(store.clone()).unwrap();
    let slice = map.as_slice().unwrap();
    assert_eq!(slice[5000], bytes[5000]);
    let reads = store.0.reads.load(SeqCst);
    break_memory(slice.as_ptr().addr() + 5000);
    assert_eq!(slice[5000], bytes[5000]);
    assert_eq!(store.0.reads.load(SeqCst), reads + 1);
    map.check().unwrap();
}

#[test]
fn changes_that_were_in_it_are_an_error_and_zeros() {
    let store = Ram::new(pattern(1 << 20));
    let pager = pager(1 << 20);
    let mut map = pager.options().granule(4096).shared(store.clone()).unwrap();
    map.write_at(5000, b"changed").unwrap();
    break_memory(map.as_ptr().addr() + 5000);
    // SAFETY: the mapping has that byte, and this thread alone uses it.
    assert_eq!(unsafe { map.as_ptr().wrapping_add(5000).read_volatile() }, 0);
    let error = map.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read: cannot keep ram: the memory that its changes were in has broken"
    );
    assert!(map.flush(..).is_err());
    assert!(store.content() == pattern(1 << 20));
    assert!(map.retry());
    map.flush(..).unwrap();
    let mut byte = [0];
    map.read_at(5000, &mut byte).unwrap();
    assert_eq!(byte[0], pattern(1 << 20)[5000]);
}
