//! Every error mmap(2) and its kin can give: provoked, with errno, kind, and a message that names
//! the thing and the way out.

mod common;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{Scratch, become_nobody, in_child, is_root, limit, memfd, page, pattern, seal};
use folio::{
    Error, ErrorKind, HugePage, Lock, MapOptions, Mapping, Memory, Protection, Reservation,
};

#[track_caller]
fn expect(error: Error, errno: i32, symbol: &str, thing: &str, way_out: &str) {
    assert_eq!(error.raw_os_error(), Some(errno), "{error}");
    assert_eq!(error.kind(), ErrorKind::Os);
    let message = error.to_string();
    for part in [symbol, thing, way_out] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    assert!(!message.contains('\n'), "{message}");
    let kind = io::Error::from_raw_os_error(errno).kind();
    let error = io::Error::from(error);
    assert_eq!(error.kind(), kind);
    assert_eq!(error.to_string(), message, "nothing is lost on the way to std::io::Error");
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn enoent_names_the_path() {
    let error = Mapping::open("/no/such/file").unwrap_err();
    expect(error, libc::ENOENT, "(ENOENT)", "open /no/such/file", "");
}

#[test]
fn eacces_where_a_file_may_not_be_read() {
    let file = Scratch::new(&pattern(10));
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o000)).unwrap();
    in_child(|| {
        become_nobody();
        let error = Mapping::open(file.path()).unwrap_err();
        expect(error, libc::EACCES, "(EACCES)", &name(file.path()), "permission to read");
    });
}

#[test]
fn eacces_where_a_shared_writable_mapping_meets_a_read_only_file() {
    let file = Scratch::new(&pattern(10));
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o444)).unwrap();
    in_child(|| {
        become_nobody();
        let error = Mapping::options().write().open(file.path()).unwrap_err();
        expect(error, libc::EACCES, "(EACCES)", &name(file.path()), "map it private or read-only");
        Mapping::options().write().private().open(file.path()).unwrap();
    });
    let opened = File::open(file.path()).unwrap();
    let error = Mapping::options().write().map(&opened).unwrap_err();
    expect(error, libc::EACCES, "(EACCES)", "inode", "open it for reading, and for writing too");
    let opened = File::options().write(true).open(file.path());
    if let Ok(write_only) = opened {
        let error = Mapping::of(&write_only).unwrap_err();
        expect(error, libc::EACCES, "(EACCES)", "cannot map", "open it for reading");
    }
}

#[test]
fn ebadf_where_a_descriptor_is_only_a_path() {
    let file = Scratch::new(&pattern(10));
    let path_only =
        File::options().read(true).custom_flags(libc::O_PATH).open(file.path()).unwrap();
    let error = Mapping::of(&path_only).unwrap_err();
    expect(error, libc::EBADF, "(EBADF)", "cannot map", "O_PATH");
}

#[test]
fn enodev_where_a_kind_of_file_cannot_be_mapped() {
    let directory = std::env::temp_dir();
    let error = Mapping::open(&directory).unwrap_err();
    expect(error, libc::ENODEV, "(ENODEV)", &name(&directory), "read it instead");
    for path in ["/proc/self/status", "/proc/version"] {
        let error = Mapping::open(path).unwrap_err();
        let errno = error.raw_os_error();
        assert!(errno == Some(libc::ENODEV) || errno == Some(libc::EIO), "{error}");
        let errno = errno.unwrap();
        let symbol = if errno == libc::EIO { "EIO" } else { "ENODEV" };
        expect(error, errno, symbol, path, "read it instead");
    }
    let error = Mapping::options().len(10).open("/dev/null").unwrap_err();
    expect(error, libc::ENODEV, "(ENODEV)", "/dev/null", "read it instead");
    let (reader, _writer) = io::pipe().unwrap();
    let error = Mapping::options().len(10).beyond_end().map(&reader).unwrap_err();
    expect(error, libc::ENODEV, "(ENODEV)", "cannot map", "read it instead");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Mapping::options().len(10).beyond_end().map(&socket).unwrap_err();
    expect(error, libc::ENODEV, "(ENODEV)", "cannot map", "read it instead");
}

#[test]
fn eisdir_where_a_directory_should_be_written() {
    let directory = std::env::temp_dir();
    let error = Mapping::options().write().open(&directory).unwrap_err();
    expect(error, libc::EISDIR, "(EISDIR)", &name(&directory), "");
}

#[test]
fn enomem_where_the_address_space_is_limited() {
    in_child(|| {
        limit(libc::RLIMIT_AS, 1 << 30);
        let anonymous = || MapOptions::new().private().write().anonymous(2 << 30).unwrap_err();
        expect(anonymous(), libc::ENOMEM, "(ENOMEM)", "anonymous memory", "ulimit -v");
        let error = Reservation::new(2 << 30).unwrap_err();
        expect(error, libc::ENOMEM, "(ENOMEM)", "reserve", "ulimit -v");
        let mut memory = Memory::new(page()).unwrap();
        memory[0] = 7;
        let error = memory.resize(2 << 30).unwrap_err();
        expect(error, libc::ENOMEM, "(ENOMEM)", "resize anonymous memory", "");
        assert_eq!((memory.len(), memory[0]), (page(), 7), "nothing has changed");
    });
}

#[test]
fn enomem_where_more_is_asked_for_than_there_is() {
    let error = MapOptions::new().private().write().anonymous(1 << 62).unwrap_err();
    expect(error, libc::ENOMEM, "(ENOMEM)", "anonymous memory", "no room");
    if fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap().trim() == "1" {
        return common::skip("vm.overcommit_memory = 0 or 2");
    }
    let error = Memory::new(100 << 40).unwrap_err();
    expect(error, libc::ENOMEM, "(ENOMEM)", "anonymous memory", "vm.overcommit_memory");
}

#[test]
fn enomem_where_the_pool_of_huge_pages_is_too_small() {
    let options = MapOptions::new().private().write().huge_pages(HugePage::Mib2);
    let error = options.anonymous(1 << 45).unwrap_err();
    let symbol = if error.raw_os_error() == Some(libc::EINVAL) {
        return common::skip("huge pages of 2 MiB");
    } else {
        "(ENOMEM)"
    };
    expect(error, libc::ENOMEM, symbol, "anonymous memory", "nr_hugepages");
}

#[test]
fn eagain_or_enomem_at_the_limit_of_locked_memory() {
    in_child(|| {
        limit(libc::RLIMIT_MEMLOCK, 4 * page() as u64);
        become_nobody();
        let map = MapOptions::new().private().write().anonymous(16 * page()).unwrap();
        let error = map.lock(.., Lock::Now).unwrap_err();
        expect(error, libc::ENOMEM, "(ENOMEM)", "lock anonymous memory", "ulimit -l");
        map.lock(..2 * page(), Lock::Now).unwrap();
        let options = MapOptions::new().private().write().lock(Lock::OnFault);
        let error = options.anonymous(16 * page()).unwrap_err();
        expect(error, libc::ENOMEM, "(ENOMEM)", "lock anonymous memory", "ulimit -l");
        limit(libc::RLIMIT_MEMLOCK, 0);
        let error = map.lock(2 * page().., Lock::Now).unwrap_err();
        expect(error, libc::EPERM, "(EPERM)", "lock anonymous memory", "ulimit -l");
    });
    in_child(|| {
        // Whoever locks all that is to come meets the limit in mmap(2) and mremap(2) themselves.
        limit(libc::RLIMIT_MEMLOCK, 8 * page() as u64);
        become_nobody();
        common::lock_future();
        let error = MapOptions::new().private().write().anonymous(64 * page()).unwrap_err();
        expect(error, libc::EAGAIN, "(EAGAIN)", "map anonymous memory", "ulimit -l");
    });
}

#[test]
fn eperm_where_a_memory_file_is_sealed_against_writing() {
    let file = memfd(&pattern(page()));
    seal(&file, libc::F_SEAL_WRITE);
    let error = Mapping::options().write().map(&file).unwrap_err();
    expect(error, libc::EPERM, "(EPERM)", "shared memory", "seal");
    let mut map = Mapping::of(&file).unwrap();
    let error = map.protect(.., Protection::READ | Protection::WRITE).unwrap_err();
    expect(error, libc::EACCES, "(EACCES)", "protect shared memory", "seal");
    assert_eq!(map.to_vec().unwrap(), pattern(page()));
    Mapping::options().write().private().map(&file).unwrap();

    let file = memfd(&pattern(page()));
    let map = Mapping::options().write().map(&file).unwrap();
    seal(&file, libc::F_SEAL_FUTURE_WRITE);
    map.write_at(0, b"still").unwrap();
    let error = Mapping::options().write().map(&file).unwrap_err();
    expect(error, libc::EPERM, "(EPERM)", "shared memory", "seal");
}

#[test]
fn eperm_where_a_file_system_forbids_execution() {
    on_tmpfs("noexec", |dir| {
        let file = Scratch::in_dir(dir, &pattern(page()));
        let exec = Protection::READ | Protection::EXEC;
        let error = Mapping::options().protection(exec).open(file.path()).unwrap_err();
        expect(error, libc::EPERM, "(EPERM)", &name(file.path()), "noexec");
        let mut map = Mapping::open(file.path()).unwrap();
        let error = map.protect(.., exec).unwrap_err();
        // mprotect(2) has another word for it.
        expect(error, libc::EACCES, "(EACCES)", &name(file.path()), "noexec");
        assert_eq!(map.to_vec().unwrap(), pattern(page()));
    });
}

#[test]
fn eperm_at_the_lowest_addresses() {
    let lowest = fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap();
    if lowest.trim() == "0" {
        return common::skip("vm.mmap_min_addr above 0");
    }
    in_child(|| {
        become_nobody();
        let error = MapOptions::new().exactly_at(0).anonymous(page()).unwrap_err();
        expect(error, libc::EPERM, "(EPERM)", "map anonymous memory", "vm.mmap_min_addr");
    });
}

#[test]
fn etxtbsy_where_a_program_is_running() {
    let dir = std::env::temp_dir();
    let program = dir.join(format!("folio-sleep-{}", std::process::id()));
    fs::copy("/bin/sleep", &program).unwrap();
    let mut child = patiently(|| Command::new(&program).arg("100").spawn().ok());
    // The child runs /bin/sleep as soon as `spawn` has returned: it waits for execve(2).
    let error = Mapping::options().write().open(&program);
    let private = Mapping::options().write().private().open(&program);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(&program).unwrap();
    private.unwrap();
    let error = error.unwrap_err();
    expect(error, libc::ETXTBSY, "(ETXTBSY)", &name(&program), "map it private or read-only");
}

#[test]
fn erofs_where_a_file_system_is_read_only() {
    on_tmpfs("size=64k", |dir| {
        let file = Scratch::in_dir(dir, &pattern(page()));
        patiently(|| succeeds(Command::new("mount").args(["-o", "remount,ro"]).arg(dir)));
        let error = Mapping::options().write().open(file.path()).unwrap_err();
        expect(error, libc::EROFS, "(EROFS)", &name(file.path()), "map it private or read-only");
        Mapping::options().write().private().open(file.path()).unwrap();
    });
}

#[test]
fn emfile_and_eloop_are_named() {
    let dir = std::env::temp_dir();
    let link = dir.join(format!("folio-loop-{}", std::process::id()));
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let error = Mapping::open(&link).unwrap_err();
    fs::remove_file(&link).unwrap();
    expect(error, libc::ELOOP, "(ELOOP)", &name(&link), "");
    let file = Scratch::new(&pattern(2 * page()));
    let keep = Mapping::options().keep_file().open(file.path()).unwrap();
    let mut keep = Some(keep);
    in_child(|| {
        limit(libc::RLIMIT_NOFILE, 0);
        let error = Mapping::open(file.path()).unwrap_err();
        expect(error, libc::EMFILE, "(EMFILE)", &name(file.path()), "");
        let refused = keep.take().unwrap().split_at(page()).unwrap_err();
        assert_eq!(refused.error().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(refused.into_value().to_vec().unwrap(), pattern(2 * page()));
    });
}

#[test]
fn eoverflow_where_offset_and_length_exceed_the_largest_offset() {
    let file = memfd(&pattern(page()));
    let options = Mapping::options().beyond_end().offset(i64::MAX as u64).len(page());
    let error = options.map(&file).unwrap_err();
    expect(error, libc::EOVERFLOW, "(EOVERFLOW)", "shared memory", "largest file offset");
}

#[test]
fn einval_where_the_kernel_does_not_know_the_advice_for_such_a_mapping() {
    let file = Scratch::new(&pattern(page()));
    let mut map = Mapping::options().private().write().open(file.path()).unwrap();
    let error = map.discard(.., folio::Discard::Lazily).unwrap_err();
    expect(error, libc::EINVAL, "(EINVAL)", &name(file.path()), "not for this kind of mapping");
    let error = map.set_fork(folio::Fork::Wipe).unwrap_err();
    expect(error, libc::EINVAL, "(EINVAL)", &name(file.path()), "private anonymous memory");
}

#[test]
fn einval_where_there_are_no_pages_to_collapse_yet() {
    let map = Mapping::options().write().anonymous(8 << 20).unwrap();
    match map.advise(.., folio::Advice::Collapse) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            expect(error, libc::EINVAL, "(EINVAL)", "anonymous memory", "populate it first");
        }
        other => common::skip(format!("a kernel that collapses no empty range: {other:?}")),
    }
}

#[test]
fn an_error_names_the_range_in_the_backing() {
    let file = Scratch::new(&pattern(8 * page()));
    let mut map = Mapping::options().offset(100).open(file.path()).unwrap();
    let error = map.protect(page()..page() + 1, Protection::WRITE).unwrap_err();
    let range = format!("bytes {}..{}", page(), 2 * page());
    expect(error, libc::EACCES, &range, &name(file.path()), "opened");
}

#[test]
fn a_full_file_system_is_a_fault_of_no_space() {
    on_tmpfs("size=64k", |dir| {
        let file = Scratch::in_dir(dir, b"");
        file.set_len(1 << 20);
        let map = Mapping::options().write().open(file.path()).unwrap();
        let error = map.fill(.., 1).unwrap_err();
        let fault = error.fault().unwrap();
        assert_eq!(fault.kind(), folio::FaultKind::NoSpace, "{error}");
        assert_eq!(fault.transferred(), 64 << 10);
        assert_eq!(fault.raw_os_error(), Some(libc::ENOSPC));
        let message = error.to_string();
        assert!(message.contains(&name(file.path())) && message.contains("no space"), "{message}");
        let error = map.advise(.., folio::Advice::PopulateWrite).unwrap_err();
        assert_eq!(error.fault().unwrap().offset(), 64 << 10);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
    });
}

/// Tries again for a while: the children that other tests fork hold this test's files open, and so
/// keep them busy, until they end.
#[track_caller]
fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it did not succeed in five seconds")
}

fn succeeds(command: &mut Command) -> Option<()> {
    command.output().unwrap().status.success().then_some(())
}

/// Runs `work` in a tmpfs mounted for it.
fn on_tmpfs(options: &str, work: impl FnOnce(&Path) + std::panic::UnwindSafe) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !is_root() {
        return common::skip("root, to mount a tmpfs");
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("folio-mount-{}-{number}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "folio"]).arg(&dir).status();
    if !mount.is_ok_and(|status| status.success()) {
        fs::remove_dir(&dir).unwrap();
        return common::skip("mount(8)");
    }
    let result = std::panic::catch_unwind(|| work(&dir));
    patiently(|| succeeds(Command::new("umount").arg(&dir)));
    fs::remove_dir(&dir).unwrap();
    result.unwrap();
}
