//! What goes wrong around a segment: no memory, no descriptors, no permission, strange names, makers that are
//! killed, memory that is taken back.

mod common;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Name, content, rounds, soon, started};
use folio_shm::{Broadcast, Error, ErrorKind, Journal, Queue, Seals, Segment, Usage};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn making(size: usize) -> folio_shm::SegmentOptions {
    Segment::options().create_new().size(size)
}

#[track_caller]
fn expect<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error.to_string()
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    match part.as_str() {
        "fill" => fill(),
        "be a stranger" => be_a_stranger(&argument),
        "run out of descriptors" => run_out_of_descriptors(&argument),
        "make for ever" => {
            common::say("ready");
            loop {
                let options = Segment::options().create().size(50_000);
                drop(options.init(|segment| segment.write_at(49_990, b"whole")).open(&argument));
                drop(Segment::unlink(&argument));
            }
        }
        "make" => {
            let _queue = Queue::options().create_new().longest(100).open(&argument).unwrap();
            common::say("ready");
            common::hear();
        }
        "send one" => {
            let mut sender = Queue::options().open(&argument).unwrap().sender().unwrap();
            sender.send(&content(1)).unwrap();
            common::say("ready");
            common::hear();
        }
        _ => panic!("{part}"),
    }
}

#[test]
fn a_full_dev_shm_is_an_error_for_what_is_made_and_nothing_for_what_is_there() {
    let program = std::env::current_exe().unwrap();
    let with_a_small_one = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        let mount = "mount -t tmpfs -o size=1m,mode=1777 tmpfs /dev/shm 2>&1";
        command.arg(format!("{mount} && {script}")).arg("sh").arg(&program);
        command
    };
    let output = with_a_small_one("true").output();
    if !output.as_ref().is_ok_and(|output| output.status.success()) {
        return common::skip(format_args!("no mount namespace with a small /dev/shm: {output:?}"));
    }
    let mut command = with_a_small_one("exec \"$@\"");
    common::choose(&mut command, "fill", "");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("> full, and all went well"));
}

fn fill() {
    let there = making(300_000).growable(2 << 20).open("there").unwrap();
    let large = making(1 << 20).open("large");
    let text = expect(large, ErrorKind::NoSpace);
    assert!(text.contains("it needs 1052672 bytes, and") && text.contains("gc"), "{text}");
    let queue = Queue::options().create().longest(100).bytes(1024).open("queue").unwrap();
    let mut taken = Vec::new();
    while let Ok(one) = making(4096).open(&format!("small-{}", taken.len())) {
        taken.push(one);
    }
    expect(making(4096).open("small"), ErrorKind::NoSpace);
    expect(Queue::options().create().open("another"), ErrorKind::NoSpace);
    expect(Broadcast::options().create().open("another"), ErrorKind::NoSpace);
    expect(Journal::options().append("/dev/shm/journal"), ErrorKind::NoSpace);
    expect(there.grow(1 << 20), ErrorKind::NoSpace);
    assert_eq!(there.len(), 300_000);
    // What is there has its memory.
    there.write_at(0, &vec![7; 300_000]).unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    for number in 0..100 {
        sender.send_until(&content(number), soon()).unwrap();
        assert_eq!(receiver.recv_until(soon()).unwrap().to_vec().unwrap(), content(number));
    }
    assert_eq!(folio_shm::list().unwrap().len(), 2 + taken.len());
    assert!(folio_shm::gc().unwrap().is_empty());
    // Nothing is left of what could not be made.
    assert_eq!(fs::read_dir("/dev/shm/journal").unwrap().count(), 0);
    fs::remove_dir("/dev/shm/journal").unwrap();
    Segment::unlink("small-0").unwrap();
    drop(taken.remove(0));
    drop(making(4096).open("small").unwrap());
    common::say("full, and all went well");
}

#[test]
fn another_user_reaches_what_it_is_let_to_and_removes_nothing() {
    if !common::is_root() {
        return common::skip("only root can be somebody else");
    }
    let directory = fs::metadata("/dev/shm").unwrap().mode();
    if directory & 0o1777 != 0o1777 {
        return common::skip(format_args!("/dev/shm is not sticky: its mode is {directory:o}"));
    }
    let (closed, open) = (Name::new(), Name::new());
    let _closed = making(100).open(&closed.0).unwrap();
    let made = making(100).mode(0o644).open(&open.0).unwrap();
    made.write_at(0, b"for all to read").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.uid(65534).gid(65534).current_dir("/");
    common::choose(&mut command, "be a stranger", &format!("{} {}", closed.0, open.0));
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            return common::skip(format_args!("another user cannot run this program: {error}"));
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(closed.path().exists() && open.path().exists());
}

fn be_a_stranger(names: &str) {
    let (closed, open) = names.split_once(' ').unwrap();
    expect(Segment::open(closed), ErrorKind::Denied);
    expect(Segment::options().read_only().owned_by(0).open(closed), ErrorKind::Denied);
    expect(Segment::options().create().size(100).open(closed), ErrorKind::Denied);
    expect(making(100).open(closed), ErrorKind::Exists);
    expect(Queue::options().open(closed), ErrorKind::Denied);
    let found = folio_shm::list().unwrap();
    assert!(found.iter().all(|found| found.name() != closed), "it may not be read");

    expect(Segment::open(open), ErrorKind::Denied);
    let reading = Segment::options().read_only().mode(0o644);
    expect(reading.clone().open(open), ErrorKind::Owner);
    let segment = reading.owned_by(0).open(open).unwrap();
    let mut bytes = [0; 15];
    segment.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"for all to read");
    expect(segment.write_at(0, b"x"), ErrorKind::Fault);
    expect(folio_shm::Mutex::at(&segment, 0), ErrorKind::Denied);

    // The directory is sticky.
    for name in [closed, open] {
        let text = expect(Segment::unlink(name), ErrorKind::Denied);
        assert!(text.contains("only its owner may remove it"), "{text}");
    }
    let removed = folio_shm::gc().unwrap();
    assert!(removed.iter().all(|found| found.user() == 65534), "{removed:?}");
}

#[test]
fn names_are_what_the_file_system_takes_as_one_component() {
    let made = |name: &str| {
        let name = Name(name.to_owned());
        let segment = making(10).open(&name.0).unwrap();
        segment.write_at(0, b"x").unwrap();
        assert!(name.path().is_file(), "{}", name.0);
        assert!(folio_shm::list().unwrap().iter().any(|found| found.name() == name.0));
        drop(Segment::open(&format!("/{}", name.0)).unwrap());
        Segment::unlink(&name.0).unwrap();
    };
    let this = std::process::id();
    let longest = format!("{this:x<255}");
    for name in
        [&longest, &format!("...{this}"), &format!("{this} \n\t\u{7f}"), &format!("é{this}")]
    {
        made(name);
    }
    let longer = format!("{this:x<256}");
    // 255 letters, and more bytes.
    let accents = "é".repeat(128);
    for name in ["", "/", "//", ".", "..", "a/b", "../a", "a/", "a\0", "\0", &longer, &accents] {
        expect(making(10).open(name), ErrorKind::Name);
        expect(Segment::open(name), ErrorKind::Name);
        expect(Segment::unlink(name), ErrorKind::Name);
        expect(Queue::options().create().open(name), ErrorKind::Name);
        expect(Broadcast::options().open(name), ErrorKind::Name);
    }
}

#[test]
fn makers_that_are_killed_at_any_moment_leave_nothing_that_others_wait_for() {
    for round in 0..rounds(20) {
        let name = Name::new();
        let child = started("make for ever", &name.0);
        let end = Instant::now() + Duration::from_micros(round * 7919 % 3000);
        while Instant::now() < end {
            // Whole, or not there.
            match Segment::open(&name.0) {
                Ok(segment) => {
                    let mut bytes = [0; 5];
                    segment.read_at(49_990, &mut bytes).unwrap();
                    assert_eq!(&bytes, b"whole");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
        }
        let pid = child.id();
        common::kill(child);
        let before = Instant::now();
        let opened = Segment::options().create().size(50_000).open(&name.0).unwrap();
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
        assert_eq!(opened.len(), 50_000);
        let left = format!(".folio-{pid}-");
        let all = fs::read_dir("/dev/shm").unwrap().flatten();
        assert!(all.into_iter().all(|it| !it.file_name().to_string_lossy().starts_with(&left)));
    }
}

#[test]
fn what_a_killed_maker_published_is_whole_and_left_over() {
    let name = Name::new();
    common::kill(started("make", &name.0));
    let found = || folio_shm::list().unwrap().into_iter().find(|found| found.name() == name.0);
    let end = soon();
    while found().unwrap().usage() != Usage::LeftOver {
        // A child that another test starts has all descriptors for a moment, no longer.
        assert!(Instant::now() < end, "{:?}", found());
    }
    let queue = Queue::options().open(&name.0).unwrap();
    assert_eq!(found().unwrap().usage(), Usage::Used);
    assert!(queue.receiver().unwrap().try_recv().unwrap().is_none());
}

#[test]
fn a_hole_in_a_sealed_memfd_is_zeros_and_what_was_there_is_told() {
    let punch = |fd: &dyn AsFd| {
        let file = File::from(fd.as_fd().try_clone_to_owned().unwrap());
        let len = file.metadata().unwrap().len();
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, len)
    };
    let segment = Segment::options().create().size(50_000).memfd("punched").unwrap();
    segment.write_at(0, &[7; 50_000]).unwrap();
    punch(&segment).unwrap();
    let mut bytes = vec![1; 50_000];
    segment.read_at(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 0));
    segment.write_at(49_999, b"x").unwrap();
    assert_eq!(segment.len(), 50_000);
    let fd = segment.as_fd().try_clone_to_owned().unwrap();
    expect(Segment::options().fd(fd), ErrorKind::Foreign);

    let queue = Queue::options().create().longest(100).bytes(1024).memfd("punched").unwrap();
    let (mut sender, mut receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    sender.send(&content(1)).unwrap();
    punch(&queue).unwrap();
    // The message is gone, and so are the places; who waits does so until the deadline.
    let step = || Instant::now() + Duration::from_millis(20);
    assert!(receiver.try_recv().unwrap().is_none());
    expect(receiver.recv_until(step()).map(drop), ErrorKind::TimedOut);
    let sent = (0..200).try_for_each(|number| sender.send_until(&content(number), step()));
    assert!(matches!(sent.unwrap_err().kind(), ErrorKind::TimedOut | ErrorKind::Scribbled));

    let fixed = Segment::options().create().size(4).seals(Seals::WRITE | Seals::SHRINK);
    let fixed = fixed.init(|segment| segment.write_at(0, b"kept")).memfd("fixed").unwrap();
    assert_eq!(punch(&fixed), Err(rustix::io::Errno::PERM));
}

#[test]
fn without_a_free_descriptor_channels_that_are_open_go_on_and_learn_of_deaths() {
    let name = Name::new();
    let options = Queue::options().create_new().longest(100).bytes(1024);
    let _queue = options.open(&name.0).unwrap();
    let mut child = common::start("run out of descriptors", &name.0);
    let mut lines = common::lines(&mut child);
    assert_eq!(lines.next().as_deref(), Some("without descriptors"));
    let sender = started("send one", &name.0);
    assert_eq!(lines.next().as_deref(), Some("received"));
    common::kill(sender);
    assert_eq!(lines.next().as_deref(), Some("peer died"));
    assert!(child.wait().unwrap().success());
}

fn run_out_of_descriptors(name: &str) {
    let queue = Queue::options().open(name).unwrap();
    let mut receiver = queue.receiver().unwrap();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(30), ..limit }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let emfile = |error: Error| assert_eq!(error.raw_os_error(), Some(24), "{error}");
    emfile(Segment::open(name).unwrap_err());
    emfile(Queue::options().open(name).unwrap_err());
    emfile(making(10).memfd("one more").unwrap_err());
    emfile(making(10).open("one-more").unwrap_err());
    emfile(folio_shm::list().unwrap_err());
    emfile(folio_shm::gc().unwrap_err());
    emfile(Journal::options().append("/dev/shm/one-more").unwrap_err());
    let _ = fs::remove_dir("/dev/shm/one-more");
    emfile(receiver.ready_fd().map(drop).unwrap_err());
    common::say("without descriptors");
    assert_eq!(receiver.recv_until(soon()).unwrap().to_vec().unwrap(), content(1));
    common::say("received");
    expect(receiver.recv_until(soon()).map(drop), ErrorKind::PeerDied);
    common::say("peer died");
}
