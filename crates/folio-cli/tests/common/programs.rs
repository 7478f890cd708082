//! Programs to run with and without folio.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use super::{Files, folio, same_everywhere, skip, text};

/// Where a program is; says that a test is skipped where it is not.
pub fn installed(name: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        skip(format_args!("no {name}"));
    }
    found
}

/// A program as it is started without folio, and with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Plain,
    Run,
    Stop,
}

impl How {
    /// The program and its arguments, with a cache for folio's library among these files.
    pub fn command(self, files: &Files, words: &[&str]) -> Command {
        let run: &[&str] = match self {
            Self::Plain => &[],
            Self::Run => &["run", "--"],
            Self::Stop => &["run", "--on-fault", "stop", "--"],
        };
        let mut command = match self {
            Self::Plain => Command::new(words[0]),
            _ => folio(run),
        };
        command.args(if self == Self::Plain { &words[1..] } else { words });
        same_everywhere(&mut command);
        command.env("XDG_CACHE_HOME", files.path("cache"));
        command
    }

    pub fn output(self, files: &Files, words: &[&str]) -> Output {
        self.command(files, words).output().expect("the program starts")
    }
}

/// Compiles a program of `tests/programs`.
pub fn compiled(files: &Files, source: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let program = files.path(source.split('.').next().unwrap());
    let mut compiler = Command::new("cc");
    compiler.args([
        "-Wall",
        "-Wextra",
        "-Werror",
        "-g",
        "-O1",
        "-fno-omit-frame-pointer",
        "-pthread",
    ]);
    compiler.arg("-o").arg(&program);
    let output = compiler.arg(path).output().expect("Rust links with cc too");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text(&program)
}

/// A program that nothing can be preloaded into; says that a test is skipped without a static C
/// library.
pub fn fixed(files: &Files) -> Option<String> {
    let program = text(&files.path("fixed"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/loses.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-pthread", "-o", &program]).arg(source);
    let linked = compiler.output().expect("Rust links with cc too").status.success();
    if !linked {
        skip("no static C library");
    }
    linked.then_some(program)
}

/// A program that waits until somebody reads what it writes, and meanwhile its file is cut.
pub fn cut_meanwhile(command: &mut Command, file: &Path, len: u64) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut first = [0];
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut first).expect("the program writes");
    wait_until_blocked(&child);
    File::options().write(true).open(file).expect("a file").set_len(len).expect("it is cut");
    let mut rest = first.to_vec();
    stdout.read_to_end(&mut rest).expect("a pipe");
    let output = child.wait_with_output().expect("a child");
    Output { stdout: rest, ..output }
}

/// Until the pipe is full: the program sleeps, and nothing more comes. Or until it has ended.
fn wait_until_blocked(child: &Child) {
    let stat = format!("/proc/{}/stat", child.id());
    let sleeps = || {
        let stat = fs::read_to_string(&stat).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['S', 'Z']))
    };
    let mut times = 0;
    while times < 20 {
        std::thread::sleep(std::time::Duration::from_millis(5));
        times = if sleeps() { times + 1 } else { 0 };
    }
}

/// What a status says, for messages and comparisons.
pub fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "neither".into(),
    }
}

/// The program died of SIGBUS.
pub fn assert_died(output: &Output) {
    assert_eq!(output.status.signal(), Some(7), "{output:?}");
}

/// folio's one line on standard error, and that the program ended by itself.
pub fn assert_lives(output: &Output, file: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), None, "{errors}");
    let line = format!("folio: {file}: truncated at offset ");
    assert_eq!(errors.matches(&line).count(), 1, "{errors}");
}
