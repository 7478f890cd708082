//! Segments, as their users see them: made whole, found checked, and safe from those who share them.

mod common;

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::Name;
use folio_shm::{Error, ErrorKind, HugePage, Seals, Segment, SegmentOptions};

/// Where the payload begins in the file.
const PAYLOAD: u64 = 4096;

fn make(name: &Name, size: usize) -> Segment {
    Segment::options().create_new().size(size).open(&name.0).unwrap()
}

fn read(segment: &Segment, at: usize, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    segment.read_at(at, &mut bytes).unwrap();
    bytes
}

fn file(name: &Name) -> File {
    File::options().read(true).write(true).open(name.path()).unwrap()
}

#[track_caller]
fn expect(result: Result<Segment, Error>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("cannot "), "{text}");
    text
}

/// What children of these tests do.
#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    match part.as_str() {
        "be killed while making" => {
            let options = Segment::options().create_new().size(100).init(|_| {
                common::say("making");
                common::hear();
                Ok(())
            });
            options.open(&argument).unwrap();
        }
        "make with few descriptors" => few_descriptors(&argument),
        "race" => {
            common::say("ready");
            common::hear();
            let this = std::process::id();
            let options = Segment::options()
                .create()
                .size(4)
                .init(move |segment| segment.write_at(0, &this.to_le_bytes()));
            let maker = read(&options.open(&argument).unwrap(), 0, 4);
            common::say(&u32::from_le_bytes(maker.try_into().unwrap()).to_string());
            common::hear();
        }
        "hold" => {
            let held = Segment::options().unlink_on_last_close().open(&argument).unwrap();
            common::say("held");
            common::hear();
            drop(held);
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn a_segment_lies_in_dev_shm_where_any_program_can_read_it() {
    let name = Name::new();
    let segment = make(&name, 10_000);
    assert_eq!((segment.len(), segment.capacity()), (10_000, 10_000));
    segment.write_at(9_995, b"there").unwrap();
    let mut bytes = [0; 5];
    file(&name).read_exact_at(&mut bytes, PAYLOAD + 9_995).unwrap();
    assert_eq!(&bytes, b"there");
    assert_eq!(segment.path(), Some(name.path().as_path()));
    assert_eq!(segment.creator().pid(), std::process::id());
    assert!(segment.created().elapsed().unwrap() < Duration::from_secs(600));
}

#[test]
fn what_one_writes_the_other_reads() {
    let name = Name::new();
    let one = make(&name, 5000);
    let other = Segment::open(&format!("/{}", name.0)).unwrap();
    one.write_at(4990, b"from one").unwrap();
    assert_eq!(read(&other, 4990, 8), b"from one");
    let counter = other.view().atomic_u64(8).unwrap();
    counter.fetch_add(5).unwrap();
    assert_eq!(one.view().atomic_u64(8).unwrap().load().unwrap(), 5);
    let error = one.write_at(4999, b"xx").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    assert_eq!(one.read_at(usize::MAX, &mut [0; 2]).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    for mode in [0o600, 0o640, 0o666, 0o622] {
        let name = Name::new();
        let options = Segment::options().mode(mode);
        let _made = options.clone().create_new().size(1).open(&name.0).unwrap();
        let has = fs::metadata(name.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(has, mode, "{has:o}");
        options.open(&name.0).unwrap();
    }
}

#[test]
fn a_segment_that_lets_in_more_than_was_expected_is_refused() {
    let name = Name::new();
    let _made = make(&name, 1);
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let text = expect(Segment::open(&name.0), ErrorKind::Mode);
    assert!(text.ends_with("if that is meant, say mode(0o644)"), "{text}");
    expect(Segment::options().create().size(1).open(&name.0), ErrorKind::Mode);
    Segment::options().mode(0o644).open(&name.0).unwrap();
    Segment::options().mode(0o666).open(&name.0).unwrap();
}

#[test]
fn a_segment_of_another_user_is_refused_unless_that_user_is_trusted() {
    if !common::is_root() {
        return common::skip("only root can give files away");
    }
    let name = Name::new();
    let _made = make(&name, 1);
    std::os::unix::fs::chown(name.path(), Some(65534), Some(65534)).unwrap();
    let text = expect(Segment::open(&name.0), ErrorKind::Owner);
    assert!(text.contains("belongs to user 65534, and not to user 0"), "{text}");
    Segment::options().owned_by(65534).open(&name.0).unwrap();
    Segment::options().owned_by_anybody().open(&name.0).unwrap();
    expect(Segment::options().owned_by(1).open(&name.0), ErrorKind::Owner);
}

#[test]
fn a_segment_that_this_user_may_not_open_says_so() {
    if common::is_root() {
        return common::skip("root may open everything");
    }
    let name = Name::new();
    let _made = make(&name, 1);
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o400)).unwrap();
    expect(Segment::open(&name.0), ErrorKind::Denied);
    Segment::options().read_only().open(&name.0).unwrap();
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o000)).unwrap();
    expect(Segment::options().read_only().open(&name.0), ErrorKind::Denied);
}

#[test]
fn making_what_exists_and_opening_what_does_not_are_errors() {
    let name = Name::new();
    expect(Segment::open(&name.0), ErrorKind::NotFound);
    let _made = make(&name, 1);
    let again = Segment::options().create_new().size(1).open(&name.0);
    expect(again, ErrorKind::Exists);
    Segment::unlink(&name.0).unwrap();
    assert_eq!(Segment::unlink(&name.0).unwrap_err().kind(), ErrorKind::NotFound);
    expect(Segment::open("a/b"), ErrorKind::Name);
    assert_eq!(Segment::unlink("..").unwrap_err().kind(), ErrorKind::Name);
    let nowhere = Segment::options().create().size(1).file("/no/such/directory/segment");
    let text = expect(nowhere, ErrorKind::NotFound);
    assert!(text.contains("the directory /no/such/directory does not exist"), "{text}");
}

#[test]
fn of_processes_that_open_or_make_at_once_one_makes_and_all_get_it_whole() {
    for _ in 0..10 {
        let name = Name::new();
        let mut children: Vec<_> = (0..4).map(|_| common::start("race", &name.0)).collect();
        let mut lines: Vec<_> = children.iter_mut().map(common::lines).collect();
        for lines in &mut lines {
            assert_eq!(lines.next().unwrap(), "ready");
        }
        for child in &mut children {
            use std::io::Write;
            child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        }
        let makers: Vec<u32> =
            lines.iter_mut().map(|lines| lines.next().unwrap().parse().unwrap()).collect();
        assert!(makers.iter().all(|&maker| maker == makers[0]), "{makers:?}");
        assert!(children.iter().any(|child| child.id() == makers[0]), "{makers:?}");
        for mut child in children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

#[test]
fn of_threads_that_open_make_and_remove_at_once_all_get_a_whole_segment() {
    let name = Name::new();
    let made = Arc::new(AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let made = made.clone();
                    let options = Segment::options().create().size(8).unlink_on_last_close();
                    let options = options.init(move |segment| {
                        made.fetch_add(1, SeqCst);
                        segment.write_at(0, b"complete")
                    });
                    let segment = options.open(&name.0).unwrap();
                    assert_eq!(read(&segment, 0, 8), b"complete");
                }
            });
        }
    });
    assert!(made.load(SeqCst) >= 1);
    assert!(common::is_removed(&name), "the last one has closed it");
}

#[test]
fn a_maker_that_is_killed_leaves_nothing_that_others_wait_for() {
    let name = Name::new();
    let mut child = common::start("be killed while making", &name.0);
    assert_eq!(common::lines(&mut child).next().unwrap(), "making");
    expect(Segment::open(&name.0), ErrorKind::NotFound);
    common::kill(child);
    let before = Instant::now();
    let made = Segment::options().create().size(100).open(&name.0).unwrap();
    assert!(before.elapsed() < Duration::from_millis(500));
    assert_eq!(made.creator().pid(), std::process::id());
}

#[test]
fn an_init_that_fails_leaves_no_segment() {
    let name = Name::new();
    let options = Segment::options().create().size(8).init(|segment| segment.write_at(9, b"x"));
    expect(options.open(&name.0), ErrorKind::OutOfRange);
    assert!(!name.path().exists());
}

#[test]
fn a_full_file_system_is_an_error_when_a_segment_is_made_or_grows() {
    let directory = std::env::temp_dir().join(format!("folio-full-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mount = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    let tmpfs = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    if !mount(Command::new("mount").args(tmpfs).arg(&directory)) {
        fs::remove_dir(&directory).unwrap();
        return common::skip("no permission to mount a small tmpfs");
    }
    let result = std::panic::catch_unwind(|| {
        let at = |name: &str| directory.join(name);
        let large = Segment::options().create_new().size(2 << 20).file(at("large"));
        let text = expect(large, ErrorKind::NoSpace);
        assert!(text.contains("it needs 2101248 bytes, and 1048576 are free"), "{text}");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);

        let options = Segment::options().create_new().size(1000).growable(8 << 20);
        let growing = options.file(at("growing")).unwrap();
        let error = growing.grow(4 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert_eq!(growing.len(), 1000);
        growing.grow(500 << 10).unwrap();
        assert_eq!(growing.len(), 500 << 10);
    });
    assert!(mount(Command::new("umount").arg(&directory)));
    fs::remove_dir(&directory).unwrap();
    result.unwrap();
}

#[test]
fn what_is_not_a_segment_is_foreign_and_nobody_waits_for_it() {
    let name = Name::new();
    let path = name.path();
    let foreign = || {
        expect(Segment::open(&name.0), ErrorKind::Foreign);
        expect(Segment::options().create().size(1).open(&name.0), ErrorKind::Foreign);
        expect(Segment::options().read_only().open(&name.0), ErrorKind::Foreign);
    };
    for bytes in [&b""[..], b"x", &[0; 10_000], b"folioshX and more of it"] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        foreign();
        fs::remove_file(&path).unwrap();
    }
    fs::create_dir(&path).unwrap();
    foreign();
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    foreign();
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    foreign();
    fs::remove_file(&path).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    foreign();
}

#[test]
fn other_versions_layouts_and_sizes_are_errors_of_their_own() {
    let name = Name::new();
    let layout = Segment::options().layout(0xabc);
    let _made = layout.clone().create_new().size(100).open(&name.0).unwrap();
    let text = expect(Segment::open(&name.0), ErrorKind::Layout);
    assert!(text.contains("its layout is 0xabc, and 0x0 was asked for"), "{text}");
    expect(layout.clone().size(99).open(&name.0), ErrorKind::Size);
    expect(layout.clone().growable(200).open(&name.0), ErrorKind::Size);
    layout.clone().size(100).open(&name.0).unwrap();
    file(&name).write_all_at(&2u32.to_le_bytes(), 8).unwrap();
    let text = expect(layout.clone().open(&name.0), ErrorKind::Version);
    assert!(text.ends_with("use the folio that made it, or a newer one"), "{text}");
    file(&name).write_all_at(&0u32.to_le_bytes(), 8).unwrap();
    expect(layout.open(&name.0), ErrorKind::Version);
}

#[test]
fn a_segment_that_was_cut_or_scribbled_on_is_not_opened() {
    let name = Name::new();
    let _made = make(&name, 100_000);
    let file = file(&name);
    for len in [0, 79, 80, 4096, 50_000] {
        let mut header = [0; 80];
        file.read_exact_at(&mut header, 0).unwrap();
        file.set_len(len).unwrap();
        let kind = if len == 0 { ErrorKind::Foreign } else { ErrorKind::Truncated };
        expect(Segment::open(&name.0), kind);
        file.set_len(104_096).unwrap();
        file.write_all_at(&header, 0).unwrap();
    }
    Segment::open(&name.0).unwrap();
    file.write_all_at(&[0x55; 8], 24).unwrap();
    expect(Segment::open(&name.0), ErrorKind::Scribbled);
}

#[test]
fn bytes_that_somebody_cuts_off_are_an_error_for_those_who_have_it_open() {
    let name = Name::new();
    let segment = make(&name, 100_000);
    segment.write_at(50_000, b"x").unwrap();
    file(&name).set_len(8192).unwrap();
    let error = segment.read_at(50_000, &mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
    assert_eq!(error.fault().unwrap().offset(), 54_096);
    assert_eq!(segment.write_at(99_999, b"x").unwrap_err().kind(), ErrorKind::Truncated);
    segment.write_at(0, b"what is left").unwrap();
}

#[test]
fn a_growing_segment_grows_for_all_who_have_it_open() {
    let name = Name::new();
    let options = Segment::options().create_new().size(100).growable(1 << 30);
    let one = options.open(&name.0).unwrap();
    let other = Segment::open(&name.0).unwrap();
    let address = one.mapping().address();
    assert_eq!((other.len(), other.capacity()), (100, 1 << 30));
    assert_eq!(other.write_at(100, b"x").unwrap_err().kind(), ErrorKind::OutOfRange);
    one.grow(1 << 20).unwrap();
    assert_eq!(other.len(), 1 << 20);
    other.write_at((1 << 20) - 3, b"end").unwrap();
    assert_eq!(read(&one, (1 << 20) - 3, 3), b"end");
    other.grow(2 << 20).unwrap();
    one.grow(100).unwrap();
    assert_eq!((one.len(), other.len()), (2 << 20, 2 << 20));
    assert_eq!(one.mapping().address(), address);
    let error = one.grow((1 << 30) + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    let reader = Segment::options().read_only().open(&name.0).unwrap();
    assert_eq!(reader.grow(3 << 20).unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
fn a_length_that_somebody_made_up_reaches_no_byte_that_is_not_there() {
    let name = Name::new();
    let options = Segment::options().create_new().size(100).growable(1 << 20);
    let segment = options.open(&name.0).unwrap();
    file(&name).write_all_at(&u64::MAX.to_le_bytes(), 128).unwrap();
    assert_eq!(segment.len(), 1 << 20);
    let error = segment.read_at(500_000, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    file(&name).write_all_at(&[0; 8], 128).unwrap();
    assert_eq!(segment.len(), 100);
}

#[test]
fn a_memfd_cannot_be_cut_by_those_it_is_sent_to() {
    let made = Segment::options().create().size(100_000).layout(5).memfd("sealed").unwrap();
    let fd: OwnedFd = made.as_fd().try_clone_to_owned().unwrap();
    let theirs = Segment::options().layout(5).fd(fd).unwrap();
    theirs.write_at(99_990, b"from them").unwrap();
    assert_eq!(read(&made, 99_990, 9), b"from them");
    let file = File::from(theirs.as_fd().try_clone_to_owned().unwrap());
    assert!(file.set_len(10).is_err() && file.set_len(1 << 20).is_err());
    assert_eq!(made.path(), None);
    let options = Segment::options().layout(6);
    expect(options.fd(file.into()), ErrorKind::Layout);
    let (end, _other) = std::io::pipe().unwrap();
    expect(Segment::options().fd(end.into()), ErrorKind::Foreign);
    expect(Segment::options().memfd("x"), ErrorKind::Invalid);
}

#[test]
fn a_memfd_sealed_against_writing_keeps_what_it_was_made_with() {
    let options = Segment::options().create().size(4).init(|segment| segment.write_at(0, b"kept"));
    let sealed = options.clone().seals(Seals::WRITE | Seals::SHRINK).memfd("fixed").unwrap();
    assert_eq!(sealed.write_at(0, b"lost").unwrap_err().kind(), ErrorKind::Fault);
    assert_eq!(read(&sealed, 0, 4), b"kept");
    let fd = || sealed.as_fd().try_clone_to_owned().unwrap();
    let error = Segment::options().fd(fd()).unwrap_err();
    assert!(error.to_string().ends_with("open it with read_only()"), "{error}");
    assert_eq!(read(&Segment::options().read_only().fd(fd()).unwrap(), 0, 4), b"kept");

    // With the other seal its maker goes on writing, and nobody else can.
    let seals = Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW;
    let ours = options.seals(seals).memfd("one writer").unwrap();
    let theirs = Segment::options().read_only();
    let theirs = theirs.fd(ours.as_fd().try_clone_to_owned().unwrap()).unwrap();
    ours.write_at(0, b"news").unwrap();
    assert_eq!(read(&theirs, 0, 4), b"news");
    let fd = ours.as_fd().try_clone_to_owned().unwrap();
    assert!(Segment::options().fd(fd).is_err());
}

#[test]
fn a_segment_in_a_file_is_there_when_it_is_opened_again() {
    let path: PathBuf = std::env::temp_dir().join(format!("folio-file-{}", std::process::id()));
    let made = Segment::options().create_new().size(10).file(&path).unwrap();
    made.write_at(0, b"still here").unwrap();
    drop(made);
    let found = Segment::options().file(&path).unwrap();
    assert_eq!(read(&found, 0, 10), b"still here");
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_last_to_close_a_segment_removes_its_name_and_no_earlier() {
    let name = Name::new();
    let ours = Segment::options().create().size(1).unlink_on_last_close();
    let ours = ours.open(&name.0).unwrap();
    let mut child = common::start("hold", &name.0);
    let mut lines = common::lines(&mut child);
    assert_eq!(lines.next().unwrap(), "held");
    drop(ours);
    assert!(name.path().exists(), "the child has it");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(common::is_removed(&name));
}

#[test]
fn a_user_that_was_killed_counts_no_more() {
    let name = Name::new();
    let ours = Segment::options().create().size(1).unlink_on_last_close();
    let ours = ours.open(&name.0).unwrap();
    let mut child = common::start("hold", &name.0);
    assert_eq!(common::lines(&mut child).next().unwrap(), "held");
    let usage =
        || folio_shm::list().unwrap().into_iter().find(|it| it.name() == name.0).unwrap().usage();
    assert_eq!(usage(), folio_shm::Usage::Used);
    common::kill(child);
    drop(ours);
    assert!(common::is_removed(&name));
}

#[test]
fn somebody_who_keeps_a_segment_to_themselves_is_not_waited_for_for_ever() {
    let name = Name::new();
    drop(make(&name, 1));
    let file = file(&name);
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    expect(Segment::open(&name.0), ErrorKind::Busy);
    let sealed = Segment::options().fd(File::open(name.path()).unwrap().into());
    expect(sealed, ErrorKind::Busy);
    drop(file);
    Segment::open(&name.0).unwrap();
}

#[test]
fn options_that_contradict_each_other_are_told_apart() {
    let name = Name::new();
    let fail = |options: SegmentOptions, part: &str| {
        let text = expect(options.open(&name.0), ErrorKind::Invalid);
        assert!(text.contains(part), "{text}");
    };
    let making = Segment::options().create_new();
    fail(making.clone(), "say size()");
    fail(making.clone().size(1).read_only(), "leave read_only() out");
    fail(making.clone().size(2).growable(1), "smaller than size()");
    fail(making.clone().size(usize::MAX), "no address space");
    fail(making.clone().size(1).mode(0o4755), "beyond 0777");
    fail(making.clone().size(1).seals(Seals::SHRINK), "use memfd()");
    fail(making.size(1).huge_pages(HugePage::Mib2), "use memfd()");
    assert!(!name.path().exists());
}

#[test]
fn huge_pages_are_those_of_the_pool_or_an_error() {
    let options = Segment::options().create().size(3 << 20).huge_pages(HugePage::Mib2);
    match options.memfd("huge") {
        Ok(segment) => {
            segment.write_at((3 << 20) - 1, b"x").unwrap();
            assert_eq!(segment.mapping().page_size(), 2 << 20);
        }
        Err(error) => {
            let kinds = [ErrorKind::NoSpace, ErrorKind::Unsupported, ErrorKind::Os];
            assert!(kinds.contains(&error.kind()), "{error}");
            common::skip(format_args!("the pool of huge pages: {error}"));
        }
    }
    let options = Segment::options().create().size(4 << 20).transparent_huge_pages();
    options.memfd("transparent").unwrap().write_at(0, b"x").unwrap();
}

#[test]
fn running_out_of_descriptors_is_an_error() {
    let name = Name::new();
    let child = common::start("make with few descriptors", &name.0);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn few_descriptors(name: &str) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(20), ..limit }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    // With every number of free descriptors there is a segment, or an error that says why not.
    let options = Segment::options().create().size(10);
    while options.open(name).is_err_and(|error| error.raw_os_error() == Some(24)) {
        assert!(taken.pop().is_some());
    }
    options.open(name).unwrap();
    assert!(Path::new("/dev/shm").join(name).exists());
}
