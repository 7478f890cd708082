//! The name of a segment: that of a file in /dev/shm, as shm_open(3) has it.
//!
//! A leading slash may be given, and is dropped. What is left is one component of a path: 1 to 255
//! bytes, no slash, no NUL, neither `.` nor `..`. Names that begin with `.folio-` are taken by segments
//! that are being made ([`crate::publish`]).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Where named segments lie (shm_overview(7)).
pub(crate) const DIRECTORY: &str = "/dev/shm";

/// What names of unfinished segments begin with.
pub(crate) const UNFINISHED: &str = ".folio-";

/// NAME_MAX of tmpfs, in bytes.
const LONGEST: usize = 255;

/// A name that a segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(operation: &'static str, given: &str) -> Result<Self> {
        let name = given.strip_prefix('/').unwrap_or(given);
        let fail = |reason: String, advice: &'static str| {
            let what = format!("the segment {given:?}");
            Err(Error::new(ErrorKind::Name, operation, what, reason).advice(advice))
        };
        if name.is_empty() {
            return fail("the name is empty".into(), "give it at least one byte");
        }
        if name.contains('/') {
            let advice = "leave slashes out, or use file() for a path";
            return fail("names lie in one directory and have no slashes".into(), advice);
        }
        if name.contains('\0') {
            return fail("the name has a NUL byte".into(), "leave it out");
        }
        if name == "." || name == ".." {
            return fail("it means a directory".into(), "choose another name");
        }
        if name.starts_with(UNFINISHED) {
            let reason = format!("names beginning with {UNFINISHED:?} are taken");
            return fail(reason, "choose another beginning");
        }
        if name.len() > LONGEST {
            let reason = format!("the name has {} bytes", name.len());
            return fail(reason, "255 are the most that the file system takes");
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_with_or_without_a_slash_before_it() {
        let path = |given| Name::new("open", given).unwrap().path();
        assert_eq!(path("prices"), Path::new("/dev/shm/prices"));
        assert_eq!(path("/prices"), Path::new("/dev/shm/prices"));
        assert_eq!(path(".hidden"), Path::new("/dev/shm/.hidden"));
        assert_eq!(path("..."), Path::new("/dev/shm/..."));
        assert!(Name::new("open", &"x".repeat(255)).is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_way_out() {
        let long = "x".repeat(256);
        for name in ["", "/", "a/b", "//a", "..", ".", "/..", "a\0b", ".folio-1", &long] {
            let error = Name::new("open", name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Name, "{name:?}");
            let text = error.to_string();
            assert!(text.starts_with("cannot open the segment \""), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.matches(": ").count() == 2, "{text}");
        }
    }
}
