//! What the tests share: scratch files, children, and a look at mappings from outside, through
//! /proc rather than through folio.
#![allow(unsafe_code, dead_code, unreachable_pub)]

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file of its own for a test, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(bytes: &[u8]) -> Self {
        Self::in_dir(&std::env::temp_dir(), bytes)
    }

    pub fn in_dir(dir: &Path, bytes: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("folio-test-{}-{number}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Open for reading and writing.
    pub fn file(&self) -> File {
        File::options().read(true).write(true).open(&self.0).unwrap()
    }

    pub fn set_len(&self, len: u64) {
        self.file().set_len(len).unwrap();
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.0).unwrap()
    }

    pub fn read_at(&self, at: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.file().read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    pub fn write_at(&self, at: u64, bytes: &[u8]) {
        self.file().write_all_at(bytes, at).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Bytes that are never zero and differ from page to page.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 + 1).collect()
}

pub fn page() -> usize {
    rustix::param::page_size()
}

pub fn is_root() -> bool {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl std::fmt::Display) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}

/// A memory file with these bytes.
pub fn memfd(bytes: &[u8]) -> File {
    let name = CString::new("folio-test").unwrap();
    // SAFETY: the name is a string that lives through the call (memfd_create(2)).
    let fd =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0, "memfd_create: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is new and has no other owner.
    let mut file = unsafe { File::from_raw_fd(fd) };
    file.write_all(bytes).unwrap();
    file
}

pub fn seal(file: &File, seals: i32) {
    for _ in 0..100 {
        // SAFETY: fcntl with F_ADD_SEALS takes an integer and touches no memory (fcntl(2)).
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
        let error = std::io::Error::last_os_error();
        if result == 0 {
            return;
        }
        // The kernel waits for whoever has a page in hand just now, its own lists of new pages among
        // them, and gives up after 150 ms (memfd_wait_for_pins in mm/memfd.c).
        assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{error}");
    }
    panic!("pages of the file are in use all the time");
}

/// The kernel's record of the mapping at an address, from /proc/self/smaps.
#[derive(Debug)]
pub struct Vma {
    pub start: usize,
    pub end: usize,
    /// `rw-p`
    pub access: String,
    pub offset: u64,
    pub inode: u64,
    pub name: String,
    flags: Vec<String>,
    kib: HashMap<String, u64>,
}

impl Vma {
    /// A two-letter flag of the line VmFlags (proc_pid_smaps(5)).
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }

    /// A field that is given in kB.
    pub fn kib(&self, field: &str) -> u64 {
        self.kib[field]
    }
}

/// `None` if nothing is mapped there.
pub fn vma_at(address: usize) -> Option<Vma> {
    let text = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut found: Option<Vma> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let range = words[0].split_once('-').and_then(|(start, end)| {
            let number = |text| usize::from_str_radix(text, 16).ok();
            Some((number(start)?, number(end)?))
        });
        if let Some((start, end)) = range {
            if found.is_some() {
                break;
            }
            if (start..end).contains(&address) {
                found = Some(Vma {
                    start,
                    end,
                    access: words[1].into(),
                    offset: u64::from_str_radix(words[2], 16).unwrap(),
                    inode: words[4].parse().unwrap(),
                    name: words[5..].join(" "),
                    flags: Vec::new(),
                    kib: HashMap::new(),
                });
            }
        } else if let Some(vma) = &mut found {
            let field = words[0].trim_end_matches(':');
            if field == "VmFlags" {
                vma.flags = words[1..].iter().map(|flag| flag.to_string()).collect();
            } else if words.last() == Some(&"kB") {
                vma.kib.insert(field.into(), words[1].parse().unwrap());
            }
        }
    }
    found
}

/// Whether each page of a range is in memory (mincore(2)), or `None` if one is not mapped.
pub fn mincore(address: usize, len: usize) -> Option<Vec<bool>> {
    let start = address / page() * page();
    let mut pages = vec![0u8; (address + len - start).div_ceil(page())];
    // SAFETY: mincore writes one byte a page, and there is one (mincore(2)).
    let result = unsafe {
        libc::mincore(
            std::ptr::with_exposed_provenance_mut(start),
            address + len - start,
            pages.as_mut_ptr(),
        )
    };
    (result == 0).then(|| pages.iter().map(|page| page & 1 == 1).collect())
}

/// How a forked child ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Well,
    Panic(String),
    Signal(i32),
    Exit(i32),
}

/// Runs `work` in a forked child. Of the other threads nothing is there.
pub fn fork(work: impl FnOnce()) -> End {
    let mut pipe = [0; 2];
    // SAFETY: pipe2 writes two descriptors into the array (pipe(2)); they are new and have no
    // other owner.
    let (mut from, mut to) = unsafe {
        assert_eq!(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (File::from_raw_fd(pipe[0]), File::from_raw_fd(pipe[1]))
    };
    // SAFETY: the child runs `work` alone and leaves by `_exit`. It may allocate: the C library's
    // allocator is made usable in the child (fork(3)).
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let code = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(()) => 0,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                let _ = to.write_all(text.unwrap_or("a panic").as_bytes());
                101
            }
        };
        // SAFETY: ends the process at once (_exit(2)).
        unsafe { libc::_exit(code) };
    }
    drop(to);
    let mut message = String::new();
    from.read_to_string(&mut message).unwrap();
    let mut status = 0;
    // SAFETY: waitpid writes the status of our child into `status` (waitpid(2)).
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    if libc::WIFSIGNALED(status) {
        return End::Signal(libc::WTERMSIG(status));
    }
    match libc::WEXITSTATUS(status) {
        0 => End::Well,
        101 => End::Panic(message),
        code => End::Exit(code),
    }
}

/// Runs `work` in a forked child, which must end well.
#[track_caller]
pub fn in_child(work: impl FnOnce()) {
    assert_eq!(fork(work), End::Well);
}

#[cfg(target_env = "musl")]
type Resource = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Resource = libc::__rlimit_resource_t;

/// Sets a limit of this process; for use in a child.
pub fn limit(resource: Resource, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: setrlimit reads the structure (setrlimit(2)).
    let result = unsafe { libc::setrlimit(resource, &raw const limit) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Becomes an ordinary user, with the group `also` besides; for use in a child.
pub fn become_nobody() {
    if is_root() {
        // SAFETY: the calls take numbers only (setgroups(2), setresuid(2)).
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
    }
}

/// One byte through a raw pointer: what a program does that knows nothing of folio.
pub fn peek(address: usize) -> u8 {
    // SAFETY: callers pass addresses that are mapped and readable, or are children that may end by
    // a signal.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

/// The same, for writing.
pub fn poke(address: usize, byte: u8) {
    // SAFETY: as in `peek`.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(byte) };
}

/// Makes calls on pages fail that a test breaks on purpose (mseal(2)). False where the kernel lacks
/// it.
pub fn seal_pages(address: usize, len: usize) -> bool {
    // SAFETY: the call reads no memory (mseal(2)).
    unsafe { libc::syscall(libc::SYS_mseal, address, len, 0usize) == 0 }
}

/// A number of a line of /proc/meminfo.
pub fn meminfo(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Calls the code at an address.
pub fn call(address: usize) -> i32 {
    // SAFETY: callers have put a function without arguments there, or are children that may end by
    // a signal where it must not run.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(address) };
    function()
}

/// The bytes as a slice.
pub fn slice(map: &folio::Mapping) -> &[u8] {
    // SAFETY: callers change no byte while they use it, and mind the zeros of lost pages.
    unsafe { map.as_slice() }
}

/// Runs `work` on the bytes, guarded.
pub fn guarded<R>(map: &folio::Mapping, work: impl FnOnce(&[u8]) -> R) -> Result<R, folio::Fault> {
    // SAFETY: as in `slice`.
    unsafe { map.guarded(work) }
}

/// What cachestat(2) says of a whole file: cached, dirty, written back, evicted, recently evicted
/// pages.
pub fn cachestat(file: &File) -> Option<[u64; 5]> {
    const SYS_CACHESTAT: libc::c_long = 451;
    let (range, mut stat) = ([0u64; 2], [0u64; 5]);
    // SAFETY: cachestat reads a range of two words and writes five (cachestat(2)).
    let result = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), range.as_ptr(), stat.as_mut_ptr(), 0)
    };
    (result == 0).then_some(stat)
}

/// Has all mappings to come locked; for use in a child.
pub fn lock_future() {
    // SAFETY: mlockall takes a number (mlockall(2)).
    let result = unsafe { libc::mlockall(libc::MCL_FUTURE) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Mappings of a page each, as many as there can be: the limit of them is reached.
pub struct Crowd(Vec<usize>);

impl Crowd {
    pub fn new() -> Self {
        let mut addresses = Vec::with_capacity(1 << 20);
        loop {
            // Neighbours differ in protection, so that the kernel does not merge them.
            let protection =
                if addresses.len() % 2 == 0 { libc::PROT_READ } else { libc::PROT_NONE };
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: without MAP_FIXED no existing mapping is touched.
            let at = unsafe { libc::mmap(std::ptr::null_mut(), page(), protection, flags, -1, 0) };
            if at == libc::MAP_FAILED {
                return Self(addresses);
            }
            addresses.push(at as usize);
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &address in &self.0 {
            let at = std::ptr::with_exposed_provenance_mut(address);
            // SAFETY: one of the pages mapped above, which nobody else knows.
            unsafe { libc::munmap(at, page()) };
        }
    }
}
