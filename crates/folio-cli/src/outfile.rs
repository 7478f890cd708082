//! A file that an option names, written beside the result. It appears when it is finished.

use std::io::{self, Write};
use std::path::Path;

use crate::failure::{Failure, words};
use crate::newfile::NewFile;

/// A file under way.
#[derive(Debug)]
pub struct OutFile<'a> {
    path: &'a Path,
    option: &'static str,
    file: NewFile,
}

impl<'a> OutFile<'a> {
    /// Begins the file that an option names, before anything is measured for nothing.
    ///
    /// # Errors
    /// That it cannot be made.
    pub fn create(path: &'a Path, option: &'static str) -> Result<Self, Failure> {
        let file =
            NewFile::create(path, 0o666).map_err(|error| Self::failed(path, option, &error))?;
        Ok(Self { path, option, file })
    }

    /// Writes it, and gives it its name.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn finish(self, bytes: &[u8]) -> Result<(), Failure> {
        let Self { path, option, file } = self;
        let written = file.file().write_all(bytes).and_then(|()| file.finish(true));
        written.map_err(|error| Self::failed(path, option, &error))
    }

    fn failed(path: &Path, option: &str, error: &io::Error) -> Failure {
        let (path, words) = (path.display(), words(error));
        Failure::new(format!("cannot write {path}: {words}: write it elsewhere ({option})"))
    }
}
