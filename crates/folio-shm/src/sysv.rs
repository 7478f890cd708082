//! Segments of System V (shmget(2)): what old programs share, read and written by copying.
//!
//! ```no_run
//! // A PostgreSQL server's, say: `ipcs -m` lists keys and numbers.
//! let old = folio_shm::SysV::attach_key(0x0052_e2c1)?;
//! println!("{} bytes, {} attached", old.len(), old.stat()?.attached);
//! let mut bytes = [0; 16];
//! old.read_at(0, &mut bytes)?;
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! folio makes none of these: they have no name in a file system, no descriptor, no seals, and stay until
//! somebody removes them. Such a segment has no header of folio's; what its bytes mean is between its
//! users.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};

const ATTACH: &str = "attach";

/// shmctl(2); libc lacks it.
const SHM_DEST: u32 = 0o1000;

/// A System V segment, attached. See the [module](self) documentation.
///
/// Dropped, it is detached (shmdt(2)); the segment stays. A forked child has it attached too.
pub struct SysV {
    /// Address of the first byte.
    start: usize,
    len: usize,
    id: i32,
}

/// What the kernel knows about a System V segment (IPC_STAT in shmctl(2)).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysVStat {
    /// The key it was made with; 0 for one without (IPC_PRIVATE).
    pub key: i32,
    /// Its size in bytes.
    pub len: usize,
    /// The user it belongs to (uid).
    pub user: u32,
    /// Who may reach it: the low nine bits of its mode.
    pub mode: u32,
    /// How many times it is attached, by all processes.
    pub attached: u64,
    /// The process that made it (pid).
    pub creator: u32,
    /// The process that last attached or detached it (pid); 0 if none has.
    pub last: u32,
    /// When it was last changed, or made.
    pub changed: SystemTime,
    /// Whether it goes when the last process detaches it (SHM_DEST).
    pub is_removed: bool,
}

impl SysV {
    /// Attaches the segment of this key, read-only.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Denied`]; ENOMEM, EMFILE: see shmat(2).
    pub fn attach_key(key: i32) -> Result<Self> {
        Self::attach_id(find(key)?)
    }

    /// Attaches the segment of this key, readable and writable.
    ///
    /// # Errors
    /// As [`attach_key`](Self::attach_key).
    pub fn attach_key_writable(key: i32) -> Result<Self> {
        Self::attach_id_writable(find(key)?)
    }

    /// Attaches the segment of this number (shmid), read-only.
    ///
    /// # Errors
    /// As [`attach_key`](Self::attach_key).
    pub fn attach_id(id: i32) -> Result<Self> {
        Self::attach(id, libc::SHM_RDONLY)
    }

    /// Attaches the segment of this number, readable and writable.
    ///
    /// # Errors
    /// As [`attach_key`](Self::attach_key).
    pub fn attach_id_writable(id: i32) -> Result<Self> {
        Self::attach(id, 0)
    }

    fn attach(id: i32, flags: i32) -> Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing one.
        let start = unsafe { libc::shmat(id, ptr::null(), flags) };
        if start.addr() == usize::MAX {
            return Err(failed(ATTACH, &show(id), last_errno()));
        }
        let mut this = Self { start: start.expose_provenance(), len: 0, id };
        // The size of a segment never changes, and its number is not given again while it is attached.
        this.len = this.stat()?.len;
        Ok(this)
    }

    /// Its number (shmid).
    #[must_use]
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Bytes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none. The kernel makes no such segments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first byte. What may be done with it is for the caller to argue.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        ptr::with_exposed_provenance(self.start)
    }

    /// Copies bytes from position `at` on into `buf`, all of it or an error.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if they do not all lie within; [`ErrorKind::Fault`] or
    /// [`ErrorKind::NoSpace`] where one cannot be had.
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        let from = self.locate("read", at, buf.len())?;
        let from = ptr::with_exposed_provenance(from);
        // SAFETY: `buf` has room; the bytes are within the segment, which no Rust reference covers:
        // this type gives none out.
        unsafe { folio::foreign::read(from, buf.as_mut_ptr(), buf.len()) }
            .map_err(|error| Error::mapping("read", show(self.id), error))
    }

    /// Copies `bytes` to position `at`, all of them or an error.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); [`ErrorKind::Fault`] if it is attached read-only.
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        let to = self.locate("write", at, bytes.len())?;
        let to = ptr::with_exposed_provenance_mut(to);
        // SAFETY: as in `read_at`; `bytes` is borrowed, and lies outside of the segment for the same
        // reason.
        unsafe { folio::foreign::write(to, bytes.as_ptr(), bytes.len()) }
            .map_err(|error| Error::mapping("write", show(self.id), error))
    }

    /// The address of `count` bytes at position `at`.
    fn locate(&self, operation: &'static str, at: usize, count: usize) -> Result<usize> {
        if at <= self.len && count <= self.len - at {
            return Ok(self.start + at);
        }
        let (end, len) = (at.saturating_add(count), self.len);
        let reason = format!("{at}..{end} does not lie within its {len} bytes");
        Err(Error::new(ErrorKind::OutOfRange, operation, show(self.id), reason))
    }

    /// What the kernel knows about it now.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] if this user may not read it.
    pub fn stat(&self) -> Result<SysVStat> {
        let mut raw = std::mem::MaybeUninit::<libc::shmid_ds>::zeroed();
        // SAFETY: IPC_STAT fills in one structure.
        if unsafe { libc::shmctl(self.id, libc::IPC_STAT, raw.as_mut_ptr()) } == -1 {
            return Err(failed("ask about", &show(self.id), last_errno()));
        }
        // SAFETY: filled in, and all zeros before: numbers all.
        let raw = unsafe { raw.assume_init() };
        Ok(SysVStat {
            key: raw.shm_perm.__key,
            len: raw.shm_segsz,
            user: raw.shm_perm.uid,
            mode: u32::from(raw.shm_perm.mode) & 0o777,
            attached: raw.shm_nattch,
            creator: raw.shm_cpid as u32,
            last: raw.shm_lpid as u32,
            changed: UNIX_EPOCH + Duration::from_secs(raw.shm_ctime.max(0) as u64),
            is_removed: u32::from(raw.shm_perm.mode) & SHM_DEST != 0,
        })
    }
}

impl Drop for SysV {
    fn drop(&mut self) {
        // SAFETY: attached by this value, which nothing borrows from any more.
        unsafe { libc::shmdt(ptr::with_exposed_provenance(self.start)) };
    }
}

fn find(key: i32) -> Result<i32> {
    // With this key a segment would be made.
    let missing = key == libc::IPC_PRIVATE;
    // SAFETY: shmget(2) takes numbers. Without IPC_CREAT it makes nothing.
    let id = if missing { -1 } else { unsafe { libc::shmget(key, 0, 0) } };
    if id == -1 {
        let errno = if missing { Errno::NOENT } else { last_errno() };
        return Err(failed(ATTACH, &format!("the System V segment of key {key:#010x}"), errno));
    }
    Ok(id)
}

fn show(id: i32) -> String {
    format!("the System V segment {id}")
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn failed(operation: &'static str, what: &str, errno: Errno) -> Error {
    // A number that has no segment is an invalid argument (EINVAL), or one that had one (EIDRM).
    let gone = matches!(errno, Errno::INVAL | Errno::IDRM);
    Error::os(operation, what, if gone { Errno::NOENT } else { errno })
        .explain(ErrorKind::NotFound, "there is none", "ipcs -m lists those there are")
        .explain(ErrorKind::Denied, "its mode does not permit it to this user", "ask its owner")
}

impl fmt::Debug for SysV {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SysV").field("id", &self.id).field("len", &self.len).finish_non_exhaustive()
    }
}
