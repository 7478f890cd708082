//! A transport: a way for messages of one size between two processes, in both directions.

use std::io;
use std::os::fd::OwnedFd;

use clap::ValueEnum;
use folio_shm::Waiting;

use crate::ipc::{messagequeue, packet, queue, stream, sysv};

/// One side of a way.
pub trait Transport {
    /// Sends the message of this number, its payload written.
    ///
    /// # Errors
    /// What the system or the library fails with.
    fn send(&mut self, number: u64) -> io::Result<()>;

    /// Receives a message, verifies its payload, and returns its number.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`io::ErrorKind::InvalidData`] if it arrived changed.
    fn recv(&mut self) -> io::Result<u64>;
}

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// This project's queue, which waits as it does unless it is told otherwise.
    FolioAdaptive,
    /// The same, whose receiver never sleeps.
    FolioBusy,
    /// The same, whose receiver sleeps at once.
    FolioSleeping,
    /// pipe(7).
    Pipe,
    /// mq_overview(7).
    MessageQueue,
    /// shmget(2), with semaphores (sem_overview(7)) in it.
    SysV,
    /// A stream in unix(7).
    UnixStream,
    /// Packets in unix(7).
    UnixSeqpacket,
}

/// What the other side inherits.
#[derive(Debug)]
pub struct Ends {
    /// As its standard input.
    pub input: Option<OwnedFd>,
    /// As its standard output.
    pub output: Option<OwnedFd>,
    /// A number that it is told.
    pub id: i32,
}

impl Ends {
    pub(crate) fn of(input: OwnedFd, output: OwnedFd) -> Self {
        Self { input: Some(input), output: Some(output), id: 0 }
    }
}

impl Way {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::FolioAdaptive => "folio, adaptive",
            Self::FolioBusy => "folio, busy",
            Self::FolioSleeping => "folio, sleeping",
            Self::Pipe => "pipe",
            Self::MessageQueue => "message queue",
            Self::SysV => "shmget, semaphores",
            Self::UnixStream => "socket, stream",
            Self::UnixSeqpacket => "socket, seqpacket",
        }
    }

    /// Makes one for messages of `size` bytes, and what the other side needs.
    ///
    /// # Errors
    /// What the system lacks or forbids.
    pub fn make(self, size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
        match self {
            Self::FolioAdaptive => queue::make(size, Waiting::Adaptive),
            Self::FolioBusy => queue::make(size, Waiting::Busy),
            Self::FolioSleeping => queue::make(size, Waiting::Sleep),
            Self::Pipe => stream::pipe(size),
            Self::UnixStream => stream::socket(size),
            Self::UnixSeqpacket => packet::make(size),
            Self::MessageQueue => messagequeue::make(size),
            Self::SysV => sysv::make(size),
        }
    }

    /// The other side.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn join(self, size: usize, id: i32) -> io::Result<Box<dyn Transport>> {
        if self == Self::SysV {
            return sysv::join(size, id);
        }
        let input = rustix::stdio::stdin().try_clone_to_owned()?;
        let output = rustix::stdio::stdout().try_clone_to_owned()?;
        match self {
            Self::FolioAdaptive => queue::join(input, output, size, Waiting::Adaptive),
            Self::FolioBusy => queue::join(input, output, size, Waiting::Busy),
            Self::FolioSleeping => queue::join(input, output, size, Waiting::Sleep),
            Self::MessageQueue => Ok(messagequeue::join(input, output, size)),
            Self::UnixSeqpacket => Ok(packet::join(input, output, size)),
            _ => Ok(stream::join(input, output, size)),
        }
    }
}
