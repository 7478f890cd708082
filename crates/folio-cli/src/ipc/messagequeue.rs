//! POSIX message queues (mq_overview(7)). They keep boundaries, up to 8 KiB unless root has raised
//! fs.mqueue.msgsize_max: longer messages go in pieces.
//!
//! On Linux a queue is a descriptor, so it loses its name as soon as it is made, and is inherited.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ipc::payload::{check, fill};
use crate::ipc::transport::{Ends, Transport};

/// Bytes of a piece, and messages in a queue: what an ordinary user may ask for.
pub(crate) const PIECE_BYTES: usize = 8192;
const MESSAGES: libc::c_long = 10;

/// Nothing else tells that the other process has died.
const PATIENCE_SECONDS: libc::time_t = 10;

struct Queues {
    input: OwnedFd,
    output: OwnedFd,
    message: Vec<u8>,
}

impl Transport for Queues {
    fn send(&mut self, number: u64) -> io::Result<()> {
        fill(&mut self.message, number);
        for piece in self.message.chunks(PIECE_BYTES) {
            send(&self.output, piece)?;
        }
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        for piece in self.message.chunks_mut(PIECE_BYTES) {
            if receive(&self.input, piece)? != piece.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        check(&self.message)
    }
}

/// When to give up (clock_gettime(2), CLOCK_REALTIME).
fn deadline() -> libc::timespec {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let tv_sec = now.as_secs() as libc::time_t + PATIENCE_SECONDS;
    libc::timespec { tv_sec, tv_nsec: now.subsec_nanos().into() }
}

fn send(queue: &OwnedFd, piece: &[u8]) -> io::Result<()> {
    let deadline = deadline();
    loop {
        // SAFETY: mq_send(3) reads `len` bytes of the slice and the time, which live until it returns.
        let done = unsafe {
            let start = piece.as_ptr().cast();
            libc::mq_timedsend(queue.as_raw_fd(), start, piece.len(), 0, &deadline)
        };
        match io::Error::last_os_error() {
            _ if done == 0 => return Ok(()),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// Returns how many bytes it had. The queue's longest message is as long as the slice.
fn receive(queue: &OwnedFd, piece: &mut [u8]) -> io::Result<usize> {
    let (deadline, none) = (deadline(), std::ptr::null_mut());
    loop {
        // SAFETY: mq_receive(3) writes `len` bytes to the slice at most, and reads the time.
        let count = unsafe {
            let start = piece.as_mut_ptr().cast();
            libc::mq_timedreceive(queue.as_raw_fd(), start, piece.len(), none, &deadline)
        };
        match (usize::try_from(count), io::Error::last_os_error()) {
            (Ok(count), _) => return Ok(count),
            (_, error) if error.kind() == io::ErrorKind::Interrupted => {}
            (_, error) => return Err(error),
        }
    }
}

fn open(which: &str, size: usize) -> io::Result<OwnedFd> {
    let name = CString::new(format!("/folio-compare-{}-{which}", std::process::id()))?;
    // SAFETY: all of its fields are numbers.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = MESSAGES;
    attributes.mq_msgsize = size.min(PIECE_BYTES) as libc::c_long;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: mq_open(3) with the mode and the attributes that O_CREAT takes; all live until it returns.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags, 0o600 as libc::mode_t, &attributes) };
    if queue < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: on Linux it is a file descriptor (mq_overview(7)), and nobody else has it.
    let queue = unsafe { OwnedFd::from_raw_fd(queue) };
    // SAFETY: mq_unlink(3) reads the name.
    unsafe { libc::mq_unlink(name.as_ptr()) };
    Ok(queue)
}

pub(crate) fn make(size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
    let (there, back) = (open("there", size)?, open("back", size)?);
    let ends = Ends::of(there.try_clone()?, back.try_clone()?);
    Ok((join(back, there, size), ends))
}

pub(crate) fn join(input: OwnedFd, output: OwnedFd, size: usize) -> Box<dyn Transport> {
    Box::new(Queues { input, output, message: vec![0; size] })
}
