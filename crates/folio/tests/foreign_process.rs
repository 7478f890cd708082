//! A whole process whose file mappings are guarded, told of its faults, and its signals' handlers.
#![allow(unsafe_code)]

mod signals_common;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;

use folio::FaultKind;
use folio::foreign::{self, Response};
use signals_common::*;

#[test]
fn the_callback_is_told_of_faults_in_folios_mappings_and_in_others() {
    // Other tests of this process have faults too.
    let name = "the_callback_is_told_of_faults_in_folios_mappings_and_in_others";
    in_child(name, faults_are_told).unwrap().assert_success();
}

/// A callback's value that sets another when it goes.
struct SetsAnother;

impl Drop for SetsAnother {
    fn drop(&mut self) {
        folio::on_fault(|_| ()).unwrap();
    }
}

fn faults_are_told() {
    let scratch = Scratch::new();
    let value = SetsAnother;
    folio::on_fault(move |_| _ = &value).unwrap();
    folio::on_fault(|_| ()).unwrap();
    let (tell, told) = mpsc::channel();
    folio::on_fault(move |fault| {
        let thread = std::thread::current().name().map(str::to_owned);
        drop(tell.send((fault.clone(), thread)));
    })
    .unwrap();
    for round in 0..50 {
        let own = scratch.file("own", &pattern(3 * PAGE));
        let map = folio::Mapping::options().offset(100).open(&own).unwrap();
        map.guard();
        set_len(&own, PAGE as u64);
        // SAFETY: nobody writes to the file.
        assert!(unsafe { map.as_slice() }[2 * PAGE..].iter().all(|&byte| byte == 0));
        if round % 2 == 0 {
            drop(map);
        }
        let (fault, thread) = told.recv().unwrap();
        assert_eq!(fault.kind(), FaultKind::Truncated);
        assert_eq!(fault.offset(), 2 * PAGE as u64 + 100);
        assert_eq!(fault.backing().path(), Some(own.as_path()));
        assert_eq!(thread.as_deref(), Some("folio-faults"));

        let other = scratch.file("other", &pattern(3 * PAGE));
        let raw = Raw::shared(&other, 3 * PAGE);
        raw.guard();
        set_len(&other, 0);
        assert_eq!((raw.read(PAGE), raw.read(2 * PAGE)), (0, 0));
        let (fault, _) = told.recv().unwrap();
        assert_eq!(fault.offset(), PAGE as u64);
        assert_eq!(fault.backing().inode().unwrap().1, fs::metadata(&other).unwrap().ino());
        assert!(told.try_recv().is_err());
    }
}

fn guard_all(response: Response) {
    // SAFETY: the scenarios are ready for zeros.
    unsafe { foreign::guard_all(response) }.unwrap();
}

#[test]
fn a_whole_process_goes_on_over_zeros_and_a_line_names_the_file_once() {
    let name = "a_whole_process_goes_on_over_zeros_and_a_line_names_the_file_once";
    let ended = in_child(name, || {
        guard_all(Response::ZerosAndTell);
        let lost = foreign_lost_pages();
        // SAFETY: mapped.
        unsafe {
            assert_eq!(lost.add(PAGE + 3).read_volatile(), 0);
            assert_eq!(lost.read_volatile(), 0);
            lost.write_volatile(4);
            assert_eq!(lost.read_volatile(), 4);
        }
        let addresses = lost.addr()..lost.addr() + 2 * PAGE;
        assert_eq!(foreign::check(addresses).unwrap_err().offset(), PAGE as u64 + 3);
    });
    let ended = ended.unwrap();
    ended.assert_success();
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("folio: ")).collect();
    assert_eq!(lines.len(), 1, "{ended:?}");
    assert!(lines[0].contains("/foreign: truncated at offset 4099; zeros stand in"), "{lines:?}");
}

#[test]
fn a_process_that_is_to_stop_ends_with_code_1_and_a_line() {
    let name = "a_process_that_is_to_stop_ends_with_code_1_and_a_line";
    let ended = in_child(name, || {
        guard_all(Response::Stop);
        // SAFETY: mapped.
        unsafe { foreign_lost_pages().add(5).read_volatile() };
    });
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/foreign: truncated at offset 5; stopped"), "{ended:?}");
}

#[test]
fn a_forked_child_and_the_parent_each_have_their_own() {
    let ended = in_child("a_forked_child_and_the_parent_each_have_their_own", || {
        guard_all(Response::Zeros);
        let lost = foreign_lost_pages();
        // SAFETY: the child only reads a mapping and ends.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(lost.add(PAGE).read_volatile()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
        }
        let addresses = lost.addr()..lost.addr() + 2 * PAGE;
        foreign::check(addresses.clone()).unwrap();
        // SAFETY: mapped.
        assert_eq!(unsafe { lost.read_volatile() }, 0);
        foreign::check(addresses).unwrap_err();
    });
    ended.unwrap().assert_success();
}

#[test]
fn without_descriptors_left_a_whole_process_still_goes_on() {
    let ended = in_child("without_descriptors_left_a_whole_process_still_goes_on", || {
        guard_all(Response::ZerosAndTell);
        let lost = foreign_lost_pages();
        // SAFETY: the structure lives through the call.
        unsafe {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none), 0);
            assert_eq!(lost.read_volatile(), 0);
            lost.add(PAGE).write_volatile(3);
            assert_eq!(lost.add(PAGE).read_volatile(), 3);
        }
    });
    let ended = ended.unwrap();
    ended.assert_success();
    assert!(ended.stderr.contains("folio: a mapping: no page to be had (truncated, "), "{ended:?}");
}

#[test]
fn what_is_not_a_file_or_is_to_be_executed_is_a_signal_as_ever() {
    let name = "what_is_not_a_file_or_is_to_be_executed_is_a_signal_as_ever";
    let ended = in_child(name, || {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        guard_all(Response::Zeros);
        let path = child_dir().join("code");
        fs::write(&path, pattern(PAGE)).unwrap();
        let flags = libc::MAP_PRIVATE;
        let raw = Raw::of(&path, PAGE, libc::PROT_READ | libc::PROT_EXEC, flags);
        set_len(&path, 0);
        // SAFETY: nothing is there to be executed, and the process is meant to end.
        let code: extern "C" fn() = unsafe { std::mem::transmute(raw.start) };
        code();
    });
    assert!(ended.as_ref().unwrap().died_of(libc::SIGBUS), "{ended:?}");
}

#[test]
fn a_file_of_the_programs_that_took_the_number_of_stderr_is_not_written_to() {
    let name = "a_file_of_the_programs_that_took_the_number_of_stderr_is_not_written_to";
    let ended = in_child(name, || {
        guard_all(Response::ZerosAndTell);
        let own = File::create(child_dir().join("data")).unwrap();
        // SAFETY: nothing else uses the descriptor meanwhile.
        unsafe {
            assert_eq!(libc::dup2(own.as_raw_fd(), 2), 2);
            assert_eq!(foreign_lost_pages().read_volatile(), 0);
        }
        note("bytes", &[own.metadata().unwrap().len()]);
    });
    let ended = ended.unwrap();
    ended.assert_success();
    assert_eq!(ended.notes, ["bytes 0"]);
}

#[test]
fn a_program_can_change_whom_a_signal_is_passed_on_to_while_folio_stays_in_front() {
    extern "C" fn theirs(_: std::ffi::c_int) {
        note("theirs", &[]);
    }
    let name = "a_program_can_change_whom_a_signal_is_passed_on_to_while_folio_stays_in_front";
    let ended = in_child(name, || {
        let action = |handler, flags| foreign::Action { handler, flags, mask: 0 };
        assert_eq!(foreign::next_action(libc::SIGBUS), None);
        // SAFETY: SIG_DFL, and a handler that calls write(2) only.
        unsafe {
            assert_eq!(foreign::set_next_action(libc::SIGBUS, action(libc::SIG_DFL, 0)), None);
            handle(libc::SIGBUS, libc::SIG_IGN, 0, &[]);
            guard_all(Response::Zeros);
            let once = action(theirs as *const () as usize, libc::SA_RESETHAND);
            let before = foreign::set_next_action(libc::SIGBUS, once).unwrap();
            assert_eq!(before.handler, libc::SIG_IGN);
            assert_eq!(foreign::next_action(libc::SIGSEGV), None);
            libc::raise(libc::SIGBUS);
            assert_eq!(foreign_lost_pages().read_volatile(), 0);
            // As the kernel does it: the flags stay (rt_sigaction in sigaction(2), SA_RESETHAND).
            let after = action(libc::SIG_DFL, libc::SA_RESETHAND);
            assert_eq!(foreign::next_action(libc::SIGBUS), Some(after));
            libc::raise(libc::SIGBUS);
        }
    });
    let ended = ended.unwrap();
    assert_eq!(ended.notes, ["theirs"]);
    assert!(ended.died_of(libc::SIGBUS), "{ended:?}");
}
