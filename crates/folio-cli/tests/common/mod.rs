//! Running the command, and files for it to map.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod cache;
pub mod page_faults;
pub mod picture;
pub mod programs;
pub mod server;
pub mod shm;
pub mod sleepers;
pub mod subject;
pub mod terminal;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The command, where every machine's environment is the same.
pub fn folio(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_folio"));
    same_everywhere(&mut command);
    command.args(arguments);
    command
}

/// A locale with Unicode, no settings of a terminal, and none of a machine that builds.
pub fn same_everywhere(command: &mut Command) {
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").env("TERM", "xterm").stdin(Stdio::null());
}

/// What the command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("the binary starts"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }

    /// The report, after success.
    pub fn json(&self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        self.report()
    }

    /// The report, whatever came after it.
    pub fn report(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The one line on standard error.
    pub fn line(&self) -> &str {
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!line.contains('\n'), "more than a line: {self:?}");
        line.strip_prefix("folio: ").unwrap_or_else(|| panic!("not from folio: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let code = output.status.code();
        Self {
            code: code.unwrap_or_else(|| panic!("ended by a signal: {:?}", output.status)),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

pub fn run(arguments: &[&str]) -> Ran {
    Ran::of(&mut folio(arguments))
}

/// `folio map --output json`.
pub fn map_json(arguments: &[&str]) -> Ran {
    run(&[&["map", "--output", "json"], arguments].concat())
}

pub fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} is no number in {report:#}"))
}

pub fn has_flag(report: &Value, flag: &str) -> bool {
    report["flags"].as_array().expect("a list").iter().any(|name| name == flag)
}

/// A directory with files that goes away again.
pub struct Files(pub tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with these bytes, on disk.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(bytes).expect("space");
        file.sync_all().expect("a disk that works");
        text(&path)
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("a path of letters").to_owned()
}

/// Bytes without a pattern that pages could share.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}
