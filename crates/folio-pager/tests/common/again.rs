//! Runs a part of a test in a process of its own: the test binary again, told what to do.

use std::process::Command;

const PART: &str = "FOLIO_TEST_PART";

/// What this process is to do, if it is such a process.
pub(crate) fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// This test binary, with the test `test` alone, which finds `part`.
pub(crate) fn again(test: &str, part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(PART, part);
    command
}
