//! Forked children, stacks, signals and system calls: what lies around a touch of a page.
#![allow(unsafe_code)]

#[path = "common/again.rs"]
mod again;
#[path = "common/mod.rs"]
mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::{Ram, pager, pattern};
use folio_pager::{Budget, ErrorKind, Paged, Pager};
use folio_store::{Capabilities, Cost, FunctionStore, Store};

/// Forks; returns how the child ended, as waitpid(2) says.
fn fork(child: impl FnOnce()) -> i32 {
    // SAFETY: the child touches memory and makes system calls, and leaves by _exit(2).
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            // A child that hangs is a failure, not a hang of the test.
            libc::alarm(20);
            child();
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
        status
    }
}

fn touch(map: &Paged, at: usize) -> u8 {
    assert!(at < map.len());
    // SAFETY: the mapping has that byte.
    unsafe { map.as_ptr().wrapping_add(at).read_volatile() }
}

#[test]
fn who_looks_at_the_process_sees_a_mapping_by_its_stores_name_until_it_ends() {
    let map = pager(1 << 20).options().granule(4096).map(Ram::fixed(pattern(1 << 20))).unwrap();
    let memory = map.as_ptr().addr()..map.as_ptr().addr() + map.len();
    let step = (memory.start..memory.end).step_by(8192);
    step.clone().for_each(|address| _ = touch(&map, address - memory.start));
    let name = format!("[anon:folio:{}]", map.name());
    let names = || {
        let all = folio_stat::Process::current().unwrap().mappings().unwrap();
        let there =
            |one: &folio_stat::Mapping| one.address < memory.end && memory.start <= one.range().end;
        all.into_iter().filter(there).map(|one| one.backing.name).collect::<Vec<_>>()
    };
    let within = names().into_iter().filter(|one| one.as_deref() == Some(&name)).count();
    assert!(within > 0);
    drop(map);
    assert!(!names().contains(&Some(name)));
}

#[test]
fn a_forked_child_that_touches_a_page_gets_a_signal_and_no_zeros() {
    let map = pager(1 << 20).map(Ram::fixed(pattern(1 << 20))).unwrap();
    let there = touch(&map, 5000);
    for at in [5000, 500_000] {
        let status = fork(|| {
            touch(&map, at);
        });
        assert!(libc::WIFSIGNALED(status), "{status:#x}");
        assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
    }
    assert_eq!(touch(&map, 5000), there);
}

#[test]
fn a_forked_child_is_told_that_it_has_no_mapping_and_may_drop_it() {
    let bytes = pattern(1 << 20);
    let store = Ram::new(bytes.clone());
    let pager = pager(256 << 10);
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    map.write_at(5000, b"dirty").unwrap();
    let pin = map.pin(8192..12288).unwrap();
    let status = fork(|| {
        let kind = |result: folio_pager::Result<()>| result.map_err(|error| error.kind());
        let unsupported = Err(ErrorKind::Unsupported);
        assert_eq!(kind(map.flush(..)), unsupported);
        assert_eq!(kind(map.evict(..).map(drop)), unsupported);
        assert_eq!(kind(map.pin(..10).map(drop)), unsupported);
        assert_eq!(map.prefetch(..).wait().unwrap(), 0..0);
        // SAFETY: bytewise copies of values that the child leaves without dropping the originals.
        unsafe {
            drop(core::ptr::read(&raw const pin));
            drop(core::ptr::read(&raw const map));
            drop(core::ptr::read(&raw const pager));
        }
    });
    assert_eq!(status, 0, "the child ended with {status:#x}");
    assert!(*pin == bytes[8192..12288]);
    drop(pin);
    let mut buf = vec![0; bytes.len()];
    map.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf[5000..5005], b"dirty");
    assert!(buf[6000..] == bytes[6000..]);
    map.flush(..).unwrap();
    assert_eq!(&store.content()[5000..5005], b"dirty");
}

#[test]
fn a_store_may_meet_the_end_of_a_file_that_was_cut_off() {
    let mut file = tempfile();
    file.write_all(&pattern(1 << 20)).unwrap();
    let inner = folio::Mapping::of(&file).unwrap();
    file.set_len(300_000).unwrap();
    let read = move |buf: &mut [u8], offset: u64| {
        inner.read_at(offset as usize, buf).map_err(|error| {
            folio_store::Error::new(folio_store::ErrorKind::Truncated, "read", "a file")
                .reason(error.to_string())
        })
    };
    let store = FunctionStore::new("a mapped file", 1 << 20, read).cost(Cost::Local);
    let map = pager(1 << 20).map(store).unwrap();
    assert_eq!(touch(&map, 123_456), pattern(1 << 20)[123_456]);
    assert_eq!(touch(&map, 900_000), 0);
    let error = map.check().unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), folio_store::ErrorKind::Truncated);
}

fn tempfile() -> std::fs::File {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    options.open(std::env::temp_dir()).unwrap()
}

static HANDLER_READS: AtomicUsize = AtomicUsize::new(0);
static HANDLER_READ: AtomicUsize = AtomicUsize::new(0);

extern "C" fn reads(_: i32) {
    let address = HANDLER_READS.load(SeqCst);
    // SAFETY: the test has put the address of a mapping's byte there.
    let byte = unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
    HANDLER_READ.store(byte.into(), SeqCst);
}

#[test]
fn a_handler_on_an_alternate_stack_may_touch_a_page() {
    for cost in [Cost::Memory, Cost::Local] {
        let bytes = pattern(1 << 20);
        let content = bytes.clone();
        let read = move |buf: &mut [u8], offset: u64| {
            buf.copy_from_slice(&content[offset as usize..][..buf.len()]);
            Ok(())
        };
        let map = pager(1 << 20).map(FunctionStore::new("it", 1 << 20, read).cost(cost)).unwrap();
        HANDLER_READS.store(map.as_ptr() as usize + 700_000, SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut stack = vec![0_u8; 256 << 10];
                // SAFETY: the stack is this thread's until the old one is set again; the structures are
                // valid.
                unsafe {
                    let new = libc::stack_t {
                        ss_sp: stack.as_mut_ptr().cast(),
                        ss_flags: 0,
                        ss_size: stack.len(),
                    };
                    let mut old = core::mem::zeroed();
                    assert_eq!(libc::sigaltstack(&raw const new, &raw mut old), 0);
                    let mut action: libc::sigaction = core::mem::zeroed();
                    action.sa_sigaction = reads as *const () as usize;
                    action.sa_flags = libc::SA_ONSTACK;
                    libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut());
                    libc::raise(libc::SIGUSR1);
                    assert_eq!(libc::sigaltstack(&raw const old, core::ptr::null_mut()), 0);
                }
            });
        });
        assert_eq!(HANDLER_READ.load(SeqCst), usize::from(bytes[700_000]));
    }
}

#[test]
fn a_thread_with_a_small_stack_may_touch_pages_of_a_store_that_needs_much() {
    fn deep(levels: usize) -> u8 {
        let page = core::hint::black_box([levels as u8; 1024]);
        if levels == 0 { 0 } else { deep(levels - 1).wrapping_add(page[1]) }
    }
    let read = |buf: &mut [u8], _: u64| {
        // More than the 8 KiB of the alternate stack that Rust gives a thread.
        core::hint::black_box(deep(24));
        buf.fill(7);
        Ok(())
    };
    let store = FunctionStore::new("deep", 1 << 20, read).cost(Cost::Local);
    let map = pager(1 << 20).map(store).unwrap();
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    std::thread::scope(|scope| {
        let touched = thread.spawn_scoped(scope, || touch(&map, 400_000)).unwrap();
        assert_eq!(touched.join().unwrap(), 7);
    });
}

#[test]
fn a_system_call_finds_pinned_bytes_and_faults_at_others() {
    let bytes = pattern(1 << 20);
    let map = pager(256 << 10).options().granule(4096).map(Ram::fixed(bytes.clone())).unwrap();
    let mut file = tempfile();
    // SAFETY: a system call checks the addresses it is given.
    let written = unsafe { libc::write(file.as_raw_fd(), map.as_ptr().cast(), 4096) };
    assert_eq!(written, -1);
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EFAULT));
    file.write_all(&map.pin(10_000..100_000).unwrap()).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 90_000);
}

/// As a container may.
fn forbid_userfaultfd() {
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let filter = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        filter((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        filter(
            (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            0,
            1,
            libc::SYS_userfaultfd as u32,
        ),
        filter((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, REFUSE),
        filter((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is valid and lives through the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

#[test]
fn where_userfaultfd_is_forbidden_pages_are_filled_by_their_protection() {
    const TEST: &str = "where_userfaultfd_is_forbidden_pages_are_filled_by_their_protection";
    if again::part().is_none() {
        let mut command = again::again(TEST, "forbidden");
        let output = command.env_remove("FOLIO_PAGER_WITHOUT").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    forbid_userfaultfd();
    let bytes = pattern(1 << 20);
    let store = Ram::new(bytes.clone());
    let pager = pager(64 << 10);
    assert_eq!(pager.mechanism(), "page protection");
    let map = pager.options().granule(4096).shared(store.clone()).unwrap();
    let mut all = vec![0; bytes.len()];
    map.read_at(0, &mut all).unwrap();
    assert!(all == bytes);
    for at in (0..bytes.len()).step_by(5000) {
        map.write_at(at, &[1]).unwrap();
    }
    map.flush(..).unwrap();
    assert!(store.content().iter().step_by(5000).all(|byte| *byte == 1));
}

/// A store of a function that says it costs what a file does.
struct Many(u64);

impl Store for Many {
    fn name(&self) -> String {
        "many pages".into()
    }
    fn len(&self) -> folio_store::Result<u64> {
        Ok(self.0)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
        buf.fill((offset >> 12) as u8 | 1);
        Ok(buf.len())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Local).granule(4096).fixed_version(true)
    }
}

#[test]
fn more_pages_are_touched_than_the_kernel_has_mappings() {
    // Without userfaultfd each page is a mapping of its own, and there may be 65,530.
    let pager = Pager::new(Budget::bytes(4 << 20)).unwrap();
    let map = pager.options().granule(4096).map(Many(800 << 20)).unwrap();
    map.advise(.., folio::Advice::Random).unwrap();
    for page in (0..map.len() / 4096).step_by(2) {
        assert_eq!(touch(&map, page * 4096), page as u8 | 1, "page {page}");
    }
    map.check().unwrap();
}

/// Bytes that this process has locked in memory.
fn locked_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn where_future_memory_is_locked_the_pager_locks_none_of_its_own() {
    const TEST: &str = "where_future_memory_is_locked_the_pager_locks_none_of_its_own";
    if again::part().is_none() {
        let output = again::again(TEST, "locked").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    // SAFETY: what is locked is this process's.
    if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
        eprintln!("skipped: {}", std::io::Error::last_os_error());
        return;
    }
    let pager = Pager::new(Budget::bytes(16 << 20)).unwrap();
    let map = match pager.options().granule(2 << 20).map(Many(64 << 20)) {
        Ok(map) => map,
        Err(error) => return eprintln!("skipped: may not lock so much: {error}"),
    };
    map.advise(.., folio::Advice::Random).unwrap();
    let before = locked_bytes();
    for at in (0..map.len()).step_by(2 << 20) {
        assert_ne!(touch(&map, at), 0);
    }
    let after = locked_bytes();
    assert!(after < before + (2 << 20), "{before} bytes, then {after}");
}
