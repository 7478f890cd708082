//! A file as a store whose batches of reads go through io_uring(7).
//!
//! ```
//! use folio_store::{FileStore, ReadRequest, Store};
//! use folio_store_uring::UringStore;
//!
//! # let path = std::env::temp_dir().join(format!("folio-uring-{}", std::process::id()));
//! # std::fs::write(&path, b"one two three").unwrap();
//! let store = UringStore::new(FileStore::open(&path)?);
//! let (mut one, mut other) = ([0; 3], [0; 5]);
//! let mut requests = [ReadRequest::new(&mut one, 4), ReadRequest::new(&mut other, 8)];
//! store.read_many(&mut requests);
//! assert!(requests.iter().all(|request| matches!(request.outcome, Ok(count) if count > 0)));
//! assert_eq!((&one, &other), (b"two", b"three"));
//! if let Some(why) = store.why_no_ring() {
//!     eprintln!("read one by one: {why}");
//! }
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! With `FileStore::options().direct(true)` a disk works on all reads of a batch at once: 32 random reads
//! of 4 KiB take a fraction of the time of as many pread(2). Single reads, writes and all else are the
//! [`FileStore`]'s own.
//!
//! Invariants:
//! - What a ring does not read in full (an end, an error, what is not aligned for O_DIRECT) is read by the
//!   `FileStore`, so that a batch has the outcomes and errors that single reads have.
//! - When `read_many` returns, or unwinds, the kernel is done with every buffer.
//! - A ring is used by one thread at a time, and only in the process that made it: a forked child makes
//!   its own.
//! - Where io_uring is missing (an older kernel, seccomp(2), `kernel.io_uring_disabled`), batches are
//!   read one by one, and [`UringStore::why_no_ring`] says why.

mod ring;

use std::sync::{Mutex, TryLockError};

use folio_store::{Capabilities, Error, ErrorKind, FileStore, ReadRequest, Result, Store};

use crate::ring::{Part, Ring};

/// Rings that are kept while no thread uses them.
const KEPT_RINGS: usize = 8;

/// A file that is read in batches through io_uring. See the [module](self).
#[derive(Debug)]
pub struct UringStore {
    file: FileStore,
    /// Idle ones.
    rings: Mutex<Vec<Ring>>,
    why_none: Option<Error>,
}

impl UringStore {
    /// A store over `file`, through io_uring where that is there.
    #[must_use]
    pub fn new(file: FileStore) -> Self {
        match Ring::new() {
            Ok(ring) => Self { file, rings: Mutex::new(vec![ring]), why_none: None },
            Err(error) => {
                let error = Error::os("batch reads of", file.name(), &error);
                let error = match error.raw_os_error() {
                    // ENOSYS, EPERM
                    Some(38 | 1) => error.advice(
                        "io_uring needs Linux 5.6, kernel.io_uring_disabled=0 and a container that \
                         permits it",
                    ),
                    _ => error,
                };
                Self { file, rings: Mutex::default(), why_none: Some(error) }
            }
        }
    }

    /// A store that reads one by one, as where io_uring is missing.
    #[must_use]
    pub fn without_ring(file: FileStore) -> Self {
        let error = Error::new(ErrorKind::Unsupported, "batch reads of", file.name());
        let why_none = Some(error.reason("it was asked not to"));
        Self { file, rings: Mutex::default(), why_none }
    }

    /// Why batches are read one by one; `None` if they go through io_uring.
    #[must_use]
    pub fn why_no_ring(&self) -> Option<&Error> {
        self.why_none.as_ref()
    }

    /// The file alone.
    #[must_use]
    pub fn into_file(self) -> FileStore {
        self.file
    }

    /// An idle ring or a new one. Never waits: after fork(2) the lock may be held by a thread that the
    /// child does not have.
    fn ring(&self) -> Option<Ring> {
        if self.why_none.is_some() {
            return None;
        }
        let idle = match self.rings.try_lock() {
            Ok(mut rings) => rings.pop(),
            Err(TryLockError::Poisoned(rings)) => rings.into_inner().pop(),
            Err(TryLockError::WouldBlock) => None,
        };
        // A forked child's copies of its parent's rings go here.
        idle.filter(Ring::is_ours).or_else(|| Ring::new().ok())
    }

    fn give_back(&self, ring: Ring) {
        let mut rings = match self.rings.try_lock() {
            Ok(rings) => rings,
            Err(TryLockError::Poisoned(rings)) => rings.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if rings.len() < KEPT_RINGS {
            rings.push(ring);
        }
    }

    /// What of a request a ring may read: all of it, or what is aligned for O_DIRECT.
    fn part<'b>(&self, request: &'b mut ReadRequest<'_>) -> Part<'b> {
        let alignment = self.file.capabilities().alignment_bytes() as usize;
        let address = request.buf.as_ptr().addr();
        let len = request.buf.len().min(1 << 30);
        let in_range = request.offset.checked_add(len as u64).is_some_and(|end| end < 1 << 62);
        let is_aligned =
            request.offset.is_multiple_of(alignment as u64) && address.is_multiple_of(alignment);
        let count = if in_range && is_aligned { len - len % alignment } else { 0 };
        Part::new(&mut request.buf[..count], request.offset)
    }
}

impl Store for UringStore {
    fn name(&self) -> String {
        self.file.name()
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn resize(&self, len: u64) -> Result<()> {
        self.file.resize(len)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }

    fn capabilities(&self) -> Capabilities {
        self.file.capabilities().concurrency(if self.why_none.is_none() { 32 } else { 8 })
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let ring = if requests.len() > 1 { self.ring() } else { None };
        let mut counts = vec![0; requests.len()];
        if let Some(mut ring) = ring {
            let mut parts: Vec<_> = requests.iter_mut().map(|request| self.part(request)).collect();
            if ring.read(&self.file, &mut parts).is_ok() {
                self.give_back(ring);
            }
            counts = parts.iter().map(Part::count).collect();
        }
        for (request, done) in requests.iter_mut().zip(counts) {
            request.outcome = Ok(done);
            if done < request.buf.len() {
                let rest =
                    self.file.read_full_at(&mut request.buf[done..], request.offset + done as u64);
                request.outcome = rest.map(|count| done + count);
            }
        }
    }

    fn identity(&self) -> Option<String> {
        self.file.identity()
    }

    fn version(&self) -> Option<String> {
        self.file.version()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn rings_are_used_again_and_no_more_are_kept_than_are_useful() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        let store = UringStore::new(FileStore::from_file(file, "file").unwrap());
        if store.why_no_ring().is_some() {
            eprintln!("skipped: rings: {:?}", store.why_no_ring());
            return;
        }
        let kept = || store.rings.lock().unwrap().len();
        let barrier = Barrier::new(20);
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let held = store.ring().unwrap();
                    barrier.wait();
                    store.give_back(held);
                });
            }
        });
        assert!((1..=KEPT_RINGS).contains(&kept()));
        let before = kept();
        for _ in 0..10 {
            let mut buffers = [[0; 50]; 3];
            let mut requests: Vec<_> =
                buffers.iter_mut().map(|buf| ReadRequest::new(buf, 99_970)).collect();
            store.read_many(&mut requests);
            assert!(requests.iter().all(|request| matches!(request.outcome, Ok(30))));
        }
        assert_eq!(kept(), before);
    }
}
