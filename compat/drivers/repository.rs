//! A git repository of 3,000 commits, each with a file and a tag, packed, for the crates of gitoxide.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::driver::{self, Outcome};

pub fn make(dir: &Path) -> Outcome<()> {
    git(dir, &["init", "--quiet", "--object-format=sha1"], "")?;
    let mut stream = String::new();
    for (commit, number) in driver::numbers().take(3_000).enumerate() {
        let text = format!("{number:x} {number}\n").repeat(20);
        stream += &format!(
            "commit refs/heads/main\ncommitter A <a@b> {} +0000\ndata 2\nc\nM 644 inline {}/{number:x}\n\
             data {}\n{text}\nreset refs/tags/v{commit}\nfrom refs/heads/main\n",
            1_700_000_000 + commit,
            commit % 50,
            text.len()
        );
    }
    git(dir, &["fast-import", "--quiet"], &stream)?;
    git(dir, &["repack", "-adq"], "")?;
    git(dir, &["pack-refs", "--all"], "")?;
    git(dir, &["commit-graph", "write", "--reachable", "--no-progress"], "")?;
    git(dir, &["read-tree", "refs/heads/main"], "")
}

fn git(dir: &Path, arguments: &[&str], input: &str) -> Outcome<()> {
    let mut child =
        Command::new("git").current_dir(dir).args(arguments).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(input.as_bytes())?;
    if child.wait()?.success() { Ok(()) } else { Err(format!("git {arguments:?} failed").into()) }
}
