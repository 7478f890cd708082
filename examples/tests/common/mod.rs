//! Runs an example as a stranger would.
#![allow(dead_code, unreachable_pub)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// The example as `cargo test` has built it, beside the tests.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(built.exists(), "{} is missing: cargo build --examples", built.display());
    Command::new(built)
}

/// What an example printed, line by line, as (label, text). It must have ended well.
#[track_caller]
pub fn lines(output: &Output) -> Vec<(String, String)> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!(errors, "");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let label = |line: &str| {
        let (label, text) = line.split_at_checked(13).unwrap_or((line, ""));
        (label.trim().to_owned(), text.to_owned())
    };
    text.lines().map(label).collect()
}

/// The text behind a label.
#[track_caller]
pub fn said<'a>(lines: &'a [(String, String)], label: &str) -> &'a str {
    let found = lines.iter().find(|(what, _)| what == label);
    &found.unwrap_or_else(|| panic!("no line {label} in {lines:?}")).1
}

/// A path of its own for a test.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("folio-examples-{name}-{}", std::process::id()))
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}
