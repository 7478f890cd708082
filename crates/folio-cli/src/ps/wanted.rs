//! Which processes an argument means: a number, a name, a glob of names, or the path of the file they execute.
//!
//! ```
//! use folio_cli::ps::wanted::Wanted;
//! use std::path::Path;
//! let executable = Some(Path::new("/usr/bin/python3.11"));
//! assert!(Wanted::parse("4711").unwrap().is(4711, executable, "python3"));
//! for name in ["python3", "python3.11", "python*", "/usr/bin/python*"] {
//!     assert!(Wanted::parse(name).unwrap().is(4711, executable, "python3"), "{name}");
//! }
//! assert!(!Wanted::parse("python").unwrap().is(4711, executable, "python3"));
//! assert!(Wanted::parse("a[").is_err());
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::failure::Failure;

/// A glob's `*` matches slashes too, as that of find(1) -path.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

/// What the kernel writes behind the path of a file that has no name any more.
const DELETED: &str = " (deleted)";

/// Which processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one with this number.
    Pid(u32),
    /// Those with such a name.
    Called(Pattern),
    /// Those that execute this file.
    Executing {
        /// As it was named.
        pattern: Pattern,
        /// Where it really is.
        path: Option<PathBuf>,
    },
}

impl Wanted {
    /// What a text means.
    ///
    /// # Errors
    /// That it is neither number nor name nor glob.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            let text = "a process's name has letters: folio ps lists those there are";
            return Err(Failure::new(text).with_status(2));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Pid).map_err(|_| none(text));
        }
        let pattern = Pattern::new(text).map_err(|error| {
            let way_out = if text.contains('[') { ": write [[] for a [" } else { "" };
            let text = format!("'{text}' is no name or glob: {}{way_out}", error.msg);
            Failure::new(text).with_status(2)
        })?;
        Ok(match text.contains('/') {
            false => Self::Called(pattern),
            true => Self::Executing { pattern, path: fs::canonicalize(text).ok() },
        })
    }

    /// Whether it means the process with this number, the file it executes and the name it has.
    pub fn is(&self, pid: u32, executable: Option<&Path>, name: &str) -> bool {
        match self {
            Self::Pid(wanted) => *wanted == pid,
            Self::Called(pattern) => {
                let file = executable.and_then(Path::file_name).map(|file| file.to_string_lossy());
                file.is_some_and(|file| fits(pattern, &file))
                    || pattern.matches_with(name, MATCHING)
            }
            Self::Executing { pattern, path } => executable.is_some_and(|executable| {
                path.as_deref() == Some(executable) || fits(pattern, &executable.to_string_lossy())
            }),
        }
    }

    /// That there is none.
    pub fn none(&self) -> Failure {
        match self {
            Self::Pid(pid) => none(&pid.to_string()),
            Self::Called(name) => Failure::new(format!(
                "no process is called {name}: folio ps lists those there are, '*{name}*' finds a part"
            )),
            Self::Executing { pattern, .. } => Failure::new(format!(
                "no process executes {pattern}: folio ps lists those there are, by the file's name"
            )),
        }
    }
}

fn none(pid: &str) -> Failure {
    Failure::new(format!("no process {pid}: folio ps lists those there are"))
}

fn fits(pattern: &Pattern, file: &str) -> bool {
    pattern.matches_with(file.strip_suffix(DELETED).unwrap_or(file), MATCHING)
}

/// Whether a path fits a glob; its last part, where the glob has no slash.
pub(crate) fn matches_path(pattern: &Pattern, path: &Path) -> bool {
    let name = match pattern.as_str().contains('/') {
        true => path.as_os_str(),
        false => path.file_name().unwrap_or_default(),
    };
    pattern.matches_with(&name.to_string_lossy(), MATCHING)
}

/// The name of the file that a process executes, which is longer than the 15 bytes of its own; the latter where
/// it has changed it, or where the file is not known.
pub(crate) fn program<'a>(executable: Option<&'a str>, name: &'a str) -> &'a str {
    let path = executable.unwrap_or_default();
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    match path.rsplit('/').next() {
        Some(file) if file.starts_with(name) => file,
        _ => name,
    }
}
