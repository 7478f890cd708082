//! Watching the page faults of programs that take known ones.

use serde_json::Value;

use super::programs::compiled;
use super::{Files, Ran, noise, number, run, skip, text};

pub const COUNT: u64 = 200;
/// Between the pages that `faults.c` touches.
pub const APART: u64 = 16 * 4096;

/// Whether page faults could not be watched, or no buffer was to be had for them; says that a test is skipped then.
pub fn lacks(ran: &Ran) -> bool {
    let starts = ["folio: cannot watch", "folio: cannot map the buffer"];
    let lacks = ran.code == 1 && starts.iter().any(|start| ran.stderr.starts_with(start));
    if lacks {
        skip(ran.line());
    }
    lacks
}

/// Whether page faults can be watched here; says that a test is skipped where they cannot.
pub fn can_watch() -> bool {
    !lacks(&run(&["faults", "--", "true"]))
}

/// A directory with the program, and a file for it.
pub struct Bench {
    pub files: Files,
    pub program: String,
    pub file: String,
}

impl Bench {
    pub fn new() -> Self {
        let files = Files::new();
        let program = compiled(&files, "faults.c");
        let file = files.file("known", &noise((COUNT * APART) as usize));
        Self { files, program, file }
    }

    /// What the program printed, and what folio found out; nothing where page faults cannot be watched, as other
    /// tests have all the memory that may be locked.
    pub fn watch(&self, options: &[&str], words: &[&str]) -> Option<(Ran, Value)> {
        self.watch_command(options, &[&[self.program.as_str()], words].concat())
    }

    pub fn watch_command(&self, options: &[&str], command: &[&str]) -> Option<(Ran, Value)> {
        let report = text(&self.files.path("report.json"));
        let fixed = ["faults", "--output", "json", "-o", &report];
        let ran = run(&[&fixed, options, &["--"], command].concat());
        if lacks(&ran) {
            return None;
        }
        assert_eq!(ran.stderr, "", "{ran:?}");
        let report = std::fs::read(report).unwrap();
        Some((ran, serde_json::from_slice(&report).unwrap()))
    }

    pub fn of_file<'a>(&self, report: &'a Value) -> &'a Value {
        of(report, &self.file)
    }
}

pub fn of<'a>(report: &'a Value, name: &str) -> &'a Value {
    let backings = report["backings"].as_array().unwrap();
    let found = backings.iter().find(|backing| backing["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

pub fn faults(counts: &Value) -> u64 {
    number(counts, "minor_faults") + number(counts, "major_faults")
}

/// The last line of what the program printed.
pub fn counted(ran: &Ran) -> u64 {
    ran.text().lines().last().unwrap().parse().unwrap()
}
