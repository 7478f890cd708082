//! Receiving in a runtime of tasks: tokio's. Feature `tokio`.
//!
//! ```
//! use folio_shm::Queue;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let queue = Queue::options().create().memfd("awaited")?;
//! let mut sender = queue.sender()?;
//! let mut receiver = queue.receiver()?.into_async()?;
//! sender.send(b"a message")?;
//! let message = receiver.recv().await?;
//! assert_eq!(message.to_vec()?, b"a message");
//! # Ok::<(), folio_shm::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

use crate::channel::message::Message;
use crate::channel::receiver::Receiver;
use crate::error::{Error, Result};

/// A [`Receiver`] whose messages are awaited. Made by [`Receiver::into_async`].
#[derive(Debug)]
pub struct AsyncReceiver {
    receiver: Receiver,
    ready: AsyncFd<OwnedFd>,
}

impl Receiver {
    /// The same for tasks.
    ///
    /// # Errors
    /// As [`ready_fd`](Self::ready_fd).
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without its I/O driver (`enable_io`).
    pub fn into_async(mut self) -> Result<AsyncReceiver> {
        let fd = match self.ready_fd()?.try_clone_to_owned() {
            Ok(fd) => fd,
            Err(error) => return Err(self.not_polled(&error)),
        };
        // SAFETY: the value owns the descriptor, which is open until it is dropped, and always the same.
        match unsafe { AsyncFd::register(fd) } {
            Ok(ready) => Ok(AsyncReceiver { receiver: self, ready }),
            Err(error) => Err(self.not_polled(&error.into())),
        }
    }
}

impl AsyncReceiver {
    /// The next message, when it has come. Dropped before, it has taken none.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub async fn recv(&mut self) -> Result<Message<'_>> {
        loop {
            if let Some(found) = self.receiver.find_now()? {
                return Ok(self.receiver.found(found));
            }
            self.receiver.ready_fd()?;
            let readable = self.ready.readable().await;
            let mut guard = readable.map_err(|error| self.failed(&error))?;
            // What became ready since is not cleared, and what came before is looked at.
            guard.clear_ready();
        }
    }

    /// The receiver for threads.
    #[must_use]
    pub fn into_inner(self) -> Receiver {
        self.receiver
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        self.receiver.not_polled(error)
    }
}
