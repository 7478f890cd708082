//! System V segments that another program made.
#![allow(unsafe_code)]

mod common;

use folio_shm::{ErrorKind, SysV};

/// A segment as old programs make them, removed when dropped.
struct Old {
    id: i32,
    key: i32,
}

impl Old {
    fn new(len: usize, mode: i32) -> Self {
        for key in 1.. {
            let key = (std::process::id() as i32) << 8 | key;
            // SAFETY: shmget(2) takes numbers.
            let id = unsafe { libc::shmget(key, len, mode | libc::IPC_CREAT | libc::IPC_EXCL) };
            if id != -1 {
                return Self { id, key };
            }
            assert!(key & 0xff < 100, "{}", std::io::Error::last_os_error());
        }
        unreachable!()
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        // SAFETY: removes the number; who has it attached keeps it.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

#[test]
fn a_segment_is_read_and_written_by_key_and_by_number() {
    let old = Old::new(10_000, 0o600);
    let writer = SysV::attach_id_writable(old.id).unwrap();
    let reader = SysV::attach_key(old.key).unwrap();
    assert_eq!((reader.id(), reader.len()), (old.id, 10_000));
    writer.write_at(9_995, b"there").unwrap();
    let mut bytes = [0; 5];
    reader.read_at(9_995, &mut bytes).unwrap();
    assert_eq!(&bytes, b"there");
    let stat = reader.stat().unwrap();
    assert_eq!((stat.key, stat.len, stat.attached), (old.key, 10_000, 2));
    assert_eq!((stat.mode, stat.creator), (0o600, std::process::id()));
    assert!(!stat.is_removed);
    drop(SysV::attach_key_writable(old.key).unwrap());
    drop(old);
    assert!(reader.stat().unwrap().is_removed);
    reader.read_at(9_995, &mut bytes).unwrap();
}

#[test]
fn a_read_only_segment_is_not_written_and_no_range_reaches_beyond() {
    let old = Old::new(4096, 0o600);
    let reader = SysV::attach_id(old.id).unwrap();
    assert_eq!(reader.write_at(0, b"x").unwrap_err().kind(), ErrorKind::Fault);
    let beyond = |at, count| reader.read_at(at, &mut vec![0; count]).unwrap_err().kind();
    assert_eq!(beyond(4096, 1), ErrorKind::OutOfRange);
    assert_eq!(beyond(4090, 7), ErrorKind::OutOfRange);
    assert_eq!(beyond(usize::MAX, 2), ErrorKind::OutOfRange);
    reader.read_at(4096, &mut []).unwrap();
}

#[test]
fn what_is_not_there_and_what_is_not_allowed_are_told_apart() {
    let old = Old::new(4096, 0o200);
    if common::is_root() {
        common::skip("root may attach everything");
    } else {
        assert_eq!(SysV::attach_id(old.id).unwrap_err().kind(), ErrorKind::Denied);
    }
    let key = old.key;
    drop(old);
    let error = SysV::attach_key(key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().ends_with("there is none: ipcs -m lists those there are"), "{error}");
    assert_eq!(SysV::attach_id(-1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(SysV::attach_key(libc::IPC_PRIVATE).unwrap_err().kind(), ErrorKind::NotFound);
}
