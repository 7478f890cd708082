//! folio's queue, written and read in place.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use folio_shm::{Queue, Receiver, Sender, Waiting};

use crate::ipc::payload::{check, fill};
use crate::ipc::transport::{Ends, Transport};

/// How long the other process may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a circle: the queue's own default, or room for some large messages. With room for few, the sides
/// wait for each other.
fn circle(size: usize) -> usize {
    (4 << 20).max(8 * size)
}

struct Queues {
    sender: Sender,
    receiver: Receiver,
    size: usize,
    /// Whether the other side has shown itself.
    is_met: bool,
}

impl Transport for Queues {
    fn send(&mut self, number: u64) -> io::Result<()> {
        let mut loan = self.sender.loan(self.size)?;
        // SAFETY: the queue is a memfd that nobody has but this process and its peer, which runs this code
        // too: it writes to no message that it has not borrowed, and this one is borrowed here.
        let bytes = unsafe { loan.as_mut_slice() };
        fill(bytes, number);
        Ok(loan.send()?)
    }

    fn recv(&mut self) -> io::Result<u64> {
        let message = match self.is_met {
            true => self.receiver.recv()?,
            // From then on its death ends the wait.
            false => self.receiver.recv_until(Instant::now() + PATIENCE)?,
        };
        self.is_met = true;
        // SAFETY: as in `send`; the peer writes to this message no more until it is dropped here.
        let bytes = unsafe { message.as_slice() };
        check(bytes)
    }
}

pub(crate) fn make(size: usize, waiting: Waiting) -> io::Result<(Box<dyn Transport>, Ends)> {
    let options = Queue::options().create().longest(size).bytes(circle(size));
    let there = options.memfd("folio-compare-there")?;
    let back = options.memfd("folio-compare-back")?;
    let ends = Ends::of(there.as_fd().try_clone_to_owned()?, back.as_fd().try_clone_to_owned()?);
    Ok((take(&back, &there, size, waiting)?, ends))
}

pub(crate) fn join(
    input: OwnedFd,
    output: OwnedFd,
    size: usize,
    waiting: Waiting,
) -> io::Result<Box<dyn Transport>> {
    let (input, output) = (Queue::options().fd(input)?, Queue::options().fd(output)?);
    take(&input, &output, size, waiting)
}

fn take(
    input: &Queue,
    output: &Queue,
    size: usize,
    waiting: Waiting,
) -> io::Result<Box<dyn Transport>> {
    let (mut sender, mut receiver) = (output.sender()?, input.receiver()?);
    sender.set_waiting(waiting);
    receiver.set_waiting(waiting);
    Ok(Box::new(Queues { sender, receiver, size, is_met: false }))
}
