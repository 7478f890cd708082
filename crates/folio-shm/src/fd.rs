//! Descriptors on their way to another process: over a Unix socket (SCM_RIGHTS in unix(7)).
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use folio_shm::{Segment, recv_fd, send_fd};
//!
//! let (ours, theirs) = UnixStream::pair()?;
//! let segment = Segment::options().create().size(4096).memfd("sent")?;
//! segment.write_at(0, b"hello")?;
//! send_fd(&ours, &segment)?;
//!
//! // In the other process:
//! let found = Segment::options().fd(recv_fd(&theirs)?)?;
//! let mut bytes = [0; 5];
//! found.read_at(0, &mut bytes)?;
//! assert_eq!(&bytes, b"hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A descriptor travels with one byte of data, so that a stream delivers it. What is received is closed when
//! this process executes another program (MSG_CMSG_CLOEXEC). Whoever has the descriptor has the segment,
//! whatever its mode says; what a memfd's receiver may do to it is for its seals to say.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::error::{Error, ErrorKind, Result};

/// What travels with a descriptor.
const BYTE: u8 = b'F';

/// Sends a descriptor to whoever has the other end of a connected Unix socket. The caller's own stays
/// open.
///
/// # Errors
/// [`ErrorKind::Closed`] if the other end is closed; [`ErrorKind::Os`] with EAGAIN for a full
/// non-blocking socket, EBADF, EINVAL or ENOTSOCK for what is no Unix socket, ETOOMANYREFS: see
/// sendmsg(2).
pub fn send_fd(socket: impl AsFd, fd: impl AsFd) -> Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let bytes = [IoSlice::new(&[BYTE])];
    let send = || rustix::net::sendmsg(&socket, &bytes, &mut control, SendFlags::NOSIGNAL);
    rustix::io::retry_on_intr(send).map(drop).map_err(|errno| failed("send", errno))
}

/// Receives a descriptor that [`send_fd`] sent; waits for it, unless the socket is non-blocking.
///
/// # Errors
/// [`ErrorKind::Closed`] if the other end is closed, [`ErrorKind::Foreign`] for a message without a
/// descriptor, or with more than one, all of which are closed then; [`ErrorKind::Os`] with EAGAIN, EMFILE,
/// ENOTSOCK: see recvmsg(2).
pub fn recv_fd(socket: impl AsFd) -> Result<OwnedFd> {
    const RECEIVE: &str = "receive";
    let mut byte = [0];
    // Room for another, so that a second one is seen, and closed.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut bytes = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(&socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other.map_err(|errno| failed(RECEIVE, errno))?,
        }
    };
    let mut received = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = part {
            received.extend(fds);
        }
    }
    if message.bytes == 0 && received.is_empty() {
        let reason = "the other end of the socket is closed";
        return Err(Error::new(ErrorKind::Closed, RECEIVE, WHAT, reason));
    }
    let count = received.len();
    match received.pop() {
        Some(fd) if received.is_empty() && !message.flags.contains(ReturnFlags::CTRUNC) => Ok(fd),
        // Those that did not fit the kernel has dropped: of the descriptors of this process, or of room.
        Some(_) | None if message.flags.contains(ReturnFlags::CTRUNC) && count == 0 => {
            Err(failed(RECEIVE, Errno::MFILE).advice("close some, or raise ulimit -n"))
        }
        _ => {
            let reason = format!("the message has {count} descriptors, and not one");
            Err(Error::new(ErrorKind::Foreign, RECEIVE, WHAT, reason)
                .advice("send_fd() sends what is received here"))
        }
    }
}

const WHAT: &str = "a descriptor";

fn failed(operation: &'static str, errno: Errno) -> Error {
    match errno {
        Errno::PIPE | Errno::CONNRESET => {
            let reason = "the other end of the socket is closed";
            Error::new(ErrorKind::Closed, operation, WHAT, reason)
        }
        _ => Error::os(operation, WHAT, errno),
    }
}
