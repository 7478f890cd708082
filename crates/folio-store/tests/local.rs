//! The local stores: each passes the conformance suite and keeps its own promises.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::skip;
use folio_store::conformance::Suite;
use folio_store::{
    Cost, Error, ErrorKind, FileOptions, FileStore, FunctionStore, MemoryStore, ProcessStore,
    Store, ZeroStore,
};

/// A store that takes its file, or what else it stands on, along.
struct Kept<S, K>(S, K);

impl<S: Store, K: Send + Sync> Store for Kept<S, K> {
    fn name(&self) -> String {
        self.0.name()
    }
    fn len(&self) -> folio_store::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> folio_store::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn resize(&self, len: u64) -> folio_store::Result<()> {
        self.0.resize(len)
    }
    fn sync(&self) -> folio_store::Result<()> {
        self.0.sync()
    }
    fn capabilities(&self) -> folio_store::Capabilities {
        self.0.capabilities()
    }
    fn identity(&self) -> Option<String> {
        self.0.identity()
    }
    fn version(&self) -> Option<String> {
        self.0.version()
    }
}

fn file_suite(dir: &Path, options: &FileOptions, content_writable: bool) {
    let number = std::cell::Cell::new(0);
    let open = |path: &Path| Kept(options.open(path).unwrap(), path.to_owned());
    Suite::new(|content: &[u8]| {
        number.set(number.get() + 1);
        let path = dir.join(number.get().to_string());
        fs::write(&path, content).unwrap();
        let store = open(&path);
        assert_eq!(store.capabilities().is_writable(), content_writable);
        store
    })
    .reopened_by(|Kept(_, path): &Kept<FileStore, PathBuf>| open(path))
    .contents(100_000)
    .steps(200)
    .run();
}

/// A directory on a file system that has a medium, if there is one.
fn directory() -> tempfile::TempDir {
    let places = [env!("CARGO_TARGET_TMPDIR"), "/var/tmp"];
    let made = places.into_iter().find_map(|place| tempfile::tempdir_in(place).ok());
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

#[test]
fn a_file_passes_the_suite() {
    let dir = directory();
    file_suite(dir.path(), &FileStore::options().writable(true), true);
    file_suite(dir.path(), &FileStore::options(), false);
}

#[test]
fn a_file_without_page_cache_passes_the_suite() {
    let dir = directory();
    let options = FileStore::options().direct(true);
    if let Err(error) = options.clone().create(true).open(dir.path().join("probe")) {
        return skip("O_DIRECT", &error);
    }
    file_suite(dir.path(), &options, false);
    file_suite(dir.path(), &options.writable(true), true);
}

#[test]
fn a_file_in_memory_passes_the_suite_and_says_that_it_cannot_leave_out_the_page_cache() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return skip("tmpfs", "/dev/shm cannot be written");
    };
    file_suite(dir.path(), &FileStore::options().writable(true), true);
    file_suite(dir.path(), &FileStore::options().writable(true).direct_if_possible(true), true);

    let path = dir.path().join("file");
    fs::write(&path, "bytes").unwrap();
    let error = FileStore::options().direct(true).open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("cannot leave out the page cache (O_DIRECT)"), "{error}");
    assert!(!FileStore::options().direct_if_possible(true).open(&path).unwrap().is_direct());
}

fn loop_device(image: &Path) -> Option<String> {
    let made = Command::new("losetup").args(["--find", "--show"]).arg(image).output().ok()?;
    made.status.success().then(|| String::from_utf8(made.stdout).unwrap().trim().to_owned())
}

#[test]
fn a_block_device_passes_the_suite() {
    const BYTES: usize = 192 << 10;
    let dir = directory();
    let image = dir.path().join("image");
    File::create(&image).unwrap().set_len(BYTES as u64).unwrap();
    let Some(device) = loop_device(&image) else {
        return skip("a block device", "losetup gives no loop device");
    };
    let _detach = Undo(&["losetup", "--detach", &device]);
    for direct in [false, true] {
        let options = FileStore::options().writable(true).direct(direct);
        let open = || options.open(&device).unwrap();
        let store = open();
        assert_eq!(store.version(), None);
        assert!(!store.capabilities().is_resizable());
        Suite::new(|content: &[u8]| {
            store.write_all_at(content, 0).unwrap();
            open()
        })
        .reopened_by(|_| open())
        .lengths([BYTES])
        .steps(100)
        .run();
    }
}

/// Programs that are run again when this goes, such as `umount PATH`.
struct Undo<'a>(&'a [&'a str]);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let _ = Command::new(self.0[0]).args(&self.0[1..]).status();
    }
}

#[test]
fn a_write_that_fails_after_it_was_acknowledged_is_reported_by_sync() {
    let dir = directory();
    let place = dir.path().to_str().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k", "none", place])
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("a full medium", "nothing can be mounted");
    }
    let _unmount = Undo(&["umount", "--lazy", place]);
    // A device whose medium has less room than it says.
    let image = dir.path().join("image");
    File::create(&image).unwrap().set_len(8 << 20).unwrap();
    let Some(device) = loop_device(&image) else {
        return skip("a full medium", "losetup gives no loop device");
    };
    let _detach = Undo(&["losetup", "--detach", &device]);
    let store = FileStore::options().writable(true).open(&device).unwrap();
    store.write_all_at(&vec![7; 4 << 20], 0).unwrap();
    let syncs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| store.sync())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let failed: Vec<&Error> = syncs.iter().filter_map(|sync| sync.as_ref().err()).collect();
    assert!(!failed.is_empty());
    for error in failed {
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::NoSpace), "{error}");
        assert_eq!((error.operation(), error.store()), ("sync", store.name().as_str()));
    }
    // Each failure once.
    assert!(store.sync().is_ok());
}

#[test]
fn what_is_neither_a_file_nor_a_block_device_is_refused_without_waiting() {
    let dir = directory();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), dir.path(), Path::new("/dev/zero")] {
        let error = FileStore::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let missing = dir.path().join("two\nlines");
    let error = FileStore::options().writable(true).open(missing).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, "open"));
    assert!(error.to_string().ends_with("two?lines: No such file or directory"), "{error}");
}

#[test]
fn a_file_that_is_created_is_empty_and_one_that_is_there_is_kept() {
    let dir = directory();
    let path = dir.path().join("file");
    let options = FileStore::options().create(true);
    let store = options.open(&path).unwrap();
    assert!(store.is_empty().unwrap() && store.capabilities().is_resizable());
    store.write_all_at(b"kept", 0).unwrap();
    assert_eq!(options.open(&path).unwrap().len().unwrap(), 4);
}

#[test]
fn a_descriptor_that_appends_or_cannot_be_read_is_refused() {
    let dir = directory();
    let path = dir.path().join("file");
    for options in [
        OpenOptions::new().write(true).create(true).truncate(false),
        OpenOptions::new().read(true).append(true),
    ] {
        let file = options.open(&path).unwrap();
        let error = FileStore::from_file(file, "a descriptor").unwrap_err();
        assert_eq!((error.kind(), error.store()), (ErrorKind::Invalid, "a descriptor"));
    }
    let store = FileStore::from_file(File::open(&path).unwrap(), "a descriptor").unwrap();
    assert!(!store.capabilities().is_writable());
}

#[test]
fn a_file_is_one_object_under_all_its_names_and_has_a_version_for_each_content() {
    let dir = directory();
    let [one, link, other] = ["one", "link", "other"].map(|name| dir.path().join(name));
    fs::write(&one, "first").unwrap();
    fs::write(&other, "first").unwrap();
    fs::hard_link(&one, &link).unwrap();
    let [one, link, other] = [one, link, other].map(|path| FileStore::open(path).unwrap());
    assert_eq!(one.identity(), link.identity());
    assert_ne!(one.identity(), other.identity());
    let before = one.version();
    assert_eq!(before, link.version());
    std::thread::sleep(std::time::Duration::from_millis(25));
    fs::write(dir.path().join("link"), "other").unwrap();
    assert_ne!(one.version(), before);
}

#[test]
fn a_file_that_is_cut_under_the_store_ends_there() {
    let dir = directory();
    let path = dir.path().join("file");
    fs::write(&path, vec![7; 10_000]).unwrap();
    for direct in [false, true] {
        let store = FileStore::options().direct_if_possible(direct).open(&path).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(5_001 - u64::from(direct)).unwrap();
        let mut bytes = [0; 9000];
        let end = store.len().unwrap();
        assert_eq!(store.read_full_at(&mut bytes, 1000).unwrap() as u64, end - 1000);
        assert_eq!(store.read_at(&mut bytes, end).unwrap(), 0);
    }
}

#[test]
fn a_full_disk_is_no_space() {
    let Ok(file) = OpenOptions::new().read(true).write(true).open("/dev/full") else {
        return skip("no space", "there is no /dev/full");
    };
    assert!(FileStore::from_file(file, "/dev/full").is_err());
    let dir = directory();
    let store = FileStore::options().create(true).open(dir.path().join("file")).unwrap();
    // Longer than ext4's and tmpfs's files can be, or than this file system has room for.
    let outcome = store.write_at(b"x", i64::MAX as u64 - 1);
    if let Err(error) = outcome {
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert_eq!(error.bytes(), Some(i64::MAX as u64 - 1..i64::MAX as u64));
    }
}

#[test]
fn memory_passes_the_suite() {
    Suite::new(MemoryStore::new).run();
    Suite::new(|content: &[u8]| MemoryStore::fixed(content)).run();
    Suite::new(|content: &[u8]| MemoryStore::zeros(content.len() as u64)).filled_by(|_| 0).run();
}

#[test]
fn sparse_memory_takes_none_for_what_was_not_written() {
    let store = MemoryStore::zeros(u64::MAX);
    store.write_all_at(b"far", u64::MAX - 3).unwrap();
    let mut bytes = [1; 8];
    assert_eq!(store.read_full_at(&mut bytes, u64::MAX - 5).unwrap(), 5);
    assert_eq!(&bytes, b"\0\0far\x01\x01\x01");
    store.resize(u64::MAX - 2).unwrap();
    store.resize(u64::MAX).unwrap();
    store.read_full_at(&mut bytes, u64::MAX - 3).unwrap();
    assert_eq!(&bytes[..3], b"f\0\0");
    let error = store.write_at(b"12", u64::MAX - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn zeros_pass_the_suite() {
    Suite::new(|content: &[u8]| ZeroStore::new(content.len() as u64)).filled_by(|_| 0).run();
}

fn ramp(buf: &mut [u8], offset: u64) -> folio_store::Result<()> {
    for (byte, at) in buf.iter_mut().zip(offset..) {
        *byte = (at ^ at >> 8) as u8;
    }
    Ok(())
}

#[test]
fn a_function_passes_the_suite() {
    for fixed in [false, true] {
        Suite::new(|content: &[u8]| {
            FunctionStore::new("a ramp", content.len() as u64, ramp)
                .fixed_version(fixed)
                .cost(Cost::Local)
                .identified_by(format!("ramp {}", content.len()))
        })
        .filled_by(|at| (at ^ at >> 8) as u8)
        .run();
    }
}

#[test]
fn a_function_that_fails_or_panics_is_an_error_with_the_range() {
    let store = FunctionStore::new("moods", 100, |_, offset| match offset {
        0 => Err(Error::new(ErrorKind::Unavailable, "read", "moods").range(0..1)),
        _ => panic!("a mood"),
    });
    assert_eq!(store.read_at(&mut [0], 0).unwrap_err().kind(), ErrorKind::Unavailable);
    let error = store.read_at(&mut [0; 50], 60).unwrap_err();
    assert_eq!(error.to_string(), "cannot read moods, bytes 60..100: its function panicked");
}

#[test]
fn the_memory_of_a_process_passes_the_suite() {
    Suite::new(|content: &[u8]| {
        let bytes: Box<[u8]> = content.into();
        let base = bytes.as_ptr().addr() as u64;
        let store = ProcessStore::open(std::process::id()).unwrap();
        Kept(store.window(base..base + bytes.len() as u64).unwrap(), bytes)
    })
    .run();
}

/// A process that ends with the test, however that ends.
struct Ending(std::process::Child);

impl Ending {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end();
    }
}

/// A process that has written `text` to its memory, and waits.
fn waiting(text: &str) -> Ending {
    let mut command = Command::new("sh");
    command.args(["-c", "exec sleep 600"]).env("FOLIO_TEXT", text).stdout(Stdio::null());
    Ending(command.spawn().unwrap())
}

/// Addresses of a process's stack, where the kernel puts its environment.
fn stack(pid: u32) -> Option<std::ops::Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let address = |hex| u64::from_str_radix(hex, 16).ok();
    Some(address(start)?..address(end)?)
}

#[test]
fn another_process_is_read_until_it_ends_and_nobody_else_after_it() {
    let mut child = waiting("words in its environment");
    let pid = child.0.id();
    // Until it executes `sleep`, its memory is another one.
    while !fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("sleep") {
        std::thread::yield_now();
    }
    let stack = stack(pid).expect("a stack");
    let store = ProcessStore::open(pid).unwrap();
    let mut bytes = vec![0; (stack.end - stack.start) as usize];
    assert_eq!(store.read_full_at(&mut bytes, stack.start).unwrap(), bytes.len());
    let text = b"words in its environment";
    assert!(bytes.windows(text.len()).any(|window| window == text));

    let hole = store.read_at(&mut [0; 16], 4096).unwrap_err();
    assert_eq!((hole.kind(), hole.bytes()), (ErrorKind::NotFound, Some(4096..4112)));
    // Before a hole the read is short; behind that it is an error.
    let window = ProcessStore::open(pid).unwrap().window(stack.clone()).unwrap();
    assert_eq!(window.read_full_at(&mut bytes, 0).unwrap(), bytes.len());
    let across = store.read_full_at(&mut vec![0; 1 << 20], stack.end - 4096).unwrap_err();
    assert_eq!(across.kind(), ErrorKind::NotFound);

    child.end();
    let error = store.read_at(&mut [0; 16], stack.start).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().ends_with("the process has ended or executed another program"));
    assert_eq!(ProcessStore::open(pid).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_process_that_executes_another_program_is_not_read_on() {
    let mut command = Command::new("sh");
    command.args(["-c", "read line; exec sleep 600"]).stdin(Stdio::piped());
    let mut child = Ending(command.spawn().unwrap());
    let pid = child.0.id();
    while !fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("sh") {
        std::thread::yield_now();
    }
    let store = ProcessStore::open(pid).unwrap();
    let stack = stack(pid).expect("a stack");
    assert!(store.read_at(&mut [0; 16], stack.end - 4096).is_ok());
    child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    while !fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("sleep") {
        std::thread::yield_now();
    }
    assert!(store.read_at(&mut [0; 16], stack.end - 4096).is_err());
}

#[test]
fn a_window_that_a_process_cannot_have_is_invalid() {
    let open = || ProcessStore::open(std::process::id()).unwrap();
    #[expect(clippy::reversed_empty_ranges)]
    for addresses in [5..4, 0..u64::MAX, u64::MAX..u64::MAX] {
        assert_eq!(open().window(addresses).unwrap_err().kind(), ErrorKind::Invalid);
    }
    let window = open().window(4096..8192).unwrap();
    assert!(window.name().ends_with("at 0x1000-0x2000"), "{}", window.name());
    assert!(window.window(0..4096).is_err());
}

#[test]
fn a_process_of_somebody_else_is_denied_with_advice() {
    match ProcessStore::open(1) {
        Err(error) if error.kind() == ErrorKind::Denied => {
            assert!(error.to_string().contains("CAP_SYS_PTRACE"), "{error}");
        }
        outcome => skip("a process of somebody else", format!("process 1 is {outcome:?}")),
    }
}

#[test]
fn direct_and_buffered_stores_of_one_file_see_each_others_writes() {
    let dir = directory();
    let path = dir.path().join("file");
    fs::write(&path, vec![1; 20_000]).unwrap();
    let direct = FileStore::options().writable(true).direct_if_possible(true).open(&path).unwrap();
    let buffered = FileStore::options().writable(true).open(&path).unwrap();
    let file = File::open(&path).unwrap();
    let mut bytes = [0; 100];
    for (turn, offset) in [0, 4000, 4096, 8190, 19_990].into_iter().enumerate() {
        let (one, other) = if turn % 2 == 0 { (&direct, &buffered) } else { (&buffered, &direct) };
        let new = [turn as u8 + 10; 100];
        one.write_all_at(&new, offset).unwrap();
        other.read_full_at(&mut bytes, offset).unwrap();
        assert_eq!(bytes, new);
        file.read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(bytes, new);
    }
    assert_eq!(file.metadata().unwrap().len(), 20_090);
}
