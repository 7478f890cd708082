//! Faults as C sees them: `struct folio_fault`, and as text.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::ptr;
use std::os::unix::ffi::OsStrExt;

use folio::{Access, Fault, FaultKind};

const PATH: usize = 4096;

/// `struct folio_fault`. Its size never changes: new fields come out of `reserved`.
#[repr(C)]
#[derive(Debug)]
pub struct FolioFault {
    kind: c_int,
    access: c_int,
    error: c_int,
    reserved_int: c_int,
    address: *mut c_void,
    offset: u64,
    done: usize,
    device: u64,
    inode: u64,
    reserved: [u64; 9],
    path: [u8; PATH],
}

const _: () = assert!(size_of::<FolioFault>() == 128 + PATH);

const READ: c_int = 1;
const WRITE: c_int = 2;

/// The numbers of `enum folio_fault_kind`.
const KINDS: [(c_int, FaultKind); 7] = [
    (1, FaultKind::Truncated),
    (2, FaultKind::Io),
    (3, FaultKind::NoSpace),
    (4, FaultKind::Poison),
    (5, FaultKind::Protection),
    (6, FaultKind::Unmapped),
    (UNEXPLAINED, FaultKind::Unexplained),
];
const UNEXPLAINED: c_int = 7;

impl FolioFault {
    pub(crate) fn new(fault: &Fault) -> Self {
        let kind = KINDS.iter().find(|(_, kind)| *kind == fault.kind());
        let (device, inode) = fault.backing().inode().unwrap_or_default();
        let mut path = [0; PATH];
        if let Some(name) = fault.backing().path() {
            // The last byte stays 0. The kernel knows no longer path (path_resolution(7)).
            for (to, from) in path.iter_mut().take(PATH - 1).zip(name.as_os_str().as_bytes()) {
                *to = *from;
            }
        }
        Self {
            kind: kind.map_or(UNEXPLAINED, |(number, _)| *number),
            access: if fault.access() == Access::Write { WRITE } else { READ },
            error: fault.raw_os_error().unwrap_or(0),
            reserved_int: 0,
            address: ptr::without_provenance_mut(fault.address()),
            offset: fault.offset(),
            done: fault.transferred(),
            device,
            inode,
            reserved: [0; 9],
            path,
        }
    }

    /// Fills in what C passed to be filled in.
    ///
    /// # Safety
    /// `to` is NULL or has room for a `struct folio_fault`.
    pub(crate) unsafe fn put(fault: &Fault, to: *mut Self) {
        if !to.is_null() {
            // SAFETY: by the contract.
            unsafe { to.write(Self::new(fault)) };
        }
    }

    /// # Safety
    /// `this` points to a `struct folio_fault` that folio filled in, or a copy of one.
    unsafe fn write(this: *const Self, line: &mut Line) -> fmt::Result {
        // SAFETY: by the contract; every bit pattern is a value of these types.
        let (kind, access, address, offset, inode) = unsafe {
            ((*this).kind, (*this).access, (*this).address, (*this).offset, (*this).inode)
        };
        // SAFETY: as above.
        let path = unsafe { &raw const (*this).path }.cast::<u8>();
        let kind = KINDS.iter().find(|(number, _)| *number == kind);
        let kind = kind.map_or(FaultKind::Unexplained, |(_, kind)| *kind);
        let mut named = false;
        for at in 0..PATH {
            // SAFETY: `path` has that many bytes.
            let byte = unsafe { path.add(at).read() };
            if byte == 0 {
                break;
            }
            match byte.is_ascii_control() {
                true => byte.escape_ascii().for_each(|byte| line.push(byte)),
                false => line.push(byte),
            }
            named = true;
        }
        match (named, inode) {
            (true, _) => {}
            (false, 0) => write!(line, "memory at {address:p}")?,
            (false, _) => write!(line, "file (inode {inode})")?,
        }
        let why = match kind {
            FaultKind::Truncated => "the file ended before it",
            FaultKind::Io => "the device or file system could not deliver the page",
            FaultKind::NoSpace => "no memory, huge page or disk block was left for the page",
            FaultKind::Poison => "the memory is broken",
            FaultKind::Protection if access == WRITE => "the page does not permit writing",
            FaultKind::Protection => "the page does not permit the access",
            FaultKind::Unmapped => "nothing is mapped at the address",
            _ => "the kernel refused the page and the file is gone",
        };
        match kind {
            FaultKind::Unmapped => write!(line, ": {kind}: {why}"),
            _ => write!(line, ": {kind} at offset {offset}: {why}"),
        }
    }
}

/// `folio_fault_message`
///
/// # Safety
/// `fault` points to a fault that folio filled in, or a copy of one; `buffer` has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn folio_fault_message(
    fault: *const FolioFault,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    let mut line = Line { buffer: buffer.cast(), size, len: 0 };
    // SAFETY: by the contract. A line never fails.
    let _ = unsafe { FolioFault::write(fault, &mut line) };
    if size > 0 {
        // SAFETY: within the buffer.
        unsafe { line.buffer.add(line.len.min(size - 1)).write(0) };
    }
    line.len
}

/// Text into a buffer: what has no room is only counted.
struct Line {
    buffer: *mut u8,
    size: usize,
    len: usize,
}

impl Line {
    fn push(&mut self, byte: u8) {
        if self.len < self.size {
            // SAFETY: within the buffer, which has room for `size` bytes (`folio_fault_message`).
            unsafe { self.buffer.add(self.len).write(byte) };
        }
        self.len += 1;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}
