//! folio's queue, written and read in place.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use folio_cli::ipc::transport::Transport;
use folio_shm::{Queue, Receiver, Sender, Waiting};

use super::payload::{Payload, circle_bytes};
use super::way::Made;

struct Own {
    sender: Sender,
    receiver: Receiver,
    payload: Payload,
}

impl Own {
    fn boxed(
        output: &Queue,
        input: &Queue,
        payload: Payload,
        waiting: Waiting,
    ) -> io::Result<Box<dyn Transport>> {
        let (mut sender, mut receiver) = (output.sender()?, input.receiver()?);
        sender.set_waiting(waiting);
        receiver.set_waiting(waiting);
        Ok(Box::new(Self { sender, receiver, payload }))
    }
}

impl Transport for Own {
    fn send(&mut self, number: u64) -> io::Result<()> {
        let mut loan = self.sender.loan(self.payload.size)?;
        if self.payload.is_touched {
            // SAFETY: the memfd is this program's, and so is the peer, which writes to what it has borrowed only.
            self.payload.fill(unsafe { loan.as_mut_slice() }, number);
        }
        Ok(loan.send()?)
    }

    fn recv(&mut self) -> io::Result<u64> {
        let message = self.receiver.recv()?;
        if !self.payload.is_touched {
            return Ok(0);
        }
        // SAFETY: as above.
        self.payload.check(unsafe { message.as_slice() })
    }
}

pub(crate) fn make(payload: Payload, waiting: Waiting) -> io::Result<Made> {
    let options = Queue::options().create().longest(payload.size);
    let options = options.bytes(circle_bytes(payload.size));
    let there = options.memfd("folio-bench-there")?;
    let back = options.memfd("folio-bench-back")?;
    let fds = vec![there.as_fd().try_clone_to_owned()?, back.as_fd().try_clone_to_owned()?];
    let transport = Own::boxed(&there, &back, payload, waiting)?;
    Ok(Made { transport, fds, word: String::new() })
}

pub(crate) fn join(
    [there, back]: [OwnedFd; 2],
    payload: Payload,
    waiting: Waiting,
) -> io::Result<Box<dyn Transport>> {
    let (there, back) = (Queue::options().fd(there)?, Queue::options().fd(back)?);
    Own::boxed(&back, &there, payload, waiting)
}
