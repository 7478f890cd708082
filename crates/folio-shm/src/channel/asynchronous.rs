//! Channels in a runtime of tasks: tokio's. Feature `tokio`.
//!
//! ```
//! use folio_shm::Queue;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let queue = Queue::options().create().memfd("awaited")?;
//! let mut sender = queue.sender()?.into_async()?;
//! let mut receiver = queue.receiver()?.into_async()?;
//! sender.send(b"a message").await?;
//! let message = receiver.recv().await?;
//! assert_eq!(message.to_vec()?, b"a message");
//! # Ok::<(), folio_shm::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Each end has a descriptor that tokio polls, and a thread that makes it readable: see
//! [`Receiver::ready_fd`]. A future that is dropped has sent nothing, and taken nothing.
#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use crate::channel::cast::Next;
use crate::channel::lane::Slot;
use crate::channel::loan::Loan;
use crate::channel::message::Message;
use crate::channel::published::Published;
use crate::channel::publisher::Publisher;
use crate::channel::receiver::Receiver;
use crate::channel::sender::Sender;
use crate::channel::subscriber::Subscriber;
use crate::error::{Error, Result};

/// A descriptor that a task waits for.
#[derive(Debug)]
struct Ready(AsyncFd<OwnedFd>);

impl Ready {
    fn new(fd: BorrowedFd<'_>) -> Result<Self> {
        let fd = fd.try_clone_to_owned().map_err(|error| failed(&error))?;
        // SAFETY: the value owns the descriptor, which is open until it is dropped, and always the same.
        let fd = unsafe { AsyncFd::register(fd) };
        fd.map(Self).map_err(|error| failed(&error.into()))
    }

    /// Waits until it is readable. What becomes so after this call is not cleared.
    async fn come(&self) -> Result<()> {
        let mut guard = self.0.readable().await.map_err(|error| failed(&error))?;
        guard.clear_ready();
        Ok(())
    }
}

fn failed(error: &std::io::Error) -> Error {
    let errno = rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO);
    Error::os("poll", "a channel", errno)
}

macro_rules! is_async {
    ($end:ident, $async:ident $(, $len:literal)?) => {
        #[doc = concat!("A [`", stringify!($end), "`] for tasks. Made by [`", stringify!($end), "::into_async`].")]
        #[derive(Debug)]
        pub struct $async {
            end: $end,
            ready: Ready,
        }

        impl $end {
            /// The same for tasks.
            ///
            /// # Errors
            /// As [`ready_fd`](Self::ready_fd).
            ///
            /// # Panics
            /// Outside of a tokio runtime, or in one without its I/O driver (`enable_io`).
            pub fn into_async(mut self) -> Result<$async> {
                let ready = Ready::new(self.ready_fd($($len)?)?)?;
                Ok($async { end: self, ready })
            }
        }

        impl $async {
            /// The one for threads.
            #[must_use]
            pub fn into_inner(self) -> $end {
                self.end
            }
        }
    };
}

is_async!(Sender, AsyncSender, 0);
is_async!(Receiver, AsyncReceiver);
is_async!(Publisher, AsyncPublisher, 0);
is_async!(Subscriber, AsyncSubscriber);

impl AsyncSender {
    /// Sends a message, when there is room.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<()> {
        let slot = self.room(message.len()).await?;
        self.end.send_in(slot, message)
    }

    /// A place for a message of so many bytes, when there is room.
    ///
    /// # Errors
    /// As [`Sender::loan`].
    pub async fn loan(&mut self, len: usize) -> Result<Loan<'_>> {
        let slot = self.room(len).await?;
        Ok(self.end.lend(slot))
    }

    async fn room(&mut self, len: usize) -> Result<Slot> {
        loop {
            if let Some(slot) = self.end.reserve_now(len)? {
                return Ok(slot);
            }
            self.end.ready_fd(len)?;
            self.ready.come().await?;
        }
    }
}

impl AsyncReceiver {
    /// The next message, when it has come.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub async fn recv(&mut self) -> Result<Message<'_>> {
        loop {
            if let Some(found) = self.end.find_now()? {
                return Ok(self.end.found(found));
            }
            self.end.ready_fd()?;
            self.ready.come().await?;
        }
    }
}

impl AsyncPublisher {
    /// Publishes a message, when there is room: at once, unless subscribers hold it back.
    ///
    /// # Errors
    /// As [`Publisher::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<()> {
        while !self.end.try_send(message)? {
            self.end.ready_fd(message.len())?;
            self.ready.come().await?;
        }
        Ok(())
    }
}

impl AsyncSubscriber {
    /// Copies the next message into `message`, in the place of what it held, when it has come, and returns how many
    /// were lost before it.
    ///
    /// # Errors
    /// As [`Subscriber::recv`].
    pub async fn recv(&mut self, message: &mut Vec<u8>) -> Result<u64> {
        loop {
            self.come().await?;
            // It may have been overwritten meanwhile.
            if let Some(lost) = self.end.try_recv(message)? {
                return Ok(lost);
            }
        }
    }

    /// The next message, where it is in the segment, when it has come.
    ///
    /// # Errors
    /// As [`Subscriber::recv_in_place`].
    pub async fn recv_in_place(&mut self) -> Result<Published<'_>> {
        let next = self.come().await?;
        Ok(self.end.in_place(next))
    }

    async fn come(&mut self) -> Result<Next> {
        loop {
            if let Some(next) = self.end.next_now()? {
                return Ok(next);
            }
            self.end.ready_fd()?;
            self.ready.come().await?;
        }
    }
}
