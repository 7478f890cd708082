//! What several tests need.

use std::fmt::Display;

/// Says on standard error that a test does not run.
pub(crate) fn skip(name: &str, why: impl Display) {
    eprintln!("skipped: {name}: {why}");
}
