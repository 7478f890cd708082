//! Mappings that folio did not make, where their records could be taken for something else's.
#![allow(unsafe_code)]

mod signals_common;

use std::convert::Infallible;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;

use folio::FaultKind;
use folio::foreign;
use signals_common::*;

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;

/// Addresses that nothing else is mapped to while the value lives.
struct Area {
    start: *mut u8,
    pages: usize,
}

impl Area {
    fn new(pages: usize) -> Self {
        let start = Self::map(ptr::null_mut(), pages, libc::PROT_NONE, libc::MAP_PRIVATE, None, 0);
        Self { start, pages }
    }

    fn map(
        at: *mut u8,
        pages: usize,
        protection: i32,
        flags: i32,
        file: Option<&File>,
        offset: usize,
    ) -> *mut u8 {
        let kind = if file.is_none() { libc::MAP_ANONYMOUS } else { 0 };
        let place = if at.is_null() { 0 } else { libc::MAP_FIXED };
        let fd = file.map_or(-1, AsRawFd::as_raw_fd);
        let (len, offset) = (pages * PAGE, (offset * PAGE) as i64);
        // SAFETY: new addresses, or those of an area, which nobody has a reference to.
        let made =
            unsafe { libc::mmap(at.cast(), len, protection, flags | kind | place, fd, offset) };
        assert_ne!(made, libc::MAP_FAILED);
        made.cast()
    }

    /// Maps pages of the area, without a word to folio.
    fn put(&self, page: usize, pages: usize, kind: (i32, i32), file: Option<(&File, usize)>) {
        assert!(page + pages <= self.pages);
        let (file, offset) = file.map_or((None, 0), |(file, offset)| (Some(file), offset));
        // SAFETY: within the area.
        let at = unsafe { self.start.add(page * PAGE) };
        Self::map(at, pages, kind.0, kind.1, file, offset);
    }

    fn addresses(&self) -> std::ops::Range<usize> {
        self.start.addr()..self.start.addr() + self.pages * PAGE
    }

    fn byte(&self, at: usize) -> *mut u8 {
        assert!(at < self.pages * PAGE);
        // SAFETY: within the area.
        unsafe { self.start.add(at) }
    }

    fn read(&self, at: usize) -> u8 {
        // SAFETY: mapped.
        unsafe { self.byte(at).read_volatile() }
    }

    fn write(&self, at: usize, byte: u8) {
        // SAFETY: mapped for writing.
        unsafe { self.byte(at).write_volatile(byte) }
    }

    fn guard(&self) {
        // SAFETY: no soundness rests on the bytes; `drop` says that the mapping goes.
        unsafe { foreign::guard(self.addresses()) }.unwrap();
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        let (start, len) = (self.start.cast(), self.pages * PAGE);
        // SAFETY: nobody refers to it.
        let unmap = || if unsafe { libc::munmap(start, len) } == 0 { Ok(()) } else { Err(()) };
        foreign::replace(self.addresses(), unmap).unwrap();
    }
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn no_addresses_are_none_amid_lost_pages_too() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(3 * PAGE));
    let area = Area::new(3);
    area.put(0, 3, (READ, libc::MAP_SHARED), Some((&open(&path), 0)));
    area.guard();
    set_len(&path, 0);
    assert_eq!((area.read(0), area.read(PAGE), area.read(2 * PAGE)), (0, 0, 0));
    let none = area.start.addr() + PAGE..area.start.addr() + PAGE;
    foreign::check(none.clone()).unwrap();
    foreign::forget(none.clone());
    // SAFETY: no address, no reference.
    assert!(unsafe { foreign::restore(none.clone()) }.unwrap().is_none());
    foreign::replace(none, || Ok::<_, Infallible>(())).unwrap();
    for page in 0..3 {
        let start = area.start.addr() + page * PAGE;
        assert_eq!(foreign::check(start..start + PAGE).unwrap_err().offset(), (page * PAGE) as u64);
    }
}

#[test]
fn neighbouring_mappings_of_one_file_are_put_back_as_what_each_was() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(2 * PAGE));
    let (area, file) = (Area::new(2), open(&path));
    area.put(0, 1, (READ | WRITE, libc::MAP_SHARED), Some((&file, 0)));
    area.put(1, 1, (READ | WRITE, libc::MAP_PRIVATE), Some((&file, 1)));
    area.guard();
    set_len(&path, 0);
    assert_eq!((area.read(0), area.read(PAGE)), (0, 0));
    fs::write(&path, pattern(2 * PAGE)).unwrap();
    // SAFETY: the mappings are those that met the faults, and nobody refers to them.
    unsafe { foreign::restore(area.addresses()) }.unwrap().unwrap();
    area.write(10, 200);
    area.write(PAGE + 10, 201);
    let now = fs::read(&path).unwrap();
    assert_eq!((now[10], now[PAGE + 10]), (200, pattern(2 * PAGE)[PAGE + 10]));
}

#[test]
fn what_is_known_of_a_part_of_a_page_is_known_of_the_page() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(100));
    let area = Area::new(1);
    area.put(0, 1, (READ, libc::MAP_SHARED), Some((&open(&path), 0)));
    area.guard();
    set_len(&path, 0);
    assert_eq!(area.read(0), 0);
    let start = area.start.addr();
    foreign::forget(start..start + 100);
    foreign::check(start..start + PAGE).unwrap();
}

#[test]
fn a_refreshed_file_does_not_come_to_lie_where_something_else_is_mapped_by_now() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.file("one", &pattern(PAGE)), scratch.file("two", &pattern(PAGE)));
    let shared = (READ, libc::MAP_SHARED);
    for other in [false, true] {
        set_len(&one, PAGE as u64);
        let area = Area::new(1);
        area.put(0, 1, shared, Some((&open(&one), 0)));
        area.guard();
        set_len(&one, 0);
        assert_eq!(area.read(0), 0);
        // A system call that folio does not hear of.
        if other {
            area.put(0, 1, shared, Some((&open(&two), 0)));
            set_len(&two, 0);
            assert_eq!(area.read(5), 0);
        } else {
            area.put(0, 1, (READ | WRITE, libc::MAP_PRIVATE), None);
            area.write(5, 7);
            // SAFETY: nobody has a reference.
            assert_eq!(unsafe { libc::mprotect(area.start.cast(), PAGE, READ) }, 0);
        }
        fs::write(&one, [9; PAGE]).unwrap();
        // SAFETY: only this test maps the file.
        assert_eq!(unsafe { foreign::refresh(open(&one), 0..u64::MAX) }, 0);
        assert_eq!(area.read(5), if other { 0 } else { 7 });
        if other {
            let fault = foreign::check(area.addresses()).unwrap_err();
            assert_eq!(fault.backing().path(), Some(&*two));
        }
    }
}

#[test]
fn zeros_in_the_place_of_code_are_not_executed() {
    let ended = in_child("zeros_in_the_place_of_code_are_not_executed", || {
        let path = child_dir().join("code");
        fs::write(&path, [0xc3; PAGE]).unwrap();
        let area = Area::new(1);
        area.put(0, 1, (READ | libc::PROT_EXEC, libc::MAP_PRIVATE), Some((&open(&path), 0)));
        area.guard();
        // SAFETY: the page holds a return.
        let function: extern "C" fn() = unsafe { std::mem::transmute(area.start) };
        function();
        set_len(&path, 0);
        assert_eq!(area.read(0), 0);
        extern "C" fn at(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
            // SAFETY: the kernel's context of a fault; bit 4 of the error code says that it was met
            // by the fetch of an instruction. Then the process ends.
            unsafe {
                let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
                note("fetch", &[registers[libc::REG_ERR as usize] as u64 >> 4 & 1]);
                libc::_exit(0);
            }
        }
        handle(libc::SIGSEGV, at as *const () as usize, libc::SA_SIGINFO, &[]);
        function();
    });
    let ended = ended.unwrap();
    ended.assert_success();
    assert_eq!(ended.notes, ["fetch 1"]);
}

#[test]
fn a_copy_reports_addresses_that_the_processor_has_no_bits_for() {
    for address in [1 << 47, 0xdead << 48, usize::MAX << 47, usize::MAX - 100] {
        let mut bytes = [1; 64];
        let (there, len) = (ptr::without_provenance_mut::<u8>(address), bytes.len());
        // SAFETY: nothing is mapped there, and `bytes` is this test's own.
        let errors = unsafe {
            [
                foreign::read(there, bytes.as_mut_ptr(), len),
                foreign::write(there, bytes.as_ptr(), len),
            ]
        };
        for (error, access) in errors.into_iter().zip([folio::Access::Read, folio::Access::Write]) {
            let error = error.unwrap_err();
            let fault = error.fault().unwrap();
            assert_eq!(
                (fault.kind(), fault.access()),
                (FaultKind::Unmapped, access),
                "{address:#x}"
            );
            assert_eq!((fault.transferred(), fault.address()), (0, address));
        }
    }
}

#[test]
fn what_was_written_to_zeros_stays_when_more_become_zeros_at_once() {
    const PAGES: usize = 100;
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(PAGES * PAGE));
    let area = Area::new(PAGES);
    area.put(0, PAGES, (READ | WRITE, libc::MAP_SHARED), Some((&open(&path), 0)));
    // SAFETY: the mapping is this test's alone, and no soundness rests on the bytes.
    let guard = unsafe { foreign::Guarded::new(area.addresses(), 0) }.unwrap();
    set_len(&path, 0);
    area.write(90 * PAGE, 7);
    (0..70).for_each(|page| assert_eq!(area.read(page * PAGE), 0));
    assert_eq!((area.read(90 * PAGE), area.read(95 * PAGE)), (7, 0));
    drop(guard);
}
