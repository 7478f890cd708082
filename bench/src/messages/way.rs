//! A way for messages from one process to another and back.

use std::io;
use std::os::fd::OwnedFd;

use folio_cli::ipc::transport::{Transport, Way as System};
use folio_shm::Waiting;

use super::payload::Payload;
use super::ring::Bell;
use super::{iceoryx, ipcchannel, own, ring, shmemipc};

/// For how long the ring that also sleeps looks first: as long as folio's queue.
const LOOKS_US: u64 = 50;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Folio(Waiting),
    Ring(Bell),
    System(System),
    Iceoryx2 { sleeps: bool },
    IpcChannel,
    ShmemIpc { sleeps: bool },
}

pub(crate) const FOLIO_BUSY: Way = Way::Folio(Waiting::Busy);
pub(crate) const FOLIO_SLEEPING: Way = Way::Folio(Waiting::Sleep);
pub(crate) const FOLIO: Way = Way::Folio(Waiting::Adaptive);
pub(crate) const RING: Way = Way::Ring(Bell::None);
pub(crate) const RING_SLEEPING: Way = Way::Ring(Bell::Futex { looks_us: 0 });
pub(crate) const RING_BOTH: Way = Way::Ring(Bell::Futex { looks_us: LOOKS_US });
pub(crate) const RING_EVENTFD: Way = Way::Ring(Bell::Eventfd);
pub(crate) const PIPE: Way = Way::System(System::Pipe);
pub(crate) const STREAM: Way = Way::System(System::UnixStream);
pub(crate) const SEQPACKET: Way = Way::System(System::UnixSeqpacket);
pub(crate) const MESSAGE_QUEUE: Way = Way::System(System::MessageQueue);
pub(crate) const SYSV: Way = Way::System(System::SysV);
pub(crate) const ICEORYX2: Way = Way::Iceoryx2 { sleeps: false };
pub(crate) const ICEORYX2_EVENT: Way = Way::Iceoryx2 { sleeps: true };
pub(crate) const IPC_CHANNEL: Way = Way::IpcChannel;
pub(crate) const SHMEM_IPC: Way = Way::ShmemIpc { sleeps: false };
pub(crate) const SHMEM_IPC_SLEEPING: Way = Way::ShmemIpc { sleeps: true };

/// All of them, and what they are called.
const NAMES: [(Way, &str); 17] = [
    (FOLIO_BUSY, "folio, busy"),
    (FOLIO_SLEEPING, "folio, sleeping"),
    (FOLIO, "folio"),
    (RING, "bare ring, busy"),
    (RING_SLEEPING, "bare ring, futex"),
    (RING_BOTH, "bare ring, looks 50 µs, then futex"),
    (RING_EVENTFD, "bare ring, eventfd"),
    (PIPE, "pipe"),
    (STREAM, "Unix socket, stream"),
    (SEQPACKET, "Unix socket, seqpacket"),
    (MESSAGE_QUEUE, "POSIX message queue"),
    (SYSV, "System V memory, semaphores"),
    (ICEORYX2, "iceoryx2, polling"),
    (ICEORYX2_EVENT, "iceoryx2, listener"),
    (IPC_CHANNEL, "ipc-channel"),
    (SHMEM_IPC, "shmem-ipc, polling"),
    (SHMEM_IPC_SLEEPING, "shmem-ipc, eventfd"),
];

/// One end, and what the other process needs to have the other.
pub(crate) struct Made {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) fds: Vec<OwnedFd>,
    pub(crate) word: String,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        NAMES[self.number()].1
    }

    /// Whether messages go around a circle that both sides have mapped.
    pub(crate) fn is_circle(self) -> bool {
        match self {
            Self::System(way) => way == System::SysV,
            // iceoryx2 uses the same few samples again and again, unless many are on their way.
            Self::Iceoryx2 { .. } | Self::IpcChannel => false,
            Self::Folio(_) | Self::Ring(_) | Self::ShmemIpc { .. } => true,
        }
    }

    /// What another process of this program knows it by.
    pub(crate) fn number(self) -> usize {
        NAMES.iter().position(|(way, _)| *way == self).expect("a way has a name")
    }

    pub(crate) fn of_number(number: usize) -> Option<Self> {
        NAMES.get(number).map(|(way, _)| *way)
    }

    pub(crate) fn make(self, payload: Payload) -> io::Result<Made> {
        match self {
            Self::Folio(waiting) => own::make(payload, waiting),
            Self::Ring(bell) => ring::make(payload, bell),
            Self::System(way) => {
                assert!(payload.is_touched, "system calls touch what they copy");
                let (transport, ends) = way.make(payload.size)?;
                let fds = ends.input.into_iter().chain(ends.output).collect();
                Ok(Made { transport, fds, word: ends.id.to_string() })
            }
            Self::Iceoryx2 { sleeps } => iceoryx::make(payload, sleeps),
            Self::IpcChannel => ipcchannel::make(payload),
            Self::ShmemIpc { sleeps } => shmemipc::make(payload, sleeps),
        }
    }

    pub(crate) fn join(
        self,
        payload: Payload,
        fds: Vec<OwnedFd>,
        word: &str,
    ) -> io::Result<Box<dyn Transport>> {
        let wrong = || io::Error::from(io::ErrorKind::InvalidInput);
        match self {
            Self::Folio(waiting) => {
                own::join(fds.try_into().map_err(|_| wrong())?, payload, waiting)
            }
            Self::Ring(bell) => ring::join(fds, payload, bell).ok_or_else(wrong),
            Self::System(way) => {
                if let [input, output] = &fds[..] {
                    rustix::stdio::dup2_stdin(input)?;
                    rustix::stdio::dup2_stdout(output)?;
                }
                way.join(payload.size, word.parse().map_err(|_| wrong())?)
            }
            Self::Iceoryx2 { sleeps } => iceoryx::join(word, payload, sleeps),
            Self::IpcChannel => ipcchannel::join(word, payload),
            Self::ShmemIpc { sleeps } => {
                shmemipc::join(fds.try_into().map_err(|_| wrong())?, payload, sleeps)
            }
        }
    }
}
