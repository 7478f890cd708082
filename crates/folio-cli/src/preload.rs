//! The library that `folio run` preloads: the command carries it, and keeps a copy where the dynamic
//! linker of the program and of its children finds it.
//!
//! The copy lies in a cache: in `$XDG_CACHE_HOME`, else in /var/cache for root, whose children may be
//! other users', and in ~/.cache for others; where none of these can be used, below /tmp or /var/tmp.
//! Its name has the hash of its content, so that commands of different versions do not meet, and it is
//! compared byte by byte before each use. It is used only if nobody but this user or root can change
//! it, or put something else in its place.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::process::{Resource, geteuid, getrlimit};

use crate::failure::Failure;
use crate::run::FAILED;

const LIBRARY: &[u8] = include_bytes!(env!("FOLIO_PRELOAD"));
const NAME: &str = concat!("libfolio_preload-", env!("FOLIO_PRELOAD_HASH"), ".so");

/// Writes the library to a cache unless it is there; returns its path.
///
/// # Errors
/// Why none of the caches can be used.
pub fn place() -> Result<PathBuf, Failure> {
    let mut reasons = Vec::new();
    for directory in directories() {
        match place_in(&directory) {
            Ok(path) => return Ok(path),
            Err(reason) => reasons.push(format!("{} {reason}", directory.display())),
        }
    }
    Err(Failure::new(format!(
        "cannot place the library to preload: {}: set XDG_CACHE_HOME to a directory of your own, \
         where programs may lie",
        reasons.join(", ")
    ))
    .with_status(FAILED))
}

fn directories() -> Vec<PathBuf> {
    let variable =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = geteuid();
    let general = match user.is_root() {
        true => Some(PathBuf::from("/var/cache")),
        false => variable("HOME").map(|home| home.join(".cache")),
    };
    let caches = variable("XDG_CACHE_HOME").into_iter().chain(general);
    let own = format!("folio-{}", user.as_raw());
    let temporary = ["/tmp", "/var/tmp"].map(|directory| Path::new(directory).join(&own));
    caches.map(|cache| cache.join("folio")).chain(temporary).collect()
}

/// Returns why not, as what is said of the directory.
fn place_in(directory: &Path) -> Result<PathBuf, String> {
    if directory.as_os_str().as_bytes().iter().any(|&byte| b" :$;".contains(&byte)) {
        return Err("has a character that LD_PRELOAD gives a meaning".into());
    }
    let words = |error: io::Error| {
        let text = error.to_string();
        format!("cannot be used ({})", text.split(" (os error").next().unwrap_or_default())
    };
    let path = directory.join(NAME);
    let parent = directory.parent().unwrap_or(directory);
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(parent);
    let _ = DirBuilder::new().mode(0o755).create(directory);
    // Not through a link: whoever made it could change where it leads.
    let found = [fs::metadata(parent), fs::symlink_metadata(directory)];
    for metadata in found {
        let metadata = metadata.map_err(words)?;
        if !metadata.is_dir() || !is_safe(&metadata) {
            return Err("can be changed by others".into());
        }
    }
    let mount = statvfs(directory).map_err(|errno| words(errno.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err("is mounted noexec".into());
    }
    if !is_there(&path).map_err(words)? {
        write(directory, &path).map_err(words)?;
    }
    Ok(path)
}

/// Whether nobody but this user and root can change it, or what is in it.
fn is_safe(metadata: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    let owner = metadata.uid() == geteuid().as_raw() || metadata.uid() == 0;
    let closed = metadata.mode() & 0o022 == 0;
    owner && (closed || metadata.is_dir() && metadata.mode() & STICKY != 0)
}

fn is_there(path: &Path) -> io::Result<bool> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    // Whatever else has its name is replaced.
    let Ok(mut file) = OpenOptions::new().read(true).custom_flags(flags).open(path) else {
        return Ok(false);
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_safe(&metadata) || metadata.len() != LIBRARY.len() as u64 {
        return Ok(false);
    }
    let mut part = [0; 16 << 10];
    for expected in LIBRARY.chunks(part.len()) {
        let part = &mut part[..expected.len()];
        if file.read_exact(part).is_err() || part != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Under another name first, so that whoever finds it finds all of it.
fn write(directory: &Path, path: &Path) -> io::Result<()> {
    // Beyond the limit the kernel sends SIGXFSZ besides failing (getrlimit(2)).
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| limit < LIBRARY.len() as u64) {
        return Err(Errno::FBIG.into());
    }
    let draft = directory.join(format!("{NAME}.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    let written = fill(&mut file).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn fill(file: &mut File) -> io::Result<()> {
    file.write_all(LIBRARY)?;
    // Readable for the users that children may become, whatever the umask.
    file.set_permissions(Permissions::from_mode(0o755))
}
