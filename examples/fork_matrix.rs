//! What a process and the child that it forks see of each other's writes: for each kind of mapping, made
//! before the fork or by each of them after it. And what a child finds where its parent had a mapping.
//!
//! `cargo run --example fork_matrix`
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use folio::{Fork, MapOptions, Mapping, Memfd};
use folio_examples::finish;
use folio_shm::Segment;

/// Each of the two writes to a page of its own, so that its copy of the other's is not made by its own write.
const PAGE: usize = 4096;
const PARENTS: usize = 0;
const CHILDS: usize = PAGE;

/// Where a segment's payload begins in its file.
const HEADER: u64 = 4096;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    finish("fork_matrix", run())
}

/// What is mapped, and can be mapped again.
enum Backing {
    Anonymous,
    File(File),
    Memfd(File),
    Segment(File),
}

impl Backing {
    fn all() -> Result<[Self; 4]> {
        // It has lost its name when it is mapped, and is a file still.
        let path = std::env::temp_dir().join(format!("folio-fork-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        file.set_len(2 * PAGE as u64)?;
        let memfd = File::from(OwnedFd::from(Memfd::new("forked")?));
        memfd.set_len(2 * PAGE as u64)?;
        let segment = Segment::options().create().size(2 * PAGE).memfd("forked")?;
        let segment = File::from(segment.as_fd().try_clone_to_owned()?);
        Ok([Self::Anonymous, Self::File(file), Self::Memfd(memfd), Self::Segment(segment)])
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::File(_) => "file",
            Self::Memfd(_) => "memfd",
            Self::Segment(_) => "segment",
        }
    }

    fn map(&self, options: &MapOptions, is_shared: bool) -> Result<Shown> {
        Ok(match self {
            Self::Anonymous => Shown::Mapping(options.anonymous(2 * PAGE)?),
            Self::File(file) | Self::Memfd(file) => Shown::Mapping(options.map(file)?),
            Self::Segment(file) if is_shared => {
                Shown::Segment(Segment::options().fd(file.as_fd().try_clone_to_owned()?)?)
            }
            Self::Segment(file) => Shown::Mapping(options.clone().offset(HEADER).map(file)?),
        })
    }

    /// Whether the object has what was written at a position, if there is one to look at.
    fn has(&self, at: usize) -> Result<Option<bool>> {
        let (file, start) = match self {
            Self::Anonymous => return Ok(None),
            Self::File(file) | Self::Memfd(file) => (file, 0),
            Self::Segment(file) => (file, HEADER),
        };
        let mut byte = [0];
        file.read_exact_at(&mut byte, start + at as u64)?;
        Ok(Some(byte != [0]))
    }
}

/// What one process has of it.
enum Shown {
    Mapping(Mapping),
    Segment(Segment),
}

impl Shown {
    fn write(&self, at: usize) -> Result {
        match self {
            Self::Mapping(mapping) => mapping.write_at(at, b"x")?,
            Self::Segment(segment) => segment.write_at(at, b"x")?,
        }
        Ok(())
    }

    fn sees(&self, at: usize) -> Result<bool> {
        let mut byte = [0];
        match self {
            Self::Mapping(mapping) => mapping.read_at(at, &mut byte)?,
            Self::Segment(segment) => segment.read_at(at, &mut byte)?,
        }
        Ok(byte != [0])
    }
}

fn run() -> Result {
    println!("{:<9} {:<8} {:<7} parent writes    child writes", "backing", "sharing", "mapped");
    for kind in 0..4 {
        for is_shared in [true, false] {
            for is_before in [true, false] {
                // New ones, to which nobody has written.
                let backing = &Backing::all()?[kind];
                let (parents, childs) = case(backing, is_shared, is_before)?;
                let sharing = if is_shared { "shared" } else { "private" };
                let mapped = if is_before { "before" } else { "after" };
                let name = backing.name();
                println!("{name:<9} {sharing:<8} {mapped:<7} {parents:<16} {childs}");
            }
        }
    }
    println!("\nprivate memory, written before the fork: what the child finds");
    for fork in [Fork::Inherit, Fork::Exclude, Fork::Wipe] {
        let memory = Mapping::options().private().write().fork(fork).anonymous(PAGE)?;
        memory.write_at(0, b"x")?;
        let found = in_child(|_| {
            Ok(match memory.read_at(0, &mut [0]) {
                Ok(()) if memory.view().range(..1)?.to_vec()? == b"x" => 0,
                Ok(()) => 1,
                Err(_) => 2,
            })
        })?;
        let found = ["what was written", "zeros", "nothing: an error"][usize::from(found.wait()?)];
        println!("{:<9} {found}", format!("{fork:?}"));
    }
    Ok(())
}

/// Who sees what the parent writes, and what the child does.
fn case(backing: &Backing, is_shared: bool, is_before: bool) -> Result<(String, String)> {
    let options = Mapping::options().write();
    let options = if is_shared { options.shared() } else { options.private() };
    let map = || backing.map(&options, is_shared);
    let before = if is_before { Some(map()?) } else { None };

    let child = in_child(|parent| {
        let own = if is_before { None } else { Some(map()?) };
        let shown = before.as_ref().or(own.as_ref()).expect("one of the two");
        shown.write(CHILDS)?;
        turn(parent)?;
        Ok(shown.sees(PARENTS)?.into())
    })?;
    let own = if is_before { None } else { Some(map()?) };
    let shown = before.as_ref().or(own.as_ref()).expect("one of the two");
    shown.write(PARENTS)?;
    turn(&child.socket)?;
    let parent_sees = shown.sees(CHILDS)?;
    let parents = [("child", Some(child.wait()? != 0)), (backing.name(), backing.has(PARENTS)?)];
    let childs = [("parent", Some(parent_sees)), (backing.name(), backing.has(CHILDS)?)];
    Ok((seen_by(parents), seen_by(childs)))
}

fn seen_by(whom: [(&str, Option<bool>); 2]) -> String {
    let names: Vec<_> =
        whom.iter().filter(|(_, sees)| *sees == Some(true)).map(|(name, _)| *name).collect();
    if names.is_empty() { "nobody else".into() } else { names.join(", ") }
}

/// Waits until the other has come as far.
fn turn(mut other: &UnixStream) -> Result {
    other.write_all(b".")?;
    Ok(other.read_exact(&mut [0])?)
}

/// A child, and the way to it.
struct Child {
    pid: libc::pid_t,
    socket: UnixStream,
}

impl Child {
    /// What it ended with.
    fn wait(&self) -> Result<u8> {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result (waitpid(2)).
        let waited = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        match status {
            _ if waited != self.pid || !libc::WIFEXITED(status) => Err("the child died".into()),
            _ if libc::WEXITSTATUS(status) == FAILED => Err("the child failed".into()),
            _ => Ok(libc::WEXITSTATUS(status) as u8),
        }
    }
}

const FAILED: i32 = 99;

/// Forks a child that does some work and ends with the number it comes to.
fn in_child(work: impl FnOnce(&UnixStream) -> Result<u8>) -> Result<Child> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: this process has one thread, so the child may do what it likes (fork(2)).
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(ours);
        let code = work(&theirs).map_or(FAILED, i32::from);
        // SAFETY: ends the child; what its copy of the output buffer holds is the parent's to print.
        unsafe { libc::_exit(code) };
    }
    if pid < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(Child { pid, socket: ours })
}
