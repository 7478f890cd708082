//! A file that an option names, written beside the result. It appears when it is finished.
//!
//! 1. What has the name already and is no regular file, as a pipe, a device or a link such as
//!    /dev/stdout, is opened, and written to: it stays what it is.
//! 2. `-` is standard output, and what stands there already stays.
//! 3. All else is a [`NewFile`], which takes the place of a file that was there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::failure::{Failure, words};
use crate::newfile::NewFile;
use crate::terminal;

/// A file under way.
#[derive(Debug)]
pub struct OutFile<'a> {
    path: &'a Path,
    option: &'static str,
    target: Target,
}

#[derive(Debug)]
enum Target {
    New(NewFile),
    Present(File),
    Standard(File),
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        if path == "-" {
            return terminal::standard_output_file().map(Self::Standard);
        }
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let mut options = fs::OpenOptions::new();
            options.write(true).truncate(false).create(is_dangling(path));
            return options.open(path).map(Self::Present);
        }
        NewFile::create(path, 0o666).map(Self::New)
    }

    fn finish(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::New(file) => file.file().write_all(bytes).and_then(|()| file.finish(true)),
            Self::Present(mut file) => {
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(bytes)
            }
            Self::Standard(mut file) => match file.write_all(bytes) {
                // Its reader has had enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written,
            },
        }
    }
}

impl<'a> OutFile<'a> {
    /// Begins the file that an option names, before anything is measured for nothing. A pipe with a
    /// name is waited for until somebody reads it.
    ///
    /// # Errors
    /// That it cannot be made.
    pub fn create(path: &'a Path, option: &'static str) -> Result<Self, Failure> {
        let target = Target::open(path).map_err(|error| Self::failed(path, option, &error))?;
        Ok(Self { path, option, target })
    }

    /// Writes it, and gives it its name.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn finish(self, bytes: &[u8]) -> Result<(), Failure> {
        let Self { path, option, target } = self;
        target.finish(bytes).map_err(|error| Self::failed(path, option, &error))
    }

    fn failed(path: &Path, option: &str, error: &io::Error) -> Failure {
        let (path, words) = (path.display(), words(error));
        Failure::new(format!("cannot write {path}: {words}: write it elsewhere ({option})"))
    }
}

/// Whether it is a link to what is not there yet.
fn is_dangling(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{OpenOptionsExt, symlink};

    fn write(path: &Path, bytes: &[u8]) {
        OutFile::create(path, "-o").unwrap().finish(bytes).unwrap();
    }

    #[test]
    fn a_link_stays_one_and_the_file_that_it_leads_to_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        symlink(&file, &link).unwrap();
        for bytes in [&b"longer"[..], b"short"] {
            write(&link, bytes);
            assert_eq!(fs::read_link(&link).unwrap(), file);
            assert_eq!(fs::read(&file).unwrap(), bytes);
        }
    }

    #[test]
    fn a_pipe_stays_one_and_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
        // Not waiting for somebody who writes.
        let flags = libc::O_NONBLOCK;
        let mut reader = fs::OpenOptions::new().read(true).custom_flags(flags).open(&pipe).unwrap();
        write(&pipe, b"through");
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"through");
    }

    #[test]
    fn a_directory_is_refused_before_anything_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        let failure = OutFile::create(directory.path(), "-o").unwrap_err();
        assert!(failure.to_string().contains("directory"), "{failure}");
    }
}
