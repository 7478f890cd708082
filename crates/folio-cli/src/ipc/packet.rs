//! Sockets that keep boundaries, up to what their buffer holds: longer messages go in pieces.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::retry_on_intr;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send};

use crate::ipc::payload::{check, fill};
use crate::ipc::stream::pair;
use crate::ipc::transport::{Ends, Transport};

/// Bytes of a piece. The buffer has some 200 KiB where nobody has raised net.core.wmem_max.
pub(crate) const PIECE_BYTES: usize = 128 << 10;

struct Packets {
    input: OwnedFd,
    output: OwnedFd,
    message: Vec<u8>,
}

impl Transport for Packets {
    fn send(&mut self, number: u64) -> io::Result<()> {
        fill(&mut self.message, number);
        for piece in self.message.chunks(PIECE_BYTES) {
            retry_on_intr(|| send(&self.output, piece, SendFlags::NOSIGNAL))?;
        }
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        for piece in self.message.chunks_mut(PIECE_BYTES) {
            let (_, len) = retry_on_intr(|| recv(&self.input, &mut *piece, RecvFlags::empty()))?;
            if len != piece.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        check(&self.message)
    }
}

pub(crate) fn make(size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
    let (ours, theirs) = pair(SocketType::SEQPACKET)?;
    for socket in [&ours, &theirs] {
        // As much as there may be.
        let _ = set_socket_send_buffer_size(socket, 1 << 20);
    }
    let us = join(ours.try_clone()?, ours, size);
    Ok((us, Ends::of(theirs.try_clone()?, theirs)))
}

pub(crate) fn join(input: OwnedFd, output: OwnedFd, size: usize) -> Box<dyn Transport> {
    Box::new(Packets { input, output, message: vec![0; size] })
}
