//! `folio run` with programs that do what few do.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use common::Files;
use common::programs::{How, compiled};

fn corner(files: &Files, name: &str) -> Command {
    let file = common::text(&files.path(name));
    let program = compiled(files, "corners.c");
    // What hangs with all signals blocked ends by SIGKILL alone.
    How::Run.command(files, &["timeout", "--signal=KILL", "60", &program, name, &file])
}

fn outcome(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn says(name: &str, expected: &str) -> String {
    let output = corner(&Files::new(), name).output().expect("it starts");
    assert_eq!(outcome(&output), (Some(0), expected.to_owned()), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_is_known_after_the_first_thread_has_ended() {
    let told = says("first-thread-ends", "read 0\n");
    assert!(told.contains("first-thread-ends: truncated at offset 4096;"), "{told}");
}

#[test]
fn mremap_of_no_bytes_amid_lost_pages_is_no_fault_of_folios() {
    says("remap-nothing", "done\n");
}

#[test]
fn mremap_moves_no_more_than_one_file() {
    says("remap-two", "Bad address: memory\n");
}

#[test]
fn mremap_keeps_what_was_written_to_a_private_mapping() {
    says("remap-private", "Bad address: written\n");
}

#[test]
fn a_thread_ends_in_the_programs_handler() {
    says("thread-ends-in-handler", "caught 7\ndone\n");
}

#[test]
fn a_child_that_forks_by_vfork_first_of_all_keeps_its_handlers() {
    says("vforks", "caught 7\nread 0\nstatus 0\n");
}

#[test]
fn a_library_behind_folios_may_map_memory_while_it_unmaps() {
    let files = Files::new();
    let library = common::text(&files.path("nested.so"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/nested.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, source]).status();
    assert!(made.expect("Rust links with cc too").success());
    let output = corner(&files, "unmaps").env("LD_PRELOAD", library).output().expect("it starts");
    assert_eq!(outcome(&output), (Some(0), "done\n".to_owned()), "{output:?}");
}

#[test]
fn nothing_is_written_to_a_connection_that_has_stderrs_number() {
    says("connection", "received -1\n");
}

#[test]
fn a_program_whose_stderr_nobody_reads_any_more_lives() {
    let files = Files::new();
    let mut command = corner(&files, "lost-stderr");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stderr.take());
    child.stdin.take().expect("piped").write_all(b"x").expect("it waits");
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("a pipe");
    assert_eq!((child.wait().expect("a child").code(), text.as_str()), (Some(0), "done\n"));
}

#[test]
fn a_program_that_reads_its_own_stderr_waits_for_nobody_else() {
    let files = Files::new();
    let (reads, writes) = std::io::pipe().expect("a pipe");
    let output = corner(&files, "full-stderr").stdin(reads).stderr(writes).output();
    let output = output.expect("it starts");
    assert_eq!(outcome(&output), (Some(0), "done\n".to_owned()), "{output:?}");
}

#[test]
fn a_program_without_a_descriptor_left_lives_and_may_write() {
    says("no-descriptor", "read 7\n");
}
