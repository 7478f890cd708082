//! Descriptors that go from process to process: over sockets, and by fork(2).
#![allow(unsafe_code)]

mod common;
#[path = "common/forked.rs"]
mod forked;

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use common::Name;
use folio_shm::{ErrorKind, Segment, recv_fd, send_fd};
use forked::{copy, forked};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Sends so many descriptors in one message.
fn send_many(socket: &UnixStream, count: usize) {
    let file = File::open("/dev/null").unwrap();
    let fds = vec![file.as_fd(); count];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn child() {
    let Some((part, argument)) = common::part() else { return };
    assert_eq!(part, "receive");
    let socket = UnixStream::connect(&argument).unwrap();
    let segment = Segment::options().layout(9).fd(recv_fd(&socket).unwrap()).unwrap();
    let flags = rustix::io::fcntl_getfd(&segment).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    segment.view().atomic_u32(0).unwrap().fetch_add(1).unwrap();
    (&socket).write_all(b"done").unwrap();
}

#[test]
fn another_process_uses_a_memfd_that_is_sent_to_it() {
    let name = Name::new();
    let path = std::env::temp_dir().join(&name.0);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let segment = Segment::options().create().size(8).layout(9).memfd("sent").unwrap();
    let mut child = common::start("receive", path.to_str().unwrap());
    let (mut socket, _) = listener.accept().unwrap();
    send_fd(&socket, &segment).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "done");
    assert_eq!(segment.view().atomic_u32(0).unwrap().load().unwrap(), 1);
    child.wait().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_no_single_descriptor_is_refused_and_closed() {
    // In a child of its own: other tests open descriptors too.
    assert!(forked(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let before = descriptors();
        for count in [2, 3, 8] {
            send_many(&ours, count);
            let error = recv_fd(&theirs).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            assert_eq!(descriptors(), before);
        }
        (&ours).write_all(b"F").unwrap();
        assert_eq!(recv_fd(&theirs).unwrap_err().kind(), ErrorKind::Foreign);
        send_many(&ours, 1);
        drop(recv_fd(&theirs).unwrap());
        descriptors() == before
    }));
}

#[test]
fn a_closed_end_and_what_is_no_socket_are_errors() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let file = File::open("/dev/null").unwrap();
    drop(ours);
    assert_eq!(recv_fd(&theirs).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(send_fd(&theirs, &file).unwrap_err().kind(), ErrorKind::Closed);
    let error = send_fd(&file, &file).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Os, Some(libc::ENOTSOCK)));
    theirs.set_nonblocking(true).unwrap();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    assert_eq!(recv_fd(&theirs).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
}

#[test]
fn a_forked_child_shares_the_segment_and_leaves_its_name() {
    let name = Name::new();
    let options = Segment::options().create().size(100).growable(1 << 20);
    let segment = options.unlink_on_last_close().open(&name.0).unwrap();
    let counter = |segment: &Segment| {
        segment.view().atomic_u32(0).unwrap().fetch_add(1).unwrap();
    };
    counter(&segment);
    let in_the_child = &segment;
    assert!(forked(|| {
        counter(in_the_child);
        in_the_child.grow(1 << 20).unwrap();
        in_the_child.write_at((1 << 20) - 5, b"child").unwrap();
        // SAFETY: this is the child, which ends.
        drop(unsafe { copy(in_the_child) });
        true
    }));
    assert!(name.path().exists(), "it is the parent's");
    assert_eq!(segment.view().atomic_u32(0).unwrap().load().unwrap(), 2);
    let mut bytes = [0; 5];
    segment.read_at((1 << 20) - 5, &mut bytes).unwrap();
    assert_eq!(&bytes, b"child");
    drop(segment);
    assert!(common::is_removed(&name));
}
