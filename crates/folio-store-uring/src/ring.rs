//! One ring: several reads in one system call, and nothing in flight afterwards.
//!
//! Invariants:
//! - The kernel has a buffer's address only within [`Ring::read`]: each entry that was queued has
//!   completed, or was never submitted and never will be, when that returns or unwinds.
//! - A ring's memory is shared with a forked child; neither uses it beside the other, since a ring knows
//!   the process that made it by a page that fork(2) empties.

#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use io_uring::{IoUring, Probe, opcode, types};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// Reads in flight at a time.
const ENTRIES: u32 = 64;
/// How often an overloaded kernel is asked again before reads go on one by one.
const MAX_ATTEMPTS: u32 = 1000;

/// A number that this process has and no forked child of it.
fn process() -> io::Result<u64> {
    static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let page = PAGE.get_or_init(|| {
        const BYTES: usize = 4096;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: no address is asked for, so the kernel takes one where nothing is mapped (mmap(2)).
        let page =
            unsafe { mmap_anonymous(std::ptr::null_mut(), BYTES, protection, flags) }.ok()?;
        // SAFETY: the page was mapped above and nothing refers to it yet. MADV_WIPEONFORK changes what a
        // child finds there, not what is there (madvise(2)).
        unsafe { madvise(page, BYTES, Advice::LinuxWipeOnFork) }.ok()?;
        // SAFETY: the page is readable and writable, aligned to 4096, holds zeros, which are an
        // AtomicU64, is never unmapped, and is used through this reference alone. That a child finds
        // zeros is a change that no running thread sees: a forked process has only the thread that
        // forked it.
        Some(unsafe { &*page.cast::<AtomicU64>() })
    });
    let number = page.ok_or(io::ErrorKind::Unsupported)?;
    if number.load(Ordering::Acquire) == 0 {
        // A child's number is above every one that its parent had when it forked: rings that the child
        // inherited have other numbers than it.
        let new = NEXT.fetch_add(1, Ordering::Relaxed);
        let _ = number.compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire);
    }
    Ok(number.load(Ordering::Acquire))
}

/// A read: where the bytes go, where they come from, how many came.
pub(crate) struct Part<'b> {
    address: *mut u8,
    len: u32,
    offset: u64,
    count: usize,
    buffer: PhantomData<&'b mut [u8]>,
}

impl<'b> Part<'b> {
    /// Reads no more than 2 GiB.
    pub(crate) fn new(buf: &'b mut [u8], offset: u64) -> Self {
        let len = buf.len().min(i32::MAX as usize) as u32;
        Self { address: buf.as_mut_ptr(), len, offset, count: 0, buffer: PhantomData }
    }

    /// Bytes that were read.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

pub(crate) struct Ring {
    ring: IoUring,
    process: u64,
    /// Whether nothing is queued, as between two calls of [`read`](Self::read).
    empty: bool,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({})", self.ring.as_raw_fd())
    }
}

/// Entries that were queued and have not completed.
struct Flight<'r> {
    ring: &'r mut IoUring,
    queued: usize,
}

impl Flight<'_> {
    fn reap(&mut self, parts: &mut [Part<'_>]) {
        for entry in self.ring.completion() {
            self.queued -= 1;
            let part = usize::try_from(entry.user_data()).ok().and_then(|at| parts.get_mut(at));
            if let (Some(part), Ok(count)) = (part, usize::try_from(entry.result())) {
                part.count = count.min(part.len as usize);
            }
        }
    }
}

impl Drop for Flight<'_> {
    /// Waits, without submitting more: only when `read` failed or unwinds there is something to wait for.
    fn drop(&mut self) {
        while self.queued > self.ring.submission().len() {
            thread::sleep(Duration::from_micros(100));
            self.reap(&mut []);
        }
    }
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let process = process()?;
        // Without interrupts for completions, from Linux 5.19 on.
        let ring = IoUring::builder()
            .setup_coop_taskrun()
            .build(ENTRIES)
            .or_else(|_| IoUring::new(ENTRIES))?;
        let mut probe = Probe::new();
        let probed = ring.submitter().register_probe(&mut probe);
        if probed.is_err() || !probe.is_supported(opcode::Read::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self { ring, process, empty: true })
    }

    /// Whether this process made it.
    pub(crate) fn is_ours(&self) -> bool {
        process().is_ok_and(|process| process == self.process)
    }

    /// Does all reads at once and waits for them. A part that failed, or that the ring did not come
    /// to, has a count of 0.
    ///
    /// # Errors
    /// The ring failed, now or earlier, and is of no more use.
    pub(crate) fn read(&mut self, file: &impl AsFd, parts: &mut [Part<'_>]) -> io::Result<()> {
        if !self.empty || !self.is_ours() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.empty = false;
        let file = file.as_fd();
        let descriptor = types::Fd(file.as_raw_fd());
        let mut flight = Flight { ring: &mut self.ring, queued: 0 };
        let mut next = 0;
        let mut attempts = 0;
        loop {
            let mut submission = flight.ring.submission();
            while next < parts.len() && flight.queued < ENTRIES as usize {
                let part = &parts[next];
                if part.len > 0 {
                    let entry = opcode::Read::new(descriptor, part.address, part.len)
                        .offset(part.offset)
                        .build()
                        .user_data(next as u64);
                    // SAFETY: the entry lets the kernel write `len` bytes at `address`. A `Part` is made
                    // from a `&'b mut [u8]` of at least that length, and 'b outlives this call, in which
                    // nobody else touches the bytes: `Part` gives out no reference to them. The kernel
                    // does not write after the entry has completed. `flight` counts it below, with nothing
                    // between that could fail or panic, and does not go, in a return or an unwinding,
                    // before all entries that were submitted have completed. One that was not submitted
                    // by then never is: `empty` stays false, and this is the only place that submits
                    // (the ring has no SQPOLL). The descriptor is open as long: `file` borrows it. No
                    // other process uses the ring's memory: `is_ours`.
                    let pushed = unsafe { submission.push(&entry) };
                    if pushed.is_err() {
                        break;
                    }
                    flight.queued += 1;
                }
                next += 1;
            }
            drop(submission);
            if flight.queued == 0 {
                drop(flight);
                self.empty = true;
                return Ok(());
            }
            let wanted =
                if next == parts.len() { flight.queued } else { flight.queued.div_ceil(2) };
            let before = flight.queued;
            let waited = flight.ring.submit_and_wait(wanted);
            flight.reap(parts);
            match waited {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EAGAIN, EBUSY: too much is under way.
                Err(error) if matches!(error.raw_os_error(), Some(11 | 16)) => {
                    attempts = if flight.queued < before { 0 } else { attempts + 1 };
                    if attempts == MAX_ATTEMPTS {
                        return Err(error);
                    }
                    thread::yield_now();
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use folio_store::{FileStore, ReadRequest, Store};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn ring() -> Option<Ring> {
        let ring = Ring::new();
        if let Err(error) = &ring {
            eprintln!("skipped: a ring: {error}");
        }
        ring.ok()
    }

    #[test]
    fn more_parts_than_entries_are_all_read_whatever_fails_among_them() {
        let Some(mut ring) = ring() else { return };
        let bytes: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
        let file = file(&bytes);
        let mut buffers = vec![[0; 4]; 500];
        for _ in 0..3 {
            let mut parts: Vec<_> = (0..)
                .zip(&mut buffers)
                .map(|(at, buf)| match at % 7 {
                    // An offset that no file has, nothing at all.
                    3 => Part::new(buf, 1 << 63),
                    5 => Part::new(&mut buf[..0], 0),
                    _ => Part::new(buf, at * 4),
                })
                .collect();
            ring.read(&file, &mut parts).unwrap();
            let counts: Vec<_> = parts.iter().map(Part::count).collect();
            for (at, count) in counts.into_iter().enumerate() {
                let failed = matches!(at % 7, 3 | 5);
                assert_eq!(count, if failed { 0 } else { 4 });
                let expected = if failed { 0 } else { at as u32 };
                assert_eq!(u32::from_le_bytes(buffers[at]), expected);
            }
        }
    }

    #[test]
    fn a_read_that_unwinds_leaves_nothing_in_flight() {
        let Some(mut ring) = ring() else { return };
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut buf = [0; 4];
        let writing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            writer.write_all(b"late").unwrap();
        });
        {
            let entry = opcode::Read::new(types::Fd(reader.as_raw_fd()), buf.as_mut_ptr(), 4);
            let mut flight = Flight { ring: &mut ring.ring, queued: 0 };
            // SAFETY: `buf` and `reader` outlive `flight`, which waits for the entry.
            unsafe { flight.ring.submission().push(&entry.build()) }.unwrap();
            flight.queued += 1;
            flight.ring.submit().unwrap();
        }
        assert_eq!(&buf, b"late");
        writing.join().unwrap();
    }

    #[test]
    fn entries_that_were_not_submitted_are_neither_waited_for_nor_submitted_later() {
        let Some(mut ring) = ring() else { return };
        let file = file(b"bytes");
        let mut buf = [0; 4];
        let descriptor = ring.ring.as_raw_fd();
        let other = File::open("/dev/null").unwrap();
        // SAFETY: a descriptor is made; `kept` is closed below.
        let kept = unsafe { libc::dup(descriptor) };
        // SAFETY: the ring's number stands for another file for a while; its memory stays.
        unsafe { libc::dup2(other.as_raw_fd(), descriptor) };
        let first = ring.read(&file, &mut [Part::new(&mut buf, 0)]).unwrap_err();
        // SAFETY: the number stands for the ring again, as its owner expects.
        unsafe { libc::dup2(kept, descriptor) };
        // SAFETY: made above, and used by nobody.
        unsafe { libc::close(kept) };
        let mut other = [0; 4];
        let then = ring.read(&file, &mut [Part::new(&mut other, 0)]).unwrap_err();
        assert_eq!((first.raw_os_error(), then.raw_os_error()), (Some(libc::EOPNOTSUPP), None));
        assert_eq!((buf, other), ([0; 4], [0; 4]));
    }

    /// What `check` says in a forked child.
    fn in_child(check: impl FnOnce() -> bool) -> bool {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        // SAFETY: the child allocates, which glibc permits after fork(2), takes no lock that another
        // thread could hold, and ends with _exit(2).
        let child = unsafe { libc::fork() };
        if child == 0 {
            let _ = writer.write_all(&[u8::from(check())]);
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) };
        }
        assert!(child > 0);
        drop(writer);
        let mut fine = [0];
        let said = std::io::Read::read(&mut reader, &mut fine).unwrap();
        // SAFETY: waits for the child above, and writes nothing.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        said == 1 && fine == [1]
    }

    /// From here on io_uring_setup(2) is `errno` in this thread (seccomp(2)).
    fn forbid(errno: i32) -> bool {
        const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
        let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
        let mut steps = [
            step(LOAD, 0, 0),
            step(EQUAL, 1, libc::SYS_io_uring_setup as u32),
            step(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
            step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
        // SAFETY: `filter` and the steps it points to outlive the calls, which only read them.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0
        }
    }

    #[test]
    fn where_io_uring_is_missing_or_forbidden_the_store_reads_without_it_and_says_so() {
        let path = tempfile::NamedTempFile::new().unwrap();
        path.as_file().write_all_at(b"one two", 0).unwrap();
        for (errno, words) in [
            (libc::ENOSYS, "Function not implemented: io_uring needs Linux 5.6"),
            (libc::EPERM, "Operation not permitted: io_uring needs Linux 5.6"),
        ] {
            assert!(in_child(|| {
                if !forbid(errno) {
                    eprintln!("skipped: io_uring forbidden: seccomp(2) is not there");
                    return true;
                }
                let store = crate::UringStore::new(FileStore::open(path.path()).unwrap());
                let why = store.why_no_ring().map(ToString::to_string).unwrap_or_default();
                let mut buffers = [[0; 3]; 2];
                let [one, two] = &mut buffers;
                let mut requests = [ReadRequest::new(one, 0), ReadRequest::new(two, 4)];
                store.read_many(&mut requests);
                why.contains(words) && buffers == [*b"one", *b"two"]
            }));
        }
    }

    #[test]
    fn a_forked_child_does_not_use_its_parents_ring() {
        let Some(mut ring) = ring() else { return };
        let file = file(b"bytes");
        assert!(ring.is_ours());
        assert!(in_child(|| {
            let mut buf = [0; 5];
            let refused = ring.read(&file, &mut [Part::new(&mut buf, 0)]).is_err();
            let own = Ring::new().and_then(|mut ring| {
                ring.read(&file, &mut [Part::new(&mut buf, 0)]).map(|()| ring.is_ours())
            });
            refused && matches!(own, Ok(true)) && &buf == b"bytes"
        }));
        assert!(ring.is_ours());
        let mut buf = [0; 5];
        ring.read(&file, &mut [Part::new(&mut buf, 0)]).unwrap();
        assert_eq!(&buf, b"bytes");
    }
}
