//! A file that appears under its name when it is finished, or not at all.
//!
//! It has no name while it is written (O_TMPFILE in open(2)), so that nothing is left behind however
//! the program ends. Where a file system cannot do that, it has a hidden one beside its own, which
//! goes with an error, and stays where a signal ends the program.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// A file that is being written.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    target: PathBuf,
    /// What it is called meanwhile, if anything.
    hidden: Option<PathBuf>,
}

impl NewFile {
    /// A file that will be `target`, with these permissions as far as the umask leaves them.
    ///
    /// # Errors
    /// What open(2) fails with.
    pub fn create(target: &Path, mode: u32) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(mode & 0o777);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::open(directory(target), flags | OFlags::TMPFILE, mode) {
            Ok(file) => {
                return Ok(Self { file: file.into(), target: target.to_owned(), hidden: None });
            }
            // What file systems and kernels without it say; the directory itself is the other reason.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let hidden = hidden(target)?;
        let file = rustix::fs::open(&hidden, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
        Ok(Self { file: file.into(), target: target.to_owned(), hidden: Some(hidden) })
    }

    /// The file, to be written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Brings it to the disk and gives it its name; the file that has it is replaced, or the name is
    /// refused.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists); what fsync(2), linkat(2) and rename(2) fail
    /// with.
    pub fn finish(mut self, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        if self.hidden.is_none() {
            let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |name: &Path| {
                rustix::fs::linkat(CWD, open.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW)
            };
            match link(&self.target) {
                Err(Errno::EXIST) if replace => {
                    let hidden = hidden(&self.target)?;
                    link(&hidden)?;
                    self.hidden = Some(hidden);
                }
                linked => return Ok(linked?),
            }
        }
        let Some(hidden) = &self.hidden else { return Ok(()) };
        if replace {
            fs::rename(hidden, &self.target)?;
        } else {
            rename_new(hidden, &self.target)?;
        }
        self.hidden = None;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            // It is in the way of nobody.
            let _ = fs::remove_file(hidden);
        }
    }
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            if fs::exists(to)? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        done => Ok(done?),
    }
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn hidden(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(directory(target).join(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// As `create`, where the file system cannot do without a name.
    fn create_hidden(target: &Path) -> NewFile {
        let hidden = hidden(target).unwrap();
        let file = File::create_new(&hidden).unwrap();
        NewFile { file, target: target.to_owned(), hidden: Some(hidden) }
    }

    #[test]
    fn a_file_appears_when_it_is_finished_and_not_before() {
        let create: [fn(&Path) -> NewFile; 2] =
            [|target| NewFile::create(target, 0o644).unwrap(), create_hidden];
        for create in create {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("f");
            let new = create(&target);
            assert!(!target.exists());
            new.file().write_all(b"first").unwrap();
            new.finish(false).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"first");

            let new = create(&target);
            new.file().write_all(b"second").unwrap();
            assert_eq!(new.finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&target).unwrap(), b"first");

            let new = create(&target);
            new.file().write_all(b"third").unwrap();
            new.finish(true).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"third");

            drop(create(&target));
            assert_eq!(names(directory.path()), ["f"]);
        }
    }
}
