//! shmem-ipc: a ring of bytes in a memfd, whose receiver polls, or sleeps in read(2) of an eventfd.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::slice;

use folio_cli::ipc::transport::Transport;
use shmem_ipc::sharedring::{Receiver, Sender};

use super::payload::{Payload, circle_bytes};
use super::way::Made;

struct Bytes {
    sender: Sender<u8>,
    receiver: Receiver<u8>,
    payload: Payload,
    sleeps: bool,
}

fn failed(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

/// A message may come in two parts, both of whole words: the ring's length is a multiple of 64, as is a message's.
impl Transport for Bytes {
    fn send(&mut self, number: u64) -> io::Result<()> {
        let Self { sender, payload, .. } = self;
        let mut done = 0;
        while done < payload.size {
            let put = |start: *mut u8, room: usize| {
                let count = room.min(payload.size - done);
                // SAFETY: shmem-ipc lends `room` bytes that the other process, this program too, leaves alone.
                let bytes = unsafe { slice::from_raw_parts_mut(start, count) };
                payload.fill(bytes, number + done as u64 / 8);
                done += count;
                count
            };
            if self.sleeps {
                sender.block_until_writable().map_err(failed)?;
                sender.send_raw(put).map_err(failed)?;
            } else {
                sender.sender_mut().send(put).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        let Self { receiver, payload, .. } = self;
        let (mut done, mut first, mut verified) = (0, 0, Ok(()));
        while done < payload.size {
            let take = |start: *const u8, there: usize| {
                let count = there.min(payload.size - done);
                // SAFETY: as in `send`.
                let bytes = unsafe { slice::from_raw_parts(start, count) };
                match (Payload { size: count, ..*payload }).check(bytes) {
                    Ok(number) if done == 0 => first = number,
                    Ok(number) if !payload.is_touched || number == first + done as u64 / 8 => {}
                    Ok(_) => verified = Err(io::ErrorKind::InvalidData.into()),
                    Err(error) => verified = Err(error),
                }
                done += count;
                count
            };
            if self.sleeps {
                receiver.block_until_readable().map_err(failed)?;
                receiver.receive_raw(take).map_err(failed)?;
            } else {
                receiver.receiver_mut().recv(take).map_err(failed)?;
            }
        }
        verified.map(|()| first)
    }
}

/// The descriptors of an end, and what opens another with them.
macro_rules! fds {
    ($end:expr) => {{
        let (memory, empty, full) =
            ($end.memfd().as_file(), $end.empty_signal(), $end.full_signal());
        let clone = |file: &File| file.as_fd().try_clone_to_owned();
        [clone(memory)?, clone(empty)?, clone(full)?]
    }};
}

pub(crate) fn make(payload: Payload, sleeps: bool) -> io::Result<Made> {
    let capacity = circle_bytes(payload.size);
    let sender = Sender::new(capacity).map_err(failed)?;
    let receiver = Receiver::new(capacity).map_err(failed)?;
    let fds = [fds!(sender), fds!(receiver)].into_iter().flatten().collect();
    let transport = Box::new(Bytes { sender, receiver, payload, sleeps });
    Ok(Made { transport, fds, word: String::new() })
}

pub(crate) fn join(
    fds: [OwnedFd; 6],
    payload: Payload,
    sleeps: bool,
) -> io::Result<Box<dyn Transport>> {
    let capacity = circle_bytes(payload.size);
    let [memory, empty, full, back, back_empty, back_full] = fds.map(File::from);
    let receiver = Receiver::open(capacity, memory, empty, full).map_err(failed)?;
    let sender = Sender::open(capacity, back, back_empty, back_full).map_err(failed)?;
    Ok(Box::new(Bytes { sender, receiver, payload, sleeps }))
}
