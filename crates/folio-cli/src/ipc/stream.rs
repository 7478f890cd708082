//! Pipes and stream sockets: bytes without boundaries, so that both sides have to know the size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::ipc::payload::{check, fill};
use crate::ipc::transport::{Ends, Transport};

/// Bytes in a pipe: as many as an ordinary user may ask for.
const PIPE_BYTES: usize = 1 << 20;

struct Stream {
    input: File,
    output: File,
    message: Vec<u8>,
}

impl Transport for Stream {
    fn send(&mut self, number: u64) -> io::Result<()> {
        fill(&mut self.message, number);
        self.output.write_all(&self.message)
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.input.read_exact(&mut self.message)?;
        check(&self.message)
    }
}

pub(crate) fn pipe(size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
    let (their_input, our_output) = pipe_with(PipeFlags::CLOEXEC)?;
    let (our_input, their_output) = pipe_with(PipeFlags::CLOEXEC)?;
    for end in [&our_output, &our_input] {
        // Where there may be no more, it stays as it is.
        let _ = fcntl_setpipe_size(end, PIPE_BYTES);
    }
    Ok((join(our_input, our_output, size), Ends::of(their_input, their_output)))
}

pub(crate) fn socket(size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
    let (ours, theirs) = pair(SocketType::STREAM)?;
    let us = join(ours.try_clone()?, ours, size);
    Ok((us, Ends::of(theirs.try_clone()?, theirs)))
}

/// Two sockets that are connected.
pub(crate) fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

pub(crate) fn join(input: OwnedFd, output: OwnedFd, size: usize) -> Box<dyn Transport> {
    Box::new(Stream { input: input.into(), output: output.into(), message: vec![0; size] })
}
