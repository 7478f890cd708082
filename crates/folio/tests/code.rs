//! Generated code and sealed mappings: what can be called, and what nobody can do any more.
#![allow(unsafe_code)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use folio::{Code, ErrorKind, FaultKind, Mapping, Memory, Protection, Reservation};

/// `mov eax, 42; ret`
const ANSWER: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
/// `lea rax, [rdi + rsi * 2]; ret`
const COMBINE: [u8; 5] = [0x48, 0x8d, 0x04, 0x77, 0xc3];

/// Runs the test of this name in a process of its own; `None` in that process.
fn child(test: &str) -> Option<Output> {
    if std::env::var_os("FOLIO_CHILD").is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env("FOLIO_CHILD", test);
    Some(command.output().unwrap())
}

fn code() -> Code {
    let mut draft = Code::draft(8192).unwrap();
    draft[..6].copy_from_slice(&ANSWER);
    draft[5000..5005].copy_from_slice(&COMBINE);
    draft.finish().unwrap()
}

fn answer(code: &Code) -> i32 {
    // SAFETY: `ANSWER`, or a revision of it, lies at 0: no arguments, a result in eax.
    unsafe { code.entry::<extern "C" fn() -> i32>(0).unwrap()() }
}

fn protection_at(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let parse = |text| usize::from_str_radix(text, 16).unwrap();
        (parse(start)..parse(end)).contains(&address)
    });
    line.unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn generated_functions_run_with_and_without_arguments() {
    let code = code();
    assert_eq!(answer(&code), 42);
    // SAFETY: `COMBINE` lies at 5000: two integers, an integer in rax.
    let combine = unsafe { code.entry::<extern "C" fn(u64, u64) -> u64>(5000) }.unwrap();
    assert_eq!(combine(1 << 40, 21), (1 << 40) + 42);
    // SAFETY: never called.
    let outside = unsafe { code.entry::<extern "C" fn()>(8192) }.unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::OutOfRange);
}

#[test]
fn code_is_never_writable_and_executable_at_once() {
    let mut draft = Code::draft(100).unwrap();
    draft[..6].copy_from_slice(&ANSWER);
    let address = draft.as_ptr() as usize;
    assert_eq!(protection_at(address), "rw-p");
    let code = draft.finish().unwrap();
    assert_eq!((code.address(), protection_at(address)), (address, "r-xp".to_owned()));
    assert_eq!(answer(&code), 42);

    let error = code.view().write_at(1, &[43]).unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Protection);
    assert_eq!(answer(&code), 42);

    let mut draft = code.revise().unwrap();
    assert_eq!(protection_at(address), "rw-p");
    draft[1] = 43;
    assert_eq!(answer(&draft.finish().unwrap()), 43);
}

#[test]
fn writing_code_and_executing_a_draft_are_segmentation_faults() {
    let deaths = ["write", "execute"].map(|what| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["a_process_that_breaks_the_rule", "--exact"]).env("FOLIO_BREAKS", what);
        command.output().unwrap().status
    });
    for death in deaths {
        assert_eq!(death.signal(), Some(libc::SIGSEGV), "{death}");
    }
}

#[test]
fn a_process_that_breaks_the_rule() {
    let Ok(what) = std::env::var("FOLIO_BREAKS") else { return };
    no_core();
    if what == "write" {
        let code = code();
        assert_eq!(answer(&code), 42);
        // SAFETY: not safe at all: the test wants to see it fail.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(code.address()).write_volatile(1) };
    } else {
        let mut draft = Code::draft(100).unwrap();
        draft[..6].copy_from_slice(&ANSWER);
        // SAFETY: as above.
        let entry: extern "C" fn() -> i32 = unsafe { std::mem::transmute(draft.as_ptr()) };
        entry();
    }
}

fn no_core() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: setrlimit(2) reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}

#[test]
fn where_the_system_forbids_it_the_draft_comes_back_with_the_reason() {
    let test = "where_the_system_forbids_it_the_draft_comes_back_with_the_reason";
    if let Some(output) = child(test) {
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let mut draft = Code::draft(100).unwrap();
    draft[..6].copy_from_slice(&ANSWER);
    const PR_SET_MDWE: i32 = 65;
    // SAFETY: forbids this process, a child made for it, to make memory executable (prctl(2)).
    if unsafe { libc::prctl(PR_SET_MDWE, 1, 0, 0, 0) } != 0 {
        common::skip("PR_SET_MDWE (Linux 6.3)");
        return;
    }
    let (mut draft, error) = draft.finish().unwrap_err().into_parts();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    assert!(error.to_string().contains("MemoryDenyWriteExecute"), "{error}");
    assert_eq!(draft[..6], ANSWER);
    draft[0] = 1;
}

/// What a stranger in the process could try on a mapping.
fn attempts(address: usize, len: usize) -> [(&'static str, bool); 4] {
    let at: *mut libc::c_void = std::ptr::with_exposed_provenance_mut(address);
    let refused = |failed: bool| {
        failed && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    };
    let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let fixed = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the mapping is the test's own, in a process of its own; nothing refers into it.
    unsafe {
        [
            ("munmap", refused(libc::munmap(at, len) != 0)),
            ("mprotect", refused(libc::mprotect(at, len, all) != 0)),
            ("mmap", refused(libc::mmap(at, len, all, fixed, -1, 0) == libc::MAP_FAILED)),
            ("mremap", refused(libc::mremap(at, len, 2 * len, 1) == libc::MAP_FAILED)),
        ]
    }
}

fn can_seal() -> bool {
    let sealed = Memory::new(1).unwrap().into_mapping().seal();
    if let Err(refused) = &sealed {
        assert_eq!(refused.error().kind(), ErrorKind::Unsupported);
        common::skip("mseal (Linux 6.10)");
    }
    sealed.is_ok()
}

#[test]
fn a_sealed_mapping_cannot_be_unmapped_protected_replaced_or_moved() {
    let test = "a_sealed_mapping_cannot_be_unmapped_protected_replaced_or_moved";
    if let Some(output) = child(test) {
        assert!(output.status.success(), "{output:?}");
        return;
    }
    if !can_seal() {
        return;
    }
    let mut map = Memory::new(3 * 4096).unwrap().into_mapping();
    map.write_at(5000, b"for good").unwrap();
    map.protect(.., Protection::READ).unwrap();
    let sealed = map.seal().unwrap();
    for (what, refused) in attempts(sealed.address(), 3 * 4096) {
        assert!(refused, "{what}");
    }
    let copy = sealed;
    let view = std::thread::spawn(move || sealed.view()).join().unwrap();
    assert_eq!(&view.range(5000..5008).unwrap().to_vec().unwrap(), b"for good");
    let error = copy.write_at(0, &[1]).unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Protection);
    // SAFETY: private memory that nobody can write any more.
    assert_eq!(&unsafe { copy.as_slice() }[5000..5008], b"for good");
}

#[test]
fn a_sealed_mapping_of_a_file_reports_its_faults_and_flushes() {
    if !can_seal() {
        return;
    }
    let path = std::env::temp_dir().join(format!("folio-sealed-{}", std::process::id()));
    std::fs::write(&path, [1; 10_000]).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let mut map = Mapping::options().write().open(&path).unwrap();

    // Zeros that stand in for a lost page would stay for ever.
    file.set_len(4096).unwrap();
    // SAFETY: the sum is not looked at.
    unsafe { map.guarded(|bytes| bytes.iter().map(|&b| u64::from(b)).sum::<u64>()) }.unwrap_err();
    let (returned, error) = map.seal().unwrap_err().into_parts();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
    map = returned;
    file.set_len(10_000).unwrap();
    map.restore().unwrap();

    let sealed = map.seal().unwrap();
    sealed.write_at(9000, b"kept").unwrap();
    assert_eq!(sealed.flush(9000..9004).unwrap(), 8192..10_000);
    assert_eq!(&std::fs::read(&path).unwrap()[9000..9004], b"kept");
    file.set_len(4096).unwrap();
    let error = sealed.read_at(4090, &mut [0; 10]).unwrap_err();
    assert_eq!(error.fault().unwrap().transferred(), 6);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_mapping_sealed_in_a_reservation_keeps_its_place() {
    if !can_seal() {
        return;
    }
    let space = Reservation::new(8 * 4096).unwrap();
    let map = Mapping::options().write().private().inside(&space, 4096).anonymous(4096).unwrap();
    let sealed = map.seal().unwrap();
    let again = Mapping::options().private().inside(&space, 4096).anonymous(4096).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Occupied);
    drop(space);
    sealed.write_at(0, b"still here").unwrap();
    assert_eq!(&sealed.to_vec().unwrap()[..10], b"still here");
}

#[test]
fn nothing_is_code_too_and_an_empty_mapping_can_be_sealed() {
    let code = Code::draft(0).unwrap().finish().unwrap();
    assert!(code.is_empty());
    // SAFETY: never called.
    let entry = unsafe { code.entry::<extern "C" fn()>(0) };
    assert_eq!(entry.unwrap_err().kind(), ErrorKind::OutOfRange);
    let sealed = Mapping::options().anonymous(0).unwrap().seal().unwrap();
    assert!(sealed.is_empty());
}

#[test]
fn sealed_code_runs_and_stays() {
    let test = "sealed_code_runs_and_stays";
    if let Some(output) = child(test) {
        assert!(output.status.success(), "{output:?}");
        return;
    }
    if !can_seal() {
        return;
    }
    let code: &'static Code = code().seal().unwrap();
    for (what, refused) in attempts(code.address(), 8192) {
        assert!(refused, "{what}");
    }
    assert_eq!(answer(code), 42);
}
