//! `thread_stack` runs on a stack, and its guard works.

mod common;

use common::{example, lines, said};
use std::os::unix::process::ExitStatusExt;

#[test]
fn calls_and_clones_run_on_the_stack_and_an_overflow_stops_at_the_guard() {
    let lines = lines(&example("thread_stack").output().unwrap());
    assert!(said(&lines, "call").starts_with("sum 1..=100 is 5050;"));
    assert!(said(&lines, "call").ends_with("on it: true"));
    assert!(said(&lines, "clone(2)").ends_with("on it: true"));
    assert_eq!(said(&lines, "overflow"), "stopped by the guard below the stack");
    assert_eq!(said(&lines, "child"), "ended by SIGSEGV; this process goes on");
}

#[test]
fn the_child_dies_by_the_signal() {
    let child = example("thread_stack").arg("--overflow").output().unwrap();
    assert_eq!(child.status.signal(), Some(11));
}
