//! Rust's own message about a stack overflow still appears, and SIGABRT follows, once folio is
//! installed: on the main thread, which the test harness does not offer, and on another.

mod signals_common;

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use signals_common::Scratch;

fn overflow(depth: usize) -> usize {
    let frame = black_box([depth; 64]);
    if depth == usize::MAX { 0 } else { black_box(overflow(depth + 1)) + frame[depth % 64] }
}

fn play(thread: &str) {
    std::env::set_current_dir(std::env::var_os("FOLIO_SCRATCH").unwrap()).unwrap();
    if std::env::var("FOLIO_WITH").unwrap() == "1" {
        signals_common::folio_handles_a_fault();
    }
    match thread {
        "main" => {
            overflow(0);
        }
        _ => {
            let spawn = std::thread::Builder::new().name("deep".into()).spawn(|| overflow(0));
            spawn.unwrap().join().unwrap();
        }
    }
}

fn child(thread: &str, with: &str) -> Output {
    let scratch = Scratch::new();
    Command::new(std::env::current_exe().unwrap())
        .env("FOLIO_CHILD", thread)
        .env("FOLIO_WITH", with)
        .env("FOLIO_SCRATCH", scratch.path())
        .output()
        .unwrap()
}

fn main() {
    if let Ok(thread) = std::env::var("FOLIO_CHILD") {
        return play(&thread);
    }
    // What `cargo test` may pass on.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    for thread in ["main", "deep"] {
        for with in ["0", "1"] {
            let output = child(thread, with);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{thread}, {with}: {said}");
            assert!(said.contains(&format!("thread '{thread}'")), "{thread}, {with}: {said}");
            assert!(said.contains("has overflowed its stack"), "{thread}, {with}: {said}");
        }
        println!("test rusts_message_about_a_stack_overflow_on_{thread} ... ok");
    }
}
